// Package audit computes what is wrong with a fleet: which checks an account
// has switched on, the audits it ran, and what they found.
//
// The rules themselves are in package check below it. This package passes once
// over each kind of resource and asks every enabled rule. It knows neither SQL
// nor the wire.
package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// Retention is how long audits, findings and mitigation tasks are kept after
// their end. Source: the quotas of AWS IoT Device Defender in the AWS General
// Reference.
const Retention = 90 * 24 * time.Hour

// TaskType says how an audit came about, equal to the wire value.
type TaskType string

// The task types.
const (
	OnDemand  TaskType = "ON_DEMAND_AUDIT_TASK"
	Scheduled TaskType = "SCHEDULED_AUDIT_TASK"
)

// TaskStatus is the state of an audit, equal to the wire value.
type TaskStatus string

// The states of a task.
const (
	TaskInProgress TaskStatus = "IN_PROGRESS"
	TaskCompleted  TaskStatus = "COMPLETED"
	TaskFailed     TaskStatus = "FAILED"
	TaskCanceled   TaskStatus = "CANCELED"
)

// CheckStatus is the state of one check in an audit, equal to the wire value.
type CheckStatus string

// The states of a check.
const (
	CheckInProgress   CheckStatus = "IN_PROGRESS"
	CheckWaiting      CheckStatus = "WAITING_FOR_DATA_COLLECTION"
	CheckCanceled     CheckStatus = "CANCELED"
	CheckCompliant    CheckStatus = "COMPLETED_COMPLIANT"
	CheckNonCompliant CheckStatus = "COMPLETED_NON_COMPLIANT"
	CheckFailed       CheckStatus = "FAILED"
)

// Open reports whether a check has no result yet.
func (s CheckStatus) Open() bool { return s == CheckInProgress || s == CheckWaiting }

// CheckState is what one check has counted. Reasons counts the findings that
// are not suppressed by reason code: the size of a mitigation's target.
type CheckState struct {
	Status       CheckStatus       `json:"status"`
	Total        int64             `json:"total"`
	NonCompliant int64             `json:"nonCompliant"`
	Suppressed   int64             `json:"suppressed"`
	Reasons      map[string]int64  `json:"reasons,omitempty"`
	ErrorCode    string            `json:"errorCode,omitempty"`
	Message      string            `json:"message,omitempty"`
	Settings     map[string]string `json:"settings,omitempty"` // the account's, when the audit began
	// Untested counts resources that could not be judged and are in no other
	// count. Example is one of them, and why.
	Untested int64  `json:"untested,omitempty"`
	Example  string `json:"example,omitempty"`
	// After is the last client id that was judged, and Relating the finding whose
	// related resources are not all stored yet.
	After    string    `json:"after,omitempty"`
	Relating *Relating `json:"relating,omitempty"`
}

// Task is one audit. Checks keeps the names in the order they were asked for.
type Task struct {
	Seq           int64
	Scope         fleet.Scope
	ID            string
	Type          TaskType
	Status        TaskStatus
	ScheduledName string
	Checks        []string
	States        map[string]*CheckState
	Started       time.Time
	Ended         time.Time // zero while it runs
	// The window is what checks over connections look at: since the previous
	// run of the schedule, or the 31 days before the start. It is zero for
	// audits of versions that kept none.
	WindowFrom, WindowTo time.Time

	// Where the engine is: the pass over one kind of resource, the last
	// resource of it, and how many findings there are.
	Pass     int
	Position int64
	Findings int64
}

// Summary is an audit in a list.
type Summary struct {
	Seq    int64
	ID     string
	Status TaskStatus
	Type   TaskType
}

// Reasons for which a check has no result, equal to the wire values. Other
// reasons have a message alone.
const (
	ErrorInsufficientPermissions = "INSUFFICIENT_PERMISSIONS"
	ErrorCheckDisabled           = "AUDIT_CHECK_DISABLED"
)

// FindingRef is where a finding is: in which audit, and its number there.
type FindingRef struct {
	Audit int64
	N     int64
}

// Finding is one reason for which one resource does not comply.
type Finding struct {
	FindingRef
	ID          string
	TaskID      string
	TaskStarted time.Time
	Check       string
	Severity    Severity
	Resource    Resource
	ReasonCode  string
	Reason      string
	Suppressed  bool
	Found       time.Time
	Related     []Resource
}

// MaxRelated is how many related resources are shown with a finding; all of
// them are listed by a call of their own.
const MaxRelated = 10

const prefixLen = 20

// FindingPrefix is the part of an audit's id that its findings' ids begin
// with.
func FindingPrefix(taskID string) string { return taskID[:prefixLen] }

// FindingID is the id of a finding: 32 lower-case hex characters, of which the
// first 20 are the audit's and the last 12 the number. It needs no index.
func FindingID(prefix string, n int64) string { return fmt.Sprintf("%s%012x", prefix, n) }

// ParseFindingID splits a finding id; ok is false for one that we never make.
func ParseFindingID(id string) (prefix string, n int64, ok bool) {
	if len(id) != prefixLen+12 || strings.ToLower(id) != id {
		return "", 0, false
	}
	n, err := strconv.ParseInt(id[prefixLen:], 16, 64)
	return id[:prefixLen], n, err == nil && n > 0 && id[prefixLen] != '-' && id[prefixLen] != '+'
}

// Cancel ends a running audit: checks without a result are canceled.
func (t *Task) Cancel(now time.Time) {
	t.Status, t.Ended = TaskCanceled, now
	for _, state := range t.States {
		if state.Status.Open() {
			state.Status = CheckCanceled
		}
	}
}

// abandon ends an audit that cannot be finished: checks without a result have
// failed.
func (t *Task) abandon(now time.Time, reason string) {
	t.Status, t.Ended = TaskFailed, now
	for _, state := range t.States {
		if state.Status.Open() {
			state.Status, state.Message = CheckFailed, reason
		}
	}
}
