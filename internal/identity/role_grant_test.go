package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

const iotService = "iot.amazonaws.com"

func TestARoleTrusts(t *testing.T) {
	service := assumed("Service", iotService)
	for _, tt := range []struct {
		name   string
		trust  []statement
		values policy.Table
		want   bool
	}{
		{"the service that it names", one(service), nil, true},
		{"one of those that it names", one(assumed("Service", "lambda.amazonaws.com", iotService)), nil, true},
		{"no other", one(assumed("Service", "lambda.amazonaws.com")), nil, false},
		{"no service that is not named: everybody is nobody", one(assumed("AWS", "*")), nil, false},
		{"not by its account", one(assumed("AWS", home)), nil, false},
		{"not when it denies the service", []statement{service, service.with("Effect", "Deny")}, nil, false},
		{"not when it denies everybody", []statement{service, assumed("AWS", "*").with("Effect", "Deny")}, nil, false},
		{"for the account that it names", one(service.when("StringEquals", "aws:SourceAccount", home)),
			policy.Table{"aws:sourceaccount": {home}}, true},
		{"for no other account", one(service.when("StringEquals", "aws:SourceAccount", other)),
			policy.Table{"aws:sourceaccount": {home}}, false},
		{"for what it names", one(service.when("ArnLike", "aws:SourceArn", "arn:aws:iot:*:"+home+":*")),
			policy.Table{"aws:sourcearn": {aThing}}, true},
		{"not under a condition on what is not known", one(service.when("StringEquals", "aws:SourceArn", aThing)), nil,
			false},
		{"a service, and knows that it is one", one(service.when("Bool", "aws:PrincipalIsAWSService", "true")), nil, true},
		{"not by another action", one(service.with("Action", "sts:TagSession")), nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := (&shelf{situation: situation{resource: document(tt.trust...)}}).service()
			g, err := s.Role(t.Context(), nil, auditorAt(roleARN))
			if err != nil || g == nil {
				t.Fatalf("got %v, %v", g, err)
			}
			if got := g.Trusts(iotService, tt.values); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestARoleOfAnotherAccountIsNone(t *testing.T) {
	s := (&shelf{situation: situation{resource: document(assumed("Service", iotService))}}).service()
	for _, arn := range []string{"arn:aws:iam::" + other + ":role/auditor", aliceARN, "",
		"arn:aws:iam::" + home + ":role/"} {
		if g, err := s.Role(t.Context(), nil, auditorAt(arn)); g != nil || err != nil {
			t.Errorf("got %v, %v for %q, want nothing", g, err, arn)
		}
	}
	if g, err := (&shelf{}).service().Role(t.Context(), nil, auditorAt(roleARN)); g != nil || err != nil {
		t.Errorf("got %v, %v for a role that there is not", g, err)
	}
}

// auditorAt is a role that is acted as on behalf of the home account.
func auditorAt(arn string) identity.RoleFor {
	return identity.RoleFor{Account: home, Region: "eu-west-1", ARN: arn, Source: aThing}
}

// topicShelf holds the policies of a role, and that of every topic.
type topicShelf struct {
	shelf
	topic string
	reads int // of the policies of topics
}

func (s *topicShelf) ResourcePolicy(context.Context, durable.Tx, string) (string, error) {
	s.reads++
	return s.topic, nil
}

// acting is a role that trusts AWS IoT, in a situation.
func acting(t *testing.T, s *topicShelf) *identity.Acting {
	t.Helper()
	s.resource = document(assumed("Service", iotService))
	service := &identity.Service{Policies: s, Now: func() time.Time { return noon }}
	a, err := service.Act(t.Context(), nil, auditorAt(roleARN))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestARoleIsRefused(t *testing.T) {
	const update = "iot:UpdateCertificate"
	everything, farOff := document(allow("*", "*")), document(allow("*", "*").to("AWS", roleARN))
	in := func(region string) string {
		return document(allow("*", "*").when("StringEquals", "aws:RequestedRegion", region))
	}
	for _, tt := range []struct {
		name             string
		action, resource string
		policy, boundary string
		topic            string
		want             string // the end of the reason, "" for none
	}{
		{"nothing that it is allowed", update, aThing, everything, "", "", ""},
		{"what no policy allows", update, aThing, document(allow("iot:DescribeThing", "*")), "", "",
			"on resource: " + aThing + " because no identity-based policy allows the " + update + " action"},
		{"what is allowed on another resource", update, aThing, document(allow(update, aThing+"2")), "", "",
			"because no identity-based policy allows the " + update + " action"},
		{"what its boundary leaves out", update, aThing, everything, document(allow("sns:*", "*")), "",
			"because no permissions boundary allows the " + update + " action"},
		{"what it is denied", update, aThing, document(allow("*", "*"), deny("iot:Update*", "*")), "", "",
			"with an explicit deny in an identity-based policy"},
		{"what its boundary denies", update, aThing, everything, document(allow("*", "*"), deny(update, "*")), "",
			"with an explicit deny in a permissions boundary"},
		{"what has no resource and is allowed on none", "iot:SetV2LoggingOptions", "", document(allow("iot:*", aThing)),
			"", "", "on resource: * because no identity-based policy allows the iot:SetV2LoggingOptions action"},
		{"no topic that it is allowed", "sns:Publish", topicARN, everything, "", "", ""},
		{"a topic that denies everybody", "sns:Publish", topicARN, everything, "",
			document(deny("sns:*", "*").to("AWS", "*")), "with an explicit deny in a resource-based policy"},
		{"no topic that allows its account too", "sns:Publish", topicARN, everything, "",
			document(allow("sns:Publish", "*").to("AWS", home)), ""},
		{"a topic whose account alone is allowed by the topic", "sns:Publish", topicARN, document(allow("iot:*", "*")),
			"", document(allow("sns:Publish", "*").to("AWS", other)), "because no identity-based policy allows the " +
				"sns:Publish action"},
		{"no topic that allows the role itself", "sns:Publish", topicARN, document(allow("iot:*", "*")), "",
			document(allow("sns:Publish", "*").to("AWS", roleARN)), ""},
		{"a topic of another account", "sns:Publish", farTopic, everything, "", "",
			"because no resource-based policy allows the sns:Publish action"},
		{"no topic of another account that allows it", "sns:Publish", farTopic, everything, "", farOff, ""},
		{"nothing in the region that it is for", "iot:SetV2LoggingOptions", "", in("eu-west-1"), "", "", ""},
		{"what is in another region", "iot:SetV2LoggingOptions", "", in("us-east-1"), "", "",
			"because no identity-based policy allows the iot:SetV2LoggingOptions action"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &topicShelf{topic: tt.topic}
			s.policies, s.boundary = []string{tt.policy}, tt.boundary
			asks := []identity.Ask{{Action: tt.action, Resource: tt.resource}}
			got, err := acting(t, s).Refusal(asks)
			start := "the role " + roleARN + " is not authorized to perform: " + tt.action + " on resource: "
			if err != nil || (got == "") != (tt.want == "") || !strings.HasSuffix(got, tt.want) ||
				got != "" && !strings.HasPrefix(got, start) {
				t.Errorf("got %q, %v, want an end like %q", got, err, tt.want)
			}
		})
	}
}

func TestARoleThatMayNotBeTakenOnSaysWhy(t *testing.T) {
	trusting := document(assumed("Service", iotService))
	for _, tt := range []struct{ name, trust, arn, want string }{
		{"a role that is there", trusting, roleARN, ""},
		{"none", trusting, "", "no role is configured"},
		{"one that is gone", "", roleARN, "the role " + roleARN + " does not exist"},
		{"a user", trusting, aliceARN, "the role " + aliceARN + " does not exist"},
		{"one of another service", document(assumed("Service", "lambda.amazonaws.com")), roleARN,
			"the role " + roleARN + " does not trust iot.amazonaws.com"},
		{"one for this source", document(assumed("Service", iotService).when("StringEquals", "aws:SourceArn", aThing).
			when("StringEquals", "aws:SourceAccount", home)), roleARN, ""},
		{"one for another source", document(assumed("Service", iotService).when("StringEquals", "aws:SourceArn", farTopic)),
			roleARN, "the role " + roleARN + " does not trust iot.amazonaws.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{situation: situation{resource: tt.trust}}
			a, err := s.service().Act(t.Context(), nil, auditorAt(tt.arn))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := a.Refusal(nil); got != tt.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// What is asked of the database for a thousand findings is what is asked for
// one; what it does not answer decides nothing.
func TestARoleReadsWhatItNeedsOnce(t *testing.T) {
	s := &topicShelf{topic: document(allow("sns:Publish", "*").to("AWS", home))}
	s.policies = []string{document(allow("*", "*").when("StringEquals", "aws:ResourceTag/a", "b"))}
	s.tags = map[string]string{"a": "b"}
	a := acting(t, s)
	for range 1000 {
		if got, err := a.Refusal([]identity.Ask{{Action: "sns:Publish", Resource: topicARN}}); got != "" || err != nil {
			t.Fatalf("got %q, %v, want it allowed", got, err)
		}
	}
	if s.reads != 1 || s.tagged.Load() != 1 {
		t.Errorf("got %d reads of the topic's policy and %d of its tags, want one each", s.reads, s.tagged.Load())
	}
	s.err = errors.New("no answer")
	if got, err := a.Refusal([]identity.Ask{{Action: "sns:Publish", Resource: farTopic}}); !errors.Is(err, s.err) {
		t.Errorf("got %q, %v without the tags, want the error", got, err)
	}
}

func TestATopicWhosePolicyCannotBeReadDecidesNothing(t *testing.T) {
	s := &topicShelf{topic: "{"}
	s.policies = []string{document(allow("*", "*"))}
	if got, err := acting(t, s).Refusal([]identity.Ask{{Action: "sns:Publish", Resource: topicARN}}); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}

// BenchmarkRefusal judges a thousand certificates under a role with ten
// statements, as a slice does.
func BenchmarkRefusal(b *testing.B) {
	s := &shelf{situation: situation{resource: document(assumed("Service", iotService))}}
	statements := make([]statement, 10)
	for i := range statements {
		statements[i] = allow("iot:Update* iot:Add*", fmt.Sprintf("arn:aws:iot:eu-west-1:%s:thinggroup/%d", home, i))
	}
	statements[9] = allow("iot:UpdateCertificate", "arn:aws:iot:*:"+home+":cert/*")
	s.policies = []string{document(statements...)}
	a, err := s.service().Act(b.Context(), nil, auditorAt(roleARN))
	if err != nil {
		b.Fatal(err)
	}
	certificate := "arn:aws:iot:eu-west-1:" + home + ":cert/" + strings.Repeat("0a", 32)
	b.ReportAllocs()
	for b.Loop() {
		for range 1000 {
			got, err := a.Refusal([]identity.Ask{{Action: "iot:UpdateCertificate", Resource: certificate}})
			if got != "" || err != nil {
				b.Fatal(got, err)
			}
		}
	}
}
