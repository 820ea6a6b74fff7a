package identity

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/policy"
)

// maxSimulated bounds the pairs of action and resource of one simulation.
const maxSimulated = 1000

// Simulation asks what a user or role of an account could do.
type Simulation struct {
	Account string
	ARN     string // of the user or role
	// Policies are documents that it has besides, and Boundary one that stands in
	// for its permissions boundary; "" leaves that.
	Policies []string
	Boundary string
	// ResourcePolicy is a document that every resource has; "" is none.
	ResourcePolicy string
	Actions        []string
	Resources      []string // none is "*"
	// Values are those of the keys of the request. Of the caller itself its name,
	// ARN, account and tags are known.
	Values policy.Table
}

// Simulated is the verdict on one action and one resource.
type Simulated struct {
	Action, Resource string
	Verdict          Verdict
	// Matched are the policies with a statement that decided, one for each.
	Matched []GrantedPolicy
	// Missing are the keys that policies asked for and that have no value.
	Missing []string
	// Bounded says that there is a permissions boundary, and WithinBounds that it
	// allows.
	Bounded, WithinBounds bool
}

// Simulate decides what a user or role could do, by the code that authorises
// calls. It is NotFound without that user or role, MalformedPolicy for a
// document that cannot be read, and Invalid for more than 1,000 pairs.
func (s *Service) Simulate(ctx context.Context, in Simulation) ([]Simulated, error) {
	if len(in.Resources) == 0 {
		in.Resources = []string{"*"}
	}
	if len(in.Actions)*len(in.Resources) > maxSimulated {
		return nil, fault.New(fault.Invalid, "a simulation decides on %d actions and resources at most", maxSimulated)
	}
	sim, err := s.simulator(ctx, in)
	if err != nil {
		return nil, err
	}
	var list []Simulated
	for _, action := range in.Actions {
		for _, resource := range in.Resources {
			list = append(list, sim.decide(Ask{Action: action, Resource: resource, Values: in.Values}))
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// simulator is a simulation that is ready to decide.
type simulator struct {
	principal Principal
	rights    *Rights
	side      resourceSide
	policies  []simulatedPolicy
	now       time.Time
}

// simulatedPolicy is one policy by itself, to say which one decided.
type simulatedPolicy struct {
	GrantedPolicy
	permissions *policy.Permissions
}

func (s *Service) simulator(ctx context.Context, in Simulation) (*simulator, error) {
	arn, ok := ParseARN(in.ARN)
	kind := OwnerKind(arn.Kind)
	if !ok || kind != OwnerUser && kind != OwnerRole {
		return nil, fault.New(fault.Unsupported, "%.256q is not the ARN of a user or role: others are not simulated", in.ARN)
	}
	var g *Grants
	var err error
	if arn.Account == in.Account {
		g, err = s.Policies.Grants(ctx, nil, Grantee{Kind: kind, Account: in.Account, ARN: in.ARN})
	}
	if err != nil {
		return nil, err
	}
	if g == nil {
		return nil, fault.New(fault.NotFound, "%s does not exist.", in.ARN)
	}
	for i, text := range in.Policies {
		g.Policies = append(g.Policies, GrantedPolicy{Name: "PolicyInputList." + strconv.Itoa(i+1), Document: text})
	}
	if in.Boundary != "" {
		g.Boundary = &in.Boundary
	}
	for _, text := range append(slices.Clone(in.Policies), in.Boundary) {
		if text == "" {
			continue
		}
		if _, err := policy.ParseIdentity(text); err != nil {
			return nil, err
		}
	}
	sim := &simulator{principal: simulatedPrincipal(in.Account, g), now: s.Now()}
	if sim.rights, err = NewRights(g, nil); err != nil {
		return nil, err
	}
	sim.side.subject = sim.principal.subject()
	if in.ResourcePolicy != "" {
		doc, err := policy.ParseResource(in.ResourcePolicy)
		if err != nil {
			return nil, err
		}
		sim.side.policy = policy.NewPermissions(doc)
	}
	for _, p := range g.Policies {
		doc, err := policy.ParseIdentity(p.Document)
		if err != nil {
			return nil, err
		}
		sim.policies = append(sim.policies, simulatedPolicy{p, policy.NewPermissions(doc)})
	}
	return sim, nil
}

// simulatedPrincipal is a user, or a session of a role without a name.
func simulatedPrincipal(account string, g *Grants) Principal {
	p := Principal{Account: Account{ID: account}}
	if g.User != nil {
		p.Kind, p.ARN, p.ID, p.Name, p.Tags = KindUser, g.User.ARN(), g.User.ID, g.User.Name, g.User.Tags
		return p
	}
	p.Kind, p.ARN, p.ID, p.Name, p.Tags = KindAssumedRole, g.Role.ARN(), g.Role.ID, g.Role.Name, g.Role.Tags
	p.Session = &Session{RoleARN: g.Role.ARN(), RoleID: g.Role.ID, RoleName: g.Role.Name}
	return p
}

func (sim *simulator) decide(ask Ask) Simulated {
	// Resources of a simulation need not exist: what tags they have, the caller says.
	values := &requestValues{
		question: &question{Ask: ask, principal: &sim.principal, now: sim.now}, tags: noTags,
	}
	q := policy.Request{Action: ask.Action, Resource: ask.Resource, Values: values}
	side := sim.side
	side.foreign = !ownResource(sim.principal.Account.ID, ask.Resource)
	out := Simulated{Action: ask.Action, Resource: ask.Resource, Verdict: sim.rights.decide(q, side)}
	for _, p := range sim.policies {
		m := p.permissions.Match(q)
		decided := m.Allows
		if out.Verdict.Decision == policy.ExplicitDeny {
			decided = m.Denies
		}
		for range decided {
			out.Matched = append(out.Matched, p.GrantedPolicy)
		}
		out.Missing = append(out.Missing, m.Missing...)
	}
	if b := sim.rights.boundary; b != nil {
		m := b.Match(q)
		out.Bounded, out.WithinBounds = true, len(m.Allows) > 0 && len(m.Denies) == 0
		out.Missing = append(out.Missing, m.Missing...)
	}
	slices.Sort(out.Missing)
	out.Missing = slices.Compact(out.Missing)
	return out
}

func noTags() (map[string]string, error) { return nil, nil }
