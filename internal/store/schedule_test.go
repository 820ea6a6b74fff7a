package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// started remembers the workflows that were started.
type started struct {
	mu  sync.Mutex
	ids []durable.ID
}

func (w *started) Start(id durable.ID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = append(w.ids, id)
	return nil
}

func (w *started) Cancel(durable.ID) error { return nil }

// auditor is the audits of a store with a clock that tests move.
type auditor struct {
	*audit.Service
	started started
	now     time.Time
}

// newAuditor has the checks A and B enabled in both scopes. Schedules run at
// 06:00.
func newAuditor(t *testing.T, s *Store) *auditor {
	t.Helper()
	a := &auditor{now: testNow}
	a.Service = &audit.Service{
		Store: s, Workflows: &a.started, Checks: audit.Checks{{Name: "A"}, {Name: "B"}},
		Now:       func() time.Time { return a.now },
		TimeOfDay: func(string) time.Duration { return 6 * time.Hour },
	}
	for _, sc := range []fleet.Scope{here, there} {
		ok(t, a.Update(t.Context(), sc, audit.Patch{RoleARN: "r", Checks: map[string]audit.CheckConfiguration{
			"A": {Enabled: true, Settings: map[string]string{}}, "B": {Enabled: true},
		}}))
	}
	return a
}

func (a *auditor) schedule(t *testing.T, sc fleet.Scope, name string, r audit.Recurrence) {
	t.Helper()
	sch := audit.Schedule{Name: name, Checks: []string{"A", "B"}}
	sch.Recurrence = r
	ok(t, a.CreateSchedule(t.Context(), sc, sch, nil))
}

// runs is the audits of a schedule, in order.
func runs(t *testing.T, s *Store, sc fleet.Scope, name string) (list []*audit.Task) {
	t.Helper()
	q := audit.TaskQuery{To: testNow.AddDate(10, 0, 0), Type: audit.Scheduled, Limit: 1000}
	found, err := s.Audits(t.Context(), sc, q)
	ok(t, err)
	for _, f := range found {
		task, err := s.Audit(t.Context(), sc, f.ID)
		ok(t, err)
		if task.ScheduledName == name {
			list = slices.Insert(list, 0, task)
		}
	}
	return list
}

func (a *auditor) wantRuns(t *testing.T, name string, want int) {
	t.Helper()
	ok(t, a.RunDue(t.Context()))
	if got := runs(t, a.Store.(*Store), here, name); len(got) != want {
		t.Errorf("at %s: got %d runs of %s, want %d", a.now, len(got), name, want)
	}
}

var daily = audit.Recurrence{Frequency: audit.Daily}

func TestASchedulesRunsFollowEachOther(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAuditor(t, s)
		a.schedule(t, here, "nightly", daily)
		a.wantRuns(t, "nightly", 0)
		a.now = testNow.Truncate(24 * time.Hour).Add(6*time.Hour - time.Millisecond)
		a.wantRuns(t, "nightly", 0)
		a.now = a.now.Add(time.Millisecond)
		first := a.now
		a.wantRuns(t, "nightly", 1)
		a.wantRuns(t, "nightly", 1)

		// Four due times are slept over.
		a.now = a.now.AddDate(0, 0, 4).Add(time.Minute)
		late := a.now
		a.wantRuns(t, "nightly", 2)
		a.now = a.now.Add(24*time.Hour - 61*time.Second)
		a.wantRuns(t, "nightly", 2)
		a.now = a.now.Add(time.Second)
		a.wantRuns(t, "nightly", 3)

		type window struct{ from, to time.Time }
		want := []window{{first.AddDate(0, 0, -31), first}, {first, late}, {late, a.now}}
		for i, run := range runs(t, s, here, "nightly") {
			if got := (window{run.WindowFrom, run.WindowTo}); got != want[i] || !run.Started.Equal(got.to) {
				t.Errorf("run %d: got %v, want %v", i, got, want[i])
			}
			if run.Type != audit.Scheduled || strings.Join(run.Checks, "") != "AB" ||
				run.States["A"].Status != audit.CheckInProgress {
				t.Errorf("run %d: got %s", i, toJSON(run))
			}
		}
		ids := a.started.ids
		if len(ids) != 3 || ids[0].Account != here.Account || ids[0].Kind != audit.WorkflowKind {
			t.Errorf("got workflows %v, want three of this account", ids)
		}
		list, err := s.Running(t.Context(), a.now)
		ok(t, err)
		if len(list.IDs) != 3 { // what a crash before the start leaves is found
			t.Errorf("got %d tasks in progress, want 3", len(list.IDs))
		}
	})
}

