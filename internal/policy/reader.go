package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
)

// maxDepth is how deep objects and lists of a document may nest. The deepest
// legal place is a condition value in a list: document, statement list,
// statement, Condition, operator, value list.
const maxDepth = 6

// kind says what a JSON value is.
type kind string

const (
	object  kind = "an object"
	array   kind = "a list"
	text    kind = "a string"
	number  kind = "a number"
	boolean kind = "a boolean"
	null    kind = "null"
)

// node is a JSON value that keeps the order and the doubles of its members,
// which maps would lose.
type node struct {
	kind    kind
	text    string // of a string, number or boolean
	members []member
	items   []node
}

type member struct {
	name  string
	value node
}

// malformed returns the fault for a document that cannot be read; where names
// the place, such as "statement 2", and may be empty.
func malformed(where, format string, args ...any) error {
	if where != "" {
		where += ": "
	}
	return fault.New(fault.MalformedPolicy, "Policy document is Malformed: %s%s", where, fmt.Sprintf(format, args...))
}

// quote quotes a value for an error text and cuts it at 64 characters.
func quote(s string) string {
	const most = 64
	if n := utf8.RuneCountInString(s); n > most {
		return strconv.Quote(string([]rune(s)[:most])) + "..."
	}
	return strconv.Quote(s)
}

// readTree reads a whole document, after its size was found acceptable.
func readTree(document string) (node, error) {
	if !utf8.ValidString(document) {
		return node{}, malformed("", "it is not valid UTF-8")
	}
	if !json.Valid([]byte(document)) {
		return node{}, malformed("", "it is not valid JSON")
	}
	dec := json.NewDecoder(strings.NewReader(document))
	dec.UseNumber()
	return readNode(dec, 0)
}

func readNode(dec *json.Decoder, depth int) (node, error) {
	token, err := dec.Token()
	if err != nil {
		return node{}, malformed("", "it is not valid JSON")
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return node{}, malformed("", "it is nested deeper than %d levels", maxDepth)
		}
		return readNested(dec, t, depth+1)
	case string:
		return node{kind: text, text: t}, checkText(t)
	case json.Number:
		return node{kind: number, text: t.String()}, nil
	case bool:
		return node{kind: boolean, text: strconv.FormatBool(t)}, nil
	}
	return node{kind: null}, nil
}

func readNested(dec *json.Decoder, open json.Delim, depth int) (node, error) {
	n := node{kind: array}
	if open == '{' {
		n.kind = object
	}
	for dec.More() {
		var name string
		if n.kind == object {
			key, err := readNode(dec, depth)
			if err != nil {
				return node{}, err
			}
			name = key.text
		}
		value, err := readNode(dec, depth)
		if err != nil {
			return node{}, err
		}
		if n.kind == object {
			n.members = append(n.members, member{name, value})
		} else {
			n.items = append(n.items, value)
		}
	}
	if _, err := dec.Token(); err != nil {
		return node{}, malformed("", "it is not valid JSON")
	}
	return n, nil
}

// checkText refuses strings that the JSON decoder had to repair: half a
// surrogate pair becomes U+FFFD and would match a topic nobody wrote.
func checkText(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return malformed("", "%s holds an invalid or replacement character", quote(s))
	}
	return nil
}

// elements returns the members of an object by name. It refuses anything but
// an object, doubled members, and members that are not known.
func (n node) elements(where string, known ...string) (map[string]node, error) {
	if n.kind != object {
		return nil, malformed(where, "must be an object, got %s", n.kind)
	}
	found := make(map[string]node, len(n.members))
	for _, m := range n.members {
		if _, double := found[m.name]; double {
			return nil, malformed(where, "element %s appears more than once", quote(m.name))
		}
		if err := checkName(where, m.name, known); err != nil {
			return nil, err
		}
		found[m.name] = m.value
	}
	return found, nil
}

func checkName(where, name string, known []string) error {
	if slices.Contains(known, name) {
		return nil
	}
	for _, k := range known {
		if strings.EqualFold(name, k) {
			return malformed(where, "element %s must be spelt %q", quote(name), k)
		}
	}
	return malformed(where, "element %s is not allowed here", quote(name))
}

// list returns the values of a scalar or a list of scalars, of the kinds
// allowed. An empty list is refused: in NotAction or NotResource it would
// mean everything, elsewhere it is a statement without effect.
func (n node) list(where string, allowed ...kind) ([]string, error) {
	items := n.items
	if n.kind != array {
		items = []node{n}
	}
	if len(items) == 0 {
		return nil, malformed(where, "the list is empty")
	}
	values := make([]string, len(items))
	for i, item := range items {
		if !slices.Contains(allowed, item.kind) {
			return nil, malformed(where, "a value must be %s, got %s", allowed[0], item.kind)
		}
		values[i] = item.text
	}
	return values, nil
}

// holds reports whether a string in the value has part in it.
func (n node) holds(part string) bool {
	return strings.Contains(n.text, part) ||
		slices.ContainsFunc(n.items, func(item node) bool { return item.holds(part) }) ||
		slices.ContainsFunc(n.members, func(m member) bool { return m.value.holds(part) })
}

// Size counts the characters of a document without the white space between
// its tokens. White space inside strings counts: it is part of what has to
// be matched and analysed.
func Size(document string) int {
	count, quoted, escaped := 0, false, false
	for _, r := range document {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted && strings.ContainsRune(" \t\r\n", r):
			continue
		}
		count++
	}
	return count
}
