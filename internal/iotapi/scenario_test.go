package iotapi_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// noOptions are those of a server that is not looked into.
var noOptions server.Options

// The checks that the tests use by name.
const (
	checkCAExpiring     = "CA_CERTIFICATE_EXPIRING_CHECK"
	checkCAKey          = "CA_CERTIFICATE_KEY_QUALITY_CHECK"
	checkAge            = "DEVICE_CERTIFICATE_AGE_CHECK"
	checkExpiring       = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
	checkKey            = "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK"
	checkBroad          = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
	checkMisconfigured  = "IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK"
	checkLogging        = "LOGGING_DISABLED_CHECK"
	checkShared         = "DEVICE_CERTIFICATE_SHARED_CHECK"
	checkConflicting    = "CONFLICTING_CLIENT_IDS_CHECK"
	codePast            = "CERTIFICATE_PAST_EXPIRATION"
	codeApproaching     = "CERTIFICATE_APPROACHING_EXPIRATION"
	codeBroad           = "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS"
	codeROCA            = "CERTIFICATE_KEY_VULNERABILITY_CVE-2017-15361"
	codeDebian          = "CERTIFICATE_KEY_VULNERABILITY_CVE-2008-0166"
	codeLoggingDisabled = "LOGGING_DISABLED"
)

// want is an exception that a call must end with.
type want struct {
	code   string
	status int
}

// The exceptions of the API with their status, as the AWS IoT API lists them.
var (
	fine              = want{}
	invalid           = want{"InvalidRequestException", http.StatusBadRequest}
	notFound          = want{"ResourceNotFoundException", http.StatusNotFound}
	exists            = want{"ResourceAlreadyExistsException", http.StatusConflict}
	taskExists        = want{"TaskAlreadyExistsException", http.StatusBadRequest}
	limitExceeded     = want{"LimitExceededException", http.StatusGone}
	deleteConflict    = want{"DeleteConflictException", http.StatusConflict}
	versionConflict   = want{"VersionConflictException", http.StatusConflict}
	versionsLimit     = want{"VersionsLimitExceededException", http.StatusConflict}
	malformedPolicy   = want{"MalformedPolicyException", http.StatusBadRequest}
	certificateState  = want{"CertificateStateException", http.StatusNotAcceptable}
	certificateWrong  = want{"CertificateValidationException", http.StatusBadRequest}
	registrationWrong = want{"RegistrationCodeValidationException", http.StatusBadRequest}
	notConfigured     = want{"NotConfiguredException", http.StatusNotFound}
)

// outcome is how a call ended.
func outcome(err error) want {
	if err == nil {
		return fine
	}
	var api smithy.APIError
	var answer *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &answer) {
		return want{code: err.Error()}
	}
	return want{api.ErrorCode(), answer.HTTPStatusCode()}
}

// expect holds that a call ended as wanted.
func expect(t *testing.T, err error, w want) {
	t.Helper()
	if got := outcome(err); got != w {
		t.Errorf("got %v (%v), want %v", got, err, w)
	}
}

// must stops a test whose preparation fails.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// devices is the CA of all devices under test; making one takes time.
var devices = func() *fixture.CA {
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Device CA"})
	if err != nil {
		panic(err) // no randomness
	}
	return ca
}()

// issue makes a device certificate.
func issue(t testing.TB, template fixture.Template) string {
	t.Helper()
	return must[*fixture.Leaf](t)(devices.Issue(template)).PEM
}

// register makes and registers an active device certificate and returns its
// id.
func register(t testing.TB, c *iot.Client, template fixture.Template) string {
	t.Helper()
	return registerPEM(t, c, issue(t, template), types.CertificateStatusActive)
}

func registerPEM(t testing.TB, c *iot.Client, pem string, status types.CertificateStatus) string {
	t.Helper()
	out, err := c.RegisterCertificateWithoutCA(t.Context(), &iot.RegisterCertificateWithoutCAInput{
		CertificatePem: &pem, Status: status,
	})
	if err != nil {
		t.Fatalf("register certificate: %v", err)
	}
	return *out.CertificateId
}

// in is a certificate that ends in some days, or has ended before.
func in(days int) fixture.Template {
	return fixture.Template{
		NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().Add(time.Duration(days) * 24 * time.Hour),
	}
}

// status is the state of a certificate.
func status(t testing.TB, c *iot.Client, id string) types.CertificateStatus {
	t.Helper()
	out, err := c.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &id})
	if err != nil {
		t.Fatalf("describe certificate: %v", err)
	}
	return out.CertificateDescription.Status
}

// setStatus changes the state of a certificate.
func setStatus(t testing.TB, c *iot.Client, id string, to types.CertificateStatus) {
	t.Helper()
	_, err := c.UpdateCertificate(t.Context(), &iot.UpdateCertificateInput{CertificateId: &id, NewStatus: to})
	if err != nil {
		t.Fatalf("update certificate: %v", err)
	}
}

// certARN is the ARN of a certificate of the first account.
func certARN(id string) string {
	return "arn:aws:iot:" + cordontest.Region + ":" + cordontest.Account + ":cert/" + id
}

// action defines a mitigation action.
func action(t testing.TB, c *iot.Client, name string, p types.MitigationActionParams) {
	t.Helper()
	_, err := c.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
		ActionName: &name, RoleArn: new(cordontest.RoleARN), ActionParams: &p,
	})
	if err != nil {
		t.Fatalf("create action %s: %v", name, err)
	}
}

