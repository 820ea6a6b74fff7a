package iotapi_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// manyThings is more than a slice changes, in two groups each.
const manyThings = 2500

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

func newLarge(t *testing.T, database string) *large {
	t.Helper()
	l := &large{}
	l.Cordon, l.gate = cordontest.StartHeld(t, database, "mitigation")
	l.c = l.IoT()
	l.cert = register(t, l.c, in(-1))
	other := register(t, l.c, in(-1))
	group(t, l.c, "quarantine", "")
	group(t, l.c, "watch", "")
	var g errgroup.Group
	g.SetLimit(64) // writes of several callers share a commit
	for i := range manyThings {
		g.Go(func() error {
			thing, err := fleet.NewThing(fleet.Thing{Name: fmt.Sprintf("thing-%d", i), ID: fmt.Sprint(i)},
				fleet.AttributeUpdate{})
			if err == nil {
				_, err = l.Store().CreateThing(t.Context(), home, thing)
			}
			if err == nil {
				err = l.Store().AttachThing(t.Context(), home, fleet.Attachment{
					Thing: thing.Name, Certificate: l.cert, Type: fleet.NonExclusive,
				})
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	audit, found := audited(t, l.c, checkExpiring)
	l.audit, l.shared, l.single = audit, found[l.cert], found[other]
	action(t, l.c, "join", joining("quarantine", "watch"))
	action(t, l.c, "deactivate", deactivate())
	begin(t, l.c, "task", aim(audit), mapping{checkExpiring: {"join", "deactivate"}})
	l.gate.Await(t, "task")
	return l
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
			l := newLarge(t, database)
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
			l := newLarge(t, database)
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
