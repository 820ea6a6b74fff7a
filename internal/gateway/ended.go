package gateway

import (
	"github.com/cordon-iot/cordon/internal/gateway/enforce"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// began tells of a session that was let in.
func (g *Gateway) began(s *session) {
	g.Metrics.Connect("accepted")
	e := s.event(EventConnect, true)
	e.Time = s.began
	g.observe(e)
	g.present(s, e)
}

// ended tells of the end of a session, and sees to what is left of it: its will
// and what is stored.
func (g *Gateway) ended(s *session, conn *enforce.Conn, c *mqtt.Connect, err error) {
	how := conn.Ended()
	s.mu.Lock()
	why, noWill, forget := s.ending, s.noWill, s.forget
	if why == nil {
		// Nobody may end it any more: its end was another one.
		s.ending = &ending{reason: how.Disconnect()}
	}
	s.mu.Unlock()
	e := s.event(EventDisconnect, true)
	e.Reason, e.Disconnect, e.ByClient = how.Reason, how.Disconnect(), how.Cause == enforce.ByClient
	if why != nil && how.Cause == enforce.Killed {
		e.Reason, e.Disconnect, e.DisplacedBy = why.why, why.reason, why.by
	}
	if how.Cause == enforce.QueueFull {
		g.Metrics.Overflow()
		g.Log.Warn("a connection was ended because messages came faster than it took them",
			"client", s.clientID, "account", s.scope.Account, "region", s.scope.Region)
		forget = true
	}
	if err != nil {
		g.Log.Debug("the broker ended a connection", "client", s.clientID, "err", err)
	}
	g.Metrics.Disconnect(string(e.Disconnect))
	g.observe(e)
	g.present(s, e)
	expiry := conn.SessionExpiry()
	if forget {
		expiry = 0
	}
	key := clientKey{s.scope, s.clientID}
	g.stored.keep(key, conn.Subscriptions(), expiry)
	if forget {
		g.forgetNow(key) // nobody gets the client id before it is done
	}
	if c.Will != nil && how.Will && !noWill && !g.hopeless(why) {
		g.wills.after(s, c, expiry)
	}
}

// hopeless reports whether an ending already says that no will is to be sent:
// the certificate is none to publish with.
func (g *Gateway) hopeless(why *ending) bool {
	return why == endStatus || why == endUnknown || why == endAccount || why == endInvalid
}

// kinds are the types of events that happenings are.
var kinds = map[enforce.Kind]EventType{
	enforce.Published: EventPublishIn, enforce.Delivered: EventPublishOut, enforce.Subscribed: EventSubscribe,
	enforce.Resumed: EventSubscribe,
}

// note hears what happens in the session. It is called for every packet.
func (s *session) note(h enforce.Happening) {
	switch h.Kind {
	case enforce.Published:
		s.gateway.Metrics.Packet(true)
	case enforce.Delivered:
		s.gateway.Metrics.Packet(false)
	}
	s.gateway.happened(s, h)
}

// happened tells who wants to know of something in a session.
func (g *Gateway) happened(s *session, h enforce.Happening) {
	t, ok := kinds[h.Kind]
	if !ok {
		return
	}
	var e *Event
	for _, o := range g.Observers {
		if !o.Wants(s.scope, t) {
			continue
		}
		if e == nil {
			e = s.event(t, h.OK)
			e.Topic, e.QoS = h.Topic, h.QoS
			if !h.OK {
				e.Reason = refusedBecause(h.Code)
			}
		}
		o.Observe(e)
	}
}

// refusedBecause is a reason code in words. Source: AWS IoT, CloudWatch log
// entries, which say AUTHORIZATION_FAILURE.
func refusedBecause(code mqtt.ReasonCode) string {
	if code == mqtt.NotAuthorized {
		return "AUTHORIZATION_FAILURE"
	}
	return code.String()
}
