package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Configuration is what an account has set about its audits.
type Configuration struct {
	RoleARN       string
	Checks        map[string]CheckConfiguration
	Notifications map[string]NotificationTarget // by type: SNS
}

// CheckConfiguration is what an account has set about one check.
type CheckConfiguration struct {
	Enabled  bool              `json:"enabled"`
	Settings map[string]string `json:"settings,omitempty"`
}

// Enabled reports whether a check is switched on. A nil configuration has none.
func (c *Configuration) Enabled(check string) bool { return c != nil && c.Checks[check].Enabled }

// Patch is a change to a configuration: what is not named stays.
type Patch struct {
	RoleARN       string                        // "" leaves it
	Checks        map[string]CheckConfiguration // settings of nil leave them
	Notifications map[string]NotificationTarget // texts of "" leave them
}

// Apply returns the configuration with a patch, or says why it may not be.
func (c *Configuration) Apply(p Patch, known Checks) (*Configuration, error) {
	next := &Configuration{Checks: map[string]CheckConfiguration{}, Notifications: map[string]NotificationTarget{}}
	if c != nil {
		next.RoleARN = c.RoleARN
		maps.Copy(next.Checks, c.Checks)
		maps.Copy(next.Notifications, c.Notifications)
	}
	if p.RoleARN != "" {
		next.RoleARN = p.RoleARN
	}
	if next.RoleARN == "" {
		return nil, fault.New(fault.Invalid, "roleArn must be given with the first configuration")
	}
	for name, change := range p.Checks {
		check := known.Named(name)
		if check == nil {
			return nil, UnknownCheck(name)
		}
		if err := check.validate(change.Settings); err != nil {
			return nil, err
		}
		if change.Settings == nil {
			change.Settings = next.Checks[name].Settings
		}
		next.Checks[name] = change
	}
	for name, change := range p.Notifications {
		next.Notifications[name] = next.Notifications[name].apply(change)
		if err := next.Notifications[name].complete(); err != nil {
			return nil, err
		}
	}
	if c == nil && !next.any() {
		return nil, fault.New(fault.Invalid, "the first configuration must enable at least one audit check")
	}
	return next, nil
}

func (c *Configuration) any() bool {
	for _, check := range c.Checks {
		if check.Enabled {
			return true
		}
	}
	return false
}

func (c *Check) validate(settings map[string]string) error {
	for name, value := range settings {
		i := slices.IndexFunc(c.Options, func(o Option) bool { return o.Name == name })
		if i < 0 {
			return fault.New(fault.Invalid, "%s takes no configuration %s", c.Name, name)
		}
		if _, err := c.Options[i].Parse(value); err != nil {
			return err
		}
	}
	return nil
}

// UnknownCheck is the refusal of a check that does not exist.
func UnknownCheck(name string) error {
	return fault.New(fault.Invalid,
		"Request contains an invalid Audit Check Name. There is no check %.128q.", name)
}

// Store is what the service needs of the database.
type Store interface {
	// AuditConfiguration is nil when nothing was set.
	AuditConfiguration(ctx context.Context, scope fleet.Scope) (*Configuration, error)
	ScheduleStore
	// UpdateAuditConfiguration replaces the configuration by what change makes
	// of it and of the schedules, as one transaction. Change gets nil when there
	// is none yet.
	UpdateAuditConfiguration(ctx context.Context, scope fleet.Scope,
		change func(*Configuration, []*Schedule) (*Configuration, error)) error
	// DeleteAuditConfiguration removes the configuration, and with schedules
	// the schedules too. Without a configuration it is a NotFound fault; with
	// schedules that are to stay, an Invalid one.
	DeleteAuditConfiguration(ctx context.Context, scope fleet.Scope, schedules bool) error
	// CreateAudit stores an audit in progress and gives it its Seq; over the
	// number that may run it is a Limit fault.
	CreateAudit(ctx context.Context, t *Task) error
	// CancelAudit ends an audit in progress: NotFound, or Invalid when it ended.
	CancelAudit(ctx context.Context, scope fleet.Scope, id string) error
}

// Workflows starts and stops what runs audits.
type Workflows interface {
	Start(id durable.ID) error
	Cancel(id durable.ID) error
}

