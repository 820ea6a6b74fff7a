package notify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

// told is a message with attributes: texts, or numbers written with a "#", or
// lists written with a "[".
func told(pairs ...string) *Message {
	m := &Message{Body: "text", Attributes: map[string]Attribute{}}
	for i := 0; i < len(pairs); i += 2 {
		a := Attribute{Type: "String", Value: pairs[i+1]}
		switch {
		case strings.HasPrefix(a.Value, "#"):
			a = Attribute{Type: "Number", Value: a.Value[1:]}
		case strings.HasPrefix(a.Value, "["):
			a.Type = "String.Array"
		case strings.HasPrefix(a.Value, "~"):
			a = Attribute{Type: "Binary", Value: a.Value[1:]}
		}
		m.Attributes[pairs[i]] = a
	}
	return m
}

func saying(body string) *Message { return &Message{Body: body} }

func TestFiltersOfAttributes(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		message      *Message
		want         bool
	}{
		{"an empty filter lets everything through", `{}`, told(), true},
		{"a text that is the same passes", `{"a":["x"]}`, told("a", "x"), true},
		{"a text that is another does not", `{"a":["x"]}`, told("a", "y"), false},
		{"case counts", `{"a":["x"]}`, told("a", "X"), false},
		{"one of several values is enough", `{"a":["x","y"]}`, told("a", "y"), true},
		{"what is absent does not pass", `{"a":["x"]}`, told("b", "x"), false},
		{"all keys have to hold", `{"a":["x"],"b":["y"]}`, told("a", "x", "b", "z"), false},
		{"all keys hold", `{"a":["x"],"b":["y"]}`, told("a", "x", "b", "y"), true},
		{"an empty text is a text", `{"a":[""]}`, told("a", ""), true},
		{"one text of a list is enough", `{"a":["x"]}`, told("a", `["w","x"]`), true},
		{"no text of a list passes", `{"a":["x"]}`, told("a", `["w","v"]`), false},
		{"a list that is broken is not seen", `{"a":["x"]}`, told("a", `["x"`), false},
		{"an empty list has no value", `{"a":[{"exists":false}]}`, told("a", `[]`), true},
		{"a number in a list is a number", `{"a":[5]}`, told("a", `["x",5]`), true},
		{"a word in a list is a word", `{"a":[true]}`, told("a", `[true]`), true},
		{"a word is no text", `{"a":[true]}`, told("a", "true"), false},
		{"null in a list is null", `{"a":[null]}`, told("a", `[null]`), true},
		{"binary is not seen", `{"a":["x"]}`, told("a", "~x"), false},
		{"binary is as good as absent", `{"a":[{"exists":false}]}`, told("a", "~x"), true},

		{"a prefix passes", `{"a":[{"prefix":"al"}]}`, told("a", "alarm"), true},
		{"a prefix that is the whole passes", `{"a":[{"prefix":"al"}]}`, told("a", "al"), true},
		{"another beginning does not", `{"a":[{"prefix":"al"}]}`, told("a", "an al"), false},
		{"a number has no prefix", `{"a":[{"prefix":"1"}]}`, told("a", "#12"), false},
		{"a suffix passes", `{"a":[{"suffix":"rm"}]}`, told("a", "alarm"), true},
		{"another end does not", `{"a":[{"suffix":"rm"}]}`, told("a", "alarms"), false},
		{"case does not count when told", `{"a":[{"equals-ignore-case":"Alarm"}]}`, told("a", "aLARM"), true},
		{"another word does not whatever its case", `{"a":[{"equals-ignore-case":"Alarm"}]}`, told("a", "alarms"), false},

		{"anything but a text passes", `{"a":[{"anything-but":"x"}]}`, told("a", "y"), true},
		{"but not that text", `{"a":[{"anything-but":"x"}]}`, told("a", "x"), false},
		{"anything but some texts passes", `{"a":[{"anything-but":["x","y"]}]}`, told("a", "z"), true},
		{"but none of them", `{"a":[{"anything-but":["x","y"]}]}`, told("a", "y"), false},
		{"anything but is not nothing", `{"a":[{"anything-but":"x"}]}`, told(), false},
		{"one other text in a list is enough", `{"a":[{"anything-but":["x"]}]}`, told("a", `["x","y"]`), true},
		{"a list of what is excepted does not pass", `{"a":[{"anything-but":["x","y"]}]}`, told("a", `["x","y"]`), false},
		{"anything but a number passes", `{"a":[{"anything-but":[1,2]}]}`, told("a", "#3"), true},
		{"but not that number however it is written", `{"a":[{"anything-but":[1,2]}]}`, told("a", "#2.0"), false},
		{"anything but a prefix passes", `{"a":[{"anything-but":{"prefix":"al"}}]}`, told("a", "ring"), true},
		{"but not that prefix", `{"a":[{"anything-but":{"prefix":"al"}}]}`, told("a", "alarm"), false},
		{"anything but a suffix passes", `{"a":[{"anything-but":{"suffix":"rm"}}]}`, told("a", "ring"), true},
		{"but not that suffix", `{"a":[{"anything-but":{"suffix":"rm"}}]}`, told("a", "alarm"), false},

		{"a number that is the same passes", `{"a":[300]}`, told("a", "#300.0"), true},
		{"with an exponent too", `{"a":[300]}`, told("a", "#3.0e2"), true},
		{"a text of digits is no number", `{"a":[300]}`, told("a", "300"), false},
		{"a number is no text of digits", `{"a":["300"]}`, told("a", "#300"), false},
		{"a number that is none is not seen", `{"a":[{"exists":true}]}`, told("a", "#x"), false},
		{"equal numbers pass", `{"a":[{"numeric":["=",5]}]}`, told("a", "#5"), true},
		{"a greater number passes", `{"a":[{"numeric":[">",5]}]}`, told("a", "#5.1"), true},
		{"the bound itself is not greater", `{"a":[{"numeric":[">",5]}]}`, told("a", "#5"), false},
		{"the bound itself is at least that", `{"a":[{"numeric":[">=",5]}]}`, told("a", "#5"), true},
		{"a smaller number passes", `{"a":[{"numeric":["<",5]}]}`, told("a", "#-5"), true},
		{"the bound itself is at most that", `{"a":[{"numeric":["<=",5]}]}`, told("a", "#5"), true},
		{"a number in a range passes", `{"a":[{"numeric":[">",0,"<=",150]}]}`, told("a", "#150"), true},
		{"a number outside does not", `{"a":[{"numeric":[">",0,"<=",150]}]}`, told("a", "#151"), false},
		{"a text is in no range", `{"a":[{"numeric":[">",0]}]}`, told("a", "5"), false},

		{"what exists passes", `{"a":[{"exists":true}]}`, told("a", "x"), true},
		{"what does not exist does not", `{"a":[{"exists":true}]}`, told("b", "x"), false},
		{"what must not exist passes when it does not", `{"a":[{"exists":false}]}`, told("b", "x"), true},
		{"and not when it does", `{"a":[{"exists":false}]}`, told("a", "x"), false},

		{"an address in a range passes", `{"a":[{"cidr":"10.0.0.0/24"}]}`, told("a", "10.0.0.255"), true},
		{"an address outside does not", `{"a":[{"cidr":"10.0.0.0/24"}]}`, told("a", "10.0.1.255"), false},
		{"what is no address does not", `{"a":[{"cidr":"10.0.0.0/24"}]}`, told("a", "ten"), false},
		{"an address of IPv6 passes", `{"a":[{"cidr":"2001:db8::/32"}]}`, told("a", "2001:db8::1"), true},

		{"one alternative is enough", `{"$or":[{"a":["x"]},{"b":["y"]}]}`, told("b", "y"), true},
		{"no alternative is not", `{"$or":[{"a":["x"]},{"b":["y"]}]}`, told("b", "x"), false},
		{"what stands beside has to hold too", `{"c":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}`, told("b", "y"), false},
		{"both hold", `{"c":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}`, told("b", "y", "c", "z"), true},
		{"a choice may be nested", `{"$or":[{"$or":[{"a":["x"]},{"b":["y"]}]},{"c":["z"]}]}`, told("b", "y"), true},
	} {
		t.Run(tt.name, func(t *testing.T) { wantPass(t, tt.policy, ByAttributes, tt.message, tt.want) })
	}
}

