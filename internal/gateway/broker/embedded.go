package broker

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// EmbeddedOptions are what a broker inside the process is made of. A number
// that is 0 has the default of [DefaultEmbedded].
type EmbeddedOptions struct {
	// Scopes is how many accounts and regions may have messages, sessions or
	// devices at a time.
	Scopes int
	// SessionExpiry is how long the session of a device that speaks MQTT 3.1.1 is
	// stored. In MQTT 5 the device's CONNECT says it.
	SessionExpiry time.Duration
	// SessionMessages and SessionBytes bound what is stored for a session without a
	// connection. One over either is ended as a whole. SessionMessages is 40,000 at
	// most. Both must be above what may wait for a live connection.
	SessionMessages int
	SessionBytes    int64
	// Sessions is how many are stored in a scope, StoredBytes what messages for all
	// of them may take, of all scopes together, with what the process needs beside.
	Sessions    int
	StoredBytes int64
	// Retained and RetainedBytes bound the retained messages of a scope.
	Retained      int
	RetainedBytes int64
	// SessionEnded hears of stored sessions that were ended before their time, with
	// a reason of a few fixed words. It may be nil.
	SessionEnded func(scope fleet.Scope, reason string)
	Log          *slog.Logger
	Now          func() time.Time
}

const (
	// maxSessionMessages leaves some of the 65,535 packet ids that there are to the
	// live connection that resumes such a session: mochi drops a message silently
	// that finds none.
	maxSessionMessages = 40_000
	// maxInflight is how many messages a client may leave unacknowledged before its
	// connection ends for that reason.
	maxInflight = 65_000
)

// DefaultEmbedded are the limits of AWS IoT Core where it has such.
func DefaultEmbedded() EmbeddedOptions {
	return EmbeddedOptions{
		Scopes: 10_000, SessionExpiry: time.Hour, SessionMessages: 20_000, SessionBytes: 8 << 20,
		Sessions: 100_000, StoredBytes: 512 << 20, Retained: 5_000, RetainedBytes: 64 << 20,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func (o *EmbeddedOptions) setDefaults() {
	d := DefaultEmbedded()
	for _, n := range []struct{ value, otherwise *int }{
		{&o.Scopes, &d.Scopes}, {&o.SessionMessages, &d.SessionMessages}, {&o.Sessions, &d.Sessions},
		{&o.Retained, &d.Retained},
	} {
		if *n.value == 0 {
			*n.value = *n.otherwise
		}
	}
	for _, n := range []struct{ value, otherwise *int64 }{
		{&o.SessionBytes, &d.SessionBytes}, {&o.StoredBytes, &d.StoredBytes}, {&o.RetainedBytes, &d.RetainedBytes},
	} {
		if *n.value == 0 {
			*n.value = *n.otherwise
		}
	}
	if o.SessionExpiry == 0 {
		o.SessionExpiry = d.SessionExpiry
	}
	if o.Log == nil {
		o.Log = d.Log
	}
	if o.Now == nil {
		o.Now = d.Now
	}
	o.SessionMessages = min(o.SessionMessages, maxSessionMessages)
}

// Embedded is the broker inside the process: mochi, with an instance for each
// scope that something is going on in. What is stored lives as long as the
// process.
//
// Mochi has defects that a device, or many devices at once, could use; guard.go
// says which, and what is done about each. Nothing of mochi listens or dials.
type Embedded struct {
	o      EmbeddedOptions
	stored atomic.Int64 // bytes of messages of stored sessions

	mu     sync.Mutex
	spaces map[fleet.Scope]*space
	peers  map[*peer]struct{}
	closed bool

	serving sync.WaitGroup
	stop    context.CancelFunc
	swept   chan struct{}
}

// NewEmbedded returns a broker inside the process. It must be closed.
func NewEmbedded(o EmbeddedOptions) (*Embedded, error) {
	o.setDefaults()
	if outbound.err != nil {
		return nil, outbound.err
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &Embedded{
		o: o, spaces: map[fleet.Scope]*space{}, peers: map[*peer]struct{}{}, stop: stop, swept: make(chan struct{}),
	}
	go e.sweep(ctx)
	return e, nil
}

// errClosed is the error of a broker that was closed, errScopes that of one with
// too many scopes.
var (
	errClosed = errors.New("the broker is closed")
	errScopes = errors.New("the broker has messages, sessions and devices of as many scopes as it may have")
)

// enter returns the instance of a scope, which stays until leave.
func (e *Embedded) enter(scope fleet.Scope) (*space, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.spaces[scope]
	switch {
	case e.closed:
		return nil, errClosed
	case s == nil && len(e.spaces) >= e.o.Scopes:
		return nil, errScopes
	case s == nil:
		var err error
		if s, err = newSpace(e, scope); err != nil {
			return nil, fmt.Errorf("make the broker of a scope: %w", err)
		}
		e.spaces[scope] = s
	}
	s.users++
	return s, nil
}

// present is enter for a scope that has an instance; nil where it has none.
func (e *Embedded) present(scope fleet.Scope) *space {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.spaces[scope]
	if s != nil {
		s.users++
	}
	return s
}

// leave undoes enter. An instance that nothing is left in ends.
func (e *Embedded) leave(s *space) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.users--
	e.drop(s)
}

// drop ends an instance that nobody uses and nothing is stored in. e.mu is held.
func (e *Embedded) drop(s *space) {
	if s.users == 0 && s.empty() {
		delete(e.spaces, s.scope)
	}
}

// Serve implements [Broker].
func (e *Embedded) Serve(scope fleet.Scope, conn net.Conn) error {
	defer conn.Close()
	s, err := e.enter(scope)
	if err != nil {
		refuse(conn, mqtt.ServerUnavailable)
		return err
	}
	defer e.leave(s)
	p := newPeer(s, conn)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return errClosed
	}
	e.peers[p] = struct{}{}
	e.serving.Add(1)
	e.mu.Unlock()
	defer e.serving.Done()
	err = p.serve()
	e.mu.Lock()
	delete(e.peers, p)
	e.mu.Unlock()
	return err
}

// Publish implements [Broker]. What nobody subscribed to and is not retained is
// gone.
func (e *Embedded) Publish(_ context.Context, scope fleet.Scope, message *mqtt.Publish) error {
	s := e.present(scope)
	if s == nil {
		if !message.Retain || len(message.Payload) == 0 {
			return nil
		}
		var err error
		if s, err = e.enter(scope); err != nil {
			return err
		}
	}
	defer e.leave(s)
	return s.publish(message)
}

// Forget implements [Broker].
func (e *Embedded) Forget(_ context.Context, scope fleet.Scope, clientID string) error {
	s := e.present(scope)
	if s == nil {
		return nil
	}
	defer e.leave(s)
	s.forget(clientID)
	return nil
}

// Close implements [Broker]: every connection is closed. It waits until their
// Serve has returned, or ctx ends.
func (e *Embedded) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	for p := range e.peers {
		_ = p.Close()
	}
	e.mu.Unlock()
	e.stop()
	done := make(chan struct{})
	go func() {
		e.serving.Wait()
		<-e.swept
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the broker: %w", ctx.Err())
	}
}

