package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// attempt is a call about a world, with how it ends for somebody whose scope
// is empty and for the owner of an equal world.
type attempt struct {
	in       any
	stranger want
	owner    want
}

// part is what one resource adds to a world, in a file of its own.
type part struct {
	furnish       func(*testing.T, *world) // last, in an otherwise furnished world
	reads, writes func(*world) []attempt
}

var parts = []part{
	dynamicGroupPart,
	tagPart,
	transferPart,
	suppressionPart,
	authorizationPart,
	roleAliasPart,
	logLevelPart,
	principalPolicyPart,
	schedulePart,
	typePart,
	indexPart,
}

// reads are the calls that change nothing. All succeed for the owner, so that
// a refusal of a stranger is one for the scope.
func (w *world) reads() []attempt {
	all := w.commonReads()
	for _, p := range parts {
		all = append(all, p.reads(w)...)
	}
	return all
}

// writes are the calls that change something, in an order in which the owner
// may make them all: those of the parts first, for the others take away what
// stands.
func (w *world) writes() (all []attempt) {
	for _, p := range parts {
		all = append(all, p.writes(w)...)
	}
	return append(all, w.commonWrites()...)
}

func (w *world) commonReads() []attempt {
	from, to := window()
	return []attempt{
		{&iot.DescribeAccountAuditConfigurationInput{}, fine, fine},
		{&iot.DescribeAuditTaskInput{TaskId: &w.audit}, notFound, fine},
		{&iot.ListAuditTasksInput{StartTime: from, EndTime: to}, fine, fine},
		{&iot.ListAuditFindingsInput{TaskId: &w.audit}, fine, fine},
		{&iot.ListAuditFindingsInput{StartTime: from, EndTime: to}, fine, fine},
		{&iot.DescribeAuditFindingInput{FindingId: &w.finding}, notFound, fine},
		{&iot.ListRelatedResourcesForAuditFindingInput{FindingId: &w.finding}, notFound, fine},
		{&iot.DescribeMitigationActionInput{ActionName: new("home-join")}, notFound, fine},
		{&iot.ListMitigationActionsInput{}, fine, fine},
		{&iot.DescribeAuditMitigationActionsTaskInput{TaskId: new("home-task")}, notFound, fine},
		{&iot.ListAuditMitigationActionsTasksInput{StartTime: from, EndTime: to}, fine, fine},
		{&iot.ListAuditMitigationActionsTasksInput{StartTime: from, EndTime: to, AuditTaskId: &w.audit}, fine, fine},
		{&iot.ListAuditMitigationActionsTasksInput{StartTime: from, EndTime: to, FindingId: &w.finding}, fine, fine},
		{&iot.ListAuditMitigationActionsExecutionsInput{TaskId: new("home-task"), FindingId: &w.finding}, fine, fine},
		{&iot.DescribeThingInput{ThingName: new("home-pump")}, notFound, fine},
		{&iot.ListThingsInput{}, fine, fine},
		{&iot.DescribeThingGroupInput{ThingGroupName: new("home-lab")}, notFound, fine},
		{&iot.ListThingGroupsInput{}, fine, fine},
		{&iot.ListThingGroupsForThingInput{ThingName: new("home-pump")}, notFound, fine},
		{&iot.ListThingsInThingGroupInput{ThingGroupName: new("home-lab")}, notFound, fine},
		{&iot.ListThingPrincipalsInput{ThingName: new("home-pump")}, notFound, fine},
		{&iot.ListThingPrincipalsV2Input{ThingName: new("home-pump")}, notFound, fine},
		{&iot.ListPrincipalThingsInput{Principal: w.arn("cert", w.expiredID)}, notFound, fine},
		{&iot.ListPrincipalThingsV2Input{Principal: w.arn("cert", w.expiredID)}, notFound, fine},
		{&iot.DescribeCertificateInput{CertificateId: &w.expiringID}, notFound, fine},
		{&iot.ListCertificatesInput{}, fine, fine},
		{&iot.ListCertificatesByCAInput{CaCertificateId: &w.caID}, fine, fine},
		{&iot.GetRegistrationCodeInput{}, fine, fine},
		{&iot.DescribeCACertificateInput{CertificateId: &w.caID}, notFound, fine},
		{&iot.ListCACertificatesInput{}, fine, fine},
		{&iot.GetPolicyInput{PolicyName: new("home-broad")}, notFound, fine},
		{&iot.ListPoliciesInput{}, fine, fine},
		{&iot.GetPolicyVersionInput{PolicyName: new("home-broad"), PolicyVersionId: new("1")}, notFound, fine},
		{&iot.ListPolicyVersionsInput{PolicyName: new("home-broad")}, notFound, fine},
		{&iot.ListAttachedPoliciesInput{Target: w.arn("cert", w.expiredID)}, notFound, fine},
		{&iot.ListAttachedPoliciesInput{Target: w.arn("thinggroup", "home-lab"), Recursive: true}, notFound, fine},
		{&iot.ListTargetsForPolicyInput{PolicyName: new("home-broad")}, notFound, fine},
		{&iot.GetLoggingOptionsInput{}, fine, fine},
		{&iot.GetV2LoggingOptionsInput{}, notConfigured, fine},
		{&iot.DescribeEndpointInput{}, fine, fine},
	}
}

