package policy

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

func mustParse(t testing.TB, document string) *Document {
	t.Helper()
	doc, err := Parse(document)
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, document)
	}
	return doc
}

// with returns a document with one statement of these members added to a
// complete one.
func with(members string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":"*"},{` +
		members + `}]}`
}

const fine = `"Effect":"Allow","Action":"iot:Connect","Resource":"*"`

func TestParseAccepts(t *testing.T) {
	for name, document := range map[string]string{
		"the blank document":           Blank,
		"a statement that is no list":  `{"Version":"2012-10-17","Statement":{` + fine + `}}`,
		"the elements in any order":    `{"Statement":{"Resource":"*","Action":"*","Effect":"Deny"},"Version":"2012-10-17"}`,
		"a missing version":            `{"Statement":[{` + fine + `}]}`,
		"the older version":            `{"Version":"2008-10-17","Statement":[{` + fine + `}]}`,
		"an id and a sid":              `{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"s",` + fine + `}]}`,
		"lists":                        with(`"Effect":"Allow","Action":["iot:A","iot:B*"],"Resource":["*","arn:aws:iot:*"]`),
		"NotAction and NotResource":    with(`"Effect":"Allow","NotAction":"iot:A","NotResource":"arn:aws:iot:*:*:topic/x"`),
		"an action of another service": with(`"Effect":"Allow","Action":"greengrass:*","Resource":"*"`),
		"an action that is not known":  with(`"Effect":"Allow","Action":"iot:Frobnicate","Resource":"*"`),
		"an empty condition":           with(fine + `,"Condition":{}`),
		"a boolean as text":            with(fine + `,"Condition":{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}`),
		"a boolean":                    with(fine + `,"Condition":{"BoolIfExists":{"iot:Connection.Thing.IsAttached":true}}`),
		"a quantifier":                 with(fine + `,"Condition":{"ForAllValues:StringEquals":{"a:b":["LastWill"]}}`),
		"a variable in a condition":    with(fine + `,"Condition":{"StringLike":{"aws:x":"${iot:ClientId}*"}}`),
		"numbers and dates": with(fine + `,"Condition":{"NumericLessThan":{"a:n":3},
			"DateGreaterThan":{"a:d":["2026-01-01T00:00:00Z","2026-01-01T00:00+02:00","2026-01","1790000000"]}}`),
		"addresses and bytes": with(fine + `,"Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::1"]},
			"Null":{"a:n":false},"BinaryEquals":{"a:b":"QQ=="}}`),
	} {
		t.Run(name, func(t *testing.T) {
			mustParse(t, document)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, document, want string }{
		{"the empty text", ``, "not valid JSON"},
		{"a text that is no JSON", `policy.json`, "not valid JSON"},
		{"text behind the document", Blank + `{}`, "not valid JSON"},
		{"a byte order mark", "\ufeff" + Blank, "not valid JSON"},
		{"bytes that are not UTF-8", `{"Id":"` + "\xff" + `"}`, "UTF-8"},
		{"half a surrogate pair", `{"Id":"\ud800"}`, "replacement character"},
		{"a list as document", `[]`, "must be an object"},
		{"deep nesting", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "deeper than 6"},
		{"no statement element", `{"Version":"2012-10-17"}`, `"Statement" is missing`},
		{"a statement that is text", `{"Version":"2012-10-17","Statement":"x"}`, "statement 1: must be an object"},
		{"an unknown version", `{"Version":"2012-10-18","Statement":[]}`, `"Version" must be`},
		{"a version that is a number", `{"Version":2012,"Statement":[]}`, `"Version" must be a string`},
		{"an unknown element", `{"Version":"2012-10-17","Statement":[],"Extra":1}`, `"Extra" is not allowed`},
		{"a misspelt element", `{"version":"2012-10-17","Statement":[]}`, `"version" must be spelt "Version"`},
		{"a doubled element", `{"Statement":[],"Statement":[]}`, `"Statement" appears more than once`},
		{"a doubled element, once escaped", `{"Statement":[],"\u0053tatement":[]}`, `appears more than once`},
		{"variables in the older version",
			`{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:*:*:client/\u0024{iot:ClientId}"}]}`,
			`variables need "Version": "2012-10-17"`},

		{"a principal", with(fine + `,"Principal":"*"`), `statement 2: element "Principal" is not allowed`},
		{"a doubled effect", with(fine + `,"Effect":"Deny"`), `statement 2: element "Effect" appears more than once`},
		{"an effect in lower case",
			with(`"Effect":"allow","Action":"iot:A","Resource":"*"`), `statement 2: "Effect" must be`},
		{"no effect", with(`"Action":"iot:A","Resource":"*"`), `statement 2: "Effect" must be`},
		{"a sid that is a number", with(fine + `,"Sid":1`), `statement 2: "Sid" must be a string`},
		{"no action", with(`"Effect":"Allow","Resource":"*"`), `statement 2: element "Action" is missing`},
		{"an action and its negation",
			with(fine + `,"NotAction":"iot:A"`), `statement 2: "Action" and "NotAction" exclude each other`},
		{"no resource", with(`"Effect":"Allow","Action":"iot:A"`), `statement 2: element "Resource" is missing`},
		{"an empty list of negated actions",
			with(`"Effect":"Allow","NotAction":[],"Resource":"*"`), `statement 2: "NotAction": the list is empty`},
		{"a number as action",
			with(`"Effect":"Allow","Action":[1],"Resource":"*"`), `statement 2: "Action": a value must be a string`},
		{"a list in a list", with(`"Effect":"Allow","Action":[["iot:A"]],"Resource":"*"`), `got a list`},
		{"an action without service", with(`"Effect":"Allow","Action":"Publish","Resource":"*"`), `an action must be`},
		{"a wildcard in the service", with(`"Effect":"Allow","Action":"i*:Publish","Resource":"*"`), `an action must be`},
		{"a space in an action", with(`"Effect":"Allow","Action":"iot: Publish","Resource":"*"`), `an action must be`},
		{"an empty action", with(`"Effect":"Allow","Action":"","Resource":"*"`), `an action must be`},
		{"a resource that is no ARN",
			with(`"Effect":"Allow","Action":"iot:A","Resource":"topic/x"`), `must be "*" or an ARN`},
		{"an ARN cut short", with(`"Effect":"Allow","Action":"iot:A","Resource":"arn:aws:iot:us-east-1"`), `six parts`},
		{"an ARN of nothing", with(`"Effect":"Allow","Action":"iot:A","Resource":"arn:aws:iot:a:b:"`), `names no resource`},
		{"an open variable",
			with(`"Effect":"Allow","Action":"iot:A","Resource":"arn:aws:iot:a:b:client/${iot:ClientId"`), `no closing brace`},

		{"a condition that is a list", with(fine + `,"Condition":[]`), `statement 2: "Condition": must be an object`},
		{"an unknown operator", with(fine + `,"Condition":{"StringMatches":{"a:b":"c"}}`), `"StringMatches" is not known`},
		{"an operator in another case", with(fine + `,"Condition":{"bool":{"a:b":true}}`), `"bool" is not known`},
		{"an unknown quantifier", with(fine + `,"Condition":{"ForSomeValues:Bool":{"a:b":true}}`), `is not known`},
		{"Null with IfExists", with(fine + `,"Condition":{"NullIfExists":{"a:b":true}}`), `is not known`},
		{"an operator twice",
			with(fine + `,"Condition":{"Bool":{"a:b":true},"Bool":{"a:c":true}}`), `"Bool" appears more than once`},
		{"an operator without keys", with(fine + `,"Condition":{"Bool":{}}`), `with condition keys`},
		{"a key without prefix", with(fine + `,"Condition":{"Bool":{"b":true}}`), `must be prefix:name`},
		{"a key twice in two cases",
			with(fine + `,"Condition":{"Bool":{"a:b":true,"A:B":false}}`), `"A:B" appears more than once`},
		{"no values", with(fine + `,"Condition":{"Bool":{"a:b":[]}}`), `the list is empty`},
		{"null as value", with(fine + `,"Condition":{"Bool":{"a:b":null}}`), `got null`},
		{"a boolean that is none", with(fine + `,"Condition":{"Bool":{"a:b":"yes"}}`), `must be true or false`},
		{"a number that is none", with(fine + `,"Condition":{"NumericEquals":{"a:b":"NaN"}}`), `must be a number`},
		{"a date that is none", with(fine + `,"Condition":{"DateEquals":{"a:b":"soon"}}`), `must be an ISO 8601 date`},
		{"bytes that are none", with(fine + `,"Condition":{"BinaryEquals":{"a:b":"?"}}`), `must be base64`},
		{"an open variable in a condition", with(fine + `,"Condition":{"StringLike":{"a:b":"${c"}}`), `no closing brace`},
		{"half a surrogate pair in a name", with(fine + `,"\ud800":1`), `replacement character`},
		{"an id that is a list", `{"Id":[],"Statement":[]}`, `"Id" must be a string`},
		{"an address that is none",
			with(fine + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/99"}}`), `must be an IP address`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.document)
			if !fault.Is(err, fault.MalformedPolicy) {
				t.Fatalf("got %v, want a malformed-policy fault", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want a text with %q", err, tt.want)
			}
		})
	}
}

func TestParseLimitsSize(t *testing.T) {
	head, tail := `{"Version":"2012-10-17","Id":"`, `","Statement":[]}`
	room := MaxSize - len(head) - len(tail)
	for _, tt := range []struct {
		name, document string
		want           bool
	}{
		{"as long as allowed", head + strings.Repeat("é", room) + tail, true},
		{"a character more", head + strings.Repeat("é", room+1) + tail, false},
		{"white space between tokens is free",
			strings.Replace(head, `,`, ",\t\r\n "+strings.Repeat(" ", 100_000), 1) + strings.Repeat("x", room) + tail, true},
		// A pattern of spaces has to be matched and compared like any other.
		{"white space in a string is not", head + strings.Repeat(" ", room+1) + tail, false},
		{"a quote in a string does not end it", head + `\"` + strings.Repeat(" ", room-1) + tail, false},
		{"the raw text has a limit of its own", Blank + strings.Repeat(" ", MaxRawSize), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse(tt.document); (err == nil) != tt.want {
				t.Errorf("got %v, want accepted %v", err, tt.want)
			}
		})
	}
}

func TestParseCutsLongValues(t *testing.T) {
	_, err := Parse(with(`"Effect":"` + strings.Repeat("x", 1000) + `","Action":"iot:A","Resource":"*"`))
	if err == nil || len(err.Error()) > 256 {
		t.Errorf("got %v, want a text of at most 256 bytes", err)
	}
}

func TestParseKeepsWhatWasWritten(t *testing.T) {
	doc := mustParse(t, `{"Version":"2012-10-17","Id":"i","Statement":{"Sid":"s","Effect":"Deny","NotAction":"iot:A",
		"NotResource":["arn:aws:iot:*:*:topic/x"],"Condition":{"ForAnyValue:StringLikeIfExists":{"aws:K":["a*",1,true]}}}}`)
	s := doc.Statements[0]
	if doc.Version != Version2012 || doc.ID != "i" || s.SID != "s" || s.Effect != Deny {
		t.Errorf("got %+v", doc)
	}
	if !s.NotAction || !s.NotResource {
		t.Errorf("got %+v", s)
	}
	if s.Actions[0].String() != "iot:A" || s.Resources[0].String() != "arn:aws:iot:*:*:topic/x" {
		t.Errorf("got %+v", s)
	}
	want := []Condition{{
		Quantifier: ForAnyValue, Operator: "StringLike", IfExists: true, Key: "aws:K", Values: []string{"a*", "1", "true"},
	}}
	if !reflect.DeepEqual(s.Conditions, want) {
		t.Errorf("got %+v, want %+v", s.Conditions, want)
	}
}

func TestStatementMatches(t *testing.T) {
	const arn = "arn:aws:iot:us-east-1:123456789012:topic/a"
	for _, tt := range []struct {
		name, members    string
		action, resource bool
	}{
		{"named action and resource",
			`"Effect":"Allow","Action":["iot:X","iot:publish"],"Resource":["` + arn + `"]`, true, true},
		{"others", `"Effect":"Allow","Action":"iot:Connect","Resource":"` + arn + `/b"`, false, false},
		{"all but others", `"Effect":"Allow","NotAction":"iot:Connect","NotResource":"` + arn + `/b"`, true, true},
		{"all but these", `"Effect":"Allow","NotAction":["iot:X","iot:P*"],"NotResource":["` + arn + `"]`, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustParse(t, with(tt.members)).Statements[1]
			if got := s.MatchAction("iot:Publish"); got != tt.action {
				t.Errorf("action: got %v, want %v", got, tt.action)
			}
			if got := s.MatchResource(arn, nil); got != tt.resource {
				t.Errorf("resource: got %v, want %v", got, tt.resource)
			}
		})
	}
}

func TestIsBlank(t *testing.T) {
	for document, want := range map[string]bool{
		Blank:                          true,
		"{ \"Statement\" : [ ] }":      true,
		with(fine):                     false,
		`{"Statement":{` + fine + `}}`: false,
	} {
		t.Run(strconv.Quote(document), func(t *testing.T) {
			if got := mustParse(t, document).IsBlank(); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestActions(t *testing.T) {
	actions := Actions()
	if len(actions) != 297 {
		t.Errorf("got %d actions, want 297", len(actions))
	}
	known := make(map[string]bool)
	for i, a := range actions {
		if i > 0 && actions[i-1] >= a {
			t.Errorf("%s is not in order", a)
		}
		known[a] = true
	}
	for _, d := range dataPlane {
		if !known[d.action] {
			t.Errorf("%s is not among the known actions", d.action)
		}
	}
}
