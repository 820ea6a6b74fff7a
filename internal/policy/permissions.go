package policy

import (
	"maps"
	"sync/atomic"
)

// Permissions is documents of IAM made ready for deciding, as one: the policies
// that a principal holds of one kind, or the policy of a resource. It is
// immutable, and serves any number of callers.
type Permissions struct {
	rules []rule
	// known has the rules about the actions that were asked about. It is never
	// changed, only replaced.
	known atomic.Pointer[map[string]*ruleset]
}

// maxKnown bounds the actions that the rules are kept of: there are fewer
// operations.
const maxKnown = 512

// NewPermissions makes documents ready for deciding. They must not be changed
// afterwards.
func NewPermissions(docs ...*Document) *Permissions {
	p := &Permissions{}
	for _, doc := range docs {
		for i := range doc.Statements {
			p.rules = append(p.rules, newRule(&doc.Statements[i]))
		}
	}
	p.known.Store(&map[string]*ruleset{})
	return p
}

// about returns the rules about an action.
func (p *Permissions) about(action string) *ruleset {
	known := *p.known.Load()
	if set := known[action]; set != nil {
		return set
	}
	set := (&Compiled{rules: p.rules}).rulesAbout(action)
	if len(known) < maxKnown {
		// Of two that come at once one is lost, and asks again.
		more := maps.Clone(known)
		more[action] = &set
		p.known.Store(&more)
	}
	return &set
}

// Decide decides a request. It does not allocate, unless the action is new.
// Statements of a resource's policy count as if they were about everybody: see
// DecideFor. Source: IAM policy evaluation logic.
func (p *Permissions) Decide(q Request) Decision {
	set := p.about(q.Action)
	e := evaluation{values: q.Values, arn: splitARN(q.Resource)}
	for _, r := range set.denies {
		if e.applies(r) {
			return ExplicitDeny
		}
	}
	for _, r := range set.allows {
		if e.applies(r) {
			return Allowed
		}
	}
	return ImplicitDeny
}

// DecideFor decides the request of a subject by the policy of a resource, and
// says how closely the policy names it where it allows.
func (p *Permissions) DecideFor(q Request, s Subject) (Decision, Naming) {
	set := p.about(q.Action)
	e := evaluation{values: q.Values, arn: splitARN(q.Resource)}
	for _, r := range set.denies {
		if r.denies(s) && e.applies(r) {
			return ExplicitDeny, Unnamed
		}
	}
	closest := Unnamed
	for _, r := range set.allows {
		if n := r.naming(s); n > closest && e.applies(r) {
			closest = n
		}
	}
	if closest == Unnamed {
		return ImplicitDeny, Unnamed
	}
	return Allowed, closest
}

// Matches is which statements of some documents are about a request, and what
// they asked for.
type Matches struct {
	Denies, Allows []*Statement
	// Missing names the keys, as they are written, whose values were asked for and
	// are not known.
	Missing []string
}

// Match finds the statements that are about a request. It asks about every one,
// also behind a Deny.
func (p *Permissions) Match(q Request) (m Matches) {
	rec := &recorder{Values: q.Values}
	e := evaluation{values: rec, arn: splitARN(q.Resource)}
	set := (&Compiled{rules: p.rules}).rulesAbout(q.Action)
	for _, r := range set.denies {
		if e.applies(r) {
			m.Denies = append(m.Denies, r.Statement)
		}
	}
	for _, r := range set.allows {
		if e.applies(r) {
			m.Allows = append(m.Allows, r.Statement)
		}
	}
	m.Missing = rec.names
	return m
}
