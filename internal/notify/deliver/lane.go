package deliver

import (
	"context"
	"math"
	"math/rand/v2"
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
	open    map[int64]string // the host that the lane counts at, "" for none yet
	hosts   map[string]int   // how many lanes count at a host
	hostOf  map[int64]string // of subscriptions that were claimed for
	resting map[int64]rest
}

func newLanes(first time.Duration) *lanes {
	return &lanes{
		first: first, slots: make(chan struct{}, maxLanes), open: map[int64]string{}, hosts: map[string]int{},
		hostOf: map[int64]string{}, resting: map[int64]rest{},
	}
}

// hostOf is where a subscription leads, as far as it may be busy. It is not "".
func hostOf(s *notify.Subscription) string {
	switch {
	case s == nil:
		return otherHost
	case s.Protocol == notify.Email:
		return relayHost
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" {
		return "nowhere:"
	}
	return strings.ToLower(u.Host)
}

// count counts an open lane at a host, if there is room. The lock is held.
func (l *lanes) count(subscription int64, host string) bool {
	most := 1
	if host == relayHost {
		most = relayLanes
	}
	if l.hosts[host] >= most {
		return false
	}
	l.hosts[host]++
	l.open[subscription] = host
	return true
}

// enter opens a lane if it is not open, does not rest, and its host has room.
func (l *lanes) enter(subscription int64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.open[subscription]; open || now.Before(l.resting[subscription].until) {
		return false
	}
	if host, known := l.hostOf[subscription]; known {
		return l.count(subscription, host)
	}
	l.open[subscription] = ""
	return true
}

// find notes the host of an open lane, and reports whether it has room.
func (l *lanes) find(subscription int64, host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[subscription] == host {
		return true
	}
	l.release(subscription)
	if len(l.hostOf) >= maxHosts {
		l.forget()
	}
	l.hostOf[subscription] = host
	return l.count(subscription, host)
}

// forget drops what is known of lanes that are not open. The lock is held.
func (l *lanes) forget() {
	for s := range l.hostOf {
		if _, open := l.open[s]; !open {
			delete(l.hostOf, s)
		}
	}
}

// release has an open lane count nowhere. The lock is held.
func (l *lanes) release(subscription int64) {
	host := l.open[subscription]
	if l.open[subscription] = ""; host == "" {
		return
	}
	if l.hosts[host]--; l.hosts[host] == 0 {
		delete(l.hosts, host)
	}
}

// leave closes a lane. One that brought nothing rests, longer each time.
func (l *lanes) leave(subscription int64, now time.Time, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(subscription)
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

// laneLoop opens lanes to subscriptions with deliveries that are due, until ctx
// ends and all are closed.
func (w *Workers) laneLoop(ctx context.Context) {
	defer w.lanes.all.Wait()
	ends := []int64{everybody}
	for {
		// Those of one host wait for each other, so nobody is always the first.
		from := ends[rand.IntN(len(ends))]
		later, err := w.sweep(ctx, from, everyone)
		if err == nil && from != everybody {
			var sooner []int64
			sooner, err = w.sweep(ctx, everybody, from)
			later = append(later, sooner...)
		}
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("looking for deliveries did not work", "err", err)
		}
		ends = append(later, everybody)
		if !w.idle(ctx, w.woken) {
			return
		}
	}
}

// everybody is behind which all subscriptions are, and everyone up to which.
const everybody, everyone = int64(-1), int64(math.MaxInt64)

// sweep opens lanes to those that are due behind one subscription and up to
// another, and returns where their pages ended.
func (w *Workers) sweep(ctx context.Context, after, upTo int64) (ends []int64, err error) {
	for after < upTo {
		page, err := w.Queue.DueSubscriptions(ctx, w.Now(), after, lanePage)
		if err != nil {
			return ends, err
		}
		full := len(page) == lanePage
		if full {
			after = page[len(page)-1]
			ends = append(ends, after)
		}
		rand.Shuffle(len(page), func(i, j int) { page[i], page[j] = page[j], page[i] })
		for _, subscription := range page {
			if !w.openLane(ctx, subscription) {
				return ends, ctx.Err()
			}
		}
		if !full {
			break
		}
	}
	return ends, nil
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
