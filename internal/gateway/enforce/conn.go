package enforce

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

const (
	// farewell is how long a DISCONNECT may take when a connection is ended, and
	// lastWords how long what the broker wrote before it closed.
	farewell  = 250 * time.Millisecond
	lastWords = time.Second
	// brokerPatience is how long the broker may take to answer CONNECT, and the
	// UNSUBSCRIBE of what a resumed session may no longer have.
	brokerPatience = 10 * time.Second
	// maxFromBroker is the greatest body of a packet that a broker may send. It may
	// carry messages of others than devices.
	maxFromBroker = 1 << 20
	// smallBuffer is what is kept of a buffer while there is nothing in it.
	smallBuffer = 1 << 10
	// forever is the longest that MQTT 5 has a session stored.
	forever = (1<<32 - 1) * time.Second
	// maxPending is how many SUBSCRIBEs may wait for the broker.
	maxPending = 32
)

// stage is how far a connection has come.
type stage byte

const (
	greeting  stage = iota // the broker has not accepted CONNECT
	resuming               // and what it stored is being put right
	open                   // packets pass in both directions
	finishing              // ended, and the socket about to close
)

// Conn is a device as a broker sees it. Read and Write may be called at the same
// time as each other and as every other method.
type Conn struct {
	device net.Conn
	raw    net.Conn // what lies below all layers of device
	reader *mqtt.Reader
	judge  Judge
	note   func(Happening)
	pacer  Pacer // or nil
	limits Limits
	prefix string

	version   mqtt.Version
	clean     bool
	clientID  string
	assigned  bool
	window    int           // QoS 1 messages that the device takes unacknowledged
	maxPacket uint32        // bytes of a packet that the device takes
	asked     time.Duration // session expiry that the device asked for
	expiry    time.Duration // and gets

	// What follows is of the reading side alone.
	ready   []byte // packets for the broker; the first gone bytes were given
	gone    int
	aliases []string
	waiting time.Time // since when nothing came from the device
	begun   bool      // the broker has asked for CONNECT
	left    bool      // the device sent DISCONNECT
	message mqtt.Publish

	// What follows is of the writing side, under writing.
	writing  sync.Mutex
	splitter mqtt.Splitter
	each     func(mqtt.Frame) error
	delivery mqtt.Publish
	packet   []byte

	// What follows is under mu, which is held for moments only.
	mu        sync.Mutex
	stage     stage
	moved     chan struct{} // tells a reader that waits for the broker
	keepAlive time.Duration // 0: none
	reading   bool          // the device is being read, so a deadline wakes the reader
	armed     bool          // a deadline of the device is set, and not too late
	inject    []byte        // packets for the broker that the device did not send
	filters   []string      // live, and about to be
	pending   map[uint16]*pendingSubscribe
	strict    bool // only what a filter covers is delivered
	end       End
	outbox
}

// New returns the connection of a device whose CONNECT was read and allowed. It
// must be read by a broker, or closed.
func New(o Options) *Conn {
	c := &Conn{
		device: o.Conn, raw: lowest(o.Conn), reader: o.Reader, judge: o.Judge, note: o.Note, pacer: o.Pacer,
		limits: o.Limits, prefix: o.Prefix,
		version: o.Connect.Version, clean: o.Connect.CleanStart, clientID: o.Connect.ClientID,
		assigned: o.Assigned, window: o.Limits.Window, moved: make(chan struct{}, 1), waiting: time.Now(),
		keepAlive: time.Duration(o.Connect.KeepAlive) * time.Second, filters: slices.Clone(o.Stored),
	}
	if c.reader == nil {
		c.reader = mqtt.NewReader(o.Conn, o.Limits.Packet)
	}
	c.reader.SetLimit(o.Limits.Packet)
	if c.note == nil {
		c.note = func(Happening) {}
	}
	c.each = c.fromBroker
	c.splitter.Limit = maxFromBroker
	c.ready = c.connect(o)
	_ = o.Conn.SetWriteDeadline(time.Time{})
	return c
}

// lowest is the socket below TLS and WebSocket.
func lowest(c net.Conn) net.Conn {
	for {
		upper, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = upper.NetConn()
	}
}

// connect is the CONNECT for the broker. What the connection sees to itself is
// not in it: the will, aliases, the window, the size of packets.
func (c *Conn) connect(o Options) []byte {
	out := mqtt.Connect{
		Version: c.version, CleanStart: c.clean, KeepAlive: o.Connect.KeepAlive, ClientID: c.prefix + c.clientID,
	}
	if o.Username != "" {
		out.Username = &o.Username
	}
	if c.version == mqtt.V5 {
		c.readProperties(o.Connect.Properties)
		if c.expiry > 0 {
			out.Properties = out.Properties.AddNumber(mqtt.SessionExpiry, seconds(c.expiry))
		}
		if n, ok := o.Connect.Properties.Number(mqtt.RequestProblemInfo); ok {
			out.Properties = out.Properties.AddNumber(mqtt.RequestProblemInfo, n)
		}
	} else if !c.clean {
		c.asked = c.limits.expiry(forever)
		c.expiry = c.asked
	}
	raw, err := out.AppendTo(nil, c.version)
	if err != nil {
		c.stop(End{Cause: ClientError, Code: mqtt.ClientIDNotValid, Will: true,
			Reason: "the CONNECT for the broker: " + err.Error()})
	}
	return raw
}