// Nobody calls where a schedule begins an audit, and the account finds it in its
// records all the same.
func TestARunOfAScheduleIsRecorded(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAuditor(t, s)
		a.schedule(t, here, "nightly", daily)
		a.now = testNow.Truncate(24 * time.Hour).Add(6 * time.Hour)
		a.wantRuns(t, "nightly", 1)
		a.wantRuns(t, "nightly", 1)
		logging(t, s, "a", func(*calllog.Log) {})
		got := exported(t, s, calllog.Export{
			Account: here.Account, From: testNow.Add(-time.Hour), To: testNow.Add(100 * time.Hour),
		})
		if names := recordNames(got); names != "StartScheduledAudit" {
			t.Fatalf("got records of %q, want one of the run", names)
		}
		want := []string{here.ARN("scheduledaudit", "nightly"), here.ARN("audittask", runs(t, s, here, "nightly")[0].ID)}
		r := got[0]
		if len(r.Resources) != 2 || r.Resources[0].ARN != want[0] || r.Resources[1].ARN != want[1] ||
			r.UserIdentity.InvokedBy != "iot.amazonaws.com" || r.UserIdentity.AccountID != here.Account ||
			r.EventType != "AwsServiceEvent" {
			t.Errorf("got %+v, want an event of the service about %q", r, want)
		}
	})
}

// Eight nodes see the same twenty schedules due.
func TestADueScheduleRunsOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAuditor(t, s)
		for i := range 5 {
			a.schedule(t, here, fmt.Sprint("s-", i), daily)
			a.schedule(t, there, fmt.Sprint("s-", i), daily)
		}
		a.now = a.now.AddDate(0, 0, 1)
		due, err := s.DueSchedules(t.Context(), a.now, 100)
		ok(t, err)
		if len(due) != 10 {
			t.Fatalf("got %d due, want 10", len(due))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := a.RunDue(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, p := range due {
			if got := len(runs(t, s, p.Scope, p.Name)); got != 1 {
				t.Errorf("%v %s: got %d runs, want 1", p.Scope, p.Name, got)
			}
			// Somebody who was about to run it comes too late.
			task, err := s.RunSchedule(t.Context(), p,
				func(*audit.Configuration, *audit.Schedule, bool) *audit.Task { panic("called") })
			if task != nil || err != nil {
				t.Errorf("got %v, %v, want nothing", task, err)
			}
		}
		if len(a.started.ids) != 10 {
			t.Errorf("got %d workflows, want 10", len(a.started.ids))
		}
	})
}

func TestWhatHappensToASchedule(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, a := t.Context(), newAuditor(t, s)
		weekly := audit.Recurrence{Frequency: audit.Weekly, DayOfWeek: "WED"} // today
		a.schedule(t, here, "s", weekly)
		next := func() time.Time {
			sch, err := s.Schedule(ctx, here, "s")
			ok(t, err)
			return sch.NextRun
		}
		at := func(days int) time.Time { return testNow.Truncate(24*time.Hour).Add(6*time.Hour).AddDate(0, 0, days) }
		want := func(what string, due time.Time) {
			t.Helper()
			if got := next(); !got.Equal(due) {
				t.Errorf("%s: got %s, want %s", what, got, due)
			}
		}
		want("created", at(0))
		ok(t, a.UpdateSchedule(ctx, here, "s", audit.SchedulePatch{Checks: []string{"B"}}))
		want("other checks", at(0))
		ok(t, a.UpdateSchedule(ctx, here, "s", audit.SchedulePatch{Recurrence: audit.Recurrence{DayOfWeek: "FRI"}}))
		want("another day", at(2))
		ok(t, a.UpdateSchedule(ctx, here, "s", audit.SchedulePatch{Recurrence: audit.Recurrence{DayOfWeek: "WED"}}))
		a.now = at(0)
		a.wantRuns(t, "s", 1)
		want("after a run", at(7))
		ok(t, a.UpdateSchedule(ctx, here, "s", audit.SchedulePatch{Recurrence: daily}))
		want("daily from now on", at(1))

		// In another time of day it is due tomorrow, not today once more.
		a.TimeOfDay = func(string) time.Duration { return 20 * time.Hour }
		ok(t, a.Replan(ctx))
		want("another time of day", at(1).Add(14*time.Hour))
		a.now = at(2) // due since the evening
		a.TimeOfDay = func(string) time.Duration { return 22 * time.Hour }
		ok(t, a.Replan(ctx))
		want("overdue, it waits to be run", at(1).Add(14*time.Hour))
		a.wantRuns(t, "s", 2)
		want("and then at the new time", at(2).Add(16*time.Hour))

		// A run goes on without its schedule.
		ok(t, s.DeleteSchedule(ctx, here, "s"))
		if got := runs(t, s, here, "s"); len(got) != 2 || got[1].Status != audit.TaskInProgress || got[1].Checks[0] != "B" {
			t.Errorf("got %s, want the last run in progress", toJSON(got))
		}
		a.now = at(9)
		a.wantRuns(t, "s", 2)
		ok(t, s.CancelAudit(ctx, here, runs(t, s, here, "s")[1].ID))
	})
}

