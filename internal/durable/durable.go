// Package durable runs long tasks that survive the process.
//
// A task is a workflow of slices. A slice is one transaction: its writes and
// its checkpoint commit together, so a task goes on after a crash with the
// next slice, on this node or another, and does nothing twice. The package
// wraps DBOS Transact and is the only one that knows it.
//
// It owns no data: what a task has done is in the rows that its slices write.
package durable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // classifies the errors of our SQLite handle
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tx is the transaction of a slice. Everything a slice writes goes through it.
type Tx = dbos.Tx

// Result, Rows and Row are what statements of a Tx return.
type (
	Result = dbos.Result
	Rows   = dbos.Rows
	Row    = dbos.Row
)

// version changes only when the order of steps in a workflow changes: an
// engine takes up none but the workflows of its own version.
const version = "1"

const (
	// maxRecoveries bounds how often a workflow is taken up again after its
	// process died.
	maxRecoveries = 20
	// sliceAttempts and retryWait bound the retries of a slice that failed.
	sliceAttempts = 5
	retryWait     = time.Second
	// keepFinished is how long the engine's record of a finished workflow is
	// kept. What the task did stays in its own rows.
	keepFinished = 24 * time.Hour
)

// ID names a workflow among all of a database: ids are global, so they carry
// the kind, the account and the region.
type ID struct {
	Kind, Account, Region, Name string
}

// String is the form the engine stores.
func (id ID) String() string {
	return strings.Join([]string{id.Kind, id.Account, id.Region, id.Name}, "/")
}

func parseID(s string) (ID, error) {
	parts := strings.SplitN(s, "/", 4)
	if len(parts) != 4 {
		return ID{}, fmt.Errorf("workflow id %q has no kind, account, region and name", s)
	}
	return ID{Kind: parts[0], Account: parts[1], Region: parts[2], Name: parts[3]}, nil
}

// Point is a place in the life of a workflow at which a test may act.
type Point struct {
	ID ID
	// Place is "accepted" (its row is committed, the workflow not started),
	// "before", "inside" (written, not committed) or "after" a slice.
	Place string
	// Slice counts the slices that this process ran of this workflow, from 1.
	Slice int
}

// Nodes is how the processes that share a database know of each other.
type Nodes interface {
	// Beat records that a node is alive.
	Beat(ctx context.Context, node string) error
	// ClaimSilent claims for this node every node that has been silent for
	// longer than the time given and is claimed by no live node.
	ClaimSilent(ctx context.Context, by string, silence time.Duration) ([]string, error)
	// Known reports whether a node has said that it is alive and was not
	// forgotten since.
	Known(ctx context.Context, node string) (bool, error)
	// Forget removes a node whose workflows were taken over, or that leaves.
	Forget(ctx context.Context, node string) error
}

// Config is what an engine needs. Exactly one of SQLite and Postgres is set:
// the identical handle that the store writes with.
type Config struct {
	SQLite   *sql.DB
	Postgres *pgxpool.Pool
	// Node is this process's id among those that share the database. It is
	// ignored on SQLite, which belongs to one process.
	Node  string
	Nodes Nodes // PostgreSQL only
	// Silence is how long a node may say nothing before its workflows are
	// taken over.
	Silence time.Duration
	Log     *slog.Logger
	// Committed is called, if it is given, whenever a slice was committed.
	Committed func()
	Hook      func(Point) // nil but in tests
}

// Task is what runs under a kind of workflow.
type Task interface {
	// Slice does the next part of the task and reports whether there is more.
	// It must be a function of the database alone.
	Slice(ctx context.Context, tx Tx, id ID) (more bool, err error)
	// Abandon records that the task cannot be finished. It leaves a task that has
	// ended as it is, for it may be called more than once.
	Abandon(ctx context.Context, tx Tx, id ID, reason string) error
}

// Preparer is a Task that has to wait for others before a slice, outside of its
// transaction: a slice must be short.
type Preparer interface {
	// Prepare is called before every slice, also before one that is only read
	// back from its checkpoint. What it does must be safe to do again.
	Prepare(ctx context.Context, id ID) error
}

// Engine runs workflows.
type Engine struct {
	ctx    dbos.Context
	cancel context.CancelFunc
	source *dbos.DataSource
	cfg    Config
	tasks  map[string]Task
	queue  dbos.Queue
}

// abandoning is put before the kind of a task that cannot be finished, in the
// id of the workflow that says so.
const abandoning = "abandon-"

