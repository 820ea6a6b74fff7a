package gateway

import (
	"net/netip"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// maxBuckets bounds how many addresses or client ids are counted at a time. In
// a flood from more of them than that the oldest counts are forgotten.
const maxBuckets = 1 << 16

// rate lets something happen only so often, for each key on its own.
type rate[K comparable] struct {
	perSecond float64
	burst     float64
	now       func() time.Time

	mu      sync.Mutex
	buckets map[K]bucket
}

// bucket is how much may happen at once, as of a time.
type bucket struct {
	left float64
	at   time.Time
}

func newRate[K comparable](perSecond float64, burst int, now func() time.Time) *rate[K] {
	return &rate[K]{perSecond: perSecond, burst: float64(max(burst, 1)), now: now, buckets: map[K]bucket{}}
}

// allow reports whether it may happen once more now.
func (r *rate[K]) allow(key K) bool {
	if r.perSecond <= 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b, known := r.buckets[key]
	if !known {
		if len(r.buckets) >= maxBuckets {
			r.sweep(now)
		}
		b = bucket{r.burst, now}
	}
	b.left = r.refilled(b, now)
	b.at = now
	ok := b.left >= 1
	if ok {
		b.left--
	}
	r.buckets[key] = b
	return ok
}

func (r *rate[K]) refilled(b bucket, now time.Time) float64 {
	return min(r.burst, b.left+max(0, now.Sub(b.at).Seconds())*r.perSecond)
}

// sweep forgets the keys that may do as much as unknown ones, and all where that
// is not enough.
func (r *rate[K]) sweep(now time.Time) {
	for key, b := range r.buckets {
		if r.refilled(b, now) >= r.burst {
			delete(r.buckets, key)
		}
	}
	if len(r.buckets) > maxBuckets/2 {
		clear(r.buckets)
	}
}

// arrivals counts connections that are not authorised yet.
type arrivals struct {
	limits  Limits
	rate    *rate[netip.Addr]
	clients *rate[clientKey]
	places  chan struct{}

	mu      sync.Mutex
	pending map[netip.Addr]int
}

func newArrivals(l Limits, now func() time.Time) *arrivals {
	return &arrivals{
		limits: l, rate: newRate[netip.Addr](l.AddressRate, l.AddressBurst, now),
		clients: newRate[clientKey](l.ClientRate, l.ClientBurst, now),
		places:  make(chan struct{}, max(l.Pending, 1)), pending: map[netip.Addr]int{},
	}
}

// network is what is counted as one address: of IPv6 the 64 bits that a
// subscriber has at least.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// admit gives a new connection a place among the pending, or says why not. What
// it returns gives the place back, once.
func (a *arrivals) admit(address netip.Addr) (release func(), refused string) {
	address = network(address)
	if !a.rate.allow(address) {
		return nil, "address_rate"
	}
	a.mu.Lock()
	if a.limits.PendingPerAddress > 0 && a.pending[address] >= a.limits.PendingPerAddress {
		a.mu.Unlock()
		return nil, "address_pending"
	}
	a.pending[address]++
	a.mu.Unlock()
	var once sync.Once
	return func() {
		once.Do(func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.pending[address]--; a.pending[address] == 0 {
				delete(a.pending, address)
			}
			<-a.places
		})
	}, ""
}

// client reports whether a client id may connect once more now.
func (a *arrivals) client(scope fleet.Scope, clientID string) bool {
	return a.clients.allow(clientKey{scope, clientID})
}
