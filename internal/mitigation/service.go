package mitigation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

// Library is what a new task is made from, as it is when the task is stored.
// What does not exist is a NotFound fault.
type Library interface {
	Action(name string) (*Action, error)
	Audit(id string) (*audit.Task, error)
	Finding(id string) (audit.Finding, error)
}

// Store is what the service needs of the database.
type Store interface {
	// CreateMitigation stores a task that plan has completed, in one
	// transaction. When the same request stored it before, created is false; a
	// task id or token of another request is a TaskExists fault; too many
	// running tasks are a Limit fault.
	CreateMitigation(ctx context.Context, t *Task, plan func(Library) error) (created bool, err error)
	// CancelMitigation ends a task in progress: NotFound, or Invalid when it
	// ended.
	CancelMitigation(ctx context.Context, scope fleet.Scope, id string) error
	// Mitigation is a task, or a NotFound fault.
	Mitigation(ctx context.Context, scope fleet.Scope, id string) (*Task, error)
	// Finding is a finding, or a NotFound fault.
	Finding(ctx context.Context, scope fleet.Scope, id string) (audit.Finding, error)
	// Executions are the stored ones of a task and finding, by action.
	Executions(ctx context.Context, t *Task, f *audit.Finding) ([]Execution, error)
	// CreateMitigationAction stores an action; an equal one of that name is
	// returned as it is, another is an Exists fault.
	CreateMitigationAction(ctx context.Context, scope fleet.Scope, a *Action, tags []fleet.Tag) (*Action, error)
	// UpdateMitigationAction stores what change makes of an action.
	UpdateMitigationAction(ctx context.Context, scope fleet.Scope, name string, change func(*Action) error) (
		*Action, error)
}

// Service is what an account may do about mitigation.
type Service struct {
	Store     Store
	Workflows audit.Workflows
	Checks    audit.Checks
	Kinds     Kinds
	Now       func() time.Time
}

// Start begins a task. Repeating a request with its token changes nothing.
func (s *Service) Start(ctx context.Context, t Task) error {
	t.Status, t.Started = TaskInProgress, s.Now()
	t.RequestHash = hash(t.Target, t.Mapping)
	if err := t.Target.validate(); err != nil {
		return err
	}
	created, err := s.Store.CreateMitigation(ctx, &t, func(lib Library) error { return s.plan(&t, lib) })
	if err != nil || !created {
		return err
	}
	return s.Workflows.Start(workflow(t.Scope, t.ID))
}

