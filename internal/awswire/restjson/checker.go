package restjson

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Checker collects the constraints that a request breaks, in the order of its
// members. Its messages have the form of AWS: "1 validation error detected:
// Value 'x' at 'taskId' failed to satisfy constraint: Member must have length
// less than or equal to 40".
type Checker struct {
	path     []string
	problems []string
	count    int
}

// maxProblems bounds how many broken constraints a message spells out; all are
// counted.
const maxProblems = 20

// Err returns a [fault.Invalid] with all broken constraints, or nil.
func (c *Checker) Err() error {
	if c.count == 0 {
		return nil
	}
	detected := "1 validation error detected: "
	if c.count > 1 {
		detected = strconv.Itoa(c.count) + " validation errors detected: "
	}
	return fault.New(fault.Invalid, "%s%s", detected, strings.Join(c.problems, "; "))
}

// In descends into a member. Out goes back.
func (c *Checker) In(name string) { c.path = append(c.path, name) }

// Index descends into item i of a list, counted from 0. Out goes back.
func (c *Checker) Index(i int) { c.path = append(c.path, strconv.Itoa(i+1)+".member") }

// Key descends into the value of a map. Out goes back.
func (c *Checker) Key(key string) { c.path = append(c.path, show(key)+".member") }

// Out goes back from the member that In, Index or Key descended into.
func (c *Checker) Out() { c.path = c.path[:len(c.path)-1] }

// Required refuses a member that is missing.
func (c *Checker) Required(name string, missing bool) {
	if !missing {
		return
	}
	c.In(name)
	c.problem("null", "Member must not be null")
	c.Out()
}

// TextRule is the constraints of a string. Min and Max are in characters; a
// Max of zero is no limit.
type TextRule struct {
	Min, Max  int
	Pattern   *Pattern
	Enum      []string
	Sensitive bool // the value is never repeated
}

// Pattern is a regular expression that the whole text must match.
type Pattern struct {
	text string // as AWS writes it
	re   *regexp.Regexp
}

// MustPattern compiles re, which is text translated to the syntax of Go. It
// panics if it cannot: patterns are part of the program.
func MustPattern(text, re string) *Pattern {
	return &Pattern{text: text, re: regexp.MustCompile(`^(?:` + re + `)$`)}
}

// Text checks a string member, if it is there.
func (c *Checker) Text(name string, v *string, rule *TextRule) {
	if v == nil {
		return
	}
	for broken := range rule.broken(*v) {
		c.In(name)
		c.problem("'"+rule.show(*v)+"'", broken)
		c.Out()
	}
}

// broken yields the constraints that v breaks.
func (t *TextRule) broken(v string) iter.Seq[string] {
	return func(yield func(string) bool) {
		size := utf8.RuneCountInString(v)
		if size < t.Min && !yield("Member must have length greater than or equal to "+strconv.Itoa(t.Min)) {
			return
		}
		if t.Max > 0 && size > t.Max {
			// A pattern is not tried on a text of any length.
			yield("Member must have length less than or equal to " + strconv.Itoa(t.Max))
			return
		}
		if t.Pattern != nil && !t.Pattern.re.MatchString(v) &&
			!yield("Member must satisfy regular expression pattern: "+t.Pattern.text) {
			return
		}
		if t.Enum != nil && !slices.Contains(t.Enum, v) {
			yield("Member must satisfy enum value set: [" + strings.Join(t.Enum, ", ") + "]")
		}
	}
}

// RangeRule is the least and greatest value of a number. Nil is no limit.
type RangeRule struct {
	Min, Max *int64
}

// Range checks a number member, if it is there.
func Range[T int | int64](c *Checker, name string, v *T, rule *RangeRule) {
	if v == nil {
		return
	}
	c.In(name)
	n := int64(*v)
	if rule.Min != nil && n < *rule.Min {
		c.problem(fmt.Sprintf("'%d'", n), fmt.Sprintf("Member must have value greater than or equal to %d", *rule.Min))
	}
	if rule.Max != nil && n > *rule.Max {
		c.problem(fmt.Sprintf("'%d'", n), fmt.Sprintf("Member must have value less than or equal to %d", *rule.Max))
	}
	c.Out()
}

// Size checks how many items the list or map here has; a max of zero is no
// limit.
func (c *Checker) Size(n, lo, hi int) {
	if n < lo {
		c.problem(items(n), "Member must have length greater than or equal to "+strconv.Itoa(lo))
	}
	if hi > 0 && n > hi {
		c.problem(items(n), "Member must have length less than or equal to "+strconv.Itoa(hi))
	}
}

// Texts checks the strings of the list here.
func (c *Checker) Texts(list []string, rule *TextRule) {
	for _, v := range list {
		if broken := rule.all(v); broken != "" {
			c.problem("'["+rule.show(v)+"]'", "Member must satisfy constraint: "+broken)
			return
		}
	}
}

// MapKeys checks the keys of the map here.
func (c *Checker) MapKeys(keys []string, rule *TextRule) {
	for _, v := range keys {
		if broken := rule.all(v); broken != "" {
			c.problem("'{"+rule.show(v)+"=...}'", "Map keys must satisfy constraint: "+broken)
			return
		}
	}
}

// MapTexts checks the values of the map here.
func (c *Checker) MapTexts(m map[string]string, rule *TextRule) {
	for _, key := range Keys(m) {
		if broken := rule.all(m[key]); broken != "" {
			c.problem("'{"+show(key)+"="+rule.show(m[key])+"}'", "Map value must satisfy constraint: "+broken)
			return
		}
	}
}

// all lists the constraints that v breaks, in brackets; "" if there are none.
func (t *TextRule) all(v string) string {
	if broken := slices.Collect(t.broken(v)); broken != nil {
		return "[" + strings.Join(broken, ", ") + "]"
	}
	return ""
}

func (c *Checker) problem(value, constraint string) {
	if c.count++; len(c.problems) == maxProblems {
		return
	}
	c.problems = append(c.problems, "Value "+value+" at '"+strings.Join(c.path, ".")+
		"' failed to satisfy constraint: "+constraint)
}

func items(n int) string {
	if n == 0 {
		return "'[]'"
	}
	return fmt.Sprintf("'[%d items]'", n)
}

func (t *TextRule) show(v string) string {
	if t.Sensitive {
		return "<sensitive>"
	}
	return show(v)
}

// maxShown is how many characters of a value a message repeats.
const maxShown = 256

// show is v as a message may repeat it: never PEM, never long.
func show(v string) string {
	if strings.Contains(v, "-----BEGIN") {
		return "<PEM>"
	}
	return cut(v)
}

// cut shortens v to the characters a message may repeat.
func cut(v string) string {
	n := 0
	for i := range v {
		if n++; n > maxShown {
			return v[:i] + "..."
		}
	}
	return v
}
