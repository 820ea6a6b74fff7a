package gateway

import (
	"context"
	"sync"
	"time"
)

// drainTime is how long connections may take to end at the end of the gateway.
const drainTime = 5 * time.Second

// lastPackets is how long the packets may take that tell devices of the end.
const lastPackets = 50 * time.Millisecond

// Run follows the feed and judges until ctx ends, then ends all connections.
// Serve may be called as long as it runs.
func (g *Gateway) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var loops, last sync.WaitGroup
	for _, loop := range []func(context.Context){g.follow, g.judge.run, g.expire, g.dropStale} {
		loops.Go(func() { loop(background) })
	}
	if g.Orders != nil {
		for range claimers {
			loops.Go(func() { g.writeClaims(background) })
		}
	}
	events, stopEvents := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEvents()
	last.Go(func() { g.publish(events) })
	loops.Go(g.web.Run)
	<-ctx.Done()
	g.drain()
	stop()
	loops.Wait()
	g.errands.Wait()
	stopEvents()
	last.Wait()
	g.kill()
	return nil
}

// drain ends all connections, and waits for what is left of them.
func (g *Gateway) drain() {
	g.ending.Lock()
	g.stop()
	g.ending.Unlock()
	g.web.Close()
	everyone := g.index.everyone()
	endAll(everyone, endClosing)
	if len(everyone) > 0 {
		defer time.Sleep(lastPackets)
	}
	g.wills.flush()
	done := make(chan struct{})
	go func() {
		g.connections.Wait()
		close(done)
	}()
	for _, patience := range []time.Duration{drainTime, drainTime} {
		select {
		case <-done:
			return
		case <-time.After(patience):
			g.kill()
			for _, s := range g.index.everyone() {
				closeQuietly(s.socket)
			}
		}
	}
	g.Log.Error("connections did not end", "count", g.Connections())
}
