package cordontest

import (
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
)

// Gate holds workflows behind their first slice, outside of any transaction,
// so that a test can look at tasks that are in progress. Give its Hook to
// server.Options and call Open before the server stops.
type Gate struct {
	kind    string
	mu      sync.Mutex
	arrived map[string]chan struct{} // closed when the task of this name is held
	open    chan struct{}
	once    sync.Once
}

// NewGate holds the workflows of a kind: "audit" or "mitigation". It starts
// shut.
func NewGate(kind string) *Gate {
	return &Gate{kind: kind, arrived: map[string]chan struct{}{}, open: make(chan struct{})}
}

// Hook is what server.Options take.
func (g *Gate) Hook(p durable.Point) {
	if p.ID.Kind != g.kind || p.Place != "after" || p.Slice != 1 {
		return
	}
	select {
	case <-g.open:
		return // an open gate holds nobody
	default:
	}
	close(g.at(p.ID.Name))
	<-g.open
}

// Open lets everybody through, now and from now on.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

// Await waits until the task of this name is held.
func (g *Gate) Await(t testing.TB, name string) {
	t.Helper()
	select {
	case <-g.at(name):
	case <-time.After(Deadline):
		t.Fatalf("the task %s did not end its first slice within %s", name, Deadline)
	}
}

func (g *Gate) at(name string) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.arrived[name] == nil {
		g.arrived[name] = make(chan struct{})
	}
	return g.arrived[name]
}
