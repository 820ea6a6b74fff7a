package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

var scope = fleet.Scope{Account: "111111111111", Region: "us-east-1"}

// device is one that speaks with a broker directly.
type device struct {
	t       testing.TB
	conn    net.Conn
	reader  *mqtt.Reader
	version mqtt.Version
	served  chan error
}

// dial sends CONNECT.
func dial(t testing.TB, b Broker, in fleet.Scope, c *mqtt.Connect) *device {
	t.Helper()
	there, here := sockets(t)
	d := &device{t: t, conn: there, reader: mqtt.NewReader(there, 1<<20), version: c.Version, served: make(chan error, 1)}
	go func() { d.served <- b.Serve(in, here) }()
	d.send(c)
	return d
}

// connect sends CONNECT and waits for CONNACK.
func connect(t testing.TB, b Broker, in fleet.Scope, c *mqtt.Connect) (*device, *mqtt.Connack) {
	t.Helper()
	d := dial(t, b, in, c)
	return d, want[*mqtt.Connack](d)
}

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

func (d *device) send(packets ...mqtt.Packet) {
	d.t.Helper()
	for _, p := range packets {
		raw, err := p.AppendTo(nil, d.version)
		if err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.conn.Write(raw); err != nil {
			d.t.Fatal(err)
		}
	}
}

// next is the next packet, nil at the end of the connection.
func (d *device) next() mqtt.Packet {
	d.t.Helper()
	_ = d.conn.SetReadDeadline(time.Now().Add(patience))
	f, err := d.reader.ReadFrame()
	if err != nil {
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			d.t.Fatal("nothing came")
		}
		return nil
	}
	p, err := mqtt.Decode(mqtt.Frame{Type: f.Type, Flags: f.Flags, Body: slices.Clone(f.Body)}, d.version)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func want[P mqtt.Packet](d *device) P {
	d.t.Helper()
	p := d.next()
	got, ok := p.(P)
	if !ok {
		d.t.Fatalf("got %+v, want a %T", p, got)
	}
	return got
}

func (d *device) subscribe(filter string) {
	d.t.Helper()
	d.send(&mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: filter, QoS: 1}}})
	if got := want[*mqtt.Suback](d); got.Codes[0] != 1 {
		d.t.Fatalf("got %+v", got)
	}
}

func (d *device) silent() {
	d.t.Helper()
	d.send(&mqtt.Ping{Kind: mqtt.TypePingreq})
	want[*mqtt.Ping](d)
}

func (d *device) leave() {
	d.t.Helper()
	d.send(&mqtt.Disconnect{})
	d.gone()
}

func (d *device) gone() {
	d.t.Helper()
	select {
	case <-d.served:
	case <-time.After(patience):
		d.t.Fatal("still served")
	}
}

func fresh(id string) *mqtt.Connect {
	return &mqtt.Connect{Version: mqtt.V5, ClientID: id, CleanStart: true}
}

func staying(id string) *mqtt.Connect { return &mqtt.Connect{Version: mqtt.V311, ClientID: id} }

// clock is a time that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func newEmbedded(t testing.TB, o EmbeddedOptions) *Embedded {
	t.Helper()
	e, err := NewEmbedded(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, e) })
	return e
}

func shut(t testing.TB, b Broker) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}

func say(t *testing.T, b Broker, topic, payload string) {
	t.Helper()
	m := &mqtt.Publish{Topic: topic, QoS: 1, Payload: []byte(payload)}
	if err := b.Publish(t.Context(), scope, m); err != nil {
		t.Fatal(err)
	}
}

