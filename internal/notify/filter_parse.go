package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Limits of a filter policy. Source: Amazon SNS Developer Guide, filter policy
// constraints.
const (
	maxFilterSize   = 256 << 10
	maxFilterFields = 5
	// maxCombinations bounds the product of how many values the fields have, each
	// counted as often as it lies deep in the body.
	maxCombinations = 150
	// maxFilterNumber and filterDigits are the numbers that are compared.
	maxFilterNumber = 1e9
	filterDigits    = 5
	// maxDepth bounds what is read of a filter or a body.
	maxDepth = 32
)

// ParseFilter reads a filter policy. What is not evaluated, and what is beyond
// the limits, is refused by an Invalid fault.
func ParseFilter(policy string, scope FilterScope) (*Filter, error) {
	f := &Filter{scope: scope}
	if f.scope == "" {
		f.scope = ByAttributes
	}
	if f.scope != ByAttributes && f.scope != ByBody {
		return nil, fault.New(fault.Invalid, "Invalid parameter: FilterPolicyScope: %s or %s", ByAttributes, ByBody)
	}
	if len(policy) > maxFilterSize {
		return nil, wrongFilter("it is longer than %d bytes", maxFilterSize)
	}
	root, err := readJSON(policy)
	if err != nil {
		return nil, wrongFilter("%v", err)
	}
	if root.members == nil {
		return nil, wrongFilter("it must be an object")
	}
	p := filterReader{nests: f.scope == ByBody}
	var combinations int
	if f.root, combinations, err = p.object(&root, 1); err != nil {
		return nil, err
	}
	if p.fields > maxFilterFields {
		return nil, wrongFilter("it names %d keys, and it may name %d", p.fields, maxFilterFields)
	}
	if combinations > maxCombinations {
		return nil, wrongFilter("it is too complex: it has more than %d combinations", maxCombinations)
	}
	return f, nil
}

func wrongFilter(format string, args ...any) error {
	return fault.New(fault.Invalid, "Invalid parameter: FilterPolicy: %s", fmt.Sprintf(format, args...))
}

// filterReader counts what it reads.
type filterReader struct {
	nests  bool // members may be objects
	fields int
}

// choice is the member whose alternatives stand beside the other members.
const choice = "$or"

// reserved are the words of conditions, which no alternative may begin with.
var reserved = []string{
	"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard",
}

// object reads an object at a depth, and how many combinations of values it has.
func (p *filterReader) object(t *tree, depth int) (o object, combinations int, err error) {
	combinations = 1
	for _, name := range t.order {
		member := t.members[name]
		var n int
		switch {
		case name == choice:
			var list []object
			list, n, err = p.alternatives(&member, depth)
			o.choices = append(o.choices, list)
		case member.members != nil && p.nests:
			var nested object
			nested, n, err = p.object(&member, depth+1)
			if err == nil && len(member.order) == 0 {
				err = wrongFilter("%.64q is an empty object", name)
			}
			o.fields = append(o.fields, field{name: name, nested: &nested})
		default:
			p.fields++
			var list []match
			list, err = matches(name, &member)
			n = len(list) * depth
			o.fields = append(o.fields, field{name: name, matches: list})
		}
		if err != nil {
			return o, 0, err
		}
		combinations = min(combinations*n, maxCombinations+1)
	}
	return o, combinations, nil
}

func (p *filterReader) alternatives(t *tree, depth int) (list []object, combinations int, err error) {
	if len(t.items) < 2 {
		return nil, 0, wrongFilter("%q must be a list of two objects or more", choice)
	}
	for i := range t.items {
		item := &t.items[i]
		if len(item.order) == 0 {
			return nil, 0, wrongFilter("%q must be a list of objects that are not empty", choice)
		}
		for _, name := range item.order {
			if slices.Contains(reserved, name) {
				return nil, 0, wrongFilter("%q cannot be the name of a key in %q", name, choice)
			}
		}
		o, n, err := p.object(item, depth)
		if err != nil {
			return nil, 0, err
		}
		list, combinations = append(list, o), combinations+n
	}
	return list, combinations, nil
}