// The parameters of the five types of action.
func deactivate() types.MitigationActionParams {
	return types.MitigationActionParams{UpdateDeviceCertificateParams: &types.UpdateDeviceCertificateParams{
		Action: types.DeviceCertificateUpdateActionDeactivate,
	}}
}

func deactivateCA() types.MitigationActionParams {
	return types.MitigationActionParams{UpdateCACertificateParams: &types.UpdateCACertificateParams{
		Action: types.CACertificateUpdateActionDeactivate,
	}}
}

func joining(groups ...string) types.MitigationActionParams {
	if groups == nil {
		groups = []string{} // the SDK would refuse to send nil
	}
	return types.MitigationActionParams{AddThingsToThingGroupParams: &types.AddThingsToThingGroupParams{
		ThingGroupNames: groups,
	}}
}

func blanking() types.MitigationActionParams {
	return types.MitigationActionParams{ReplaceDefaultPolicyVersionParams: &types.ReplaceDefaultPolicyVersionParams{
		TemplateName: types.PolicyTemplateNameBlankPolicy,
	}}
}

func logging(level types.LogLevel) types.MitigationActionParams {
	return types.MitigationActionParams{EnableIoTLoggingParams: &types.EnableIoTLoggingParams{
		RoleArnForLogging: new(cordontest.RoleARN), LogLevel: level,
	}}
}

// aim is a target: all findings of an audit.
func aim(audit string) *types.AuditMitigationActionsTaskTarget {
	return &types.AuditMitigationActionsTaskTarget{AuditTaskId: &audit}
}

// mapping is which actions are applied to the findings of which check.
type mapping = map[string][]string

// mitigate runs a task to its end.
func mitigate(t testing.TB, c *iot.Client, id string, target *types.AuditMitigationActionsTaskTarget,
	m mapping,
) *iot.DescribeAuditMitigationActionsTaskOutput {
	t.Helper()
	begin(t, c, id, target, m)
	return cordontest.AwaitMitigation(t, c, id)
}

// begin starts a task.
func begin(t testing.TB, c *iot.Client, id string, target *types.AuditMitigationActionsTaskTarget, m mapping) {
	t.Helper()
	_, err := c.StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
		TaskId: &id, Target: target, AuditCheckToActionsMapping: m,
	})
	if err != nil {
		t.Fatalf("start mitigation %s: %v", id, err)
	}
}

// executions are what a task did to a finding, by action name and status, such
// as "deactivate COMPLETED", followed by the error code if there is one.
func executions(t testing.TB, c *iot.Client, task, finding string) []string {
	t.Helper()
	out, err := c.ListAuditMitigationActionsExecutions(t.Context(), &iot.ListAuditMitigationActionsExecutionsInput{
		TaskId: &task, FindingId: &finding,
	})
	if err != nil {
		t.Fatalf("list executions: %v", err)
	}
	var list []string
	for _, e := range out.ActionsExecutions {
		text := *e.ActionName + " " + string(e.Status)
		if e.ErrorCode != nil {
			text += " " + *e.ErrorCode
		}
		list = append(list, text)
	}
	return list
}

// counts are the statistics of a task for a check: total, succeeded, failed,
// skipped, canceled.
type counts [5]int64

func statistics(task *iot.DescribeAuditMitigationActionsTaskOutput, check string) counts {
	s, ok := task.TaskStatistics[check]
	if !ok {
		return counts{-1}
	}
	return counts{
		*s.TotalFindingsCount, *s.SucceededFindingsCount, *s.FailedFindingsCount, *s.SkippedFindingsCount,
		*s.CanceledFindingsCount,
	}
}

// byResource is the findings of an audit by reason code and resource.
func byResource(t testing.TB, c *iot.Client, audit string) map[string]types.AuditFinding {
	t.Helper()
	found := map[string]types.AuditFinding{}
	for _, f := range cordontest.Findings(t, c, audit) {
		found[*f.ReasonForNonComplianceCode+" "+resourceOf(f.NonCompliantResource)] = f
	}
	return found
}

// resourceOf is what a finding is about, as one text.
func resourceOf(r *types.NonCompliantResource) string {
	id := r.ResourceIdentifier
	for _, p := range []*string{id.DeviceCertificateId, id.CaCertificateId, id.Account, id.ClientId} {
		if p != nil {
			return *p
		}
	}
	if p := id.PolicyVersionIdentifier; p != nil {
		return *p.PolicyName + ":" + *p.PolicyVersionId
	}
	return ""
}

// same holds that two lists have the same members.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// sorted are the keys of a map.
func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// all lists a paginated answer to its end.
func all[T any](t testing.TB, page func(ctx context.Context, token *string) ([]T, *string, error)) []T {
	t.Helper()
	var list []T
	var token *string
	for {
		items, next, err := page(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, items...)
		if token = next; token == nil {
			return list
		}
	}
}

// saying holds that an error tells its caller something.
func saying(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want it to say %q", err, text)
	}
}

// inOrder holds what a list is, in its order.
func inOrder(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// aimAtFinding is a target: one finding.
func aimAtFinding(ids ...string) *types.AuditMitigationActionsTaskTarget {
	return &types.AuditMitigationActionsTaskTarget{FindingIds: ids}
}
