package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

const (
	// SliceRoles is how many roles with short policies a slice analyses, at most:
	// that costs more than looking at those who have them. See weight.
	SliceRoles = 500
	// roleRows is how many pools or role aliases are read at a time.
	roleRows = 500
)

// Role is an IAM role as far as audits judge it.
type Role struct {
	ARN string
	// Grants is what its policies grant together; nil where that is not known,
	// and Unknown says why.
	Grants  *policy.Role
	Unknown string
	// Used says which services it has used, nil where nothing is known of that.
	Used *identity.AccessReport

	policies *identity.RolePolicies // to be analysed
}

// Roles are the roles of an account, by ARN. All that a rule may ask for are
// there.
type Roles map[string]*Role

// Verdict is what a rule over roles makes of a resource. One that it could not
// test whole has no violations and says why in Untested; one that Outside says is
// outside of its population counts for nothing.
type Verdict struct {
	Outside    bool
	Violations []Violation
	Untested   string
}

// RoleStore is what the engine needs to know of roles and of who gives them.
type RoleStore interface {
	// PoolPage lists identity pools by id, and RoleAliasPage role aliases by name,
	// behind one.
	PoolPage(ctx context.Context, tx durable.Tx, scope fleet.Scope, after string, limit int) ([]identity.Pool, error)
	RoleAliasPage(ctx context.Context, tx durable.Tx, scope fleet.Scope, after string, limit int) (
		[]fleet.RoleAlias, error)
	// RolePolicies returns the policies of those roles of an account that exist.
	RolePolicies(ctx context.Context, tx durable.Tx, account string, arns []string) (
		map[string]*identity.RolePolicies, error)
	// AccessReports returns what is known of the services that some roles of an
	// account have used; other roles are not in the answer.
	AccessReports(ctx context.Context, tx durable.Tx, account string, arns []string) (
		map[string]*identity.AccessReport, error)
}

// holder is a pool or a role alias that is about to be judged.
type holder struct {
	name  string   // where lists go on behind it
	key   string   // in findings
	roles []string // ARNs
	judge func(rule) Verdict
}

// holders judges a page of pools or role aliases, with the roles they give.
func (e *Engine) holders(ctx context.Context, tx durable.Tx, s *slice) error {
	for {
		list, err := e.holderPage(ctx, tx, s, s.rules[s.task.Pass][0].state.After)
		if err != nil {
			return err
		}
		for i := range list {
			if s.full() {
				return nil
			}
			if err := e.learnOfRoles(ctx, tx, s, list[i:]); err != nil {
				return err
			}
			for _, arn := range list[i].roles {
				s.known.analysed += s.known.roles[arn].analyse()
			}
			s.holder(&list[i])
		}
		if len(list) < roleRows {
			s.known.last = true
			return nil
		}
	}
}

func (e *Engine) holderPage(ctx context.Context, tx durable.Tx, s *slice, after string) (list []holder, err error) {
	if kind(s.task.Pass) == poolPass {
		pools, err := e.Store.PoolPage(ctx, tx, s.task.Scope, after, roleRows)
		for i := range pools {
			p := &pools[i]
			list = append(list, holder{p.ID, p.ID, p.Roles.All(), func(r rule) Verdict {
				return r.Pool(r.env, p, s.known.roles)
			}})
		}
		return list, err
	}
	aliases, err := e.Store.RoleAliasPage(ctx, tx, s.task.Scope, after, roleRows)
	for i := range aliases {
		a := &aliases[i]
		key := s.task.Scope.ARN("rolealias", a.Name)
		list = append(list, holder{a.Name, key, []string{a.RoleARN}, func(r rule) Verdict {
			return r.RoleAlias(r.env, a, s.known.roles)
		}})
	}
	return list, err
}

// holder judges one pool or role alias.
func (s *slice) holder(h *holder) {
	s.known.held++
	for _, r := range s.rules[s.task.Pass] {
		r.state.After = h.name
		switch v := h.judge(r); {
		case v.Outside:
		case v.Untested != "" && len(v.Violations) == 0:
			r.untested(h.key, v.Untested)
		default:
			s.judge(r, h.key, v.Violations)
			for i := range v.Violations {
				s.known.relations += int64(len(v.Violations[i].Related))
			}
		}
	}
}

