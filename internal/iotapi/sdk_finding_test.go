package iotapi_test

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func (j *journey) findings() {
	leaf := register(j, j.c, in(-1))
	ca := registerCA(j.T, j.c, rocaCA(j.T), true)
	policy(j.T, j.c, "sdk-broad", broadPolicy)
	checks := []string{checkExpiring, checkCAKey, checkBroad, checkLogging}
	cordontest.Enable(j, j.c, checks...)
	audit, _ := cordontest.Audit(j, j.c, checks...)
	about := map[string]types.AuditFinding{}
	finding := func(check, code string, severity types.AuditFindingSeverity, kind types.ResourceType,
		id types.ResourceIdentifier,
	) {
		about[check] = types.AuditFinding{FindingId: &some, TaskId: &audit, CheckName: &check, TaskStartTime: &now,
			FindingTime: &now, Severity: severity, ReasonForNonCompliance: &some, ReasonForNonComplianceCode: &code,
			IsSuppressed:         new(false),
			NonCompliantResource: &types.NonCompliantResource{ResourceType: kind, ResourceIdentifier: &id}}
	}
	finding(checkExpiring, codePast, types.AuditFindingSeverityMedium, types.ResourceTypeDeviceCertificate,
		types.ResourceIdentifier{DeviceCertificateId: &leaf})
	about[checkExpiring].NonCompliantResource.AdditionalInfo = map[string]string{"EXPIRATION_TIME": some}
	finding(checkCAKey, codeROCA, types.AuditFindingSeverityCritical, types.ResourceTypeCaCertificate,
		types.ResourceIdentifier{CaCertificateId: &ca})
	finding(checkBroad, codeBroad, types.AuditFindingSeverityCritical, types.ResourceTypeIotPolicy,
		types.ResourceIdentifier{PolicyVersionIdentifier: &types.PolicyVersionIdentifier{
			PolicyName: new("sdk-broad"), PolicyVersionId: new("1"),
		}})
	finding(checkLogging, codeLoggingDisabled, types.AuditFindingSeverityLow, types.ResourceTypeAccountSettings,
		types.ResourceIdentifier{Account: &j.Account})
	for check, want := range about {
		got := step(j, &iot.ListAuditFindingsInput{TaskId: &audit, CheckName: &check,
			ResourceIdentifier: want.NonCompliantResource.ResourceIdentifier,
		}, &iot.ListAuditFindingsOutput{Findings: []types.AuditFinding{want}}).Findings[0]
		step(j, &iot.DescribeAuditFindingInput{FindingId: got.FindingId}, &iot.DescribeAuditFindingOutput{Finding: &got})
		step(j, &iot.ListRelatedResourcesForAuditFindingInput{FindingId: got.FindingId, MaxResults: new(int32(1))},
			&iot.ListRelatedResourcesForAuditFindingOutput{})
	}
	j.findingsPaged(audit)
	j.findingsAboutNothing(audit)
}

func (j *journey) findingsPaged(audit string) {
	list := cordontest.Findings(j, j.c, audit)
	pages(j, &iot.ListAuditFindingsInput{
		StartTime: new(j.began.Add(-time.Minute)), EndTime: new(time.Now().Add(time.Minute)), MaxResults: new(int32(2)),
	}, &iot.ListAuditFindingsOutput{Findings: list[:2]}, &iot.ListAuditFindingsOutput{Findings: list[2:]})
	step(j, &iot.ListAuditFindingsInput{TaskId: &audit, ListSuppressedFindings: true}, &iot.ListAuditFindingsOutput{})
}

// findingsAboutNothing asks for findings about resources of which there are
// none.
func (j *journey) findingsAboutNothing(audit string) {
	for _, id := range []types.ResourceIdentifier{
		{CognitoIdentityPoolId: new("us-east-1:pool")},
		{ClientId: new("client")},
		{DeviceCertificateArn: j.arn("cert", strings.Repeat("0", 64))},
		{IssuerCertificateIdentifier: &types.IssuerCertificateIdentifier{IssuerCertificateSubject: new("CN=Nobody"),
			IssuerId: new(strings.Repeat("0", 64)), IssuerCertificateSerialNumber: new("01")}},
		{IamRoleArn: new(cordontest.RoleARN)},
		{RoleAliasArn: j.arn("rolealias", strings.Repeat("a", 20))},
	} {
		step(j, &iot.ListAuditFindingsInput{TaskId: &audit, ResourceIdentifier: &id}, &iot.ListAuditFindingsOutput{})
	}
}
