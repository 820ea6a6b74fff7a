package durable

import (
	"context"
	"fmt"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

const (
	beatEvery  = time.Second
	purgeEvery = time.Hour
	purgeBatch = 500
)

// Run keeps the engine's house until ctx ends: on PostgreSQL it says that this
// node is alive and takes over the workflows of nodes that have fallen silent,
// and on both databases it removes the records of finished workflows.
func (e *Engine) Run(ctx context.Context) error {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	e.report("node heartbeat", e.beat(ctx))
	e.report("purge of finished workflows", e.purge(time.Now()))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			e.report("node heartbeat", e.beat(ctx))
		case now := <-purge.C:
			e.report("purge of finished workflows", e.purge(now))
		}
	}
}

func (e *Engine) report(what string, err error) {
	if err != nil {
		e.cfg.Log.Warn(what+" did not work", "err", err)
	}
}

// beat records this node and adopts those that are silent. Adoption may be
// repeated: a claim lapses when its node falls silent itself.
func (e *Engine) beat(ctx context.Context) error {
	if e.cfg.Nodes == nil {
		return nil
	}
	if err := e.cfg.Nodes.Beat(ctx, e.cfg.Node); err != nil {
		return err
	}
	silent, err := e.cfg.Nodes.ClaimSilent(ctx, e.cfg.Node, e.cfg.Silence)
	if err != nil {
		return err
	}
	for _, node := range silent {
		if err := e.adopt(node); err != nil {
			return fmt.Errorf("adopt node %s: %w", node, err)
		}
		if err := e.cfg.Nodes.Forget(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// adopt puts the workflows of a dead node back in the queue of all.
func (e *Engine) adopt(node string) error {
	list, err := dbos.ListWorkflows(e.ctx, dbos.WithFilterExecutorIDs(node),
		dbos.WithFilterStatus(dbos.WorkflowStatusPending),
		dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
	if err != nil || len(list) == 0 {
		return err
	}
	ids := workflowIDs(list)
	if _, err := dbos.ResumeWorkflows[string](e.ctx, ids); err != nil {
		return err
	}
	e.cfg.Log.Info("took over the tasks of a silent node", "node", node, "workflows", len(ids))
	return nil
}

// adoptOrphan takes over a workflow whose node is not known: one that woke after
// its tasks were taken over, and died before it said that it is alive.
func (e *Engine) adoptOrphan(w dbos.WorkflowStatus) error {
	if e.cfg.Nodes == nil {
		return nil
	}
	known, err := e.cfg.Nodes.Known(e.ctx, w.ExecutorID)
	if err != nil || known {
		return err
	}
	return e.adopt(w.ExecutorID)
}

func (e *Engine) purge(now time.Time) error {
	for {
		list, err := dbos.ListWorkflows(e.ctx, dbos.WithFilterCompletedBefore(now.Add(-keepFinished)),
			dbos.WithFilterStatus(dbos.WorkflowStatusSuccess, dbos.WorkflowStatusError, dbos.WorkflowStatusCancelled,
				dbos.WorkflowStatusMaxRecoveryAttemptsExceeded),
			dbos.WithFilterLimit(purgeBatch), dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
		if err != nil || len(list) == 0 {
			return err
		}
		if err := dbos.DeleteWorkflows(e.ctx, workflowIDs(list)); err != nil {
			return err
		}
	}
}

func workflowIDs(list []dbos.WorkflowStatus) []string {
	ids := make([]string, len(list))
	for i, w := range list {
		ids[i] = w.ID
	}
	return ids
}
