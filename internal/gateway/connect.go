package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/enforce"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/pki"
)

const (
	// maxClientID is how many bytes a client id may have. Source: quotas of AWS IoT
	// Core, message broker.
	maxClientID = 128
	// madeClientID begins the client ids of those who bring none. Source: AWS IoT
	// Core, MQTT 5 features.
	madeClientID = "$GEN/"
)

// refuse is a refusal of a CONNECT.
func refuse(code mqtt.ReasonCode, result, format string, args ...any) *refusal {
	return &refusal{
		ending: ending{code: code, reason: fleet.DisconnectClientError, why: result}, result: result,
		text: fmt.Sprintf(format, args...),
	}
}

// converse takes the CONNECT of a device, and has it served by another goroutine
// if it is let in.
func (g *Gateway) converse(p *peer) {
	_ = p.SetDeadline(p.greeting)
	reader := mqtt.NewReader(p, g.Limits.Device.Packet)
	c, err := readConnect(reader)
	if err != nil {
		g.unread(p, err)
		p.leave()
		return
	}
	s, r := g.newSession(p, c)
	if r == nil {
		ctx, cancel := context.WithDeadline(g.root, p.greeting)
		defer cancel()
		r = g.admit(ctx, s)
	}
	if r != nil {
		g.turnAway(p, c, r)
		p.leave()
		return
	}
	p.release()
	g.connections.Go(func() {
		g.guard(p, func(p *peer) {
			g.serve(s, p, reader, c)
			p.handedOver()
		})
	})
}

// readConnect reads the first packet, which must be a CONNECT [MQTT-3.1.0-1].
func readConnect(r *mqtt.Reader) (*mqtt.Connect, error) {
	f, err := r.ReadFrame()
	if err != nil {
		return nil, err
	}
	if f.Type != mqtt.TypeConnect {
		return nil, &mqtt.Error{Code: mqtt.ProtocolError, Reason: "the first packet is not a CONNECT"}
	}
	packet, err := mqtt.Decode(f, mqtt.V5)
	if err != nil {
		return nil, err
	}
	c, ok := packet.(*mqtt.Connect)
	if !ok {
		return nil, errors.New("the first packet is not a CONNECT")
	}
	return c, nil
}

// unread ends a connection whose CONNECT could not be read.
func (g *Gateway) unread(p *peer, err error) {
	var broken *mqtt.Error
	result := "no_connect"
	if errors.As(err, &broken) {
		result = "malformed"
		if broken.Answer != 0 {
			g.answer(p, broken.Answer, &mqtt.Connack{Code: broken.Code})
		}
	}
	r := refuse(mqtt.MalformedPacket, result, "no CONNECT was read: %v", err)
	g.refused(r, &Event{Scope: p.scope, Certificate: p.certificate, Address: p.address, Protocol: p.protocol})
}

// turnAway tells a device why it is not let in.
func (g *Gateway) turnAway(p *peer, c *mqtt.Connect, r *refusal) {
	g.answer(p, c.Version, &mqtt.Connack{Code: r.code})
	g.refused(r, &Event{
		Scope: p.scope, Certificate: p.certificate, ClientID: c.ClientID, Address: p.address, Protocol: p.protocol,
	})
}

// answer sends a CONNACK that refuses, in the form of a version.
func (g *Gateway) answer(p *peer, v mqtt.Version, ack *mqtt.Connack) {
	if v == mqtt.V311 {
		ack.Code = ack.Code.Connack311()
	}
	packet, err := ack.AppendTo(nil, v)
	if err != nil {
		g.Log.Error("a CONNACK could not be written", "code", ack.Code, "err", err)
		return
	}
	_ = p.SetWriteDeadline(time.Now().Add(farewell))
	_, _ = p.Write(packet) // the device is gone; there is nobody to tell
}

// refused counts and tells of a device that was not let in.
func (g *Gateway) refused(r *refusal, e *Event) {
	g.Metrics.Connect(r.result)
	e.Type, e.Time, e.Reason = EventConnect, g.Now(), r.text
	g.observe(e)
}

func (g *Gateway) observe(e *Event) {
	for _, o := range g.Observers {
		o.Observe(e)
	}
}

// newSession checks a CONNECT by itself and makes a session of it.
func (g *Gateway) newSession(p *peer, c *mqtt.Connect) (*session, *refusal) {
	assigned := c.ClientID == ""
	if assigned {
		if !c.CleanStart { // [MQTT-3.1.3-8] of 3.1.1
			return nil, refuse(mqtt.ClientIDNotValid, "client_id", "a session that is to be kept needs a client id")
		}
		c.ClientID = madeClientID + uuid.NewString()
	}
	if r := g.checkConnect(c); r != nil {
		return nil, r
	}
	leaf, err := pki.OfParsed(p.leaf)
	if err != nil {
		return nil, refuse(mqtt.NotAuthorized, "certificate", "the certificate cannot be read: %v", err)
	}
	p.leaf = nil
	s := &session{
		gateway: g, id: uuid.NewString(), scope: p.scope, certificate: p.certificate, clientID: c.ClientID,
		address: p.address, protocol: p.protocol, version: c.Version, notAfter: leaf.NotAfter, began: g.Now(),
		resources: newResources(p.scope), identity: (&fleet.Connection{Certificate: leaf}).Values(), socket: p.socket,
		gone: make(chan struct{}), heap: -1, assigned: assigned,
	}
	if c.Will != nil {
		s.attributes = append(s.attributes, attributeLastWill)
	}
	if persistent(c) {
		s.attributes = append(s.attributes, attributePersistent)
	}
	return s, nil
}

