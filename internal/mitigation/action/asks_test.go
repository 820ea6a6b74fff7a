package action

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

var here = fleet.Scope{Account: "111111111111", Region: "eu-west-1"}

const (
	actor   = "arn:aws:iam::111111111111:role/actor"
	journal = "arn:aws:iam::111111111111:role/journal"
	in1     = "arn:aws:iot:eu-west-1:111111111111:" // what is in the account and region
)

// asking is an action on a finding, with the permissions that its role must
// have: an action and a resource each.
type asking struct {
	kind    audit.ActionType
	params  mitigation.Params
	subject mitigation.Subject
	want    []string
	managed string // the policy of AWS for this type of action
}

func about(kind audit.ResourceType, key string) *audit.Finding {
	return &audit.Finding{Resource: audit.Resource{Type: kind, Key: key}}
}

var askings = []asking{
	{
		audit.UpdateDeviceCertificate, deactivate,
		mitigation.Subject{Finding: about(audit.DeviceCertificate, "c1")},
		[]string{"iot:UpdateCertificate " + in1 + "cert/c1"}, "UpdateDeviceCertMitigationAction",
	},
	{
		audit.UpdateCACertificate, deactivate,
		mitigation.Subject{Finding: about(audit.CACertificate, "a1")},
		[]string{"iot:UpdateCACertificate " + in1 + "cacert/a1"}, "UpdateCACertMitigationAction",
	},
	{
		audit.ReplaceDefaultPolicyVersion, mitigation.Params{},
		mitigation.Subject{Finding: about(audit.IoTPolicy, audit.PolicyKey("broad", "3"))},
		[]string{"iot:CreatePolicyVersion " + in1 + "policy/broad"}, "ReplaceDefaultPolicyMitigationAction",
	},
	{
		audit.AddThingsToThingGroup, join("site", "quarantine"),
		mitigation.Subject{
			Finding: about(audit.DeviceCertificate, "c1"),
			Things:  []mitigation.ThingState{{Name: "pump"}, {Name: "valve"}},
		},
		[]string{
			"iot:ListPrincipalThings " + in1 + "cert/c1",
			"iot:AddThingToThingGroup " + in1 + "thinggroup/site",
			"iot:AddThingToThingGroup " + in1 + "thinggroup/quarantine",
			"iot:AddThingToThingGroup " + in1 + "thing/pump",
			"iot:AddThingToThingGroup " + in1 + "thing/valve",
		}, "AddThingsToThingGroupMitigationAction",
	},
	{
		audit.EnableIoTLogging,
		mitigation.Params{EnableIoTLogging: &mitigation.EnableLogging{RoleARN: journal, Level: "INFO"}},
		mitigation.Subject{Finding: about(audit.AccountSettings, here.Account)},
		[]string{"iot:SetV2LoggingOptions *", "iam:PassRole " + journal}, "EnableIoTLoggingMitigationAction",
	},
	{
		audit.PublishFindingToSNS,
		mitigation.Params{PublishFindingToSNS: &mitigation.PublishFinding{TopicARN: "arn:aws:sns:us-east-1:111111111111:t"}},
		mitigation.Subject{Finding: about(audit.DeviceCertificate, "c1")},
		[]string{"sns:Publish arn:aws:sns:us-east-1:111111111111:t"}, "PublishFindingsToSNSMitigationAction",
	},
}

// rolePolicies are those of one role that trusts AWS IoT, whatever it is asked.
type rolePolicies struct{ document, topic string }

func (r rolePolicies) Grants(context.Context, durable.Tx, identity.Grantee) (*identity.Grants, error) {
	return &identity.Grants{
		Role: &identity.Role{Account: here.Account, Path: "/", Name: "actor", ID: "AROA1", Trust: `{
			"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
			"Principal": {"Service": "iot.amazonaws.com"}}}`},
		Policies: []identity.GrantedPolicy{{Document: r.document}},
	}, nil
}

func (r rolePolicies) ResourcePolicy(context.Context, durable.Tx, string) (string, error) {
	return r.topic, nil
}

func (rolePolicies) ResourceTags(context.Context, durable.Tx, string) (map[string]string, error) {
	return nil, nil
}

// refusal is why a role with such policies may not make an action.
func (a *asking) refusal(t *testing.T, r rolePolicies) string {
	t.Helper()
	s := &identity.Service{Policies: r, Now: time.Now}
	role, err := s.Act(t.Context(), nil, identity.RoleFor{Account: here.Account, Region: here.Region, ARN: actor})
	if err != nil {
		t.Fatal(err)
	}
	why, err := role.Refusal(All.Of(a.kind).Asks(here, &a.params, &a.subject))
	if err != nil {
		t.Fatal(err)
	}
	return why
}

