package iotapi_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// Policy documents under test.
const (
	narrowPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish",` +
		`"Resource":"arn:aws:iot:us-east-1:000000000000:topic/plant/${iot:Connection.Thing.ThingName}/up"}]}`
	broadPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Publish"],` +
		`"Resource":"*"}]}`
	// A Deny with an MQTT wildcard, and one that a wildcard subscription passes.
	misconfiguredPolicy = `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":"iot:Subscribe",` +
		`"Resource":"arn:aws:iot:us-east-1:000000000000:topicfilter/building/*"},` +
		`{"Effect":"Allow","Action":"iot:Receive","Resource":"arn:aws:iot:us-east-1:000000000000:topic/building/*"},` +
		`{"Effect":"Deny","Action":"iot:Subscribe","Resource":[` +
		`"arn:aws:iot:us-east-1:000000000000:topicfilter/building/vault/#",` +
		`"arn:aws:iot:us-east-1:000000000000:topicfilter/building/control_room/*"]}]}`
	blankPolicy = `{"Version":"2012-10-17","Statement":[]}`
)

// policy makes a policy.
func policy(t testing.TB, c *iot.Client, name, document string) {
	t.Helper()
	_, err := c.CreatePolicy(t.Context(), &iot.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	if err != nil {
		t.Fatalf("create policy: %v", err)
	}
}

// policyVersion makes another version of a policy and returns its id.
func policyVersion(t testing.TB, c *iot.Client, name, document string, inForce bool) string {
	t.Helper()
	out, err := c.CreatePolicyVersion(t.Context(), &iot.CreatePolicyVersionInput{
		PolicyName: &name, PolicyDocument: &document, SetAsDefault: inForce,
	})
	if err != nil {
		t.Fatalf("create policy version: %v", err)
	}
	return *out.PolicyVersionId
}

// inForce is the default version of a policy and its document.
func inForce(t testing.TB, c *iot.Client, name string) (version, document string) {
	t.Helper()
	out, err := c.GetPolicy(t.Context(), &iot.GetPolicyInput{PolicyName: &name})
	if err != nil {
		t.Fatalf("get policy: %v", err)
	}
	return *out.DefaultVersionId, *out.PolicyDocument
}

// newCA makes a certificate authority.
func newCA(t testing.TB, template fixture.Template) *fixture.CA {
	t.Helper()
	return must[*fixture.CA](t)(fixture.NewCA(template))
}

// registerCA registers a certificate authority in mode DEFAULT and returns its
// id.
func registerCA(t testing.TB, c *iot.Client, ca *fixture.CA, active bool) string {
	t.Helper()
	out, err := c.RegisterCACertificate(t.Context(), &iot.RegisterCACertificateInput{
		CaCertificate: &ca.PEM, VerificationCertificate: verification(t, c, ca), SetAsActive: active,
	})
	if err != nil {
		t.Fatalf("register CA certificate: %v", err)
	}
	return *out.CertificateId
}

// verification proves that the caller holds the key of a CA.
func verification(t testing.TB, c *iot.Client, ca *fixture.CA) *string {
	t.Helper()
	code, err := c.GetRegistrationCode(t.Context(), &iot.GetRegistrationCodeInput{})
	if err != nil {
		t.Fatalf("get registration code: %v", err)
	}
	return new(must[string](t)(ca.Verification(*code.RegistrationCode)))
}

// statusOfCA is the state of a CA certificate.
func statusOfCA(t testing.TB, c *iot.Client, id string) types.CACertificateStatus {
	t.Helper()
	out, err := c.DescribeCACertificate(t.Context(), &iot.DescribeCACertificateInput{CertificateId: &id})
	if err != nil {
		t.Fatalf("describe CA certificate: %v", err)
	}
	return out.CertificateDescription.Status
}

// thing makes a thing, attached to a certificate unless that is "".
func thing(t testing.TB, c *iot.Client, name, principal string) {
	t.Helper()
	if _, err := c.CreateThing(t.Context(), &iot.CreateThingInput{ThingName: &name}); err != nil {
		t.Fatalf("create thing: %v", err)
	}
	if principal == "" {
		return
	}
	_, err := c.AttachThingPrincipal(t.Context(), &iot.AttachThingPrincipalInput{ThingName: &name, Principal: &principal})
	if err != nil {
		t.Fatalf("attach thing: %v", err)
	}
}

// group makes a thing group, under a parent unless that is "".
func group(t testing.TB, c *iot.Client, name, parent string) {
	t.Helper()
	in := &iot.CreateThingGroupInput{ThingGroupName: &name}
	if parent != "" {
		in.ParentGroupName = &parent
	}
	if _, err := c.CreateThingGroup(t.Context(), in); err != nil {
		t.Fatalf("create thing group: %v", err)
	}
}

// join puts a thing into a group.
func join(t testing.TB, c *iot.Client, thing, group string) {
	t.Helper()
	_, err := c.AddThingToThingGroup(t.Context(), &iot.AddThingToThingGroupInput{
		ThingName: &thing, ThingGroupName: &group,
	})
	if err != nil {
		t.Fatalf("add thing to group: %v", err)
	}
}

// groupsOf are the groups that a thing is in.
func groupsOf(t testing.TB, c *iot.Client, thing string) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := c.ListThingGroupsForThing(ctx, &iot.ListThingGroupsForThingInput{ThingName: &thing, NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return groupNames(out.ThingGroups), out.NextToken, nil
	})
}

func groupNames(list []types.GroupNameAndArn) []string {
	var names []string
	for _, g := range list {
		names = append(names, *g.GroupName)
	}
	return names
}

// membersOf are the things in a group.
func membersOf(t testing.TB, c *iot.Client, group string) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := c.ListThingsInThingGroup(ctx, &iot.ListThingsInThingGroupInput{
			ThingGroupName: &group, NextToken: token, MaxResults: new(int32(250)),
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Things, out.NextToken, nil
	})
}
