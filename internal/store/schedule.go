package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// scheduleKind is that of schedules in ARNs.
const scheduleKind = "scheduledaudit"

const scheduleColumns = `name, frequency, day_of_month, day_of_week, checks, created_at, time_of_day, next_run,
	last_due, last_run`

func scanSchedule(r scanner) (*audit.Schedule, error) {
	sch := &audit.Schedule{}
	var checks string
	var created, minutes, next int64
	var due, run *int64
	if err := r.Scan(&sch.Name, &sch.Frequency, &sch.DayOfMonth, &sch.DayOfWeek, &checks, &created, &minutes, &next,
		&due, &run); err != nil {
		return nil, err
	}
	sch.Created, sch.NextRun = fromMillis(created), fromMillis(next)
	sch.TimeOfDay = time.Duration(minutes) * time.Minute
	sch.LastDue, sch.LastRun = fromNullMillis(due), fromNullMillis(run)
	return sch, fromJSON(checks, &sch.Checks)
}

func findSchedule(ctx context.Context, q querier, scope int64, name string) (*audit.Schedule, error) {
	sch, ok, err := one(ctx, q, `SELECT `+scheduleColumns+` FROM scheduled_audits WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": name}, scanSchedule)
	if err != nil {
		return nil, fmt.Errorf("find schedule: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no scheduled audit %q", name)
	}
	return sch, nil
}

// CreateSchedule stores a new schedule with its tags if allow has nothing
// against it, or leaves the one of that name when it is the same in everything.
// A different one is an Exists fault.
func (s *Store) CreateSchedule(ctx context.Context, sc fleet.Scope, sch *audit.Schedule, tags []fleet.Tag,
	allow func(*audit.Configuration) error,
) error {
	arn := sc.ARN(scheduleKind, sch.Name)
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		c, err := auditConfiguration(ctx, q, scope)
		if err != nil {
			return err
		}
		if err := allow(c); err != nil {
			return err
		}
		old, err := findSchedule(ctx, q, scope, sch.Name)
		if err == nil {
			same, err := sameTags(ctx, q, scope, arn, tags)
			if err == nil && (!same || !old.Equal(sch)) {
				f := fault.New(fault.Exists, "a scheduled audit %q exists with other content", sch.Name)
				f.ResourceID, f.ResourceARN = sch.Name, arn
				err = f
			}
			return err
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		if err := s.roomForSchedule(ctx, q, scope); err != nil {
			return err
		}
		return errors.Join(saveSchedule(ctx, q, scope, sch), setTags(ctx, q, scope, arn, tags))
	})
}

func (s *Store) roomForSchedule(ctx context.Context, q querier, scope int64) error {
	have, err := count(ctx, q, `SELECT count(*) FROM scheduled_audits WHERE scope = @scope`, args{"scope": scope})
	if err != nil {
		return fmt.Errorf("count schedules: %w", err)
	}
	if have >= int64(s.quotas.ScheduledAudits) {
		return fault.New(fault.Limit, "the account has %d scheduled audits, which is the most", have)
	}
	return nil
}

func saveSchedule(ctx context.Context, q querier, scope int64, sch *audit.Schedule) error {
	_, err := q.exec(ctx, `INSERT INTO scheduled_audits (scope, `+scheduleColumns+`)
		VALUES (@scope, @name, @frequency, @month, @week, @checks, @created, @minutes, @next, @due, @run)
		ON CONFLICT (scope, name) DO UPDATE SET frequency = excluded.frequency, day_of_month = excluded.day_of_month,
			day_of_week = excluded.day_of_week, checks = excluded.checks, time_of_day = excluded.time_of_day,
			next_run = excluded.next_run, last_due = excluded.last_due, last_run = excluded.last_run`,
		args{
			"scope": scope, "name": sch.Name, "frequency": string(sch.Frequency), "month": sch.DayOfMonth,
			"week": sch.DayOfWeek, "checks": toJSON(sch.Checks), "created": sch.Created.UnixMilli(),
			"minutes": int64(sch.TimeOfDay / time.Minute), "next": sch.NextRun.UnixMilli(),
			"due": nullMillis(sch.LastDue), "run": nullMillis(sch.LastRun),
		})
	if err != nil {
		return fmt.Errorf("store schedule: %w", err)
	}
	return nil
}

// UpdateSchedule stores what change makes of a schedule, or is NotFound.
func (s *Store) UpdateSchedule(ctx context.Context, sc fleet.Scope, name string,
	change func(*audit.Configuration, *audit.Schedule) error,
) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		sch, err := findSchedule(ctx, q, scope, name)
		if err != nil {
			return err
		}
		c, err := auditConfiguration(ctx, q, scope)
		if err != nil {
			return err
		}
		if err := change(c, sch); err != nil {
			return err
		}
		return saveSchedule(ctx, q, scope, sch)
	})
}

// DeleteSchedule removes a schedule, or is NotFound. Its audits stay.
func (s *Store) DeleteSchedule(ctx context.Context, sc fleet.Scope, name string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		if _, err := findSchedule(ctx, q, scope, name); err != nil {
			return err
		}
		return deleteSchedule(ctx, q, sc, scope, name)
	})
}

func deleteSchedule(ctx context.Context, q querier, sc fleet.Scope, scope int64, name string) error {
	if _, err := q.exec(ctx, `DELETE FROM scheduled_audits WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": name}); err != nil {
		return fmt.Errorf("delete schedule: %w", err)
	}
	return deleteTags(ctx, q, scope, sc.ARN(scheduleKind, name))
}

