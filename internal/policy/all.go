package policy

import (
	"slices"
	"strings"
)

// AllowsAll reports whether some policies together allow an action on every
// resource whose ARN a pattern matches. It is sound, and false when not sure:
// true only where one resource of one statement stands for all of them, and no
// statement may deny one. Where packets are not judged one by one, it is what
// can be known beforehand.
func AllowsAll(action string, arns Pattern, values Values, policies ...*Compiled) bool {
	target, err := ofIoT.compileARN(arns.text)
	if err != nil {
		return false
	}
	e := extent{scope: target.spread(), values: values}
	allowed := false
	for _, c := range policies {
		rules := c.rulesAbout(action)
		if slices.ContainsFunc(rules.denies, e.touched) {
			return false
		}
		allowed = allowed || slices.ContainsFunc(rules.allows, e.granted)
	}
	return allowed
}

// Escape returns the pattern that matches a text and nothing else.
func Escape(text string) string { return escapes.Replace(text) }

var escapes = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// extent is a set of ARNs that is being decided about.
type extent struct {
	scope
	values Values
}

func (e *extent) holds(r *rule, deny bool) bool {
	for i := range r.tests {
		if !r.tests[i].holds(e.values, deny) {
			return false
		}
	}
	return true
}

// touched reports whether a rule may deny one of the ARNs.
func (e *extent) touched(r *rule) bool {
	if !e.holds(r, true) {
		return false
	}
	if r.NotResource {
		return !e.withinOne(r)
	}
	return e.meetsOne(r)
}

// granted reports whether a rule allows all of the ARNs.
func (e *extent) granted(r *rule) bool {
	if !e.holds(r, false) {
		return false
	}
	if r.NotResource {
		return !e.meetsOne(r)
	}
	return e.withinOne(r)
}

// withinOne reports whether one resource of a rule stands for all of the ARNs.
// One that asks for a value which the certificate does not have stands for none.
func (e *extent) withinOne(r *rule) bool {
	for i := range r.Resources {
		res := &r.Resources[i]
		if anyMissing(res.whole.indexed(), e.values) {
			continue
		}
		if bound := res.bound(e.values); bound.spread().covers(e.scope) {
			return true
		}
	}
	return false
}

// meetsOne reports whether a resource of a rule may stand for one of the ARNs.
// One that asks for a value which the certificate does not have may stand for
// any in its place.
func (e *extent) meetsOne(r *rule) bool {
	for i := range r.Resources {
		res := r.Resources[i]
		if anyMissing(res.whole.indexed(), e.values) {
			res = res.loosened()
		}
		res = res.bound(e.values)
		s := res.spread()
		switch {
		case !s.split || !e.split:
			if overlaps(s.whole, e.whole) {
				return true
			}
		case overlaps(s.head, e.head) && overlaps(s.tail, e.tail):
			return true
		}
	}
	return false
}

// bound returns the resource with the values of variables as literal text.
func (r *Resource) bound(values Values) Resource {
	return Resource{whole: r.whole.bound(values), split: r.split, head: r.head.bound(values), tail: r.tail.bound(values)}
}

// bound returns the pattern with the values of variables as literal text, and
// with its own text for one that has none, as Match has it.
func (p *Pattern) bound(values Values) Pattern {
	b := Pattern{text: p.text, fold: p.fold}
	for _, a := range p.atoms {
		if a.kind == variable {
			text := a.text
			if value, ok := a.ref.inserted(values); ok {
				text = value
			}
			a = atom{kind: literal, text: text}
		}
		b.add(a)
	}
	return b
}