// Service is what an account may do about audits.
type Service struct {
	Store     Store
	Workflows Workflows
	Checks    Checks
	// TimeOfDay is when in the day an account's schedules run, since midnight
	// UTC: [Spread], or the same for all.
	TimeOfDay func(account string) time.Duration
	Now       func() time.Time
}

// Update changes the configuration of an account. A check that a schedule uses
// is not switched off.
func (s *Service) Update(ctx context.Context, scope fleet.Scope, p Patch) error {
	for name, t := range p.Notifications {
		if err := t.validate(name, scope); err != nil {
			return err
		}
	}
	return s.Store.UpdateAuditConfiguration(ctx, scope, func(c *Configuration, schedules []*Schedule) (
		*Configuration, error,
	) {
		next, err := c.Apply(p, s.Checks)
		if err != nil {
			return nil, err
		}
		return next, c.keeps(next, schedules)
	})
}

// keeps refuses to switch off a check that a schedule uses.
func (c *Configuration) keeps(next *Configuration, schedules []*Schedule) error {
	for _, sch := range schedules {
		for _, check := range sch.Checks {
			if c.Enabled(check) && !next.Enabled(check) {
				return fault.New(fault.Invalid, "the check %s cannot be disabled: the scheduled audit %q uses it",
					check, sch.Name)
			}
		}
	}
	return nil
}

// Delete resets the configuration of an account: every check is off. Without
// one it is a NotFound fault; with schedules, which have nothing to check any
// more, an Invalid one unless they are to go too.
func (s *Service) Delete(ctx context.Context, scope fleet.Scope, schedules bool) error {
	return s.Store.DeleteAuditConfiguration(ctx, scope, schedules)
}

// Start begins an audit on demand of the checks named, each of which must be
// enabled, and returns its id.
func (s *Service) Start(ctx context.Context, scope fleet.Scope, names []string) (string, error) {
	c, err := s.Store.AuditConfiguration(ctx, scope)
	if err != nil {
		return "", err
	}
	if err := s.enabled(c, names); err != nil {
		return "", err
	}
	t := s.newTask(scope, names, c)
	if err := s.Store.CreateAudit(ctx, t); err != nil {
		return "", err
	}
	return t.ID, s.Workflows.Start(workflow(scope, t.ID))
}

// ConnectionWindow is how far an audit looks back at connections that no run of
// a schedule precedes. Source: the developer guide on checks over connections.
const ConnectionWindow = 31 * day

// newTask makes an audit on demand that begins now. A check that is not enabled
// has failed from the start.
func (s *Service) newTask(scope fleet.Scope, names []string, c *Configuration) *Task {
	now := s.Now().Truncate(time.Millisecond) // as it is stored
	t := &Task{
		Scope: scope, ID: newTaskID(), Type: OnDemand, Status: TaskInProgress,
		States: map[string]*CheckState{}, Started: now, WindowFrom: now.Add(-ConnectionWindow), WindowTo: now,
	}
	for _, name := range unique(names) {
		t.Checks = append(t.Checks, name)
		if !c.Enabled(name) {
			t.States[name] = &CheckState{
				Status: CheckFailed, ErrorCode: ErrorCheckDisabled,
				Message: "the check is not enabled for this account",
			}
			continue
		}
		t.States[name] = &CheckState{Status: CheckInProgress, Settings: c.Checks[name].Settings}
		if check := s.Checks.Named(name); check != nil && check.waits() {
			t.States[name].Status = CheckWaiting
		}
	}
	return t
}

// Cancel ends an audit in progress.
func (s *Service) Cancel(ctx context.Context, scope fleet.Scope, id string) error {
	if err := s.Store.CancelAudit(ctx, scope, id); err != nil {
		return err
	}
	return s.Workflows.Cancel(workflow(scope, id))
}

func workflow(scope fleet.Scope, id string) durable.ID {
	return durable.ID{Kind: WorkflowKind, Account: scope.Account, Region: scope.Region, Name: id}
}

// newTaskID makes an id in the form of AWS: 32 lower-case hex characters.
func newTaskID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
