package iotapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// ofDevices begins the ARNs of these tests' documents.
const ofDevices = "arn:aws:iot:us-east-1:000000000000:"

// statement is a statement of a document about one action and resource.
func statement(effect, action, resource string) string {
	return fmt.Sprintf(`{"Effect":%q,"Action":"iot:%s","Resource":"%s%s"}`, effect, action, ofDevices, resource)
}

func documentOf(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func attachTo(t *testing.T, c *iot.Client, policy string, target *string) {
	t.Helper()
	_, err := c.AttachPolicy(t.Context(), &iot.AttachPolicyInput{PolicyName: &policy, Target: target})
	expect(t, err, fine)
}

func effectivePolicies(t *testing.T, c *iot.Client, in *iot.GetEffectivePoliciesInput) string {
	t.Helper()
	out, err := c.GetEffectivePolicies(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range out.EffectivePolicies {
		names = append(names, *p.PolicyName)
		if !strings.HasSuffix(*p.PolicyArn, ":policy/"+*p.PolicyName) || !strings.Contains(*p.PolicyDocument, *p.PolicyName) {
			t.Errorf("got %s, %s for %s, want its own", *p.PolicyArn, *p.PolicyDocument, *p.PolicyName)
		}
	}
	return strings.Join(names, " ")
}

// device makes a certificate of two things, each in a group of its own below
// one; policies are named after what they are attached to.
func device(t *testing.T, c *iot.Client) (arn *string) {
	t.Helper()
	arn = new(ofDevices + "cert/" + register(t, c, fixture.Template{CommonName: "device"}))
	for _, name := range []string{"own", "root", "left", "right"} {
		policy(t, c, name, documentOf(statement("Allow", "Publish", "topic/"+name+"/*")))
	}
	group(t, c, "root", "")
	group(t, c, "left", "root")
	group(t, c, "right", "root")
	for _, side := range []string{"left", "right"} {
		thing := "thing-" + side
		_, err := c.CreateThing(t.Context(), &iot.CreateThingInput{
			ThingName: &thing, AttributePayload: &types.AttributePayload{Attributes: map[string]string{"side": side}},
		})
		expect(t, err, fine)
		join(t, c, thing, side)
		_, err = c.AttachThingPrincipal(t.Context(), &iot.AttachThingPrincipalInput{ThingName: &thing, Principal: arn})
		expect(t, err, fine)
	}
	attachTo(t, c, "own", arn)
	for _, name := range []string{"root", "left", "right"} {
		attachTo(t, c, name, new(ofDevices+"thinggroup/"+name))
	}
	return arn
}

func TestGetEffectivePolicies(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cert := device(t, c)
		thing(t, c, "thing-alone", "")
		for _, tt := range []struct {
			name string
			in   iot.GetEffectivePoliciesInput
			want string
		}{
			{"a certificate alone", iot.GetEffectivePoliciesInput{Principal: cert}, "own"},
			{"as one of its things", iot.GetEffectivePoliciesInput{Principal: cert, ThingName: new("thing-left")},
				"left own root"},
			{"as a thing that it is not attached to",
				iot.GetEffectivePoliciesInput{Principal: cert, ThingName: new("thing-alone")}, "own"},
			{"a group", iot.GetEffectivePoliciesInput{Principal: new(ofDevices + "thinggroup/right")}, "right root"},
			{"a thing", iot.GetEffectivePoliciesInput{ThingName: new("thing-right")}, "right root"},
		} {
			if got := effectivePolicies(t, c, &tt.in); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
		for _, tt := range []struct {
			name string
			in   iot.GetEffectivePoliciesInput
			want want
		}{
			{"nobody", iot.GetEffectivePoliciesInput{}, invalid},
			{"an identity pool", iot.GetEffectivePoliciesInput{Principal: cert, CognitoIdentityPoolId: new("us-east-1:1")},
				invalid},
			{"an identity", iot.GetEffectivePoliciesInput{Principal: new("us-east-1:1")}, invalid},
			{"a group as a thing", iot.GetEffectivePoliciesInput{
				Principal: new(ofDevices + "thinggroup/right"), ThingName: new("thing-left")}, invalid},
			{"a policy", iot.GetEffectivePoliciesInput{Principal: new(ofDevices + "policy/own")}, invalid},
			{"a thing that is not there", iot.GetEffectivePoliciesInput{Principal: cert, ThingName: new("moon")}, notFound},
			{"a thing alone that is not there", iot.GetEffectivePoliciesInput{ThingName: new("moon")}, notFound},
			{"a certificate that is not there", iot.GetEffectivePoliciesInput{
				Principal: new(ofDevices + "cert/" + strings.Repeat("a", 64))}, notFound},
			{"a group that is not there", iot.GetEffectivePoliciesInput{Principal: new(ofDevices + "thinggroup/moon")},
				notFound},
		} {
			_, err := c.GetEffectivePolicies(t.Context(), &tt.in)
			if got := outcome(err); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}

// authorized is a result in one line: the decision, then the policies that allow,
// deny and say nothing, then the missing values.
func authorized(r types.AuthResult) string {
	names := func(list []types.Policy) string {
		var out []string
		for _, p := range list {
			out = append(out, *p.PolicyName)
		}
		return strings.Join(out, " ")
	}
	return strings.Join([]string{
		string(r.AuthDecision), names(r.Allowed.Policies), names(r.Denied.ExplicitDeny.Policies),
		names(r.Denied.ImplicitDeny.Policies), strings.Join(r.MissingContextValues, " "),
	}, "|")
}

func about(action types.ActionType, resources ...string) types.AuthInfo {
	info := types.AuthInfo{ActionType: action}
	for _, r := range resources {
		info.Resources = append(info.Resources, ofDevices+r)
	}
	return info
}

func TestTestAuthorization(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cert := device(t, c)
		policy(t, c, "ban", documentOf(statement("Deny", "*", "topic/own/secret")))
		policy(t, c, "self", documentOf(
			statement("Allow", "Connect", "client/${iot:Connection.Thing.ThingName}"),
			statement("Allow", "Subscribe", "topicfilter/${iot:Connection.Thing.Attributes[side]}/#"),
			statement("Allow", "Receive", "topic/${iot:Certificate.Subject.CommonName}/${iot:DomainName}")))
		publish := func(topics ...string) []types.AuthInfo {
			return []types.AuthInfo{about(types.ActionTypePublish, topics...)}
		}
		for _, tt := range []struct {
			name  string
			in    iot.TestAuthorizationInput
			infos []types.AuthInfo
			want  string
		}{
			{"its own policy", iot.TestAuthorizationInput{}, publish("topic/own/a"), "ALLOWED|own|||"},
			{"a group's is not its own", iot.TestAuthorizationInput{}, publish("topic/left/a"), "IMPLICIT_DENY|||own|"},
			{"a group's, as its thing", iot.TestAuthorizationInput{ClientId: new("thing-left")}, publish("topic/left/a"),
				"ALLOWED|left||own root|"},
			{"one of two resources", iot.TestAuthorizationInput{ClientId: new("thing-left")},
				publish("topic/left/a", "topic/right/a"), "IMPLICIT_DENY|left||own root|"},
			{"with a ban", iot.TestAuthorizationInput{PolicyNamesToAdd: []string{"ban"}}, publish("topic/own/secret"),
				"EXPLICIT_DENY|own|ban||"},
			{"without its policy", iot.TestAuthorizationInput{PolicyNamesToSkip: []string{"own"}}, publish("topic/own/a"),
				"IMPLICIT_DENY||||"},
			{"to add what it has, and to skip what it has not", iot.TestAuthorizationInput{
				PolicyNamesToAdd: []string{"own", "own"}, PolicyNamesToSkip: []string{"ban"}}, publish("topic/own/a"),
				"ALLOWED|own|||"},
			{"the thing's name", iot.TestAuthorizationInput{ClientId: new("thing-left"), PolicyNamesToAdd: []string{"self"}},
				[]types.AuthInfo{about(types.ActionTypeConnect, "client/thing-left")}, "ALLOWED|self||left own root|"},
			{"another thing's name", iot.TestAuthorizationInput{
				ClientId: new("thing-left"), PolicyNamesToAdd: []string{"self"}},
				[]types.AuthInfo{about(types.ActionTypeConnect, "client/thing-right")}, "IMPLICIT_DENY|||left own root self|"},
			{"the thing's attribute", iot.TestAuthorizationInput{
				ClientId: new("thing-right"), PolicyNamesToAdd: []string{"self"}},
				[]types.AuthInfo{about(types.ActionTypeSubscribe, "topicfilter/right/#")}, "ALLOWED|self||own right root|"},
			{"a client that is no thing", iot.TestAuthorizationInput{
				ClientId: new("moon"), PolicyNamesToAdd: []string{"self"}},
				[]types.AuthInfo{about(types.ActionTypeConnect, "client/moon")},
				"IMPLICIT_DENY|||own self|iot:Connection.Thing.ThingName"},
			{"a value that is not known", iot.TestAuthorizationInput{PolicyNamesToAdd: []string{"self"}},
				[]types.AuthInfo{about(types.ActionTypeReceive, "topic/device/x")}, "IMPLICIT_DENY|||own self|iot:DomainName"},
			{"a group", iot.TestAuthorizationInput{Principal: new(ofDevices + "thinggroup/left")}, publish("topic/root/a"),
				"ALLOWED|root||left|"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if tt.in.AuthInfos = tt.infos; tt.in.Principal == nil {
					tt.in.Principal = cert
				}
				out, err := c.TestAuthorization(t.Context(), &tt.in)
				if err != nil {
					t.Fatal(err)
				}
				if got := authorized(out.AuthResults[0]); len(out.AuthResults) != 1 || got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if got := out.AuthResults[0].AuthInfo; got.ActionType != tt.infos[0].ActionType ||
					!slices.Equal(got.Resources, tt.infos[0].Resources) {
					t.Errorf("got %+v, want the question %+v", got, tt.infos[0])
				}
			})
		}
	})
}

func TestTestAuthorizationRefuses(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cert := new(ofDevices + "cert/" + register(t, c, fixture.Template{CommonName: "device"}))
		topic, many := ofDevices+"topic/a", make([]string, 101)
		for i := range many {
			many[i] = topic
		}
		good := []types.AuthInfo{about(types.ActionTypePublish, "topic/a")}
		for _, tt := range []struct {
			name string
			in   iot.TestAuthorizationInput
			want want
			text string
		}{
			{"nobody", iot.TestAuthorizationInput{AuthInfos: good}, invalid, "principal"},
			{"no action", iot.TestAuthorizationInput{Principal: cert, AuthInfos: []types.AuthInfo{
				good[0], {Resources: []string{topic}}}}, invalid, "authInfos.2.actionType"},
			{"no resource", iot.TestAuthorizationInput{Principal: cert, AuthInfos: []types.AuthInfo{
				{ActionType: types.ActionTypePublish, Resources: []string{}}}}, invalid, "authInfos.1.resources"},
			{"a resource that is no ARN", iot.TestAuthorizationInput{Principal: cert, AuthInfos: []types.AuthInfo{
				{ActionType: types.ActionTypePublish, Resources: []string{topic, "topic/a"}}}}, invalid, "authInfos.1.resources.2"},
			{"too many resources", iot.TestAuthorizationInput{Principal: cert, AuthInfos: []types.AuthInfo{
				{ActionType: types.ActionTypePublish, Resources: many}}}, invalid, "101"},
			{"too many policies", iot.TestAuthorizationInput{Principal: cert, AuthInfos: good, PolicyNamesToAdd: many[:1],
				PolicyNamesToSkip: strings.Split(strings.Repeat("p ", 50)+"p", " ")}, invalid, ""},
			{"an identity pool", iot.TestAuthorizationInput{Principal: cert, AuthInfos: good,
				CognitoIdentityPoolId: new("us-east-1:1")}, invalid, "cognitoIdentityPoolId"},
			{"a policy to add that is not there", iot.TestAuthorizationInput{Principal: cert, AuthInfos: good,
				PolicyNamesToAdd: []string{"moon"}}, notFound, `"moon"`},
			{"a policy to skip that is not there", iot.TestAuthorizationInput{Principal: cert, AuthInfos: good,
				PolicyNamesToSkip: []string{"moon"}}, notFound, `"moon"`},
			{"a certificate that is not there", iot.TestAuthorizationInput{AuthInfos: good,
				Principal: new(ofDevices + "cert/" + strings.Repeat("a", 64))}, notFound, ""},
		} {
			_, err := c.TestAuthorization(t.Context(), &tt.in)
			if got := outcome(err); got != tt.want || err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: got %v, want %v that says %q", tt.name, err, tt.want, tt.text)
			}
		}
	})
}
