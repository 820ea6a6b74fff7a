package identity

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/policy"
)

// serviceRole is the path of what is meant for roles of services.
const serviceRole = "/service-role/"

// awsPolicy is a policy that AWS manages and accounts attach. Each statement
// allows its actions on every resource.
type awsPolicy struct {
	path, name, description string
	statements              []allowed
}

// allowed is one statement: actions of a service, apart by spaces, on everything.
type allowed struct {
	service, actions string
	condition        map[string]map[string]string
}

const (
	// configReads and configWrites are what AWSIoTConfigReadOnlyAccess and
	// AWSIoTConfigAccess let read and change.
	configReads = `DescribeAccountAuditConfiguration DescribeAuditTask DescribeAuthorizer DescribeCACertificate
		DescribeCertificate DescribeDefaultAuthorizer DescribeEndpoint DescribeEventConfigurations DescribeIndex DescribeJob
		DescribeJobExecution DescribeRoleAlias DescribeScheduledAudit DescribeSecurityProfile DescribeStream DescribeThing
		DescribeThingGroup DescribeThingRegistrationTask DescribeThingType
		GetEffectivePolicies GetIndexingConfiguration GetJobDocument GetLoggingOptions GetOTAUpdate GetPolicy
		GetPolicyVersion GetRegistrationCode GetTopicRule GetV2LoggingOptions
		ListActiveViolations ListAttachedPolicies ListAuditFindings ListAuditTasks ListAuthorizers ListCACertificates
		ListCertificates ListCertificatesByCA ListIndices ListJobExecutionsForJob ListJobExecutionsForThing ListJobs
		ListOTAUpdates ListOutgoingCertificates ListPolicies ListPolicyPrincipals ListPolicyVersions ListPrincipalPolicies
		ListPrincipalThings ListRoleAliases ListScheduledAudits ListSecurityProfiles ListSecurityProfilesForTarget
		ListStreams ListTargetsForPolicy ListTargetsForSecurityProfile ListThingGroups ListThingGroupsForThing
		ListThingPrincipals ListThingRegistrationTaskReports ListThingRegistrationTasks ListThings ListThingsInThingGroup
		ListThingTypes ListTopicRules ListV2LoggingLevels ListViolationEvents
		SearchIndex TestAuthorization TestInvokeAuthorizer ValidateSecurityProfileBehaviors `
	configWrites = `AcceptCertificateTransfer AddThingToThingGroup AssociateTargetsWithJob AttachPolicy
		AttachPrincipalPolicy AttachSecurityProfile AttachThingPrincipal
		CancelAuditTask CancelCertificateTransfer CancelJob CancelJobExecution ClearDefaultAuthorizer
		CreateAuthorizer CreateCertificateFromCsr CreateJob CreateKeysAndCertificate CreateOTAUpdate CreatePolicy
		CreatePolicyVersion CreateRoleAlias CreateScheduledAudit CreateSecurityProfile CreateStream CreateThing
		CreateThingGroup CreateThingType CreateTopicRule
		DeleteAccountAuditConfiguration DeleteAuthorizer DeleteCACertificate DeleteCertificate DeleteJob DeleteJobExecution
		DeleteOTAUpdate DeletePolicy DeletePolicyVersion DeleteRegistrationCode DeleteRoleAlias DeleteScheduledAudit
		DeleteSecurityProfile DeleteStream DeleteThing DeleteThingGroup DeleteThingType DeleteTopicRule
		DeleteV2LoggingLevel DeprecateThingType DetachPolicy DetachPrincipalPolicy DetachSecurityProfile
		DetachThingPrincipal DisableTopicRule EnableTopicRule
		RegisterCACertificate RegisterCertificate RegisterThing RejectCertificateTransfer RemoveThingFromThingGroup
		ReplaceTopicRule SetDefaultAuthorizer SetDefaultPolicyVersion SetLoggingOptions SetV2LoggingLevel
		SetV2LoggingOptions StartOnDemandAuditTask StartThingRegistrationTask StopThingRegistrationTask TransferCertificate
		UpdateAccountAuditConfiguration UpdateAuthorizer UpdateCACertificate UpdateCertificate UpdateEventConfigurations
		UpdateIndexingConfiguration UpdateRoleAlias UpdateScheduledAudit UpdateSecurityProfile UpdateStream UpdateThing
		UpdateThingGroup UpdateThingGroupsForThing`
)