func TestACheckThatIsOffHasFailedInARun(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAuditor(t, s)
		a.schedule(t, here, "s", daily)
		// Not by the API, which refuses it.
		ok(t, s.UpdateAuditConfiguration(t.Context(), here,
			func(c *audit.Configuration, _ []*audit.Schedule) (*audit.Configuration, error) {
				delete(c.Checks, "A")
				return c, nil
			}))
		a.now = a.now.AddDate(0, 0, 1)
		a.wantRuns(t, "s", 1)
		got := runs(t, s, here, "s")[0]
		if a, b := got.States["A"], got.States["B"]; a.Status != audit.CheckFailed || a.Message == "" ||
			a.ErrorCode != audit.ErrorCheckDisabled || b.Status != audit.CheckInProgress || b.ErrorCode != "" {
			t.Errorf("got %s, want A failed and B in progress", toJSON(got))
		}
	})
}

func TestTheSchedulesOfADisabledAccountDoNotRun(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAuditor(t, s)
		for _, sc := range []fleet.Scope{here, there} {
			_, err := s.makeAccount(t, sc.Account)
			ok(t, err)
			a.schedule(t, sc, "s", daily)
		}
		_, err := s.behind(t, `UPDATE accounts SET status = 'DISABLED' WHERE id = @id`, args{"id": here.Account})
		ok(t, err)
		a.now = a.now.AddDate(0, 0, 3)
		a.wantRuns(t, "s", 0)
		if got := runs(t, s, there, "s"); len(got) != 1 {
			t.Errorf("got %d runs of the other account, want 1", len(got))
		}
		// It is in nobody's way, and has nothing to catch up with.
		if due, err := s.DueSchedules(t.Context(), a.now, 10); err != nil || len(due) != 0 {
			t.Errorf("got %v, %v, want nothing due", due, err)
		}
		_, err = s.behind(t, `UPDATE accounts SET status = @s WHERE id = @id`,
			args{"id": here.Account, "s": string(identity.Active)})
		ok(t, err)
		a.wantRuns(t, "s", 0)
		a.now = a.now.AddDate(0, 0, 1)
		a.wantRuns(t, "s", 1)
	})
}

// makeAccount makes an account.
func (s *Store) makeAccount(t *testing.T, id string) (int64, error) {
	return s.behind(t, `INSERT INTO accounts (id, name, status, operator, created_at)
		VALUES (@id, '', 'ACTIVE', @operator, 0)`, args{"id": id, "operator": false})
}

// behind runs a statement behind the store's back.
func (s *Store) behind(t *testing.T, text string, a args) (n int64, err error) {
	defer pastStore(t, s)()
	err = s.write(t.Context(), func(ctx context.Context, q querier) error {
		n, err = q.exec(ctx, text, a)
		return err
	})
	return n, err
}