func (c *Conn) readProperties(p mqtt.Properties) {
	if n, ok := p.Number(mqtt.ReceiveMaximum); ok {
		c.window = min(c.window, int(n))
	}
	c.maxPacket, _ = p.Number(mqtt.MaximumPacketSize)
	if n, ok := p.Number(mqtt.SessionExpiry); ok {
		c.asked = time.Duration(n) * time.Second
		c.expiry = c.limits.expiry(c.asked)
	}
}

// expiry is how long a session is stored that asked for so long.
func (l *Limits) expiry(asked time.Duration) time.Duration {
	if l.SessionExpiry > 0 {
		return min(asked, l.SessionExpiry)
	}
	return asked
}

func seconds(d time.Duration) uint32 { return uint32(min(int64(d/time.Second), 1<<32-1)) }

// Read gives the broker packets that the device may send, from CONNECT on. After
// the last it gives io.EOF, whyever the connection ended.
func (c *Conn) Read(p []byte) (n int, err error) {
	defer c.contain(&err)
	if !c.begun && c.over() {
		return 0, io.EOF // The broker is to know nothing of who was turned away before.
	}
	c.begun = true
	for c.gone == len(c.ready) {
		if err := c.next(); err != nil {
			if c.pacer != nil && c.Ended().Cause == Killed {
				c.pacer.Wait()
			}
			return 0, err
		}
	}
	n = copy(p, c.ready[c.gone:])
	c.gone += n
	return n, nil
}

// contain turns a panic into the end of this connection.
func (c *Conn) contain(err *error) {
	if broken := recover(); broken != nil {
		c.stop(End{Cause: Lost, Code: mqtt.UnspecifiedError, Reason: fmt.Sprint("internal failure: ", broken), Will: true})
		*err = io.EOF
	}
}

// next puts the packets that come next into ready: one of the device's, or those
// that were injected. It may put none.
func (c *Conn) next() error {
	c.ready, c.gone = emptied(c.ready), 0
	if c.left {
		return io.EOF
	}
	inject, wait, err := c.begin()
	switch {
	case err != nil:
		return err
	case len(inject) > 0:
		c.ready = append(c.ready, inject...)
		return nil
	case wait:
		return c.awaitBroker()
	}
	f, err := c.reader.ReadFrame()
	c.mu.Lock()
	c.reading = false
	over := c.stage == finishing
	c.mu.Unlock()
	switch {
	case over: // What came since is of nobody any more.
		return io.EOF
	case err != nil:
		return c.failed(err)
	}
	err = c.fromDevice(f)
	if c.waiting = time.Now(); err == nil || err == errEnded {
		return err
	}
	return c.failed(err)
}

// failed sees to an error of reading or of a packet.
func (c *Conn) failed(err error) error {
	var wrong *mqtt.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.woken()
	case errors.As(err, &wrong):
		return c.refuse(wrong.Code, wrong.Reason)
	}
	c.stop(End{Cause: Lost, Reason: "the device closed the connection", Will: true})
	return io.EOF
}

// emptied is a buffer to begin anew with.
func emptied(b []byte) []byte {
	if cap(b) > smallBuffer {
		return nil
	}
	return b[:0]
}

// begin prepares for reading the device. It may be that there is something to
// inject, or that the broker must be waited for instead.
func (c *Conn) begin() (inject []byte, wait bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stage == finishing:
		return nil, false, io.EOF
	case len(c.inject) > 0:
		inject, c.inject = c.inject, nil
		return inject, false, nil
	case c.stage != open:
		return nil, true, nil
	}
	if !c.armed {
		var deadline time.Time
		if c.keepAlive > 0 { // [MQTT-3.1.2-22]
			deadline = c.waiting.Add(c.keepAlive + c.keepAlive/2)
		}
		_ = c.device.SetReadDeadline(deadline)
		c.armed = true
	}
	c.reading = true
	return nil, false, nil
}

// awaitBroker waits for the broker to move on.
func (c *Conn) awaitBroker() error {
	timer := time.NewTimer(brokerPatience)
	defer timer.Stop()
	select {
	case <-c.moved:
		return nil
	case <-timer.C:
		c.stop(End{Cause: ByBroker, Code: mqtt.ServerUnavailable, Reason: "the broker did not answer CONNECT", Will: true})
		return io.EOF
	}
}

// move tells the reader that something changed that it may wait for. c.mu is
// held.
func (c *Conn) move() {
	if c.reading {
		c.armed = false
		_ = c.device.SetReadDeadline(time.Unix(1, 0))
	}
	c.signal()
}

// signal wakes a reader that waits for the broker.
func (c *Conn) signal() {
	select {
	case c.moved <- struct{}{}:
	default:
	}
}

