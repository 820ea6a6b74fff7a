// Package fault is the one error type that means something to a caller.
//
// A fault carries a code, which a front door turns into an exception of its
// protocol, and a text that the caller may read. Every other error is
// internal: it is logged once, at the edge, and the caller hears "internal
// failure". The package knows neither HTTP nor AWS.
package fault

import (
	"errors"
	"fmt"
)

// Code says what kind of refusal a fault is. Front doors map codes, never
// texts.
type Code string

// The codes. Each is refused work: nothing was changed when one is returned.
const (
	Invalid             Code = "invalid"              // the request breaks a rule
	NotFound            Code = "not-found"            // what it names does not exist for this caller
	Exists              Code = "exists"               // the name is taken by something else
	TaskExists          Code = "task-exists"          // the task id or token is taken by another task
	Limit               Code = "limit"                // a quota is reached
	DeleteConflict      Code = "delete-conflict"      // something still depends on it
	VersionConflict     Code = "version-conflict"     // expectedVersion does not hold
	VersionsLimit       Code = "versions-limit"       // a policy has all its versions
	Conflict            Code = "conflict"             // another change got there first
	MalformedPolicy     Code = "malformed-policy"     // the policy document cannot be read
	CertificateState    Code = "certificate-state"    // the certificate's status forbids it
	CertificateInvalid  Code = "certificate-invalid"  // the certificate is not acceptable
	CertificateConflict Code = "certificate-conflict" // the certificate cannot be verified by its CA, or several CAs fit
	TransferConflict    Code = "transfer-conflict"    // what hangs on the certificate forbids its transfer
	TransferCompleted   Code = "transfer-completed"   // the transfer has ended
	RegistrationCode    Code = "registration-code"    // the registration code does not fit
	NotConfigured       Code = "not-configured"       // the setting was never made
	InvalidQuery        Code = "invalid-query"        // a query of fleet indexing cannot be read
	Throttled           Code = "throttled"            // too many calls
	Denied              Code = "denied"               // the caller may not do this
	Unauthorized        Code = "unauthorized"         // the operation's own form of "may not"
	Unavailable         Code = "unavailable"          // try again later
	Unsupported         Code = "unsupported"          // known, and not built
)

// Fault is an error that the caller may read.
type Fault struct {
	Code Code
	Text string
	// Exception is what the interface calls this refusal where it has several
	// names for what Code says; "" is the usual one.
	Exception string
	// ResourceID and ResourceARN name what is in the way, for Exists only.
	ResourceID, ResourceARN string
}

// Error returns the text for the caller.
func (f *Fault) Error() string { return f.Text }

// New returns a fault with a formatted text.
func New(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Called returns the fault under a name of the interface that is more exact than
// that of its code.
func (f *Fault) Called(exception string) *Fault {
	named := *f
	named.Exception = exception
	return &named
}

// From returns the fault in err's chain, or nil when err is internal.
func From(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Is reports whether err carries a fault with this code.
func Is(err error, code Code) bool {
	f := From(err)
	return f != nil && f.Code == code
}
