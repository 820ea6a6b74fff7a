package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Configuration is what an account has set about its audits.
type Configuration struct {
	RoleARN string // recorded, not yet judged
	Checks  map[string]CheckConfiguration
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
	RoleARN string // "" leaves it
	Checks  map[string]CheckPatch
}

// CheckPatch is a change to what is set about one check.
type CheckPatch struct {
	Enabled  *bool             // nil leaves it
	Settings map[string]string // nil leaves them
}

// Apply returns the configuration with a patch, or says why it may not be.
func (c *Configuration) Apply(p Patch, known Checks) (*Configuration, error) {
	next := &Configuration{Checks: map[string]CheckConfiguration{}}
	if c != nil {
		next.RoleARN = c.RoleARN
		for name, check := range c.Checks {
			next.Checks[name] = check
		}
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
		set := next.Checks[name]
		if change.Enabled != nil {
			set.Enabled = *change.Enabled
		}
		if change.Settings != nil {
			set.Settings = change.Settings
		}
		next.Checks[name] = set
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

// UnknownCheck is the refusal of a check that does not exist or is not built.
func UnknownCheck(name string) error {
	return fault.New(fault.Invalid,
		"Request contains an invalid Audit Check Name. %.128q is not a check of this Cordon.", name)
}

// Store is what the service needs of the database.
type Store interface {
	// AuditConfiguration is nil when nothing was set.
	AuditConfiguration(ctx context.Context, scope fleet.Scope) (*Configuration, error)
	// UpdateAuditConfiguration replaces the configuration by what change makes
	// of it, as one transaction; nil deletes it.
	UpdateAuditConfiguration(ctx context.Context, scope fleet.Scope,
		change func(*Configuration) (*Configuration, error)) error
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
	Now       func() time.Time
}

// Update changes the configuration of an account.
func (s *Service) Update(ctx context.Context, scope fleet.Scope, p Patch) error {
	return s.Store.UpdateAuditConfiguration(ctx, scope, func(c *Configuration) (*Configuration, error) {
		return c.Apply(p, s.Checks)
	})
}

// Delete resets the configuration of an account: every check is off. Without
// one it is a NotFound fault.
func (s *Service) Delete(ctx context.Context, scope fleet.Scope) error {
	return s.Store.UpdateAuditConfiguration(ctx, scope, func(c *Configuration) (*Configuration, error) {
		if c == nil {
			return nil, fault.New(fault.NotFound, "the account has no audit configuration")
		}
		return nil, nil
	})
}

// Start begins an audit on demand of the checks named, each of which must be
// enabled, and returns its id.
func (s *Service) Start(ctx context.Context, scope fleet.Scope, names []string) (string, error) {
	if len(names) == 0 {
		return "", fault.New(fault.Invalid, "targetCheckNames must name at least one check")
	}
	c, err := s.Store.AuditConfiguration(ctx, scope)
	if err != nil {
		return "", err
	}
	t := &Task{
		Scope: scope, ID: newTaskID(), Type: OnDemand, Status: TaskInProgress,
		States: map[string]*CheckState{}, Started: s.Now(),
	}
	for _, name := range names {
		if s.Checks.Named(name) == nil {
			return "", UnknownCheck(name)
		}
		if !c.Enabled(name) {
			return "", fault.New(fault.Invalid, "the check %s is not enabled for this account", name)
		}
		if t.States[name] == nil {
			t.Checks = append(t.Checks, name)
			t.States[name] = &CheckState{Status: CheckInProgress, Settings: c.Checks[name].Settings}
		}
	}
	if err := s.Store.CreateAudit(ctx, t); err != nil {
		return "", err
	}
	return t.ID, s.Workflows.Start(workflow(scope, t.ID))
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
