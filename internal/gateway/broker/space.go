package broker

import (
	"container/heap"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// client is what mochi knows of a device.
type client = mochi.Client

// messageOverhead is about what mochi needs for a stored message beside its
// topic and payload.
const messageOverhead = 800

// space is the broker of one scope. Its server is never told to Serve: it has no
// listener, no goroutine, no clock and no topics about itself ($SYS); what has
// expired is ended here.
type space struct {
	owner  *Embedded
	scope  fleet.Scope
	server *mochi.Server
	users  int // of owner.mu

	// gate is held for writing while a session is taken over, stored or ended, and
	// while a retained message changes; for reading while messages are passed on and
	// retained ones looked up. Mochi itself would lose a message that comes while a
	// session is taken over.
	gate sync.RWMutex
	// permits are as many as there may be publishers at a time, of those that hold
	// gate for reading.
	permits chan struct{}
	// order numbers messages that wait for a device; see guard.OnQosPublish.
	order atomic.Int64

	mu       sync.Mutex
	stored   map[string]*storedSession
	queue    expiring
	retained int64 // bytes of retained messages
	mortal   bool  // a retained message has an expiry
}

// firstOrder is above every number that a resumed session is given. Its lower 16
// bits, by which alone mochi would order messages, soon begin anew.
const firstOrder = 1<<32 - 10

func newSpace(e *Embedded, scope fleet.Scope) (*space, error) {
	limits := mochi.NewDefaultServerCapabilities()
	limits.MaximumMessageExpiryInterval = 0 // None of its own: mochi would add it to every message.
	limits.MaximumClientWritesPending = pendingWrites
	limits.MaximumInflight = 1<<16 - 1
	limits.MaximumQos = 1
	limits.TopicAliasMaximum = 0
	limits.Compatibilities.NoInheritedPropertiesOnAck = true
	server := mochi.New(&mochi.Options{
		Capabilities: limits, ClientNetReadBufferSize: 512, ClientNetWriteBufferSize: 4096,
		Logger:                 slog.New(slog.DiscardHandler), // It logs packets with their payload.
		SysTopicResendInterval: int64(24 * time.Hour / time.Second),
	})
	s := &space{
		owner: e, scope: scope, server: server, permits: make(chan struct{}, publishers), stored: map[string]*storedSession{},
	}
	s.order.Store(firstOrder)
	return s, server.AddHook(&guard{space: s}, nil)
}

// empty says whether nothing is stored.
func (s *space) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.stored) == 0 && s.server.Topics.Retained.Len() == 0
}

// store keeps the session of a device that has gone. s.gate is held for writing.
func (s *space) store(cl *client) {
	kept := time.Duration(cl.Properties.Props.SessionExpiryInterval) * time.Second
	if cl.Properties.ProtocolVersion < 5 {
		kept = s.owner.o.SessionExpiry
	}
	one := &storedSession{clientID: cl.ID, client: cl, expires: s.owner.o.Now().Add(kept)}
	for _, m := range cl.State.Inflight.GetAll(false) {
		one.messages++
		one.bytes += sizeOf(&m)
	}
	s.owner.stored.Add(one.cost())
	s.mu.Lock()
	s.stored[cl.ID] = one
	heap.Push(&s.queue, one)
	full := len(s.stored) > s.owner.o.Sessions
	s.mu.Unlock()
	if reason := s.over(one); reason != "" || full {
		if full {
			reason = "too many sessions"
		}
		s.end(one, reason)
	}
}

func sizeOf(m *packets.Packet) int64 { return int64(len(m.TopicName) + len(m.Payload)) }

func (one *storedSession) cost() int64 { return one.bytes + int64(one.messages)*messageOverhead }

// over says why a stored session is too large, or "". s.mu need not be held by
// who is alone with the session.
func (s *space) over(one *storedSession) string {
	switch o := &s.owner.o; {
	case one.messages > o.SessionMessages:
		return "too many messages"
	case one.bytes > o.SessionBytes:
		return "too many bytes"
	case s.owner.stored.Load() > o.StoredBytes:
		return "too many bytes of all sessions"
	}
	return ""
}

// add counts a message to a stored session, if the client has one, and ends it
// if that is too much: never is one message dropped and another kept.
func (s *space) add(cl *client, m *packets.Packet) {
	s.mu.Lock()
	one := s.stored[cl.ID]
	if one == nil || one.client != cl {
		s.mu.Unlock()
		return
	}
	one.messages++
	one.bytes += sizeOf(m)
	s.owner.stored.Add(sizeOf(m) + messageOverhead)
	reason := s.over(one)
	s.mu.Unlock()
	if reason != "" {
		s.end(one, reason)
	}
}

// take removes a session from what is stored, and says whether it was there.
func (s *space) take(one *storedSession) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one == nil || s.stored[one.clientID] != one {
		return false
	}
	delete(s.stored, one.clientID)
	heap.Remove(&s.queue, one.place)
	s.owner.stored.Add(-one.cost())
	return true
}

