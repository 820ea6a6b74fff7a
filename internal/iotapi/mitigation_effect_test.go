package iotapi_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// audited runs an audit of some checks and returns its id and its findings by
// the resource.
func audited(t *testing.T, c *iot.Client, checks ...string) (audit string, findings map[string]string) {
	t.Helper()
	cordontest.Enable(t, c, checks...)
	audit, _ = cordontest.Audit(t, c, checks...)
	findings = map[string]string{}
	for _, f := range cordontest.Findings(t, c, audit) {
		findings[resourceOf(f.NonCompliantResource)] = *f.FindingId
	}
	return audit, findings
}

// wantTask holds how a task ended and what it counts for a check.
func wantTask(t *testing.T, task *iot.DescribeAuditMitigationActionsTaskOutput, check string,
	status types.AuditMitigationActionsTaskStatus, want counts,
) {
	t.Helper()
	if got := statistics(task, check); task.TaskStatus != status || got != want {
		t.Errorf("got %s with %v of %s, want %s with %v", task.TaskStatus, got, check, status, want)
	}
}

// The ends of a task.
const (
	taskRunning   = types.AuditMitigationActionsTaskStatusInProgress
	taskCompleted = types.AuditMitigationActionsTaskStatusCompleted
	taskFailed    = types.AuditMitigationActionsTaskStatusFailed
	taskCanceled  = types.AuditMitigationActionsTaskStatusCanceled
)

// message is what an execution says, or "".
func message(t *testing.T, c *iot.Client, task, finding string) string {
	t.Helper()
	out, err := c.ListAuditMitigationActionsExecutions(t.Context(), &iot.ListAuditMitigationActionsExecutionsInput{
		TaskId: &task, FindingId: &finding,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out.ActionsExecutions {
		if e.Message != nil {
			return *e.Message
		}
	}
	return ""
}

func TestUpdateDeviceCertificate(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		active, inactive := register(t, c, in(-1)), register(t, c, in(-1))
		revoked, deleted := register(t, c, in(-1)), register(t, c, in(-1))
		sound := register(t, c, in(400))
		audit, found := audited(t, c, checkExpiring)
		setStatus(t, c, inactive, types.CertificateStatusInactive)
		setStatus(t, c, revoked, types.CertificateStatusRevoked)
		setStatus(t, c, deleted, types.CertificateStatusInactive)
		if _, err := c.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &deleted}); err != nil {
			t.Fatal(err)
		}
		describe := func(id string) types.CertificateDescription {
			out := must[*iot.DescribeCertificateOutput](t)(c.DescribeCertificate(ctx,
				&iot.DescribeCertificateInput{CertificateId: &id}))
			return *out.CertificateDescription
		}
		before := describe(inactive)
		action(t, c, "deactivate", deactivate())
		task := mitigate(t, c, "task", aim(audit), mapping{checkExpiring: {"deactivate"}})
		wantTask(t, task, checkExpiring, taskFailed, counts{4, 2, 2, 0, 0})
		for _, tt := range []struct {
			name, id, execution string
			want                types.CertificateStatus
		}{
			{"an active one is deactivated", active, "deactivate COMPLETED", types.CertificateStatusInactive},
			{"an inactive one stays so", inactive, "deactivate COMPLETED", types.CertificateStatusInactive},
			{"a revoked one stays revoked", revoked, "deactivate FAILED INVALID_STATE_OF_RESOURCE",
				types.CertificateStatusRevoked},
			{"a deleted one is said to be gone", deleted, "deactivate FAILED RESOURCE_NOT_FOUND", ""},
		} {
			inOrder(t, tt.name, executions(t, c, "task", found[tt.id]), tt.execution)
			if tt.want != "" {
				if got := status(t, c, tt.id); got != tt.want {
					t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
				}
			}
		}
		if after := describe(inactive); !reflect.DeepEqual(after, before) {
			t.Errorf("got %+v, want what needs no change to be as before", after)
		}
		if d := describe(active); *d.CustomerVersion != 2 || !d.LastModifiedDate.After(*d.CreationDate) {
			t.Errorf("got %+v, want a new customer version and time", d)
		}
		if got := status(t, c, sound); got != types.CertificateStatusActive {
			t.Errorf("got %s for a certificate without finding, want ACTIVE", got)
		}
		if got := message(t, c, "task", found[deleted]); got == "" {
			t.Error("got no message about the certificate that is gone")
		}
	})
}