func TestSchedulesAreReadBackAsTheyWereStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAuditor(t, s)
		a.schedule(t, here, "s", audit.Recurrence{Frequency: audit.Monthly, DayOfMonth: "31"})
		a.now = a.now.AddDate(0, 1, 0)
		a.wantRuns(t, "s", 1)
		got, err := s.Schedule(t.Context(), here, "s")
		ok(t, err)
		due := time.Date(2026, 3, 31, 6, 0, 0, 0, time.UTC)
		want := &audit.Schedule{
			Name: "s", Checks: []string{"A", "B"}, NextRun: time.Date(2026, 4, 30, 6, 0, 0, 0, time.UTC),
			LastDue: due, LastRun: a.now,
		}
		want.Recurrence = audit.Recurrence{Frequency: audit.Monthly, DayOfMonth: "31"}
		want.Created, want.TimeOfDay = testNow, 6*time.Hour
		if toJSON(got) != toJSON(want) {
			t.Errorf("got %s, want %s", toJSON(got), toJSON(want))
		}
		_, err = s.Schedule(t.Context(), there, "s")
		wantFault(t, err, fault.NotFound, `"s"`)
	})
}

// All schedules are seen, over the end of a page and of a scope.
func TestEachSchedule(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAuditor(t, s)
		a.schedule(t, here, "x", daily)
		a.schedule(t, there, "x", daily)
		for _, sc := range []fleet.Scope{here, there} {
			ok(t, s.writing(t.Context(), sc, func(ctx context.Context, q querier, scope int64) error {
				for i := range schedulePage {
					sch := &audit.Schedule{Name: fmt.Sprintf("s-%04d", i)}
					sch.Created = testNow
					if err := saveSchedule(ctx, q, scope, sch); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		seen := map[string]bool{}
		for p, err := range s.EachSchedule(t.Context()) {
			ok(t, err)
			seen[p.Scope.Account+p.Name] = true
		}
		if want := 2 * (schedulePage + 1); len(seen) != want {
			t.Errorf("got %d, want %d", len(seen), want)
		}
	})
}

func TestAMessageIsStoredOnceWhenAnAuditEnds(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, a := t.Context(), newAuditor(t, s)
		topic := audit.NotificationTarget{
			TopicARN: "arn:aws:sns:eu-central-1:111111111111:t", RoleARN: "arn:aws:iam::111111111111:role/r", Enabled: true,
		}
		start := func(sc fleet.Scope) string {
			id, err := a.Start(ctx, sc, []string{"A", "B"})
			ok(t, err)
			return id
		}
		ok(t, s.CancelAudit(ctx, here, start(here))) // before it is switched on
		ok(t, a.Update(ctx, here, audit.Patch{Notifications: map[string]audit.NotificationTarget{"SNS": topic}}))
		ok(t, a.Update(ctx, here, audit.Patch{RoleARN: "another"}))
		id := start(here)
		ok(t, s.CancelAudit(ctx, there, start(there)))
		ok(t, s.CancelAudit(ctx, here, id))
		task, err := s.Audit(ctx, here, id)
		ok(t, err)
		ended(t, s, task, nil) // once more, as by a step that is repeated
		ok(t, a.Update(ctx, here, audit.Patch{Notifications: map[string]audit.NotificationTarget{"SNS": {}}}))
		ok(t, s.CancelAudit(ctx, here, start(here)))

		type message struct{ account, id, topic, role, payload, state string }
		got, err := all(ctx, s.read, `SELECT p.account, m.id, m.topic_arn, m.role_arn, m.body, m.state
			FROM topic_messages m JOIN scopes p ON p.scope = m.scope`, nil, func(r scanner) (m message, err error) {
			return m, r.Scan(&m.account, &m.id, &m.topic, &m.role, &m.payload, &m.state)
		})
		ok(t, err)
		want := []message{{here.Account, "audit/" + id, topic.TopicARN, topic.RoleARN, fmt.Sprintf(
			`{"accountId":"111111111111",`+
				`"taskId":%q,"taskStatus":"CANCELED","taskType":"ON_DEMAND_AUDIT_TASK","failedChecksCount":0,`+
				`"canceledChecksCount":2,"nonCompliantChecksCount":0,"compliantChecksCount":0,"totalChecksCount":2,`+
				`"taskStartTime":1772600767008,"auditDetails":[`+
				`{"checkName":"A","checkRunStatus":"CANCELED","nonCompliantResourcesCount":0,"totalResourcesCount":0,`+
				`"suppressedNonCompliantResourcesCount":0},`+
				`{"checkName":"B","checkRunStatus":"CANCELED","nonCompliantResourcesCount":0,"totalResourcesCount":0,`+
				`"suppressedNonCompliantResourcesCount":0}]}`, id), "PENDING"}}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