// matches reads the conditions of a member.
func matches(name string, t *tree) ([]match, error) {
	if t.items == nil {
		return nil, wrongFilter("%.64q must be a list of values", name)
	}
	if len(t.items) == 0 {
		return nil, wrongFilter("%.64q is an empty list", name)
	}
	var list []match
	for i := range t.items {
		m, err := oneMatch(&t.items[i])
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func oneMatch(t *tree) (match, error) {
	switch {
	case t.plain != nil:
		v, err := plainValue(t.plain)
		return some(equal(v)), err
	case len(t.order) != 1:
		return nil, wrongFilter("a condition must be a value or an object with one operator")
	}
	operator := t.order[0]
	operand := t.members[operator]
	if operator == "exists" {
		switch {
		case operand.plain != nil && operand.plain.kind == isWord && operand.plain.text == "true":
			return present, nil
		case operand.plain != nil && operand.plain.kind == isWord && operand.plain.text == "false":
			return absent, nil
		}
		return nil, wrongFilter("exists must be true or false")
	}
	condition, err := conditionOf(operator, &operand)
	return some(condition), err
}

func conditionOf(operator string, operand *tree) (func(value) bool, error) {
	switch operator {
	case "prefix", "suffix", "equals-ignore-case":
		return textCondition(operator, operand)
	case "numeric":
		return numericCondition(operand)
	case "cidr":
		s, err := textOf(operator, operand)
		if err != nil {
			return nil, err
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, wrongFilter("cidr must be a range of addresses such as 10.0.0.0/24")
		}
		return inNetwork(p.Masked()), nil
	case "anything-but":
		return otherCondition(operand)
	}
	return nil, wrongFilter("the operator %.64q is not evaluated here", operator)
}

func textOf(operator string, operand *tree) (string, error) {
	if operand.plain == nil || operand.plain.kind != isText || operand.plain.text == "" {
		return "", wrongFilter("%s must be a text that is not empty", operator)
	}
	return operand.plain.text, nil
}

func textCondition(operator string, operand *tree) (func(value) bool, error) {
	s, err := textOf(operator, operand)
	if err != nil {
		return nil, err
	}
	switch operator {
	case "prefix":
		return prefix(s), nil
	case "suffix":
		return suffix(s), nil
	}
	return ignoringCase(s), nil
}

// otherCondition is anything-but: a value, a list of values that are all texts
// or all numbers, or one operator on texts.
func otherCondition(operand *tree) (func(value) bool, error) {
	items := operand.items
	switch {
	case operand.plain != nil:
		items = []tree{*operand}
	case len(operand.order) == 1:
		inner := operand.members[operand.order[0]]
		switch operator := operand.order[0]; operator {
		case "prefix", "suffix":
			c, err := textCondition(operator, &inner)
			return none([]func(value) bool{c}), err
		default:
			return nil, wrongFilter("anything-but with %.64q is not evaluated here", operator)
		}
	}
	if len(items) == 0 {
		return nil, wrongFilter("anything-but must be a value or a list of values")
	}
	var list []func(value) bool
	for _, item := range items {
		if item.plain == nil || item.plain.kind == isWord || item.plain.kind != items[0].plain.kind {
			return nil, wrongFilter("anything-but must be texts or numbers, not both")
		}
		v, err := plainValue(item.plain)
		if err != nil {
			return nil, err
		}
		list = append(list, equal(v))
	}
	return none(list), nil
}

// numericCondition reads one comparison with a number, or two that bound a
// range: the lower one first.
func numericCondition(operand *tree) (func(value) bool, error) {
	if n := len(operand.items); n != 2 && n != 4 {
		return nil, wrongFilter("numeric must be one comparison with a number, or two")
	}
	var list []bound
	for i := 0; i < len(operand.items); i += 2 {
		compare, number := operand.items[i].plain, operand.items[i+1].plain
		if compare == nil || compare.kind != isText || number == nil || number.kind != isNumber ||
			!slices.Contains([]string{"=", "<", "<=", ">", ">="}, compare.text) {
			return nil, wrongFilter("numeric compares with =, <, <=, > or >= and a number")
		}
		v, err := plainValue(number)
		if err != nil {
			return nil, err
		}
		list = append(list, bound{compare.text, v.num})
	}
	if len(list) == 2 && (list[0].compare[0] != '>' || list[1].compare[0] != '<' || list[0].than >= list[1].than) {
		return nil, wrongFilter("numeric with two comparisons has the lower bound first, by > or >=, then < or <=")
	}
	return between(list), nil
}

// plainValue checks a value of a filter. Numbers are compared to five digits
// behind the point.
func plainValue(v *value) (value, error) {
	if v.kind == isNumber {
		scaled := v.num * math.Pow10(filterDigits)
		if math.Abs(v.num) > maxFilterNumber || math.Abs(scaled-math.Round(scaled)) > 1e-3 {
			return *v, wrongFilter("numbers are from -10^9 to 10^9, with %d digits behind the point", filterDigits)
		}
	}
	return *v, nil
}

// tree is JSON that was read: an object, a list, or a plain value. The zero tree
// is what is absent.
type tree struct {
	members map[string]tree
	order   []string // names of the members as they were written
	items   []tree
	plain   *value
}

// readJSON reads one JSON value whose objects have no member twice.
func readJSON(s string) (tree, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	t, err := readTree(d, 0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more behind the JSON")
		}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it is not JSON")
	}
	return t, err
}

func readTree(d *json.Decoder, depth int) (t tree, err error) {
	if depth > maxDepth {
		return t, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return t, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return readObject(d, depth)
		}
		return readList(d, depth)
	case string:
		t.plain = &value{kind: isText, text: v}
	case json.Number:
		n, err := v.Float64()
		if err != nil {
			return t, errors.New("it has a number that is too large")
		}
		t.plain = &value{kind: isNumber, num: n}
	case bool:
		t.plain = &value{kind: isWord, text: fmt.Sprint(v)}
	default:
		t.plain = &value{kind: isWord, text: "null"}
	}
	return t, nil
}

func readObject(d *json.Decoder, depth int) (tree, error) {
	t := tree{members: map[string]tree{}}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return t, err
		}
		name, ok := token.(string)
		if !ok {
			return t, errors.New("it is not JSON")
		}
		if _, twice := t.members[name]; twice {
			return t, fmt.Errorf("the key %.64q stands twice", name)
		}
		if t.members[name], err = readTree(d, depth+1); err != nil {
			return t, err
		}
		t.order = append(t.order, name)
	}
	_, err := d.Token()
	return t, err
}

func readList(d *json.Decoder, depth int) (tree, error) {
	t := tree{items: []tree{}}
	for d.More() {
		item, err := readTree(d, depth+1)
		if err != nil {
			return t, err
		}
		t.items = append(t.items, item)
	}
	_, err := d.Token()
	return t, err
}
