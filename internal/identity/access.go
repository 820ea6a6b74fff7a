package identity

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// AccessReport says which services a role has used: IAM's "service last
// accessed" details, as far as they are known here. Cordon sees no call of
// other services, so that reports come from outside.
type AccessReport struct {
	Account, RoleARN string
	// Reported is when AWS made the report: nothing is known of later use.
	Reported time.Time
	Services []ServiceAccess // by namespace
}

// ServiceAccess is what a report says of one service.
type ServiceAccess struct {
	Namespace string // as in actions, in lower case
	Name      string
	Last      time.Time // zero for a service that was not used
	Entity    string    // ARN, or ""
	Region    string
	Entities  int
}

// MaxReportServices is how many services a report may have. AWS has some four
// hundred.
const MaxReportServices = 2000

// Check refuses a report that says nothing reliable: the fault is Invalid.
func (r *AccessReport) Check(now time.Time) error {
	if err := checkRole(r.RoleARN); err != nil {
		return err
	}
	if r.Reported.After(now) {
		return fault.New(fault.Invalid, "the report is of a time that has not come")
	}
	if len(r.Services) == 0 {
		return fault.New(fault.Invalid, "the report has no services")
	}
	seen := map[string]bool{}
	for _, s := range r.Services {
		switch {
		case seen[s.Namespace]:
			return fault.New(fault.Invalid, "the report has the service %q twice", s.Namespace)
		case s.Last.After(r.Reported):
			return fault.New(fault.Invalid, "the report says that the service %q was used after it was made", s.Namespace)
		}
		seen[s.Namespace] = true
	}
	return nil
}

// AccessJob is a request for the report of a role that was made.
type AccessJob struct {
	ID      string
	Account string
	RoleARN string
	Created time.Time
}

// AccessJobRetention is how long a job may be asked for. Source: IAM,
// GetServiceLastAccessedDetails.
const AccessJobRetention = 7 * 24 * time.Hour

// NewAccessJob makes a job.
func NewAccessJob(account, roleARN string, now time.Time) AccessJob {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return AccessJob{
		ID:      fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]),
		Account: account, RoleARN: roleARN, Created: now,
	}
}

// RolePolicies are the documents that decide what a role may do.
type RolePolicies struct {
	Documents []string // inline and attached ones
	// Boundary is the document of the permissions boundary, nil for none.
	Boundary *string
	// Missing is the ARN of a policy that is attached and not known here, or "".
	Missing string
}
