package iotapi

import (
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// operations are the ones that are served, with the members that they do not
// honour.
func (a *API) operations() []awswire.Served {
	return []awswire.Served{
		// Audit.
		awswire.Op(wire.UpdateAccountAuditConfiguration, a.updateAccountAuditConfiguration).
			Refusing("auditNotificationTargetConfigurations"),
		awswire.Op(wire.DescribeAccountAuditConfiguration, a.describeAccountAuditConfiguration),
		awswire.Op(wire.DeleteAccountAuditConfiguration, a.deleteAccountAuditConfiguration),
		awswire.Op(wire.StartOnDemandAuditTask, a.startOnDemandAuditTask),
		awswire.Op(wire.DescribeAuditTask, a.describeAuditTask),
		awswire.Op(wire.CancelAuditTask, a.cancelAuditTask),
		awswire.Op(wire.ListAuditTasks, a.listAuditTasks),
		awswire.Op(wire.ListAuditFindings, a.listAuditFindings),
		awswire.Op(wire.DescribeAuditFinding, a.describeAuditFinding),
		awswire.Op(wire.ListRelatedResourcesForAuditFinding, a.listRelatedResourcesForAuditFinding),

		// Mitigation.
		awswire.Op(wire.CreateMitigationAction, a.createMitigationAction).
			Refusing("actionParams.publishFindingToSnsParams", "actionParams.addThingsToThingGroupParams.overrideDynamicGroups"),
		awswire.Op(wire.DescribeMitigationAction, a.describeMitigationAction),
		awswire.Op(wire.UpdateMitigationAction, a.updateMitigationAction).
			Refusing("actionParams.publishFindingToSnsParams", "actionParams.addThingsToThingGroupParams.overrideDynamicGroups"),
		awswire.Op(wire.DeleteMitigationAction, a.deleteMitigationAction),
		awswire.Op(wire.ListMitigationActions, a.listMitigationActions),
		awswire.Op(wire.StartAuditMitigationActionsTask, a.startAuditMitigationActionsTask),
		awswire.Op(wire.DescribeAuditMitigationActionsTask, a.describeAuditMitigationActionsTask),
		awswire.Op(wire.CancelAuditMitigationActionsTask, a.cancelAuditMitigationActionsTask),
		awswire.Op(wire.ListAuditMitigationActionsTasks, a.listAuditMitigationActionsTasks),
		awswire.Op(wire.ListAuditMitigationActionsExecutions, a.listAuditMitigationActionsExecutions),

		// Things and thing groups.
		awswire.Op(wire.CreateThing, a.createThing).Refusing("thingTypeName", "billingGroupName"),
		awswire.Op(wire.DescribeThing, a.describeThing),
		awswire.Op(wire.UpdateThing, a.updateThing).Refusing("thingTypeName", "removeThingType"),
		awswire.Op(wire.DeleteThing, a.deleteThing),
		awswire.Op(wire.ListThings, a.listThings).Refusing("thingTypeName"),
		awswire.Op(wire.CreateThingGroup, a.createThingGroup),
		awswire.Op(wire.DescribeThingGroup, a.describeThingGroup),
		awswire.Op(wire.UpdateThingGroup, a.updateThingGroup),
		awswire.Op(wire.DeleteThingGroup, a.deleteThingGroup),
		awswire.Op(wire.ListThingGroups, a.listThingGroups),
		awswire.Op(wire.AddThingToThingGroup, a.addThingToThingGroup).Refusing("overrideDynamicGroups"),
		awswire.Op(wire.RemoveThingFromThingGroup, a.removeThingFromThingGroup),
		awswire.Op(wire.UpdateThingGroupsForThing, a.updateThingGroupsForThing).Refusing("overrideDynamicGroups"),
		awswire.Op(wire.ListThingGroupsForThing, a.listThingGroupsForThing),
		awswire.Op(wire.ListThingsInThingGroup, a.listThingsInThingGroup),

		// Principals of things.
		awswire.Op(wire.AttachThingPrincipal, a.attachThingPrincipal),
		awswire.Op(wire.DetachThingPrincipal, a.detachThingPrincipal),
		awswire.Op(wire.ListThingPrincipals, a.listThingPrincipals),
		awswire.Op(wire.ListThingPrincipalsV2, a.listThingPrincipalsV2),
		awswire.Op(wire.ListPrincipalThings, a.listPrincipalThings),
		awswire.Op(wire.ListPrincipalThingsV2, a.listPrincipalThingsV2),

		// Certificates and certificate authorities.
		awswire.Op(wire.RegisterCertificateWithoutCA, a.registerCertificateWithoutCA),
		awswire.Op(wire.RegisterCertificate, a.registerCertificate),
		awswire.Op(wire.DescribeCertificate, a.describeCertificate),
		awswire.Op(wire.UpdateCertificate, a.updateCertificate),
		awswire.Op(wire.DeleteCertificate, a.deleteCertificate),
		awswire.Op(wire.ListCertificates, a.listCertificates),
		awswire.Op(wire.ListCertificatesByCA, a.listCertificatesByCA),
		awswire.Op(wire.CreateKeysAndCertificate, a.createKeysAndCertificate),
		awswire.Op(wire.CreateCertificateFromCsr, a.createCertificateFromCSR),
		awswire.Op(wire.GetRegistrationCode, a.getRegistrationCode),
		awswire.Op(wire.DeleteRegistrationCode, a.deleteRegistrationCode),
		awswire.Op(wire.RegisterCACertificate, a.registerCACertificate).Refusing("registrationConfig"),
		awswire.Op(wire.DescribeCACertificate, a.describeCACertificate),
		awswire.Op(wire.UpdateCACertificate, a.updateCACertificate).Refusing("registrationConfig"),
		awswire.Op(wire.DeleteCACertificate, a.deleteCACertificate),
		awswire.Op(wire.ListCACertificates, a.listCACertificates).Refusing("templateName"),

		// Policies.
		awswire.Op(wire.CreatePolicy, a.createPolicy),
		awswire.Op(wire.GetPolicy, a.getPolicy),
		awswire.Op(wire.DeletePolicy, a.deletePolicy),
		awswire.Op(wire.ListPolicies, a.listPolicies),
		awswire.Op(wire.CreatePolicyVersion, a.createPolicyVersion),
		awswire.Op(wire.GetPolicyVersion, a.getPolicyVersion),
		awswire.Op(wire.DeletePolicyVersion, a.deletePolicyVersion),
		awswire.Op(wire.ListPolicyVersions, a.listPolicyVersions),
		awswire.Op(wire.SetDefaultPolicyVersion, a.setDefaultPolicyVersion),
		awswire.Op(wire.AttachPolicy, a.attachPolicy),
		awswire.Op(wire.DetachPolicy, a.detachPolicy),
		awswire.Op(wire.ListAttachedPolicies, a.listAttachedPolicies),
		awswire.Op(wire.ListTargetsForPolicy, a.listTargetsForPolicy),

		// Account.
		awswire.Op(wire.SetLoggingOptions, a.setLoggingOptions),
		awswire.Op(wire.GetLoggingOptions, a.getLoggingOptions),
		awswire.Op(wire.SetV2LoggingOptions, a.setV2LoggingOptions),
		awswire.Op(wire.GetV2LoggingOptions, a.getV2LoggingOptions),
		awswire.Op(wire.DescribeEndpoint, a.describeEndpoint),
	}
}
