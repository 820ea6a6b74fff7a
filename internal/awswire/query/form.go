// Package query is the AWS query protocol for one message: it reads the form of
// a request member by member and writes the XML of an answer.
//
// It is what generated wire types call; it knows no operation and no HTTP
// server. What it refuses it refuses with [fault.Invalid], naming the member
// and the rule. Constraints of members are checked by
// [github.com/cordon-iot/cordon/internal/awswire/restjson.Checker].
//
// Source: AWS, "Smithy: AWS Query protocol".
package query

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Limits on a form, beside that on the size of a request.
const (
	MaxMembers = 5_000 // names and values
	MaxDepth   = 12    // parts of a name, between its dots
	maxName    = 1 << 10
)

// Form is the members of a request. Generated code reads each one; the first
// refusal is kept and every later read gives nothing, so that it need not look
// at errors between members.
type Form struct {
	root *Value
	err  *fault.Fault
}

// Parse reads the texts of forms, which count as one: the query of the URL and
// the body. Names that begin with X-Amz- are those of a signature and left
// out. It refuses a form that is malformed or too large, a name that is given
// twice, and text that is not UTF-8 or has a character that XML 1.0 cannot
// hold: no answer could repeat it.
func Parse(texts ...string) (*Form, error) {
	f := &Form{}
	f.root = &Value{form: f}
	left := MaxMembers
	for _, text := range texts {
		if left -= strings.Count(text, "&") + 1; left < 0 {
			return nil, fault.New(fault.Invalid, "The request has more than %d members", MaxMembers)
		}
		values, err := url.ParseQuery(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "The request is not a well-formed form")
		}
		for name, list := range values {
			if strings.HasPrefix(name, "X-Amz-") {
				continue
			}
			if err := f.add(name, list); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// add puts a value at its place.
func (f *Form) add(name string, values []string) error {
	switch {
	case len(name) > maxName || strings.Count(name, ".") >= MaxDepth:
		return fault.New(fault.Invalid, "The name of a member is longer than %d bytes, or has more than %d parts",
			maxName, MaxDepth)
	case !holdable(name):
		return fault.New(fault.Invalid, "The name of a member has a character that XML 1.0 cannot hold")
	case len(values) > 1:
		return fault.New(fault.Invalid, "Member '%s' is given more than once", cut(name))
	case !holdable(values[0]):
		return fault.New(fault.Invalid, "Value at '%s' has a character that XML 1.0 cannot hold", cut(name))
	}
	v := f.root
	for part := range strings.SplitSeq(name, ".") {
		if v.members[part] == nil {
			if v.members == nil {
				v.members = map[string]*Value{}
			}
			v.members[part] = &Value{form: f, above: v, name: part}
		}
		v = v.members[part]
	}
	if v.text != nil {
		return fault.New(fault.Invalid, "Member '%s' is given more than once", cut(name))
	}
	v.text = &values[0]
	return nil
}

// Err returns the first refusal, a [fault.Invalid], or nil.
func (f *Form) Err() error {
	if f.err == nil {
		return nil
	}
	return f.err
}

// Root is the structure that all members are of.
func (f *Form) Root() *Value { return f.root }

// Text returns a member that is read before all others, such as Action; "" when
// it is not there.
func (f *Form) Text(name string) string {
	if v := f.root.members[name]; v != nil && v.text != nil {
		return *v.text
	}
	return ""
}

// Value is what a form has at one place. One that is not there is nil, and may
// be read: it gives nothing.
type Value struct {
	form    *Form
	above   *Value
	name    string
	text    *string
	members map[string]*Value
}

// Member returns a member of a structure.
func (v *Value) Member(name string) *Value {
	if v == nil || v.form.err != nil {
		return nil
	}
	return v.members[name]
}

// where is the name of the place in the form.
func (v *Value) where() string {
	var parts []string
	for ; v.above != nil; v = v.above {
		parts = append([]string{v.name}, parts...)
	}
	return cut(strings.Join(parts, "."))
}

// fail keeps the first refusal.
func (v *Value) fail(rule string) {
	if v.form.err == nil {
		v.form.err = fault.New(fault.Invalid, "Value at '%s' %s", v.where(), rule)
	}
}

// scalar returns the text of a value that must have one and no members.
func (v *Value) scalar(kind string) (text string, ok bool) {
	if v == nil || v.form.err != nil {
		return "", false
	}
	if v.text == nil || v.members != nil {
		v.fail("must be " + kind)
		return "", false
	}
	return *v.text, true
}

// String reads a string.
func (v *Value) String() *string {
	text, ok := v.scalar("a string")
	if !ok {
		return nil
	}
	return &text
}

// Text reads a string that is an item of a list or a value of a map.
func Text(v *Value) string {
	text, _ := v.scalar("a string")
	return text
}

// Item reads a structure that is an item of a list or a value of a map.
func Item[T any](read func(*T, *Value)) func(*Value) T {
	return func(v *Value) (item T) {
		if s := Struct(v, read); s != nil {
			return *s
		}
		return item
	}
}

// Struct reads a structure by its generated method.
func Struct[T any](v *Value, read func(*T, *Value)) *T {
	if v == nil || v.form.err != nil {
		return nil
	}
	if v.text != nil && (*v.text != "" || v.members != nil) {
		v.fail("must be a structure")
		return nil
	}
	s := new(T)
	read(s, v)
	return s
}

// List reads a list: Name.member.1, Name.member.2 and so on, without a gap. A
// name without members and with the empty text is the empty list.
func List[T any](v *Value, item func(*Value) T) []T {
	items := v.numbered("member", "a list")
	if items == nil {
		return nil
	}
	list := make([]T, len(items))
	for i, at := range items {
		list[i] = item(at)
	}
	return list
}

// Map reads a map: Name.entry.1.key, Name.entry.1.value and so on, without a
// gap. The two names are those that the interface gives to keys and values.
func Map[T any](v *Value, key, value string, item func(*Value) T) map[string]T {
	entries := v.numbered("entry", "a map")
	if entries == nil {
		return nil
	}
	list := make(map[string]T, len(entries))
	for _, at := range entries {
		k, val := at.Member(key), at.Member(value)
		if k == nil || val == nil {
			at.fail("must have " + key + " and " + value)
			return nil
		}
		name := Text(k)
		if _, twice := list[name]; twice {
			k.fail("is given more than once")
		}
		list[name] = item(val)
	}
	return list
}

// numbered returns the values below one name, which are numbered from 1.
func (v *Value) numbered(below, kind string) []*Value {
	if v == nil || v.form.err != nil {
		return nil
	}
	list := v.members[below]
	switch {
	case v.members == nil && *v.text == "":
		return []*Value{}
	case v.text != nil, list == nil, len(v.members) > 1, list.text != nil:
		v.fail("must be " + kind + " of " + v.name + "." + below + ".1 and so on")
		return nil
	}
	items := make([]*Value, len(list.members))
	for i := range items {
		if items[i] = list.members[strconv.Itoa(i+1)]; items[i] == nil {
			list.fail("must be numbered from 1 without a gap")
			return nil
		}
	}
	return items
}

// holdable reports whether XML 1.0 can hold a text (section 2.2, Char).
func holdable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !isChar(r) {
			return false
		}
	}
	return true
}

func isChar(r rune) bool {
	return r >= ' ' && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}

// maxShown is how many bytes of a name a message repeats.
const maxShown = 256

func cut(name string) string {
	if len(name) <= maxShown {
		return name
	}
	return strings.ToValidUTF8(name[:maxShown], "") + "..."
}
