package policy

import (
	"encoding/base64"
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
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

// operators maps the known operators to the check of their values.
var operators = map[string]func(string) error{
	"StringEquals":              stringValue,
	"StringNotEquals":           stringValue,
	"StringEqualsIgnoreCase":    stringValue,
	"StringNotEqualsIgnoreCase": stringValue,
	"StringLike":                stringValue,
	"StringNotLike":             stringValue,
	"ArnEquals":                 stringValue,
	"ArnNotEquals":              stringValue,
	"ArnLike":                   stringValue,
	"ArnNotLike":                stringValue,
	"NumericEquals":             numericValue,
	"NumericNotEquals":          numericValue,
	"NumericLessThan":           numericValue,
	"NumericLessThanEquals":     numericValue,
	"NumericGreaterThan":        numericValue,
	"NumericGreaterThanEquals":  numericValue,
	"DateEquals":                dateValue,
	"DateNotEquals":             dateValue,
	"DateLessThan":              dateValue,
	"DateLessThanEquals":        dateValue,
	"DateGreaterThan":           dateValue,
	"DateGreaterThanEquals":     dateValue,
	"IpAddress":                 addressValue,
	"NotIpAddress":              addressValue,
	"Bool":                      booleanValue,
	"Null":                      booleanValue,
	"BinaryEquals":              binaryValue,
}

func readConditions(n node, where string) ([]Condition, error) {
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
	if operators[c.Operator] == nil || c.Operator == "Null" && name != "Null" {
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
			if err := operators[c.Operator](value); err != nil {
				return nil, malformed(where, "%s: %s", quote(value), err)
			}
		}
		conditions = append(conditions, c)
	}
	return conditions, nil
}

func stringValue(s string) error {
	_, err := compile(s)
	return err
}

func numericValue(s string) error {
	if f, err := strconv.ParseFloat(s, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return errors.New("the value must be a number")
	}
	return nil
}

func booleanValue(s string) error {
	if !strings.EqualFold(s, "true") && !strings.EqualFold(s, "false") {
		return errors.New("the value must be true or false")
	}
	return nil
}

func addressValue(s string) error {
	if _, err := netip.ParsePrefix(s); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return errors.New("the value must be an IP address or a CIDR range")
	}
	return nil
}

func binaryValue(s string) error {
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return errors.New("the value must be base64")
	}
	return nil
}

// dateLayouts are the forms of a date: those of the W3C profile of ISO 8601.
var dateLayouts = []string{"2006", "2006-01", time.DateOnly, "2006-01-02T15:04Z07:00", time.RFC3339}

// dateValue accepts a date or a number of seconds since 1970.
func dateValue(s string) error {
	for _, layout := range dateLayouts {
		if _, err := time.Parse(layout, s); err == nil {
			return nil
		}
	}
	if _, err := strconv.ParseInt(s, 10, 64); err != nil {
		return errors.New("the value must be an ISO 8601 date or seconds since 1970")
	}
	return nil
}
