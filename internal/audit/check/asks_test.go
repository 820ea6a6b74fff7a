package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

// The permissions that the audit role must have, by what a check looks at: an
// action and a resource each.
var (
	ofCAs          = []string{"iot:ListCACertificates *", "iot:DescribeCACertificate " + ofKind("cacert")}
	ofCertificates = []string{"iot:ListCertificates *", "iot:DescribeCertificate " + ofKind("cert")}
	ofPolicies     = []string{"iot:ListPolicies *", "iot:GetPolicy " + ofKind("policy")}
	ofSettings     = []string{"iot:GetLoggingOptions *", "iot:GetV2LoggingOptions *"}
	ofRoles        = []string{
		"iam:GetRole " + anyRole, "iam:ListRolePolicies " + anyRole, "iam:GetRolePolicy " + anyRole,
		"iam:ListAttachedRolePolicies " + anyRole, "iam:GetPolicy " + anyPolicy, "iam:GetPolicyVersion " + anyPolicy,
	}
	ofPools = append(slices.Clone(ofRoles),
		"cognito-identity:GetIdentityPoolRoles arn:aws:cognito-identity:eu-west-1:111111111111:identitypool/*")
	ofAliases = slices.Concat(
		[]string{"iot:ListRoleAliases *", "iot:DescribeRoleAlias " + ofKind("rolealias")}, ofRoles,
		[]string{"iam:GenerateServiceLastAccessedDetails " + anyRole, "iam:GetServiceLastAccessedDetails *"})
)

const (
	anyRole   = "arn:aws:iam::111111111111:role/*"
	anyPolicy = "arn:aws:iam::111111111111:policy/*"
)

func ofKind(kind string) string { return "arn:aws:iot:eu-west-1:111111111111:" + kind + "/*" }

func TestWhatAChecksRoleNeeds(t *testing.T) {
	want := map[string][]string{
		"LOGGING_DISABLED_CHECK":                                       ofSettings,
		"CA_CERTIFICATE_EXPIRING_CHECK":                                ofCAs,
		"CA_CERTIFICATE_KEY_QUALITY_CHECK":                             ofCAs,
		"REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK":                    ofCAs,
		"DEVICE_CERTIFICATE_EXPIRING_CHECK":                            ofCertificates,
		"DEVICE_CERTIFICATE_AGE_CHECK":                                 ofCertificates,
		"DEVICE_CERTIFICATE_KEY_QUALITY_CHECK":                         ofCertificates,
		"DEVICE_CERTIFICATE_SHARED_CHECK":                              ofCertificates,
		"REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK":                ofCertificates,
		"INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK": ofCertificates,
		"CONFLICTING_CLIENT_IDS_CHECK":                                 nil, // no call tells of connections
		"IOT_POLICY_OVERLY_PERMISSIVE_CHECK":                           ofPolicies,
		"IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK":                  ofPolicies,
		"AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK":           ofPools,
		"UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK":         ofPools,
		"IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK":                       ofAliases,
		"IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK":        ofAliases,
	}
	version := identity.AWSPolicyVersion("arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit")
	document, err := policy.ParseIdentity(version.Document)
	if err != nil {
		t.Fatal(err)
	}
	permissions := policy.NewPermissions(document)
	for _, c := range All {
		var got []string
		for _, ask := range c.Asks(fleet.Scope{Account: "111111111111", Region: "eu-west-1"}) {
			if ask.Resource == "" {
				ask.Resource = "*"
			}
			got = append(got, ask.Action+" "+ask.Resource)
			if permissions.Decide(policy.Request{Action: ask.Action, Resource: ask.Resource}) != policy.Allowed {
				t.Errorf("%s: the policy of AWS for audits does not allow %s", c.Name, ask.Action)
			}
		}
		if list, ok := want[c.Name]; !ok || !slices.Equal(got, list) {
			t.Errorf("%s asks for %s, want %s", c.Name, strings.Join(got, ", "), strings.Join(list, ", "))
		}
	}
}