func TestUpdateCACertificate(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		soon := fixture.Template{NotBefore: time.Now().AddDate(-9, 0, 0), NotAfter: time.Now().AddDate(0, 0, 20)}
		cas := map[string]string{}
		for _, name := range []string{"active", "inactive", "deleted"} {
			soon.CommonName = name
			cas[name] = registerCA(t, c, newCA(t, soon), true)
		}
		audit, found := audited(t, c, checkCAExpiring)
		for _, name := range []string{"inactive", "deleted"} {
			_, err := c.UpdateCACertificate(t.Context(), &iot.UpdateCACertificateInput{
				CertificateId: new(cas[name]), NewStatus: types.CACertificateStatusInactive,
			})
			expect(t, err, fine)
		}
		_, err := c.DeleteCACertificate(t.Context(), &iot.DeleteCACertificateInput{CertificateId: new(cas["deleted"])})
		expect(t, err, fine)
		action(t, c, "deactivate-ca", deactivateCA())
		task := mitigate(t, c, "task", aim(audit), mapping{checkCAExpiring: {"deactivate-ca"}})
		wantTask(t, task, checkCAExpiring, taskFailed, counts{3, 2, 1, 0, 0})
		inOrder(t, "active", executions(t, c, "task", found[cas["active"]]), "deactivate-ca COMPLETED")
		inOrder(t, "inactive", executions(t, c, "task", found[cas["inactive"]]), "deactivate-ca COMPLETED")
		inOrder(t, "deleted", executions(t, c, "task", found[cas["deleted"]]), "deactivate-ca FAILED RESOURCE_NOT_FOUND")
		for _, name := range []string{"active", "inactive"} {
			if got := statusOfCA(t, c, cas[name]); got != types.CACertificateStatusInactive {
				t.Errorf("%s: got %s, want INACTIVE", name, got)
			}
		}
	})
}

