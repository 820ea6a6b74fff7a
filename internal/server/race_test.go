package server_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/server"
)

// callers is how many clients do the same thing at once.
const callers = 20

func TestOneOfManyTokensStartsATask(t *testing.T) {
	onFleet(t, server.Options{}, func(t *testing.T, c *cordontest.Cordon, r *rig) {
		answers := atOnce(func(i int) error {
			in := r.mitigation()
			in.ClientRequestToken = aws.String(fmt.Sprintf("token-%d", i))
			_, err := c.IoT().StartAuditMitigationActionsTask(t.Context(), in)
			return err
		})
		won := 0
		for _, err := range answers {
			if err == nil {
				won++
			} else if !errors.As(err, new(*types.TaskAlreadyExistsException)) {
				t.Errorf("got %v, want TaskAlreadyExistsException", err)
			}
		}
		if won != 1 {
			t.Errorf("got %d callers that started the task, want 1", won)
		}
	})
}

func TestOneTokenStartsATaskOnce(t *testing.T) {
	onFleet(t, server.Options{}, func(t *testing.T, c *cordontest.Cordon, r *rig) {
		in := r.mitigation()
		in.ClientRequestToken = aws.String("token")
		for _, err := range atOnce(func(int) error {
			_, err := c.IoT().StartAuditMitigationActionsTask(t.Context(), in)
			return err
		}) {
			if err != nil {
				t.Errorf("got %v, want every caller to succeed", err)
			}
		}
	})
}

// atOnce calls fn from many goroutines and returns what each got.
func atOnce(fn func(i int) error) []error {
	answers := make([]error, callers)
	var all sync.WaitGroup
	gate := make(chan struct{})
	for i := range callers {
		all.Go(func() {
			<-gate
			answers[i] = fn(i)
		})
	}
	close(gate)
	all.Wait()
	return answers
}

// onFleet lets a test start the task on an audited fleet, on each database, and
// wants that it has then run once.
func onFleet(t *testing.T, o server.Options, test func(t *testing.T, c *cordontest.Cordon, r *rig)) {
	t.Helper()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			r := auditedFleet(t, database, small)
			within(t, r.cfg, o, func(c *cordontest.Cordon) {
				test(t, c, r)
				cordontest.AwaitMitigation(t, c.IoT(), task)
			})
			r.wantMitigatedInDatabase(t)
		})
	}
}

// TestACancelMeetsASlice cancels a task while a slice of it is at a point.
func TestACancelMeetsASlice(t *testing.T) {
	for _, tt := range []struct {
		at durable.Point
		// held says that the slice waits for the cancellation: it holds no lock.
		held bool
	}{
		{durable.Point{Place: "before", Slice: 2}, false},
		{durable.Point{Place: "inside", Slice: 2}, false},
		{durable.Point{Place: "after", Slice: 2}, true},
		{durable.Point{Place: "inside", Slice: small.last()}, false},
		{durable.Point{Place: "inside", Slice: small.last() + 1}, false},
	} {
		for _, database := range cordontest.Databases {
			t.Run(fmt.Sprintf("%s slice %d on %s", tt.at.Place, tt.at.Slice, database), func(t *testing.T) {
				t.Parallel()
				r := auditedFleet(t, database, small)
				there, goOn := make(chan struct{}), make(chan struct{})
				hook := func(p durable.Point) {
					if p.ID.Kind == "mitigation" && p.Place == tt.at.Place && p.Slice == tt.at.Slice {
						close(there)
						<-goOn
					}
				}
				var stat *types.TaskStatisticsForAuditCheck
				var status types.AuditMitigationActionsTaskStatus
				within(t, r.cfg, server.Options{Hook: hook}, func(c *cordontest.Cordon) {
					if _, err := c.IoT().StartAuditMitigationActionsTask(t.Context(), r.mitigation()); err != nil {
						t.Error(err)
						return
					}
					<-there
					answer := make(chan error, 1)
					go func() { answer <- cancelTask(t, c) }()
					if tt.held {
						err := <-answer
						answer <- err
					}
					close(goOn)
					canceled := <-answer
					out := cordontest.AwaitMitigation(t, c.IoT(), task)
					s := out.TaskStatistics[expiring]
					stat, status = &s, out.TaskStatus
					wantAnswer(t, canceled, status)
				})
				if stat != nil {
					r.wantCounted(t, stat, status)
				}
			})
		}
	}
}

func cancelTask(t *testing.T, c *cordontest.Cordon) error {
	_, err := c.IoT().CancelAuditMitigationActionsTask(t.Context(), &iot.CancelAuditMitigationActionsTaskInput{
		TaskId: aws.String(task),
	})
	return err
}

// wantAnswer wants that the caller heard how the task ended: it was canceled,
// or could not be because it had ended by itself.
func wantAnswer(t *testing.T, err error, status types.AuditMitigationActionsTaskStatus) {
	t.Helper()
	switch {
	case err == nil && status != types.AuditMitigationActionsTaskStatusCanceled:
		t.Errorf("got a task that is %s after a cancellation that succeeded", status)
	case err != nil && status == types.AuditMitigationActionsTaskStatusCanceled:
		t.Errorf("got a canceled task after a cancellation that did not succeed: %v", err)
	case err != nil && !errors.As(err, new(*types.InvalidRequestException)):
		t.Errorf("got %v, want InvalidRequestException", err)
	}
}

// wantCounted compares the statistics right after the end of a task with what
// there is once the server has stopped: nothing was done in between.
func (r *rig) wantCounted(t *testing.T, s *types.TaskStatisticsForAuditCheck,
	status types.AuditMitigationActionsTaskStatus,
) {
	t.Helper()
	e := r.inspect(t)
	e.want(int(*s.SucceededFindingsCount), "completed executions",
		`SELECT count(*) FROM executions WHERE status = 'COMPLETED'`)
	e.want(int(*s.FailedFindingsCount), "failed executions", `SELECT count(*) FROM executions WHERE status = 'FAILED'`)
	e.want(int(*s.SucceededFindingsCount+*s.FailedFindingsCount), "executions", `SELECT count(*) FROM executions`)
	wantText(t, "stored status", e.text(`SELECT status FROM mitigation_tasks`), string(status))
	e.wantChangesToMatch()
	e.wantChangesToBeTrue()
	if sum := *s.SucceededFindingsCount + *s.FailedFindingsCount + *s.CanceledFindingsCount; sum != int64(r.expired()) {
		t.Errorf("got outcomes of %d findings, want %d", sum, r.expired())
	}
}
