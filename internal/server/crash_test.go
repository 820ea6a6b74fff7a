package server_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

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

// crashes are those of a task of which nothing was done before.
func crashes(kind string, s size) []crash {
	last := s.last()
	return []crash{
		{"between the accepted call and the first slice", stop{kind, "accepted", 0, killed}, 0},
		{"before the first slice", stop{kind, "before", 1, killed}, 0},
		{"inside the first slice", stop{kind, "inside", 1, killed}, 0},
		{"inside a slice", stop{kind, "inside", 10, killed}, 9},
		{"between two slices", stop{kind, "after", 10, killed}, 10},
		{"inside the last slice that does anything", stop{kind, "inside", last, killed}, last - 1},
		{"inside the slice that ends the task", stop{kind, "inside", last + 1, killed}, last},
	}
}

// oneAfterTheOther are the same crashes for one task: a process counts only
// the slices that it ran itself.
func oneAfterTheOther(kind string, s size) []crash {
	last := s.last()
	return []crash{
		{"between the accepted call and the first slice", stop{kind, "accepted", 0, killed}, 0},
		{"before the first slice", stop{kind, "before", 1, killed}, 0},
		{"inside the first slice", stop{kind, "inside", 1, killed}, 0},
		{"between the first two slices", stop{kind, "after", 1, killed}, 1},
		{"inside the tenth slice", stop{kind, "inside", 9, killed}, 9},
		{"between two slices", stop{kind, "after", 1, killed}, 10},
		{"inside the last slice that does anything", stop{kind, "inside", last - 10, killed}, last - 1},
		{"inside the slice that ends the task", stop{kind, "inside", 2, killed}, last},
	}
}

func TestAMitigationTaskSurvivesOneCrashAfterTheOther(t *testing.T) {
	t.Parallel()
	r := auditedFleet(t, "sqlite", large)
	for i, c := range oneAfterTheOther("mitigation", large) {
		t.Log("killed", c.name)
		p := launch(t, r.cfg, c.at)
		if i == 0 {
			p.awaitReady(t)
			r.startMitigation(t, p)
		}
		p.wantKilled(t)
		r.wantMitigatedSoFar(t, c.committed)
	}
	p := start(t, r.cfg)
	r.wantMitigated(t, p)
	p.terminate(t)
	r.wantMitigatedInDatabase(t)
	r.wantChangesRecorded(t)
}

func TestAnAuditSurvivesOneCrashAfterTheOther(t *testing.T) {
	t.Parallel()
	r := registeredFleet(t, "sqlite", large)
	for i, c := range oneAfterTheOther("audit", large) {
		t.Log("killed", c.name)
		p := launch(t, r.cfg, c.at)
		if i == 0 {
			p.awaitReady(t)
			r.startAudit(t, p)
		}
		p.wantKilled(t)
		r.wantAuditedSoFar(t, c.committed)
	}
	p := start(t, r.cfg)
	r.wantAudited(t, p)
	p.terminate(t)
	r.wantAuditedInDatabase(t)
}

// On PostgreSQL a process that starts again is another node: it waits until the
// dead one has been silent for long enough. The tests wait side by side.
func TestAKilledMitigationTaskGoesOnAtTheNextStart(t *testing.T) {
	for _, c := range crashes("mitigation", large) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := auditedFleet(t, "postgres", large)
			p := start(t, r.cfg, c.at)
			r.startMitigation(t, p)
			p.wantKilled(t)
			r.wantMitigatedSoFar(t, c.committed)

			p = start(t, r.cfg)
			r.wantMitigated(t, p)
			p.terminate(t)
			r.wantMitigatedInDatabase(t)
		})
	}
}

func TestAKilledAuditGoesOnAtTheNextStart(t *testing.T) {
	for _, c := range crashes("audit", large) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := registeredFleet(t, "postgres", large)
			p := start(t, r.cfg, c.at)
			r.startAudit(t, p)
			p.wantKilled(t)
			r.wantAuditedSoFar(t, c.committed)

			p = start(t, r.cfg)
			r.wantAudited(t, p)
			p.terminate(t)
			r.wantAuditedInDatabase(t)
		})
	}
}

// startMitigation starts the task. The process may die before it answers.
func (r *rig) startMitigation(t *testing.T, p *process) {
	t.Helper()
	_, err := p.iot().StartAuditMitigationActionsTask(t.Context(), r.mitigation())
	t.Logf("the call was answered with: %v", err)
}

