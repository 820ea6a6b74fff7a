package policy

import (
	"strings"

	"github.com/cordon-iot/cordon/internal/policy/tree"
)

// Condition is one test of a statement: one operator on one key. It holds
// when the key's value passes for one of Values, or for none of them with a
// negated operator. Source: IAM condition operators.
type Condition struct {
	Quantifier Quantifier
	Operator   string // as StringEquals, without quantifier and IfExists
	IfExists   bool   // the condition also holds when the key has no value
	Key        string // as written; keys are compared without regard to case
	Values     []string

	language language
}

// Quantifier says how a key with several values is tested.
type Quantifier string

// The quantifiers. A key without a value passes ForAllValues and fails
// ForAnyValue.
const (
	Single       Quantifier = ""
	ForAllValues Quantifier = "ForAllValues"
	ForAnyValue  Quantifier = "ForAnyValue"
)

func readConditions(n tree.Node, l language, where string) ([]Condition, error) {
	where += `: "Condition"`
	if n.Kind != tree.Object {
		return nil, tree.Malformed(where, "must be an object, got %s", n.Kind)
	}
	var conditions []Condition
	seen := make(map[string]bool)
	for _, m := range n.Members {
		if seen[m.Name] {
			return nil, tree.Malformed(where, "operator %s appears more than once", tree.Quote(m.Name))
		}
		seen[m.Name] = true
		c, err := readOperator(m.Name, where)
		c.language = l
		if err != nil {
			return nil, err
		}
		read, err := readKeys(c, m.Value, where+": "+m.Name)
		if err != nil {
			return nil, err
		}
		conditions = append(conditions, read...)
	}
	return conditions, nil
}

// readOperator takes the name of an operator apart.
func readOperator(name, where string) (Condition, error) {
	var c Condition
	rest := name
	for _, q := range []Quantifier{ForAllValues, ForAnyValue} {
		if after, ok := strings.CutPrefix(rest, string(q)+":"); ok {
			c.Quantifier, rest = q, after
			break
		}
	}
	c.Operator, c.IfExists = strings.CutSuffix(rest, "IfExists")
	if _, known := operators[c.Operator]; !known || c.Operator == "Null" && name != "Null" {
		return c, tree.Malformed(where, "operator %s is not known", tree.Quote(name))
	}
	return c, nil
}

// readKeys returns one condition for each key below an operator.
func readKeys(operator Condition, n tree.Node, where string) ([]Condition, error) {
	if n.Kind != tree.Object || len(n.Members) == 0 {
		return nil, tree.Malformed(where, "must be an object with condition keys")
	}
	var conditions []Condition
	seen := make(map[string]bool)
	for _, m := range n.Members {
		c := operator
		c.Key = m.Name
		prefix, name, _ := strings.Cut(c.Key, ":")
		if prefix == "" || name == "" {
			return nil, tree.Malformed(where, "condition key %s must be prefix:name", tree.Quote(c.Key))
		}
		folded := strings.ToLower(c.Key)
		if seen[folded] {
			return nil, tree.Malformed(where, "condition key %s appears more than once", tree.Quote(c.Key))
		}
		seen[folded] = true
		var err error
		if c.Values, err = m.Value.List(where+": "+tree.Quote(c.Key), tree.Text, tree.Number, tree.Boolean); err != nil {
			return nil, err
		}
		for _, value := range c.Values {
			if _, err := operators[c.Operator].compile(c.language, value); err != nil {
				return nil, tree.Malformed(where, "%s: %s", tree.Quote(value), err)
			}
		}
		conditions = append(conditions, c)
	}
	return conditions, nil
}
