package store

import (
	"context"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// Running are the tasks in progress, of every scope.
type Running struct {
	IDs []durable.ID
	// Oldest is, for each kind of workflow, when the first of them began.
	Oldest map[string]time.Time
}

// maxGroupWork bounds how much work on thing groups is listed at a time.
const maxGroupWork = 1000

// Running lists the tasks in progress that began before a time; of the work on
// thing groups the oldest.
func (s *Store) Running(ctx context.Context, before time.Time) (*Running, error) {
	out := &Running{Oldest: map[string]time.Time{}}
	const task = `SELECT p.account, p.region, t.id, t.started_at FROM %s t JOIN scopes p ON p.scope = t.scope
		WHERE t.status = 'IN_PROGRESS' AND t.started_at <= @before`
	for kind, text := range map[string]string{
		audit.WorkflowKind:      fmt.Sprintf(task, "audits"),
		mitigation.WorkflowKind: fmt.Sprintf(task, "mitigation_tasks"),
		fleet.GroupWorkKind: `SELECT p.account, p.region,
				CAST(t.thing_group AS TEXT) || '-' || CAST(t.generation AS TEXT), t.started_at
			FROM group_work t JOIN scopes p ON p.scope = t.scope WHERE t.started_at <= @before
			ORDER BY t.started_at LIMIT ` + fmt.Sprint(maxGroupWork),
	} {
		list, err := all(ctx, s.read, text, args{"before": before.UnixMilli()},
			func(r scanner) (id durable.ID, err error) {
				id.Kind = kind
				var started int64
				err = r.Scan(&id.Account, &id.Region, &id.Name, &started)
				if at := fromMillis(started); out.Oldest[kind].IsZero() || at.Before(out.Oldest[kind]) {
					out.Oldest[kind] = at
				}
				return id, err
			})
		if err != nil {
			return nil, fmt.Errorf("list running tasks: %w", err)
		}
		out.IDs = append(out.IDs, list...)
	}
	return out, nil
}
