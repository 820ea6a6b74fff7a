package policy

import (
	"slices"
	"strings"
	"testing"
)

// lamp is what a connection knows in these tests.
func lamp() Table {
	v := Table{}
	v.Set("iot:ClientId", "lamp")
	v.Set("iot:Connection.Thing.ThingName", "lamp")
	v.Set("iot:Connection.Thing.IsAttached", "true")
	v.Set("iot:Connection.Thing.Attributes[Room]", "kitchen")
	v.Set("aws:SourceIp", "10.1.2.3")
	v.Set("iot:Certificate.Subject.CommonName", "first", "second")
	v.Set("iot:Certificate.Subject.Organization", "A*", strings.Repeat("x", 1025))
	v.Set("iot:Certificate.Subject.Country", strings.Repeat("é", 1024))
	v.Set("iot:ConnectAttributes", "LastWill", "PersistentConnect")
	return v
}

type decideCase struct {
	name     string
	given    []stmt
	action   string
	resource string // without base
	want     Decision
}

func testDecide(t *testing.T, cases []decideCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			q := Request{tt.action, base + tt.resource, lamp()}
			if got := Decide(q, NewCompiled(document(t, tt.given...))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	publish, thing := "iot:Publish", "topic/"+thingName
	testDecide(t, []decideCase{
		{"nothing is allowed by nothing", nil, publish, "topic/a", ImplicitDeny},
		{"what is allowed is", []stmt{allowing(publish, "topic/a")}, publish, "topic/a", Allowed},
		{"what is not, is not", []stmt{allowing(publish, "topic/a")}, publish, "topic/b", ImplicitDeny},
		{"a deny wins, whatever the order", []stmt{denying(publish, "*"), allowing(publish, "*")}, publish, "topic/a",
			ExplicitDeny},
		{"another action", []stmt{allowing("iot:Receive", "*")}, publish, "topic/a", ImplicitDeny},
		{"an action that is not MQTT's", []stmt{allowing("iot:Get*", "thing/a")}, "iot:GetThingShadow", "thing/a", Allowed},
		{"actions have no case", []stmt{allowing("IOT:PUBLISH", "topic/a")}, "iot:publish", "topic/a", Allowed},
		{"resources do", []stmt{allowing(publish, "topic/A")}, publish, "topic/a", ImplicitDeny},
		{"all actions but others", []stmt{allowing("iot:Connect", "*").exceptAction()}, publish, "topic/a", Allowed},
		{"all actions but this", []stmt{allowing("iot:Pub*", "*").exceptAction()}, publish, "topic/a", ImplicitDeny},
		{"all resources but this", []stmt{allowing(publish, "topic/a*").exceptResource()}, publish, "topic/ab", ImplicitDeny},
		{"all resources but others are denied", []stmt{denying(publish, "topic/b").exceptResource()}, publish, "topic/a",
			ExplicitDeny},
		{"a filter is matched as it is written", []stmt{allowing("iot:Subscribe", "topicfilter/a/*"),
			denying("iot:Subscribe", "topicfilter/a/b/*")}, "iot:Subscribe", "topicfilter/a/#", Allowed},
		{"MQTT's plus in a policy is a character", []stmt{allowing(publish, "topic/+")}, publish, "topic/a", ImplicitDeny},

		{"the thing's own topic", []stmt{allowing(publish, thing)}, publish, "topic/lamp", Allowed},
		{"another thing's topic", []stmt{allowing(publish, thing)}, publish, "topic/stove", ImplicitDeny},
		{"an attribute", []stmt{allowing(publish, "topic/${iot:Connection.Thing.Attributes[Room]}")}, publish,
			"topic/kitchen", Allowed},
		{"the name of an attribute has a case", []stmt{allowing(publish, "topic/${iot:Connection.Thing.Attributes[room]}")},
			publish, "topic/kitchen", ImplicitDeny},
		{"the rest of its key has none", []stmt{allowing(publish, "topic/${iot:connection.thing.attributes[Room]}")},
			publish, "topic/kitchen", Allowed},
		{"a variable that is not known is its own text", []stmt{allowing(publish, "topic/${iot:DomainName}")}, publish,
			"topic/${iot:DomainName}", Allowed},
		{"the first value of many", []stmt{allowing(publish, "topic/${iot:Certificate.Subject.CommonName}")}, publish,
			"topic/first", Allowed},
		{"the values are counted from 0", []stmt{allowing(publish, "topic/${iot:Certificate.Subject.CommonName.1}")},
			publish, "topic/second", Allowed},
		{"the value with number 0", []stmt{allowing(publish, "topic/${iot:Certificate.Subject.CommonName.0}")}, publish,
			"topic/first", Allowed},
		{"a list is nothing to insert", []stmt{allowing(publish, "topic/${iot:Certificate.Subject.CommonName.List}")},
			publish, "topic/first", ImplicitDeny},
		{"an index that is not there allows nothing, its own text neither",
			[]stmt{allowing(publish, "topic/${iot:Certificate.Subject.CommonName.2}")}, publish,
			"topic/${iot:Certificate.Subject.CommonName.2}", ImplicitDeny},
		{"but does not spoil its neighbours",
			[]stmt{allowing(publish, list("topic/${iot:Certificate.Subject.CommonName.2}", "topic/a"))}, publish, "topic/a",
			Allowed},
		{"an index that no certificate has", []stmt{
			allowing(publish, "topic/${iot:Certificate.Subject.CommonName.99999999999999999999}")}, publish, "topic/first",
			ImplicitDeny},
		{"an index that is not there denies all it might", []stmt{allowing(publish, "*"),
			denying(publish, "topic/a/${iot:Certificate.Subject.CommonName.2}/b")}, publish, "topic/a/x/b", ExplicitDeny},
		{"and no more", []stmt{allowing(publish, "*"),
			denying(publish, "topic/a/${iot:Certificate.Subject.CommonName.2}/b")}, publish, "topic/a/x/c", Allowed},
		{"an index that is not there, left out of an allow, leaves out all it might", []stmt{
			allowing(publish, "topic/${iot:Certificate.Subject.CommonName.2}").exceptResource()}, publish, "topic/x",
			ImplicitDeny},
		{"an index that is not there, left out of a deny, leaves out nothing", []stmt{allowing(publish, "*"),
			denying(publish, "topic/${iot:Certificate.Subject.CommonName.2}").exceptResource()}, publish, "topic/x",
			ExplicitDeny},
		{"a certificate's value with a wildcard is not inserted",
			[]stmt{allowing(publish, "topic/${iot:Certificate.Subject.Organization}")}, publish, "topic/A*", ImplicitDeny},
		{"nor one of more than 1,024 characters",
			[]stmt{allowing(publish, "topic/${iot:Certificate.Subject.Organization.1}")}, publish,
			"topic/" + strings.Repeat("x", 1025), ImplicitDeny},
		{"characters, not bytes", []stmt{allowing(publish, "topic/${iot:Certificate.Subject.Country}")}, publish,
			"topic/" + strings.Repeat("é", 1024), Allowed},
	})
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		name, condition string
		want            bool
	}{
		{"no condition", `{}`, true},
		{"two that hold", `{"Bool":{"iot:Connection.Thing.IsAttached":"true"},"StringEquals":{"iot:ClientId":"lamp"}}`, true},
		{"two of which one does", `{"Bool":{"iot:Connection.Thing.IsAttached":"true"},"StringEquals":{"iot:ClientId":"x"}}`,
			false},
		{"two keys of one operator, of which one does", `{"StringEquals":{"iot:ClientId":"lamp","aws:SourceIp":"x"}}`, false},
		{"one of two values", `{"StringEquals":{"iot:ClientId":["x","lamp"]}}`, true},
		{"none of two values", `{"StringNotEquals":{"iot:ClientId":["x","lamp"]}}`, false},
		{"a key in other letters", `{"StringEquals":{"IOT:clientid":"lamp"}}`, true},
		{"a value in other letters", `{"StringEquals":{"iot:ClientId":"Lamp"}}`, false},
		{"a value in other letters, when they do not matter", `{"StringEqualsIgnoreCase":{"iot:ClientId":"LAMP"}}`, true},
		{"a variable as a value", `{"StringEquals":{"iot:ClientId":"${iot:Connection.Thing.ThingName}"}}`, true},
		{"a variable as a value, without case",
			`{"StringEqualsIgnoreCase":{"iot:ClientId":"${iot:Connection.Thing.ThingName}"}}`, true},
		{"a star is a star where nothing is like", `{"StringEquals":{"iot:ClientId":"l*"}}`, false},
		{"a star where something is", `{"StringLike":{"iot:ClientId":"l*"}}`, true},
		{"unlike", `{"StringNotLike":{"iot:ClientId":"l*"}}`, false},
		{"a star in the value of a key is no wildcard",
			`{"StringLike":{"iot:ClientId":"${iot:Certificate.Subject.Organization}"}}`, false},
		{"an escape where nothing is like", `{"StringEquals":{"iot:Certificate.Subject.Organization":"A${*}"}}`, true},

		{"a key without value", `{"StringEquals":{"iot:DomainName":"x"}}`, false},
		{"a key without value is not equal", `{"StringNotEquals":{"iot:DomainName":"x"}}`, true},
		{"a key without value passes if it may", `{"StringEqualsIfExists":{"iot:DomainName":"x"}}`, true},
		{"a key with a value does not pass by that", `{"StringEqualsIfExists":{"iot:ClientId":"x"}}`, false},
		{"a key is not there", `{"Null":{"iot:DomainName":"true"}}`, true},
		{"a key is there", `{"Null":{"iot:ClientId":"false"}}`, true},
		{"a key should not be there", `{"Null":{"iot:ClientId":true}}`, false},
		{"a value by an index that is not there", `{"Null":{"iot:Certificate.Subject.CommonName.2":"true"}}`, true},
		{"a value by an index", `{"StringEquals":{"iot:Certificate.Subject.CommonName.1":"second"}}`, true},
		{"a certificate's key is its first value", `{"StringEquals":{"iot:Certificate.Subject.CommonName":"second"}}`, false},
		{"a list holds any", `{"ForAnyValue:StringEquals":{"iot:Certificate.Subject.CommonName.List":"second"}}`, true},
		{"a list holds all", `{"ForAllValues:StringEquals":{"iot:Certificate.Subject.CommonName.List":"second"}}`, false},
		{"a list within", `{"ForAllValues:StringLike":{"iot:Certificate.Subject.CommonName.List":["f*","s*","t*"]}}`, true},
		{"a list without quantifier holds any", `{"StringEquals":{"iot:ConnectAttributes":"PersistentConnect"}}`, true},
		{"a list without quantifier has none", `{"StringNotEquals":{"iot:ConnectAttributes":"PersistentConnect"}}`, false},
		{"any other", `{"ForAnyValue:StringNotEquals":{"iot:ConnectAttributes":"LastWill"}}`, true},
		{"all others", `{"ForAllValues:StringNotEquals":{"iot:ConnectAttributes":"LastWill"}}`, false},
		{"all of no values", `{"ForAllValues:StringEquals":{"iot:DomainName":"x"}}`, true},
		{"any of no values", `{"ForAnyValue:StringNotEquals":{"iot:DomainName":"x"}}`, false},
		{"a comparison with an index that is not there",
			`{"StringNotEquals":{"iot:ClientId":"${iot:Certificate.Subject.CommonName.2}"}}`, false},

		{"within a network", `{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`, true},
		{"within a network that is mapped", `{"IpAddress":{"aws:SourceIp":"::ffff:10.0.0.0/104"}}`, true},
		{"the address", `{"IpAddress":{"aws:SourceIp":"10.1.2.3"}}`, true},
		{"outside of a network", `{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`, false},
		{"outside of a network of the other kind", `{"NotIpAddress":{"aws:SourceIp":"::/0"}}`, true},
		{"an ARN's part", `{"ArnLike":{"k:arn":"arn:aws:iot:*:1:thing/a"}}`, true},
		{"a wildcard stays in its part", `{"ArnLike":{"k:deep":"arn:aws:iot:r:*:thing/a"}}`, false},
		{"equal is like for ARNs", `{"ArnEquals":{"k:arn":"arn:aws:iot:r:1:thing/?"}}`, true},
		{"less", `{"NumericLessThan":{"k:n":"5.5"}}`, true},
		{"not less", `{"NumericLessThan":{"k:n":5}}`, false},
		{"at least", `{"NumericGreaterThanEquals":{"k:n":5}}`, true},
		{"no number is equal to none", `{"NumericEquals":{"iot:ClientId":5}}`, false},
		{"whole numbers are compared exactly", `{"NumericEquals":{"k:big":"9007199254740993"}}`, false},
		{"before", `{"DateLessThan":{"k:at":"2026-01-01T00:00:01Z"}}`, true},
		{"in another zone", `{"DateEquals":{"k:at":"2026-01-01T01:00:00+01:00"}}`, true},
		{"as seconds", `{"DateGreaterThanEquals":{"k:at":"1767225600"}}`, true},
		{"four digits are a year", `{"DateEquals":{"k:at":"2026"}}`, true},
		{"bytes", `{"BinaryEquals":{"k:bytes":"YQ=="}}`, true},
		{"other bytes", `{"BinaryEquals":{"k:bytes":"Yg=="}}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := lamp()
			v.Set("k:arn", "arn:aws:iot:r:1:thing/a")
			v.Set("k:deep", "arn:aws:iot:r:1:x:thing/a")
			v.Set("k:n", "5")
			v.Set("k:big", "9007199254740992")
			v.Set("k:at", "2026-01-01T00:00:00Z")
			v.Set("k:bytes", "YQ==")
			v.Set("aws:SourceIp", "::ffff:10.1.2.3")
			c := NewCompiled(document(t, allowing("iot:Connect", "*").when(tt.condition)))
			if got := Decide(Request{"iot:Connect", base + "client/lamp", v}, c) == Allowed; got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// An explicit Deny wins over the Allow of another policy.
func TestDecideByManyPolicies(t *testing.T) {
	allow, deny := NewCompiled(document(t, allowing("iot:Publish", "topic/*"))),
		NewCompiled(document(t, denying("iot:Publish", "topic/secret")))
	other := NewCompiled(document(t, allowing("iot:Publish", "topic/${iot:DomainName}/${iot:Domainname}").
		when(`{"StringEquals":{"iot:ConnectX":"a"}}`)))
	q := Request{Action: "iot:Publish", Resource: base + "topic/secret"}
	e := Explain(q, allow, deny, other)
	if want := []Decision{Allowed, ExplicitDeny, ImplicitDeny}; e.Decision != ExplicitDeny || !slices.Equal(e.Each, want) {
		t.Errorf("got %s of %s, want a deny of %s", e.Decision, e.Each, want)
	}
	if want := []string{"iot:DomainName"}; !slices.Equal(e.Missing, want) {
		t.Errorf("got %q, want %q missing", e.Missing, want)
	}
	for _, tt := range []struct {
		name     string
		policies []*Compiled
		want     Decision
	}{
		{"none", nil, ImplicitDeny}, {"both", []*Compiled{allow, deny}, ExplicitDeny},
		{"the other way round", []*Compiled{deny, allow}, ExplicitDeny}, {"one", []*Compiled{allow, other}, Allowed},
	} {
		if got := Decide(q, tt.policies...); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if got := Explain(q, tt.policies...).Decision; got != tt.want {
			t.Errorf("%s explained: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// tenPolicies is as many as a certificate may have; the last decides.
func tenPolicies(t testing.TB) []*Compiled {
	policies := make([]*Compiled, 10)
	for i := range policies {
		policies[i] = NewCompiled(document(t,
			allowing("iot:Connect", "client/"+thingName).when(attached),
			allowing(list("iot:Publish", "iot:Receive"), "topic/site"+string(rune('0'+i))+"/"+thingName+"/*"),
			allowing("iot:Subscribe", "topicfilter/site"+string(rune('0'+i))+"/"+thingName+"/*"),
			denying("iot:*", "topic/site"+string(rune('0'+i))+"/*/secret"),
		))
	}
	return policies
}

func TestDecideDoesNotAllocate(t *testing.T) {
	policies, q := tenPolicies(t), Request{"iot:Publish", base + "topic/site9/lamp/temperature", lamp()}
	if got := Decide(q, policies...); got != Allowed {
		t.Fatalf("got %s, want it allowed", got)
	}
	if n := testing.AllocsPerRun(100, func() { Decide(q, policies...) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, q := range map[string]Request{
		"publish": {"iot:Publish", base + "topic/site9/lamp/temperature", lamp()},
		"connect": {"iot:Connect", base + "client/lamp", lamp()},
		"denied":  {"iot:Subscribe", base + "topicfilter/other/lamp/#", lamp()},
	} {
		policies := tenPolicies(b)
		for _, n := range []int{1, 10} {
			b.Run(name+"-by-"+map[int]string{1: "1", 10: "10"}[n]+"-policies", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Decide(q, policies[10-n:]...)
				}
			})
		}
	}
}
