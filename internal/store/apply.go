package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

// Apply makes changes true inside a slice. It returns the positions in the
// list of those whose old side did not hold; they were not made. The dynamic
// groups follow.
func (s *Store) Apply(ctx context.Context, tx durable.Tx, sc fleet.Scope, changes []fleet.Change) ([]int, error) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	refused, err := s.apply(ctx, q, scope, changes)
	if err != nil {
		return nil, err
	}
	return refused, s.judge(ctx, q, scope, movedThings(changes))
}

// apply is the one function that makes changes true. Changes of one kind are
// made as a set. Two changes of one resource do not stand in one list. Whoever
// moves things between groups has them judged once all is done.
func (s *Store) apply(ctx context.Context, q querier, scope int64, changes []fleet.Change) ([]int, error) {
	a := &applying{ctx: ctx, q: q, scope: scope, now: s.millis()}
	var messages []notify.Message
	certs, groups := map[certificateMove][]int{}, map[groupMove][]int{}
	for i, c := range changes {
		var err error
		switch c := c.(type) {
		case fleet.CertificateStatus:
			certs[certificateMove{c.From, c.To}] = append(certs[certificateMove{c.From, c.To}], i)
		case fleet.GroupMembership:
			move := groupMove{c.To, c.Group, c.Seq}
			groups[move] = append(groups[move], i)
		case fleet.CACertificateStatus:
			err = a.one(i, `UPDATE ca_certificates SET status = @to, modified_at = @now, customer_version = customer_version + 1
				WHERE scope = @scope AND id = @id AND status = @from`,
				args{"id": c.ID, "from": string(c.From), "to": string(c.To), "now": a.now})
		case fleet.PolicyDefault:
			had := len(a.refused)
			if err = a.policyDefault(i, c); len(a.refused) == had {
				a.policies = append(a.policies, c.Policy)
			}
		case fleet.Logging:
			err = a.logging(i, c)
		case notify.Publish:
			if !c.Withdraw {
				messages = append(messages, c.Message)
				continue
			}
			err = a.one(i, `DELETE FROM topic_messages WHERE scope = @scope AND id = @id AND state = 'PENDING'`,
				args{"id": c.Message.ID})
		default:
			err = fmt.Errorf("change of type %T", c)
		}
		if err != nil {
			return nil, fmt.Errorf("apply change: %w", err)
		}
	}
	for move, list := range certs {
		if err := a.certificates(move, changes, list); err != nil {
			return nil, fmt.Errorf("apply changes to certificates: %w", err)
		}
	}
	if err := a.memberships(groups, changes); err != nil {
		return nil, fmt.Errorf("apply changes to thing groups: %w", err)
	}
	if err := enqueueMessages(ctx, q, scope, messages); err != nil {
		return nil, fmt.Errorf("apply changes to topics: %w", err)
	}
	slices.Sort(a.refused)
	return a.refused, a.note()
}

// note tells gateways what was changed, a kind of it at once.
func (a *applying) note() error {
	return errors.Join(
		noteRights(a.ctx, a.q, a.scope, fleet.RightCertificate, a.certs...),
		noteRights(a.ctx, a.q, a.scope, fleet.RightPolicy, a.policies...),
		noteRights(a.ctx, a.q, a.scope, fleet.RightThing, a.things...),
	)
}

// applying is one call of apply.
type applying struct {
	ctx     context.Context
	q       querier
	scope   int64
	now     int64
	refused []int
	// What changed, by what gateways look for: see noteRights.
	certs, policies, things []string
}

// certificateMove is what certificates that are changed as a set have in
// common.
type certificateMove struct{ from, to fleet.Status }

// one makes a change by a statement that touches one row if the old side
// holds.
func (a *applying) one(i int, text string, params args) error {
	params["scope"] = a.scope
	n, err := a.q.exec(a.ctx, text, params)
	if err == nil && n == 0 {
		a.refused = append(a.refused, i)
	}
	return err
}

func (a *applying) certificates(m certificateMove, changes []fleet.Change, list []int) error {
	params := args{"from": string(m.from), "to": string(m.to), "now": a.now}
	at := make(map[int64]int, len(list))
	for _, i := range list {
		at[changes[i].(fleet.CertificateStatus).Seq] = i
	}
	seqs := slices.Sorted(maps.Keys(at))
	in := a.q.dialect().in("seq", "seqs", params, seqs)
	done, err := all(a.ctx, a.q, `UPDATE certificates SET status = @to, modified_at = @now,
			customer_version = customer_version + 1
		WHERE `+in+` AND status = @from RETURNING seq`, params, scalar[int64])
	for _, seq := range done {
		a.certs = append(a.certs, changes[at[seq]].(fleet.CertificateStatus).ID)
		delete(at, seq)
	}
	a.refused = append(a.refused, slices.Collect(maps.Values(at))...)
	return err
}

func (a *applying) policyDefault(i int, c fleet.PolicyDefault) error {
	// Nobody deletes the version To while it comes into force.
	if err := lockRows(a.ctx, a.q, policyRows, a.scope, c.Policy); err != nil {
		return err
	}
	params := args{"name": c.Policy, "from": c.From, "to": c.To, "now": a.now}
	if c.Document == "" {
		return a.one(i, `UPDATE policies SET default_version = @to, modified_at = @now WHERE scope = @scope
			AND name = @name AND default_version = @from AND EXISTS (SELECT 1 FROM policy_versions v
				WHERE v.scope = @scope AND v.policy = @name AND v.version = @to)`, params)
	}
	had := len(a.refused)
	err := a.one(i, `UPDATE policies SET default_version = @to, next_version = @to + 1, modified_at = @now
		WHERE scope = @scope AND name = @name AND default_version = @from AND next_version = @to`, params)
	if err != nil || len(a.refused) > had {
		return err
	}
	d, err := fleet.NewPolicyDraft(c.Policy, c.Document, fromMillis(a.now))
	if err != nil {
		return err
	}
	return insertPolicyVersion(a.ctx, a.q, a.scope, versionOf(d, c.To))
}

func (a *applying) logging(i int, c fleet.Logging) error {
	have, err := loggingOptions(a.ctx, a.q, a.scope)
	if err != nil {
		return err
	}
	if *have != c.From {
		a.refused = append(a.refused, i)
		return nil
	}
	return setLoggingOptions(a.ctx, a.q, a.scope, &c.To)
}