// New opens the engine on the store's handle and creates its tables. Register
// every kind, then call Launch.
func New(cfg Config) (*Engine, error) {
	// The environment would override the settings below.
	for _, name := range []string{"DBOS__VMID", "DBOS__APPVERSION", "DBOS__APPID", "DBOS__CLOUD"} {
		os.Unsetenv(name)
	}
	if cfg.SQLite != nil {
		cfg.Node = "local"
	}
	if cfg.Hook == nil {
		cfg.Hook = func(Point) {}
	}
	if cfg.Committed == nil {
		cfg.Committed = func() {}
	}
	root, cancel := context.WithCancel(context.Background())
	ctx, err := dbos.NewContext(root, dbos.Config{
		AppName: "cordon", ApplicationVersion: version, ExecutorID: cfg.Node,
		SQLiteSystemDB: cfg.SQLite, SystemDBPool: cfg.Postgres,
		Logger: slog.New(quiet{cfg.Log.Handler()}),
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open durable engine: %w", err)
	}
	e := &Engine{ctx: ctx, cancel: cancel, cfg: cfg, tasks: map[string]Task{}}
	if cfg.SQLite != nil {
		e.source, err = dbos.NewDataSource(ctx, cfg.SQLite)
	} else {
		e.source, err = dbos.NewDataSource(ctx, cfg.Postgres)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open durable engine: %w", err), e.Close(time.Second))
	}
	return e, nil
}

// Register says what runs under a kind of workflow. It comes before Launch.
func (e *Engine) Register(kind string, t Task) { e.tasks[kind] = t }

// Launch takes up what this node had begun and did not end.
func (e *Engine) Launch() error {
	if e.cfg.Nodes != nil {
		// Known before it begins anything: nobody adopts what a stranger left.
		if err := e.cfg.Nodes.Beat(e.ctx, e.cfg.Node); err != nil {
			return fmt.Errorf("launch durable engine: %w", err)
		}
	}
	// One workflow for all kinds: the kind is in the id. Its name is stored with
	// every run, so it does not follow the function's.
	dbos.RegisterWorkflow(e.ctx, e.workflow, dbos.WithWorkflowName("task"), dbos.WithMaxRecoveryAttempts(maxRecoveries))
	if err := dbos.Launch(e.ctx); err != nil {
		return fmt.Errorf("launch durable engine: %w", err)
	}
	var err error
	e.queue, err = dbos.RegisterQueue(e.ctx, "late", dbos.WithQueueOnConflict(dbos.QueueConflictAlwaysUpdate))
	if err != nil {
		return fmt.Errorf("launch durable engine: %w", err)
	}
	return nil
}

// Start runs a workflow; one that was started before is left as it is. The
// task's row must be committed.
func (e *Engine) Start(id ID) error {
	e.cfg.Hook(Point{ID: id, Place: "accepted"})
	// The root context: a request's would cancel the workflow when it ends.
	_, err := dbos.RunWorkflow(e.ctx, e.workflow, id.String(), dbos.WithWorkflowID(id.String()))
	// Reconcile, on another node, may have been faster.
	if err != nil && !errors.Is(err, dbos.ErrUnexpectedWorkflow) {
		return fmt.Errorf("start %s: %w", id, err)
	}
	return nil
}

// Reconcile makes sure that tasks which are in progress are being worked on:
// it starts those that have no workflow, takes over those of a node that nobody
// knows, and abandons those whose workflow the engine gave up. Several nodes may do so at once.
func (e *Engine) Reconcile(ids []ID) error {
	for _, id := range ids {
		list, err := dbos.ListWorkflows(e.ctx, dbos.WithFilterWorkflowIDs(id.String()),
			dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
		if err != nil {
			return fmt.Errorf("find workflow of %s: %w", id, err)
		}
		switch {
		case len(list) == 0:
		case list[0].Status == dbos.WorkflowStatusPending:
			if err := e.adoptOrphan(list[0]); err != nil {
				return err
			}
			continue
		case list[0].Status == dbos.WorkflowStatusError, list[0].Status == dbos.WorkflowStatusMaxRecoveryAttemptsExceeded:
			id.Kind = abandoning + id.Kind
		default:
			continue
		}
		// By the queue: a second start of the same id then changes nothing,
		// while a direct one would take the workflow's ownership.
		_, err = dbos.RunWorkflow(e.ctx, e.workflow, id.String(), dbos.WithWorkflowID(id.String()), dbos.WithQueue(e.queue))
		if err != nil && !errors.Is(err, dbos.ErrUnexpectedWorkflow) {
			return fmt.Errorf("start %s: %w", id, err)
		}
	}
	return nil
}

// Cancel stops a workflow before its next slice. One that has ended, or never
// began, is left as it is.
func (e *Engine) Cancel(id ID) error {
	err := dbos.CancelWorkflow(e.ctx, id.String())
	if err != nil && !errors.Is(err, dbos.ErrNonExistentWorkflow) {
		return fmt.Errorf("cancel %s: %w", id, err)
	}
	return nil
}

// Close stops the engine: the slices in hand are rolled back and go on at the
// next start. It closes the handle it was given, so it comes last.
func (e *Engine) Close(wait time.Duration) error {
	defer e.cancel()
	if err := dbos.Shutdown(e.ctx, wait); err != nil {
		return fmt.Errorf("close durable engine: %w", err)
	}
	return nil
}

// workflow runs the slices of one task. A panic must not leave it: the process
// would die of it, and again at every restart.
func (e *Engine) workflow(ctx dbos.Context, name string) (out string, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.cfg.Log.Error("workflow panicked", "workflow", name, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("workflow panicked: %v", p)
		}
		switch {
		case overtaken(err):
			e.cfg.Log.Info("another node is at this task", "workflow", name)
			err = dbos.ErrConflictingWorkflowID // the engine then leaves the outcome to the other
		case err != nil && ctx.Err() == nil && !errors.Is(err, dbos.ErrWorkflowCancelled):
			err = errors.New(err.Error()) // the engine stores errors as text
		}
	}()
	id, err := parseID(name)
	if err != nil {
		return "", err
	}
	kind, given := strings.CutPrefix(id.Kind, abandoning)
	id.Kind = kind
	task, ok := e.tasks[kind]
	if !ok {
		return "", fmt.Errorf("no task of kind %q", kind)
	}
	run := &run{e: e, ctx: ctx, id: id, task: task}
	if given {
		return "abandoned", run.abandon("an internal failure stopped this task")
	}
	return run.all()
}

// all runs the slices of a task to its end.
func (r *run) all() (string, error) {
	failed := 0
	for {
		more, err := true, r.prepare()
		if err == nil {
			more, err = r.slice()
		}
		switch {
		case err == nil && !more:
			return "done", nil
		case err == nil:
			failed = 0
			continue
		case r.ctx.Err() != nil || errors.Is(err, dbos.ErrWorkflowCancelled) || overtaken(err):
			return "", err
		}
		if failed++; failed == sliceAttempts {
			r.e.cfg.Log.Error("task abandoned", "workflow", r.id.String(), "err", err)
			return "", errors.Join(err, r.abandon("an internal failure stopped this task"))
		}
		r.e.cfg.Log.Warn("slice failed and will be tried again", "workflow", r.id.String(), "attempt", failed, "err", err)
		// Not a sleep of the engine's: that is a step, and all steps but the last
		// are slices, whichever node does them.
		select {
		case <-r.ctx.Done():
			return "", r.ctx.Err()
		case <-time.After(retryWait):
		}
	}
}

// overtaken reports that another node was faster with a step: it took this one
// for dead and has adopted the workflow.
func overtaken(err error) bool {
	return errors.Is(err, dbos.ErrConflictingWorkflowID) ||
		errors.Is(err, &dbos.Error{Code: dbos.ErrorCodeUnexpectedStep})
}

// run is one workflow in this process.
type run struct {
	e      *Engine
	ctx    dbos.Context
	id     ID
	task   Task
	slices int
}

func (r *run) prepare() error {
	if p, ok := r.task.(Preparer); ok {
		return p.Prepare(r.ctx, r.id)
	}
	return nil
}

func (r *run) slice() (bool, error) {
	r.slices++
	ran := false
	more, err := dbos.RunAsTransaction(r.ctx, r.e.source, func(ctx context.Context, tx dbos.Tx) (more bool, err error) {
		defer func() {
			if p := recover(); p != nil {
				r.e.cfg.Log.Error("slice panicked", "workflow", r.id.String(), "panic", p, "stack", string(debug.Stack()))
				err = fmt.Errorf("slice panicked: %v", p)
			}
		}()
		ran = true
		r.e.cfg.Hook(Point{ID: r.id, Place: "before", Slice: r.slices})
		if more, err = r.task.Slice(ctx, tx, r.id); err == nil {
			r.e.cfg.Hook(Point{ID: r.id, Place: "inside", Slice: r.slices})
		}
		return more, err
	}, dbos.WithStepName("slice"))
	if ran && err == nil {
		r.e.cfg.Committed()
		r.e.cfg.Hook(Point{ID: r.id, Place: "after", Slice: r.slices})
	} else if !ran {
		r.slices-- // replayed from its checkpoint
	}
	return more, err
}

func (r *run) abandon(reason string) error {
	_, err := dbos.RunAsTransaction(r.ctx, r.e.source, func(ctx context.Context, tx dbos.Tx) (bool, error) {
		return false, r.task.Abandon(ctx, tx, r.id, reason)
	}, dbos.WithStepName("abandon"))
	if err == nil {
		r.e.cfg.Committed()
	}
	return err
}

// noise is what the engine warns of and what is as it should be: a task that
// was canceled, or adopted by another node, while a slice ran; and errors that
// are stored as text.
var noise = []string{"Workflow outcome was not recorded", "workflow error type cannot be gob-encoded"}

// quiet passes on warnings only: the engine tells an operator nothing below.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// Handle caps records at WARN: what matters of an error, the task's own
// functions report.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	for _, prefix := range noise {
		if strings.HasPrefix(r.Message, prefix) {
			return nil
		}
	}
	r.Level = min(r.Level, slog.LevelWarn)
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }
func (q quiet) WithGroup(n string) slog.Handler      { return quiet{q.Handler.WithGroup(n)} }
