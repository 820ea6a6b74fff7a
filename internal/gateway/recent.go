package gateway

import (
	"slices"
	"sync"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// remembered is how many changes are remembered for connections that are being
// made. One that falls further behind reads its rights again.
const remembered = 1024

// recent remembers the latest changes, so that a connection whose rights were
// read while it could not be found by them all finds what it missed itself.
type recent struct {
	mu   sync.Mutex
	next int64 // the number of the change to come
	ring [remembered]fleet.RightChange
	// floor is the number from which on nothing was missed.
	floor int64
}

// add remembers changes.
func (r *recent) add(changes []fleet.RightChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range changes {
		r.ring[r.next%remembered] = c
		r.next++
	}
}

// lost says that changes were missed.
func (r *recent) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	r.floor = r.next
}

// mark is where a reading of the registry begins.
func (r *recent) mark() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// concerned reports whether a change since a mark is about a session.
func (r *recent) concerned(mark int64, s *session, now *rights) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mark < r.floor || r.next-mark > remembered {
		return true
	}
	for ; mark < r.next; mark++ {
		if concerns(&r.ring[mark%remembered], s, now) {
			return true
		}
	}
	return false
}

// concerns reports whether a change may be one of a session's rights.
func concerns(c *fleet.RightChange, s *session, r *rights) bool {
	if c.Kind == fleet.RightAccount {
		return c.Scope.Account == s.scope.Account
	}
	if c.Scope != s.scope {
		return false
	}
	named := func(name string) bool { return slices.Contains(c.Names, name) }
	switch c.Kind {
	case fleet.RightCertificate:
		return named(s.certificate)
	case fleet.RightThing:
		return named(s.clientID) || r.thing != nil && named(r.thing.Name)
	case fleet.RightGroup:
		return slices.ContainsFunc(r.groups, named)
	case fleet.RightPolicy:
		return slices.ContainsFunc(r.refs, func(p fleet.PolicyRef) bool { return named(p.Name) })
	}
	return false
}
