package policy

import (
	"slices"
	"strings"
)

// Role is what the audit checks over roles need to know about what the
// policies of a role grant together. The lists hold actions of AWS IoT, sorted,
// spelt as "iot:CreateThing".
type Role struct {
	// ThingWrite lists the actions granted, be it on one resource, that change
	// things and their groups, or list all of them.
	ThingWrite []string
	// ThingRead lists the actions granted, be it on one resource, that read of
	// things; BroadThingRead those of them granted on arbitrary things.
	ThingRead, BroadThingRead []string
	// Admin lists all other actions granted that are not of the data plane.
	Admin []string
	// Broad lists the data plane actions granted on the resources of arbitrary
	// devices, as [Analysis] does.
	Broad []string

	services serviceRules
}

// Classes of actions. Source: AWS IoT Device Defender, audit checks
// "Authenticated Cognito role overly permissive" and "Role alias overly
// permissive".
var (
	thingWriteActions = []string{
		"iot:AddThingToThingGroup", "iot:AttachThingPrincipal", "iot:CreateThing", "iot:DeleteThing",
		"iot:DetachThingPrincipal", "iot:ListThings", "iot:ListThingsInThingGroup", "iot:RegisterThing",
		"iot:RemoveThingFromThingGroup", "iot:UpdateThing", "iot:UpdateThingGroupsForThing",
	}
	thingReadActions = []string{
		"iot:DescribeThing", "iot:ListJobExecutionsForThing", "iot:ListThingGroupsForThing", "iot:ListThingPrincipals",
	}
	// exemptActions are in no class: what Receive delivers is limited by what can
	// be subscribed to, the others read what devices say, and a role cannot be
	// granted the last one, which is for devices.
	exemptActions = []string{
		"iot:Receive", "iot:GetRetainedMessage", "iot:ListRetainedMessages", "iot:ListNamedShadowsForThing",
		"iot:AssumeRoleWithCertificate",
	}
	adminActions = otherActions()
)

// otherActions are those of no other class.
func otherActions() (list []string) {
	for _, action := range Actions() {
		of := func(d struct {
			action string
			target target
		},
		) bool {
			return d.action == action
		}
		if !slices.Contains(thingWriteActions, action) && !slices.Contains(thingReadActions, action) &&
			!slices.Contains(exemptActions, action) && !slices.ContainsFunc(dataPlane, of) {
			list = append(list, action)
		}
	}
	return list
}

// AnalyzeRole judges what some documents grant together: the identity policies
// of a role, limited by its permissions boundary if that is not nil.
//
// A Deny takes away what it covers whole and without condition; a condition of
// an Allow takes nothing away. Where AWS publishes no rule and it could go
// either way, the grant counts, so that no role is called compliant that is
// not. The cost is bounded by the square of what all documents are long.
func AnalyzeRole(policies []*Document, boundary *Document) *Role {
	all := &Document{}
	for _, doc := range policies {
		all.Statements = append(all.Statements, doc.Statements...)
	}
	var limit *Document
	if boundary != nil {
		limit = &Document{}
		for _, s := range boundary.Statements {
			if s.Effect == Deny {
				all.Statements = append(all.Statements, s)
			} else {
				limit.Statements = append(limit.Statements, s)
			}
		}
	}
	g := newGrants(all)
	if limit != nil {
		g.limit = newGrants(limit)
	}
	r := &Role{
		ThingWrite: g.reached(thingWriteActions), ThingRead: g.reached(thingReadActions),
		Admin: g.reached(adminActions), Broad: g.broad(), services: newServiceRules(all, limit),
	}
	for _, action := range thingReadActions {
		if g.broadOn(action, thing) {
			r.BroadThingRead = append(r.BroadThingRead, action)
		}
	}
	return r
}

// reached returns those of some actions that are granted on anything at all.
func (g *grants) reached(actions []string) (list []string) {
	for _, action := range actions {
		denies := g.against(action)
		reaches := func(a allow) bool { return a.MatchAction(action) && g.reaches(action, a, denies) }
		if slices.ContainsFunc(g.allows, reaches) {
			list = append(list, action)
		}
	}
	return list
}