func TestAddThingsToThingGroup(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		group(t, c, "site", "")
		group(t, c, "quarantine", "site")
		group(t, c, "hall", "site")
		group(t, c, "watch", "")
		free, lonely, full, near := register(t, c, in(-1)), register(t, c, in(-1)), register(t, c, in(-1)),
			register(t, c, in(-1))
		for name, cert := range map[string]string{"free-1": free, "free-2": free, "free-3": free, "full": full,
			"near": near} {
			thing(t, c, name, certARN(cert))
		}
		join(t, c, "free-2", "watch") // in one of the groups already
		join(t, c, "near", "hall")    // in the hierarchy of the other
		for i := range 10 {
			group(t, c, fmt.Sprintf("g%d", i), "")
			join(t, c, "full", fmt.Sprintf("g%d", i))
		}
		audit, found := audited(t, c, checkExpiring)
		action(t, c, "join", joining("quarantine", "watch"))
		task := mitigate(t, c, "task", aim(audit), mapping{checkExpiring: {"join"}})
		wantTask(t, task, checkExpiring, taskFailed, counts{4, 2, 2, 0, 0})
		inOrder(t, "things that may", executions(t, c, "task", found[free]), "join COMPLETED")
		inOrder(t, "no thing", executions(t, c, "task", found[lonely]), "join COMPLETED")
		inOrder(t, "ten groups", executions(t, c, "task", found[full]), "join FAILED INVALID_STATE_OF_RESOURCE")
		inOrder(t, "one hierarchy", executions(t, c, "task", found[near]), "join FAILED INVALID_STATE_OF_RESOURCE")
		for _, name := range []string{"free-1", "free-2", "free-3"} {
			same(t, name, groupsOf(t, c, name), []string{"quarantine", "watch"})
		}
		same(t, "near", groupsOf(t, c, "near"), []string{"hall", "watch"})
		if got := groupsOf(t, c, "full"); len(got) != 10 || slices.Contains(got, "watch") {
			t.Errorf("got groups %v, want the ten from before", got)
		}

		t.Run("a group that does not exist", func(t *testing.T) {
			action(t, c, "join-nowhere", joining("watch", "nowhere"))
			task := mitigate(t, c, "nowhere", &types.AuditMitigationActionsTaskTarget{FindingIds: []string{found[lonely]}},
				mapping{checkExpiring: {"join-nowhere"}})
			wantTask(t, task, checkExpiring, taskFailed, counts{1, 0, 1, 0, 0})
			inOrder(t, "executions", executions(t, c, "nowhere", found[lonely]), "join-nowhere FAILED RESOURCE_NOT_FOUND")
			same(t, "members", membersOf(t, c, "watch"), []string{"free-1", "free-2", "free-3", "near"})
		})
		t.Run("two certificates of one thing", func(t *testing.T) {
			one, other := register(t, c, in(-1)), register(t, c, in(-1))
			thing(t, c, "twin", certARN(one))
			_, err := c.AttachThingPrincipal(t.Context(), &iot.AttachThingPrincipalInput{
				ThingName: new("twin"), Principal: new(certARN(other)),
			})
			expect(t, err, fine)
			_, found := audited(t, c, checkExpiring)
			mitigate(t, c, "twins", &types.AuditMitigationActionsTaskTarget{FindingIds: []string{found[one], found[other]}},
				mapping{checkExpiring: {"join"}})
			inOrder(t, "one", executions(t, c, "twins", found[one]), "join COMPLETED")
			inOrder(t, "the other", executions(t, c, "twins", found[other]), "join COMPLETED")
			same(t, "twin", groupsOf(t, c, "twin"), []string{"quarantine", "watch"})
		})
	})
}

func TestReplaceDefaultPolicyVersion(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		for _, name := range []string{"plain", "full", "blank", "deleted"} {
			policy(t, c, name, broadPolicy)
		}
		policy(t, c, "twice", misconfiguredPolicy)
		for range 4 {
			policyVersion(t, c, "full", narrowPolicy, false)
		}
		audit, found := audited(t, c, checkBroad, checkMisconfigured)
		policyVersion(t, c, "blank", blankPolicy, true)
		_, err := c.DeletePolicy(ctx, &iot.DeletePolicyInput{PolicyName: new("deleted")})
		expect(t, err, fine)
		action(t, c, "blank", blanking())
		m := mapping{checkBroad: {"blank"}, checkMisconfigured: {"blank"}}
		task := mitigate(t, c, "task", aim(audit), m)
		wantTask(t, task, checkBroad, taskFailed, counts{4, 2, 2, 0, 0})
		wantTask(t, task, checkMisconfigured, taskFailed, counts{2, 2, 0, 0, 0})
		for _, tt := range []struct{ name, execution, version, document string }{
			{"plain", "blank COMPLETED", "2", blankPolicy},
			{"blank", "blank COMPLETED", "2", blankPolicy},
			{"full", "blank FAILED LIMIT_EXCEEDED", "1", broadPolicy},
			{"twice", "blank COMPLETED", "2", blankPolicy},
		} {
			inOrder(t, tt.name, executions(t, c, "task", found[tt.name+":1"]), tt.execution)
			if version, document := inForce(t, c, tt.name); version != tt.version || document != tt.document {
				t.Errorf("%s: got version %s %s in force, want %s %s", tt.name, version, document, tt.version, tt.document)
			}
		}
		inOrder(t, "deleted", executions(t, c, "task", found["deleted:1"]), "blank FAILED RESOURCE_NOT_FOUND")
		saying(t, fmt.Errorf("%s", message(t, c, "task", found["full:1"])), "maximum number of versions (5)")
		for name, want := range map[string]int{"plain": 2, "blank": 2, "twice": 2, "full": 5} {
			out, err := c.ListPolicyVersions(ctx, &iot.ListPolicyVersionsInput{PolicyName: &name})
			if err != nil || len(out.PolicyVersions) != want {
				t.Errorf("%s: got %d versions, %v, want %d", name, len(out.PolicyVersions), err, want)
			}
		}
		if got, _ := cordontest.Audit(t, c, checkBroad, checkMisconfigured); len(cordontest.Findings(t, c, got)) != 1 {
			t.Error("got other findings after the task, want that of the policy with five versions")
		}
	})
}

