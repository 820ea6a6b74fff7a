package policy

import (
	"slices"
	"strings"
)

// test is a condition made ready for deciding.
type test struct {
	Condition
	ref      ref
	negated  bool
	matchers []matcher
	indexed  []*ref // variables with an index among the values
}

func newTest(c *Condition) test {
	op := operators[c.Operator]
	t := test{Condition: *c, ref: c.language.ref(c.Key), negated: op.negated}
	for _, value := range c.Values {
		m, _ := op.compile(c.language, value) // as it did when the condition was read
		t.matchers = append(t.matchers, m)
		if p, err := c.language.compileExact(value); err == nil {
			t.indexed = append(t.indexed, p.indexed()...)
		}
	}
	return t
}

// holds reports whether the condition is met. One that compares with a value
// of the certificate by an index it does not have is met for a Deny, and not
// for an Allow.
func (t *test) holds(values Values, deny bool) bool {
	if anyMissing(t.indexed, values) {
		return deny
	}
	given := t.ref.all(values)
	if t.Operator == "Null" {
		return slices.ContainsFunc(t.Values, func(v string) bool { return strings.EqualFold(v, "true") == (len(given) == 0) })
	}
	switch {
	case len(given) == 0:
		return t.holdsWithout()
	case t.Quantifier == ForAllValues, t.Quantifier == Single && t.negated:
		for _, v := range given {
			if !t.passes(v, values) {
				return false
			}
		}
		return true
	}
	for _, v := range given {
		if t.passes(v, values) {
			return true
		}
	}
	return false
}

// holdsWithout reports whether the condition is met by a key without a value.
func (t *test) holdsWithout() bool {
	switch {
	case t.IfExists, t.Quantifier == ForAllValues:
		return true
	case t.Quantifier == ForAnyValue:
		return false
	}
	return t.negated
}

// passes reports whether one value of the key passes.
func (t *test) passes(given string, values Values) bool {
	for _, matches := range t.matchers {
		if matches(given, values) {
			return !t.negated
		}
	}
	return t.negated
}
