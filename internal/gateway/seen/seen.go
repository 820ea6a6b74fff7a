// Package seen records which connections there were: it hears of them from the
// gateway, stores them in batches, finds out what they are evidence of, and ends
// those of nodes that died.
//
// A connection never waits for it.
package seen

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
)

const (
	// batchTime is how long what happened waits for more before it is stored, and
	// batchSize how many intervals are enough.
	batchTime = 100 * time.Millisecond
	batchSize = 1000
	// maxWaiting is how many intervals may wait to be stored. What ends is always
	// taken: it began before.
	maxWaiting = 100_000
	// retryTime is how long it is waited after a batch could not be stored.
	retryTime = 500 * time.Millisecond
	// keepEvery is how often a node says that it is alive, looks for dead ones, and
	// judges what connections show.
	keepEvery = time.Second
	// judgeRest is the least time between two steps of judging.
	judgeRest = 10 * time.Millisecond
	// silence is after how long without a word a node is dead.
	silence = 5 * time.Second
	// drainTime is how long the last connections may take to be stored.
	drainTime = 5 * time.Second
)

// Store keeps what was seen.
type Store interface {
	// WriteConnections stores connections of a node that began or ended, by
	// session. Known is false when the node was taken for dead before, and what it
	// had open for ended.
	WriteConnections(ctx context.Context, scope fleet.Scope, node string, list []fleet.Interval) (known bool, err error)
	// BeatGateway records that a node is alive; ForgetGateway that it has ended all
	// its connections and is no more.
	BeatGateway(ctx context.Context, node string) (known bool, err error)
	ForgetGateway(ctx context.Context, node string) error
	// EndLost ends some connections of another node that has been silent for
	// longer than a time, and reports whether there may be more.
	EndLost(ctx context.Context, own string, silence time.Duration) (ended int, more bool, err error)
	// JudgeConnections finds out of some connections what they show, and reports
	// whether there may be more.
	JudgeConnections(ctx context.Context) (more bool, err error)
}

// Metrics counts what is lost.
type Metrics interface {
	// ConnectionsUnrecorded counts connections that will not be stored.
	ConnectionsUnrecorded(n int)
}

// Options are what a recorder needs.
type Options struct {
	Store   Store
	Node    string
	Metrics Metrics
	Log     *slog.Logger
}

// Recorder records connections. It is a [gateway.Observer].
type Recorder struct {
	Options
	wake chan struct{}

	mu sync.Mutex
	// open are the connections that there are, by session.
	open map[string]fleet.Interval
	// waiting are those that are to be stored, the oldest first, and at where each
	// session is among them.
	waiting []fleet.Interval
	at      map[string]int
	lost    int // since the last word about it
}

var _ gateway.Observer = (*Recorder)(nil)

// New returns a recorder that records once [Recorder.Run] is called.
func New(o Options) *Recorder {
	return &Recorder{
		Options: o, wake: make(chan struct{}, 1), open: map[string]fleet.Interval{}, at: map[string]int{},
	}
}

// Wants implements [gateway.Observer]: events about connections are made without
// being asked for.
func (r *Recorder) Wants(fleet.Scope, gateway.EventType) bool { return false }

// Observe implements [gateway.Observer].
func (r *Recorder) Observe(e *gateway.Event) {
	if e.Session == "" || e.Type == gateway.EventConnect && !e.OK {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Type {
	case gateway.EventConnect:
		r.connected(e)
	case gateway.EventDisconnect:
		r.disconnected(e)
	default:
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Recorder) connected(e *gateway.Event) {
	if len(r.waiting) >= maxWaiting {
		r.lost++
		return
	}
	i := fleet.Interval{
		Session: e.Session, Node: r.Node, Scope: e.Scope, ClientID: storable(e.ClientID), Certificate: e.Certificate,
		Thing: e.Thing, Address: e.Address, From: e.Time,
	}
	r.open[e.Session] = i
	r.wait(i)
}

// disconnected ends an interval. One that is not known was lost with its
// beginning.
func (r *Recorder) disconnected(e *gateway.Event) {
	i, known := r.open[e.Session]
	if !known {
		return
	}
	delete(r.open, e.Session)
	i.Until, i.Reason, i.DisplacedBy = e.Time, e.Disconnect, e.DisplacedBy
	if i.Until.Before(i.From) {
		i.Until = i.From
	}
	r.wait(i)
}

// wait puts an interval among those that are to be stored, in place of what is
// there of its session.
func (r *Recorder) wait(i fleet.Interval) {
	if n, have := r.at[i.Session]; have {
		r.waiting[n] = i
		return
	}
	r.at[i.Session] = len(r.waiting)
	r.waiting = append(r.waiting, i)
}

// storable is a text without what a database does not take.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// Run stores what is observed until ctx ends and what was observed by then. It is
// to end after the gateway.
func (r *Recorder) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { r.keep(ctx) })
	r.record(ctx)
	loops.Wait()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if left := r.flush(drain); left > 0 {
		r.Log.Warn("connections were not stored before the end", "connections", left)
		r.Metrics.ConnectionsUnrecorded(left)
		return nil
	}
	if err := r.Store.ForgetGateway(drain, r.Node); err != nil {
		r.Log.Warn("the end of the gateway was not stored", "err", err)
	}
	return nil
}

