package fleet

import "time"

const (
	// SharedOverlap is how long two connections of one certificate with different
	// client ids are connected side by side at most before that shows that the
	// certificate is shared.
	SharedOverlap = 5 * time.Second
	// ReturnTime is within which a client that was displaced comes back, and
	// displaces its successor, where two devices fight for one client id. A device
	// that lost its connection does not know that anybody displaced it.
	ReturnTime = 10 * time.Minute
)

// Overlapped reports whether two connections with different client ids, begun
// at these times, were side by side for longer than [SharedOverlap] at a time
// when both were connected.
func Overlapped(from, other, at time.Time) bool {
	if other.After(from) {
		from = other
	}
	return at.Sub(from) > SharedOverlap
}

// Ended is an interval that has ended, with what decides whether it is
// evidence. A time that is zero says that there was none.
type Ended struct {
	Interval
	// Beside is when the earliest began of the intervals of the certificate with
	// other client ids that were still connected at the end of this one.
	Beside time.Time
	// Before is when the latest ended of the other ones that have ended by then
	// and were connected for longer than [SharedOverlap].
	Before time.Time
	// Successor is the certificate of the session that took the client id over,
	// or "" where that is not known.
	Successor string
	// Displaced is when this session took the client id over from one of the same
	// certificate.
	Displaced time.Time
}

// Shared returns until when the certificate was seen to be used by another
// client id beside this one, or zero.
func (e *Ended) Shared() time.Time {
	switch {
	case !e.Beside.IsZero() && Overlapped(e.From, e.Beside, e.Until):
		return e.Until
	case !e.Before.IsZero() && e.Before.Sub(e.From) > SharedOverlap:
		return e.Before
	}
	return time.Time{}
}

// Conflict says what the take-over that ended the interval shows.
type Conflict int

// What a take-over shows: nothing, for one by the same certificate is a
// reconnect; that two certificates use one client id; that two clients with one
// certificate fight for it.
const (
	NoConflict Conflict = iota
	OtherCertificate
	SameCertificate
)

// Conflict judges how the interval ended.
func (e *Ended) Conflict() Conflict {
	switch {
	case e.DisplacedBy == "" || e.Successor == "":
		return NoConflict
	case e.Successor != e.Certificate:
		return OtherCertificate
	case !e.Displaced.IsZero() && e.Until.Sub(e.Displaced) <= ReturnTime:
		return SameCertificate
	}
	return NoConflict
}

// Client is a client id as audits judge it.
type Client struct {
	ID string
	// From and Until are those of its newest connection; Until is zero while it is
	// connected.
	From, Until time.Time
	// Conflict is when connections were last seen to fight for it, or zero.
	Conflict time.Time
}

// Sighting is a connection as a finding relates it.
type Sighting struct {
	Session, ClientID, Certificate string
	From, Until                    time.Time // Until is zero while it is connected
}
