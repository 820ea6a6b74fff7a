package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

func insertExecutions(ctx context.Context, q querier, task int64, list []mitigation.Execution) error {
	var fresh []mitigation.Execution
	var changes []changeRow
	for i := range list {
		ex := &list[i]
		first := int64(1)
		if ex.Continues {
			last, err := continueExecution(ctx, q, task, ex)
			if err != nil {
				return err
			}
			first = last + 1
		} else {
			fresh = append(fresh, *ex)
		}
		for k, c := range ex.Changes {
			changes = append(changes, changeRow{ex, first + int64(k), c})
		}
	}
	err := insertRows(ctx, q, "executions", []column{
		{"task", repeat(task, len(fresh))},
		{"audit", collect(fresh, func(e *mitigation.Execution) int64 { return e.Finding.Audit })},
		{"n", collect(fresh, func(e *mitigation.Execution) int64 { return e.Finding.N })},
		{"action", collect(fresh, func(e *mitigation.Execution) int64 { return int64(e.Index) })},
		{"status", collect(fresh, func(e *mitigation.Execution) string { return string(e.Status) })},
		{"error_code", collect(fresh, func(e *mitigation.Execution) string { return e.Code })},
		{"message", collect(fresh, func(e *mitigation.Execution) string { return e.Message })},
		{"started_at", collect(fresh, func(e *mitigation.Execution) int64 { return e.Started.UnixMilli() })},
		{"ended_at", collect(fresh, func(e *mitigation.Execution) *int64 { return nullMillis(e.Ended) })},
	})
	if err != nil {
		return fmt.Errorf("store executions: %w", err)
	}
	return insertChanges(ctx, q, task, changes)
}

// continueExecution stores the next part of an execution that spans slices,
// and returns the number of its last change.
func continueExecution(ctx context.Context, q querier, task int64, ex *mitigation.Execution) (int64, error) {
	a := args{"task": task, "audit": ex.Finding.Audit, "n": ex.Finding.N, "action": ex.Index}
	last, err := count(ctx, q, `SELECT COALESCE(max(k), 0) FROM execution_changes
		WHERE task = @task AND audit = @audit AND n = @n AND action = @action`, a)
	if err != nil {
		return 0, fmt.Errorf("find last change: %w", err)
	}
	a["status"], a["code"], a["message"], a["ended"] = string(ex.Status), ex.Code, ex.Message, nullMillis(ex.Ended)
	if _, err := q.exec(ctx, `UPDATE executions SET status = @status, error_code = @code, message = @message,
		ended_at = @ended WHERE task = @task AND audit = @audit AND n = @n AND action = @action`, a); err != nil {
		return 0, fmt.Errorf("save execution: %w", err)
	}
	return last, nil
}

// changeRow is one change of an execution.
type changeRow struct {
	ex *mitigation.Execution
	k  int64
	fleet.ChangeRow
}

func insertChanges(ctx context.Context, q querier, task int64, list []changeRow) error {
	err := insertRows(ctx, q, "execution_changes", []column{
		{"task", repeat(task, len(list))},
		{"audit", collect(list, func(c *changeRow) int64 { return c.ex.Finding.Audit })},
		{"n", collect(list, func(c *changeRow) int64 { return c.ex.Finding.N })},
		{"action", collect(list, func(c *changeRow) int64 { return int64(c.ex.Index) })},
		{"k", collect(list, func(c *changeRow) int64 { return c.k })},
		{"kind", collect(list, func(c *changeRow) string { return string(c.Kind) })},
		{"resource", collect(list, func(c *changeRow) string { return c.Resource })},
		{"from_side", collect(list, func(c *changeRow) string { return c.From })},
		{"to_side", collect(list, func(c *changeRow) string { return c.To })},
	})
	if err != nil {
		return fmt.Errorf("store changes: %w", err)
	}
	return nil
}

// Executions lists what a task did, or will do, to one finding, in the order
// of its actions. A task or finding that does not exist, and a finding that
// the task is not for, have none.
func (s *Store) Executions(ctx context.Context, t *mitigation.Task, f *audit.Finding) (
	list []mitigation.Execution, err error,
) {
	err = s.reading(ctx, t.Scope, func(q querier, _ int64) error {
		list, err = all(ctx, q, `SELECT action, status, error_code, message, started_at, ended_at FROM executions
			WHERE task = @task AND audit = @audit AND n = @n ORDER BY action`,
			args{"task": t.Seq, "audit": f.Audit, "n": f.N}, func(r scanner) (e mitigation.Execution, err error) {
				var started int64
				var ended *int64
				err = r.Scan(&e.Index, &e.Status, &e.Code, &e.Message, &started, &ended)
				e.Finding, e.Check, e.Started, e.Ended = f.FindingRef, f.Check, fromMillis(started), fromNullMillis(ended)
				return e, err
			})
		return err
	})
	return list, err
}

// ExecutionChanges lists the changes of an execution, behind the k-th.
func (s *Store) ExecutionChanges(ctx context.Context, t *mitigation.Task, e *mitigation.Execution, after, limit int) (
	list []fleet.ChangeRow, err error,
) {
	err = s.reading(ctx, t.Scope, func(q querier, _ int64) error {
		list, err = all(ctx, q, `SELECT kind, resource, from_side, to_side FROM execution_changes
			WHERE task = @task AND audit = @audit AND n = @n AND action = @action AND k > @after ORDER BY k LIMIT @limit`,
			args{
				"task": t.Seq, "audit": e.Finding.Audit, "n": e.Finding.N, "action": e.Index,
				"after": after, "limit": limit,
			}, func(r scanner) (c fleet.ChangeRow, err error) {
				return c, r.Scan(&c.Kind, &c.Resource, &c.From, &c.To)
			})
		return err
	})
	return list, err
}