// iotAlone lets a role be handed to AWS IoT alone.
var iotAlone = map[string]map[string]string{"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}

// awsPolicies are the policies of AWS that users of this service attach. Each
// allows what AWS documents of it, ReadOnlyAccess as far as there is such a
// service here. Source: AWS Managed Policy Reference Guide.
var awsPolicies = []awsPolicy{
	{"/", "AdministratorAccess", "Everything.", []allowed{{service: "*"}}},
	{"/", "AmazonSNSFullAccess", "Everything of SNS.", []allowed{{service: "sns", actions: "*"}}},
	{"/", "AmazonSNSReadOnlyAccess", "Reading of SNS.", []allowed{{
		service: "sns",
		actions: `CheckIfPhoneNumberIsOptedOut GetDataProtectionPolicy GetEndpointAttributes GetPlatformApplicationAttributes
			GetSMSAttributes GetSMSSandboxAccountStatus GetSubscriptionAttributes GetTopicAttributes List*`,
	}}},
	{"/", "AWSIoTConfigAccess", "Configuration of AWS IoT.", []allowed{
		{service: "iot", actions: configReads + configWrites},
	}},
	{"/", "AWSIoTConfigReadOnlyAccess", "Reading the configuration of AWS IoT.", []allowed{
		{service: "iot", actions: configReads},
	}},
	{"/", "AWSIoTDataAccess", "Messages and shadows of AWS IoT.", []allowed{{
		service: "iot",
		actions: `Connect DeleteThingShadow GetThingShadow ListNamedShadowsForThing Publish Receive Subscribe
			UpdateThingShadow`,
	}}},
	{"/", "AWSIoTFullAccess", "Everything of AWS IoT.", []allowed{
		{service: "iot", actions: "*"}, {service: "iotjobsdata", actions: "*"},
	}},
	{"/", "IAMFullAccess", "Everything of IAM.", []allowed{
		{service: "iam", actions: "*"},
		{
			service: "organizations",
			actions: `DescribeAccount DescribeOrganization DescribeOrganizationalUnit DescribePolicy ListChildren ListParents
				ListPolicies ListPoliciesForTarget ListRoots ListTargetsForPolicy`,
		},
	}},
	{"/", "IAMReadOnlyAccess", "Reading of IAM.", []allowed{{
		service: "iam",
		actions: `GenerateCredentialReport GenerateServiceLastAccessedDetails Get* List* SimulateCustomPolicy
			SimulatePrincipalPolicy`,
	}}},
	{"/", "ReadOnlyAccess", "Reading of every service.", []allowed{
		{service: "cognito-identity", actions: "Describe* GetIdentityPoolRoles List* Lookup*"},
		{service: "cordon", actions: "Describe* Get* List*"},
		{service: "iam", actions: "Generate* Get* List* Simulate*"},
		{service: "iot", actions: "Describe* Get* List* SearchIndex"},
		{service: "sns", actions: "Check* Get* List*"},
		{service: "sts", actions: "GetAccessKeyInfo GetCallerIdentity"},
	}},
	{serviceRole, "AWSIoTDeviceDefenderAddThingsToThingGroupMitigationAction",
		"What the mitigation action ADD_THINGS_TO_THING_GROUP calls.", []allowed{
			{service: "iot", actions: "AddThingToThingGroup ListPrincipalThings"},
		}},
	{serviceRole, "AWSIoTDeviceDefenderAudit", "What audits of AWS IoT Device Defender read.", []allowed{
		{service: "cognito-identity", actions: "GetIdentityPoolRoles"},
		{
			service: "iam",
			actions: `GenerateServiceLastAccessedDetails GetPolicy GetPolicyVersion GetRole GetRolePolicy
				GetServiceLastAccessedDetails ListAttachedRolePolicies ListRolePolicies`,
		},
		{
			service: "iot",
			actions: `DescribeCACertificate DescribeCertificate DescribeRoleAlias GetEffectivePolicies GetLoggingOptions
				GetPolicy GetV2LoggingOptions ListCACertificates ListCertificates ListPolicies ListRoleAliases`,
		},
	}},
	{serviceRole, "AWSIoTDeviceDefenderEnableIoTLoggingMitigationAction",
		"What the mitigation action ENABLE_IOT_LOGGING calls.", []allowed{
			{service: "iam", actions: "PassRole", condition: iotAlone}, {service: "iot", actions: "SetV2LoggingOptions"},
		}},
	{serviceRole, "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction",
		"What the mitigation action PUBLISH_FINDING_TO_SNS calls.", []allowed{{service: "sns", actions: "Publish"}}},
	{serviceRole, "AWSIoTDeviceDefenderReplaceDefaultPolicyMitigationAction",
		"What the mitigation action REPLACE_DEFAULT_POLICY_VERSION calls.",
		[]allowed{{service: "iot", actions: "CreatePolicyVersion"}}},
	{serviceRole, "AWSIoTDeviceDefenderUpdateCACertMitigationAction",
		"What the mitigation action UPDATE_CA_CERTIFICATE calls.",
		[]allowed{{service: "iot", actions: "UpdateCACertificate"}}},
	{serviceRole, "AWSIoTDeviceDefenderUpdateDeviceCertMitigationAction",
		"What the mitigation action UPDATE_DEVICE_CERTIFICATE calls.",
		[]allowed{{service: "iot", actions: "UpdateCertificate"}}},
	{serviceRole, "AWSIoTLogging", "Writing the log of AWS IoT.", []allowed{{
		service: "logs",
		actions: `CreateLogGroup CreateLogStream DeleteLogStream GetLogEvents PutLogEvents PutMetricFilter
			PutRetentionPolicy`,
	}}},
}

// awsPolicyDate is the time at which the policies of AWS are said to be made: a
// newer Cordon may have newer ones.
var awsPolicyDate = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// awsVersions are the policies of AWS by ARN, each with its one version.
var awsVersions = awsPoliciesByARN()

type awsVersion struct {
	policy  ManagedPolicy
	version PolicyVersion
}

func awsPoliciesByARN() map[string]awsVersion {
	list := make(map[string]awsVersion, len(awsPolicies))
	for _, p := range awsPolicies {
		sum := sha256.Sum256([]byte(p.name))
		v := awsVersion{
			policy: ManagedPolicy{
				Account: AWSAccount, ID: prefixPolicy + base32.StdEncoding.EncodeToString(sum[:])[:17], Name: p.name,
				Path: p.path, Description: p.description, Default: 1, Created: awsPolicyDate, Updated: awsPolicyDate,
			},
			version: PolicyVersion{Number: 1, Document: p.document(), Default: true, Created: awsPolicyDate},
		}
		list[v.policy.ARN()] = v
	}
	return list
}

// document is the policy as JSON.
func (p awsPolicy) document() string {
	type statement struct {
		Effect    string
		Action    any
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}
	var doc struct {
		Version   string
		Statement []statement
	}
	doc.Version = policy.Version2012
	for _, a := range p.statements {
		s := statement{Effect: string(policy.Allow), Resource: "*", Condition: a.condition}
		actions := strings.Fields(a.actions)
		for i := range actions {
			actions[i] = a.service + ":" + actions[i]
		}
		s.Action = actions
		if len(actions) == 0 {
			s.Action = a.service
		}
		doc.Statement = append(doc.Statement, s)
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // strings, which always marshal
	}
	return string(text)
}

// AWSPolicy returns a policy that AWS manages by its ARN, nobody's uses of it
// counted, or nil.
func AWSPolicy(arn string) *ManagedPolicy {
	if v, ok := awsVersions[arn]; ok {
		return &v.policy
	}
	return nil
}

// AWSPolicyVersion returns the version of a policy that AWS manages by its ARN,
// or nil.
func AWSPolicyVersion(arn string) *PolicyVersion {
	if v, ok := awsVersions[arn]; ok {
		return &v.version
	}
	return nil
}

// AWSPolicies returns the ARNs of the policies that AWS manages, in their order.
func AWSPolicies() []string { return slices.Sorted(maps.Keys(awsVersions)) }
