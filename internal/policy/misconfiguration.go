package policy

import (
	"reflect"
	"slices"
)

// Actions and resource types of the rules for MQTT.
const (
	subscribeAction = "iot:Subscribe"
	receiveAction   = "iot:Receive"
	topicPrefix     = "topic/"
	filterPrefix    = "topicfilter/"
)

// denyWildcards reports whether a Deny has the characters "+" or "#" in the
// name of a topic or topic filter.
func (g *grants) denyWildcards() bool {
	return slices.ContainsFunc(g.denies, func(d deny) bool {
		return slices.ContainsFunc(d.scopes, func(s scope) bool {
			topics, _ := s.within(topicPrefix)
			filters, _ := s.within(filterPrefix)
			return hasMQTTWildcard(topics) || hasMQTTWildcard(filters)
		})
	})
}

func hasMQTTWildcard(names word) bool {
	return slices.Contains(names.symbols, '+') || slices.Contains(names.symbols, '#')
}

// denyBypass reports whether some Deny on iot:Subscribe can be got around: an
// Allow covers more filters than it denies, so that a filter with an MQTT
// wildcard is allowed which brings messages of the denied topics, and
// receiving those is allowed.
//
// A Deny whose filter has MQTT wildcards itself is left to denyWildcards: the
// documented example of that reason is not reported for both. One with
// NotResource names no topics to protect.
func (g *grants) denyBypass() bool {
	against := g.against(subscribeAction)
	return slices.ContainsFunc(against, func(i int) bool {
		d := g.denies[i]
		return !d.NotResource && slices.ContainsFunc(d.scopes, func(s scope) bool {
			names, ok := s.within(filterPrefix)
			return ok && !hasMQTTWildcard(names) && g.widerFilter(names, against) && g.receives(names, d)
		})
	})
}

// widerFilter reports whether an Allow on iot:Subscribe that none of the
// denies takes back covers the filters of these names and more.
func (g *grants) widerFilter(names word, denies []int) bool {
	return slices.ContainsFunc(g.allows, func(a allow) bool {
		if !a.MatchAction(subscribeAction) || a.exempts(filter) {
			return false
		}
		return slices.ContainsFunc(a.grants, func(what *grant) bool {
			wider, ok := what.within(filterPrefix)
			return ok && covers(wider, names) && !covers(names, wider) && !g.denied(what, filter, denies)
		})
	})
}

// receives reports whether messages of topics of these names may be received
// although d denies subscribing to them.
func (g *grants) receives(names word, d deny) bool {
	granted := slices.ContainsFunc(g.allows, func(a allow) bool {
		if !a.MatchAction(receiveAction) || a.NotResource && a.namesCover(names) {
			return false
		}
		return slices.ContainsFunc(a.grants, func(what *grant) bool { return what.topicsOverlap(names) })
	})
	return granted && !slices.ContainsFunc(g.denies, func(r deny) bool {
		return r.MatchAction(receiveAction) && r.holdsWith(d) && r.deniesTopics(names)
	})
}

// holdsWith reports whether the Deny applies whenever other does: it has no
// conditions, or the same.
func (d deny) holdsWith(other deny) bool {
	return len(d.Conditions) == 0 || reflect.DeepEqual(d.Conditions, other.Conditions)
}

// deniesTopics reports whether the Deny applies to all topics of these names.
func (d deny) deniesTopics(names word) bool {
	if d.NotResource {
		return !slices.ContainsFunc(d.scopes, func(s scope) bool { return s.topicsOverlap(names) })
	}
	return d.namesCover(names)
}

// namesCover reports whether one of the resources of the clause holds all
// topics of these names.
func (c clause) namesCover(names word) bool {
	return slices.ContainsFunc(c.scopes, func(s scope) bool {
		topics, ok := s.within(topicPrefix)
		return ok && covers(topics, names)
	})
}

// topicsOverlap reports whether the scope may hold a topic of these names.
func (s scope) topicsOverlap(names word) bool {
	topics, ok := s.within(topicPrefix)
	return ok && overlaps(topics, names)
}
