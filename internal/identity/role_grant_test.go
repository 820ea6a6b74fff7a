package identity_test

import (
	"testing"

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
			g, err := s.Role(t.Context(), nil, home, roleARN)
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
		if g, err := s.Role(t.Context(), nil, home, arn); g != nil || err != nil {
			t.Errorf("got %v, %v for %q, want nothing", g, err, arn)
		}
	}
	if g, err := (&shelf{}).service().Role(t.Context(), nil, home, roleARN); g != nil || err != nil {
		t.Errorf("got %v, %v for a role that there is not", g, err)
	}
}

func TestARoleDecides(t *testing.T) {
	trust := document(assumed("Service", iotService))
	role := func(t *testing.T, s situation) *identity.RoleGrant {
		s.resource = trust
		g, err := (&shelf{situation: s}).service().Role(t.Context(), nil, home, roleARN)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := role(t, situation{policies: []string{document(allow("iot:* sns:*", "*"))},
		boundary: document(allow("iot:U* sns:*", "*"))})
	for _, tt := range []struct {
		action, resource, document string
		want                       policy.Decision
	}{
		{"iot:UpdateCertificate", aThing, "", policy.Allowed},
		{"iot:DescribeThing", aThing, "", policy.ImplicitDeny},
		{"sns:Publish", topicARN, "", policy.Allowed},
		{"sns:Publish", topicARN, document(deny("sns:*", "*").to("AWS", "*")), policy.ExplicitDeny},
		{"sns:Publish", topicARN, "{", policy.ImplicitDeny},
		{"sns:Publish", farTopic, "", policy.ImplicitDeny},
		{"sns:Publish", farTopic, document(allow("sns:*", "*").to("AWS", roleARN)), policy.Allowed},
	} {
		got := g.DecideOn(policy.Request{Action: tt.action, Resource: tt.resource}, tt.document)
		if got != tt.want {
			t.Errorf("got %s for %s on %s under %q, want %s", got, tt.action, tt.resource, tt.document, tt.want)
		}
	}
	tagged := role(t, situation{
		policies: []string{document(allow("iot:*", "*").when("StringEquals", "aws:ResourceTag/a", "b"))},
		tags:     map[string]string{"a": "b"},
	})
	if got := tagged.Decide("iot:DescribeThing", aThing, nil); got != policy.Allowed {
		t.Errorf("got %s by a tag, want it allowed", got)
	}
}