// learnOfRoles finds out what the roles of the first of some holders may do,
// and with them those of the next ones, each role once in a slice.
func (e *Engine) learnOfRoles(ctx context.Context, tx durable.Tx, s *slice, list []holder) error {
	if s.knows(list[0].roles) {
		return nil
	}
	const most = 100 // roles read at a time: the documents of one are up to some 70 KB
	var wanted []string
	asked := map[string]bool{}
	for i := range list {
		if i > 0 && len(wanted)+len(list[i].roles) > most {
			break
		}
		for _, arn := range list[i].roles {
			if !asked[arn] && s.known.roles[arn] == nil {
				wanted, asked[arn] = append(wanted, arn), true
			}
		}
	}
	for len(wanted) > 0 {
		part := wanted[:min(most, len(wanted))]
		wanted = wanted[len(part):]
		if err := e.learnOf(ctx, tx, s, part); err != nil {
			return err
		}
	}
	return nil
}

func (s *slice) knows(arns []string) bool {
	for _, arn := range arns {
		if s.known.roles[arn] == nil {
			return false
		}
	}
	return true
}

func (e *Engine) learnOf(ctx context.Context, tx durable.Tx, s *slice, arns []string) error {
	policies, err := e.Store.RolePolicies(ctx, tx, s.task.Scope.Account, arns)
	if err != nil {
		return fmt.Errorf("read policies of roles: %w", err)
	}
	reports, err := e.Store.AccessReports(ctx, tx, s.task.Scope.Account, arns)
	if err != nil {
		return fmt.Errorf("read what roles have used: %w", err)
	}
	for _, arn := range arns {
		role := &Role{ARN: arn, Used: reports[arn], policies: policies[arn]}
		if role.policies == nil {
			role.Unknown = "its role " + arn + " does not exist in this account"
		}
		s.known.roles[arn] = role
	}
	return nil
}

// analyse judges the policies of a role once, and returns what that weighs.
func (r *Role) analyse() int {
	p := r.policies
	if p == nil {
		return 0
	}
	r.policies = nil
	if p.Missing != "" {
		r.Unknown = fmt.Sprintf("its role %s has the policy %s, which is not known here", r.ARN, p.Missing)
		return 0
	}
	var err error
	if r.Grants, err = analyzeRole(p); err != nil {
		r.Unknown = fmt.Sprintf("a policy of its role %s cannot be read: %v", r.ARN, err)
	}
	return weight(p)
}

// weight is how much it costs to analyse policies, in roles with short ones: the
// square of their length counts, in kilobytes.
func weight(p *identity.RolePolicies) int {
	size := 0
	for _, text := range p.Documents {
		size += len(text)
	}
	if p.Boundary != nil {
		size += len(*p.Boundary)
	}
	return 1 + (size>>10)*(size>>10)/8
}

// analyzeRole reads the policies of a role and judges what they grant.
func analyzeRole(p *identity.RolePolicies) (*policy.Role, error) {
	var documents []*policy.Document
	for _, text := range p.Documents {
		doc, err := policy.ParseIdentity(text)
		if err != nil {
			return nil, err
		}
		documents = append(documents, doc)
	}
	if p.Boundary == nil {
		return policy.AnalyzeRole(documents, nil), nil
	}
	boundary, err := policy.ParseIdentity(*p.Boundary)
	if err != nil {
		return nil, err
	}
	return policy.AnalyzeRole(documents, boundary), nil
}

// UsePeriod is how far back the use of services counts: those that were not
// used since are unused. Source: the check "Role alias allows access to unused
// services", which speaks of the last year.
const UsePeriod = 365 * day

// UsedSince returns the services that the role has used since a time, or why
// that is not known: there is no report, or it is older than the time.
func (r *Role) UsedSince(since time.Time) (used map[string]bool, unknown string) {
	if r.Used == nil {
		return nil, "nothing is known of the services that its role " + r.ARN +
			" has used (cordon import last-accessed)"
	}
	if r.Used.Reported.Before(since) {
		return nil, fmt.Sprintf("what is known of the services that its role %s has used is from %s", r.ARN,
			r.Used.Reported.Format(time.DateOnly))
	}
	used = map[string]bool{}
	for _, s := range r.Used.Services {
		used[s.Namespace] = !s.Last.IsZero() && !s.Last.Before(since)
	}
	return used, ""
}
