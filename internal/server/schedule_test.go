package server_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/server"
)

// head is how long before the due time a test of schedules begins at the
// latest: processes must have started by then.
const head = 12 * time.Second

// timetable are settings with a due time soon: the times of schedules are whole
// minutes.
func timetable(t *testing.T, database string) (config.Config, time.Time) {
	t.Helper()
	cfg := cordontest.Settings(t, database)
	due := time.Now().UTC().Add(head).Truncate(time.Minute).Add(time.Minute)
	cfg.AuditTimeOfDay = due.Format("15:04")
	within(t, cfg, server.Options{}, func(c *cordontest.Cordon) { cordontest.Enable(t, c.IoT(), logging) })
	return cfg, due
}

// schedule makes schedules of one check, which must be before they are due.
func (p *process) schedule(t *testing.T, due time.Time, n int) {
	t.Helper()
	for i := range n {
		_, err := p.iot().CreateScheduledAudit(t.Context(), &iot.CreateScheduledAuditInput{
			ScheduledAuditName: aws.String(fmt.Sprint("s-", i)), Frequency: types.AuditFrequencyDaily,
			TargetCheckNames: []string{logging},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !time.Now().Before(due) {
		t.Skipf("this machine took more than %s to get here", head)
	}
}

// awaitRuns waits until so many audits of schedules have ended well.
func (p *process) awaitRuns(t *testing.T, due time.Time, n int) {
	t.Helper()
	var ids []string
	for deadline := due.Add(cordontest.Deadline); len(ids) < n; time.Sleep(50 * time.Millisecond) {
		out, err := p.iot().ListAuditTasks(t.Context(), &iot.ListAuditTasksInput{
			StartTime: aws.Time(due.Add(-time.Hour)), EndTime: aws.Time(due.Add(time.Hour)),
			TaskType: types.AuditTaskTypeScheduledAuditTask,
		})
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("got %d runs, %v, want %d", len(ids), err, n)
		}
		ids = nil
		for _, task := range out.Tasks {
			ids = append(ids, *task.TaskId)
		}
	}
	for _, id := range ids {
		out := cordontest.AwaitAudit(t, p.iot(), id)
		if out.TaskStatus != types.AuditTaskStatusCompleted || out.ScheduledAuditName == nil ||
			out.TaskType != types.AuditTaskTypeScheduledAuditTask || out.TaskStartTime.Before(due) {
			t.Errorf("got %+v, want a completed audit of a schedule that began when it was due", out)
		}
	}
}

// wantRunsInDatabase wants one run of each of so many schedules, which are due
// again a day later.
func wantRunsInDatabase(t *testing.T, cfg config.Config, due time.Time, n int) {
	t.Helper()
	e := (&rig{cfg: cfg}).inspect(t)
	e.want(n, "audits", `SELECT count(*) FROM audits`)
	e.want(n, "schedules with an audit", `SELECT count(DISTINCT scheduled_name) FROM audits
		WHERE type = 'SCHEDULED_AUDIT_TASK' AND status = 'COMPLETED'`)
	e.want(n, "schedules that are due tomorrow", fmt.Sprintf(`SELECT count(*) FROM scheduled_audits s
		JOIN audits a ON a.scope = s.scope AND a.scheduled_name = s.name
		WHERE s.next_run = %d AND s.last_due = %d AND s.last_run = a.started_at AND a.window_to = a.started_at`,
		due.AddDate(0, 0, 1).UnixMilli(), due.UnixMilli()))
}

func TestAScheduledAuditRunsOnceThoughTheProcessWasDeadWhenItWasDue(t *testing.T) {
	t.Parallel()
	cfg, due := timetable(t, "sqlite")
	p := start(t, cfg)
	p.schedule(t, due, 1)
	p.signal(t, syscall.SIGKILL)
	p.wantKilled(t)
	(&rig{cfg: cfg}).inspect(t).want(0, "audits before it is due", `SELECT count(*) FROM audits`)
	time.Sleep(time.Until(due.Add(time.Second))) // the due time goes by
	p = start(t, cfg)
	p.awaitRuns(t, due, 1)
	p.terminate(t)
	p = start(t, cfg)
	p.awaitRuns(t, due, 1)
	p.terminate(t)
	wantRunsInDatabase(t, cfg, due, 1)
}

// The process dies after it has stored the audit and before it has begun it.
func TestAScheduledAuditRunsOnceThoughTheProcessDiedOfIt(t *testing.T) {
	t.Parallel()
	cfg, due := timetable(t, "sqlite")
	p := start(t, cfg, stop{"audit", "accepted", 0, killed})
	p.schedule(t, due, 2)
	p.wantKilled(t)
	e := (&rig{cfg: cfg}).inspect(t)
	e.want(1, "audits stored at the kill", `SELECT count(*) FROM audits WHERE status = 'IN_PROGRESS'`)
	e.want(1, "schedules moved on at the kill", `SELECT count(*) FROM scheduled_audits WHERE last_run IS NOT NULL`)
	p = start(t, cfg)
	p.awaitRuns(t, due, 2)
	p.terminate(t)
	wantRunsInDatabase(t, cfg, due, 2)
}

func TestOneOfTwoNodesRunsAScheduledAudit(t *testing.T) {
	t.Parallel()
	const schedules = 20
	cfg, due := timetable(t, "postgres")
	one, two := start(t, cfg), start(t, cfg)
	one.schedule(t, due, schedules)
	two.awaitRuns(t, due, schedules)
	one.terminate(t)
	two.terminate(t)
	wantRunsInDatabase(t, cfg, due, schedules)
}

// A server that is started 91 days later deletes what it finds.
func TestAServerDeletesWhatIsTooOld(t *testing.T) {
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			cfg := cordontest.Settings(t, database)
			var id string
			within(t, cfg, server.Options{}, func(c *cordontest.Cordon) {
				cordontest.Enable(t, c.IoT(), logging)
				id, _ = cordontest.Audit(t, c.IoT(), logging)
			})
			c := cordontest.Start(t, cfg, server.Options{Now: func() time.Time { return time.Now().AddDate(0, 0, 91) }})
			for deadline := time.Now().Add(cordontest.Deadline); ; time.Sleep(10 * time.Millisecond) {
				_, err := c.Store().Audit(t.Context(), scope, id)
				if fault.Is(err, fault.NotFound) {
					return
				}
				if err != nil || time.Now().After(deadline) {
					t.Fatalf("got %v after 91 days, want the audit gone", err)
				}
			}
		})
	}
}