// Schedule returns a schedule, or a NotFound fault.
func (s *Store) Schedule(ctx context.Context, sc fleet.Scope, name string) (sch *audit.Schedule, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		sch, err = findSchedule(ctx, q, scope, name)
		return err
	})
	return sch, err
}

// Schedules lists schedules by name, behind the one named.
func (s *Store) Schedules(ctx context.Context, sc fleet.Scope, after string, limit int) (
	list []*audit.Schedule, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+scheduleColumns+` FROM scheduled_audits
			WHERE scope = @scope AND name > @after ORDER BY name LIMIT @limit`,
			args{"scope": scope, "after": after, "limit": limit}, scanSchedule)
		return err
	})
	return list, err
}

// plannedRow is a schedule with the number of its scope.
type plannedRow struct {
	scope int64
	audit.Planned
}

const plannedColumns = `s.scope, p.account, p.region, s.name, s.next_run, s.time_of_day`

func scanPlanned(r scanner) (p plannedRow, err error) {
	var next, minutes int64
	err = r.Scan(&p.scope, &p.Scope.Account, &p.Scope.Region, &p.Name, &next, &minutes)
	p.NextRun, p.TimeOfDay = fromMillis(next), time.Duration(minutes)*time.Minute
	return p, err
}

// schedulePage is how many schedules are read at a time of those of all scopes.
const schedulePage = 500

// EachSchedule lists the schedules of all scopes.
func (s *Store) EachSchedule(ctx context.Context) iter.Seq2[audit.Planned, error] {
	return func(yield func(audit.Planned, error) bool) {
		var last plannedRow
		for {
			page, err := all(ctx, s.read, `SELECT `+plannedColumns+` FROM scheduled_audits s
				JOIN scopes p ON p.scope = s.scope WHERE (s.scope, s.name) > (@scope, @name)
				ORDER BY s.scope, s.name LIMIT @limit`,
				args{"scope": last.scope, "name": last.Name, "limit": schedulePage}, scanPlanned)
			if err != nil {
				yield(audit.Planned{}, err)
				return
			}
			for _, last = range page {
				if !yield(last.Planned, nil) {
					return
				}
			}
			if len(page) < schedulePage {
				return
			}
		}
	}
}

// DueSchedules lists the schedules of all scopes that are due at a time, the
// longest due first.
func (s *Store) DueSchedules(ctx context.Context, at time.Time, limit int) ([]audit.Planned, error) {
	return dueSchedules(ctx, s.read, at, limit)
}

func dueSchedules(ctx context.Context, q querier, at time.Time, limit int) ([]audit.Planned, error) {
	list, err := all(ctx, q, `SELECT `+plannedColumns+` FROM scheduled_audits s
		JOIN scopes p ON p.scope = s.scope WHERE s.next_run <= @at ORDER BY s.next_run LIMIT @limit`,
		args{"at": at.UnixMilli(), "limit": limit}, scanPlanned)
	return collect(list, func(r *plannedRow) audit.Planned { return r.Planned }), err
}

// RunSchedule stores, as one transaction, what run makes of a schedule and the
// audit that it returns, if any. Run is not called where the schedule is gone
// or not due at that time any more: another node was faster.
func (s *Store) RunSchedule(ctx context.Context, p audit.Planned,
	run func(c *audit.Configuration, s *audit.Schedule, active bool) *audit.Task,
) (t *audit.Task, err error) {
	err = s.writing(ctx, p.Scope, func(ctx context.Context, q querier, scope int64) error {
		t = nil
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		sch, err := findSchedule(ctx, q, scope, p.Name)
		if fault.Is(err, fault.NotFound) || err == nil && !sch.NextRun.Equal(p.NextRun) {
			return nil
		}
		if err != nil {
			return err
		}
		c, err := auditConfiguration(ctx, q, scope)
		if err != nil {
			return err
		}
		disabled, err := count(ctx, q, `SELECT count(*) FROM accounts WHERE id = @id AND status = 'DISABLED'`,
			args{"id": p.Scope.Account})
		if err != nil {
			return fmt.Errorf("read account: %w", err)
		}
		made := run(c, sch, disabled == 0)
		if err := saveSchedule(ctx, q, scope, sch); err != nil {
			return err
		}
		if made == nil {
			return nil
		}
		t = made
		if err := insertAudit(ctx, q, scope, t); err != nil {
			return err
		}
		return insertLoose(ctx, q, s.node, calllog.AppendLine(nil, s.dueAudit(t)))
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// dueAudit is the record of an audit that a schedule began: nobody called, and
// what happens in an account is recorded there.
func (s *Store) dueAudit(t *audit.Task) *calllog.Event {
	return &calllog.Event{
		Time: s.now(), Source: "iot.amazonaws.com", Name: "StartScheduledAudit", Region: t.Scope.Region,
		Account: t.Scope.Account, Internal: true,
		User:      calllog.Identity{Type: "AWSService", Account: t.Scope.Account, InvokedBy: "iot.amazonaws.com"},
		Resources: []string{t.Scope.ARN("scheduledaudit", t.ScheduledName), t.Scope.ARN("audittask", t.ID)},
	}
}