// reaches reports whether an Allow grants an action on anything that none of
// the denies of the action takes back and the boundary permits.
func (g *grants) reaches(action string, a allow, denies []int) bool {
	if a.leavesNothing() {
		return false
	}
	return slices.ContainsFunc(a.grants, func(what *grant) bool {
		return isAbout(action, what.scope) && !g.barred(what, denies) && g.permits(action, what.scope)
	})
}

// leavesNothing reports whether the Allow has NotResource and exempts all.
func (a allow) leavesNothing() bool {
	return a.NotResource && slices.ContainsFunc(a.scopes, func(n scope) bool { return n.covers(everything) })
}

// barred reports whether one of some denies takes all of a grant away without
// condition.
func (g *grants) barred(what *grant, denies []int) bool {
	g.bar(what)
	return slices.ContainsFunc(denies, func(i int) bool { return len(g.denies[i].Conditions) == 0 && what.barred[i] })
}

// permits reports whether the boundary, if there is one, allows an action on
// something that a grant is about.
func (g *grants) permits(action string, s scope) bool {
	return g.limit == nil || slices.ContainsFunc(g.limit.allows, func(b allow) bool {
		leftOut := b.NotResource && slices.ContainsFunc(b.scopes, func(n scope) bool { return n.covers(s) })
		if leftOut || !b.MatchAction(action) {
			return false
		}
		return slices.ContainsFunc(b.grants, func(may *grant) bool { return may.meets(s) })
	})
}

// meets reports whether an ARN may be within both scopes.
func (s scope) meets(b scope) bool {
	if !s.split || !b.split {
		return overlaps(s.whole, b.whole)
	}
	return overlaps(s.head, b.head) && overlaps(s.tail, b.tail)
}

// messageNames are the names of resources that only the data plane, and the
// actions on live connections, are about.
var messageNames = []word{
	mustScope("arn:aws:iot:*:*:topic/*").tail,
	mustScope("arn:aws:iot:*:*:topicfilter/*").tail,
	mustScope("arn:aws:iot:*:*:client/*").tail,
}

var connectionActions = []string{
	"iot:DeleteConnection", "iot:GetConnection", "iot:ListSubscriptions", "iot:SendDirectMessage",
}

// isAbout reports whether an action that is not of the data plane can be asked
// about anything in a scope.
func isAbout(action string, s scope) bool {
	others := messageNames
	if slices.Contains(connectionActions, action) {
		others = others[:2] // these are about clients
	}
	return !s.split || !slices.ContainsFunc(others, func(names word) bool { return covers(names, s.tail) })
}

// Access is how much of a service a role may do.
type Access int

// The degrees of access. Wide is all actions of the service, be it on some
// resources only: what AWS calls administrative permissions.
const (
	NoAccess Access = iota
	SomeAccess
	WideAccess
)

// Access says how much of a service, such as "dynamodb", the role may do.
func (r *Role) Access(service string) Access {
	access := r.services.access(service)
	if access == SomeAccess && service == "iot" && len(r.Admin) == len(adminActions) {
		return WideAccess // by names one after the other
	}
	return access
}

// Services returns the services that the policies name and grant anything of,
// sorted. Others says that services which they do not name are granted too.
func (r *Role) Services() (named []string, others bool) {
	for service := range r.services.named {
		if r.Access(service) != NoAccess {
			named = append(named, service)
		}
	}
	slices.Sort(named)
	return named, r.Access(unnamed) != NoAccess
}

// unnamed is a service that no policy names.
const unnamed = "a-service-that-is-not-named"

// serviceRules are statements arranged for judging services.
type serviceRules struct {
	allows, denies []serviceRule
	limited        bool
	limit          []serviceRule
	named          map[string]bool
}

// serviceRule is a statement with its actions and resources, of any service,
// spread out for comparing.
type serviceRule struct {
	*Statement
	actions []word
	scopes  []scope
}

func newServiceRules(all, limit *Document) serviceRules {
	r := serviceRules{limited: limit != nil, named: map[string]bool{}}
	for i := range all.Statements {
		s := &all.Statements[i]
		rule := newServiceRule(s)
		if s.Effect == Deny {
			r.denies = append(r.denies, rule)
			continue
		}
		r.allows = append(r.allows, rule)
		for j := range s.Actions {
			name, _, ok := strings.Cut(strings.ToLower(s.Actions[j].text), ":")
			if ok && !s.NotAction && !strings.ContainsAny(name, "*?") {
				r.named[name] = true
			}
		}
	}
	if limit != nil {
		for i := range limit.Statements {
			r.limit = append(r.limit, newServiceRule(&limit.Statements[i]))
		}
	}
	return r
}

