package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// CreateMitigation stores a new task. Plan completes it inside the
// transaction, from what the account has. When a task of the same id and token
// exists, and its request was the same, created is false.
func (s *Store) CreateMitigation(ctx context.Context, t *mitigation.Task, plan func(mitigation.Library) error) (
	created bool, err error,
) {
	err = s.writing(ctx, t.Scope, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		exists, err := sameTask(ctx, q, scope, t)
		if err != nil || exists {
			return err
		}
		if err := plan(&library{ctx: ctx, q: q, scope: scope, sc: t.Scope}); err != nil {
			return err
		}
		running, err := count(ctx, q, `SELECT count(*) FROM mitigation_tasks
			WHERE scope = @scope AND status = 'IN_PROGRESS'`, args{"scope": scope})
		if err != nil {
			return fmt.Errorf("count running tasks: %w", err)
		}
		if running >= int64(s.quotas.RunningMitigations) {
			return fault.New(fault.Limit, "%d mitigation tasks are in progress already", running)
		}
		created = true
		return insertTask(ctx, q, scope, t)
	})
	return created && err == nil, err
}

// sameTask reports whether the task was started before. A task id or a token
// that belongs to another request is a TaskExists fault.
func sameTask(ctx context.Context, q querier, scope int64, t *mitigation.Task) (bool, error) {
	type key struct{ id, token, hash string }
	old, err := all(ctx, q, `SELECT id, token, request_hash FROM mitigation_tasks
		WHERE scope = @scope AND (id = @id OR token = @token)`,
		args{"scope": scope, "id": t.ID, "token": t.Token},
		func(r scanner) (k key, err error) { return k, r.Scan(&k.id, &k.token, &k.hash) })
	if err != nil {
		return false, fmt.Errorf("find task: %w", err)
	}
	for _, k := range old {
		switch {
		case k.id != t.ID:
			return false, fault.New(fault.TaskExists, "the clientRequestToken was used to start the task %q", k.id)
		case k.token != t.Token:
			return false, fault.New(fault.TaskExists, "a task %q exists with another clientRequestToken", t.ID)
		case k.hash != t.RequestHash:
			return false, fault.New(fault.TaskExists, "the task %q was started by a different request with this token", t.ID)
		}
	}
	return len(old) > 0, nil
}

func insertTask(ctx context.Context, q querier, scope int64, t *mitigation.Task) error {
	seq, err := nextSeq(ctx, q, 1)
	if err != nil {
		return fmt.Errorf("number task: %w", err)
	}
	t.Seq = seq[0]
	if _, err := q.exec(ctx, `INSERT INTO mitigation_tasks (seq, scope, id, token, request_hash, status, target,
			mapping, actions, stats, at_audit, at_n, cursor, started_at, message)
		VALUES (@seq, @scope, @id, @token, @hash, @status, @target, @mapping, @actions, @stats, 0, 0, '', @started, '')`,
		args{
			"seq": t.Seq, "scope": scope, "id": t.ID, "token": t.Token, "hash": t.RequestHash,
			"status": string(t.Status), "target": toJSON(t.Target), "mapping": toJSON(t.Mapping),
			"actions": toJSON(t.Actions), "stats": toJSON(t.Stats), "started": t.Started.UnixMilli(),
		}); err != nil {
		return fmt.Errorf("store task: %w", err)
	}
	return insertRows(ctx, q, "mitigation_targets", []column{
		{"task", repeat(t.Seq, len(t.Refs))},
		{"audit", collect(t.Refs, func(r *audit.FindingRef) int64 { return r.Audit })},
		{"n", collect(t.Refs, func(r *audit.FindingRef) int64 { return r.N })},
	})
}

// library is what a new task is made from, in its transaction.
type library struct {
	ctx   context.Context
	q     querier
	scope int64
	sc    fleet.Scope
}

func (l *library) Action(name string) (*mitigation.Action, error) {
	return findAction(l.ctx, l.q, l.scope, name)
}

func (l *library) Audit(id string) (*audit.Task, error) {
	return findAudit(l.ctx, l.q, l.sc, l.scope, id)
}

func (l *library) Finding(id string) (audit.Finding, error) {
	return findFinding(l.ctx, l.q, l.scope, id)
}

const taskColumns = `seq, id, token, request_hash, status, target, mapping, actions, stats, at_audit, at_n, cursor,
	started_at, ended_at, message`

func scanTask(sc fleet.Scope) func(scanner) (*mitigation.Task, error) {
	return func(r scanner) (*mitigation.Task, error) {
		t := &mitigation.Task{Scope: sc}
		var target, mapping, actions, stats, cursor string
		var started int64
		var ended *int64
		if err := r.Scan(&t.Seq, &t.ID, &t.Token, &t.RequestHash, &t.Status, &target, &mapping, &actions, &stats,
			&t.Done.Audit, &t.Done.N, &cursor, &started, &ended, &t.Message); err != nil {
			return nil, err
		}
		t.Started, t.Ended = fromMillis(started), fromNullMillis(ended)
		if cursor != "" {
			t.Cursor = &mitigation.Cursor{}
			if err := fromJSON(cursor, t.Cursor); err != nil {
				return nil, err
			}
		}
		return t, fromJSON(target, &t.Target, mapping, &t.Mapping, actions, &t.Actions, stats, &t.Stats)
	}
}