func TestEnableIoTLogging(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		events := []types.LogEventConfiguration{{
			EventType: new("Publish-In"), LogLevel: types.LogLevelDebug, LogDestination: new("cordon/publish"),
		}}
		_, err := c.SetV2LoggingOptions(ctx, &iot.SetV2LoggingOptionsInput{
			RoleArn: new(cordontest.RoleARN + "-before"), DefaultLogLevel: types.LogLevelError, DisableAllLogs: true,
			EventConfigurations: events,
		})
		expect(t, err, fine)
		audit, found := audited(t, c, checkLogging)
		action(t, c, "log", logging(types.LogLevelWarn))
		for _, id := range []string{"first", "again"} {
			task := mitigate(t, c, id, aim(audit), mapping{checkLogging: {"log"}})
			wantTask(t, task, checkLogging, taskCompleted, counts{1, 1, 0, 0, 0})
			inOrder(t, id, executions(t, c, id, found[cordontest.Account]), "log COMPLETED")
		}
		out := must[*iot.GetV2LoggingOptionsOutput](t)(c.GetV2LoggingOptions(ctx, &iot.GetV2LoggingOptionsInput{}))
		if *out.RoleArn != cordontest.RoleARN || out.DefaultLogLevel != types.LogLevelWarn || out.DisableAllLogs ||
			!reflect.DeepEqual(out.EventConfigurations, events) {
			t.Errorf("got %+v, want the role and level of the action and the events of before", out)
		}
	})
}

func TestActionsOfAFindingRunInOrder(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		group(t, c, "quarantine", "")
		gone, fit := register(t, c, in(-1)), register(t, c, in(-2))
		thing(t, c, "pump", certARN(fit))
		audit, found := audited(t, c, checkExpiring)
		action(t, c, "deactivate", deactivate())
		action(t, c, "join", joining("quarantine"))
		action(t, c, "join-nowhere", joining("nowhere"))

		task := mitigate(t, c, "stops", aim(audit), mapping{checkExpiring: {"join", "join-nowhere", "deactivate"}})
		wantTask(t, task, checkExpiring, taskFailed, counts{2, 0, 2, 0, 0})
		for _, id := range []string{gone, fit} {
			inOrder(t, id, executions(t, c, "stops", found[id]),
				"join COMPLETED", "join-nowhere FAILED RESOURCE_NOT_FOUND", "deactivate SKIPPED")
			if got := status(t, c, id); got != types.CertificateStatusActive {
				t.Errorf("got %s for what was skipped, want ACTIVE", got)
			}
		}
		same(t, "groups, which are not taken back", groupsOf(t, c, "pump"), []string{"quarantine"})

		setStatus(t, c, gone, types.CertificateStatusRevoked)
		task = mitigate(t, c, "goes-on", aim(audit), mapping{checkExpiring: {"deactivate", "join"}})
		wantTask(t, task, checkExpiring, taskFailed, counts{2, 1, 1, 0, 0})
		inOrder(t, "the revoked one", executions(t, c, "goes-on", found[gone]),
			"deactivate FAILED INVALID_STATE_OF_RESOURCE", "join SKIPPED")
		inOrder(t, "the other", executions(t, c, "goes-on", found[fit]), "deactivate COMPLETED", "join COMPLETED")
		if got := status(t, c, fit); got != types.CertificateStatusInactive {
			t.Errorf("got %s, want a failure on one finding not to stop the other", got)
		}
	})
}
