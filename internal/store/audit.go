package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// CreateAudit stores a new audit that is in progress.
func (s *Store) CreateAudit(ctx context.Context, t *audit.Task) error {
	return s.writing(ctx, t.Scope, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		running, err := count(ctx, q, `SELECT count(*) FROM audits WHERE scope = @scope
			AND status = 'IN_PROGRESS' AND type = @type`, args{"scope": scope, "type": string(audit.OnDemand)})
		if err != nil {
			return fmt.Errorf("count running audits: %w", err)
		}
		if t.Type == audit.OnDemand && running >= int64(s.quotas.RunningAudits) {
			return fault.New(fault.Limit, "%d on-demand audits are in progress already", running)
		}
		return insertAudit(ctx, q, scope, t)
	})
}

// insertAudit stores a new audit and gives it its number.
func insertAudit(ctx context.Context, q querier, scope int64, t *audit.Task) error {
	seq, err := nextSeq(ctx, q, 1)
	if err != nil {
		return fmt.Errorf("number audit: %w", err)
	}
	t.Seq = seq[0]
	_, err = q.exec(ctx, `INSERT INTO audits (seq, scope, id, finding_prefix, type, status, scheduled_name, checks,
			progress, pass, position, findings, started_at, window_from, window_to)
		VALUES (@seq, @scope, @id, @prefix, @type, @status, @scheduled, @checks, @progress, 0, 0, 0, @started, @from, @to)`,
		args{
			"seq": t.Seq, "scope": scope, "id": t.ID, "prefix": audit.FindingPrefix(t.ID), "type": string(t.Type),
			"status": string(t.Status), "scheduled": t.ScheduledName, "checks": toJSON(t.Checks),
			"progress": toJSON(t.States), "started": t.Started.UnixMilli(),
			"from": orZero(t.WindowFrom), "to": orZero(t.WindowTo),
		})
	if err != nil {
		return fmt.Errorf("store audit: %w", err)
	}
	return nil
}

const auditColumns = `a.seq, a.id, a.type, a.status, a.scheduled_name, a.checks, a.progress, a.pass, a.position,
	a.findings, a.started_at, a.ended_at, a.window_from, a.window_to`

func scanAudit(sc fleet.Scope) func(scanner) (*audit.Task, error) {
	return func(r scanner) (*audit.Task, error) {
		t := &audit.Task{Scope: sc}
		var checks, progress string
		var started, from, to int64
		var ended *int64
		if err := r.Scan(&t.Seq, &t.ID, &t.Type, &t.Status, &t.ScheduledName, &checks, &progress, &t.Pass, &t.Position,
			&t.Findings, &started, &ended, &from, &to); err != nil {
			return nil, err
		}
		t.Started, t.Ended = fromMillis(started), fromNullMillis(ended)
		t.WindowFrom, t.WindowTo = fromZero(from), fromZero(to)
		return t, fromJSON(checks, &t.Checks, progress, &t.States)
	}
}

// Audit returns an audit, or a NotFound fault.
func (s *Store) Audit(ctx context.Context, sc fleet.Scope, id string) (t *audit.Task, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		t, err = findAudit(ctx, q, sc, scope, id)
		return err
	})
	return t, err
}

func findAudit(ctx context.Context, q querier, sc fleet.Scope, scope int64, id string) (*audit.Task, error) {
	t, ok, err := one(ctx, q, `SELECT `+auditColumns+` FROM audits a WHERE a.scope = @scope AND a.id = @id`,
		args{"scope": scope, "id": id}, scanAudit(sc))
	if err != nil {
		return nil, fmt.Errorf("find audit: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no audit task %q", id)
	}
	return t, nil
}

