package mitigation

import (
	"cmp"
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/notify"
)

// WorkflowKind is the kind of the workflows that run mitigation tasks.
const WorkflowKind = "mitigation"

const (
	// SliceFindings is how many findings a slice takes at most.
	SliceFindings = 1000
	// SliceChanges is how many changes a slice makes at most. A finding that
	// needs more spans slices.
	SliceChanges = 1000
	// applyAttempts bounds how often a change is planned anew because somebody
	// else changed the resource meanwhile.
	applyAttempts = 5
)

// SliceStore is what the engine needs of the database, inside the transaction
// of a slice.
type SliceStore interface {
	// LockMitigation reads a task and keeps it from others until the slice ends.
	// It is nil when there is none.
	LockMitigation(ctx context.Context, tx durable.Tx, scope fleet.Scope, id string) (*Task, error)
	// NextFindings lists the findings of the target behind the task's position,
	// in order, whether the task wants them or not.
	NextFindings(ctx context.Context, tx durable.Tx, t *Task, limit int) ([]audit.Finding, error)
	// RelatedIn lists the related resources of a finding behind the first ones,
	// so many.
	RelatedIn(ctx context.Context, tx durable.Tx, f audit.FindingRef, after int64, limit int) ([]audit.Resource, error)
	// SaveMitigation stores the task's state and the executions of the slice.
	SaveMitigation(ctx context.Context, tx durable.Tx, t *Task, list []Execution) error
	// Apply makes changes true. It returns the positions in the list of those
	// whose old side did not hold; they were not made.
	Apply(ctx context.Context, tx durable.Tx, scope fleet.Scope, changes []fleet.Change) (refused []int, err error)
	Resources
}

// Resources reads the state that plans are made from. What does not exist is
// not in the answer.
type Resources interface {
	CertificateStates(ctx context.Context, tx durable.Tx, scope fleet.Scope, list []audit.Resource) (
		map[string]*fleet.Certificate, error)
	CACertificateStates(ctx context.Context, tx durable.Tx, scope fleet.Scope, ids []string) (
		map[string]*fleet.CACertificate, error)
	PolicyStates(ctx context.Context, tx durable.Tx, scope fleet.Scope, names []string) (
		map[string]*fleet.Policy, error)
	LoggingOptionsIn(ctx context.Context, tx durable.Tx, scope fleet.Scope) (*fleet.LoggingOptions, error)
	GroupStates(ctx context.Context, tx durable.Tx, scope fleet.Scope, names []string) (
		map[string]*fleet.Group, error)
	// CountThings counts the things attached to each certificate, up to most.
	CountThings(ctx context.Context, tx durable.Tx, scope fleet.Scope, q CertificateThings) (map[string]int, error)
	// ThingsOf lists the things attached to each certificate by name, and keeps
	// others from changing their groups until the slice ends.
	ThingsOf(ctx context.Context, tx durable.Tx, scope fleet.Scope, q CertificateThings) (
		map[string][]ThingState, error)
	// WholeFindings reads all of some findings, with the related resources that
	// are shown with them.
	WholeFindings(ctx context.Context, tx durable.Tx, list []audit.FindingRef) (
		map[audit.FindingRef]*audit.Finding, error)
	// HasTopic reports whether there is a topic.
	HasTopic(ctx context.Context, tx durable.Tx, arn notify.TopicARN) (bool, error)
}

// CertificateThings asks for the things of some certificates: for each no more
// than Most, behind the name After.
type CertificateThings struct {
	Certificates []string
	After        string
	Most         int
}

// Observer hears of finished work.
type Observer interface {
	// Execution is called with how many executions of an action ended how.
	Execution(action, status string, n int)
}

// Engine runs mitigation tasks, a slice at a time. It is a durable.Task.
type Engine struct {
	Store SliceStore
	Kinds Kinds
	// Roles are what actions are made as. Nil trusts every role with everything.
	Roles identity.Roles
	// SliceRows replaces how many findings a slice takes and how many changes it
	// makes, unless it is 0.
	SliceRows int
	Observer  Observer
	// ForeignTopics says that another service has the topics, so that nobody here
	// knows which there are.
	ForeignTopics bool
	Now           func() time.Time
}

// Slice applies the actions of a task to its next findings.
func (e *Engine) Slice(ctx context.Context, tx durable.Tx, id durable.ID) (bool, error) {
	scope := fleet.Scope{Account: id.Account, Region: id.Region}
	t, err := e.Store.LockMitigation(ctx, tx, scope, id.Name)
	if err != nil || t == nil || t.Status != TaskInProgress {
		return false, err
	}
	findings, err := e.Store.NextFindings(ctx, tx, t, cmp.Or(e.SliceRows, SliceFindings))
	if err != nil {
		return false, err
	}
	s := &slice{e: e, ctx: ctx, tx: tx, task: t, now: e.Now()}
	if len(findings) == 0 {
		e.finish(t)
	} else if err := s.run(findings); err != nil {
		return false, err
	}
	if err := e.Store.SaveMitigation(ctx, tx, t, s.executions()); err != nil {
		return false, err
	}
	s.report()
	return t.Status == TaskInProgress, nil
}

// Abandon ends a task that cannot be finished.
func (e *Engine) Abandon(ctx context.Context, tx durable.Tx, id durable.ID, reason string) error {
	t, err := e.Store.LockMitigation(ctx, tx, fleet.Scope{Account: id.Account, Region: id.Region}, id.Name)
	if err != nil || t == nil || t.Status != TaskInProgress {
		return err
	}
	t.Status, t.Message, t.Ended = TaskFailed, reason, e.Now()
	return e.Store.SaveMitigation(ctx, tx, t, nil)
}

// sliceChanges is how many changes a slice makes at most.
func (e *Engine) sliceChanges() int { return cmp.Or(e.SliceRows, SliceChanges) }

// finish ends a task: it has failed when an action failed on any finding.
func (e *Engine) finish(t *Task) {
	t.Status, t.Ended = TaskCompleted, e.Now()
	for _, stat := range t.Stats {
		if stat.Failed > 0 {
			t.Status = TaskFailed
		}
	}
}
