package iotapi_test

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func (j *journey) suppressions() {
	end := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	leaf := register(j, j.c, in(-1))
	ca := registerCA(j.T, j.c, rocaCA(j.T), true)
	policy(j.T, j.c, "sdk-broad", broadPolicy)
	for check, id := range map[string]*types.ResourceIdentifier{
		checkExpiring: {DeviceCertificateId: &leaf},
		checkCAKey:    {CaCertificateId: &ca},
		checkBroad:    version("sdk-broad", "1"),
		checkLogging:  {Account: &j.Account},
	} {
		step[iot.CreateAuditSuppressionOutput](j, &iot.CreateAuditSuppressionInput{CheckName: &check, ResourceIdentifier: id,
			ExpirationDate: &end, Description: new("known"), ClientRequestToken: new("sdk-" + check)}, nil)
		got := &iot.DescribeAuditSuppressionOutput{CheckName: &check, ResourceIdentifier: id, ExpirationDate: &end,
			SuppressIndefinitely: new(false), Description: new("known")}
		step(j, &iot.DescribeAuditSuppressionInput{CheckName: &check, ResourceIdentifier: id}, got)
		step(j, &iot.ListAuditSuppressionsInput{CheckName: &check, ResourceIdentifier: id},
			&iot.ListAuditSuppressionsOutput{Suppressions: []types.AuditSuppression{{CheckName: &check,
				ResourceIdentifier: id, ExpirationDate: &end, SuppressIndefinitely: new(false), Description: new("known")}}})
		step[iot.UpdateAuditSuppressionOutput](j, &iot.UpdateAuditSuppressionInput{CheckName: &check, ResourceIdentifier: id,
			ExpirationDate: new(end.Add(time.Hour)), Description: new("still known")}, nil)
		step[iot.DeleteAuditSuppressionOutput](j, &iot.DeleteAuditSuppressionInput{
			CheckName: &check, ResourceIdentifier: id,
		}, nil)
	}
	j.suppressedFinding(leaf, end)
}

// suppressedFinding audits a certificate that has expired, and whose finding
// is suppressed, beside one that is not.
func (j *journey) suppressedFinding(leaf string, end time.Time) {
	id := &types.ResourceIdentifier{DeviceCertificateId: &leaf}
	other := &types.ResourceIdentifier{DeviceCertificateId: new(register(j, j.c, in(-1)))}
	step[iot.CreateAuditSuppressionOutput](j, &iot.CreateAuditSuppressionInput{CheckName: new(checkExpiring),
		ResourceIdentifier: id, SuppressIndefinitely: new(true), ClientRequestToken: new("sdk-1")}, nil)
	step[iot.CreateAuditSuppressionOutput](j, &iot.CreateAuditSuppressionInput{CheckName: new(checkExpiring),
		ResourceIdentifier: other, ExpirationDate: &end, ClientRequestToken: new("sdk-2")}, nil)
	step[iot.UpdateAuditSuppressionOutput](j, &iot.UpdateAuditSuppressionInput{CheckName: new(checkExpiring),
		ResourceIdentifier: id, SuppressIndefinitely: new(true), Description: new("for ever")}, nil)
	step(j, &iot.DescribeAuditSuppressionInput{CheckName: new(checkExpiring), ResourceIdentifier: id},
		&iot.DescribeAuditSuppressionOutput{CheckName: new(checkExpiring), ResourceIdentifier: id,
			SuppressIndefinitely: new(true), Description: new("for ever")})
	pages(j, &iot.ListAuditSuppressionsInput{AscendingOrder: true, MaxResults: new(int32(1))},
		&iot.ListAuditSuppressionsOutput{Suppressions: []types.AuditSuppression{{CheckName: new(checkExpiring),
			ResourceIdentifier: other, ExpirationDate: &end, SuppressIndefinitely: new(false)}}},
		&iot.ListAuditSuppressionsOutput{Suppressions: []types.AuditSuppression{{CheckName: new(checkExpiring),
			ResourceIdentifier: id, SuppressIndefinitely: new(true), Description: new("for ever")}}})
	step[iot.DeleteAuditSuppressionOutput](j, &iot.DeleteAuditSuppressionInput{
		CheckName: new(checkExpiring), ResourceIdentifier: other,
	}, nil)

	cordontest.Enable(j, j.c, checkExpiring)
	audit, _ := cordontest.Audit(j, j.c, checkExpiring)
	details := checkDetails(types.AuditCheckRunStatusCompletedNonCompliant, 2, 2)
	details.SuppressedNonCompliantResourcesCount = new(int64(1))
	step(j, &iot.DescribeAuditTaskInput{TaskId: &audit}, &iot.DescribeAuditTaskOutput{
		TaskStatus: types.AuditTaskStatusCompleted, TaskType: types.AuditTaskTypeOnDemandAuditTask, TaskStartTime: &now,
		TaskStatistics: checkCounts(1, 0, 0, 0, 1, 0, 0),
		AuditDetails:   map[string]types.AuditCheckDetails{checkExpiring: details},
	})
	finding := types.AuditFinding{FindingId: &some, TaskId: &audit, CheckName: new(checkExpiring), TaskStartTime: &now,
		FindingTime: &now, Severity: types.AuditFindingSeverityMedium, ReasonForNonCompliance: &some,
		ReasonForNonComplianceCode: new(codePast), IsSuppressed: new(true),
		NonCompliantResource: &types.NonCompliantResource{ResourceType: types.ResourceTypeDeviceCertificate,
			ResourceIdentifier: id, AdditionalInfo: map[string]string{"EXPIRATION_TIME": some}},
	}
	got := step(j, &iot.ListAuditFindingsInput{TaskId: &audit, ListSuppressedFindings: true},
		&iot.ListAuditFindingsOutput{Findings: []types.AuditFinding{finding}}).Findings[0]
	step(j, &iot.DescribeAuditFindingInput{FindingId: got.FindingId}, &iot.DescribeAuditFindingOutput{Finding: &finding})
}