// Audits lists audits.
func (s *Store) Audits(ctx context.Context, sc fleet.Scope, f audit.TaskQuery) (list []audit.Summary, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a, err := behind(ctx, q, "audits", f.To, f.Before)
		if err != nil {
			return err
		}
		a["scope"], a["from"], a["limit"] = scope, f.From.UnixMilli(), f.Limit
		where := ""
		if f.Type != "" {
			where += ` AND type = @type`
			a["type"] = string(f.Type)
		}
		if f.Status != "" {
			where += ` AND status = @status`
			a["status"] = string(f.Status)
		}
		list, err = all(ctx, q, `SELECT seq, id, status, type FROM audits WHERE scope = @scope AND started_at >= @from
			AND (started_at, seq) < (@started, @before)`+where+` ORDER BY started_at DESC, seq DESC LIMIT @limit`, a,
			func(r scanner) (a audit.Summary, err error) { return a, r.Scan(&a.Seq, &a.ID, &a.Status, &a.Type) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list audits: %w", err)
	}
	return list, nil
}

// behind returns the arguments of (started_at, seq) < (@started, @before) for a
// page of audits or mitigation tasks up to a time, or behind the one with a
// number. Only the oldest are ever deleted: there is nothing behind one that is
// gone.
func behind(ctx context.Context, q querier, table string, to time.Time, before int64) (args, error) {
	a := args{"started": to.UnixMilli(), "before": int64(math.MaxInt64)}
	if before == 0 {
		return a, nil
	}
	started, err := count(ctx, q, `SELECT started_at FROM `+table+` WHERE seq = @seq`, args{"seq": before})
	if err == nil && started <= to.UnixMilli() {
		a["started"], a["before"] = started, before
	}
	return a, err
}

// CancelAudit ends an audit in progress. Checks that are complete keep their
// result.
func (s *Store) CancelAudit(ctx context.Context, sc fleet.Scope, id string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		t, err := lockAudit(ctx, q, sc, scope, id)
		if err != nil {
			return err
		}
		if t == nil {
			return fault.New(fault.NotFound, "there is no audit task %q", id)
		}
		if t.Status != audit.TaskInProgress {
			return fault.New(fault.Invalid, "audit task %q is not in progress: it is %s", id, t.Status)
		}
		t.Cancel(s.now())
		return saveAudit(ctx, q, t)
	})
}

// LockAudit reads an audit inside a slice and keeps it from others. It is nil
// when there is none.
func (s *Store) LockAudit(ctx context.Context, tx durable.Tx, sc fleet.Scope, id string) (*audit.Task, error) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return lockAudit(ctx, q, sc, scope, id)
}

func lockAudit(ctx context.Context, q querier, sc fleet.Scope, scope int64, id string) (*audit.Task, error) {
	if err := lockRows(ctx, q, auditRows, scope, id); err != nil {
		return nil, fmt.Errorf("lock audit: %w", err)
	}
	t, err := findAudit(ctx, q, sc, scope, id)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return t, err
}

// SaveAudit stores an audit's state inside a slice.
func (s *Store) SaveAudit(ctx context.Context, tx durable.Tx, t *audit.Task) error {
	return saveAudit(ctx, s.slice(tx), t)
}

// SaveFindings stores findings inside a slice.
func (s *Store) SaveFindings(ctx context.Context, tx durable.Tx, t *audit.Task, findings []audit.Finding) error {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, t.Scope)
	if err != nil {
		return err
	}
	return insertFindings(ctx, q, scope, findings)
}

// saveAudit stores an audit's state and, when it has ended, the message about
// it.
func saveAudit(ctx context.Context, q querier, t *audit.Task) error {
	_, err := q.exec(ctx, `UPDATE audits SET status = @status, progress = @progress, pass = @pass,
		position = @position, findings = @findings, ended_at = @ended WHERE seq = @seq`,
		args{
			"seq": t.Seq, "status": string(t.Status), "progress": toJSON(t.States), "pass": t.Pass,
			"position": t.Position, "findings": t.Findings, "ended": nullMillis(t.Ended),
		})
	if err != nil {
		return fmt.Errorf("save audit: %w", err)
	}
	if t.Ended.IsZero() {
		return nil
	}
	return notifyOfEnd(ctx, q, t)
}

