package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// DetachPrincipalPolicy detaches a policy from a certificate; one that is not
// attached is fine. A policy or certificate that is not there is a NotFound
// fault.
func (s *Store) DetachPrincipalPolicy(ctx context.Context, sc fleet.Scope, policy, certificate string) error {
	t := fleet.Target{Kind: fleet.TargetCertificate, Name: certificate}
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := needTarget(ctx, q, scope, t); err != nil {
			return err
		}
		if err := needPolicy(ctx, q, scope, policy); err != nil {
			return err
		}
		return detach(ctx, q, scope, policy, t)
	})
}

// PrincipalPolicies lists the policies of a certificate in the order in which
// they were made, or returns a NotFound fault. There are few: all are read for
// a page.
func (s *Store) PrincipalPolicies(ctx context.Context, sc fleet.Scope, certificate string, p fleet.PolicyPage) (
	list []fleet.Policy, err error,
) {
	t := fleet.Target{Kind: fleet.TargetCertificate, Name: certificate}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if err := needTarget(ctx, q, scope, t); err != nil {
			return err
		}
		list, err = all(ctx, q, `SELECT p.seq, p.name FROM policy_targets t CROSS JOIN policies p
			WHERE t.scope = @scope AND t.target = @target AND p.scope = t.scope AND p.name = t.policy`,
			args{"scope": scope, "target": t.String()},
			func(r scanner) (found fleet.Policy, err error) { return found, r.Scan(&found.Seq, &found.Name) })
		if err != nil {
			return fmt.Errorf("list policies of certificate: %w", err)
		}
		return nil
	})
	list = slices.DeleteFunc(list, func(found fleet.Policy) bool {
		return p.After != 0 && (found.Seq == p.After || found.Seq > p.After != p.Ascending)
	})
	slices.SortFunc(list, func(a, b fleet.Policy) int {
		if p.Ascending {
			return cmp.Compare(a.Seq, b.Seq)
		}
		return cmp.Compare(b.Seq, a.Seq)
	})
	return list[:min(len(list), p.Limit)], err
}

// PolicyPrincipals lists the ids of the certificates that a policy is attached
// to in their order, or returns a NotFound fault.
func (s *Store) PolicyPrincipals(ctx context.Context, sc fleet.Scope, policy string, p fleet.PrincipalPage) (
	ids []string, err error,
) {
	const prefix = string(fleet.TargetCertificate) + "/"
	after, order := prefix+p.After, ` AND target > @after AND target < @end ORDER BY target`
	a := args{"policy": policy, "limit": p.Limit, "end": prefix + lastText}
	if !p.Ascending {
		order = ` AND target < @after AND target > @end ORDER BY target DESC`
		a["end"] = prefix
		if p.After == "" {
			after = prefix + lastText
		}
	}
	a["after"] = after
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if err := needPolicy(ctx, q, scope, policy); err != nil {
			return err
		}
		a["scope"] = scope
		ids, err = all(ctx, q, `SELECT target FROM policy_targets WHERE scope = @scope AND policy = @policy`+order+`
			LIMIT @limit`, a, func(r scanner) (id string, err error) {
			err = r.Scan(&id)
			return strings.TrimPrefix(id, prefix), err
		})
		if err != nil {
			return fmt.Errorf("list certificates of policy: %w", err)
		}
		return nil
	})
	return ids, err
}
