package audit

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// undecided is a store of one audit in which it is not known, for a time, what
// connections show.
type undecided struct {
	SliceStore
	task  *Task
	until time.Time
	asked int
	// canceled is when somebody cancels it, zero for never.
	canceled time.Time
}

func (u *undecided) Audit(context.Context, fleet.Scope, string) (*Task, error) {
	if !u.canceled.IsZero() && time.Now().After(u.canceled) {
		u.task.Cancel(u.canceled)
	}
	return u.task, nil
}

func (u *undecided) Undecided(_ context.Context, _ fleet.Scope, before time.Time) (bool, error) {
	u.asked++
	return time.Now().Before(u.until) && before.Equal(u.task.WindowTo), nil
}

// seeing is an audit of two checks, one of which needs to know of connections,
// and its engine.
func seeing(gateway bool, known time.Duration) (*Engine, *undecided) {
	checks := Checks{
		{Name: "SEEN", Connections: true, Client: func(Env, *fleet.Client) []Violation { return nil }},
		{Name: "OTHER", Account: func(Env, *fleet.LoggingOptions) []Violation { return nil }},
	}
	e := &Engine{Checks: checks, Gateway: gateway, Now: time.Now}
	all := &Configuration{Checks: map[string]CheckConfiguration{"SEEN": {Enabled: true}, "OTHER": {Enabled: true}}}
	task := (&Service{Checks: checks, Now: time.Now}).newTask(fleet.Scope{Account: "1"}, []string{"SEEN", "OTHER"}, all)
	u := &undecided{task: task, until: time.Now().Add(known)}
	e.Store = u
	return e, u
}

func TestAnAuditWaitsUntilItIsKnownWhatConnectionsShow(t *testing.T) {
	for _, tt := range []struct {
		name     string
		gateway  bool
		known    time.Duration // from then on
		waits    time.Duration // at most
		status   CheckStatus   // in the slice
		untested int64
	}{
		{"nothing is open", true, 0, 0, CheckInProgress, 0},
		{"it is known in time", true, 12 * time.Second, 13 * time.Second, CheckInProgress, 0},
		{"it is not known in time", true, time.Hour, 31 * time.Second, CheckInProgress, 1},
		{"nobody sees connections", false, time.Hour, 0, CheckFailed, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, u := seeing(tt.gateway, tt.known)
				if got := u.task.States["SEEN"].Status; got != CheckWaiting || u.task.States["OTHER"].Status != CheckInProgress {
					t.Errorf("got %s before the first slice, want %s", got, CheckWaiting)
				}
				begun := time.Now()
				if err := e.Prepare(t.Context(), durable.ID{}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took > tt.waits || took < tt.waits-time.Second {
					t.Errorf("got %s of waiting, want %s", took, tt.waits)
				}
				if err := e.weigh(t.Context(), u.task); err != nil {
					t.Fatal(err)
				}
				e.newSlice(u.task)
				state := u.task.States["SEEN"]
				if state.Status != tt.status || state.Untested != tt.untested {
					t.Errorf("got %s with %d untested, want %s with %d", state.Status, state.Untested, tt.status, tt.untested)
				}
				asked := u.asked
				if err := e.Prepare(t.Context(), durable.ID{}); err != nil || u.asked != asked {
					t.Errorf("got %v and %d questions before the next slice, want none", err, u.asked-asked)
				}
			})
		})
	}
}

func TestAnAuditThatIsCanceledWaitsNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, u := seeing(true, time.Hour)
		begun := time.Now()
		u.canceled = begun.Add(2 * time.Second)
		if err := e.Prepare(t.Context(), durable.ID{}); err != nil || time.Since(begun) > 3*time.Second {
			t.Errorf("got %v after %s, want an end soon", err, time.Since(begun))
		}
	})
}

// A check that found nothing, and does not know what the last connections show,
// has not established that all is well.
func TestWhatIsNotKnownIsNotCompliant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, u := seeing(true, time.Hour)
		if err := e.weigh(t.Context(), u.task); err != nil {
			t.Fatal(err)
		}
		s := e.newSlice(u.task)
		u.task.Pass = int(clientPass)
		s.completePass()
		state := u.task.States["SEEN"]
		if state.Status != CheckFailed || !strings.Contains(state.Message, "what connected last before the audit") {
			t.Errorf("got %s, %q", state.Status, state.Message)
		}
	})
}
