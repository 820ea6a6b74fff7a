package policy

import (
	"strings"
	"testing"
)

func mustCompile(t testing.TB, text string) Pattern {
	t.Helper()
	p, err := Compile(text)
	if err != nil {
		t.Fatalf("compile %q: %v", text, err)
	}
	return p
}

// values gives the variables of these tests. Their values hold characters that
// are wildcards in a pattern.
var values = Table{"iot:clientid": {"lamp"}, "star": {"*"}, "mark": {"a?"}, "none": {""}}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		name, pattern, value string
		want                 bool
	}{
		{"a literal matches itself", "topic/a", "topic/a", true},
		{"a literal does not match a longer value", "topic/a", "topic/ab", false},
		{"a literal does not match a shorter value", "topic/ab", "topic/a", false},
		{"case matters", "topic/A", "topic/a", false},
		{"an empty pattern matches the empty value only", "", "", true},
		{"an empty pattern matches nothing else", "", "a", false},
		{"a run matches nothing", "a*", "a", true},
		{"a run crosses slashes and colons", "a*z", "a/b:c/z", true},
		{"a run in front", "*z", "abcz", true},
		{"a run takes as much as the rest needs", "a*b*c", "abxbxcxc", true},
		{"a rest that never comes", "a*bc", "abxbx", false},
		{"the end after a run is the end", "a*b", "abc", false},
		{"a literal is not shared by both sides of a run", "ab*ba", "aba", false},
		{"one is exactly one", "a?c", "abc", true},
		{"one is not none", "a?c", "ac", false},
		{"one is a character, not a byte", "a?c", "aéc", true},
		{"two are not one character of two bytes", "a??c", "aéc", false},
		{"one after a run", "a*?", "a", false},
		{"one after a run takes something", "a*?", "ab", true},
		{"a run followed by one and more", "*?b", "bb", true},
		{"MQTT's plus is a character", "a/+/b", "a/x/b", false},
		{"MQTT's plus matches itself", "a/+/b", "a/+/b", true},
		{"MQTT's hash matches itself", "a/#", "a/#", true},
		{"an escaped star is a star", "a${*}", "a*", true},
		{"an escaped star is no run", "a${*}", "ab", false},
		{"an escaped question mark is no wildcard", "a${?}", "ab", false},
		{"an escaped dollar begins no variable", "${$}{iot:ClientId}", "${iot:ClientId}", true},
		{"a dollar alone is a dollar", "$aws/things", "$aws/things", true},
		{"a variable is its value", "client/${iot:ClientId}", "client/lamp", true},
		{"a variable is not another value", "client/${iot:ClientId}", "client/lamps", false},
		{"a variable after a run", "*/${iot:ClientId}/x", "a/b/lamp/x", true},
		{"a value's star is no wildcard", "t/${star}", "t/abc", false},
		{"a value's star is a star", "t/${star}", "t/*", true},
		{"a value's question mark is no wildcard", "t/${mark}", "t/ab", false},
		{"an empty value is nothing", "t/${none}x", "t/x", true},
		{"a variable without value is its own text", "t/${other}", "t/${other}", true},
		{"a variable without value is not a wildcard", "t/${other}", "t/x", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustCompile(t, tt.pattern)
			if got := p.Match(tt.value, values); got != tt.want {
				t.Errorf("%q matches %q: got %v, want %v", tt.pattern, tt.value, got, tt.want)
			}
		})
	}
}

func TestMatchAction(t *testing.T) {
	for _, tt := range []struct {
		name, pattern, action string
		want                  bool
	}{
		{"case does not matter in the pattern", "IOT:publish", "iot:Publish", true},
		{"case does not matter in the action", "iot:publish", "IOT:PUBLISH", true},
		{"a star is everything", "*", "iot:Publish", true},
		{"a service's star is the service", "iot:*", "iot:Publish", true},
		{"a service's star is no other service", "iot:*", "iotjobsdata:UpdateJobExecution", false},
		{"a beginning", "iot:Pub*", "iot:Publish", true},
		{"an end behind a run, in another case", "iot:*SHADOW", "iot:GetThingShadow", true},
		{"one character", "iot:Receiv?", "iot:Receive", true},
		{"one character more", "iot:Receive?", "iot:Receive", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ofIoT.compileAction(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match(tt.action, nil); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMatchResource(t *testing.T) {
	const topic = "arn:aws:iot:us-east-1:123456789012:topic/"
	for _, tt := range []struct {
		name, pattern, arn string
		want               bool
	}{
		{"a star is everything", "*", topic + "a", true},
		{"the same", topic + "a", topic + "a", true},
		{"case matters", topic + "A", topic + "a", false},
		{"any region and account", "arn:aws:iot:*:*:topic/a", topic + "a", true},
		{"another account", "arn:aws:iot:us-east-1:999999999999:topic/*", topic + "a", false},
		{"a short pattern is matched as a whole", "arn:aws:iot:*", topic + "a", true},
		// Else a device that may publish to "secret" could to "x:topic/secret".
		{"a wildcard for the account does not reach into the name",
			"arn:aws:iot:*:*:topic/secret", topic + "x:topic/secret", false},
		{"colons in a name are the name's", topic + "a:*", topic + "a:b:c", true},
		{"colons in a variable are not counted",
			"arn:aws:iot:us-east-1:123456789012:topic/${iot:ClientId}/x", topic + "lamp/x", true},
		{"colons in a variable before the name are not counted",
			"arn:aws:iot:us-east-1:${iot:ClientId}:topic/x", "arn:aws:iot:us-east-1:lamp:topic/x", true},
		{"what is no ARN is not matched", "arn:aws:iot:*:*:*", "topic/a", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ofIoT.compileResource(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Match(tt.arn, values); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, pattern := range map[string]string{
		"bytes that are not UTF-8":             "a\xff",
		"a variable without end":               "a${iot:ClientId",
		"a variable without name":              "a${}",
		"a default value":                      "${aws:PrincipalTag/team, 'company'}",
		"a variable in a variable":             "${a${b}}",
		"a wildcard in the name of a variable": "${iot:*}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Compile(pattern); err == nil {
				t.Errorf("%q was accepted", pattern)
			}
		})
	}
}

// A pattern of many runs must not make matching exponential: this test would
// not end.
func TestMatchManyRuns(t *testing.T) {
	p := mustCompile(t, strings.Repeat("*a", 500)+"b")
	if p.Match(strings.Repeat("a", 2000), nil) {
		t.Error("got a match without the last character")
	}
	if !p.Match(strings.Repeat("a", 2000)+"b", nil) {
		t.Error("got no match with the last character")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p := mustCompile(t, "topic/*/${iot:ClientId}/?/*/end")
	if n := testing.AllocsPerRun(100, func() { p.Match("topic/a/b/lamp/c/d/end", values) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
