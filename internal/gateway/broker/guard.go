package broker

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// pendingWrites is how many messages mochi lets wait for the goroutine that
	// writes to a client. It drops one more without a word; guard.OnACLCheck keeps
	// that from happening.
	pendingWrites = 64
	// publishers is how many clients pass on messages at a time in a scope.
	publishers = 32
	// room is how many messages may wait when another comes: every publisher, and
	// the client that gets retained ones, may be about to add one.
	room = pendingWrites - publishers - 2
)

// held is what a peer holds of the gate of its space.
type held byte

const (
	nothing held = iota
	toRead
	toPublish // to read, with a permit
	toWrite
)

// peer is the connection of a device as mochi has it.
type peer struct {
	space *space
	conn  atomic.Pointer[net.Conn] // nil after the end, so that a stored session does not keep it

	// What follows is of the goroutine that serves the connection.
	client   *client
	gate     held
	gone     bool   // OnDisconnect was called
	own      uint16 // the packet id that mochi knows
	original uint16 // and that of the device
}

func newPeer(s *space, conn net.Conn) *peer {
	p := &peer{space: s}
	p.conn.Store(&conn)
	return p
}

// serve lets mochi speak with the device until the end. It contains what mochi
// may do to this goroutine, and cleans up what mochi may leave.
func (p *peer) serve() (err error) {
	defer p.cleanUp()
	defer contain(&err)
	return p.space.server.EstablishConnection("", p)
}

// contain turns a panic of mochi into an error: a packet of seven bytes causes
// one (mochi-mqtt/server#501).
func contain(err *error) {
	if broken := recover(); broken != nil {
		*err = fmt.Errorf("the broker failed: %v", broken)
	}
}

// cleanUp lets go of everything, also where mochi returned early: it forgets a
// client that it could not send CONNACK to, and leaves it among the connected.
func (p *peer) cleanUp() {
	p.release()
	_ = p.Close()
	p.conn.Store(nil)
	if p.client == nil {
		return
	}
	p.client.Stop(io.EOF)
	p.dropAck()
	s := p.space
	s.gate.Lock()
	defer s.gate.Unlock()
	current, ok := s.server.Clients.Get(p.client.ID)
	if p.gone || !ok || current != p.client {
		return
	}
	if ends(p.client) {
		s.erase(p.client)
	} else if s.storedOf(p.client.ID) == nil {
		s.store(p.client)
	}
}

// ends says whether the session of a client ends with its connection.
func ends(cl *client) bool {
	if cl.Properties.ProtocolVersion < 5 {
		return cl.Properties.Clean
	}
	return cl.Properties.Props.SessionExpiryInterval == 0
}

// dropAck removes an acknowledgement that could not be sent. It would stay among
// the messages for the device.
func (p *peer) dropAck() {
	if m, ok := p.client.State.Inflight.Get(p.own); ok && m.FixedHeader.Type == packets.Puback {
		p.client.State.Inflight.Delete(p.own)
	}
}

// acquire takes a part of the gate, which release gives back.
func (p *peer) acquire(h held) {
	switch h {
	case toWrite:
		p.space.gate.Lock()
	case toPublish:
		p.space.permits <- struct{}{}
		p.space.gate.RLock()
	case toRead:
		p.space.gate.RLock()
	}
	p.gate = h
}

func (p *peer) release() {
	switch p.gate {
	case toWrite:
		p.space.gate.Unlock()
	case toPublish:
		p.space.gate.RUnlock()
		<-p.space.permits
	case toRead:
		p.space.gate.RUnlock()
	}
	p.gate = nothing
}

func (p *peer) inner() (net.Conn, error) {
	if c := p.conn.Load(); c != nil {
		return *c, nil
	}
	return nil, net.ErrClosed
}

// Read implements [net.Conn].
func (p *peer) Read(b []byte) (int, error) {
	c, err := p.inner()
	if err != nil {
		return 0, err
	}
	return c.Read(b)
}

// Write implements [net.Conn].
func (p *peer) Write(b []byte) (int, error) {
	c, err := p.inner()
	if err != nil {
		return 0, err
	}
	return c.Write(b)
}

// Close implements [net.Conn].
func (p *peer) Close() error {
	if c, err := p.inner(); err == nil {
		return c.Close()
	}
	return nil
}

// LocalAddr implements [net.Conn].
func (p *peer) LocalAddr() net.Addr { return address{} }

// RemoteAddr implements [net.Conn]. Mochi writes it into logs that nobody keeps.
func (p *peer) RemoteAddr() net.Addr { return address{} }

// SetDeadline implements [net.Conn].
func (p *peer) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements [net.Conn].
func (p *peer) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements [net.Conn].
func (p *peer) SetWriteDeadline(time.Time) error { return nil }

// address is that of a device, which is not mochi's business.
type address struct{}

