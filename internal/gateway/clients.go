package gateway

import (
	"context"
	"fmt"
	"sync"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// clientKey names a client id in all scopes.
type clientKey struct {
	scope    fleet.Scope
	clientID string
}

// clients knows which session has each client id on this node.
type clients struct {
	mu    sync.Mutex
	seats map[clientKey]*seat
}

// seat is a client id that somebody has or wants.
type seat struct {
	turn    chan struct{} // holds one value while somebody takes the seat
	users   int           // sessions that have it or want it
	current *session
}

func newClients() *clients { return &clients{seats: map[clientKey]*seat{}} }

// borrow returns the seat of a client id; giveBack must follow.
func (c *clients) borrow(key clientKey) *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.seats[key]
	if t == nil {
		t = &seat{turn: make(chan struct{}, 1)}
		c.seats[key] = t
	}
	t.users++
	return t
}

// giveBack ends the use of a seat by a session, which has it no more.
func (c *clients) giveBack(key clientKey, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.seats[key]
	if t.current == s {
		t.current = nil
	}
	if t.users--; t.users == 0 {
		delete(c.seats, key)
	}
}

func (c *clients) holder(t *seat) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.current
}

// take gives a session its client id. The one that had it is ended, and gone
// when take returns. Of several that want it each gets it, one after the other,
// so that the last one stays. With an error it was not given, and nothing is to
// be given back.
func (c *clients) take(ctx context.Context, s *session) error {
	key := clientKey{s.scope, s.clientID}
	t := c.borrow(key)
	err := c.sit(ctx, t, s)
	if err != nil {
		c.giveBack(key, s)
	}
	return err
}

func (c *clients) sit(ctx context.Context, t *seat, s *session) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the client id: %w", ctx.Err())
	}
	defer func() { <-t.turn }()
	if old := c.holder(t); old != nil {
		old.end(endTakenOver(s.id))
		select {
		case <-old.gone:
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of the session that had the client id: %w", ctx.Err())
		}
	}
	c.mu.Lock()
	t.current = s
	c.mu.Unlock()
	return nil
}

// vacant does something while nobody has a client id, and nobody gets it; it
// does nothing where somebody has.
func (c *clients) vacant(ctx context.Context, key clientKey, do func()) {
	t := c.borrow(key)
	defer c.giveBack(key, nil)
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-t.turn }()
	if c.holder(t) == nil {
		do()
	}
}