// end ends a stored session as a whole, for a reason that is worth a word.
func (s *space) end(one *storedSession, reason string) {
	if !s.take(one) {
		return
	}
	s.erase(one.client)
	if reason == "" {
		return
	}
	s.owner.o.Log.Warn("a stored session was ended", "account", s.scope.Account, "region", s.scope.Region,
		"client", one.clientID, "reason", reason)
	if s.owner.o.SessionEnded != nil {
		s.owner.o.SessionEnded(s.scope, reason)
	}
}

// erase removes all that mochi has of a client without a connection.
func (s *space) erase(cl *client) {
	s.server.UnsubscribeClient(cl)
	cl.ClearInflights()
	s.server.Clients.Delete(cl.ID)
}

// storedOf is the stored session of a client id, or nil.
func (s *space) storedOf(clientID string) *storedSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[clientID]
}

// forget ends the stored session of a client id.
func (s *space) forget(clientID string) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if one := s.storedOf(clientID); one != nil {
		s.end(one, "")
	}
}

// expire ends what has had its time.
func (s *space) expire(now time.Time) {
	for {
		s.mu.Lock()
		due := len(s.queue) > 0 && !s.queue[0].expires.After(now)
		mortal := s.mortal
		var one *storedSession
		if due {
			one = s.queue[0]
		}
		s.mu.Unlock()
		if due {
			s.gate.Lock()
			s.end(one, "")
			s.gate.Unlock()
			continue
		}
		if mortal {
			s.expireRetained(now)
		}
		return
	}
}

// expireRetained removes the retained messages that have expired.
func (s *space) expireRetained(now time.Time) {
	mortal := false
	for topic, m := range s.server.Topics.Retained.GetAll() {
		switch {
		case m.Expiry == 0:
		case m.Expiry >= now.Unix():
			mortal = true
		default:
			s.gate.Lock()
			if m, ok := s.server.Topics.Retained.Get(topic); ok && m.Expiry > 0 && m.Expiry < now.Unix() {
				s.unretain(topic)
			}
			s.gate.Unlock()
		}
	}
	s.gate.Lock()
	defer s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mortal = mortal || s.mortal && s.server.Topics.Retained.Len() > 0
}

// unretain removes a retained message. s.gate is held for writing.
func (s *space) unretain(topic string) {
	m := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: true}, TopicName: topic}
	s.mayRetain(&m)
	s.server.Topics.RetainMessage(m)
}

// errRetained is the error of a retained message beyond what a scope may have.
var errRetained = errors.New("the scope has as many retained messages as it may have")

// mayRetain counts a retained message that is about to be kept or removed.
// s.gate is held for writing.
func (s *space) mayRetain(m *packets.Packet) bool {
	before, ok := s.server.Topics.Retained.Get(m.TopicName)
	s.mu.Lock()
	defer s.mu.Unlock()
	grown := s.retained
	if ok {
		grown -= sizeOf(&before)
	}
	if len(m.Payload) > 0 {
		grown += sizeOf(m)
		if !ok && s.server.Topics.Retained.Len() >= s.owner.o.Retained || grown > s.owner.o.RetainedBytes {
			return false
		}
		s.mortal = s.mortal || m.Properties.MessageExpiryInterval > 0
	}
	s.retained = grown
	return true
}

// publish passes on a message of nobody.
func (s *space) publish(message *mqtt.Publish) error {
	m, err := convert(message)
	if err != nil {
		return err
	}
	nobody := s.server.NewClient(nil, "", "", true)
	nobody.Properties.ProtocolVersion = 5
	if message.Retain {
		s.gate.Lock()
		defer s.gate.Unlock()
		if !s.mayRetain(&m) {
			return errRetained
		}
	} else {
		s.permits <- struct{}{}
		defer func() { <-s.permits }()
		s.gate.RLock()
		defer s.gate.RUnlock()
	}
	return s.inject(nobody, m)
}

func (s *space) inject(nobody *client, m packets.Packet) (err error) {
	defer contain(&err)
	return s.server.InjectPacket(nobody, m)
}

// convert is a message in mochi's form, with all its properties.
func convert(message *mqtt.Publish) (packets.Packet, error) {
	own := *message
	own.QoS, own.ID, own.Dup = min(own.QoS, 1), 0, false
	if own.QoS > 0 {
		own.ID = 1 // It needs one, and mochi gives each subscriber another.
	}
	raw, err := own.AppendTo(nil, mqtt.V5)
	if err != nil {
		return packets.Packet{}, err
	}
	m := packets.Packet{ProtocolVersion: 5}
	var cut mqtt.Splitter
	err = cut.Write(raw, func(f mqtt.Frame) error {
		m.FixedHeader = packets.FixedHeader{Type: packets.Publish, Qos: own.QoS, Retain: own.Retain, Remaining: len(f.Body)}
		return m.PublishDecode(f.Body)
	})
	return m, err
}
