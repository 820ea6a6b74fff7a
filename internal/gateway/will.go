package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/enforce"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// sendTime is how long the sending of a will or an event may take.
const sendTime = 5 * time.Second

// wills holds wills until they are sent.
type wills struct {
	gateway *Gateway
	mu      sync.Mutex
	held    map[clientKey]*heldWill
}

// heldWill is a will whose sender is gone.
type heldWill struct {
	session *session
	will    *mqtt.Will
	timer   *time.Timer
}

func newWills(g *Gateway) *wills { return &wills{gateway: g, held: map[clientKey]*heldWill{}} }

// delay is how long a will waits for its sender to come back: until its delay or
// the session ends (MQTT 5, 3.1.3.2.2).
func delay(c *mqtt.Connect, expiry time.Duration) time.Duration {
	n, _ := c.Will.Properties.Number(mqtt.WillDelay)
	return min(time.Duration(n)*time.Second, expiry)
}

// after has the will of a session sent that has ended.
func (w *wills) after(s *session, c *mqtt.Connect, expiry time.Duration) {
	wait := delay(c, expiry)
	h := &heldWill{session: s, will: c.Will}
	if wait > 0 && w.hold(h, wait) {
		return
	}
	w.gateway.errands.Go(func() { w.gateway.sendWill(h) })
}

// hold keeps a will for a time, if there is place.
func (w *wills) hold(h *heldWill, wait time.Duration) bool {
	key := clientKey{h.session.scope, h.session.clientID}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gateway.stopping.Err() != nil || len(w.held) >= w.gateway.Limits.HeldWills {
		return false
	}
	w.held[key] = h
	h.timer = time.AfterFunc(wait, func() {
		if w.take(key, h) != nil {
			w.gateway.sendWill(h)
		}
	})
	return true
}

// take takes the will of a client id out, or nil when there is none or, with h,
// another one.
func (w *wills) take(key clientKey, h *heldWill) *heldWill {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.held[key]
	if found == nil || h != nil && found != h {
		return nil
	}
	delete(w.held, key)
	found.timer.Stop()
	return found
}

// resumed says that a client id is connected again: its will is not sent, unless
// the session that it belonged to ends with that [MQTT-3.1.2-8].
func (w *wills) resumed(s *session, clean bool) {
	if h := w.take(clientKey{s.scope, s.clientID}, nil); h != nil && clean {
		w.gateway.errands.Go(func() { w.gateway.sendWill(h) })
	}
}

// flush sends all wills at once: who holds them is ending.
func (w *wills) flush() {
	w.mu.Lock()
	list := make([]*heldWill, 0, len(w.held))
	for key, h := range w.held {
		delete(w.held, key)
		h.timer.Stop()
		list = append(list, h)
	}
	w.mu.Unlock()
	for _, h := range list {
		w.gateway.sendWill(h)
	}
}

// sendWill sends a will if its sender may publish it now. Nothing is sent that
// cannot be judged.
func (g *Gateway) sendWill(h *heldWill) {
	s := h.session
	ctx, cancel := context.WithTimeout(g.root, sendTime)
	defer cancel()
	r, err := g.rightsNow(ctx, s)
	if err != nil {
		g.Log.Warn("a will was not sent: its sender cannot be judged", "client", s.clientID, "err", err)
		return
	}
	topic := s.resources.topic + h.will.Topic
	if r == nil || !r.allows(actionPublish, topic) || h.will.Retain && !r.allows(actionRetainPublish, topic) {
		g.happened(s, enforce.Happening{
			Kind: enforce.Published, Code: mqtt.NotAuthorized, Topic: h.will.Topic, QoS: h.will.QoS, Retain: h.will.Retain,
		})
		return
	}
	m := &mqtt.Publish{
		Topic: h.will.Topic, Payload: h.will.Payload, QoS: h.will.QoS, Retain: h.will.Retain,
		Properties: h.will.Properties.Without(mqtt.WillDelay),
	}
	if err := g.Broker.Publish(ctx, s.scope, m); err != nil {
		g.Log.Warn("a will could not be sent", "client", s.clientID, "err", err)
		return
	}
	g.happened(s, enforce.Happening{Kind: enforce.Published, OK: true, Topic: m.Topic, QoS: m.QoS, Retain: m.Retain})
}

// rightsNow reads the rights of a session that has ended; nil are none.
func (g *Gateway) rightsNow(ctx context.Context, s *session) (*rights, error) {
	devices, found, err := g.devices(ctx, s.scope, []*session{s})
	if err != nil {
		return nil, err
	}
	if devices[0].Bar(g.Now()) != fleet.Unbarred {
		return nil, nil
	}
	return s.newRights(&devices[0], found), nil
}
