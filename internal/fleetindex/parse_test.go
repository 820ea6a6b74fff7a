package fleetindex

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

// show is a part of a query, fully in parentheses.
func show(n Node) string {
	list := func(word string, parts []Node) string {
		var all []string
		for _, part := range parts {
			all = append(all, show(part))
		}
		return "(" + strings.Join(all, word) + ")"
	}
	switch n := n.(type) {
	case And:
		return list(" AND ", n)
	case Or:
		return list(" OR ", n)
	case Not:
		return "NOT " + show(n.Of)
	case *Term:
		if n.Range != nil {
			return string(n.Field) + ":" + showRange(n.Range)
		}
		return string(n.Field) + ":" + n.Pattern.Like()
	}
	return "nothing"
}

func showRange(r *Range) string {
	low, high := "{*", "*}"
	if r.Low != nil {
		low = map[bool]string{true: "[", false: "{"}[r.Low.Inclusive] + r.Low.Text
	}
	if r.High != nil {
		high = r.High.Text + map[bool]string{true: "]", false: "}"}[r.High.Inclusive]
	}
	return low + map[bool]string{true: " <# ", false: " <a "}[r.Numeric] + high
}

func TestQueriesAreRead(t *testing.T) {
	for _, tt := range []struct{ name, query, want string }{
		{"a term looks at all fields", `abc`, `:abc`},
		{"a term of a field", `thingName:myThing`, `thingName:mything`},
		{"wildcards", `thingName:my*a?c`, `thingName:my%a_c`},
		{"stars in a row are one", `thingName:a***`, `thingName:a%`},
		{"everything", `*`, `:%`},
		{"any value", `attributes.x:*`, `attributes.x:%`},
		{"what SQL takes for a wildcard is none", `attributes.x:a_b%`, `attributes.x:a\_b\%`},
		{"a field keeps its case", `attributes.Serial.No:X1`, `attributes.Serial.No:x1`},
		{"a space before the value", `thingName : abc`, `thingName:abc`},
		{"side by side is AND", `a b`, `(:a AND :b)`},
		{"AND binds tighter than OR", `a OR b AND c OR d e`, `(:a OR (:b AND :c) OR (:d AND :e))`},
		{"NOT binds tightest", `NOT a b`, `(NOT :a AND :b)`},
		{"NOT stands after AND and OR too", `a AND NOT b OR NOT c`, `((:a AND NOT :b) OR NOT :c)`},
		{"a hyphen excludes", `thingName:(tv* AND -plasma)`, `(thingName:tv% AND NOT thingName:plasma)`},
		{"two negations are none", `NOT -a`, `:a`},
		{"a hyphen in a word is one of its characters", `a-b -c`, `(:a-b AND NOT :c)`},
		{"a hyphen before a value too", `attributes.t:-5`, `attributes.t:-5`},
		{"groups", `(v2 OR v3) NOT attributes.model:legacy`, `((:v2 OR :v3) AND NOT attributes.model:legacy)`},
		{"a group of a field", `attributes.a:(x OR y z)`, `(attributes.a:x OR (attributes.a:y AND attributes.a:z))`},
		{"a field in a group of a field", `attributes.a:(x thingName:y)`, `(attributes.a:x AND thingName:y)`},
		{"operators are upper case", `a and b`, `(:a AND :and AND :b)`},
		{"a word may begin like an operator", `ORACLE ANDY NOTE`, `(:oracle AND :andy AND :note)`},
		{"an operator ends at a parenthesis", `a AND(b)`, `(:a AND :b)`},
		{"a phrase", `attributes.a:"X OR y*"`, `attributes.a:x or y*`},
		{"quotes in a phrase", `attributes.a:"x\"y\\"`, `attributes.a:x"y\\`},
		{"escaped characters", `thingName:pump\:7\*\(\)\-`, `thingName:pump:7*()-`},
		{"an escaped character in a field", `attributes.a\:b:1`, `attributes.a:b:1`},
		{"a closed range of numbers", `attributes.x:[75 TO 80]`, `attributes.x:[75 <# 80]`},
		{"a half open range", `attributes.x:{75 TO 80]`, `attributes.x:{75 <# 80]`},
		{"an open range", `attributes.x:[-7.5 TO *}`, `attributes.x:[-7.5 <# *}`},
		{"a range of texts", `attributes.s:["ABCD" TO "abcf"}`, `attributes.s:[abcd <a abcf}`},
		{"numbers in quotes are texts", `attributes.s:["1" TO "2"]`, `attributes.s:[1 <a 2]`},
		{"one text makes a range of texts", `attributes.s:[1 TO b]`, `attributes.s:[1 <a b]`},
		{"long numbers are texts", `attributes.s:[1 TO 1234567890123456]`, `attributes.s:[1 <a 1234567890123456]`},
		{"names are texts", `thingName:[1 TO 5]`, `thingName:[1 <a 5]`},
		{"open on both sides is any value", `attributes.s:[* TO *]`, `attributes.s:%`},
		{"less", `attributes.a<5`, `attributes.a:{* <# 5}`},
		{"at most, with spaces", `attributes.a <= 5`, `attributes.a:{* <# 5]`},
		{"more, with a colon", `attributes.a:>5`, `attributes.a:{5 <# *}`},
		{"at least", `attributes.a>="b"`, `attributes.a:[b <a *}`},
		{"comparisons in a group of a field", `attributes.a:(>1 <=9)`, `(attributes.a:{1 <# *} AND attributes.a:{* <# 9])`},
		{"connected", `connectivity.connected:TRUE`, `connectivity.connected:true`},
		{"when", `connectivity.timestamp : [1557651600000 TO 1557867600000]`,
			`connectivity.timestamp:[1557651600000 <# 1557867600000]`},
		{"since", `connectivity.timestamp > 1557651600000`, `connectivity.timestamp:{1557651600000 <# *}`},
		{"at an instant", `connectivity.timestamp:1557651600000`,
			`connectivity.timestamp:[1557651600000 <# 1557651600000]`},
		{"why", `connectivity.disconnectReason:CLIENT_INITIATED_DISCONNECT`,
			`connectivity.disconnectReason:client\_initiated\_disconnect`},
		{"twelve terms", strings.Repeat("a ", MaxTerms), "(" + strings.Repeat(":a AND ", MaxTerms-1) + ":a)"},
		{"a wildcard first", `thingName:*pump`, `thingName:%pump`},
		{"a wildcard first, and everything", `thingName:?ump * attributes.x:*`, `(thingName:_ump AND :% AND attributes.x:%)`},
		{"letters beyond ASCII", `Ärger`, `:Ärger`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := Parse(tt.query)
			switch {
			case err != nil && tt.want != "":
				t.Errorf("got %v, want %s", err, tt.want)
			case err == nil && show(q.Root) != tt.want:
				t.Errorf("got %s, want %s", show(q.Root), tt.want)
			}
		})
	}
}

