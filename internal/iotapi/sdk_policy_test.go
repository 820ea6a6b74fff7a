package iotapi_test

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

func (j *journey) policies() {
	narrow, other := new("sdk-narrow"), new("sdk-other")
	document := func(topic string) *string {
		return new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":"` +
			j.ARN("topic", topic) + `"}]}`)
	}
	made := func(name *string, topic string) *iot.CreatePolicyOutput {
		return &iot.CreatePolicyOutput{PolicyName: name, PolicyArn: j.arn("policy", *name),
			PolicyDocument: document(topic), PolicyVersionId: new("1")}
	}
	step(j, &iot.CreatePolicyInput{PolicyName: narrow, PolicyDocument: document("a"),
		Tags: []types.Tag{{Key: new("team"), Value: new("pumps")}}}, made(narrow, "a"))
	step(j, &iot.CreatePolicyInput{PolicyName: other, PolicyDocument: document("a")}, made(other, "a"))
	step(j, &iot.CreatePolicyVersionInput{PolicyName: narrow, PolicyDocument: document("b"), SetAsDefault: true},
		&iot.CreatePolicyVersionOutput{PolicyArn: j.arn("policy", *narrow), PolicyDocument: document("b"),
			PolicyVersionId: new("2"), IsDefaultVersion: true})
	step(j, &iot.GetPolicyVersionInput{PolicyName: narrow, PolicyVersionId: new("2")}, &iot.GetPolicyVersionOutput{
		PolicyName: narrow, PolicyArn: j.arn("policy", *narrow), PolicyDocument: document("b"), PolicyVersionId: new("2"),
		IsDefaultVersion: true, CreationDate: &now, LastModifiedDate: &now, GenerationId: &some,
	})
	step(j, &iot.ListPolicyVersionsInput{PolicyName: narrow}, &iot.ListPolicyVersionsOutput{
		PolicyVersions: []types.PolicyVersion{
			{VersionId: new("2"), IsDefaultVersion: true, CreateDate: &now}, {VersionId: new("1"), CreateDate: &now},
		},
	})
	step[iot.SetDefaultPolicyVersionOutput](j, &iot.SetDefaultPolicyVersionInput{
		PolicyName: narrow, PolicyVersionId: new("1"),
	}, nil)
	step[iot.DeletePolicyVersionOutput](j, &iot.DeletePolicyVersionInput{
		PolicyName: narrow, PolicyVersionId: new("2"),
	}, nil)
	step(j, &iot.GetPolicyInput{PolicyName: narrow}, &iot.GetPolicyOutput{
		PolicyName: narrow, PolicyArn: j.arn("policy", *narrow), PolicyDocument: document("a"), DefaultVersionId: new("1"),
		CreationDate: &now, LastModifiedDate: &now, GenerationId: &some,
	})
	pages(j, &iot.ListPoliciesInput{PageSize: new(int32(1)), AscendingOrder: true},
		&iot.ListPoliciesOutput{Policies: []types.Policy{j.policyArn(*narrow)}},
		&iot.ListPoliciesOutput{Policies: []types.Policy{j.policyArn(*other)}})
	j.policyTargets(*narrow, *other)
	step[iot.DeletePolicyOutput](j, &iot.DeletePolicyInput{PolicyName: other}, nil)
}

// policyArn is how lists name a policy.
func (j *journey) policyArn(name string) types.Policy {
	return types.Policy{PolicyName: &name, PolicyArn: j.arn("policy", name)}
}

func (j *journey) policyTargets(narrow, other string) {
	group(j.T, j.c, "sdk-site", "")
	group(j.T, j.c, "sdk-hall", "sdk-site")
	site, hall := j.arn("thinggroup", "sdk-site"), j.arn("thinggroup", "sdk-hall")
	cert := j.arn("cert", register(j, j.c, in(100)))
	for _, at := range [][2]*string{{&narrow, site}, {&other, hall}, {&narrow, cert}} {
		step[iot.AttachPolicyOutput](j, &iot.AttachPolicyInput{PolicyName: at[0], Target: at[1]}, nil)
	}
	pages(j, &iot.ListAttachedPoliciesInput{Target: hall, Recursive: true, PageSize: new(int32(1))},
		&iot.ListAttachedPoliciesOutput{Policies: []types.Policy{j.policyArn(narrow)}},
		&iot.ListAttachedPoliciesOutput{Policies: []types.Policy{j.policyArn(other)}})
	targets := []string{*cert, *site}
	slices.Sort(targets)
	pages(j, &iot.ListTargetsForPolicyInput{PolicyName: &narrow, PageSize: new(int32(1))},
		&iot.ListTargetsForPolicyOutput{Targets: targets[:1]}, &iot.ListTargetsForPolicyOutput{Targets: targets[1:]})
	step[iot.DetachPolicyOutput](j, &iot.DetachPolicyInput{PolicyName: &other, Target: hall}, nil)
	j.principalPolicies(narrow, other, cert)
}

// principalPolicies makes the calls that the newer ones of targets replace.
//
//lint:file-ignore SA1019 deprecated operations are served too
func (j *journey) principalPolicies(narrow, other string, first *string) {
	second := j.arn("cert", register(j, j.c, in(100)))
	attach := func(policy string, principal *string) {
		step[iot.AttachPrincipalPolicyOutput](j, &iot.AttachPrincipalPolicyInput{
			PolicyName: &policy, Principal: principal,
		}, nil)
	}
	attach(other, first)
	attach(narrow, second)
	pages(j, &iot.ListPrincipalPoliciesInput{Principal: first, PageSize: new(int32(1)), AscendingOrder: true},
		&iot.ListPrincipalPoliciesOutput{Policies: []types.Policy{j.policyArn(narrow)}},
		&iot.ListPrincipalPoliciesOutput{Policies: []types.Policy{j.policyArn(other)}})
	principals := []string{*first, *second}
	slices.Sort(principals)
	pages(j, &iot.ListPolicyPrincipalsInput{PolicyName: &narrow, PageSize: new(int32(1)), AscendingOrder: true},
		&iot.ListPolicyPrincipalsOutput{Principals: principals[:1]},
		&iot.ListPolicyPrincipalsOutput{Principals: principals[1:]})
	step[iot.DetachPrincipalPolicyOutput](j, &iot.DetachPrincipalPolicyInput{PolicyName: &other, Principal: first}, nil)
	step(j, &iot.ListPrincipalPoliciesInput{Principal: first},
		&iot.ListPrincipalPoliciesOutput{Policies: []types.Policy{j.policyArn(narrow)}})
}
