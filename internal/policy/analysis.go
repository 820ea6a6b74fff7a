package policy

import "slices"

// Analysis is what the policy checks of an audit need to know about a
// document. It depends on the document alone, so it is made once, when a
// version is registered, and stored beside it.
type Analysis struct {
	// Broad lists the data plane actions that the document allows on the
	// resources of arbitrary devices, sorted, spelt as "iot:Connect"; nil when
	// there is none. It is the case of reason
	// ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS.
	Broad []string
	// DenyWildcards says that a Deny names topics with the MQTT wildcards "+"
	// or "#", which policies take literally. It is the case of reason
	// POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT.
	DenyWildcards bool
	// DenyBypass says that subscribing to some topics is denied, but a wider
	// filter that brings their messages is allowed. It is the case of reason
	// TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS.
	DenyBypass bool
}

// AnalysisVersion numbers the rules of Analyze. It is raised with every change
// to a verdict, so that stored documents are analysed again.
const AnalysisVersion = 2

// Analyze judges a document. Its cost is bounded by the square of MaxSize.
//
// Source: AWS IoT Device Defender, audit checks "AWS IoT policies overly
// permissive" and "AWS IoT policy potentially misconfigured". AWS publishes
// examples and principles, not an algorithm: the rules between the examples
// are this package's. Where they could go either way they report.
func Analyze(doc *Document) Analysis {
	g := newGrants(doc)
	return Analysis{
		Broad:         g.broad(),
		DenyWildcards: g.denyWildcards(),
		DenyBypass:    g.denyBypass(),
	}
}

// Broad returns the Broad part of Analyze.
func Broad(doc *Document) []string { return newGrants(doc).broad() }

// clause is a statement with its resources spread out for comparing. Those
// that hold no ARN of AWS IoT are left out.
type clause struct {
	*Statement
	scopes []scope
}

// allow is a clause that allows, with what it grants: its resources, or, for
// NotResource, everything.
type allow struct {
	clause
	grants []*grant
}

// grant is one scope that is allowed.
type grant struct {
	scope
	barred []bool // for each Deny, whether it bars the scope; nil until asked
}

// deny is a clause that denies.
type deny struct {
	clause
	spaces [targetCount]bool // the targets it is about whole
}

// grants is a document arranged for judging.
type grants struct {
	allows []allow
	denies []deny
	limit  *grants // what a permissions boundary allows; nil is all
}

func newGrants(doc *Document) *grants {
	g := &grants{}
	for i := range doc.Statements {
		c := newClause(&doc.Statements[i])
		if c.Effect == Deny {
			g.denies = append(g.denies, newDeny(c))
		} else {
			g.allows = append(g.allows, newAllow(c))
		}
	}
	return g
}

func newClause(s *Statement) clause {
	c := clause{Statement: s}
	for i := range s.Resources {
		if spread := s.Resources[i].spread(); spread.ofIoT() {
			c.scopes = append(c.scopes, spread)
		}
	}
	return c
}

func newAllow(c clause) allow {
	a := allow{clause: c}
	if c.NotResource {
		a.grants = []*grant{{scope: everything}}
		return a
	}
	for _, s := range c.scopes {
		a.grants = append(a.grants, &grant{scope: s})
	}
	return a
}

func newDeny(c clause) deny {
	d := deny{clause: c}
	for t := range d.spaces {
		d.spaces[t] = d.bars(targets[t].space)
	}
	return d
}

// bars reports whether every ARN of s is one that the Deny is about; false when
// not sure.
func (d deny) bars(s scope) bool {
	if d.NotResource {
		return !slices.ContainsFunc(d.scopes, func(n scope) bool { return overlaps(n.whole, s.whole) })
	}
	return slices.ContainsFunc(d.scopes, func(n scope) bool { return n.covers(s) })
}

// exempts reports whether the Allow has NotResource and so grants nothing of
// a target.
func (a allow) exempts(t target) bool {
	return a.NotResource && slices.ContainsFunc(a.scopes, func(n scope) bool { return n.covers(targets[t].space) })
}

// against returns the numbers of the denies that apply to an action.
func (g *grants) against(action string) []int {
	var numbers []int
	for i, d := range g.denies {
		if d.MatchAction(action) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// always reports whether the Deny holds wherever something broad could be done
// to a target: it has no condition, or, for client ids, holds for every
// connection that is not of an attached thing.
func (d deny) always(t target) bool {
	return len(d.Conditions) == 0 || t == client && len(d.Conditions) == 1 && d.Conditions[0].unlessAttached()
}

// confines reports whether the Deny applies without condition to everything but
// resources that are not those of arbitrary devices, so that nothing broad is
// left beside it.
func (d deny) confines(t target) bool {
	return d.NotResource && d.always(t) &&
		!slices.ContainsFunc(d.scopes, func(n scope) bool { return n.open(t) })
}

// denied reports whether one of some denies takes everything of a target away
// that is granted. How AWS treats a Deny in these checks is not published.
// One that takes away a part only, or only sometimes, does not count, so that
// no document is called compliant that is not.
func (g *grants) denied(what *grant, t target, denies []int) bool {
	g.bar(what)
	return slices.ContainsFunc(denies, func(i int) bool {
		return g.denies[i].always(t) && (what.barred[i] || g.denies[i].spaces[t])
	})
}

// bar notes which denies bar the scope of a grant, once.
func (g *grants) bar(what *grant) {
	if what.barred != nil {
		return
	}
	what.barred = make([]bool, len(g.denies))
	for i, d := range g.denies {
		what.barred[i] = d.bars(what.scope)
	}
}
