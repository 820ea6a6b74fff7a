// Package calllog keeps a record of every call: who, when, from where, which
// operation on which resources, and how it came out. Events are JSON lines with
// the field names of CloudTrail, sealed in batches that name each other, so that
// a line which was removed or altered is found.
//
// The record of a call that changes something is written by the store, in the
// transaction of the change: the context carries the [Call]. Everything else is
// buffered for up to 100 ms and may be lost by a crash. The package knows no
// SQL and no protocol.
//
// Sources: CloudTrail record contents; CloudTrail userIdentity element. What is
// ours is told in docs/call-log.md.
package calllog

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Identity is who called, in the words of CloudTrail's userIdentity.
type Identity struct {
	Type        string // "Root", "IAMUser", "AssumedRole" or, without a valid signature, "Unknown"
	PrincipalID string
	ARN         string
	Account     string
	AccessKeyID string
	UserName    string // of a user
	InvokedBy   string // the service that acted, "" for a caller of its own
	Session     *Session
}

// Session is the role and the session behind an assumed role.
type Session struct {
	RoleARN, RoleID, RoleName string
	SourceIdentity            string
	Created                   time.Time
}

// Event is one record.
type Event struct {
	Time      time.Time
	Source    string // eventSource, "" when no service was found
	Name      string // eventName, "" when no operation was found
	Region    string
	SourceIP  string
	UserAgent string
	User      Identity
	RequestID string
	ReadOnly  bool
	Resources []string // ARNs; those beyond [MaxResources] are left out
	// ErrorCode and ErrorMessage are empty when the call was answered without an
	// exception.
	ErrorCode, ErrorMessage string
	// Account is whose record it is, "" where that is not known.
	Account string
	// Details are members of additionalEventData; nil is none.
	Details []Detail
	// Internal says that nobody called: Cordon did or says something by itself.
	Internal bool
	// Work is what was done on behalf of the account, nil for nothing.
	Work *Work
}

// Detail is a member of additionalEventData: a number, or a text where there is
// one.
type Detail struct {
	Name   string
	Text   string
	Number int64
}

// Work is what one action of a mitigation task changed in one step of the task.
type Work struct {
	Task, Action, ActionType string
	Changes                  []Change
}

// Change is a change of a resource.
type Change struct {
	Kind, Resource, From, To string
}

// usualLine is what most lines are shorter than, in bytes.
const usualLine = 1 << 10

// MaxResources bounds the resources of a record.
const MaxResources = 20

// ReadOnly reports whether an operation only reads, by its name. AssumeRole and
// the like change nothing that is stored, and CloudTrail has them as reading.
func ReadOnly(operation string) bool {
	for _, prefix := range []string{
		"Get", "List", "Describe", "Search", "Test", "Simulate", "Validate", "Export", "Verify", "AssumeRole", "Decode",
	} {
		if strings.HasPrefix(operation, prefix) {
			return true
		}
	}
	return false
}

// Call is a call in progress whose record is to be written. A nil Call is none:
// its methods do nothing.
type Call struct {
	log *Log

	mu    sync.Mutex
	event Event
	state callState
}

type callState int

const (
	open    callState = iota // no record is written
	taken                    // a transaction has it
	stored                   // a transaction committed it
	settled                  // the call was answered
)

type callKey struct{}

// WithCall returns a context that carries a call.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallFrom returns the call that runs under ctx, or nil.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Take appends the line of the call, as of one that came out well, for the
// transaction that is about to change something. It returns false for a call
// whose record is written, or in the hands of another transaction. Whoever takes
// it calls Settle.
func (c *Call) Take(dst []byte) ([]byte, bool) {
	if c == nil {
		return dst, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return dst, false
	}
	c.state = taken
	if dst == nil {
		dst = make([]byte, 0, usualLine)
	}
	return AppendLine(dst, &c.event), true
}

// Settle says whether the transaction that took the record was committed.
func (c *Call) Settle(committed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != taken {
		return
	}
	c.state = open
	if committed {
		c.state = stored
		c.log.loose.Store(true)
	}
}

// end closes the call to further transactions and reports whether its record is
// written. One that a transaction has at this moment is not: its caller left.
func (c *Call) end() (written bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written = c.state == stored
	c.state = settled
	return written
}