func (r *rig) mitigation() *iot.StartAuditMitigationActionsTaskInput {
	return &iot.StartAuditMitigationActionsTaskInput{
		TaskId: aws.String(task), Target: &types.AuditMitigationActionsTaskTarget{AuditTaskId: &r.audit},
		AuditCheckToActionsMapping: map[string][]string{expiring: {"deactivate"}},
	}
}

// startAudit starts an audit. The process may die before it answers.
func (r *rig) startAudit(t *testing.T, p *process) {
	t.Helper()
	_, err := p.iot().StartOnDemandAuditTask(t.Context(), &iot.StartOnDemandAuditTaskInput{
		TargetCheckNames: []string{expiring, logging},
	})
	t.Logf("the call was answered with: %v", err)
}

// executionsAfter is how many executions some slices of the task make: the
// first finding has none.
func (s size) executionsAfter(slices int) int {
	return max(0, min(slices*sliceRows, s.expired()+1)-1)
}

// findingsAfter is how many findings some slices of an audit make: the first
// slice makes that of the account, the others end at so many.
func (s size) findingsAfter(slices int) int {
	return min(slices, 1) + min(max(0, slices-1)*sliceRows, s.expired())
}

// wantMitigatedSoFar looks at what a killed process has left behind: the task
// in progress, and everything of so many slices, and of them only.
func (r *rig) wantMitigatedSoFar(t *testing.T, slices int) {
	t.Helper()
	e := r.inspect(t)
	wantText(t, "task", e.text(`SELECT status FROM mitigation_tasks`), "IN_PROGRESS")
	done := e.number(`SELECT count(*) FROM executions`)
	if want := r.executionsAfter(slices); done != want {
		t.Errorf("got %d executions committed at the kill, want %d", done, want)
	}
	if middle := slices > 0 && slices < r.last(); middle && (done == 0 || done >= r.expired()) {
		t.Errorf("got %d of %d executions committed at a kill in mid-task", done, r.expired())
	}
	e.want(done, "position of the task", `SELECT at_n - CASE WHEN at_n > 0 THEN 1 ELSE 0 END FROM mitigation_tasks`)
	e.wantChangesToMatch()
}

// wantChangesToMatch counts what is recorded as changed and what is changed.
func (e *evidence) wantChangesToMatch() {
	e.t.Helper()
	e.want(e.number(`SELECT count(*) FROM execution_changes`)+e.retired(), "INACTIVE certificates",
		`SELECT count(*) FROM certificates WHERE status = 'INACTIVE' AND customer_version = 2`)
}

// wantChangesToBeTrue goes from every change to its execution, its finding and
// the certificate, which is changed once.
func (e *evidence) wantChangesToBeTrue() {
	e.t.Helper()
	e.want(e.number(`SELECT count(*) FROM execution_changes`), "certificates that a recorded change made INACTIVE", `
		SELECT count(DISTINCT c.id) FROM execution_changes x
		JOIN executions e ON e.task = x.task AND e.audit = x.audit AND e.n = x.n AND e.action = x.action
		JOIN findings f ON f.audit = x.audit AND f.n = x.n AND f.resource = x.resource
		JOIN certificates c ON c.scope = f.scope AND c.id = x.resource
		WHERE x.k = 1 AND x.from_side = 'ACTIVE' AND x.to_side = 'INACTIVE' AND e.status = 'COMPLETED'
			AND c.status = 'INACTIVE' AND c.customer_version = 2`)
}

// wantMitigated waits for the end of the task and wants its statistics.
func (r *rig) wantMitigated(t *testing.T, p *process) {
	t.Helper()
	out := cordontest.AwaitMitigation(t, p.iot(), task)
	// Some certificates could not be deactivated.
	if out.TaskStatus != types.AuditMitigationActionsTaskStatusFailed {
		t.Errorf("got a task that is %s, want FAILED", out.TaskStatus)
	}
	s := out.TaskStatistics[expiring]
	got := [...]int64{
		*s.TotalFindingsCount, *s.SucceededFindingsCount, *s.FailedFindingsCount,
		*s.SkippedFindingsCount, *s.CanceledFindingsCount,
	}
	want := [...]int64{int64(r.expired()), int64(r.expired() - r.inTransit()), int64(r.inTransit()), 0, 0}
	if got != want {
		t.Errorf("got total, succeeded, failed, skipped, canceled %v, want %v", got, want)
	}
	if len(out.TaskStatistics) != 1 {
		t.Errorf("got statistics of %d checks, want 1", len(out.TaskStatistics))
	}
}

