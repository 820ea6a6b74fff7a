package notify

import (
	"net/netip"
	"slices"
	"strings"
)

// Filter says which messages a subscription wants. It is immutable, and serves
// any number of callers. Source: Amazon SNS Developer Guide, subscription filter
// policies.
type Filter struct {
	scope FilterScope
	root  object
}

// object is a filter for the members of an object: all its fields hold, and one
// of the alternatives of each of its choices.
type object struct {
	fields  []field
	choices [][]object
}

// field is a filter for one member: one of its matches holds for it, or the
// object that stands in their place.
type field struct {
	name    string
	matches []match
	nested  *object
}

// match is one condition on the values of a member, of which there are several
// when it is a list, and none when it is absent.
type match func(values []value) bool

// kind is a kind of value in JSON.
type kind string

const (
	isText   kind = "text"
	isNumber kind = "number"
	isWord   kind = "word" // true, false, null
)

// value is a plain value of a message or a filter.
type value struct {
	kind kind
	text string
	num  float64
}

func (v value) equals(w value) bool {
	if v.kind == isNumber {
		return w.kind == isNumber && v.num == w.num
	}
	return v == w
}

// Passes reports whether a message goes to subscriptions of a protocol. A body
// that is no JSON object passes no filter of the body.
func (f *Filter) Passes(m *Message, p Protocol) bool {
	if len(f.root.fields) == 0 && len(f.root.choices) == 0 {
		return true
	}
	if f.scope == ByBody {
		body, err := readJSON(m.Text(p))
		return err == nil && body.members != nil && f.root.holds(&body)
	}
	attributes := tree{members: map[string]tree{}}
	for name, a := range m.Attributes {
		if t, ok := a.tree(); ok {
			attributes.members[name] = t
		}
	}
	return f.root.holds(&attributes)
}

// tree is an attribute as what a filter looks at. A binary one is not seen.
func (a Attribute) tree() (tree, bool) {
	kind, _, _ := strings.Cut(a.Type, ".")
	switch {
	case a.Type == "String.Array":
		list, err := readJSON(a.Value)
		return list, err == nil && list.items != nil
	case kind == "String":
		return tree{plain: &value{kind: isText, text: a.Value}}, true
	case kind == "Number":
		n, err := readJSON(a.Value)
		return n, err == nil && n.plain != nil && n.plain.kind == isNumber
	}
	return tree{}, false
}

// holds reports whether an object passes. One that is absent is as one that is
// empty.
func (o *object) holds(t *tree) bool {
	for i := range o.fields {
		f := &o.fields[i]
		member, ok := t.members[f.name]
		if !ok {
			member = tree{}
		}
		if !f.holds(&member) {
			return false
		}
	}
	for _, alternatives := range o.choices {
		if !slices.ContainsFunc(alternatives, func(o object) bool { return o.holds(t) }) {
			return false
		}
	}
	return true
}

func (f *field) holds(t *tree) bool {
	if f.nested != nil {
		if t.items == nil {
			return f.nested.holds(t)
		}
		return slices.ContainsFunc(t.items, func(item tree) bool { return f.nested.holds(&item) })
	}
	values := t.values()
	return slices.ContainsFunc(f.matches, func(m match) bool { return m(values) })
}

// values are the plain values of a member: those of a list each.
func (t *tree) values() (list []value) {
	if t.plain != nil {
		return []value{*t.plain}
	}
	for i := range t.items {
		list = append(list, t.items[i].values()...)
	}
	return list
}

// some makes a match of a condition that one of the values has to meet.
func some(condition func(value) bool) match {
	return func(values []value) bool { return slices.ContainsFunc(values, condition) }
}

// text is a condition on texts.
func text(condition func(string) bool) func(value) bool {
	return func(v value) bool { return v.kind == isText && condition(v.text) }
}

func present(values []value) bool { return len(values) > 0 }

func absent(values []value) bool { return len(values) == 0 }

func prefix(p string) func(value) bool {
	return text(func(s string) bool { return strings.HasPrefix(s, p) })
}

func suffix(p string) func(value) bool {
	return text(func(s string) bool { return strings.HasSuffix(s, p) })
}

func ignoringCase(p string) func(value) bool {
	return text(func(s string) bool { return strings.EqualFold(s, p) })
}

func equal(w value) func(value) bool { return w.equals }

func inNetwork(p netip.Prefix) func(value) bool {
	return text(func(s string) bool {
		ip, err := netip.ParseAddr(s)
		return err == nil && ip.Zone() == "" && p.Contains(ip)
	})
}

// bound is one side of a range of numbers.
type bound struct {
	compare string
	than    float64
}

func (b bound) holds(n float64) bool {
	switch b.compare {
	case "=":
		return n == b.than
	case "<":
		return n < b.than
	case "<=":
		return n <= b.than
	case ">":
		return n > b.than
	}
	return n >= b.than
}

func between(list []bound) func(value) bool {
	return func(v value) bool {
		return v.kind == isNumber && !slices.ContainsFunc(list, func(b bound) bool { return !b.holds(v.num) })
	}
}

// none is the condition that no other one holds.
func none(conditions []func(value) bool) func(value) bool {
	return func(v value) bool {
		return !slices.ContainsFunc(conditions, func(c func(value) bool) bool { return c(v) })
	}
}