// granting is a policy that allows actions, each on a resource.
func granting(list []string) string {
	statements := []string{`{"Effect": "Deny", "Action": "iot:Nothing", "Resource": "*"}`}
	for _, ask := range list {
		action, resource, _ := strings.Cut(ask, " ")
		statements = append(statements, fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": %q}`, action, resource))
	}
	return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`
}

func TestARoleNeedsEachPermissionOfItsAction(t *testing.T) {
	for _, a := range askings {
		t.Run(string(a.kind), func(t *testing.T) {
			var got []string
			for _, ask := range All.Of(a.kind).Asks(here, &a.params, &a.subject) {
				if ask.Resource == "" {
					ask.Resource = "*"
				}
				got = append(got, ask.Action+" "+ask.Resource)
			}
			if !slices.Equal(got, a.want) {
				t.Fatalf("got %q, want %q", got, a.want)
			}
			if why := a.refusal(t, rolePolicies{document: granting(a.want)}); why != "" {
				t.Errorf("got %q with all of them, want it allowed", why)
			}
			for i, ask := range a.want {
				others := slices.Delete(slices.Clone(a.want), i, i+1)
				action, resource, _ := strings.Cut(ask, " ")
				want := "the role " + actor + " is not authorized to perform: " + action + " on resource: " + resource +
					" because no identity-based policy allows the " + action + " action"
				if why := a.refusal(t, rolePolicies{document: granting(others)}); why != want {
					t.Errorf("got %q without %s, want %q", why, ask, want)
				}
			}
		})
	}
	for _, k := range All {
		if !slices.ContainsFunc(askings, func(a asking) bool { return a.kind == k.Type }) {
			t.Errorf("nothing here asks for %s", k.Type)
		}
	}
}

func TestThePolicyOfAWSIsEnoughForItsAction(t *testing.T) {
	for _, a := range askings {
		version := identity.AWSPolicyVersion("arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefender" + a.managed)
		if version == nil {
			t.Errorf("there is no policy %s", a.managed)
			continue
		}
		if why := a.refusal(t, rolePolicies{document: version.Document}); why != "" {
			t.Errorf("%s: got %q, want it allowed", a.kind, why)
		}
		for _, other := range askings {
			if other.kind != a.kind && other.refusal(t, rolePolicies{document: version.Document}) == "" {
				t.Errorf("the policy for %s allows %s", a.kind, other.kind)
			}
		}
	}
}

// A logging role is handed to AWS IoT, and the topic has a say of its own.
func TestConditionsOfWhatAnActionAsks(t *testing.T) {
	byKind := map[audit.ActionType]*asking{}
	for i := range askings {
		byKind[askings[i].kind] = &askings[i]
	}
	const passing = `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}, {"Effect": "Allow", "Action": "iam:PassRole",
		"Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": %q}}}]}`
	const topic = `{"Version": "2012-10-17", "Statement": {"Effect": %q, "Action": "sns:Publish", "Resource": "*",
		"Principal": {"AWS": %q}}}`
	allowed := granting([]string{"sns:Publish *"})
	for _, tt := range []struct {
		name string
		kind audit.ActionType
		rolePolicies
		want bool
	}{
		{"a role that may be handed to AWS IoT", audit.EnableIoTLogging,
			rolePolicies{document: fmt.Sprintf(passing, "iot.amazonaws.com")}, true},
		{"a role that may be handed to another service", audit.EnableIoTLogging,
			rolePolicies{document: fmt.Sprintf(passing, "lambda.amazonaws.com")}, false},
		{"a topic that denies the role", audit.PublishFindingToSNS,
			rolePolicies{allowed, fmt.Sprintf(topic, "Deny", actor)}, false},
		{"a topic that allows the role, which no policy of its own does", audit.PublishFindingToSNS,
			rolePolicies{granting(nil), fmt.Sprintf(topic, "Allow", actor)}, true},
		{"a topic that allows another role", audit.PublishFindingToSNS,
			rolePolicies{granting(nil), fmt.Sprintf(topic, "Allow", journal)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if why := byKind[tt.kind].refusal(t, tt.rolePolicies); (why == "") != tt.want {
				t.Errorf("got %q, want allowed: %v", why, tt.want)
			}
		})
	}
}