// hash tells requests apart.
func hash(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		b, err := json.Marshal(p) // maps are sorted
		if err != nil {
			panic(err) // values of our own types, which always marshal
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (t *Target) validate() error {
	switch {
	case t.AuditTaskID == "" && len(t.FindingIDs) == 0:
		return fault.New(fault.Invalid, "target must name an auditTaskId or findingIds")
	case t.AuditTaskID != "" && len(t.FindingIDs) > 0:
		return fault.New(fault.Invalid, "target must name an auditTaskId or findingIds, not both")
	case t.ReasonCodes != nil && t.AuditTaskID == "":
		return fault.New(fault.Invalid, "auditCheckToReasonCodeFilter narrows an auditTaskId and needs one")
	}
	return nil
}

// plan completes a task from what the account has.
func (s *Service) plan(t *Task, lib Library) error {
	if len(t.Mapping) == 0 {
		return fault.New(fault.Invalid, "auditCheckToActionsMapping must map at least one check")
	}
	for name := range t.Target.ReasonCodes {
		if s.Checks.Named(name) == nil {
			return audit.UnknownCheck(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Mapping)) {
		if err := s.planCheck(t, name, lib); err != nil {
			return err
		}
	}
	t.Stats = map[string]*Stat{}
	for name := range t.Mapping {
		t.Stats[name] = &Stat{}
	}
	if t.Target.AuditTaskID != "" {
		return t.aimAtAudit(lib)
	}
	return t.aimAtFindings(lib)
}

// planCheck copies the actions of one check into the task.
func (s *Service) planCheck(t *Task, name string, lib Library) error {
	check := s.Checks.Named(name)
	if check == nil {
		return audit.UnknownCheck(name)
	}
	seen := map[string]bool{}
	for _, action := range t.Mapping[name] {
		if seen[action] {
			return fault.New(fault.Invalid, "auditCheckToActionsMapping names the action %q twice for %s", action, name)
		}
		seen[action] = true
		a := t.Action(action)
		if a == nil {
			stored, err := lib.Action(action)
			if err != nil {
				return asInvalid(err)
			}
			t.Actions = append(t.Actions, *stored)
			a = stored
		}
		if s.Kinds.Of(a.Type) == nil {
			return fault.New(fault.Invalid, "the action %q is of type %s, which this Cordon does not carry out", action, a.Type)
		}
		if !check.Supports(a.Type) {
			return fault.New(fault.Invalid, "the action %q of type %s does not suit findings of %s", action, a.Type, name)
		}
	}
	return nil
}

// aimAtAudit makes all findings of an audit the target and counts them.
func (t *Task) aimAtAudit(lib Library) error {
	a, err := lib.Audit(t.Target.AuditTaskID)
	if err != nil {
		return asInvalid(err)
	}
	if a.Status == audit.TaskInProgress {
		return fault.New(fault.Invalid, "the audit task %q is still in progress", a.ID)
	}
	t.Refs = []audit.FindingRef{{Audit: a.Seq}}
	for name, stat := range t.Stats {
		if state := a.States[name]; state != nil {
			for code, n := range state.Reasons {
				stat.Total += n
				if !t.Wants(name, code, false) {
					stat.Skipped += n
				}
			}
		}
	}
	return nil
}

// aimAtFindings makes chosen findings the target. A suppressed one is refused:
// suppressed findings are never mitigated. One whose check has no actions gets
// none.
func (t *Task) aimAtFindings(lib Library) error {
	seen := map[audit.FindingRef]bool{}
	for _, id := range t.Target.FindingIDs {
		f, err := lib.Finding(id)
		if err != nil {
			return asInvalid(err)
		}
		if f.Suppressed {
			return fault.New(fault.Invalid, "the finding %q is suppressed", id)
		}
		if seen[f.FindingRef] {
			continue
		}
		seen[f.FindingRef] = true
		a, err := lib.Audit(f.TaskID)
		if err != nil {
			return asInvalid(err)
		}
		if a.Status == audit.TaskInProgress {
			return fault.New(fault.Invalid, "the audit task %q of the finding %q is still in progress", a.ID, id)
		}
		t.Refs = append(t.Refs, f.FindingRef)
		if stat := t.Stats[f.Check]; stat != nil {
			stat.Total++
		}
	}
	return nil
}

// asInvalid is how this call says that something it names does not exist.
func asInvalid(err error) error {
	if f := fault.From(err); f != nil {
		return fault.New(fault.Invalid, "%s", f.Text)
	}
	return err
}

// Cancel ends a task in progress. What was applied stays.
func (s *Service) Cancel(ctx context.Context, scope fleet.Scope, id string) error {
	if err := s.Store.CancelMitigation(ctx, scope, id); err != nil {
		return err
	}
	return s.Workflows.Cancel(workflow(scope, id))
}

// Executions lists what a task did or will do to a finding, by action. What
// was not reached is pending, or canceled with the task. A task or finding
// that does not exist has none.
func (s *Service) Executions(ctx context.Context, scope fleet.Scope, task, finding string) (
	*Task, []Execution, error,
) {
	t, err := s.Store.Mitigation(ctx, scope, task)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := s.Store.Finding(ctx, scope, finding)
	if fault.Is(err, fault.NotFound) {
		return t, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	stored, err := s.Store.Executions(ctx, t, &f)
	if err != nil {
		return nil, nil, err
	}
	return t, append(stored, t.unreached(&f, len(stored))...), nil
}

// unreached are the executions of a finding that were not stored yet. They are
// made up from the state of the task as it was read before the stored ones, so
// none is missing between the two.
func (t *Task) unreached(f *audit.Finding, stored int) []Execution {
	aimed := slices.Contains(t.Refs, f.FindingRef) || slices.Contains(t.Refs, audit.FindingRef{Audit: f.Audit})
	if !aimed || !t.Wants(f.Check, f.ReasonCode, f.Suppressed) || t.Status == TaskCompleted {
		return nil
	}
	status := Pending
	if t.Status != TaskInProgress {
		status = Canceled
	}
	var list []Execution
	for i := stored; i < len(t.Mapping[f.Check]); i++ {
		list = append(list, Execution{Finding: f.FindingRef, Check: f.Check, Index: i, Status: status})
	}
	return list
}

func workflow(scope fleet.Scope, id string) durable.ID {
	return durable.ID{Kind: WorkflowKind, Account: scope.Account, Region: scope.Region, Name: id}
}

// CreateAction defines an action. An equal one of that name is returned as it
// is.
func (s *Service) CreateAction(ctx context.Context, scope fleet.Scope, a Action, tags []fleet.Tag) (*Action, error) {
	if err := s.setType(&a, scope); err != nil {
		return nil, err
	}
	a.ID, a.Created = uuid.NewString(), s.Now()
	a.Modified = a.Created
	return s.Store.CreateMitigationAction(ctx, scope, &a, tags)
}

// ActionPatch is a change to an action: what is zero stays.
type ActionPatch struct {
	RoleARN string
	Params  *Params
}

// UpdateAction changes the role or the parameters of an action.
func (s *Service) UpdateAction(ctx context.Context, scope fleet.Scope, name string, p ActionPatch) (*Action, error) {
	return s.Store.UpdateMitigationAction(ctx, scope, name, func(a *Action) error {
		if p.RoleARN != "" {
			a.RoleARN = p.RoleARN
		}
		a.Modified = s.Now()
		if p.Params == nil {
			return nil
		}
		a.Params = *p.Params
		return s.setType(a, scope)
	})
}

// setType derives the type of an action from the one parameter it has.
func (s *Service) setType(a *Action, scope fleet.Scope) error {
	var types []audit.ActionType
	for t, set := range map[audit.ActionType]bool{
		audit.UpdateDeviceCertificate:     a.Params.UpdateDeviceCertificate != nil,
		audit.UpdateCACertificate:         a.Params.UpdateCACertificate != nil,
		audit.AddThingsToThingGroup:       a.Params.AddThingsToThingGroup != nil,
		audit.ReplaceDefaultPolicyVersion: a.Params.ReplaceDefaultPolicyVersion != nil,
		audit.EnableIoTLogging:            a.Params.EnableIoTLogging != nil,
		audit.PublishFindingToSNS:         a.Params.PublishFindingToSNS != nil,
	} {
		if set {
			types = append(types, t)
		}
	}
	if len(types) != 1 {
		return fault.New(fault.Invalid, "actionParams must have exactly one member, and has %d", len(types))
	}
	a.Type = types[0]
	if l := a.Params.EnableIoTLogging; l != nil && l.Level == fleet.LogDisabled {
		return fault.New(fault.Invalid, "logLevel DISABLED would not enable logging")
	}
	if g := a.Params.AddThingsToThingGroup; g != nil {
		if sorted := slices.Sorted(slices.Values(g.Groups)); len(slices.Compact(sorted)) != len(g.Groups) {
			return fault.New(fault.Invalid, "thingGroupNames names a group twice")
		}
	}
	if p := a.Params.PublishFindingToSNS; p != nil {
		if err := checkTopic(p.TopicARN, scope); err != nil {
			return err
		}
	}
	if s.Kinds.Of(a.Type) == nil {
		return fmt.Errorf("no action of type %s is built", a.Type)
	}
	return nil
}

// checkTopic refuses what is no topic of the account. It may be of any region,
// and need not exist yet.
func checkTopic(text string, scope fleet.Scope) error {
	arn, err := notify.ParseTopicARN(text)
	if err != nil {
		return fault.New(fault.Invalid, "publishFindingToSnsParams.topicArn is not the ARN of an SNS topic")
	}
	if arn.Account != scope.Account {
		return fault.New(fault.Invalid, "publishFindingToSnsParams.topicArn is not a topic of this account")
	}
	return nil
}
