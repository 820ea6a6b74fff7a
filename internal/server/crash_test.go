package server_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
)

// task is the name of every mitigation task here.
const task = "task"

// crash is a stop at which a process dies, and how many slices of the task
// were committed by then.
type crash struct {
	name      string
	at        stop
	committed int
}

func mitigationCrashes() []crash {
	return []crash{
		{"between the accepted call and the first slice", stop{"mitigation", "accepted", 0, killed}, 0},
		{"before the first slice", stop{"mitigation", "before", 1, killed}, 0},
		{"inside the first slice", stop{"mitigation", "inside", 1, killed}, 0},
		{"inside a slice", stop{"mitigation", "inside", 10, killed}, 9},
		{"between two slices", stop{"mitigation", "after", 10, killed}, 10},
		{"inside the last slice that changes anything", stop{"mitigation", "inside", lastChange, killed}, lastChange - 1},
		{"inside the slice that ends the task", stop{"mitigation", "inside", lastSlice, killed}, lastSlice - 1},
	}
}

func auditCrashes() []crash {
	return []crash{
		{"between the accepted call and the first slice", stop{"audit", "accepted", 0, killed}, 0},
		{"before the first slice", stop{"audit", "before", 1, killed}, 0},
		{"inside a slice", stop{"audit", "inside", 10, killed}, 9},
		{"between two slices", stop{"audit", "after", 10, killed}, 10},
		{"inside the last slice that finds anything", stop{"audit", "inside", lastAudit, killed}, lastAudit - 1},
	}
}

func TestAKilledMitigationTaskGoesOnAtTheNextStart(t *testing.T) {
	onEach(t, mitigationCrashes(), func(t *testing.T, database string, c crash) {
		cfg, audit := auditedFleet(t, database)
		p := start(t, cfg, c.at)
		startMitigation(t, p, audit) // answered or cut off
		p.wantKilled(t)
		wantMitigatedSoFar(t, cfg, c.committed)

		p = start(t, cfg)
		wantMitigated(t, p)
		p.terminate(t)
		wantMitigatedInDatabase(t, cfg)
	})
}

func TestAKilledAuditGoesOnAtTheNextStart(t *testing.T) {
	onEach(t, auditCrashes(), func(t *testing.T, database string, c crash) {
		cfg := registeredFleet(t, database)
		p := start(t, cfg, c.at)
		startAudit(t, p)
		p.wantKilled(t)
		id := wantAuditedSoFar(t, cfg, c.committed)

		p = start(t, cfg)
		wantAudited(t, p, id)
		p.terminate(t)
		wantAuditedInDatabase(t, cfg)
	})
}

// onEach runs a test for each crash on each database. A restart on PostgreSQL
// first waits until the dead node is silent for long enough, so the tests wait
// side by side.
func onEach(t *testing.T, list []crash, test func(t *testing.T, database string, c crash)) {
	t.Helper()
	for _, database := range cordontest.Databases {
		for _, c := range list {
			t.Run(database+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				test(t, database, c)
			})
		}
	}
}

// startMitigation starts the task. The process may die before it answers.
func startMitigation(t *testing.T, p *process, audit string) {
	t.Helper()
	_, err := p.iot().StartAuditMitigationActionsTask(t.Context(), mitigationOf(audit))
	t.Logf("the call was answered with: %v", err)
}

func mitigationOf(audit string) *iot.StartAuditMitigationActionsTaskInput {
	return &iot.StartAuditMitigationActionsTaskInput{
		TaskId: aws.String(task), Target: &types.AuditMitigationActionsTaskTarget{AuditTaskId: &audit},
		AuditCheckToActionsMapping: map[string][]string{expiring: {"deactivate"}},
	}
}

// startAudit starts an audit. The process may die before it answers.
func startAudit(t *testing.T, p *process) {
	t.Helper()
	_, err := p.iot().StartOnDemandAuditTask(t.Context(), &iot.StartOnDemandAuditTaskInput{
		TargetCheckNames: []string{expiring, logging},
	})
	t.Logf("the call was answered with: %v", err)
}

