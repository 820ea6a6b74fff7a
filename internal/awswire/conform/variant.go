package conform

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// variant is a request that just keeps to a constraint, or just does not. All
// else about it is as small as the facts allow.
type variant struct {
	op    *Operation
	what  string         // for people
	at    string         // the path of the member, as messages name it
	rule  string         // what a message must say about it; "" if the constraint is kept
	about string         // what it says before, about an item
	input map[string]any // by member; without the members that are missing
}

// spot is a place in the input of an operation.
type spot struct {
	at    string
	typed string // the same, as messages about another type name it
	// in makes an input that has a value at this place.
	in    func(value any) map[string]any
	about string // what messages put before a rule about an item
	// bound says that the value is no JSON: it lies in a path, query or header.
	bound, label, header bool
	payload              bool     // the value is the body, and messages call it that
	above                []string // the shapes on the way, so that the walk ends
}

// notInHeaders reports whether a character cannot begin or end a header's value.
func notInHeaders(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// member is the place of a member of a structure.
func (s spot) member(f *Facts, t testing.TB, shape, name string) spot {
	inner := s
	inner.typed = strings.TrimPrefix(s.typed+"."+name, ".")
	inner.at = strings.TrimPrefix(s.at+"."+f.shown(name), ".")
	inner.in = func(value any) map[string]any {
		all := f.least(t, shape).(map[string]any)
		all[name] = value
		return s.in(all)
	}
	location := f.Shapes[shape].Members[name].Location
	inner.bound = location != ""
	inner.label = location == "uri"
	inner.header = location == "header"
	inner.payload = name == f.Shapes[shape].Payload
	return inner
}

// shown is a member as messages of validation name it.
func (f *Facts) shown(name string) string {
	if f.inForms() {
		return strings.ToLower(name[:1]) + name[1:]
	}
	return name
}

// variants makes all requests about the constraints of an operation.
func (f *Facts) variants(t testing.TB, op *Operation) []variant {
	t.Helper()
	w := &variantWriter{f: f, t: t, op: op}
	if op.Input != "" {
		w.shape(spot{in: func(value any) map[string]any { return value.(map[string]any) }}, op.Input)
	}
	return w.list
}

type variantWriter struct {
	f    *Facts
	t    testing.TB
	op   *Operation
	list []variant
}

func (w *variantWriter) passes(s spot, what string, value any) { w.add(s, what, "", value) }

func (w *variantWriter) fails(s spot, what, rule string, value any) { w.add(s, what, rule, value) }

func (w *variantWriter) add(s spot, what, rule string, value any) {
	w.list = append(w.list, variant{op: w.op, what: what, at: s.at, rule: rule, about: s.about, input: s.in(value)})
}

// wrong adds a request whose value is not of the type of its member. The text
// of the message then has the path within the body.
func (w *variantWriter) wrong(s spot, value any) {
	if s.about == "" {
		at := strings.TrimPrefix(s.typed, w.f.Shapes[w.op.Input].Payload+".")
		w.list = append(w.list, variant{op: w.op, what: "another type", at: at, rule: ruleType, input: s.in(value)})
	}
}

// union adds requests that give no member of a union, and any two of them that
// exclude each other.
func (w *variantWriter) union(s spot, name string, sh *Shape) {
	add := func(what string, value map[string]any) {
		input := s.in(value)
		maps.Copy(input, w.f.Bases[w.op.Name])
		w.list = append(w.list, variant{op: w.op, what: what, at: s.at, rule: ruleUnion, input: input})
	}
	add("no member", map[string]any{})
	members := sorted(sh.Members)
	for i, one := range members {
		for _, other := range members[i+1:] {
			// A filter goes with an audit: it is no member of the union.
			if one != "auditCheckToReasonCodeFilter" {
				add(one+" and "+other, map[string]any{one: w.sound(sh, one), other: w.sound(sh, other)})
			}
		}
	}
}

// sound is a value of a member of a union that nothing else is wrong with.
func (w *variantWriter) sound(sh *Shape, member string) any {
	if value, ok := w.f.Sound[member]; ok {
		return value
	}
	return w.f.least(w.t, sh.Members[member].Shape)
}

func (w *variantWriter) shape(s spot, name string) {
	if slices.Contains(s.above, name) {
		return
	}
	s.above = append(slices.Clone(s.above), name)
	switch sh := w.f.Shapes[name]; sh.Type {
	case "structure":
		w.structure(s, name, sh)
	case "list":
		w.collection(s, sh)
		w.items(s, sh)
	case "map":
		w.collection(s, sh)
		w.entries(s, sh)
	case "string":
		w.text(s, sh)
	case "integer", "long":
		w.number(s, sh)
	case "boolean":
		w.passes(s, "true", true)
		w.passes(s, "false", false)
		w.wrong(s, "yes")
	case "blob":
		w.passes(s, "bytes in base64", "AAAA")
		w.wrong(s, "no base64")
	case "timestamp":
		w.passes(s, "a time", w.f.least(w.t, name))
		w.wrong(s, "yesterday")
	default:
		w.t.Fatalf("%s: no variants for type %s of %s", w.op.Name, sh.Type, s.at)
	}
}

func (w *variantWriter) structure(s spot, name string, sh *Shape) {
	switch {
	case s.at == "" || s.payload:
	case w.f.inForms():
		w.wrong(s, "one")
	default:
		w.wrong(s, []any{})
	}
	if slices.Contains(w.f.Unions, name) {
		w.union(s, name, sh)
	}
	for _, member := range sorted(sh.Members) {
		inner := s.member(w.f, w.t, name, member)
		inner.about = ""
		w.shape(inner, sh.Members[member].Shape)
		if !slices.Contains(sh.Required, member) || inner.label || sh.Members[member].IdempotencyToken {
			continue // a missing label is another path, a missing token a fresh one
		}
		without := w.f.least(w.t, name).(map[string]any)
		delete(without, member)
		w.list = append(w.list, variant{op: w.op, what: "missing", at: inner.at, rule: "Member must not be null",
			input: s.in(without)})
		if !inner.bound && !w.f.inForms() {
			w.fails(inner, "null", "Member must not be null", nil)
		}
	}
}

const (
	ruleAtLeast = "Member must have length greater than or equal to "
	ruleType    = "' must be "
	ruleUnion   = "exactly one member"
	ruleAtMost  = "Member must have length less than or equal to "
)

// collection is about the size of a list or map.
func (w *variantWriter) collection(s spot, sh *Shape) {
	if !s.bound {
		w.wrong(s, "one")
	}
	lo := value64(sh.Min)
	w.passes(s, fmt.Sprintf("%d items", lo), w.f.many(w.t, sh, int(lo)))
	if lo > 0 {
		w.fails(s, fmt.Sprintf("%d items", lo-1), ruleAtLeast+fmt.Sprint(lo), w.f.many(w.t, sh, int(lo-1)))
	}
	if sh.Max != nil {
		hi := *sh.Max
		w.passes(s, fmt.Sprintf("%d items", hi), w.f.many(w.t, sh, int(hi)))
		more := w.f.many(w.t, sh, int(hi+1))
		if keys, isMap := more.(map[string]any); isMap && len(keys) <= int(hi) {
			return // there are not so many keys
		}
		w.fails(s, fmt.Sprintf("%d items", hi+1), ruleAtMost+fmt.Sprint(hi), more)
	}
}

// items is about the items of a list.
func (w *variantWriter) items(s spot, sh *Shape) {
	item := s
	item.in = func(value any) map[string]any {
		list := w.f.many(w.t, sh, max(1, int(value64(sh.Min)))).([]any)
		list[0] = value
		return s.in(list)
	}
	if w.f.Shapes[sh.Member.Shape].Type == "string" {
		item.about = "Member must satisfy constraint: ["
	} else {
		item.at += ".1.member"
	}
	item.typed += ".1.member"
	if w.f.inForms() {
		item.typed = s.typed + ".member.1"
	}
	w.shape(item, sh.Member.Shape)
}

// entries is about the keys and values of a map.
func (w *variantWriter) entries(s spot, sh *Shape) {
	key := s
	key.about = "Map keys must satisfy constraint: ["
	key.in = func(value any) map[string]any {
		return s.in(map[string]any{value.(string): w.f.least(w.t, sh.Value.Shape)})
	}
	w.shape(key, sh.Key.Shape)
	name := w.f.least(w.t, sh.Key.Shape).(string)
	item := s
	item.in = func(value any) map[string]any { return s.in(map[string]any{name: value}) }
	if w.f.Shapes[sh.Value.Shape].Type == "string" {
		item.about = "Map value must satisfy constraint: ["
	} else {
		item.at += "." + name + ".member"
	}
	item.typed += "." + name + ".member"
	if w.f.inForms() {
		item.typed = s.typed + ".entry.1." + sh.Value.wireName("value")
	}
	w.shape(item, sh.Value.Shape)
}

func (w *variantWriter) number(s spot, sh *Shape) {
	if sh.Min != nil {
		w.passes(s, "the least value", *sh.Min)
		w.fails(s, "less", fmt.Sprintf("Member must have value greater than or equal to %d", *sh.Min), *sh.Min-1)
	}
	if sh.Max != nil {
		w.passes(s, "the greatest value", *sh.Max)
		w.fails(s, "more", fmt.Sprintf("Member must have value less than or equal to %d", *sh.Max), *sh.Max+1)
	}
	w.wrong(s, "many")
	w.wrong(s, 5.5)
	if sh.Type == "integer" {
		w.wrong(s, int64(1)<<31)
	}
}

// text is about the length, the pattern and the values of a string.
func (w *variantWriter) text(s spot, sh *Shape) {
	if !s.bound && !w.f.inForms() {
		w.wrong(s, 1)
	}
	if sh.Enum != nil {
		for _, value := range sh.Enum {
			w.passes(s, value, value)
		}
		rule := "Member must satisfy enum value set: [" + strings.Join(sh.Enum, ", ") + "]"
		w.fails(s, "no value of the enum", rule, sh.Enum[0]+"_")
		for _, other := range []string{strings.ToLower(sh.Enum[0]), strings.ToUpper(sh.Enum[0])} {
			if !slices.Contains(sh.Enum, other) {
				w.fails(s, "another case", rule, other)
			}
		}
		return
	}
	form := newTextForm(sh.Pattern)
	lo, hi := int(value64(sh.Min)), 2*int(value64(sh.Min))+8
	if sh.Max != nil {
		hi = int(*sh.Max)
	}
	if s.label {
		lo = max(lo, 1) // an empty label is another path
	}
	for _, n := range slices.Compact([]int{lo, hi}) {
		if value, ok := form.inside(n); ok {
			w.passes(s, fmt.Sprintf("%d characters", n), value)
		}
		if n > longText {
			continue
		}
		for _, value := range form.outside(n) {
			if s.header && strings.TrimFunc(value, notInHeaders) != value {
				continue // no client can send it
			}
			w.fails(s, fmt.Sprintf("out of the pattern: %.20q", value),
				"Member must satisfy regular expression pattern: "+sh.Pattern, value)
		}
	}
	if short := lo - 1; sh.Min != nil && short >= 0 && (short > 0 || !s.label) {
		w.fails(s, fmt.Sprintf("%d characters", short), ruleAtLeast+fmt.Sprint(lo), nearly(form, short))
	}
	if sh.Max != nil {
		w.fails(s, fmt.Sprintf("%d characters", hi+1), ruleAtMost+fmt.Sprint(hi), nearly(form, hi+1))
	}
}

// longText is how long a text is, at which no character is put wrong: that one
// short is refused is enough.
const longText = 4096

// nearly is a text of n characters, inside of the pattern where there is one.
func nearly(form *textForm, n int) string {
	if text, ok := form.inside(n); ok {
		return text
	}
	return strings.Repeat("a", n)
}

func value64(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// least is the smallest value of a shape: a structure has the members it must
// have.
func (f *Facts) least(t testing.TB, name string) any {
	sh := f.Shapes[name]
	switch sh.Type {
	case "structure":
		all := map[string]any{}
		for _, member := range sh.Required {
			all[member] = f.least(t, sh.Members[member].Shape)
		}
		return all
	case "list", "map":
		return f.many(t, sh, int(value64(sh.Min)))
	case "string":
		if sh.Enum != nil {
			return sh.Enum[0]
		}
		lo := max(1, int(value64(sh.Min)))
		for n := lo; n < lo+64; n++ {
			if text, ok := newTextForm(sh.Pattern).inside(n); ok {
				return text
			}
		}
		t.Fatalf("%s: no text of about %d characters matches %s", name, lo, sh.Pattern)
	case "integer", "long":
		return max(1, value64(sh.Min))
	case "boolean":
		return true
	case "blob":
		return "AAAA"
	case "timestamp":
		return timestamp(1_700_000_000)
	}
	t.Fatalf("%s: no value for type %s", name, sh.Type)
	return nil
}

// timestamp is a time in seconds since the epoch: the form of a body.
type timestamp int64

// many is a list or map of n different items.
func (f *Facts) many(t testing.TB, sh *Shape, n int) any {
	if sh.Type == "map" {
		all := map[string]any{}
		for i := range n {
			all[f.different(t, sh.Key.Shape, i).(string)] = f.least(t, sh.Value.Shape)
		}
		return all
	}
	list := make([]any, n)
	for i := range list {
		list[i] = f.different(t, sh.Member.Shape, i)
	}
	return list
}

// different is a value of a shape that differs with i, as far as it can.
func (f *Facts) different(t testing.TB, name string, i int) any {
	sh, least := f.Shapes[name], f.least(t, name)
	switch {
	case sh.Type == "structure":
		all := least.(map[string]any)
		for _, member := range sh.Required {
			all[member] = f.different(t, sh.Members[member].Shape, i)
		}
		return all
	case sh.Type == "string" && sh.Enum != nil:
		return sh.Enum[i%len(sh.Enum)]
	case sh.Type == "string" && (sh.Max == nil || int(*sh.Max) > len(least.(string))+len(strconv.Itoa(i))):
		form := newTextForm(sh.Pattern)
		if text := least.(string) + strconv.Itoa(i); form.whole.MatchString(text) {
			return text
		}
		return form.different(i)
	}
	return least
}

// gives reports whether an input has a member at a dotted path, lists and maps
// on the way taken by any of their items.
func gives(input any, path []string) bool {
	if len(path) == 0 {
		return input != nil
	}
	switch v := input.(type) {
	case map[string]any:
		if inner, ok := v[path[0]]; ok {
			return gives(inner, path[1:])
		}
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), func(item any) bool {
			_, deeper := item.(map[string]any)
			return deeper && gives(item, path)
		})
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return gives(item, path) })
	}
	return false
}
