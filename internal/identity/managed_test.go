package identity

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/policy"
)

func TestPoliciesOfAWS(t *testing.T) {
	id := regexp.MustCompile(`^ANPA[A-Z2-7]{17}$`)
	ids := map[string]bool{}
	for _, arn := range AWSPolicies() {
		p, v := AWSPolicy(arn), AWSPolicyVersion(arn)
		if err := CheckManagedDocument(v.Document); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if e, _ := ParseARN(arn); e != (EntityARN{AWSAccount, "policy", p.Path, p.Name}) {
			t.Errorf("got %+v of %s", e, arn)
		}
		if !id.MatchString(p.ID) || ids[p.ID] || p.Description == "" || p.Default != v.Number || !v.Default {
			t.Errorf("got %+v and %+v", p, v)
		}
		ids[p.ID] = true
		p.Attached = 7
		if AWSPolicy(arn).Attached != 0 {
			t.Error("got the count of somebody else")
		}
	}
	if AWSPolicy("arn:aws:iam::111111111111:policy/AdministratorAccess") != nil {
		t.Error("got a policy of AWS in an account")
	}
}

// Each policy of AWS allows what stands before the slash and not what is behind.
func TestWhatPoliciesOfAWSAllow(t *testing.T) {
	const roles = "service-role/AWSIoTDeviceDefender"
	for name, want := range map[string]string{
		"AdministratorAccess":                           "iot:Publish iam:CreateUser cordon:CreateAccount /",
		"AmazonSNSFullAccess":                           "sns:Publish / iot:Publish",
		"AmazonSNSReadOnlyAccess":                       "sns:GetTopicAttributes sns:ListTopics / sns:Publish sns:Subscribe",
		"AWSIoTConfigAccess":                            "iot:UpdateCertificate iot:DescribeThing / iot:Publish",
		"AWSIoTConfigReadOnlyAccess":                    "iot:DescribeThing / iot:UpdateThing iot:AttachPolicy",
		"AWSIoTDataAccess":                              "iot:Connect iot:Receive iot:Publish / iot:DescribeThing",
		"AWSIoTFullAccess":                              "iot:CreateMitigationAction iot:Connect / iam:PassRole sns:Publish",
		"IAMFullAccess":                                 "iam:PassRole iam:CreateRole / sts:AssumeRole iot:Connect",
		"IAMReadOnlyAccess":                             "iam:GetRole iam:ListUsers / iam:PutRolePolicy iam:PassRole",
		"ReadOnlyAccess":                                "iot:GetPolicy iam:GetRole / iot:UpdateThing sts:AssumeRole",
		roles + "Audit":                                 "cognito-identity:GetIdentityPoolRoles / iot:GetThing",
		roles + "AddThingsToThingGroupMitigationAction": "iot:AddThingToThingGroup iot:ListPrincipalThings / iot:CreateThing",
		roles + "EnableIoTLoggingMitigationAction":      "iot:SetV2LoggingOptions iam:PassRole / iot:SetLoggingOptions",
		roles + "PublishFindingsToSNSMitigationAction":  "sns:Publish / sns:Subscribe",
		roles + "ReplaceDefaultPolicyMitigationAction":  "iot:CreatePolicyVersion / iot:CreatePolicy",
		roles + "UpdateCACertMitigationAction":          "iot:UpdateCACertificate / iot:UpdateCertificate",
		roles + "UpdateDeviceCertMitigationAction":      "iot:UpdateCertificate / iot:UpdateCACertificate",
		"service-role/AWSIoTLogging":                    "logs:PutLogEvents / logs:DeleteLogGroup",
	} {
		v := AWSPolicyVersion("arn:aws:iam::aws:policy/" + name)
		if v == nil {
			t.Errorf("got no %s", name)
			continue
		}
		doc, err := policy.ParseIdentity(v.Document)
		if err != nil {
			t.Fatal(err)
		}
		allow, not, _ := strings.Cut(want, "/ ")
		for action, want := range map[string]bool{allow: true, not: false} {
			for _, action := range strings.Fields(strings.TrimSuffix(action, "/")) {
				got := slices.ContainsFunc(doc.Statements, func(s policy.Statement) bool {
					return s.Effect == policy.Allow && s.MatchAction(action)
				})
				if got != want {
					t.Errorf("%s of %s: got %t, want %t", action, name, got, want)
				}
			}
		}
	}
}