func TestAStoredSessionThatGrowsTooMuchEndsAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits EmbeddedOptions
		keep   int // messages that are all kept
		reason string
	}{
		{"by messages", EmbeddedOptions{SessionMessages: 10}, 10, "too many messages"},
		{"by bytes", EmbeddedOptions{SessionBytes: 1000}, 9, "too many bytes"},
		{"by the bytes of all sessions", EmbeddedOptions{StoredBytes: 10 * 901}, 9, "too many bytes of all sessions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var ended []string
			tt.limits.SessionEnded = func(_ fleet.Scope, reason string) {
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, reason)
			}
			e := newEmbedded(t, tt.limits)
			for _, more := range []int{0, 5} {
				d, _ := connect(t, e, scope, staying("d"))
				d.subscribe("a")
				d.leave()
				for i := range tt.keep + more {
					say(t, e, "a", fmt.Sprintf("%0100d", i))
				}
				back, ack := connect(t, e, scope, staying("d"))
				if ack.SessionPresent != (more == 0) {
					t.Errorf("with %d more: a session %v", more, ack.SessionPresent)
				}
				for range tt.keep * btoi(more == 0) {
					p := want[*mqtt.Publish](back)
					back.send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: p.ID})
				}
				say(t, e, "a", "now")
				if more == 0 {
					p := want[*mqtt.Publish](back)
					back.send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: p.ID})
				}
				back.silent() // Its subscription is gone, too.
				back.send(&mqtt.Unsubscribe{ID: 3, Filters: []string{"a"}})
				want[*mqtt.Suback](back)
				back.leave()
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(ended, []string{tt.reason}) {
				t.Errorf("ended were %q", ended)
			}
			if got := e.stored.Load(); got != 0 {
				t.Errorf("%d bytes are counted of nothing", got)
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestASessionExpires(t *testing.T) {
	for _, tt := range []struct {
		name    string
		connect *mqtt.Connect
		stays   time.Duration
	}{
		{"of 3.1.1 after the time that is set", staying("d"), time.Hour},
		{"of 5 after its own", &mqtt.Connect{Version: mqtt.V5, ClientID: "d",
			Properties: mqtt.Properties{}.AddNumber(mqtt.SessionExpiry, 60)}, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var time1 clock
			e := newEmbedded(t, EmbeddedOptions{Now: time1.now})
			for _, late := range []bool{false, true} {
				d, _ := connect(t, e, scope, tt.connect)
				d.subscribe("a")
				d.leave()
				time1.advance(tt.stays - 20*time.Second)
				if late {
					time1.advance(30 * time.Second)
				}
				back, ack := connect(t, e, scope, tt.connect)
				if ack.SessionPresent == late {
					t.Errorf("late %v: a session %v", late, ack.SessionPresent)
				}
				back.leave()
			}
			time1.advance(2 * tt.stays)
			e.sweepOnce()
			if n := len(e.spaces); n != 0 {
				t.Errorf("%d scopes are left of nothing", n)
			}
		})
	}
}

func TestAScopeIsGoneWhenNothingIsInIt(t *testing.T) {
	e := newEmbedded(t, EmbeddedOptions{Scopes: 1})
	other := fleet.Scope{Account: "222222222222", Region: "us-east-1"}
	d, _ := connect(t, e, scope, fresh("d"))
	refused, ack := connect(t, e, other, fresh("d"))
	if ack.Code != mqtt.ServerUnavailable {
		t.Errorf("got %v, want no place for another scope", ack.Code)
	}
	refused.gone()
	if err := e.Publish(t.Context(), other, &mqtt.Publish{Topic: "a"}); err != nil {
		t.Errorf("a message for nobody: %v", err)
	}
	if err := e.Publish(t.Context(), other, &mqtt.Publish{Topic: "a", Retain: true, Payload: []byte("x")}); err == nil {
		t.Error("a retained message was taken for a scope that has no place")
	}
	d.send(&mqtt.Publish{Topic: "a", Retain: true, Payload: []byte("x")})
	d.leave()
	if err := e.Publish(t.Context(), scope, &mqtt.Publish{Topic: "a", Retain: true}); err != nil {
		t.Fatal(err)
	}
	d, ack = connect(t, e, other, fresh("d"))
	if ack.Code != 0 {
		t.Errorf("got %v", ack.Code)
	}
	d.leave()
	if n := len(e.spaces); n != 0 {
		t.Errorf("%d scopes are left", n)
	}
}

func TestRetainedMessagesAreBounded(t *testing.T) {
	e := newEmbedded(t, EmbeddedOptions{Retained: 3, RetainedBytes: 1000})
	keep := func(d *device, topic string, size int) mqtt.ReasonCode {
		d.send(&mqtt.Publish{Topic: topic, QoS: 1, ID: 9, Retain: true, Payload: make([]byte, size)})
		return want[*mqtt.Ack](d).Code
	}
	d, _ := connect(t, e, scope, fresh("d"))
	for _, tt := range []struct {
		topic string
		size  int
		want  mqtt.ReasonCode
	}{
		{"1", 300, 0}, {"2", 300, 0}, {"3", 600, mqtt.QuotaExceeded}, {"3", 300, 0}, {"3", 200, 0},
		{"4", 1, mqtt.QuotaExceeded},
		{"1", 0, 0}, {"4", 300, 0}, {"4", 900, mqtt.QuotaExceeded},
	} {
		if got := keep(d, tt.topic, tt.size); got != tt.want {
			t.Errorf("%d bytes in %q: got %v, want %v", tt.size, tt.topic, got, tt.want)
		}
	}
	old, _ := connect(t, e, scope, &mqtt.Connect{Version: mqtt.V311, ClientID: "old", CleanStart: true})
	old.send(&mqtt.Publish{Topic: "5", QoS: 1, ID: 9, Retain: true, Payload: []byte("x")})
	if p := old.next(); p != nil {
		t.Errorf("got %+v, want the end", p)
	}
	if err := e.Publish(t.Context(), scope, &mqtt.Publish{Topic: "5", Retain: true, Payload: []byte("x")}); err == nil {
		t.Error("one of nobody was taken")
	}
	d.subscribe("+")
	got := map[string]int{}
	for range 3 {
		p := want[*mqtt.Publish](d)
		got[p.Topic] = len(p.Payload)
	}
	if len(got) != 3 || got["4"] != 300 {
		t.Errorf("got %v", got)
	}
	d.silent()
}

