package quota

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Call is what is counted together.
type Call struct {
	Account, Region, Service, Operation string
}

// Limiter refuses calls that come faster than the rates of a profile. It holds
// one process: an account that calls n nodes may call n times as often.
//
// A second's worth of calls may come at once. Callers choose regions freely, so
// there are no more counters than maxCounters: those that are full again are
// forgotten, and when none is, further ones are refused.
type Limiter struct {
	rates Rates
	now   func() time.Time

	mu       sync.Mutex
	counters map[Call]*rate.Limiter
}

// maxCounters bounds what a limiter remembers, about 20 MB.
const maxCounters = 100_000

// NewLimiter returns a limiter of some rates that tells time by now.
func NewLimiter(r Rates, now func() time.Time) *Limiter {
	return &Limiter{rates: r, now: now, counters: map[Call]*rate.Limiter{}}
}

// Allow counts a call, or refuses it with a Throttled fault.
func (l *Limiter) Allow(c Call) error {
	perSecond := l.rates.Of(c.Operation)
	if perSecond == 0 {
		return nil
	}
	now := l.now()
	counter := l.counter(c, perSecond, now)
	if counter == nil || !counter.AllowN(now, 1) {
		return fault.New(fault.Throttled, "Rate exceeded: %s may be called %g times a second", c.Operation, perSecond)
	}
	return nil
}

// counter returns the counter of a call, or nil when there is no room for it.
func (l *Limiter) counter(c Call, perSecond float64, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if counter := l.counters[c]; counter != nil {
		return counter
	}
	if len(l.counters) >= maxCounters {
		l.forget(now)
	}
	if len(l.counters) >= maxCounters {
		return nil
	}
	counter := rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
	l.counters[c] = counter
	return counter
}

// forget drops the counters that are full: a new one would be just as full.
func (l *Limiter) forget(now time.Time) {
	for c, counter := range l.counters {
		if counter.TokensAt(now) >= float64(counter.Burst()) {
			delete(l.counters, c)
		}
	}
}