// persistent reports whether a session is to outlive its connection: in 3.1.1
// one that is not clean, in 5 one with an expiry (3.1.2.11.2).
func persistent(c *mqtt.Connect) bool {
	if c.Version == mqtt.V5 {
		n, _ := c.Properties.Number(mqtt.SessionExpiry)
		return n > 0
	}
	return !c.CleanStart
}

// checkConnect refuses what a CONNECT must not ask for. Sources: AWS IoT Core,
// MQTT: no enhanced authentication, no QoS 2; quotas of the message broker.
func (g *Gateway) checkConnect(c *mqtt.Connect) *refusal {
	if len(c.ClientID) > maxClientID {
		return refuse(mqtt.ClientIDNotValid, "client_id", "the client id has more than %d bytes", maxClientID)
	}
	if c.Properties.Has(mqtt.AuthMethod) {
		return refuse(mqtt.BadAuthMethod, "auth_method", "enhanced authentication is not spoken here")
	}
	w := c.Will
	if w == nil {
		return nil
	}
	switch l := g.Limits.Device; {
	case w.QoS > 1:
		return refuse(mqtt.QoSNotSupported, "will", "the will has QoS 2")
	case len(w.Payload) > l.Payload:
		return refuse(mqtt.PacketTooLarge, "will", "the will is too large")
	case l.CheckTopic(w.Topic) != mqtt.Success:
		return refuse(l.CheckTopic(w.Topic), "will", "devices do not publish to the topic of the will")
	}
	return nil
}

// admit decides whether a session may be. It is found from the first moment on
// by whoever changes something about it, and reads its rights after that. When
// it is not let in nothing of it is left.
func (g *Gateway) admit(ctx context.Context, s *session) *refusal {
	s.enter()
	if r := g.authorize(ctx, s); r != nil {
		s.leave()
		return r
	}
	if !g.arrivals.client(s.scope, s.clientID) {
		s.leave()
		return refuse(mqtt.ConnectionRateExceeded, "client_rate", "the client id connects too often")
	}
	if err := g.clients.take(ctx, s); err != nil {
		s.leave()
		return refuse(mqtt.ServerUnavailable, "taking_over", "%v", err)
	}
	// Who waited for the client id was judged all the time, but perhaps by what
	// could not be read.
	if e := s.ended(); e != nil {
		g.clients.giveBack(clientKey{s.scope, s.clientID}, s)
		s.leave()
		close(s.gone)
		return &refusal{ending: *e, result: e.why, text: e.why}
	}
	return nil
}

// authorize reads the rights of a session and asks for iot:Connect. A change
// that could concern it and came while it read makes it read again.
func (g *Gateway) authorize(ctx context.Context, s *session) *refusal {
	for range readAgain {
		mark := g.recent.mark()
		endings, err := g.read(ctx, s.scope, []*session{s})
		if err != nil {
			g.Log.Warn("a device was not let in: its rights could not be read", "client", s.clientID, "err", err)
			return refuse(mqtt.ServerUnavailable, "unreadable", "its rights cannot be read")
		}
		if e := endings[0]; e != nil {
			return &refusal{ending: ending{code: mqtt.NotAuthorized, reason: e.reason, why: e.why}, result: e.why, text: e.why}
		}
		if _, err := g.Trouble(); err != nil {
			return refuse(mqtt.ServerUnavailable, "unreadable", "changes of its rights cannot be read")
		}
		if !g.recent.concerned(mark, s, s.current.Load()) {
			return nil
		}
	}
	return refuse(mqtt.ServerUnavailable, "unreadable", "its rights changed %d times meanwhile", readAgain)
}

// serve has the broker speak with a session that was let in, until it ends.
func (g *Gateway) serve(s *session, p *peer, reader *mqtt.Reader, c *mqtt.Connect) {
	g.sessions.Add(1)
	defer g.finish(s)
	g.wills.resumed(s, c.CleanStart)
	conn := g.enforced(s, p, reader, c)
	if !s.adopt(conn) {
		conn.Kill(s.ended().code)
	}
	_ = p.SetDeadline(time.Time{})
	g.began(s)
	g.claimID(g.root, s)
	err := errDefect
	defer func() { g.ended(s, conn, c, err) }()
	err = g.Broker.Serve(s.scope, conn)
}

// errDefect is why a session ended in which something panicked.
var errDefect = errors.New("a defect")

// enforced is a session as the broker is to see it.
func (g *Gateway) enforced(s *session, p *peer, reader *mqtt.Reader, c *mqtt.Connect) *enforce.Conn {
	o := enforce.Options{
		Conn: p, Reader: reader, Connect: c, Assigned: s.assigned, Judge: s, Limits: g.Limits.Device, Note: s.note,
		Pacer: &g.rush, Stored: g.resume(s, c),
	}
	if g.Prefix != nil {
		o.Prefix = g.Prefix(s.scope)
	}
	if g.Username != nil {
		o.Username = g.Username(s.scope, s.certificate, s.clientID)
	}
	return enforce.New(o)
}

// resume returns the filters of the session that a CONNECT resumes. One of which
// nothing is known is ended: nobody can say what may be delivered of it.
func (g *Gateway) resume(s *session, c *mqtt.Connect) []string {
	key := clientKey{s.scope, s.clientID}
	filters, known := g.stored.take(key)
	if c.CleanStart || known {
		return filters
	}
	ctx, cancel := context.WithTimeout(g.root, sendTime)
	defer cancel()
	if err := g.Broker.Forget(ctx, s.scope, s.clientID); err != nil {
		g.Log.Warn("a stored session could not be ended", "client", s.clientID, "err", err)
	}
	return nil
}

// finish takes a session away, whatever happened in it.
func (g *Gateway) finish(s *session) {
	g.sessions.Add(-1)
	s.leave()
	g.clients.giveBack(clientKey{s.scope, s.clientID}, s)
	close(s.gone)
}
