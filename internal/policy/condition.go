package policy

import "strings"

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

func readConditions(n node, l language, where string) ([]Condition, error) {
	where += `: "Condition"`
	if n.kind != object {
		return nil, malformed(where, "must be an object, got %s", n.kind)
	}
	var conditions []Condition
	seen := make(map[string]bool)
	for _, m := range n.members {
		if seen[m.name] {
			return nil, malformed(where, "operator %s appears more than once", quote(m.name))
		}
		seen[m.name] = true
		c, err := readOperator(m.name, where)
		c.language = l
		if err != nil {
			return nil, err
		}
		read, err := readKeys(c, m.value, where+": "+m.name)
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
		return c, malformed(where, "operator %s is not known", quote(name))
	}
	return c, nil
}

// readKeys returns one condition for each key below an operator.
func readKeys(operator Condition, n node, where string) ([]Condition, error) {
	if n.kind != object || len(n.members) == 0 {
		return nil, malformed(where, "must be an object with condition keys")
	}
	var conditions []Condition
	seen := make(map[string]bool)
	for _, m := range n.members {
		c := operator
		c.Key = m.name
		prefix, name, _ := strings.Cut(c.Key, ":")
		if prefix == "" || name == "" {
			return nil, malformed(where, "condition key %s must be prefix:name", quote(c.Key))
		}
		folded := strings.ToLower(c.Key)
		if seen[folded] {
			return nil, malformed(where, "condition key %s appears more than once", quote(c.Key))
		}
		seen[folded] = true
		var err error
		if c.Values, err = m.value.list(where+": "+quote(c.Key), text, number, boolean); err != nil {
			return nil, err
		}
		for _, value := range c.Values {
			if _, err := operators[c.Operator].compile(c.language, value); err != nil {
				return nil, malformed(where, "%s: %s", quote(value), err)
			}
		}
		conditions = append(conditions, c)
	}
	return conditions, nil
}