// executionsAfter is how many executions some slices of the task make: the
// first finding has none.
func executionsAfter(slices int) int {
	return max(0, min(slices*sliceRows, expired+1)-1)
}

// findingsAfter is how many findings some slices of an audit make: the first
// slice makes that of the account, the others end at so many.
func findingsAfter(slices int) int {
	return min(slices, 1) + min(max(0, slices-1)*sliceRows, expired)
}

// wantMitigatedSoFar looks at what a killed process has left behind: the task
// in progress, and everything of so many slices, and of them only.
func wantMitigatedSoFar(t *testing.T, cfg config.Config, slices int) {
	t.Helper()
	e := inspect(t, cfg)
	if got := e.text(`SELECT status FROM mitigation_tasks`); got != "IN_PROGRESS" {
		t.Errorf("got a task that is %s, want it in progress", got)
	}
	done := e.number(`SELECT count(*) FROM executions`)
	if want := executionsAfter(slices); done != want {
		t.Errorf("got %d executions committed at the kill, want %d", done, want)
	}
	if middle := slices > 0 && slices < lastChange; middle && (done == 0 || done >= expired) {
		t.Errorf("got %d of %d executions committed at a kill in mid-task", done, expired)
	}
	e.want(done, "position of the task", `SELECT at_n - CASE WHEN at_n > 0 THEN 1 ELSE 0 END FROM mitigation_tasks`)
	e.wantChangesToMatch()
}

// wantChangesToMatch compares what is recorded as changed with what is.
func (e *evidence) wantChangesToMatch() {
	e.t.Helper()
	e.want(e.number(`SELECT count(*) FROM execution_changes`), "certificates that a recorded change made INACTIVE", `
		SELECT count(DISTINCT c.id) FROM execution_changes x
		JOIN executions e ON e.task = x.task AND e.audit = x.audit AND e.n = x.n AND e.action = x.action
		JOIN findings f ON f.audit = x.audit AND f.n = x.n AND f.resource = x.resource
		JOIN certificates c ON c.id = x.resource
		WHERE x.k = 1 AND x.from_side = 'ACTIVE' AND x.to_side = 'INACTIVE' AND e.status = 'COMPLETED'
			AND c.status = 'INACTIVE' AND c.customer_version = 2`)
	e.want(e.number(`SELECT count(*) FROM execution_changes`)+retired, "INACTIVE certificates",
		`SELECT count(*) FROM certificates WHERE status = 'INACTIVE'`)
}

// wantMitigated waits for the end of the task and wants its statistics.
func wantMitigated(t *testing.T, p *process) {
	t.Helper()
	out := cordontest.AwaitMitigation(t, p.iot(), task)
	// Some certificates could not be deactivated.
	if out.TaskStatus != types.AuditMitigationActionsTaskStatusFailed {
		t.Errorf("got a task that is %s, want FAILED", out.TaskStatus)
	}
	s := out.TaskStatistics[expiring]
	got := [...]int64{*s.TotalFindingsCount, *s.SucceededFindingsCount, *s.FailedFindingsCount,
		*s.SkippedFindingsCount, *s.CanceledFindingsCount}
	if want := [...]int64{expired, expired - inTransit, inTransit, 0, 0}; got != want {
		t.Errorf("got total, succeeded, failed, skipped, canceled %v, want %v", got, want)
	}
	if len(out.TaskStatistics) != 1 {
		t.Errorf("got statistics of %d checks, want 1", len(out.TaskStatistics))
	}
}