// woken is called after a deadline: one that was set to wake the reader, or that
// of the keep-alive, which is set late and may come early.
func (c *Conn) woken() error {
	c.mu.Lock()
	c.armed = false
	keepAlive := c.keepAlive
	c.mu.Unlock()
	if keepAlive > 0 && time.Since(c.waiting) >= keepAlive+keepAlive/2 {
		c.stop(End{Cause: KeepAlive, Code: mqtt.KeepAliveTimeout, Reason: "the device was silent for too long", Will: true})
		return io.EOF
	}
	return nil
}

// refuse ends the connection for something that the device did.
func (c *Conn) refuse(code mqtt.ReasonCode, reason string) error {
	c.stop(End{Cause: ClientError, Code: code, Reason: reason, Will: true})
	return io.EOF
}

// Write takes packets from the broker. It never waits for the device.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	defer c.contain(&err)
	if c.over() {
		return 0, net.ErrClosed
	}
	if err := c.splitter.Write(p, c.each); err != nil {
		var wrong *mqtt.Error
		if errors.As(err, &wrong) {
			c.stop(End{Cause: BrokerViolation, Code: mqtt.ServerUnavailable, Will: true,
				Reason: "the broker sent a packet that is wrong: " + wrong.Reason})
		}
		return 0, net.ErrClosed
	}
	return len(p), nil
}

func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stage == finishing
}

// Kill ends the connection, from anywhere, without waiting for anything. A
// device that speaks MQTT 5 is told the reason if that can be written at once; 0
// closes the socket alone.
func (c *Conn) Kill(reason mqtt.ReasonCode) {
	c.stop(End{Cause: Killed, Code: reason, Reason: "ended by the gateway", Will: true})
	if reason == 0 {
		_ = c.raw.Close()
	}
}

// Close is called by the broker when it is done. What it wrote before is still
// given to the device, if the device takes it.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage != finishing {
		c.setEnd(End{Cause: ByBroker, Code: mqtt.ServerUnavailable, Reason: "the broker closed the connection", Will: true})
		c.finish(nil, lastWords)
	}
	return nil
}

// stop ends the connection for a reason; only the first counts.
func (c *Conn) stop(e End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopNow(e)
}

// stopNow is stop with c.mu held.
func (c *Conn) stopNow(e End) {
	c.setEnd(e)
	if c.stage == finishing {
		return
	}
	last := c.goodbye(e.Code)
	c.discard()
	c.finish(last, farewell)
}

// setEnd remembers how the connection ended. c.mu is held.
func (c *Conn) setEnd(e End) {
	if c.end.Cause == None {
		c.end = e
	}
}

// goodbye is what tells the device the reason: CONNACK where it has none yet,
// else DISCONNECT, which 3.1.1 does not have in this direction.
func (c *Conn) goodbye(code mqtt.ReasonCode) []byte {
	var p mqtt.Packet
	switch {
	case code == 0:
		return nil
	case !c.greeted && c.version == mqtt.V5:
		p = &mqtt.Connack{Code: code}
	case !c.greeted:
		p = &mqtt.Connack{Code: code.Connack311()}
	case c.version == mqtt.V5:
		p = &mqtt.Disconnect{Code: code}
	default:
		return nil
	}
	raw, err := p.AppendTo(nil, c.version)
	if err != nil && code != mqtt.UnspecifiedError { // The packet cannot have this code.
		return c.goodbye(mqtt.UnspecifiedError)
	}
	return raw
}

// finish lets the socket close once what is queued, and last, is written, or
// when the time is over. c.mu is held.
func (c *Conn) finish(last []byte, within time.Duration) {
	c.stage, c.inject, c.pending = finishing, nil, nil
	c.append(last, load{})
	c.closing = true
	if c.paced() { // The reader is woken by the end of the socket, when it is its turn.
		c.signal()
	} else {
		c.move()
	}
	if len(c.queue) == 0 && !c.running {
		c.cut()
		return
	}
	_ = c.device.SetWriteDeadline(time.Now().Add(within))
	c.lastCall = time.AfterFunc(within, func() { _ = c.raw.Close() })
	c.flushLater()
}

// paced reports whether somebody sees to the end of the connection. c.mu is
// held.
func (c *Conn) paced() bool { return c.pacer != nil && c.end.Cause == Killed }

// cut closes the socket. c.mu is held.
func (c *Conn) cut() {
	if c.paced() {
		c.pacer.HangUp(c.raw)
		return
	}
	_ = c.raw.Close()
}

// Ended says why the connection ended; while it lives, its cause is [None].
func (c *Conn) Ended() End {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// Subscriptions are the filters of the device, those resumed and those about to
// be judged among them.
func (c *Conn) Subscriptions() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.filters)
}

// SessionExpiry is how long the session is stored after the end of the
// connection: 0, not at all.
func (c *Conn) SessionExpiry() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expiry
}

// LocalAddr is where the device connected to.
func (c *Conn) LocalAddr() net.Addr { return c.device.LocalAddr() }

// RemoteAddr is where the device connected from.
func (c *Conn) RemoteAddr() net.Addr { return c.device.RemoteAddr() }

// SetDeadline does nothing: the keep-alive is this connection's own business.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: Write does not wait.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
