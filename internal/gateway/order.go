package gateway

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// maxClaims is how many sessions may wait for their claim to be written, claimers
// how many write at the same time.
const (
	maxClaims = 8192
	claimers  = 8
)

// ordered carries out an order about client ids: the owner's, or that another
// node has a connection of the same client id.
func (g *Gateway) ordered(c *fleet.RightChange) {
	o := c.Order
	if o == nil || o.Node != "" && o.Node == g.Node {
		return
	}
	for _, name := range c.Names {
		list := g.index.at(place{c.Scope, fleet.RightClient, name})
		for _, s := range list {
			if o.Session != "" {
				s.challenged(*o)
			} else {
				s.dismissed(o)
			}
		}
		if o.Session == "" && o.CleanSession && len(list) == 0 {
			g.errands.Go(func() { g.forget(clientKey{c.Scope, name}) })
		}
	}
}

// dismissed ends a session by the owner's order.
func (s *session) dismissed(o *fleet.ClientOrder) {
	s.mu.Lock()
	s.noWill = s.noWill || o.PreventWill
	s.forget = s.forget || o.CleanSession
	s.mu.Unlock()
	s.end(endOrder)
}

// forget ends a stored session, unless somebody resumed it.
func (g *Gateway) forget(key clientKey) {
	ctx, cancel := context.WithTimeout(g.root, sendTime)
	defer cancel()
	g.clients.vacant(ctx, key, func() { g.forgetNow(key) })
}

// forgetNow ends a stored session whose client id nobody else can get.
func (g *Gateway) forgetNow(key clientKey) {
	ctx, cancel := context.WithTimeout(g.root, sendTime)
	defer cancel()
	g.stored.drop(key)
	if err := g.Broker.Forget(ctx, key.scope, key.clientID); err != nil {
		g.Log.Warn("a stored session could not be ended", "client", key.clientID, "err", err)
	}
}

// challenged says that a session of another node has the client id too. Of two
// the one with the lower claim ends, on whatever node it is.
func (s *session) challenged(o fleet.ClientOrder) {
	s.mu.Lock()
	if o.Claim > s.rival.Claim {
		s.rival = o
	}
	lost := s.claim != 0 && s.claim < s.rival.Claim
	s.mu.Unlock()
	if lost {
		s.end(endTakenOver(o.Session))
	}
}

// claimed gives the session its claim. It loses against a rival that was heard
// of before.
func (s *session) claimed(claim int64) {
	s.mu.Lock()
	s.claim = claim
	rival := s.rival
	s.mu.Unlock()
	if claim < rival.Claim {
		s.end(endTakenOver(rival.Session))
	}
}

// claimID has the other nodes told that a session has its client id.
func (g *Gateway) claimID(ctx context.Context, s *session) {
	if g.Orders == nil {
		return
	}
	select {
	case g.claims <- s:
	case <-ctx.Done():
	}
}

// writeClaims writes claims until ctx ends.
func (g *Gateway) writeClaims(ctx context.Context) {
	for {
		select {
		case s := <-g.claims:
			g.writeClaim(ctx, s)
		case <-ctx.Done():
			return
		}
	}
}

// writeClaim writes the claim of a session that has not ended. One that cannot
// be written for so long as rights may be unreadable ends the session: another
// node may have the client id too.
func (g *Gateway) writeClaim(ctx context.Context, s *session) {
	deadline := time.Now().Add(g.StaleLimit)
	for s.ended() == nil && ctx.Err() == nil {
		claim, err := g.Orders.WriteClientOrder(ctx, s.scope, []string{s.clientID},
			fleet.ClientOrder{Node: g.Node, Session: s.id})
		if err == nil {
			s.claimed(claim)
			return
		}
		g.Log.Warn("other nodes could not be told of a connection", "client", s.clientID, "err", err)
		if time.Now().After(deadline) {
			s.end(endStale)
			return
		}
		select {
		case <-time.After(retryAfter):
		case <-s.gone:
			return
		case <-ctx.Done():
		}
	}
}