// wantMitigatedInDatabase looks at every execution, change and certificate.
func (r *rig) wantMitigatedInDatabase(t *testing.T) {
	t.Helper()
	e := r.inspect(t)
	e.want(1, "tasks", `SELECT count(*) FROM mitigation_tasks WHERE message = '' AND ended_at IS NOT NULL`)
	wantText(t, "executions", e.groups(`SELECT status, error_code, count(*) FROM executions GROUP BY 1, 2 ORDER BY 1, 2`),
		fmt.Sprintf("COMPLETED: %d, FAILED INVALID_STATE_OF_RESOURCE: %d", r.expired()-r.inTransit(), r.inTransit()))
	e.want(r.expired(), "findings with an execution", `SELECT count(DISTINCT e.n) FROM executions e
		JOIN findings f ON f.audit = e.audit AND f.n = e.n WHERE e.action = 0 AND f.check_name = '`+expiring+`'`)
	e.want(r.changed(), "changes", `SELECT count(*) FROM execution_changes`)
	e.wantChangesToBeTrue()
	wantText(t, "certificates", e.groups(`SELECT status, CAST(customer_version AS TEXT), count(*) FROM certificates
			GROUP BY 1, 2 ORDER BY 1, 2`),
		fmt.Sprintf("ACTIVE 1: %d, INACTIVE 2: %d, PENDING_TRANSFER 1: %d",
			r.healthy(), r.changed()+r.retired(), r.inTransit()))
}

// wantAuditedSoFar looks at what a killed process has left behind. From now on
// the audit is known by its id, which its caller may not have heard.
func (r *rig) wantAuditedSoFar(t *testing.T, slices int) {
	t.Helper()
	e := r.inspect(t)
	wantText(t, "audit", e.text(`SELECT status FROM audits`), "IN_PROGRESS")
	done := e.number(`SELECT count(*) FROM findings`)
	if want := r.findingsAfter(slices); done != want {
		t.Errorf("got %d findings committed at the kill, want %d", done, want)
	}
	if middle := slices > 0 && slices < r.last(); middle && (done == 0 || done >= r.expired()) {
		t.Errorf("got %d of %d findings committed at a kill in mid-task", done, r.expired())
	}
	e.want(done, "the audit's counter", `SELECT findings FROM audits`)
	r.audit = e.text(`SELECT id FROM audits`)
}

// wantAudited waits for the end of the audit and wants its counters.
func (r *rig) wantAudited(t *testing.T, p *process) {
	t.Helper()
	out := cordontest.AwaitAudit(t, p.iot(), r.audit)
	if out.TaskStatus != types.AuditTaskStatusCompleted {
		t.Errorf("got an audit that is %s, want COMPLETED", out.TaskStatus)
	}
	if got := *out.TaskStatistics; *got.TotalChecks != 2 || *got.NonCompliantChecks != 2 {
		t.Errorf("got %d of %d checks non-compliant, want 2 of 2", *got.NonCompliantChecks, *got.TotalChecks)
	}
	for check, want := range map[string][2]int{expiring: {r.healthy() + r.expired(), r.expired()}, logging: {1, 1}} {
		d := out.AuditDetails[check]
		if got := [2]int{int(*d.TotalResourcesCount), int(*d.NonCompliantResourcesCount)}; got != want {
			t.Errorf("%s: got total and non-compliant %v, want %v", check, got, want)
		}
		if d.CheckRunStatus != types.AuditCheckRunStatusCompletedNonCompliant {
			t.Errorf("%s: got %s, want COMPLETED_NON_COMPLIANT", check, d.CheckRunStatus)
		}
	}
}

// wantAuditedInDatabase wants each finding once.
func (r *rig) wantAuditedInDatabase(t *testing.T) {
	t.Helper()
	e := r.inspect(t)
	e.want(1, "ended audits", `SELECT count(*) FROM audits WHERE ended_at IS NOT NULL`)
	e.want(r.expired()+1, "the audit's counter", `SELECT findings FROM audits`)
	e.want(r.expired()+1, "findings", `SELECT count(*) FROM findings`)
	e.want(r.expired()+1, "highest number of a finding", `SELECT max(n) FROM findings`)
	e.want(r.expired(), "expired certificates with a finding", `SELECT count(DISTINCT c.id) FROM findings f
		JOIN certificates c ON c.scope = f.scope AND c.id = f.resource WHERE f.check_name = '`+expiring+`'
			AND f.reason_code = 'CERTIFICATE_PAST_EXPIRATION' AND c.not_after < c.created_at`)
	e.want(1, "findings about the account", `SELECT count(*) FROM findings WHERE check_name = '`+logging+`'`)
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s; want %s", what, got, want)
	}
}
