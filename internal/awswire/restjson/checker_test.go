package restjson

import (
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

var (
	idRule   = TextRule{Min: 2, Max: 4, Pattern: MustPattern(`[a-z]+|^X$`, `[a-z]+|^X$`)}
	enumRule = TextRule{Enum: []string{"A", "B"}}
	keyRule  = TextRule{Sensitive: true, Max: 1}
)

const detected = "1 validation error detected: "

func TestConstraints(t *testing.T) {
	for _, tt := range []struct {
		name  string
		check func(*Checker)
		want  string // "" for none
	}{
		{"a value in its limits passes", func(c *Checker) { c.Text("id", new("abcd"), &idRule) }, ""},
		{"an absent value passes", func(c *Checker) { c.Text("id", nil, &idRule) }, ""},
		{"characters count, not bytes", func(c *Checker) { c.Text("id", new("é"), &TextRule{Max: 1}) }, ""},
		{"a missing member", func(c *Checker) { c.Required("id", true) },
			detected + "Value null at 'id' failed to satisfy constraint: Member must not be null"},
		{"a text too long", func(c *Checker) { c.Text("id", new("abcde"), &idRule) },
			detected + "Value 'abcde' at 'id' failed to satisfy constraint: " +
				"Member must have length less than or equal to 4"},
		{"a pattern holds for the whole text", func(c *Checker) { c.Text("id", new("ab1"), &idRule) },
			detected + "Value 'ab1' at 'id' failed to satisfy constraint: " +
				"Member must satisfy regular expression pattern: [a-z]+|^X$"},
		{"a pattern does not end before a line feed", func(c *Checker) { c.Text("id", new("ab\n"), &idRule) },
			detected + "Value 'ab\n' at 'id' failed to satisfy constraint: " +
				"Member must satisfy regular expression pattern: [a-z]+|^X$"},
		{"two constraints of one value are two errors", func(c *Checker) { c.Text("id", new("1"), &idRule) },
			"2 validation errors detected: Value '1' at 'id' failed to satisfy constraint: " +
				"Member must have length greater than or equal to 2; Value '1' at 'id' failed to satisfy constraint: " +
				"Member must satisfy regular expression pattern: [a-z]+|^X$"},
		{"an enum", func(c *Checker) { c.Text("e", new("a"), &enumRule) },
			detected + "Value 'a' at 'e' failed to satisfy constraint: Member must satisfy enum value set: [A, B]"},
		{"a number too small", func(c *Checker) { Range(c, "n", new(0), &RangeRule{Min: new(int64(1))}) },
			detected + "Value '0' at 'n' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"a number too great", func(c *Checker) { Range(c, "n", new(int64(9)), &RangeRule{Max: new(int64(8))}) },
			detected + "Value '9' at 'n' failed to satisfy constraint: Member must have value less than or equal to 8"},
		{"a list too short", func(c *Checker) { c.In("l"); c.Size(0, 1, 5); c.Out() },
			detected + "Value '[]' at 'l' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"a list too long", func(c *Checker) { c.In("l"); c.Size(6, 1, 5); c.Out() },
			detected + "Value '[6 items]' at 'l' failed to satisfy constraint: " +
				"Member must have length less than or equal to 5"},
		{"an item of a list", func(c *Checker) { c.In("l"); c.Texts([]string{"ab", "1"}, &idRule); c.Out() },
			detected + "Value '[1]' at 'l' failed to satisfy constraint: Member must satisfy constraint: " +
				"[Member must have length greater than or equal to 2, " +
				"Member must satisfy regular expression pattern: [a-z]+|^X$]"},
		{"a key of a map", func(c *Checker) { c.In("m"); c.MapKeys([]string{"C"}, &enumRule); c.Out() },
			detected + "Value '{C=...}' at 'm' failed to satisfy constraint: Map keys must satisfy constraint: " +
				"[Member must satisfy enum value set: [A, B]]"},
		{"a value of a map", func(c *Checker) { c.In("m"); c.MapTexts(map[string]string{"k": "C"}, &enumRule); c.Out() },
			detected + "Value '{k=C}' at 'm' failed to satisfy constraint: Map value must satisfy constraint: " +
				"[Member must satisfy enum value set: [A, B]]"},
		{"a member of a structure in a list in a map", func(c *Checker) {
			c.In("m")
			c.Key("k")
			c.Index(1)
			c.Text("e", new("C"), &enumRule)
			c.Out()
			c.Out()
			c.Out()
		}, detected + "Value 'C' at 'm.k.member.2.member.e' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [A, B]"},
		{"a long value is cut", func(c *Checker) { c.Text("e", new(strings.Repeat("é", 257)), &enumRule) },
			detected + "Value '" + strings.Repeat("é", 256) + "...' at 'e' failed to satisfy constraint: " +
				"Member must satisfy enum value set: [A, B]"},
		{"PEM is not repeated", func(c *Checker) { c.Text("e", new("x\n-----BEGIN RSA PRIVATE KEY-----\n"), &enumRule) },
			detected + "Value '<PEM>' at 'e' failed to satisfy constraint: Member must satisfy enum value set: [A, B]"},
		{"a sensitive value is not repeated", func(c *Checker) { c.Text("s", new("secret"), &keyRule) },
			detected + "Value '<sensitive>' at 's' failed to satisfy constraint: " +
				"Member must have length less than or equal to 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Checker
			tt.check(&c)
			got := ""
			if err := c.Err(); err != nil {
				got = err.Error()
				if !fault.Is(err, fault.Invalid) {
					t.Errorf("got %v, want a fault %s", err, fault.Invalid)
				}
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestMessageIsBounded(t *testing.T) {
	var c Checker
	for range 1000 {
		c.Text("e", new(strings.Repeat("x", 1000)), &enumRule)
	}
	got := c.Err().Error()
	if !strings.HasPrefix(got, "1000 validation errors detected: ") || len(got) > 10_000 {
		t.Errorf("got %d characters that begin %.50q, want all 1000 counted and few shown", len(got), got)
	}
}
