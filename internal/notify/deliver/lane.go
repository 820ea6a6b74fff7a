package deliver

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/notify"
)

const (
	// maxLanes is how many subscriptions a node delivers to at a time.
	maxLanes = 64
	// lanePage is how many subscriptions that wait are looked at at once.
	lanePage = 256
	// maxHosts and maxResting bound what is remembered of subscriptions.
	maxHosts, maxResting = 100_000, 100_000
	// maxRest is the longest that a lane rests.
	maxRest = time.Minute
	// relayLanes is how many lanes are open to the relay of mail at a time. To any
	// other host there is one.
	relayLanes = 4
	// relayHost and otherHost stand for where mail and forwarded messages go.
	relayHost, otherHost = "mailto:", "sns:"
)

// rest is the time that a lane is left alone for it brought nothing.
type rest struct {
	until time.Time
	times int
}

// lanes are the subscriptions that are being delivered to, and what is known of
// others. A lane is one subscription while a goroutine works on it.
type lanes struct {
	first time.Duration // of rests
	slots chan struct{}
	all   sync.WaitGroup

	mu      sync.Mutex
	open    map[int64]bool
	hosts   map[string]int   // lanes that are open to a host
	hostOf  map[int64]string // of subscriptions that were delivered to
	resting map[int64]rest
}

func newLanes(first time.Duration) *lanes {
	return &lanes{
		first: first, slots: make(chan struct{}, maxLanes), open: map[int64]bool{}, hosts: map[string]int{},
		hostOf: map[int64]string{}, resting: map[int64]rest{},
	}
}

// hostOf is where a subscription leads, as far as it may be busy.
func hostOf(s *notify.Subscription) string {
	switch {
	case s == nil:
		return otherHost
	case s.Protocol == notify.Email:
		return relayHost
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// full reports whether no further lane to a host may be opened. The lock is held.
func (l *lanes) full(host string) bool {
	if host == relayHost {
		return l.hosts[host] >= relayLanes
	}
	return l.hosts[host] >= 1
}

// enter opens a lane if it is not open, does not rest, and its host has room.
func (l *lanes) enter(subscription int64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	host, known := l.hostOf[subscription]
	if l.open[subscription] || now.Before(l.resting[subscription].until) || known && l.full(host) {
		return false
	}
	l.open[subscription] = true
	if known {
		l.hosts[host]++
	}
	return true
}

// find notes the host of an open lane, and reports whether it has room.
func (l *lanes) find(subscription int64, host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.hostOf[subscription]
	if ok && known == host {
		return true
	}
	if ok {
		l.release(known)
	}
	delete(l.hostOf, subscription)
	if l.full(host) {
		return false
	}
	if len(l.hostOf) >= maxHosts {
		l.forget()
	}
	l.hostOf[subscription] = host
	l.hosts[host]++
	return true
}

// forget drops what is known of lanes that are not open. The lock is held.
func (l *lanes) forget() {
	for s := range l.hostOf {
		if !l.open[s] {
			delete(l.hostOf, s)
		}
	}
}

// release takes an open lane from a host. The lock is held.
func (l *lanes) release(host string) {
	if l.hosts[host]--; l.hosts[host] <= 0 {
		delete(l.hosts, host)
	}
}

// leave closes a lane. One that brought nothing rests, longer each time.
func (l *lanes) leave(subscription int64, now time.Time, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if host, ok := l.hostOf[subscription]; ok {
		l.release(host)
	}
	delete(l.open, subscription)
	if !failed {
		delete(l.resting, subscription)
		return
	}
	if len(l.resting) >= maxResting {
		clear(l.resting)
	}
	times := l.resting[subscription].times
	l.resting[subscription] = rest{now.Add(min(maxRest, l.first<<min(times, 16))), times + 1}
}

// laneLoop opens lanes to subscriptions with deliveries that are due, in turns,
// until ctx ends and all are closed.
func (w *Workers) laneLoop(ctx context.Context) {
	defer w.lanes.all.Wait()
	after := int64(-1)
	for {
		page, err := w.Queue.DueSubscriptions(ctx, w.Now(), after, lanePage)
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("looking for deliveries did not work", "err", err)
		}
		for _, subscription := range page {
			if !w.openLane(ctx, subscription) {
				return
			}
		}
		if len(page) == lanePage {
			after = page[len(page)-1]
			continue
		}
		after = -1
		if !w.idle(ctx, w.woken) {
			return
		}
	}
}

// openLane waits for a free slot and opens a lane, if one may be. It reports
// whether ctx goes on.
func (w *Workers) openLane(ctx context.Context, subscription int64) bool {
	select {
	case w.lanes.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if !w.lanes.enter(subscription, w.Now()) {
		<-w.lanes.slots
		return true
	}
	w.lanes.all.Go(func() {
		defer func() { <-w.lanes.slots }()
		w.lanes.leave(subscription, w.Now(), w.runLane(ctx, subscription))
	})
	return true
}
