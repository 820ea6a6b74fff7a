package enforce

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// bigBuffer is the greatest buffer that is used again for the next write.
const bigBuffer = 64 << 10

// outbox is what waits for the device. It is under the mu of its connection. A
// goroutine writes to the device while there is something to write.
type outbox struct {
	queue []byte // packets to be written
	// held are QoS 1 messages beyond the window, one behind the other from heldAt.
	held   []byte
	heldAt int
	// unacknowledged are the packet ids of the window.
	unacknowledged map[uint16]struct{}
	// total is what is queued, held and being written, queued what is queued. What
	// the broker sends again of a resumed session is in neither: it is bounded where
	// it is stored, and a device could otherwise never get rid of it.
	total, queued load

	greeted  bool // CONNACK left the queue
	running  bool // the goroutine runs
	closing  bool // nothing more comes, and the socket is to close
	lastCall *time.Timer
}

// load is something that counts against the limits of a queue.
type load struct{ messages, bytes int }

func (l *load) add(more load) {
	l.messages += more.messages
	l.bytes += more.bytes
}

func (l *load) take(less load) {
	l.messages -= less.messages
	l.bytes -= less.bytes
}

// weigh is what a message with some flags and bytes counts.
func weigh(flags byte, bytes int) load {
	if flags&dup != 0 {
		return load{}
	}
	return load{1, bytes}
}

// dup is the flag of a PUBLISH that is sent again [MQTT-3.3.1-1].
const dup = 0x08

// append queues a packet that counts so much.
func (o *outbox) append(packet []byte, weight load) {
	o.queue = append(o.queue, packet...)
	o.total.add(weight)
	o.queued.add(weight)
}

// discard drops what was not given to the goroutine.
func (o *outbox) discard() {
	o.queue, o.held, o.heldAt, o.unacknowledged = nil, nil, 0, nil
	o.queued = load{}
}

// send queues a packet of a connection that is not ending.
func (c *Conn) send(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage != finishing {
		c.append(packet, load{0, len(packet)})
		c.flushLater()
		c.checkQueue()
	}
}

// sendMessage queues a message: of QoS 1 when the window has room, with id 0 for
// one of QoS 0. It copies the frame.
func (c *Conn) sendMessage(f mqtt.Frame, id uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == finishing {
		return
	}
	weight := weigh(f.Flags, f.Size())
	c.total.add(weight)
	_, again := c.unacknowledged[id]
	if id != 0 && !again && (len(c.unacknowledged) >= c.window || c.heldAt < len(c.held)) {
		c.held = f.AppendTo(c.held)
	} else {
		c.queue = f.AppendTo(c.queue)
		c.queued.add(weight)
		c.leave(id)
		c.flushLater()
	}
	c.checkQueue()
}

// leave counts a message into the window.
func (c *Conn) leave(id uint16) {
	if id == 0 {
		return
	}
	if c.unacknowledged == nil {
		c.unacknowledged = make(map[uint16]struct{}, 1)
	}
	c.unacknowledged[id] = struct{}{}
}

// checkQueue ends a connection whose device takes too little. c.mu is held.
func (c *Conn) checkQueue() {
	if c.total.messages <= c.limits.QueueMessages && c.total.bytes <= c.limits.QueueBytes {
		return
	}
	c.stopNow(End{Cause: QueueFull, Code: mqtt.QuotaExceeded, Will: true,
		Reason: "messages came faster than the device took them"})
}

// acknowledged takes a PUBACK of the device and says whether the message was in
// its window. What was held moves up.
func (c *Conn) acknowledged(id uint16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.unacknowledged[id]; !ok {
		return false
	}
	delete(c.unacknowledged, id)
	if c.stage == finishing {
		return true
	}
	for c.heldAt < len(c.held) && len(c.unacknowledged) < c.window {
		c.release()
	}
	return true
}

// release moves the first message that is held to the queue.
func (c *Conn) release() {
	packet, body := firstPacket(c.held[c.heldAt:])
	c.heldAt += len(packet)
	c.queue = append(c.queue, packet...)
	c.queued.add(weigh(packet[0], len(packet)))
	c.leave(idOf(body))
	if c.heldAt == len(c.held) {
		c.held, c.heldAt = nil, 0
	} else if c.heldAt > len(c.held)/2 && c.heldAt > smallBuffer { // Move what is left, less often than it halves.
		c.held = append([]byte(nil), c.held[c.heldAt:]...)
		c.heldAt = 0
	}
	c.flushLater()
}

// firstPacket is the first of some packets that were encoded here, and its body.
func firstPacket(p []byte) (packet, body []byte) {
	remaining, at := 0, 1
	for shift := 0; ; shift += 7 {
		b := p[at]
		remaining |= int(b&0x7f) << shift
		if at++; b < 0x80 {
			return p[:at+remaining], p[at : at+remaining]
		}
	}
}

// idOf is the packet id in the body of a message of QoS 1.
func idOf(body []byte) uint16 {
	at := 2 + int(binary.BigEndian.Uint16(body))
	return binary.BigEndian.Uint16(body[at:])
}

// flushLater starts the goroutine if it does not run. c.mu is held.
func (c *Conn) flushLater() {
	if !c.running && (len(c.queue) > 0 || c.closing) {
		c.running = true
		go c.flush()
	}
}

// flush writes until nothing is left, then ends. Everything that was queued in
// the meantime is one write, and with TLS one record.
func (c *Conn) flush() {
	defer c.containFlush()
	var batch []byte
	for {
		var written load
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.running = false
			c.queue = emptied(c.queue)
			closing, paced := c.closing, c.paced()
			c.mu.Unlock()
			if closing {
				c.hangUp(paced)
			}
			return
		}
		if cap(batch) > bigBuffer {
			batch = nil
		}
		batch, c.queue = c.queue, batch[:0]
		written, c.queued = c.queued, load{}
		if c.stage > greeting {
			c.greeted = true
		}
		c.mu.Unlock()
		_, err := c.device.Write(batch)
		c.mu.Lock()
		c.total.take(written)
		c.mu.Unlock()
		if err != nil {
			c.stop(End{Cause: Lost, Reason: "the device could not be written to", Will: true})
			c.mu.Lock()
			c.queue = nil
			c.mu.Unlock()
		}
	}
}

// containFlush turns a panic below the connection, in TLS or WebSocket, into its
// end.
func (c *Conn) containFlush() {
	if broken := recover(); broken != nil {
		_ = c.raw.Close()
		c.stop(End{Cause: Lost, Reason: fmt.Sprint("internal failure: ", broken), Will: true})
	}
}

// hangUp closes the socket after the last write, with what TLS or WebSocket say
// at an end.
func (c *Conn) hangUp(paced bool) {
	half, ok := c.device.(interface{ CloseWrite() error })
	if paced && ok && half.CloseWrite() == nil {
		c.pacer.HangUp(c.raw)
	} else {
		_ = c.device.Close()
		_ = c.raw.Close()
	}
	if c.lastCall != nil {
		c.lastCall.Stop()
	}
}