func newServiceRule(s *Statement) serviceRule {
	r := serviceRule{Statement: s}
	for i := range s.Actions {
		r.actions = append(r.actions, s.Actions[i].spread())
	}
	for i := range s.Resources {
		r.scopes = append(r.scopes, s.Resources[i].spread())
	}
	return r
}

func (r *serviceRules) access(service string) Access {
	all := word{symbols: append([]symbol(strings.ToLower(service)+":"), anyOne, anyRun)}
	access := NoAccess
	for i := range r.allows {
		access = max(access, r.accessBy(&r.allows[i], all))
	}
	return access
}

// accessBy returns how much of a service, given as the pattern of all its
// actions, one statement grants.
func (r *serviceRules) accessBy(allow *serviceRule, all word) Access {
	access := NoAccess
	for _, part := range allow.of(all) {
		for _, s := range allow.grants() {
			wide := part.access == WideAccess &&
				!slices.ContainsFunc(r.denies, func(d serviceRule) bool { return d.confines(all, s) })
			switch {
			case slices.ContainsFunc(r.denies, func(d serviceRule) bool { return d.takes(part.actions, s) }):
			case wide && r.permits(all, s, WideAccess):
				return WideAccess
			case r.permits(part.actions, s, SomeAccess):
				access = SomeAccess
			}
		}
	}
	return access
}

// part is some actions of a service.
type part struct {
	actions word
	access  Access
}

// of returns which actions of a service a rule is about.
func (r *serviceRule) of(all word) (list []part) {
	if r.NotAction {
		if slices.ContainsFunc(r.actions, func(n word) bool { return covers(n, all) }) {
			return nil
		}
		if slices.ContainsFunc(r.actions, func(n word) bool { return overlaps(n, all) }) {
			return []part{{all, SomeAccess}}
		}
		return []part{{all, WideAccess}}
	}
	for _, a := range r.actions {
		switch {
		case covers(a, all):
			list = append(list, part{all, WideAccess})
		case overlaps(a, all):
			list = append(list, part{a, SomeAccess})
		}
	}
	return list
}

// grants returns the scopes that a rule which allows is about.
func (r *serviceRule) grants() []scope {
	if !r.NotResource {
		return r.scopes
	}
	if slices.ContainsFunc(r.scopes, func(n scope) bool { return n.covers(everything) }) {
		return nil
	}
	return []scope{everything}
}

// takes reports whether a rule is about all of some actions, on all of a scope,
// without condition.
func (r *serviceRule) takes(actions word, s scope) bool {
	if len(r.Conditions) > 0 || !r.holds(s) {
		return false
	}
	if r.NotAction {
		return !slices.ContainsFunc(r.actions, func(a word) bool { return overlaps(a, actions) })
	}
	return slices.ContainsFunc(r.actions, func(a word) bool { return covers(a, actions) })
}

// confines reports whether a rule with NotAction is about all of a scope, without
// condition, and leaves out less than all actions of a service. As a Deny it
// leaves no administrator.
func (r *serviceRule) confines(all word, s scope) bool {
	return r.NotAction && len(r.Conditions) == 0 && r.holds(s) &&
		!slices.ContainsFunc(r.actions, func(a word) bool { return covers(a, all) })
}

// holds reports whether a rule is about all of a scope.
func (r *serviceRule) holds(s scope) bool {
	if r.NotResource {
		return !slices.ContainsFunc(r.scopes, func(n scope) bool { return overlaps(n.whole, s.whole) })
	}
	return slices.ContainsFunc(r.scopes, func(n scope) bool { return n.covers(s) })
}

// permits reports whether the boundary, if there is one, allows so much of some
// actions on something in a scope.
func (r *serviceRules) permits(actions word, s scope, want Access) bool {
	return !r.limited || slices.ContainsFunc(r.limit, func(b serviceRule) bool {
		return slices.ContainsFunc(b.of(actions), func(p part) bool { return p.access >= want }) &&
			slices.ContainsFunc(b.grants(), s.meets) &&
			!(b.NotResource && slices.ContainsFunc(b.scopes, func(n scope) bool { return n.covers(s) }))
	})
}