func wantPass(t *testing.T, policy string, scope FilterScope, m *Message, want bool) {
	t.Helper()
	f, err := ParseFilter(policy, scope)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Passes(m, HTTPS); got != want {
		t.Errorf("got %t, want %t", got, want)
	}
}

func TestFiltersOfBodies(t *testing.T) {
	for _, tt := range []struct {
		name, policy, body string
		want               bool
	}{
		{"a member that is the same passes", `{"severity":["CRITICAL"]}`, `{"severity":"CRITICAL"}`, true},
		{"another does not", `{"severity":["CRITICAL"]}`, `{"severity":"LOW"}`, false},
		{"attributes do not count", `{"a":["x"]}`, `{}`, false},
		{"a body that is no JSON does not pass", `{"a":[{"exists":false}]}`, `a`, false},
		{"nor does one that is no object", `{"a":[{"exists":false}]}`, `[]`, false},
		{"an empty filter lets it through all the same", `{}`, `a`, true},
		{"a nested member passes", `{"a":{"b":["x"]}}`, `{"a":{"b":"x","c":1}}`, true},
		{"a nested member of another object does not", `{"a":{"b":["x"]}}`, `{"b":"x"}`, false},
		{"a nested member may be absent with its object", `{"a":{"b":[{"exists":false}]}}`, `{}`, true},
		{"an object is no value", `{"a":[{"exists":true}]}`, `{"a":{"b":1}}`, false},
		{"one value of a list is enough", `{"a":[{"numeric":[">",5]}]}`, `{"a":[1,9]}`, true},
		{"one object of a list is enough", `{"a":{"b":["x"],"c":["y"]}}`, `{"a":[{"b":"w"},{"b":"x","c":"y"}]}`, true},
		{"and it must be one", `{"a":{"b":["x"],"c":["y"]}}`, `{"a":[{"b":"x"},{"c":"y"}]}`, false},
		{"words are compared", `{"a":[false,null]}`, `{"a":null}`, true},
		{"words differ", `{"a":[false]}`, `{"a":true}`, false},
		{"a choice may be nested", `{"a":{"$or":[{"b":["x"]},{"c":["y"]}]}}`, `{"a":{"c":"y"}}`, true},
		{"a body with a member twice does not pass", `{"a":["x"]}`, `{"a":"x","a":"x"}`, false},
		{"a finding is told by its code",
			`{"reasonForNonComplianceCode":[{"prefix":"CERTIFICATE_"}],"taskId":[{"exists":true}]}`,
			`{"taskId":"t","reasonForNonComplianceCode":"CERTIFICATE_PAST_EXPIRATION"}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) { wantPass(t, tt.policy, ByBody, saying(tt.body), tt.want) })
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	many := func(n int) string {
		return `[` + strings.TrimSuffix(strings.Repeat(`"x",`, n), ",") + `]`
	}
	for _, tt := range []struct{ policy, scope, says string }{
		{`x`, "", "not JSON"},
		{`[]`, "", "must be an object"},
		{`{} {}`, "", "more behind"},
		{`{"a":["x"],"a":["y"]}`, "", "stands twice"},
		{`{"a":"x"}`, "", "list of values"},
		{`{"a":[]}`, "", "empty list"},
		{`{"a":[["x"]]}`, "", "a condition must be"},
		{`{"a":[{}]}`, "", "a condition must be"},
		{`{"a":{"b":["x"]}}`, "", "list of values"},
		{`{"a":{}}`, "MessageBody", "empty object"},
		{`{"a":[{"wildcard":"x*"}]}`, "", "wildcard"},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, "", "one operator"},
		{`{"a":[{"prefix":""}]}`, "", "prefix"},
		{`{"a":[{"prefix":5}]}`, "", "prefix"},
		{`{"a":[{"exists":"true"}]}`, "", "exists"},
		{`{"a":[{"cidr":"10.0.0.1"}]}`, "", "cidr"},
		{`{"a":[{"anything-but":[]}]}`, "", "anything-but"},
		{`{"a":[{"anything-but":["x",1]}]}`, "", "not both"},
		{`{"a":[{"anything-but":[null]}]}`, "", "texts or numbers"},
		{`{"a":[{"anything-but":{"numeric":["=",1]}}]}`, "", "numeric"},
		{`{"a":[{"numeric":["="]}]}`, "", "numeric"},
		{`{"a":[{"numeric":["!=",5]}]}`, "", "numeric"},
		{`{"a":[{"numeric":["<",5,">",1]}]}`, "", "lower bound first"},
		{`{"a":[{"numeric":[">",5,"<",5]}]}`, "", "lower bound first"},
		{`{"a":[1000000001]}`, "", "10^9"},
		{`{"a":[0.000001]}`, "", "5 digits"},
		{`{"a":[1e400]}`, "", "too large"},
		{`{"$or":[{"a":["x"]}]}`, "", "two objects"},
		{`{"$or":[{"a":["x"]},{}]}`, "", "not empty"},
		{`{"$or":[{"prefix":["x"]},{"a":["x"]}]}`, "", "cannot be the name"},
		{`{"a":["x"],"b":["x"],"c":["x"],"d":["x"],"e":["x"],"f":["x"]}`, "", "6 keys"},
		{`{"a":` + many(151) + `}`, "", "too complex"},
		{`{"a":` + many(13) + `,"b":` + many(12) + `}`, "", "too complex"},
		{`{"a":{"b":` + many(76) + `}}`, "MessageBody", "too complex"},
		{strings.Repeat(`{"a":`, 40) + `["x"]` + strings.Repeat(`}`, 40), "MessageBody", "nested deeper"},
		{`{"a":["` + strings.Repeat("x", maxFilterSize) + `"]}`, "", "longer than"},
		{`{}`, "Body", "FilterPolicyScope"},
	} {
		t.Run(fmt.Sprintf("%.60s", tt.policy), func(t *testing.T) {
			_, err := ParseFilter(tt.policy, FilterScope(tt.scope))
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want Invalid that says %q", err, tt.says)
			}
		})
	}
	for _, policy := range []string{
		`{"a":` + many(150) + `}`, `{"a":["x"],"b":["x"],"c":["x"],"d":["x"],"e":["x"]}`, `{"a":[-1000000000, 0.12345]}`,
	} {
		if _, err := ParseFilter(policy, ""); err != nil {
			t.Errorf("got %v for %.60s, want it taken", err, policy)
		}
	}
}

func FuzzFilters(f *testing.F) {
	f.Add(`{"a":[{"anything-but":{"prefix":"x"}}],"$or":[{"b":[1]},{"c":[{"exists":false}]}]}`, `{"a":"y","b":1}`)
	f.Add(`{"a":{"b":[{"numeric":[">",1,"<=",2]}]}}`, `{"a":[{"b":2},[]]}`)
	f.Fuzz(func(t *testing.T, policy, body string) {
		for _, scope := range []FilterScope{ByAttributes, ByBody} {
			if filter, err := ParseFilter(policy, scope); err == nil {
				filter.Passes(&Message{Body: body, Attributes: map[string]Attribute{"a": {Type: "String.Array", Value: body}}},
					HTTP)
			} else if !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v, want Invalid", err)
			}
		}
	})
}
