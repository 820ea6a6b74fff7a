package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

func (j *journey) authorization() {
	cert := j.arn("cert", register(j, j.c, in(100)))
	thing(j, j.c, "sdk-pump", *cert)
	group(j.T, j.c, "sdk-hall", "")
	join(j.T, j.c, "sdk-pump", "sdk-hall")
	allow := func(effect, topic string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":"iot:Publish","Resource":"` +
			*j.arn("topic", topic) + `"}]}`
	}
	own, hall := allow("Allow", "a"), allow("Allow", "${aws:SourceIp}")
	policy(j.T, j.c, "sdk-own", own)
	policy(j.T, j.c, "sdk-hall", hall)
	policy(j.T, j.c, "sdk-ban", allow("Deny", "a"))
	attachTo(j.T, j.c, "sdk-own", cert)
	attachTo(j.T, j.c, "sdk-hall", j.arn("thinggroup", "sdk-hall"))
	effective := func(name, document string) types.EffectivePolicy {
		return types.EffectivePolicy{PolicyName: &name, PolicyArn: j.arn("policy", name), PolicyDocument: &document}
	}
	step(j, &iot.GetEffectivePoliciesInput{Principal: cert, ThingName: new("sdk-pump")}, &iot.GetEffectivePoliciesOutput{
		EffectivePolicies: []types.EffectivePolicy{effective("sdk-hall", hall), effective("sdk-own", own)},
	})
	j.refused("cognitoIdentityPoolId", &iot.GetEffectivePoliciesInput{
		Principal: cert, CognitoIdentityPoolId: new("us-east-1:pool"),
	})
	info := types.AuthInfo{ActionType: types.ActionTypePublish, Resources: []string{*j.arn("topic", "a")}}
	j.refused("cognitoIdentityPoolId", &iot.TestAuthorizationInput{
		Principal: cert, AuthInfos: []types.AuthInfo{info}, CognitoIdentityPoolId: new("us-east-1:pool"),
	})
	step(j, &iot.TestAuthorizationInput{
		Principal: cert, ClientId: new("sdk-pump"), AuthInfos: []types.AuthInfo{info},
		PolicyNamesToAdd: []string{"sdk-ban"}, PolicyNamesToSkip: []string{"sdk-own"},
	}, &iot.TestAuthorizationOutput{AuthResults: []types.AuthResult{{
		AuthInfo: &info, AuthDecision: types.AuthDecisionExplicitDeny, MissingContextValues: []string{"aws:SourceIp"},
		Allowed: &types.Allowed{Policies: []types.Policy{}},
		Denied: &types.Denied{
			ExplicitDeny: &types.ExplicitDeny{Policies: []types.Policy{j.policyArn("sdk-ban")}},
			ImplicitDeny: &types.ImplicitDeny{Policies: []types.Policy{j.policyArn("sdk-hall")}},
		},
	}}})
	step(j, &iot.TestAuthorizationInput{Principal: cert, AuthInfos: []types.AuthInfo{info}},
		&iot.TestAuthorizationOutput{AuthResults: []types.AuthResult{{
			AuthInfo: &info, AuthDecision: types.AuthDecisionAllowed, MissingContextValues: []string{},
			Allowed: &types.Allowed{Policies: []types.Policy{j.policyArn("sdk-own")}},
			Denied: &types.Denied{
				ExplicitDeny: &types.ExplicitDeny{Policies: []types.Policy{}},
				ImplicitDeny: &types.ImplicitDeny{Policies: []types.Policy{}},
			},
		}}})
}
