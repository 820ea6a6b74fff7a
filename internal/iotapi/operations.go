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

		// Certificates and certificate authorities.
		awswire.Op(wire.RegisterCertificateWithoutCA, a.registerCertificateWithoutCA),
		awswire.Op(wire.RegisterCertificate, a.registerCertificate),
		awswire.Op(wire.DescribeCertificate, a.describeCertificate),
		awswire.Op(wire.UpdateCertificate, a.updateCertificate),
		awswire.Op(wire.DeleteCertificate, a.deleteCertificate),
		awswire.Op(wire.ListCertificates, a.listCertificates),
		awswire.Op(wire.ListCertificatesByCA, a.listCertificatesByCA),

		// Policies.

		// Account.
	}
}