func (w *world) commonWrites() []attempt {
	m := mapping{checkExpiring: {"home-deactivate", "home-join"}}
	cert := w.arn("cert", w.expiringID)
	pump, broad := new("home-pump"), new("home-broad")
	return []attempt{
		// Audit and mitigation.
		{&iot.CancelAuditTaskInput{TaskId: &w.audit}, notFound, invalid},
		{&iot.CancelAuditMitigationActionsTaskInput{TaskId: new("home-task")}, notFound, invalid},
		{&iot.StartAuditMitigationActionsTaskInput{
			TaskId: new("home-next"), ClientRequestToken: new("home-next"), Target: aim(w.audit), AuditCheckToActionsMapping: m,
		}, invalid, fine},
		{&iot.StartAuditMitigationActionsTaskInput{
			TaskId: new("home-last"), ClientRequestToken: new("home-last"), Target: aimAtFinding(w.finding),
			AuditCheckToActionsMapping: m,
		}, invalid, fine},
		{&iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{checkExpiring}}, invalid, fine},
		{&iot.UpdateMitigationActionInput{ActionName: new("home-join"), RoleArn: new(*w.role() + "-2")}, notFound, fine},
		{&iot.DeleteMitigationActionInput{ActionName: new("home-join")}, fine, fine},
		{&iot.DeleteAccountAuditConfigurationInput{}, notFound, fine},
		{&iot.UpdateAccountAuditConfigurationInput{
			RoleArn: w.role(), AuditCheckConfigurations: map[string]types.AuditCheckConfiguration{checkAge: {Enabled: true}},
		}, fine, fine},

		// Things and groups.
		{&iot.UpdateThingInput{ThingName: pump, AttributePayload: &types.AttributePayload{
			Attributes: map[string]string{"note": "changed"},
		}}, notFound, fine},
		{&iot.UpdateThingGroupInput{ThingGroupName: new("home-lab"), ThingGroupProperties: &types.ThingGroupProperties{
			ThingGroupDescription: new("changed"),
		}}, notFound, fine},
		{&iot.AddThingToThingGroupInput{ThingName: new("home-valve"), ThingGroupName: new("home-hall")}, notFound, fine},
		{&iot.AddThingToThingGroupInput{
			ThingArn: w.arn("thing", "home-spare"), ThingGroupArn: w.arn("thinggroup", "home-hall"),
		}, notFound, fine},
		{&iot.RemoveThingFromThingGroupInput{ThingName: pump, ThingGroupName: new("home-lab")}, notFound, fine},
		{&iot.UpdateThingGroupsForThingInput{ThingName: pump, ThingGroupsToAdd: []string{"home-spare"}}, notFound, fine},
		{&iot.DetachThingPrincipalInput{ThingName: pump, Principal: cert}, notFound, fine},
		{&iot.AttachThingPrincipalInput{ThingName: new("home-valve"), Principal: cert}, notFound, fine},

		// Certificates.
		{&iot.UpdateCertificateInput{CertificateId: &w.expiringID, NewStatus: types.CertificateStatusRevoked}, notFound,
			fine},
		{&iot.DeleteCertificateInput{CertificateId: &w.spareID, ForceDelete: true}, notFound, fine},
		{&iot.RegisterCertificateInput{CertificatePem: &w.signed, Status: types.CertificateStatusActive},
			certificateWrong, fine},
		{&iot.UpdateCACertificateInput{CertificateId: &w.caID, NewStatus: types.CACertificateStatusInactive}, notFound, fine},
		{&iot.DeleteCACertificateInput{CertificateId: &w.otherCAID}, notFound, fine},

		// Policies.
		{&iot.CreatePolicyVersionInput{PolicyName: broad, PolicyDocument: new(narrowPolicy), SetAsDefault: true},
			notFound, fine},
		{&iot.SetDefaultPolicyVersionInput{PolicyName: broad, PolicyVersionId: new("2")}, notFound, fine},
		{&iot.DeletePolicyVersionInput{PolicyName: broad, PolicyVersionId: new("3")}, notFound, fine},
		{&iot.AttachPolicyInput{PolicyName: broad, Target: cert}, notFound, fine},
		{&iot.DetachPolicyInput{PolicyName: broad, Target: w.arn("thinggroup", "home-lab")}, notFound, fine},
		{&iot.DeletePolicyInput{PolicyName: new("home-spare")}, notFound, fine},

		// What is gone is deleted again without a word.
		{&iot.DeleteThingInput{ThingName: new("home-spare")}, fine, fine},
		{&iot.DeleteThingGroupInput{ThingGroupName: new("home-spare")}, fine, fine},

		// What succeeds in any scope.
		{&iot.CreateThingInput{ThingName: new("home-new")}, fine, fine},
		{&iot.CreateThingGroupInput{ThingGroupName: new("home-new")}, fine, fine},
		{&iot.CreatePolicyInput{PolicyName: new("home-spare"), PolicyDocument: new(narrowPolicy)}, fine, fine},
		{&iot.CreateMitigationActionInput{
			ActionName: new("home-deactivate"), RoleArn: w.role(), ActionParams: new(deactivate()),
		}, fine, fine},
		{&iot.RegisterCertificateWithoutCAInput{CertificatePem: &w.alone}, fine, fine},
		{&iot.RegisterCACertificateInput{CaCertificate: &w.newCA.PEM, CertificateMode: types.CertificateModeSniOnly},
			fine, fine},
		{&iot.CreateKeysAndCertificateInput{SetAsActive: true}, fine, fine},
		{&iot.CreateCertificateFromCsrInput{CertificateSigningRequest: &w.csr}, fine, fine},
		{&iot.SetLoggingOptionsInput{LoggingOptionsPayload: &types.LoggingOptionsPayload{
			RoleArn: w.role(), LogLevel: types.LogLevelDebug,
		}}, fine, fine},
		{&iot.SetV2LoggingOptionsInput{RoleArn: w.role(), DefaultLogLevel: types.LogLevelDebug}, fine, fine},
		{&iot.DeleteRegistrationCodeInput{}, fine, fine},
	}
}
