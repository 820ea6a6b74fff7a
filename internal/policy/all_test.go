package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const arnHead = "arn:aws:iot:us-east-1:000000000000:topic/"

func statement(effect, member, resource, more string) string {
	return fmt.Sprintf(`{"Effect": %q, "Action": "iot:Receive", %q: %q%s}`, effect, member, resource, more)
}

func compiledOf(t testing.TB, statements ...string) *Compiled {
	t.Helper()
	doc, err := Parse(`{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`)
	if err != nil {
		t.Fatal(err)
	}
	return NewCompiled(doc)
}

func TestAllowsAll(t *testing.T) {
	values := Table{}
	values.Set("iot:ClientId", "pump*")
	allow := func(resource string) string { return statement("Allow", "Resource", arnHead+resource, "") }
	deny := func(resource string) string { return statement("Deny", "Resource", arnHead+resource, "") }
	for _, tt := range []struct {
		name       string
		statements []string
		pattern    string
		want       bool
	}{
		{"a wildcard covers what is below it", []string{allow("a/*")}, "a/*", true},
		{"a wildcard covers one topic", []string{allow("a/*")}, "a/b", true},
		{"a topic does not cover its siblings", []string{allow("a/b")}, "a/*", false},
		{"a topic does not cover what is below it", []string{allow("a")}, "a/*", false},
		{"one character does not cover a run", []string{allow("a/?")}, "a/*", false},
		{"a pattern in the middle covers its like", []string{allow("a/*/b")}, "a/*/b", true},
		{"a denial inside denies", []string{allow("*"), deny("a/secret")}, "a/*", false},
		{"a denial elsewhere does not", []string{allow("*"), deny("b/*")}, "a/*", true},
		{"a denial with a wildcard in front may be inside", []string{allow("*"), deny("*/secret")}, "a/*", false},
		{"two statements that only together cover do not", []string{allow("a/b*"), allow("a/c*")}, "a/*", false},
		{"a variable stands for its value as literal text", []string{allow("${iot:ClientId}/*")}, "pump${*}/*", true},
		{"and not for a pattern", []string{allow("${iot:ClientId}/*")}, "pumpkin/*", false},
		{"a variable without value covers nothing real", []string{allow("${iot:Other}/*")}, "x/*", false},
		{
			"all but some denies where it is not within them",
			[]string{allow("*"), statement("Deny", "NotResource", arnHead+"${iot:ClientId}/*", "")}, "x/*", false,
		},
		{
			"all but some does not deny within them",
			[]string{allow("*"), statement("Deny", "NotResource", arnHead+"${iot:ClientId}/*", "")}, "pump${*}/*", true,
		},
		{
			"all but some allows what does not touch them",
			[]string{statement("Allow", "NotResource", arnHead+"a/*", "")}, "b/*", true,
		},
		{
			"all but some does not allow what touches them",
			[]string{statement("Allow", "NotResource", arnHead+"a/*", "")}, "*", false,
		},
		{
			"a condition that does not hold allows nothing",
			[]string{statement("Allow", "Resource", "*", `, "Condition": {"StringEquals": {"iot:ClientId": "x"}}`)},
			"a/*", false,
		},
		{
			"a missing value of the certificate allows nothing",
			[]string{allow("${iot:Certificate.Subject.CommonName.0}/*")}, "a/*", false,
		},
		{
			"a missing value of the certificate may deny anything in its place",
			[]string{allow("*"), deny("${iot:Certificate.Subject.CommonName.0}/x")}, "a/*", false,
		},
		{"another action says nothing", []string{
			`{"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}`,
		}, "a/*", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Compile(arnHead + tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := AllowsAll("iot:Receive", p, values, compiledOf(t, tt.statements...)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// TestWhatIsAllAllowedIsAllowedEach draws policies and patterns, and asks
// [Decide] for topics that the patterns match.
func TestWhatIsAllAllowedIsAllowedEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func(letters string, n int) string {
		var b strings.Builder
		for range r.IntN(n) {
			b.WriteByte(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	values := Table{}
	granted := 0
	for range 5000 {
		var statements []string
		for range 1 + r.IntN(3) {
			effect, member := "Allow", "Resource"
			if r.IntN(3) == 0 {
				effect = "Deny"
			}
			if r.IntN(6) == 0 {
				member = "NotResource"
			}
			statements = append(statements, statement(effect, member, arnHead+"a"+text("ab/*?", 4), ""))
		}
		c := compiledOf(t, statements...)
		pattern := "a" + text("ab/*", 4)
		p, err := Compile(arnHead + pattern)
		if err != nil {
			t.Fatal(err)
		}
		if !AllowsAll("iot:Receive", p, values, c) {
			continue
		}
		granted++
		for range 10 {
			topic := ""
			for _, c := range pattern {
				if c == '*' {
					topic += text("ab/", 4)
				} else {
					topic += string(c)
				}
			}
			q := Request{Action: "iot:Receive", Resource: arnHead + topic, Values: values}
			if got := Decide(q, c); got != Allowed {
				t.Fatalf("got %s for %q, want it allowed like all of %q by %s", got, topic, pattern, statements)
			}
		}
	}
	if granted < 100 {
		t.Errorf("got %d patterns that are all allowed, want enough to tell", granted)
	}
}