// sweepEvery is how often stored sessions and retained messages are looked at
// whose time is over. Nobody gets one in the meantime.
const sweepEvery = time.Second

// sweep ends what has expired until ctx ends.
func (e *Embedded) sweep(ctx context.Context) {
	defer close(e.swept)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.sweepOnce()
		}
	}
}

func (e *Embedded) sweepOnce() {
	e.mu.Lock()
	spaces := make([]*space, 0, len(e.spaces))
	for _, s := range e.spaces {
		s.users++
		spaces = append(spaces, s)
	}
	e.mu.Unlock()
	for _, s := range spaces {
		s.expire(e.o.Now())
		e.leave(s)
	}
}

// storedSession is the session of a client without a connection.
type storedSession struct {
	clientID string
	client   *client
	expires  time.Time
	messages int
	bytes    int64 // of topics and payloads
	place    int   // in the queue of those that expire
}

// expiring is a heap of sessions by the time they expire.
type expiring []*storedSession

var _ heap.Interface = (*expiring)(nil)

// Len implements [heap.Interface].
func (x expiring) Len() int { return len(x) }

// Less implements [heap.Interface].
func (x expiring) Less(i, j int) bool { return x[i].expires.Before(x[j].expires) }

// Swap implements [heap.Interface].
func (x expiring) Swap(i, j int) {
	x[i], x[j] = x[j], x[i]
	x[i].place, x[j].place = i, j
}

// Push implements [heap.Interface].
func (x *expiring) Push(s any) {
	one := s.(*storedSession)
	one.place = len(*x)
	*x = append(*x, one)
}

// Pop implements [heap.Interface].
func (x *expiring) Pop() any {
	last := len(*x) - 1
	one := (*x)[last]
	(*x)[last] = nil
	*x = (*x)[:last]
	return one
}
