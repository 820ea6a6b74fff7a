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

// denyBypass reports whether some Deny on iot:Subscribe can be got around: a
// filter with an MQTT wildcard is allowed that is not denied and brings
// messages of the denied topics, and receiving those is allowed.
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
			return ok && !hasMQTTWildcard(names) && g.bypassed(names, d, against) && g.receives(names, d)
		})
	})
}

// bypassed reports whether an Allow on iot:Subscribe has a filter that brings
// messages of topics of these names, which d denies, and that neither d nor a
// Deny without condition denies.
func (g *grants) bypassed(names word, d deny, denies []int) bool {
	return slices.ContainsFunc(g.allows, func(a allow) bool {
		if !a.MatchAction(subscribeAction) || a.exempts(filter) {
			return false
		}
		return slices.ContainsFunc(a.grants, func(what *grant) bool {
			allowed, ok := what.within(filterPrefix)
			return ok && !g.denied(what, filter, denies) && slices.ContainsFunc(allowed.filters(), func(f word) bool {
				return brings(f, names) && !d.holdsFilter(f) && !a.leavesOut(f) && !g.deniesFilter(f, denies)
			})
		})
	})
}

// holdsFilter reports whether one of the resources of the clause holds a
// filter.
func (c clause) holdsFilter(f word) bool {
	return slices.ContainsFunc(c.scopes, func(s scope) bool {
		names, ok := s.within(filterPrefix)
		return ok && covers(names, f)
	})
}

// leavesOut reports whether the Allow has NotResource and grants all but a
// filter.
func (a allow) leavesOut(f word) bool { return a.NotResource && a.holdsFilter(f) }

// deniesFilter reports whether one of some denies applies to a filter without
// condition.
func (g *grants) deniesFilter(f word, denies []int) bool {
	return slices.ContainsFunc(denies, func(i int) bool {
		d := g.denies[i]
		return len(d.Conditions) == 0 && d.holdsFilter(f) != d.NotResource
	})
}

// filters returns filters that a pattern matches and that bring as much as
// such a filter can: MQTT wildcards stand for the runs, in levels of their own.
func (w word) filters() []word {
	if !slices.Contains(w.symbols, anyRun) {
		return []word{w.filled("")}
	}
	return []word{w.filled("#"), w.filled("+/#"), w.filled("+")}
}

// filled returns the pattern with a level "+" for each run and with last for a
// run at its end.
func (w word) filled(last string) word {
	f := word{names: w.names}
	for i, s := range w.symbols {
		switch {
		case s == anyOne:
			f.symbols = append(f.symbols, 'x')
			continue
		case s != anyRun:
			f.symbols = append(f.symbols, s)
			continue
		}
		if i > 0 && w.symbols[i-1] != '/' {
			f.symbols = append(f.symbols, '/')
		}
		if i == len(w.symbols)-1 {
			f.symbols = append(f.symbols, []symbol(last)...)
			continue
		}
		if f.symbols = append(f.symbols, '+'); w.symbols[i+1] != '/' {
			f.symbols = append(f.symbols, '/')
		}
	}
	return f
}

// mqttWildcard returns the MQTT wildcard at i, or 0: "+" is one where it is a
// whole level, "#" where it is the last one.
func (w word) mqttWildcard(i int) symbol {
	s, last := w.symbols[i], i == len(w.symbols)-1
	if s != '+' && s != '#' || i > 0 && w.symbols[i-1] != '/' || !last && (s == '#' || w.symbols[i+1] != '/') {
		return 0
	}
	return s
}

// brings reports whether a filter with an MQTT wildcard may match a topic of
// these names. "+" stands for any characters of one level, "#" for any levels.
// The cost is the product of the two lengths.
func brings(f, names word) bool {
	a, b, wildcards := f.symbols, names.symbols, 0
	// row[j] says whether a topic matches both f from the current symbol on and
	// names from j on; below is the row of the next symbol.
	below, row := make([]bool, len(b)+1), make([]bool, len(b)+1)
	below[len(b)] = true
	for j := len(b) - 1; j >= 0 && wide(b[j]); j-- {
		below[j] = true
	}
	for i := len(a) - 1; i >= 0; i-- {
		wildcard := f.mqttWildcard(i)
		if wildcard != 0 {
			wildcards++
		}
		free := wide(a[i]) || wildcard != 0
		row[len(b)] = free && below[len(b)]
		for j := len(b) - 1; j >= 0; j-- {
			switch {
			case wide(b[j]):
				row[j] = below[j] || row[j+1]
			case free:
				row[j] = below[j] || row[j+1] && (wildcard != '+' || b[j] != '/')
			default:
				row[j] = below[j+1] && meet(a[i], b[j])
			}
		}
		below, row = row, below
	}
	return below[0] && wildcards > 0
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