func TestARetainedMessageExpires(t *testing.T) {
	var time1 clock
	e := newEmbedded(t, EmbeddedOptions{Now: time1.now})
	d, _ := connect(t, e, scope, fresh("d"))
	d.send(&mqtt.Publish{Topic: "a", Retain: true, Payload: []byte("x"),
		Properties: mqtt.Properties{}.AddNumber(mqtt.MessageExpiry, 60)})
	d.subscribe("a")
	want[*mqtt.Publish](d)
	time1.advance(2 * time.Minute)
	e.sweepOnce()
	d.subscribe("a")
	d.silent()
	d.leave()
	if n := len(e.spaces); n != 0 {
		t.Errorf("%d scopes are left of nothing", n)
	}
}

func TestAMessageOfNobodyHasAllItsProperties(t *testing.T) {
	e := newEmbedded(t, EmbeddedOptions{})
	d, _ := connect(t, e, scope, fresh("inline"))
	d.subscribe("$aws/events/#")
	m := &mqtt.Publish{Topic: "$aws/events/x", QoS: 1, Payload: []byte("p"), Properties: mqtt.Properties{}.
		AddNumber(mqtt.PayloadFormat, 1).AddText(mqtt.ContentType, "text").AddText(mqtt.ResponseTopic, "r").AddUser("k", "v")}
	if err := e.Publish(t.Context(), scope, m); err != nil {
		t.Fatal(err)
	}
	got := want[*mqtt.Publish](d)
	if got.Topic != m.Topic || got.QoS != 1 || string(got.Payload) != "p" || len(got.Properties) != len(m.Properties) {
		t.Errorf("got %+v, want %+v", got, m)
	}
	d.leave()
}

func TestSharedSubscriptionsPreferWhoIsThere(t *testing.T) {
	e := newEmbedded(t, EmbeddedOptions{})
	for _, id := range []string{"gone 1", "gone 2", "gone 3"} {
		d, _ := connect(t, e, scope, staying(id))
		d.subscribe("$share/g/a")
		d.leave()
	}
	here, _ := connect(t, e, scope, fresh("here"))
	here.subscribe("$share/g/a")
	for i := range 50 {
		say(t, e, "a", fmt.Sprint(i))
		p := want[*mqtt.Publish](here)
		here.send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: p.ID})
	}
	here.leave()
	say(t, e, "a", "stored")
	came := 0
	for _, id := range []string{"gone 1", "gone 2", "gone 3"} {
		d, _ := connect(t, e, scope, staying(id))
		d.send(&mqtt.Ping{Kind: mqtt.TypePingreq})
		if p, ok := d.next().(*mqtt.Publish); ok && string(p.Payload) == "stored" {
			came++
		}
	}
	if came != 1 {
		t.Errorf("%d got what came while nobody was there", came)
	}
}

func TestAPanicOfMochiEndsOneConnection(t *testing.T) {
	e := newEmbedded(t, EmbeddedOptions{})
	good, _ := connect(t, e, scope, fresh("good"))
	bad, _ := connect(t, e, scope, fresh("bad")) // No enforcing connection is in between.
	if _, err := bad.conn.Write([]byte{0x82, 5, 0x30, 0x30, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-bad.served:
		if err == nil || !strings.Contains(err.Error(), "the broker failed") {
			t.Errorf("got %v, want that it failed", err)
		}
	case <-time.After(patience):
		t.Fatal("still served")
	}
	if p := bad.next(); p != nil {
		t.Errorf("got %+v", p)
	}
	good.subscribe("a")
	good.leave()
}

func TestCloseEndsWhatIsConnected(t *testing.T) {
	e, err := NewEmbedded(EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*device
	for i := range 10 {
		d, _ := connect(t, e, scope, fresh(fmt.Sprint(i)))
		all = append(all, d)
	}
	shut(t, e)
	for _, d := range all {
		d.gone()
		_, _ = io.Copy(io.Discard, d.conn)
	}
	d, ack := connect(t, e, scope, fresh("late"))
	if ack.Code != mqtt.ServerUnavailable {
		t.Errorf("got %v", ack.Code)
	}
	d.gone()
}