// record stores batches.
func (r *Recorder) record(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		for r.gather(ctx); ctx.Err() == nil; {
			if left := r.flush(ctx); left == 0 {
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(retryTime):
			}
		}
	}
}

// gather waits for a batch to fill.
func (r *Recorder) gather(ctx context.Context) {
	end := time.NewTimer(batchTime)
	defer end.Stop()
	for r.waits() < batchSize {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-r.wake:
		}
	}
}

func (r *Recorder) waits() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

// flush stores what waits, and returns how many could not be stored, which wait
// again.
func (r *Recorder) flush(ctx context.Context) (left int) {
	r.mu.Lock()
	list, lost := r.waiting, r.lost
	r.waiting, r.at, r.lost = nil, map[string]int{}, 0
	r.mu.Unlock()
	if lost > 0 {
		r.Log.Error("connections are not recorded: too many wait to be stored", "connections", lost)
		r.Metrics.ConnectionsUnrecorded(lost)
	}
	var failed []fleet.Interval
	for _, batch := range batches(list) {
		known, err := r.Store.WriteConnections(ctx, batch[0].Scope, r.Node, batch)
		if err != nil {
			r.Log.Warn("connections could not be stored; they wait", "connections", len(batch), "err", err)
			failed = append(failed, batch...)
			continue
		}
		r.revive(known)
	}
	r.again(failed)
	return len(failed)
}

// batches splits intervals by scope, in parts, and keeps their order.
func batches(list []fleet.Interval) (out [][]fleet.Interval) {
	last := map[fleet.Scope]int{}
	for _, i := range list {
		n, have := last[i.Scope]
		if !have || len(out[n]) == batchSize {
			n = len(out)
			last[i.Scope] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// again puts back what could not be stored, before what came since: that is
// newer.
func (r *Recorder) again(list []fleet.Interval) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	newer := r.waiting
	r.waiting, r.at = nil, map[string]int{}
	for _, i := range list {
		r.wait(i)
	}
	for _, i := range newer {
		r.wait(i)
	}
}

// revive stores everything that is open anew when the node was taken for dead.
func (r *Recorder) revive(known bool) {
	if known {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for session, i := range r.open {
		if _, waits := r.at[session]; !waits {
			r.wait(i)
		}
	}
	if len(r.waiting) > 0 {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// keep says now and then that the node is alive, ends the connections of dead
// ones, and judges what connections show.
func (r *Recorder) keep(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		if err := r.keepOnce(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("keeping what was seen of connections did not work", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Recorder) keepOnce(ctx context.Context) error {
	if err := r.beat(ctx); err != nil {
		return err
	}
	for {
		ended, more, err := r.Store.EndLost(ctx, r.Node, silence)
		if err != nil {
			return err
		}
		if ended > 0 {
			r.Log.Info("ended the connections of a node that died", "connections", ended)
		}
		if !more {
			break
		}
	}
	for begun := time.Now(); ; begun = time.Now() {
		more, err := r.Store.JudgeConnections(ctx)
		if err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(judgeRest, time.Since(begun))):
		}
		if err := r.beat(ctx); err != nil {
			return err
		}
	}
}

// beat says that the node is alive, if it has connections that somebody would
// have to end.
func (r *Recorder) beat(ctx context.Context) error {
	r.mu.Lock()
	idle := len(r.open) == 0 && len(r.waiting) == 0
	r.mu.Unlock()
	if idle {
		return nil
	}
	known, err := r.Store.BeatGateway(ctx, r.Node)
	if err == nil {
		r.revive(known)
	}
	return err
}