// Mitigation returns a task, or a NotFound fault.
func (s *Store) Mitigation(ctx context.Context, sc fleet.Scope, id string) (t *mitigation.Task, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		t, err = findTask(ctx, q, sc, scope, id)
		return err
	})
	return t, err
}

func findTask(ctx context.Context, q querier, sc fleet.Scope, scope int64, id string) (*mitigation.Task, error) {
	t, ok, err := one(ctx, q, `SELECT `+taskColumns+` FROM mitigation_tasks WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": id}, scanTask(sc))
	if err != nil {
		return nil, fmt.Errorf("find task: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no audit mitigation actions task %q", id)
	}
	t.Refs, err = all(ctx, q, `SELECT audit, n FROM mitigation_targets WHERE task = @task ORDER BY audit, n`,
		args{"task": t.Seq}, func(r scanner) (f audit.FindingRef, err error) { return f, r.Scan(&f.Audit, &f.N) })
	return t, err
}

// Mitigations lists tasks. An audit or finding that does not exist has none.
func (s *Store) Mitigations(ctx context.Context, sc fleet.Scope, f mitigation.TaskQuery) (
	list []mitigation.Summary, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a := args{"scope": scope, "from": f.From.UnixMilli(), "to": f.To.UnixMilli(), "limit": f.Limit}
		where := ` WHERE t.scope = @scope AND t.started_at >= @from AND COALESCE(t.ended_at, t.started_at) <= @to`
		if f.Status != "" {
			where += ` AND t.status = @status`
			a["status"] = string(f.Status)
		}
		if f.AuditID != "" || f.FindingID != "" {
			list, err = aimedTasks(ctx, q, f, where, a)
			return err
		}
		last, err := behind(ctx, q, "mitigation_tasks", f.To, f.Before)
		if err != nil {
			return err
		}
		maps.Copy(a, last)
		list, err = all(ctx, q, `SELECT `+summaryColumns+` FROM mitigation_tasks t`+where+`
			AND (t.started_at, t.seq) < (@started, @before) ORDER BY t.started_at DESC, t.seq DESC LIMIT @limit`, a, scanSummary)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return list, nil
}

const summaryColumns = `t.seq, t.id, t.status, t.started_at`

func scanSummary(r scanner) (t mitigation.Summary, err error) {
	var started int64
	err = r.Scan(&t.Seq, &t.ID, &t.Status, &started)
	t.Started = fromMillis(started)
	return t, err
}

// aimedTasks lists the tasks for which a condition holds and that are aimed at
// an audit or a finding, the newest first. A task is aimed at all of an audit,
// or at some findings.
func aimedTasks(ctx context.Context, q querier, f mitigation.TaskQuery, where string, a args) (
	list []mitigation.Summary, err error,
) {
	prefix, n, _ := audit.ParseFindingID(f.FindingID)
	column, key := `id`, f.AuditID
	if key == "" {
		column, key = `finding_prefix`, prefix
	}
	if !strings.HasPrefix(key, prefix) {
		return nil, nil // a finding of another audit
	}
	seq, ok, err := one(ctx, q, `SELECT seq FROM audits WHERE scope = @scope AND `+column+` = @key`,
		args{"scope": a["scope"], "key": key}, scalar[int64])
	if err != nil || !ok {
		return nil, err
	}
	a["aimed"], a["before"] = seq, f.Before
	if f.Before == 0 {
		a["before"] = int64(math.MaxInt64)
	}
	// Once, however many findings.
	parts := []string{` AND g.n = (SELECT min(o.n) FROM mitigation_targets o WHERE o.task = g.task AND o.audit = g.audit)`}
	if f.FindingID != "" {
		a["n"] = n
		parts = []string{` AND g.n = 0`, ` AND g.n = @n`}
	}
	for _, part := range parts {
		params := maps.Clone(a)
		if !strings.Contains(part, "@n") {
			delete(params, "n")
		}
		// The sum keeps the planner from going through all tasks in their order.
		page, err := all(ctx, q, `SELECT `+summaryColumns+` FROM mitigation_targets g
			CROSS JOIN mitigation_tasks t`+where+` AND t.seq = g.task + 0 AND g.audit = @aimed AND g.task < @before`+part+`
			ORDER BY g.task DESC LIMIT @limit`, params, scanSummary)
		if err != nil {
			return nil, err
		}
		list = append(list, page...)
	}
	slices.SortFunc(list, func(x, y mitigation.Summary) int { return cmp.Compare(y.Seq, x.Seq) })
	return list[:min(len(list), f.Limit)], nil
}

// CancelMitigation ends a task in progress: what has not run will not.
func (s *Store) CancelMitigation(ctx context.Context, sc fleet.Scope, id string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		t, err := lockTask(ctx, q, sc, scope, id)
		if err != nil {
			return err
		}
		if t == nil {
			return fault.New(fault.NotFound, "there is no audit mitigation actions task %q", id)
		}
		if t.Status != mitigation.TaskInProgress {
			return fault.New(fault.Invalid, "the task %q is not in progress: it is %s", id, t.Status)
		}
		t.Status, t.Ended = mitigation.TaskCanceled, s.now()
		return errors.Join(cutExecutions(ctx, q, t), saveTask(ctx, q, t))
	})
}

// cutExecutions ends the execution that is in progress between two slices.
func cutExecutions(ctx context.Context, q querier, t *mitigation.Task) error {
	if t.Cursor == nil {
		return nil
	}
	_, err := q.exec(ctx, `UPDATE executions SET status = 'CANCELED', ended_at = @ended
		WHERE task = @task AND status = 'IN_PROGRESS'`, args{"task": t.Seq, "ended": t.Ended.UnixMilli()})
	if err != nil {
		return fmt.Errorf("end execution: %w", err)
	}
	return nil
}

// LockMitigation reads a task inside a slice and keeps it from others. It is
// nil when there is none.
func (s *Store) LockMitigation(ctx context.Context, tx durable.Tx, sc fleet.Scope, id string) (
	*mitigation.Task, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	// Some actions change the groups of things.
	if err := shareDynamic(ctx, q, scope); err != nil {
		return nil, err
	}
	return lockTask(ctx, q, sc, scope, id)
}

func lockTask(ctx context.Context, q querier, sc fleet.Scope, scope int64, id string) (*mitigation.Task, error) {
	if err := lockRows(ctx, q, taskRows, scope, id); err != nil {
		return nil, fmt.Errorf("lock task: %w", err)
	}
	t, err := findTask(ctx, q, sc, scope, id)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return t, err
}

// NextFindings lists the findings of a task's target behind its position.
func (s *Store) NextFindings(ctx context.Context, tx durable.Tx, t *mitigation.Task, limit int) (
	[]audit.Finding, error,
) {
	a := args{"task": t.Seq, "audit": t.Done.Audit, "n": t.Done.N, "limit": limit}
	const columns = `f.audit, f.n, f.check_name, f.resource_type, f.resource, f.resource_seq, f.reason_code,
		f.suppressed`
	text := `SELECT ` + columns + ` FROM mitigation_targets g JOIN findings f ON f.audit = g.audit AND f.n = g.n
		WHERE g.task = @task AND (g.audit, g.n) > (@audit, @n) ORDER BY g.audit, g.n LIMIT @limit`
	if len(t.Refs) == 1 && t.Refs[0].N == 0 {
		a["audit"] = t.Refs[0].Audit
		delete(a, "task")
		text = `SELECT ` + columns + ` FROM findings f WHERE f.audit = @audit AND f.n > @n ORDER BY f.n LIMIT @limit`
	}
	list, err := all(ctx, s.slice(tx), text, a, func(r scanner) (f audit.Finding, err error) {
		var resourceType string // to the driver a ResourceType could be anything, which is slow
		err = r.Scan(&f.Audit, &f.N, &f.Check, &resourceType, &f.Resource.Key, &f.Resource.Seq, &f.ReasonCode, &f.Suppressed)
		f.Resource.Type = audit.ResourceType(resourceType)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	return list, nil
}

// SaveMitigation stores a task's state and the executions of a slice, with
// records of what they changed.
func (s *Store) SaveMitigation(ctx context.Context, tx durable.Tx, t *mitigation.Task,
	list []mitigation.Execution,
) error {
	q := s.slice(tx)
	if err := insertExecutions(ctx, q, t.Seq, list); err != nil {
		return err
	}
	if err := s.recordChanges(ctx, q, t, list); err != nil {
		return err
	}
	return saveTask(ctx, q, t)
}

func saveTask(ctx context.Context, q querier, t *mitigation.Task) error {
	cursor := ""
	if t.Cursor != nil {
		cursor = toJSON(t.Cursor)
	}
	_, err := q.exec(ctx, `UPDATE mitigation_tasks SET status = @status, stats = @stats, at_audit = @audit, at_n = @n,
		cursor = @cursor, ended_at = @ended, message = @message WHERE seq = @seq`,
		args{
			"seq": t.Seq, "status": string(t.Status), "stats": toJSON(t.Stats), "audit": t.Done.Audit, "n": t.Done.N,
			"cursor": cursor, "ended": nullMillis(t.Ended), "message": t.Message,
		})
	if err != nil {
		return fmt.Errorf("save task: %w", err)
	}
	return nil
}
