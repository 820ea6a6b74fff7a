package iotapi_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// Numbers of things that take more changes than a slice makes, in two groups
// each: five slices, and two.
const (
	manyThings = 2500
	someThings = 600
)

// large is a certificate that many things share, behind a gate that holds the
// task on it when its first slice is done.
type large struct {
	*cordontest.Cordon
	gate           *cordontest.Gate
	c              *iot.Client
	audit          string
	shared, single string // findings: the first found and the one behind it
	cert           string
}

func newLarge(t *testing.T, database string, things int) *large {
	t.Helper()
	l := &large{}
	l.Cordon, l.gate = cordontest.StartHeld(t, database, "mitigation")
	l.c = l.IoT()
	l.cert = register(t, l.c, in(-1))
	other := register(t, l.c, in(-1))
	group(t, l.c, "quarantine", "")
	group(t, l.c, "watch", "")
	thing(t, l.c, "thing", certARN(l.cert))
	l.copyThing(t, things-1)
	audit, found := audited(t, l.c, checkExpiring)
	l.audit, l.shared, l.single = audit, found[l.cert], found[other]
	action(t, l.c, "join", joining("quarantine", "watch"))
	action(t, l.c, "deactivate", deactivate())
	begin(t, l.c, "task", aim(audit), mapping{checkExpiring: {"join", "deactivate"}})
	l.gate.Await(t, "task")
	return l
}

// copyThing makes copies of the thing that the API has made, and attaches them
// as it is. Calls would take longer than the test.
func (l *large) copyThing(t *testing.T, copies int) {
	t.Helper()
	numbers := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, copies)
	for _, text := range []string{
		numbers + `INSERT INTO things (scope, name, id, attributes, version, created_at)
			SELECT scope, name || '-' || i, id, attributes, version, created_at FROM things, n`,
		numbers + `INSERT INTO thing_principals (scope, certificate, thing, exclusive, created_at)
			SELECT scope, certificate, thing || '-' || i, exclusive, created_at FROM thing_principals, n`,
	} {
		l.execute(t, text)
	}
}

// execute runs a statement on the database.
func (l *large) execute(t *testing.T, text string) {
	t.Helper()
	var err error
	if pool := l.Store().Postgres(); pool != nil {
		_, err = pool.Exec(t.Context(), text)
	} else {
		_, err = l.Store().SQLite().ExecContext(t.Context(), text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inBoth holds how many things are in each of the two groups.
func (l *large) inBoth(t *testing.T, want int) {
	t.Helper()
	for _, name := range []string{"quarantine", "watch"} {
		if got := len(membersOf(t, l.c, name)); got != want {
			t.Errorf("got %d things in %s, want %d", got, name, want)
		}
	}
}

func (l *large) task(t *testing.T) *iot.DescribeAuditMitigationActionsTaskOutput {
	t.Helper()
	return must[*iot.DescribeAuditMitigationActionsTaskOutput](t)(l.c.DescribeAuditMitigationActionsTask(t.Context(),
		&iot.DescribeAuditMitigationActionsTaskInput{TaskId: new("task")}))
}

func TestAnExecutionSpansSlices(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			l := newLarge(t, database, manyThings)
			wantTask(t, l.task(t), checkExpiring, taskRunning, counts{2, 0, 0, 0, 0})
			inOrder(t, "the first", executions(t, l.c, "task", l.shared), "join IN_PROGRESS", "deactivate PENDING")
			inOrder(t, "the next", executions(t, l.c, "task", l.single), "join PENDING", "deactivate PENDING")
			out := must[*iot.ListAuditMitigationActionsExecutionsOutput](t)(l.c.ListAuditMitigationActionsExecutions(t.Context(),
				&iot.ListAuditMitigationActionsExecutionsInput{TaskId: new("task"), FindingId: &l.shared}))
			now, then := out.ActionsExecutions[0], out.ActionsExecutions[1]
			if now.StartTime == nil || now.EndTime != nil || then.StartTime != nil || then.EndTime != nil {
				t.Errorf("got %+v and %+v, want a start of the one, no end, and nothing of the other", now, then)
			}
			l.inBoth(t, 500)

			l.gate.Open()
			wantTask(t, cordontest.AwaitMitigation(t, l.c, "task"), checkExpiring, taskCompleted, counts{2, 2, 0, 0, 0})
			inOrder(t, "the first", executions(t, l.c, "task", l.shared), "join COMPLETED", "deactivate COMPLETED")
			inOrder(t, "the next", executions(t, l.c, "task", l.single), "join COMPLETED", "deactivate COMPLETED")
			l.inBoth(t, manyThings)
			l.wantChanges(t, 2*manyThings)
		})
	}
}

// wantChanges holds that the execution on the shared certificate recorded each
// change once.
func (l *large) wantChanges(t *testing.T, want int) {
	t.Helper()
	task := must[*mitigation.Task](t)(l.Store().Mitigation(t.Context(), home, "task"))
	f, err := l.Store().Finding(t.Context(), home, l.shared)
	if err != nil {
		t.Fatal(err)
	}
	rows := must[[]fleet.ChangeRow](t)(l.Store().ExecutionChanges(t.Context(), task,
		&mitigation.Execution{Finding: f.FindingRef, Index: 0}, 0, 3*manyThings))
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.Resource] = true
	}
	if len(rows) != want || len(seen) != want {
		t.Errorf("got %d changes of %d memberships, want %d of each", len(rows), len(seen), want)
	}
}

func TestCancelStopsAnExecutionBetweenSlices(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			l := newLarge(t, database, someThings)
			_, err := l.c.CancelAuditMitigationActionsTask(t.Context(), &iot.CancelAuditMitigationActionsTaskInput{
				TaskId: new("task"),
			})
			expect(t, err, fine)
			l.gate.Open()
			task := l.task(t)
			wantTask(t, task, checkExpiring, taskCanceled, counts{2, 0, 0, 0, 2})
			if task.EndTime == nil {
				t.Error("got no end of a canceled task")
			}
			// What another task does later shows that this one did not go on.
			mitigate(t, l.c, "later", aimAtFinding(l.single), mapping{checkExpiring: {"deactivate"}})
			inOrder(t, "the first", executions(t, l.c, "task", l.shared), "join CANCELED", "deactivate CANCELED")
			inOrder(t, "the next", executions(t, l.c, "task", l.single), "join CANCELED", "deactivate CANCELED")
			l.inBoth(t, 500)
			l.wantChanges(t, 1000)
			if got := status(t, l.c, l.cert); got != "ACTIVE" {
				t.Errorf("got %s for what was not reached, want ACTIVE", got)
			}
		})
	}
}