// wantMitigatedInDatabase looks at every execution, change and certificate.
func wantMitigatedInDatabase(t *testing.T, cfg config.Config) {
	t.Helper()
	e := inspect(t, cfg)
	e.want(1, "tasks", `SELECT count(*) FROM mitigation_tasks WHERE message = '' AND ended_at IS NOT NULL`)
	wantText(t, "executions", e.groups(`SELECT status, error_code, count(*) FROM executions GROUP BY 1, 2 ORDER BY 1, 2`),
		fmt.Sprintf("COMPLETED: %d, FAILED INVALID_STATE_OF_RESOURCE: %d", expired-inTransit, inTransit))
	e.want(expired, "findings with an execution", `SELECT count(DISTINCT e.n) FROM executions e
		JOIN findings f ON f.audit = e.audit AND f.n = e.n WHERE e.action = 0 AND f.check_name = '`+expiring+`'`)
	e.want(changed, "changes", `SELECT count(*) FROM execution_changes`)
	e.wantChangesToMatch()
	wantText(t, "certificates", e.groups(`SELECT status, CAST(customer_version AS TEXT), count(*) FROM certificates
			GROUP BY 1, 2 ORDER BY 1, 2`),
		fmt.Sprintf("ACTIVE 1: %d, INACTIVE 2: %d, PENDING_TRANSFER 1: %d", healthy, changed+retired, inTransit))
}

// wantAuditedSoFar looks at what a killed process has left behind, and returns
// the audit's id.
func wantAuditedSoFar(t *testing.T, cfg config.Config, slices int) string {
	t.Helper()
	e := inspect(t, cfg)
	if got := e.text(`SELECT status FROM audits`); got != "IN_PROGRESS" {
		t.Errorf("got an audit that is %s, want it in progress", got)
	}
	done := e.number(`SELECT count(*) FROM findings`)
	if want := findingsAfter(slices); done != want {
		t.Errorf("got %d findings committed at the kill, want %d", done, want)
	}
	if slices > 0 && (done == 0 || done >= expired) {
		t.Errorf("got %d of %d findings committed at a kill in mid-task", done, expired)
	}
	e.want(done, "the audit's counter", `SELECT findings FROM audits`)
	return e.text(`SELECT id FROM audits`)
}

// wantAudited waits for the end of an audit and wants its counters.
func wantAudited(t *testing.T, p *process, id string) {
	t.Helper()
	out := cordontest.AwaitAudit(t, p.iot(), id)
	if out.TaskStatus != types.AuditTaskStatusCompleted {
		t.Errorf("got an audit that is %s, want COMPLETED", out.TaskStatus)
	}
	if got := *out.TaskStatistics; *got.TotalChecks != 2 || *got.NonCompliantChecks != 2 {
		t.Errorf("got %d of %d checks non-compliant, want 2 of 2", *got.NonCompliantChecks, *got.TotalChecks)
	}
	for check, want := range map[string][2]int64{expiring: {healthy + expired, expired}, logging: {1, 1}} {
		d := out.AuditDetails[check]
		if got := [2]int64{*d.TotalResourcesCount, *d.NonCompliantResourcesCount}; got != want {
			t.Errorf("%s: got total and non-compliant %v, want %v", check, got, want)
		}
		if d.CheckRunStatus != types.AuditCheckRunStatusCompletedNonCompliant {
			t.Errorf("%s: got %s, want COMPLETED_NON_COMPLIANT", check, d.CheckRunStatus)
		}
	}
}

// wantAuditedInDatabase wants each finding once.
func wantAuditedInDatabase(t *testing.T, cfg config.Config) {
	t.Helper()
	e := inspect(t, cfg)
	e.want(1, "audits", `SELECT count(*) FROM audits WHERE findings = 20001 AND ended_at IS NOT NULL`)
	e.want(expired+1, "findings", `SELECT count(*) FROM findings`)
	e.want(expired+1, "highest number of a finding", `SELECT max(n) FROM findings`)
	e.want(expired, "expired certificates with a finding", `SELECT count(DISTINCT c.id) FROM findings f
		JOIN certificates c ON c.id = f.resource WHERE f.check_name = '`+expiring+`'
			AND f.reason_code = 'CERTIFICATE_PAST_EXPIRATION' AND c.not_after < c.created_at`)
	e.want(1, "findings about the account", `SELECT count(*) FROM findings WHERE check_name = '`+logging+`'`)
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s; want %s", what, got, want)
	}
}
