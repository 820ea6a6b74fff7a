// Package tree reads policy documents, which are JSON, as trees that keep the
// order and the doubles of their members, and refuses what nobody should have to
// guess the meaning of. It knows no element of the policy language.
package tree

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

// Kind says what a JSON value is.
type Kind string

// The kinds of JSON values, as errors name them.
const (
	Object  Kind = "an object"
	Array   Kind = "a list"
	Text    Kind = "a string"
	Number  Kind = "a number"
	Boolean Kind = "a boolean"
	Null    Kind = "null"
)

// Node is a JSON value that keeps the order and the doubles of its members,
// which maps would lose.
type Node struct {
	Kind    Kind
	Text    string   // of a string, number or boolean
	Members []Member // of an object, in their order
	Items   []Node   // of a list
}

// Member is a member of an object.
type Member struct {
	Name  string
	Value Node
}

// Malformed is the fault for a document that cannot be read; where names
// the place, such as "statement 2", and may be empty.
func Malformed(where, format string, args ...any) error {
	if where != "" {
		where += ": "
	}
	return fault.New(fault.MalformedPolicy, "Policy document is Malformed: %s%s", where, fmt.Sprintf(format, args...))
}

// Quote quotes a value for an error text and cuts it at 64 characters.
func Quote(s string) string {
	const most = 64
	if n := utf8.RuneCountInString(s); n > most {
		return strconv.Quote(string([]rune(s)[:most])) + "..."
	}
	return strconv.Quote(s)
}

// Read reads a whole document, after its size was found acceptable. The fault is
// MalformedPolicy, as of all that is read here.
func Read(document string) (Node, error) {
	if !utf8.ValidString(document) {
		return Node{}, Malformed("", "it is not valid UTF-8")
	}
	if !json.Valid([]byte(document)) {
		return Node{}, Malformed("", "it is not valid JSON")
	}
	dec := json.NewDecoder(strings.NewReader(document))
	dec.UseNumber()
	return readNode(dec, 0)
}

func readNode(dec *json.Decoder, depth int) (Node, error) {
	token, err := dec.Token()
	if err != nil {
		return Node{}, Malformed("", "it is not valid JSON")
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return Node{}, Malformed("", "it is nested deeper than %d levels", maxDepth)
		}
		return readNested(dec, t, depth+1)
	case string:
		return Node{Kind: Text, Text: t}, checkText(t)
	case json.Number:
		return Node{Kind: Number, Text: t.String()}, nil
	case bool:
		return Node{Kind: Boolean, Text: strconv.FormatBool(t)}, nil
	}
	return Node{Kind: Null}, nil
}

func readNested(dec *json.Decoder, open json.Delim, depth int) (Node, error) {
	n := Node{Kind: Array}
	if open == '{' {
		n.Kind = Object
	}
	for dec.More() {
		var name string
		if n.Kind == Object {
			key, err := readNode(dec, depth)
			if err != nil {
				return Node{}, err
			}
			name = key.Text
		}
		value, err := readNode(dec, depth)
		if err != nil {
			return Node{}, err
		}
		if n.Kind == Object {
			n.Members = append(n.Members, Member{name, value})
		} else {
			n.Items = append(n.Items, value)
		}
	}
	if _, err := dec.Token(); err != nil {
		return Node{}, Malformed("", "it is not valid JSON")
	}
	return n, nil
}

// checkText refuses strings that the JSON decoder had to repair: half a
// surrogate pair becomes U+FFFD and would match a topic nobody wrote.
func checkText(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return Malformed("", "%s holds an invalid or replacement character", Quote(s))
	}
	return nil
}

// Elements returns the members of an object by name. It refuses anything but
// an object, doubled members, and members that are not known.
func (n Node) Elements(where string, known ...string) (map[string]Node, error) {
	if n.Kind != Object {
		return nil, Malformed(where, "must be an object, got %s", n.Kind)
	}
	found := make(map[string]Node, len(n.Members))
	for _, m := range n.Members {
		if _, double := found[m.Name]; double {
			return nil, Malformed(where, "element %s appears more than once", Quote(m.Name))
		}
		if err := checkName(where, m.Name, known); err != nil {
			return nil, err
		}
		found[m.Name] = m.Value
	}
	return found, nil
}

func checkName(where, name string, known []string) error {
	if slices.Contains(known, name) {
		return nil
	}
	for _, k := range known {
		if strings.EqualFold(name, k) {
			return Malformed(where, "element %s must be spelt %q", Quote(name), k)
		}
	}
	return Malformed(where, "element %s is not allowed here", Quote(name))
}

// List returns the values of a scalar or a list of scalars, of the kinds
// allowed. An empty list is refused: in NotAction or NotResource it would
// mean everything, elsewhere it is a statement without effect.
func (n Node) List(where string, allowed ...Kind) ([]string, error) {
	items := n.Items
	if n.Kind != Array {
		items = []Node{n}
	}
	if len(items) == 0 {
		return nil, Malformed(where, "the list is empty")
	}
	values := make([]string, len(items))
	for i, item := range items {
		if !slices.Contains(allowed, item.Kind) {
			return nil, Malformed(where, "a value must be %s, got %s", allowed[0], item.Kind)
		}
		values[i] = item.Text
	}
	return values, nil
}

// Holds reports whether a string in the value has part in it.
func (n Node) Holds(part string) bool {
	return strings.Contains(n.Text, part) ||
		slices.ContainsFunc(n.Items, func(item Node) bool { return item.Holds(part) }) ||
		slices.ContainsFunc(n.Members, func(m Member) bool { return m.Value.Holds(part) })
}
