package enforce

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// rights are a Judge that allows all but what is in its lists.
type rights struct {
	mu                          sync.Mutex
	publish, subscribe, receive []string
	asked                       []string
}

func (r *rights) allows(denied []string, what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, what)
	return !slices.Contains(denied, what)
}

func (r *rights) Publish(topic string, retain bool) bool {
	if retain {
		return r.allows(r.publish, topic) && r.allows(r.publish, "retained "+topic)
	}
	return r.allows(r.publish, topic)
}
func (r *rights) Subscribe(filter string) bool { return r.allows(r.subscribe, filter) }
func (r *rights) Receive(topic string) bool    { return r.allows(r.receive, topic) }

// end is one end of a connection, with packets instead of bytes.
type end struct {
	t       testing.TB
	name    string
	conn    net.Conn
	reader  *mqtt.Reader
	version mqtt.Version
}

func (e *end) send(packets ...mqtt.Packet) {
	e.t.Helper()
	e.sendRaw(encoded(e.t, e.version, packets...))
}

func encoded(t testing.TB, v mqtt.Version, packets ...mqtt.Packet) (raw []byte) {
	t.Helper()
	for _, p := range packets {
		var err error
		if raw, err = p.AppendTo(raw, v); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

func (e *end) sendRaw(raw []byte) {
	e.t.Helper()
	if _, err := e.conn.Write(raw); err != nil {
		e.t.Fatalf("%s: write: %v", e.name, err)
	}
}

// next is the next packet, nil at the end of the connection.
func (e *end) next() mqtt.Packet {
	e.t.Helper()
	_ = e.conn.SetReadDeadline(time.Now().Add(patience))
	f, err := e.reader.ReadFrame()
	if err != nil {
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			e.t.Fatalf("%s: nothing came", e.name)
		}
		return nil
	}
	p, err := mqtt.Decode(mqtt.Frame{Type: f.Type, Flags: f.Flags, Body: slices.Clone(f.Body)}, e.version)
	if err != nil {
		e.t.Fatalf("%s: %v", e.name, err)
	}
	return p
}

// want is next, which must be of a type.
func want[P mqtt.Packet](e *end) P {
	e.t.Helper()
	p := e.next()
	got, ok := p.(P)
	if !ok {
		e.t.Fatalf("%s: got %+v, want a %T", e.name, p, got)
	}
	return got
}

// rig is a Conn between a device and a broker that both do what a test says.
type rig struct {
	*Conn
	device, broker *end
	rights         *rights
	mu             sync.Mutex
	notes          []Happening
}

// newRig returns a rig before CONNACK. The CONNECT for the broker was read.
func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	there, here := sockets(t)
	r := &rig{rights: &rights{}}
	o := Options{
		Conn: here, Connect: &mqtt.Connect{Version: mqtt.V5, ClientID: "c", CleanStart: true},
		Judge: r.rights, Limits: DefaultLimits(),
		Note: func(h Happening) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.notes = append(r.notes, h)
		},
	}
	if change != nil {
		change(&o)
	}
	r.Conn = New(o)
	v := o.Connect.Version
	r.device = &end{t, "the device", there, mqtt.NewReader(there, 1<<20), v}
	r.broker = &end{t, "the broker", r.Conn, mqtt.NewReader(r.Conn, 1<<20), v}
	return r
}

// connected is a rig behind CONNECT and CONNACK.
func connected(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	r := newRig(t, change)
	want[*mqtt.Connect](r.broker)
	r.broker.send(&mqtt.Connack{})
	want[*mqtt.Connack](r.device)
	return r
}

// disconnected waits for a device to be disconnected with a code.
func (e *end) disconnected(code mqtt.ReasonCode) {
	e.t.Helper()
	if e.version == mqtt.V5 {
		if got := want[*mqtt.Disconnect](e); got.Code != code {
			e.t.Errorf("got %v, want %v", got.Code, code)
		}
	}
	if p := e.next(); p != nil {
		e.t.Errorf("got %+v, want the end", p)
	}
}

// sockets are both ends of a TCP connection.
func sockets(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// publish is a message.
func publish(topic string, id uint16) *mqtt.Publish {
	return &mqtt.Publish{Topic: topic, ID: id, QoS: byte(min(id, 1)), Payload: []byte("hi")}
}

// filters are those of a SUBSCRIBE.
func filters(names ...string) (list []mqtt.Subscription) {
	for _, n := range names {
		list = append(list, mqtt.Subscription{Filter: n, QoS: 1})
	}
	return list
}

var long = strings.Repeat("x", 257)

var _ io.ReadWriteCloser = (*Conn)(nil)