// AuditConfiguration returns what an account has set, or nil when it has set
// nothing.
func (s *Store) AuditConfiguration(ctx context.Context, sc fleet.Scope) (c *audit.Configuration, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		c, err = auditConfiguration(ctx, q, scope)
		return err
	})
	return c, err
}

// AuditConfigurationIn reads the configuration of a scope, on tx unless that is
// nil; a nil configuration is none.
func (s *Store) AuditConfigurationIn(ctx context.Context, tx durable.Tx, sc fleet.Scope) (*audit.Configuration, error) {
	q := s.read
	if tx != nil {
		q = s.slice(tx)
	}
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return auditConfiguration(ctx, q, scope)
}

func auditConfiguration(ctx context.Context, q querier, scope int64) (*audit.Configuration, error) {
	c, ok, err := one(ctx, q, `SELECT role_arn, checks, notifications FROM audit_configurations WHERE scope = @scope`,
		args{"scope": scope}, func(r scanner) (*audit.Configuration, error) {
			c := &audit.Configuration{}
			var checks, notifications string
			if err := r.Scan(&c.RoleARN, &checks, &notifications); err != nil {
				return nil, err
			}
			return c, fromJSON(checks, &c.Checks, notifications, &c.Notifications)
		})
	if err != nil {
		return nil, fmt.Errorf("read audit configuration: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return c, nil
}

// UpdateAuditConfiguration replaces the configuration by what change makes of
// it and of the schedules. Change gets nil when there is none yet.
func (s *Store) UpdateAuditConfiguration(ctx context.Context, sc fleet.Scope,
	change func(*audit.Configuration, []*audit.Schedule) (*audit.Configuration, error),
) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		old, err := auditConfiguration(ctx, q, scope)
		if err != nil {
			return err
		}
		// No more than the quota allows.
		schedules, err := all(ctx, q, `SELECT `+scheduleColumns+` FROM scheduled_audits WHERE scope = @scope`,
			args{"scope": scope}, scanSchedule)
		if err != nil {
			return fmt.Errorf("list schedules: %w", err)
		}
		c, err := change(old, schedules)
		if err != nil {
			return err
		}
		_, err = q.exec(ctx, `INSERT INTO audit_configurations (scope, role_arn, notifications, checks)
			VALUES (@scope, @role, @notifications, @checks)
			ON CONFLICT (scope) DO UPDATE SET role_arn = excluded.role_arn, notifications = excluded.notifications,
				checks = excluded.checks`,
			args{
				"scope": scope, "role": c.RoleARN, "notifications": toJSON(c.Notifications), "checks": toJSON(c.Checks),
			})
		if err != nil {
			return fmt.Errorf("store audit configuration: %w", err)
		}
		return nil
	})
}

// DeleteAuditConfiguration removes the configuration, and with schedules the
// schedules too. Without a configuration it is a NotFound fault; with schedules
// that are to stay, an Invalid one.
func (s *Store) DeleteAuditConfiguration(ctx context.Context, sc fleet.Scope, schedules bool) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		names, err := all(ctx, q, `SELECT name FROM scheduled_audits WHERE scope = @scope`, args{"scope": scope},
			scalar[string])
		if err != nil {
			return fmt.Errorf("list schedules: %w", err)
		}
		n, err := q.exec(ctx, `DELETE FROM audit_configurations WHERE scope = @scope`, args{"scope": scope})
		switch {
		case err != nil:
			return fmt.Errorf("delete audit configuration: %w", err)
		case n == 0:
			return fault.New(fault.NotFound, "the account has no audit configuration")
		case !schedules && len(names) > 0:
			return fault.New(fault.Invalid, "the account has %d scheduled audits: delete them first, or set "+
				"deleteScheduledAudits", len(names))
		}
		for _, name := range names {
			if err := deleteSchedule(ctx, q, sc, scope, name); err != nil {
				return err
			}
		}
		return nil
	})
}