// Network implements [net.Addr].
func (address) Network() string { return "" }

// String implements [net.Addr].
func (address) String() string { return "" }

// guard is what stands between mochi and its defects. Rights are no part of it:
// what mochi gets was judged. The defects of v2.7.9, beside panics:
//
//   - A message is dropped, though acknowledged, when the channel to the
//     goroutine that writes to the client is full, or no packet id is free
//     (OnACLCheck).
//   - It is lost when it comes while its client's session is taken over
//     (OnSessionEstablish, OnDisconnect).
//   - Packet ids of the device and of mochi share one table: a message of the
//     device removes one for it from what is sent again, and a SUBSCRIBE is
//     refused (OnPacketRead, OnPacketEncode).
//   - Messages are sent again in any order (OnQosPublish, OnPacketEncode).
//   - A client that expires keeps its place in the index of topics, and one that
//     comes back at that moment is removed (space.expire).
//   - A shared subscription prefers nobody: it chooses clients without a
//     connection (OnSelectSubscribers).
//   - Retained messages have no bound, and their index a race (OnPublish,
//     OnSubscribe).
type guard struct {
	mochi.HookBase
	space *space
}

// ID implements [mochi.Hook].
func (g *guard) ID() string { return "guard" }

// Provides implements [mochi.Hook].
func (g *guard) Provides(b byte) bool {
	switch b {
	case mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnConnect, mochi.OnSessionEstablish,
		mochi.OnSessionEstablished, mochi.OnPacketRead, mochi.OnPacketEncode, mochi.OnPacketProcessed, mochi.OnSubscribe,
		mochi.OnPublish, mochi.OnQosPublish, mochi.OnPublishDropped, mochi.OnSelectSubscribers, mochi.OnDisconnect:
		return true
	}
	return false
}

// peerOf is the connection of a client; nil of one without.
func peerOf(cl *client) *peer {
	p, _ := cl.Net.Conn.(*peer)
	return p
}

// OnConnectAuthenticate lets everybody in.
func (g *guard) OnConnectAuthenticate(*client, packets.Packet) bool { return true }

// OnConnect learns who the client is.
func (g *guard) OnConnect(cl *client, _ packets.Packet) error {
	peerOf(cl).client = cl
	return nil
}

// OnSessionEstablish is called before a session is taken over. Until
// OnSessionEstablished nobody publishes in the space.
func (g *guard) OnSessionEstablish(cl *client, _ packets.Packet) {
	p := peerOf(cl)
	p.acquire(toWrite)
	one := g.space.storedOf(cl.ID)
	switch {
	case one == nil:
	case !one.expires.After(g.space.owner.o.Now()):
		g.space.end(one, "")
	default:
		g.space.take(one)
	}
}

// OnSessionEstablished is called when everything stored was sent.
func (g *guard) OnSessionEstablished(cl *client, _ packets.Packet) { peerOf(cl).release() }

// OnDisconnect stores the session of a client, unless it ends here.
func (g *guard) OnDisconnect(cl *client, _ error, expire bool) {
	p := peerOf(cl)
	p.release()
	p.dropAck()
	g.space.gate.Lock()
	defer g.space.gate.Unlock()
	p.gone = true
	if current, ok := g.space.server.Clients.Get(cl.ID); !expire && !cl.IsTakenOver() && ok && current == cl {
		g.space.store(cl)
	}
}

// OnPacketRead gives a request of the device a packet id that no message for it
// has.
func (g *guard) OnPacketRead(cl *client, pk packets.Packet) (packets.Packet, error) {
	switch t := pk.FixedHeader.Type; {
	case t == packets.Publish && pk.FixedHeader.Qos > 0, t == packets.Subscribe, t == packets.Unsubscribe:
		id, err := cl.NextPacketID()
		if err != nil {
			return pk, packets.ErrRejectPacket
		}
		p := peerOf(cl)
		p.own, p.original = uint16(id), pk.PacketID
		pk.PacketID = p.own
	}
	return pk, nil
}

// OnPacketEncode gives the answer the packet id of the device again, and puts
// what is to be sent again behind CONNACK in order. Both are called by the
// goroutine that serves the client.
func (g *guard) OnPacketEncode(cl *client, pk packets.Packet) packets.Packet {
	switch pk.FixedHeader.Type {
	case packets.Puback, packets.Suback, packets.Unsuback:
		if p := peerOf(cl); pk.PacketID == p.own {
			pk.PacketID = p.original
		}
	case packets.Connack:
		if pk.SessionPresent {
			g.putInOrder(cl)
		}
	}
	return pk
}

