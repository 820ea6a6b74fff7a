package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// TestAProcessIsReadyAtOnce shows the time and bounds it by far more, for
// machines that do other things as well.
func TestAProcessIsReadyAtOnce(t *testing.T) {
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			p := start(t, cordontest.EmptySettings(t, database))
			took := time.Since(p.begun)
			t.Logf("ready after %s", took)
			if took > time.Minute {
				t.Errorf("ready after %s, want a second", took)
			}
			for path, want := range map[string]int{"/livez": 200, "/readyz": 200} {
				if got := p.health(t, path); got != want {
					t.Errorf("%s: got status %d, want %d", path, got, want)
				}
			}
			p.terminate(t)
		})
	}
}

// health asks the ops listener.
func (p *process) health(t *testing.T, path string) int {
	t.Helper()
	r, err := http.Get(p.ops + path)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

func TestAProcessThatIsToldToEndInMidTaskGoesOnAtTheNextStart(t *testing.T) {
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			r := auditedFleet(t, database, small)
			p := start(t, r.cfg, stop{"mitigation", "after", 1, waiting})
			r.startMitigation(t, p)
			p.await(t, waiting)
			p.signal(t, syscall.SIGTERM)
			p.release(t)
			if s := p.end(t); !s.Exited() || s.ExitStatus() != 0 {
				t.Errorf("got %v after SIGTERM, want status 0", p.cmd.ProcessState)
			}
			e := r.inspect(t)
			t.Logf("%d of %d executions were committed", e.number(`SELECT count(*) FROM executions`), r.expired())
			e.wantChangesToMatch()
			e.wantChangesToBeTrue()

			p = start(t, r.cfg)
			r.wantMitigated(t, p)
			p.terminate(t)
			r.wantMitigatedInDatabase(t)
		})
	}
}

func TestASecondProcessOnADirectoryIsRefusedAndTheFirstGoesOn(t *testing.T) {
	t.Parallel()
	r := auditedFleet(t, "sqlite", small)
	first := start(t, r.cfg, stop{"mitigation", "inside", 2, waiting})
	r.startMitigation(t, first)
	first.await(t, waiting)

	second := launch(t, r.cfg)
	if s := second.end(t); !s.Exited() || s.ExitStatus() != 1 {
		t.Errorf("got %v of the second process, want status 1", second.cmd.ProcessState)
	}
	if want := fmt.Sprintf("in use by process %d", first.cmd.Process.Pid); !strings.Contains(second.lastErr, want) {
		t.Errorf("got %q, want a text that says %q", second.lastErr, want)
	}
	first.release(t)
	r.wantMitigated(t, first)
	first.terminate(t)
	r.wantMitigatedInDatabase(t)
}

func TestASliceThatPanicsOnceIsDoneAgain(t *testing.T) {
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			r := auditedFleet(t, database, small)
			p := start(t, r.cfg, stop{"mitigation", "inside", 2, panicked})
			r.startMitigation(t, p)
			r.wantMitigated(t, p)
			p.terminate(t)
			r.wantMitigatedInDatabase(t)
		})
	}
}

// TestATaskThatPanicsFailsAndTheProcessLives lets slices panic, or the workflow
// around them, at the first run or only at a restart.
func TestATaskThatPanicsFailsAndTheProcessLives(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  stop // of the process that accepts the task
		next   stop // of the one that is started behind it
		slices int  // that are committed in the end
	}{
		{"in every slice", stop{"mitigation", "inside", 0, panicked}, stop{"mitigation", "inside", 0, panicked}, 0},
		{"in the workflow", stop{"mitigation", "after", 1, panicked}, stop{"mitigation", "after", 0, panicked}, 1},
		{"in every slice since a restart", stop{"mitigation", "after", 1, killed},
			stop{"mitigation", "inside", 0, panicked}, 1},
		{"in the workflow at a restart", stop{"mitigation", "after", 1, killed},
			stop{"mitigation", "after", 0, panicked}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := auditedFleet(t, "sqlite", small)
			p := start(t, r.cfg, tt.first)
			r.startMitigation(t, p)
			if tt.first.Deed == killed {
				p.wantKilled(t)
				p = start(t, r.cfg, tt.next)
			}
			r.wantAbandoned(t, p, tt.slices)
			p.terminate(t)
			r.wantAbandonedInDatabase(t, tt.slices)

			p = start(t, r.cfg, tt.next)
			r.wantAbandoned(t, p, tt.slices)
			p.terminate(t)
			r.wantAbandonedInDatabase(t, tt.slices)
		})
	}
}

// wantAbandoned waits until the task has failed, from a process that answers.
func (r *rig) wantAbandoned(t *testing.T, p *process, slices int) {
	t.Helper()
	out := cordontest.AwaitMitigation(t, p.iot(), task)
	if out.TaskStatus != types.AuditMitigationActionsTaskStatusFailed {
		t.Errorf("got a task that is %s, want FAILED", out.TaskStatus)
	}
	s := out.TaskStatistics[expiring]
	if got, want := int(*s.SucceededFindingsCount+*s.FailedFindingsCount), r.executionsAfter(slices); got != want {
		t.Errorf("got %d findings with an outcome, want %d", got, want)
	}
}

func (r *rig) wantAbandonedInDatabase(t *testing.T, slices int) {
	t.Helper()
	e := r.inspect(t)
	wantText(t, "message", e.text(`SELECT message FROM mitigation_tasks`), "an internal failure stopped this task")
	e.want(r.executionsAfter(slices), "executions", `SELECT count(*) FROM executions`)
	e.wantChangesToMatch()
	e.wantChangesToBeTrue()
}

func TestAnAuditThatPanicsFailsAndSaysSo(t *testing.T) {
	t.Parallel()
	r := registeredFleet(t, "sqlite", small)
	p := start(t, r.cfg, stop{"audit", "inside", 0, panicked})
	out, err := p.iot().StartOnDemandAuditTask(t.Context(), &iot.StartOnDemandAuditTaskInput{
		TargetCheckNames: []string{expiring, logging},
	})
	if err != nil {
		t.Fatal(err)
	}
	end := cordontest.AwaitAudit(t, p.iot(), *out.TaskId)
	if end.TaskStatus != types.AuditTaskStatusFailed {
		t.Errorf("got an audit that is %s, want FAILED", end.TaskStatus)
	}
	for check, d := range end.AuditDetails {
		if d.CheckRunStatus != types.AuditCheckRunStatusFailed || aws.ToString(d.Message) == "" {
			t.Errorf("%s: got %s %q, want FAILED and a message", check, d.CheckRunStatus, aws.ToString(d.Message))
		}
	}
	p.terminate(t)
	r.inspect(t).want(0, "findings", `SELECT count(*) FROM findings`)
}
