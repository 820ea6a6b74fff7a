package policy

import (
	"slices"
	"strings"
)

// target is a kind of resource that data plane actions are asked about.
type target int

const (
	client target = iota
	thing
	topic
	filter

	targetCount
)

// targets describes the kinds of resources by the target's number.
var targets = [targetCount]struct {
	// path leads to the part of the name that tells devices apart: the client
	// id, or the thing name.
	path string
	// space holds every resource of the kind.
	space scope
}{
	client: {"client/", mustScope("arn:aws:iot:*:*:client/*")},
	thing:  {"thing/", mustScope("arn:aws:iot:*:*:thing/*")},
	topic:  {"topic/$aws/things/", mustScope("arn:aws:iot:*:*:topic/*")},
	filter: {"topicfilter/$aws/things/", mustScope("arn:aws:iot:*:*:topicfilter/*")},
}

// dataPlane lists the actions that a grant can be too broad for, sorted.
// iot:Receive is not among them: what is delivered is limited by what can be
// subscribed to. iot:RetainPublish, which AWS does not mention, is treated as
// iot:Publish.
var dataPlane = []struct {
	action string
	target target
}{
	{"iot:Connect", client},
	{"iot:DeleteThingShadow", thing},
	{"iot:DescribeJobExecution", thing},
	{"iot:GetPendingJobExecutions", thing},
	{"iot:GetThingShadow", thing},
	{"iot:Publish", topic},
	{"iot:RetainPublish", topic},
	{"iot:StartNextPendingJobExecution", thing},
	{"iot:Subscribe", filter},
	{"iot:UpdateJobExecution", thing},
	{"iot:UpdateThingShadow", thing},
}

// Names that the rule for iot:Connect knows.
const (
	clientIDVariable = "iot:ClientId"
	attachedKey      = "iot:Connection.Thing.IsAttached"
)

// broad returns the actions that are allowed on the resources of arbitrary
// devices and not taken back.
func (g *grants) broad() []string {
	var found []string
	for _, d := range dataPlane {
		if g.broadOn(d.action, d.target) {
			found = append(found, d.action)
		}
	}
	return found
}

// broadOn reports whether an action is allowed on arbitrary devices' resources
// of a target and not taken back, and a boundary allows the same.
func (g *grants) broadOn(action string, t target) bool {
	denies := g.against(action)
	allowed := func(a allow) bool { return a.MatchAction(action) && g.broadly(a, t, denies) }
	return slices.ContainsFunc(g.allows, allowed) && (g.limit == nil || g.limit.broadOn(action, t))
}

// broadly reports whether an Allow gives an action on arbitrary devices'
// resources of a target, and none of the denies of the action takes it back.
func (g *grants) broadly(a allow, t target, denies []int) bool {
	if t == client && a.pinned() || a.exempts(t) {
		return false
	}
	if slices.ContainsFunc(denies, func(i int) bool { return g.denies[i].confines(t) }) {
		return false
	}
	return slices.ContainsFunc(a.grants, func(what *grant) bool {
		return what.open(t) && !g.denied(what, t, denies)
	})
}

// pinned reports whether the statement holds only for a connection whose
// certificate is attached to the thing it connects as. BoolIfExists and
// ForAllValues do not say so: they hold as well when the key has no value.
func (s *Statement) pinned() bool {
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool {
		if c.IfExists || c.Quantifier == ForAllValues || !strings.EqualFold(c.Key, attachedKey) {
			return false
		}
		switch c.Operator {
		case "Bool", "StringEqualsIgnoreCase":
			return !slices.ContainsFunc(c.Values, func(v string) bool { return !strings.EqualFold(v, "true") })
		case "StringEquals":
			return !slices.ContainsFunc(c.Values, func(v string) bool { return v != "true" })
		}
		return false
	})
}

// unlessAttached reports whether the condition holds for every connection whose
// certificate is not attached to the thing it connects as, also where nothing
// is known of that.
func (c *Condition) unlessAttached() bool {
	if c.Quantifier != Single || !strings.EqualFold(c.Key, attachedKey) {
		return false
	}
	has := func(want string) func(string) bool {
		return func(v string) bool { return strings.EqualFold(v, want) }
	}
	switch c.Operator {
	case "Bool":
		return c.IfExists && slices.ContainsFunc(c.Values, has("false"))
	case "StringNotEquals", "StringNotEqualsIgnoreCase":
		return !slices.ContainsFunc(c.Values, has("false"))
	}
	return false
}

// open reports whether the names of a scope begin with a wildcard where
// devices are told apart, so that it holds the resources of arbitrary
// devices. A wildcard after a fixed beginning, or after a variable, does not
// do so. The variable iot:ClientId is as good as a wildcard for a client id,
// which the device chooses.
func (s scope) open(t target) bool {
	rest, open := s.follow(t)
	if open || len(rest) == 0 {
		return open
	}
	switch first := rest[0]; {
	case first == anyRun || first == anyOne:
		return true
	case t == filter:
		return first == '+' || first == '#'
	case t == client && strings.EqualFold(s.tail.name(first), clientIDVariable):
		return !slices.ContainsFunc(rest[1:], func(s symbol) bool { return !wide(s) })
	}
	return false
}

// follow walks along the path of a target and returns what the scope has
// there. It reports open when a wildcard on the way takes in the place where
// devices are told apart, and nothing when the scope does not lead there.
//
// In a filter the MQTT wildcards count too, as does a level of the one
// character "?", which matches them.
func (s scope) follow(t target) (rest []symbol, open bool) {
	path, rest := targets[t].path, s.tail.symbols
	for at := 0; at < len(path); at++ {
		if len(rest) == 0 {
			return nil, false
		}
		level := t == filter && at > 0 && path[at-1] == '/'
		single := rest[0] == '+' || rest[0] == anyOne && (len(rest) == 1 || rest[1] == '/')
		switch {
		case rest[0] == anyRun, level && rest[0] == '#', level && rest[0] == anyOne && len(rest) == 1:
			return nil, true
		case level && single:
			at += strings.IndexByte(path[at:], '/') - 1
		case !meet(rest[0], symbol(path[at])):
			return nil, false
		}
		rest = rest[1:]
	}
	return rest, false
}
