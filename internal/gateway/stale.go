package gateway

import (
	"context"
	"hash/fnv"
	"io"
	"time"
)

// staleChecks is how often, in the time that connections live on without
// readable rights, it is looked whom to drop.
const staleChecks = 50

// dropStale drops connections whose rights could not be read for too long, until
// ctx ends.
func (g *Gateway) dropStale(ctx context.Context) {
	tick := time.NewTicker(max(g.StaleLimit/staleChecks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		since, err := g.Trouble()
		if over := time.Since(since) - g.StaleLimit; err != nil && over > 0 {
			g.dropAfter(over)
		}
	}
}

// dropAfter drops the connections whose turn has come when the limit has been
// over for some time.
func (g *Gateway) dropAfter(over time.Duration) {
	dropped := 0
	for _, s := range g.index.everyone() {
		if s.turn(g.StaleLimit) <= over {
			s.end(endStale)
			dropped++
		}
	}
	if dropped > 0 {
		g.Log.Warn("connections were dropped because their rights cannot be read", "count", dropped)
	}
}

// turn spreads sessions evenly over a time.
func (s *session) turn(spread time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = io.WriteString(h, s.id)
	return time.Duration(float64(h.Sum32()) / float64(1<<32) * float64(spread))
}
