// Package mitigation acts on what audits find: the actions an account has
// defined, the tasks that apply them, and one execution for every action on
// every finding.
//
// An action does not act. It plans changes, as a pure function of a finding
// and its resource; the engine here has them applied, a slice at a time. The
// action types are in package action below it. The package knows neither SQL
// nor the wire.
package mitigation

import (
	"reflect"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// Action is a mitigation action that an account has defined. A task keeps its
// own copy.
type Action struct {
	Name     string           `json:"name"`
	ID       string           `json:"id"`
	Type     audit.ActionType `json:"type"`
	RoleARN  string           `json:"roleArn"`
	Params   Params           `json:"params"`
	Created  time.Time        `json:"-"`
	Modified time.Time        `json:"-"`
}

// Equal reports whether two actions of one name do the same.
func (a *Action) Equal(b *Action) bool {
	return a.RoleARN == b.RoleARN && reflect.DeepEqual(a.Params, b.Params)
}

// Params are the parameters of an action: exactly one member is set, and it
// says the type.
type Params struct {
	UpdateDeviceCertificate     *UpdateCertificate `json:"updateDeviceCertificate,omitempty"`
	UpdateCACertificate         *UpdateCertificate `json:"updateCACertificate,omitempty"`
	AddThingsToThingGroup       *AddThings         `json:"addThingsToThingGroup,omitempty"`
	ReplaceDefaultPolicyVersion *ReplacePolicy     `json:"replaceDefaultPolicyVersion,omitempty"`
	EnableIoTLogging            *EnableLogging     `json:"enableIoTLogging,omitempty"`
	PublishFindingToSNS         *PublishFinding    `json:"publishFindingToSNS,omitempty"`
}

// UpdateCertificate says what becomes of a certificate.
type UpdateCertificate struct {
	Action string `json:"action"` // DEACTIVATE
}

// AddThings names the static groups that things are put into.
type AddThings struct {
	Groups []string `json:"groups"`
	// Override has a thing that is in too many groups leave dynamic ones.
	Override bool `json:"override,omitempty"`
}

// changes is how many changes it may take to put one thing into the groups.
func (a *AddThings) changes() int {
	if a.Override {
		return 2 * len(a.Groups)
	}
	return len(a.Groups)
}

// ReplacePolicy names the document that replaces a policy's default version.
type ReplacePolicy struct {
	Template string `json:"template"` // BLANK_POLICY
}

// EnableLogging says how the account shall log.
type EnableLogging struct {
	RoleARN string `json:"roleArn"`
	Level   string `json:"level"`
}

// PublishFinding names the topic that hears of findings.
type PublishFinding struct {
	TopicARN string `json:"topicArn"`
}

// TaskStatus is the state of a task, equal to the wire value.
type TaskStatus string

// The states of a task. All but the first are final.
const (
	TaskInProgress TaskStatus = "IN_PROGRESS"
	TaskCompleted  TaskStatus = "COMPLETED"
	TaskFailed     TaskStatus = "FAILED"
	TaskCanceled   TaskStatus = "CANCELED"
)

// Status is the state of an execution, equal to the wire value.
type Status string

// The states of an execution. Pending is never stored, and Canceled neither:
// both follow from how far the task is.
const (
	Pending    Status = "PENDING"
	InProgress Status = "IN_PROGRESS"
	Completed  Status = "COMPLETED"
	Failed     Status = "FAILED"
	Skipped    Status = "SKIPPED"
	Canceled   Status = "CANCELED"
)

// Target says which findings a task is for: all of an audit, perhaps narrowed
// by reason codes for each check, or chosen ones.
type Target struct {
	AuditTaskID string              `json:"auditTaskId,omitempty"`
	FindingIDs  []string            `json:"findingIds,omitempty"`
	ReasonCodes map[string][]string `json:"reasonCodes,omitempty"`
}

// Stat counts the findings of one check in a task. What is not counted as
// succeeded, failed or skipped is still to do, or was canceled with the task.
type Stat struct {
	Total     int64 `json:"total"`
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	Skipped   int64 `json:"skipped"` // outside the target's reason codes
}

// Rest is how many findings have no outcome.
func (s *Stat) Rest() int64 { return s.Total - s.Succeeded - s.Failed - s.Skipped }

// Task applies actions to findings.
type Task struct {
	Seq         int64
	Scope       fleet.Scope
	ID          string
	Token       string
	RequestHash string
	Status      TaskStatus
	Target      Target
	// Mapping names, for each check, the actions in the order they are applied.
	Mapping map[string][]string
	Actions []Action // as they were when the task began
	Stats   map[string]*Stat
	Started time.Time
	Ended   time.Time // zero while it runs
	Message string

	// Refs is what the target was resolved to; N is 0 for a whole audit.
	Refs []audit.FindingRef

	// Done is the last finding that has its outcome. Cursor is set inside a
	// finding that takes more than a slice.
	Done   audit.FindingRef
	Cursor *Cursor
}

// Cursor is how far a task is inside one finding.
type Cursor struct {
	Action  int      `json:"action"`            // in the check's list
	After   string   `json:"after,omitempty"`   // the last thing done; "" before the first
	Related int64    `json:"related,omitempty"` // how many related resources are done
	Failure *Failure `json:"failure,omitempty"` // the first that the action met
}

// Action is the task's copy of an action.
func (t *Task) Action(name string) *Action {
	for i := range t.Actions {
		if t.Actions[i].Name == name {
			return &t.Actions[i]
		}
	}
	return nil
}

// Wants reports whether the task applies to a finding of this check and
// reason.
func (t *Task) Wants(check, reason string, suppressed bool) bool {
	if suppressed || len(t.Mapping[check]) == 0 {
		return false
	}
	if t.Target.ReasonCodes == nil {
		return true
	}
	for _, code := range t.Target.ReasonCodes[check] {
		if code == reason {
			return true
		}
	}
	return false
}

// Summary is a task in a list.
type Summary struct {
	Seq     int64
	ID      string
	Status  TaskStatus
	Started time.Time
}

// TaskQuery asks for a page of tasks, newest first.
type TaskQuery struct {
	// From is the earliest start; To the latest end, or start of one that runs.
	From, To  time.Time
	AuditID   string     // "" for all
	FindingID string     // "" for all
	Status    TaskStatus // "" for all
	Before    int64      // the Seq that the page is behind, 0 for the first page
	Limit     int
}

// Execution is one action applied to one finding.
type Execution struct {
	Finding audit.FindingRef
	Check   string
	Index   int // of the action in the check's list
	Status  Status
	Failure
	Started time.Time
	Ended   time.Time // zero while it runs
	Changes []fleet.ChangeRow
	// Continues says that an earlier slice stored the execution already.
	Continues bool
}

// Failure is why an execution failed.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error codes of executions. The first two are AWS's.
const (
	InsufficientPermissions = "INSUFFICIENT_PERMISSIONS"
	InvalidState            = "INVALID_STATE_OF_RESOURCE"
	ResourceNotFound        = "RESOURCE_NOT_FOUND"
	LimitExceeded           = "LIMIT_EXCEEDED"
	ResourceBusy            = "RESOURCE_CHANGED_MEANWHILE"
)

// Kind is the behaviour of one type of action.
type Kind struct {
	Type audit.ActionType
	Doc  string
	// Needs is the state a plan is made from.
	Needs Needs
	// Asks are the permissions that the action's role must have for this finding:
	// the calls of AWS IoT that the action stands for, and what they are made on.
	Asks func(scope fleet.Scope, p *Params, s *Subject) []identity.Ask
	// Plan says what has to change for this finding. It is a pure function. It
	// may plan some changes and fail all the same: what it planned is applied.
	// No change and no failure means that all is as it should be.
	Plan func(p *Params, s *Subject) ([]fleet.Change, *Failure)
}

// Needs names a part of the registry.
type Needs int

// What a plan may need.
const (
	NeedsCertificate Needs = iota
	NeedsCA
	NeedsPolicy
	NeedsLogging
	NeedsThings
	NeedsFinding // all of the finding, and whether the action's topic exists
)

// Subject is a finding with the state of what it is about, as it is in the
// slice's transaction. What is gone is nil.
type Subject struct {
	Finding     *audit.Finding
	Certificate *fleet.Certificate
	CA          *fleet.CACertificate
	Policy      *fleet.Policy
	Logging     *fleet.LoggingOptions
	Things      []ThingState
	Groups      map[string]*fleet.Group // the action's groups that exist
	// TopicMissing says that there is no topic of the action's.
	TopicMissing bool
	// Execution is what the execution is called where it is told of: by its task,
	// finding and action.
	Execution string
	Now       time.Time
}

// ThingState is a thing with the groups it is in.
type ThingState struct {
	Name   string
	Groups []fleet.Membership
}

// Kinds are the action types that are built.
type Kinds []*Kind

// Of returns the behaviour of a type, or nil when it is not built.
func (k Kinds) Of(t audit.ActionType) *Kind {
	for _, kind := range k {
		if kind.Type == t {
			return kind
		}
	}
	return nil
}
