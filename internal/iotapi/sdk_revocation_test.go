package iotapi_test

import (
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// revocations audits two certificates below an intermediate CA that is
// revoked, and one whose issuer nobody knows.
func (j *journey) revocations() {
	p := newPublisher(j)
	root := newCA(j, fixture.Template{CommonName: "SDK Root"})
	revoked := must[*fixture.CA](j)(root.Intermediate(numbered(12, p.URL+"/root.crl")))
	p.publish("/root.crl", revoking(j, root, 1, 12))
	registerIn(j, j.c, root.PEM)
	var below []string
	for serial := range int64(2) {
		leaf := must[*fixture.Leaf](j)(revoked.Issue(numbered(serial + 1)))
		below = append(below, registerPEM(j, j.c, leaf.PEM+revoked.PEM, types.CertificateStatusActive))
	}
	cordontest.Enable(j, j.c, checkIntermediate, checkRevokedDevice)
	audit, _ := cordontest.Audit(j, j.c, checkIntermediate)
	issuer := &types.ResourceIdentifier{IssuerCertificateIdentifier: &types.IssuerCertificateIdentifier{
		IssuerCertificateSubject: new("CN=number 12"), IssuerCertificateSerialNumber: new("0c"), IssuerId: &someSum,
	}}
	want := types.AuditFinding{FindingId: &some, TaskId: &audit, CheckName: new(checkIntermediate), TaskStartTime: &now,
		FindingTime: &now, Severity: types.AuditFindingSeverityCritical, ReasonForNonCompliance: &some,
		ReasonForNonComplianceCode: &some, IsSuppressed: new(false),
		NonCompliantResource: &types.NonCompliantResource{ResourceType: types.ResourceTypeIssuerCertificate,
			ResourceIdentifier: issuer, AdditionalInfo: map[string]string{"REVOCATION_TIME": some}}}
	got := step(j, &iot.ListAuditFindingsInput{TaskId: &audit},
		&iot.ListAuditFindingsOutput{Findings: []types.AuditFinding{want}}).Findings[0]
	step(j, &iot.DescribeAuditFindingInput{FindingId: got.FindingId}, &iot.DescribeAuditFindingOutput{Finding: &got})
	j.relatedResources(*got.FindingId, below)
	j.issuerSuppressed(got.NonCompliantResource.ResourceIdentifier)
	j.waitingAndFailed(p)
}

func (j *journey) relatedResources(finding string, below []string) {
	listed := func(id string) *iot.ListRelatedResourcesForAuditFindingOutput {
		return &iot.ListRelatedResourcesForAuditFindingOutput{RelatedResources: []types.RelatedResource{{
			ResourceType:       types.ResourceTypeDeviceCertificate,
			ResourceIdentifier: &types.ResourceIdentifier{DeviceCertificateId: &id},
		}}}
	}
	found := relatedIDs(j, j.c, finding)
	same(j.T, "related resources", found, below)
	pages(j, &iot.ListRelatedResourcesForAuditFindingInput{FindingId: &finding, MaxResults: new(int32(1))},
		listed(found[0]), listed(found[1]))
}

func (j *journey) issuerSuppressed(id *types.ResourceIdentifier) {
	check, forever := new(checkIntermediate), new(true)
	step[iot.CreateAuditSuppressionOutput](j, &iot.CreateAuditSuppressionInput{CheckName: check, ResourceIdentifier: id,
		SuppressIndefinitely: forever, ClientRequestToken: new("sdk-issuer")}, nil)
	step[iot.UpdateAuditSuppressionOutput](j, &iot.UpdateAuditSuppressionInput{CheckName: check, ResourceIdentifier: id,
		SuppressIndefinitely: forever}, nil)
	step(j, &iot.DescribeAuditSuppressionInput{CheckName: check, ResourceIdentifier: id},
		&iot.DescribeAuditSuppressionOutput{CheckName: check, ResourceIdentifier: id, SuppressIndefinitely: forever})
	step(j, &iot.ListAuditSuppressionsInput{CheckName: check, ResourceIdentifier: id},
		&iot.ListAuditSuppressionsOutput{Suppressions: []types.AuditSuppression{{
			CheckName: check, ResourceIdentifier: id, SuppressIndefinitely: forever,
		}}})
	step[iot.DeleteAuditSuppressionOutput](j, &iot.DeleteAuditSuppressionInput{
		CheckName: check, ResourceIdentifier: id,
	}, nil)
}

// waitingAndFailed audits a certificate whose list does not come.
func (j *journey) waitingAndFailed(p *publisher) {
	asked, held := make(chan struct{}, 1), make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	j.Cleanup(release)
	p.serve("/slow.crl", func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-held
		http.NotFound(w, r)
	})
	stranger := newCA(j, fixture.Template{CommonName: "SDK Stranger"})
	registerIn(j, j.c, stranger.PEM)
	leaf := must[*fixture.Leaf](j)(stranger.Issue(numbered(7, p.URL+"/slow.crl")))
	registerPEM(j, j.c, leaf.PEM, types.CertificateStatusActive)
	id := step(j, &iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{checkRevokedDevice}},
		&iot.StartOnDemandAuditTaskOutput{TaskId: &some}).TaskId
	<-asked
	step(j, &iot.DescribeAuditTaskInput{TaskId: id}, &iot.DescribeAuditTaskOutput{
		TaskStatus: types.AuditTaskStatusInProgress, TaskType: types.AuditTaskTypeOnDemandAuditTask, TaskStartTime: &now,
		TaskStatistics: checkCounts(1, 0, 1, 0, 0, 0, 0),
		AuditDetails: map[string]types.AuditCheckDetails{
			checkRevokedDevice: checkDetails(types.AuditCheckRunStatusWaitingForDataCollection, 0, 0),
		},
	})
	step[iot.CancelAuditTaskOutput](j, &iot.CancelAuditTaskInput{TaskId: id}, nil)

	release()
	failed, _ := cordontest.Audit(j, j.c, checkRevokedDevice)
	details := checkDetails(types.AuditCheckRunStatusFailed, 2, 0) // those that could be tested
	details.Message = &some
	step(j, &iot.DescribeAuditTaskInput{TaskId: &failed}, &iot.DescribeAuditTaskOutput{
		TaskStatus: types.AuditTaskStatusFailed, TaskType: types.AuditTaskTypeOnDemandAuditTask, TaskStartTime: &now,
		TaskStatistics: checkCounts(1, 0, 0, 0, 0, 1, 0),
		AuditDetails:   map[string]types.AuditCheckDetails{checkRevokedDevice: details},
	})
}