// putInOrder numbers the messages of a resumed session from 0: mochi sorts them
// by the lower 16 bits of what it takes for the second of their arrival.
func (g *guard) putInOrder(cl *client) {
	cl.ClearExpiredInflights(g.space.owner.o.Now().Unix(), 0)
	all := cl.State.Inflight.GetAll(false)
	slices.SortFunc(all, func(a, b packets.Packet) int { return cmp.Compare(a.Created, b.Created) })
	for i, m := range all {
		m.Created = int64(i)
		cl.State.Inflight.Set(m)
	}
}

// OnQosPublish numbers a message that waits for its acknowledgement, and counts
// it where it is stored.
func (g *guard) OnQosPublish(cl *client, pk packets.Packet, _ int64, _ int) {
	if pk.FixedHeader.Type != packets.Publish || pk.FixedHeader.Dup {
		return
	}
	pk.Created = g.space.order.Add(1)
	cl.State.Inflight.Set(pk)
	if cl.Closed() {
		g.space.add(cl, &pk)
	}
}

// errInflight is why a connection ends whose device acknowledges nothing.
var errInflight = errors.New("too many messages are not acknowledged")

// OnACLCheck allows everything, but waits before a message is given to a client
// whose goroutine has too many to write. It always gets on: writing to a device
// does not wait. A client ends that has hardly a packet id left.
func (g *guard) OnACLCheck(cl *client, _ string, write bool) bool {
	if !write && cl.State.Inflight.Len() >= maxInflight {
		cl.Stop(errInflight)
	}
	for i := 0; !write && outbound.len(cl) > room && !cl.Closed(); i++ {
		if i < 32 {
			runtime.Gosched()
		} else {
			time.Sleep(20 * time.Microsecond)
		}
	}
	return true
}

// OnSubscribe keeps retained messages from changing while they are looked up.
func (g *guard) OnSubscribe(cl *client, pk packets.Packet) packets.Packet {
	if p := peerOf(cl); p != nil {
		p.acquire(toRead)
	}
	return pk
}

// OnPublish lets a message pass when there is room for it among the retained
// ones. The connection of who has too many ends.
func (g *guard) OnPublish(cl *client, pk packets.Packet) (packets.Packet, error) {
	p := peerOf(cl)
	switch {
	case p == nil: // A message of nobody; space.publish has seen to it.
		return pk, nil
	case !pk.FixedHeader.Retain:
		p.acquire(toPublish)
		return pk, nil
	}
	p.acquire(toWrite)
	if g.space.mayRetain(&pk) {
		return pk, nil
	}
	if cl.Properties.ProtocolVersion < 5 || pk.FixedHeader.Qos == 0 {
		cl.Stop(errRetained)
		return pk, packets.ErrRejectPacket
	}
	return pk, packets.ErrQuotaExceeded
}

// OnPacketProcessed is called after every packet, whatever came of it.
func (g *guard) OnPacketProcessed(cl *client, _ packets.Packet, _ error) {
	if p := peerOf(cl); p != nil {
		p.release()
	}
}

// OnPublishDropped is not called while OnACLCheck does its work. If it is, the
// client's connection ends, which it can see, rather than lose a message.
func (g *guard) OnPublishDropped(cl *client, _ packets.Packet) {
	g.space.owner.o.Log.Error("the broker dropped a message, and the connection with it", "client", cl.ID)
	cl.Stop(packets.ErrPendingClientWritesExceeded)
}

// OnSelectSubscribers chooses one subscriber of each shared subscription: any of
// those with a connection, before any without.
func (g *guard) OnSelectSubscribers(subs *mochi.Subscribers, _ packets.Packet) *mochi.Subscribers {
	subs.SharedSelected = make(map[string]packets.Subscription, len(subs.Shared))
	for _, group := range subs.Shared {
		var live, all []string
		for id := range group {
			all = append(all, id)
			if cl, ok := g.space.server.Clients.Get(id); ok && !cl.Closed() {
				live = append(live, id)
			}
		}
		if len(live) > 0 {
			all = live
		}
		if len(all) == 0 {
			continue
		}
		id := all[rand.IntN(len(all))]
		sub := group[id]
		if before, ok := subs.SharedSelected[id]; ok {
			sub = before.Merge(sub)
		}
		subs.SharedSelected[id] = sub
	}
	return subs
}

// outbound reads how many messages wait in the channel that a client of mochi
// keeps to itself.
var outbound = findOutbound()

type outboundField struct {
	path []int
	err  error
}

func findOutbound() (f outboundField) {
	state, ok := reflect.TypeFor[client]().FieldByName("State")
	if ok {
		var queue reflect.StructField
		if queue, ok = state.Type.FieldByName("outbound"); ok && queue.Type.Kind() == reflect.Chan {
			f.path = []int{state.Index[0], queue.Index[0]}
			return f
		}
	}
	f.err = errors.New("this version of mochi has no State.outbound in its clients")
	return f
}

func (f *outboundField) len(cl *client) int {
	return reflect.ValueOf(cl).Elem().Field(f.path[0]).Field(f.path[1]).Len()
}
