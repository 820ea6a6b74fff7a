package seen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
)

var (
	here  = fleet.Scope{Account: "111111111111", Region: "eu-central-1"}
	there = fleet.Scope{Account: "222222222222", Region: "eu-central-1"}
)

// memory is a store that remembers what it was given.
type memory struct {
	mu      sync.Mutex
	batches [][]fleet.Interval
	beats   int
	dead    bool // the node was taken for dead
	gone    bool
	err     error
	hold    chan struct{} // not nil: a write waits for it
}

func (m *memory) WriteConnections(_ context.Context, sc fleet.Scope, node string, list []fleet.Interval) (bool, error) {
	if m.hold != nil {
		<-m.hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return false, m.err
	}
	for _, i := range list {
		if i.Scope != sc || i.Node != node {
			panic("an interval of another scope or node")
		}
	}
	m.batches = append(m.batches, list)
	known := !m.dead
	m.dead = false
	return known, nil
}

func (m *memory) BeatGateway(context.Context, string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.beats++
	known := !m.dead
	m.dead = false
	return known, m.err
}

func (m *memory) ForgetGateway(context.Context, string) error {
	m.gone = true
	return nil
}

func (m *memory) EndLost(context.Context, string, time.Duration) (int, bool, error) {
	return 0, false, nil
}
func (m *memory) JudgeConnections(context.Context) (bool, error) { return false, nil }

// ConnectionsUnrecorded implements Metrics.
func (m *memory) ConnectionsUnrecorded(int) {}

// set changes what the store does.
func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// written are the batches as texts: each session with + where it is open.
func (m *memory) written() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, b := range m.batches {
		var sessions []string
		for _, i := range b {
			if i.Until.IsZero() {
				i.Session += "+"
			}
			sessions = append(sessions, i.Session)
		}
		out = append(out, strings.Join(sessions, " "))
	}
	m.batches = nil
	return strings.Join(out, " | ")
}

// recorder runs one that stores in memory, until the test calls stop.
func recorder(m *memory) (r *Recorder, stop func()) {
	r = New(Options{Store: m, Node: "n", Metrics: m, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, func() {
		cancel()
		<-done
	}
}

func connect(r *Recorder, session string, sc fleet.Scope) {
	r.Observe(&gateway.Event{
		Type: gateway.EventConnect, OK: true, Time: time.Now(), Session: session, Scope: sc, ClientID: "c",
	})
}

func disconnect(r *Recorder, session string, sc fleet.Scope) {
	r.Observe(&gateway.Event{
		Type: gateway.EventDisconnect, Time: time.Now(), Session: session, Scope: sc, Disconnect: fleet.DisconnectLost,
	})
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestWhatHappensIsStoredInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, stop := recorder(m)
		connect(r, "a", here)
		connect(r, "b", there)
		connect(r, "c", here)
		disconnect(r, "c", here)
		disconnect(r, "nobody knows", here)
		r.Observe(&gateway.Event{Type: gateway.EventConnect, Session: "refused", Scope: here})
		r.Observe(&gateway.Event{Type: gateway.EventPublishIn, OK: true, Session: "a", Scope: here})
		time.Sleep(batchTime / 2)
		synctest.Wait()
		want(t, "before the batch is over", m.written(), "")
		time.Sleep(batchTime)
		synctest.Wait()
		want(t, "a batch for each account", m.written(), "a+ c | b+")
		disconnect(r, "a", here)
		time.Sleep(2 * batchTime)
		want(t, "what ends later", m.written(), "a")
		connect(r, "d", here)
		disconnect(r, "b", there)
		stop()
		want(t, "what was observed before the end", m.written(), "d+ | b")
		if !m.gone {
			t.Error("the node was not forgotten")
		}
	})
}

func TestAFullBatchIsStoredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, stop := recorder(m)
		for n := range batchSize {
			connect(r, fmt.Sprint(n), here)
		}
		begun := time.Now()
		synctest.Wait()
		if got := len(strings.Fields(m.written())); got != batchSize || time.Since(begun) > 0 {
			t.Errorf("got %d intervals stored after %s, want %d at once", got, time.Since(begun), batchSize)
		}
		stop()
	})
}

// A store that does not answer keeps nobody from connecting, and nothing is lost
// that fits: the rest is counted, and no end of what was taken is lost.
func TestAStoreThatHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{hold: make(chan struct{})}
		r, stop := recorder(m)
		connect(r, "first", here)
		time.Sleep(2 * batchTime)
		for n := range maxWaiting + 10 {
			connect(r, fmt.Sprint(n), here)
		}
		disconnect(r, "first", here)
		disconnect(r, "0", here)
		disconnect(r, fmt.Sprint(maxWaiting+5), here) // was not taken
		if r.lost != 10 || len(r.waiting) != maxWaiting+1 {
			t.Errorf("got %d lost and %d that wait, want 10 and %d", r.lost, len(r.waiting), maxWaiting+1)
		}
		close(m.hold)
		time.Sleep(time.Second)
		stop()
		list := strings.Fields(strings.ReplaceAll(m.written(), "|", ""))
		if n := len(list); n != maxWaiting+2 || list[0] != "first+" || list[1] != "0" || list[n-1] != "first" {
			t.Errorf("got %d stored from %s on", n, list[:3])
		}
	})
}

func TestWhatCouldNotBeStoredIsStoredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{err: errors.New("no")}
		r, stop := recorder(m)
		connect(r, "a", here)
		connect(r, "b", here)
		time.Sleep(batchTime + time.Millisecond)
		disconnect(r, "a", here)
		connect(r, "c", here)
		time.Sleep(5 * time.Second)
		want(t, "while the store fails", m.written(), "")
		m.set(func() { m.err = nil })
		time.Sleep(time.Second)
		want(t, "afterwards", m.written(), "a b+ c+")
		stop()
	})
}

func TestANodeThatWasTakenForDeadStoresWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, stop := recorder(m)
		for _, session := range []string{"a", "b", "c"} {
			connect(r, session, here)
		}
		disconnect(r, "c", here)
		time.Sleep(time.Second)
		m.written()
		m.set(func() { m.dead = true })
		time.Sleep(2 * keepEvery)
		got := strings.Fields(m.written())
		slices.Sort(got)
		want(t, "once the node hears of it", strings.Join(got, " "), "a+ b+")
		stop()
	})
}

// words is how often the node has said that it is there.
func (m *memory) words() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.beats
}

func TestANodeWithoutConnectionsSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, stop := recorder(m)
		time.Sleep(time.Minute)
		if n := m.words(); n != 0 {
			t.Errorf("got %d words of an idle node, want none", n)
		}
		connect(r, "a", here)
		time.Sleep(10*keepEvery + time.Millisecond)
		if n := m.words(); n < 9 {
			t.Errorf("got %d words in ten seconds, want one a second", n)
		}
		stop()
	})
}

func TestTextsThatNoDatabaseTakes(t *testing.T) {
	want(t, "a client id", storable("a\x00b\xffc"), "a\ufffdb\ufffdc")
}