func TestWrongQueries(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("(", n) + "a" + strings.Repeat(")", n) }
	for _, tt := range []struct {
		name, query string
		at          int // the character, counted from 1; 0 for the whole
		text        string
	}{
		{"nothing", "", 1, "expected a term, and the query ends"},
		{"space only", " \t ", 4, "expected a term"},
		{"an operator first", "AND a", 1, "expected a term, found AND"},
		{"an operator last", "a OR", 5, "expected a term, and the query ends"},
		{"two operators", "a OR AND b", 6, "found AND"},
		{"a negation of nothing", "a AND NOT", 10, "expected a term"},
		{"a hyphen alone", "a -", 4, "expected a term"},
		{"no value", "thingName:", 11, "expected a value, and the query ends"},
		{"an operator for a value", "thingName:OR a", 11, "expected a value, found OR"},
		{"an empty group", "a ()", 4, `found ")"`},
		{"an open group", "a (b OR c", 10, "expected ) for the ( at character 3"},
		{"a group that was not opened", "a) b", 2, "without a ("},
		{"an open phrase", `a "b c`, 7, `expected " for the one at character 3`},
		{"an empty phrase", `thingName:" "`, 11, "nothing between the quotes"},
		{"an escape of nothing", `ab\`, 3, "nothing behind the backslash"},
		{"two colons", "thingName:a:b", 12, `found ":"; as a part of a value it is written \:`},
		{"a colon first", ":a", 1, `found ":"; as a part of a value it is written \:`},
		{"a bracket in a value", "attributes.x:a]", 15, `is written \]`},
		{"an unknown field", "name:x", 1, "thingGroupNames"},
		{"a field of another case", "thingname:x", 1, "no such field"},
		{"an attribute without a name", "a attributes.:x", 3, "no such field"},
		{"a field with a wildcard", "attributes.*:x", 1, "no wildcards"},
		{"shadows", "shadow.reported.x:1", 1, "shadows are not indexed"},
		{"named shadows", "shadow.name.a.hasDelta:true", 1, "shadows are not indexed"},
		{"violations", "deviceDefender.violationCount:1", 1, "violations of Device Defender"},
		{"versions", "registry.version:1", 1, "version"},
		{"sessions", "connectivity.sessionExpiry:1", 1, "connected, timestamp and disconnectReason"},
		{"not a truth", "connectivity.connected:yes", 24, "true or false"},
		{"a range of truths", "connectivity.connected:[false TO true]", 24, "true or false"},
		{"not a time", "connectivity.timestamp:today", 24, "milliseconds"},
		{"a time with a wildcard", "connectivity.timestamp:15*", 24, "milliseconds"},
		{"a range of words for times", "connectivity.timestamp>monday", 23, "milliseconds"},
		{"a time in quotes", `connectivity.timestamp>"1557651600000"`, 23, "milliseconds"},
		{"a range of no field", "[a TO b]", 1, "a field before a range"},
		{"a comparison of no field", ">5", 1, "a field before a range"},
		{"a comparison with nothing", "attributes.x>", 14, "expected a bound"},
		{"a comparison with everything", "attributes.x>=*", 15, "found *"},
		{"a range without TO", "attributes.x:[1 2]", 17, "expected TO"},
		{"a range with a small to", "attributes.x:[1 to 2]", 17, "expected TO"},
		{"a range without end", "attributes.x:[1 TO 2", 21, "expected ] or }"},
		{"a bound with a wildcard", "attributes.x:[1* TO 2]", 15, "no wildcards"},
		{"a fuzzy term", "thingName:abc~2", 14, `is written \~`},
		{"a boosted term", "abc^2", 4, "boosting"},
		{"other words for operators", "a && b", 3, "AND is the word"},
		{"a required term", "+a", 1, "OR stands between"},
		{"a regular expression", "thingName:/a.b/", 11, "regular expressions"},
		{"a NUL", "a\x00b", 2, "control character"},
		{"a NUL behind a backslash", "a\\\x00b", 3, "control character"},
		{"an escape sequence of a terminal", `thingName:"` + "\x1b[2J" + `"`, 12, "control character"},
		{"not UTF-8", "a\xff", 0, "UTF-8"},
		{"thirteen terms", strings.Repeat("a ", 12) + "(b)", 26, "12 terms"},
		{"a thousand and one characters", strings.Repeat("a", 1001), 0, "1001 characters"},
		{"two wildcards first", "thingName:*my thingGroupNames:?cho", 31, "the other is at character 11"},
		{"a wildcard first in a long query", strings.Repeat("a", 100) + " *b", 102, "may have 100 characters; it has 103"},
		{"deep groups", deep(MaxDepth + 1), MaxDepth + 1, "deeper than 20"},
		{"very deep groups", strings.Repeat("(", 1000), MaxDepth + 1, "deeper"},
		{"many negations of nothing", strings.Repeat("-", 1000), 1001, "expected a term"},
		{"characters, not bytes, are counted", "äöü ~", 5, "fuzzy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.query)
			f := fault.From(err)
			if f == nil || f.Code != fault.InvalidQuery || !strings.Contains(f.Text, tt.text) {
				t.Fatalf("got %v, want a fault that says %q", err, tt.text)
			}
			if at := fmt.Sprintf("queryString is wrong at character %d: ", tt.at); tt.at > 0 && !strings.HasPrefix(f.Text, at) {
				t.Errorf("got %q, want %q", f.Text, at)
			}
		})
	}
	for _, fine := range []string{deep(MaxDepth), strings.Repeat("ä", 1000), strings.Repeat("a", 97) + " *b"} {
		if _, err := Parse(fine); err != nil {
			t.Errorf("got %v for %.20s…, want the limit allowed", err, fine)
		}
	}
}

func TestQueriesAboutGroups(t *testing.T) {
	q, err := ParseGroups(`thingGroupName:Hall* thingGroupDescription:"two words" parentGroupNames:site ` +
		`attributes.x:1 thingGroupId:a`)
	want := `(thingGroupName:hall% AND thingGroupDescription:two words AND parentGroupNames:site AND attributes.x:1` +
		` AND thingGroupId:a)`
	if err != nil || show(q.Root) != want {
		t.Errorf("got %v, %v, want %s", q, err, want)
	}
	for _, query := range []string{`thingName:x`, `connectivity.connected:true`, `thingGroupNames:x`} {
		if _, err := ParseGroups(query); !fault.Is(err, fault.InvalidQuery) {
			t.Errorf("%s: got %v, want it refused", query, err)
		}
	}
	if _, err := Parse(`thingGroupName:x`); !fault.Is(err, fault.InvalidQuery) {
		t.Errorf("got %v, want a field of groups refused for things", err)
	}
}

func TestUses(t *testing.T) {
	q, err := Parse(`a OR NOT (thingGroupNames:x b) connectivity.disconnectReason:*`)
	if err != nil {
		t.Fatal(err)
	}
	if !q.Uses(ThingGroupNames) || !q.Uses(Any) || q.Uses(ThingName) || !q.UsesConnectivity() {
		t.Errorf("got %v %v %v %v for groups, any, name, connectivity", q.Uses(ThingGroupNames), q.Uses(Any),
			q.Uses(ThingName), q.UsesConnectivity())
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`a OR b AND NOT c -d`, `thingName:(tv* AND -plasma)`, `attributes.x:{75 TO 80] attributes.a<5`, `"a \\" b" \(`,
		`connectivity.timestamp : [1 TO *]`, `((((`, `thingGroupNames:*a?b**`, `attributes.s:["a" TO "b"}`, "\x00", "-7.5",
	} {
		f.Add(seed, "a", "75")
	}
	f.Fuzz(func(t *testing.T, text, name, value string) {
		q, err := Parse(text)
		if err != nil {
			if !fault.Is(err, fault.InvalidQuery) {
				t.Fatalf("got %v, want an InvalidQuery fault", err)
			}
			return
		}
		if n := q.Terms(); n < 1 || n > MaxTerms {
			t.Errorf("got %d terms", n)
		}
		d := &Document{Name: name, Groups: []string{value}, Attributes: map[string]string{"x": value, "a": name}}
		holds := q.Matches(d)
		if negated, err := Parse("NOT (" + text + ")"); err == nil && negated.Matches(d) == holds {
			t.Errorf("got %v for %q and for its opposite", holds, text)
		}
	})
}
