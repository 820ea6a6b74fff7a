package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// feedSilence is after which time without an answer the feed counts as not
// readable. It answers every quarter of a second, with changes or without, and
// says so itself when the database does not answer it.
const feedSilence = 4 * time.Second

// trouble is since when the feed cannot be read.
type trouble struct {
	mu   sync.Mutex
	read time.Time // when it could be last
	err  error
}

func (t *trouble) init() { t.noted(nil) }

// noted is told how a reading of the feed ended.
func (t *trouble) noted(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err = err; err == nil {
		t.read = time.Now()
	}
}

func (t *trouble) feed() (since time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.err != nil:
		return t.read, fmt.Errorf("the feed of changes cannot be read: %w", t.err)
	case time.Since(t.read) > feedSilence:
		return t.read, errors.New("the feed of changes does not answer")
	}
	return time.Time{}, nil
}

// Trouble is since when rights cannot be told, and why; zero and nil when they
// can.
func (g *Gateway) Trouble() (since time.Time, err error) {
	since, err = g.trouble.feed()
	if failing, why := g.judge.trouble(); why != nil && (err == nil || failing.Before(since)) {
		return failing, why
	}
	return since, err
}

// Ready is nil when devices can be judged.
func (g *Gateway) Ready(context.Context) error {
	if since, err := g.Trouble(); err != nil {
		return fmt.Errorf("since %s: %w", since.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// follow reads the feed until ctx ends. It never waits for anything else, so
// that no slow reading of the registry delays what comes behind it.
func (g *Gateway) follow(ctx context.Context) {
	var before error
	for ctx.Err() == nil {
		changes, lost, err := g.Feed.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		g.trouble.noted(err)
		switch {
		case err != nil && before == nil:
			g.Log.Error("the feed of changes cannot be read: nobody is let in", "err", err)
		case err == nil && before != nil:
			g.Log.Info("the feed of changes can be read again")
		}
		before = err
		if err != nil {
			select {
			case <-time.After(retryAfter):
			case <-ctx.Done():
			}
			continue
		}
		g.changed(changes, lost)
	}
}

// changed has everybody judged whom changes are about.
func (g *Gateway) changed(changes []fleet.RightChange, lost bool) {
	// Connections that are being made look here after they can be found.
	g.recent.add(changes)
	if lost {
		g.recent.lost()
		g.Log.Warn("changes were missed: everybody's rights are looked at")
		g.judge.add(g.index.everyone()...)
	}
	for i := range changes {
		g.changedOne(&changes[i])
	}
}

func (g *Gateway) changedOne(c *fleet.RightChange) {
	switch c.Kind {
	case fleet.RightCertificate:
		g.judge.certificatesChanged(c.Scope, c.Names)
	case fleet.RightAccount:
		g.judge.add(g.index.at(accountOf(c.Scope))...)
	case fleet.RightClient:
		g.ordered(c)
	case fleet.RightThing:
		for _, name := range c.Names {
			g.judge.add(g.index.at(place{c.Scope, fleet.RightThing, name})...)
			// A thing that was made after the client of its name connected.
			g.judge.add(g.index.at(place{c.Scope, fleet.RightClient, name})...)
		}
	case fleet.RightGroup, fleet.RightPolicy:
		for _, name := range c.Names {
			g.judge.add(g.index.at(place{c.Scope, c.Kind, name})...)
		}
	}
}
