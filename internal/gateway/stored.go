package gateway

import (
	"sync"
	"time"
)

// maxStored bounds the stored sessions whose filters are remembered. Of those
// beyond it nothing is known, so that they begin anew when they come back.
const maxStored = 200_000

// stored remembers the filters of sessions that a broker stores, so that they
// can be judged when somebody resumes them.
type stored struct {
	now func() time.Time

	mu       sync.Mutex
	sessions map[clientKey]storedSession
}

type storedSession struct {
	filters []string
	until   time.Time
}

func newStored(now func() time.Time) *stored {
	return &stored{now: now, sessions: map[clientKey]storedSession{}}
}

// keep remembers the filters of a session for as long as it is stored.
func (t *stored) keep(key clientKey, filters []string, expiry time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if expiry <= 0 {
		delete(t.sessions, key)
		return
	}
	if _, known := t.sessions[key]; !known && len(t.sessions) >= maxStored {
		t.sweep()
		if len(t.sessions) >= maxStored {
			return
		}
	}
	t.sessions[key] = storedSession{filters, t.now().Add(expiry)}
}

func (t *stored) sweep() {
	now := t.now()
	for key, s := range t.sessions {
		if now.After(s.until) {
			delete(t.sessions, key)
		}
	}
}

// take returns the filters of a session that is resumed, and false where nothing
// is known of it.
func (t *stored) take(key clientKey) (filters []string, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, known := t.sessions[key]
	delete(t.sessions, key)
	return s.filters, known && !t.now().After(s.until)
}

// drop forgets a session.
func (t *stored) drop(key clientKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, key)
}
