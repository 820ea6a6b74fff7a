package enforce

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

func TestKillTellsTheReasonWhereTheVersionCan(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    mqtt.Version
		code mqtt.ReasonCode
		want mqtt.Packet
	}{
		{"in 5", mqtt.V5, mqtt.NotAuthorized, &mqtt.Disconnect{Code: mqtt.NotAuthorized}},
		{"not without a reason", mqtt.V5, 0, nil},
		{"not in 3.1.1", mqtt.V311, mqtt.NotAuthorized, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connected(t, func(o *Options) { o.Connect.Version = tt.v })
			reading := make(chan mqtt.Packet)
			go func() { reading <- r.broker.next() }()
			r.Kill(tt.code)
			got := r.device.next()
			if d, ok := tt.want.(*mqtt.Disconnect); ok {
				if p, ok := got.(*mqtt.Disconnect); !ok || p.Code != d.Code {
					t.Errorf("got %+v, want %+v", got, d)
				}
				got = r.device.next()
			}
			if got != nil {
				t.Errorf("got %+v, want the end", got)
			}
			if p := <-reading; p != nil {
				t.Errorf("the broker got %+v, want the end", p)
			}
			if e := r.Ended(); e.Cause != Killed || e.Code != tt.code || !e.Will {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestKillBeforeConnackIsARefusal(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		r := newRig(t, func(o *Options) { o.Connect.Version = v })
		want[*mqtt.Connect](r.broker)
		r.Kill(mqtt.NotAuthorized)
		code := mqtt.NotAuthorized
		if v == mqtt.V311 {
			code = mqtt.RefusedNotAuthorized
		}
		if got := want[*mqtt.Connack](r.device); got.Code != code {
			t.Errorf("version %d: got %v, want %v", v, got.Code, code)
		}
		if p := r.device.next(); p != nil {
			t.Errorf("version %d: got %+v, want the end", v, p)
		}
	}
}

func TestTheBrokerHearsNothingOfWhoWasTurnedAway(t *testing.T) {
	r := newRig(t, nil)
	r.Kill(mqtt.NotAuthorized)
	if p := r.broker.next(); p != nil {
		t.Errorf("the broker got %+v", p)
	}
	if got := want[*mqtt.Connack](r.device); got.Code != mqtt.NotAuthorized {
		t.Errorf("got %v", got.Code)
	}
}

func TestKillDoesNotWaitForADeviceThatIsStuck(t *testing.T) {
	r := connected(t, nil)
	flood := encoded(t, mqtt.V5, &mqtt.Publish{Topic: "a", Payload: make([]byte, 100<<10)})
	for range 30 { // More than the sockets take.
		if _, err := r.Write(flood); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	r.Kill(mqtt.NotAuthorized)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if _, err := io.Copy(io.Discard, r.device.conn); err != nil {
		var reset *net.OpError
		if !errors.As(err, &reset) || reset.Timeout() {
			t.Errorf("got %v, want the end", err)
		}
	}
}

// half hangs up as who kills many does, but never closes the socket.
type half struct{ waits chan struct{} }

func (half) HangUp(socket net.Conn) { _ = socket.(*net.TCPConn).CloseWrite() }
func (h half) Wait()                { h.waits <- struct{}{} }

func TestNothingPassesAfterKillThoughTheSocketIsOpen(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		pacer := half{make(chan struct{}, 1)}
		r := connected(t, func(o *Options) {
			o.Connect.Version, o.Pacer = v, pacer
		})
		passed := make(chan error, 1)
		go func() {
			_, err := r.Read(make([]byte, 100))
			passed <- err
		}()
		for began, reads := time.Now(), false; !reads; time.Sleep(time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatal("the device is not read")
			}
			r.Conn.mu.Lock()
			reads = r.reading
			r.Conn.mu.Unlock()
		}
		r.Kill(mqtt.NotAuthorized)
		r.device.disconnected(mqtt.NotAuthorized)
		r.device.send(publish("late", 0))
		if err := <-passed; err != io.EOF {
			t.Errorf("got %v for the broker, want the end", err)
		}
		<-pacer.waits
		if len(r.rights.asked) > 0 {
			t.Errorf("got %v judged after the end, want nothing", r.rights.asked)
		}
	}
}

func TestManyKillAtOnce(t *testing.T) {
	r := connected(t, nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			switch i % 3 {
			case 0:
				r.Kill(mqtt.NotAuthorized)
			case 1:
				_ = r.Close()
			default:
				_, _ = r.Write(encoded(t, mqtt.V5, publish("a", 0)))
			}
		})
	}
	all.Wait()
	for p := r.device.next(); p != nil; p = r.device.next() {
	}
	if e := r.Ended(); e.Cause != Killed && e.Cause != ByBroker {
		t.Errorf("got %+v", e)
	}
}

func TestSilenceEndsAConnectionThatPromisedToSpeak(t *testing.T) {
	r := connected(t, func(o *Options) { o.Connect.KeepAlive = 1 })
	began := time.Now()
	for range 4 {
		time.Sleep(400 * time.Millisecond) // Time is what is tested: 1.6 s with a packet in between.
		r.device.send(&mqtt.Ping{Kind: mqtt.TypePingreq})
		want[*mqtt.Ping](r.broker)
	}
	if p := r.broker.next(); p != nil {
		t.Errorf("the broker got %+v, want the end", p)
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("it ended after %v, want 1.5 s behind the last packet", took)
	}
	r.device.disconnected(mqtt.KeepAliveTimeout)
	if e := r.Ended(); e.Cause != KeepAlive || e.Disconnect() != "MQTT_KEEP_ALIVE_TIMEOUT" || !e.Will {
		t.Errorf("got %+v", e)
	}
}

func TestTheEndTellsWhetherTheWillIsDue(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(*rig)
		cause Cause
		will  bool
	}{
		{"not after DISCONNECT", func(r *rig) { r.device.send(&mqtt.Disconnect{}) }, ByClient, false},
		{"after a DISCONNECT that asks for it", func(r *rig) {
			r.device.send(&mqtt.Disconnect{Code: mqtt.DisconnectWithWill})
		}, ByClient, true},
		{"when the socket ends", func(r *rig) { _ = r.device.conn.Close() }, Lost, true},
		{"after garbage", func(r *rig) { r.device.sendRaw([]byte{0xff, 0xff, 0xff}) }, ClientError, true},
		{"when a packet ends too early", func(r *rig) {
			r.device.sendRaw([]byte{0x30, 0x10, 0})
			_ = r.device.conn.Close()
		}, Lost, true},
		{"after the packet of seven bytes", func(r *rig) {
			r.device.sendRaw([]byte{0x82, 5, 0x30, 0x30, 0, 0, 0})
		}, ClientError, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connected(t, nil)
			go tt.do(r)
			for p := r.broker.next(); p != nil; p = r.broker.next() {
				if _, ok := p.(*mqtt.Disconnect); !ok {
					t.Errorf("the broker got %+v", p)
				}
			}
			_ = r.Close()
			if e := r.Ended(); e.Cause != tt.cause || e.Will != tt.will {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestADisconnectSaysHowLongTheSessionStays(t *testing.T) {
	expiry := func(n uint32) mqtt.Properties { return mqtt.Properties{}.AddNumber(mqtt.SessionExpiry, n) }
	for _, tt := range []struct {
		name       string
		asked, now uint32
		want       time.Duration
		code       mqtt.ReasonCode
	}{
		{"no longer", 60, 0, 0, 0},
		{"longer, up to the limit", 60, 1e6, time.Hour, 0},
		{"not where CONNECT wanted none", 0, 60, 0, mqtt.ProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connected(t, func(o *Options) { o.Connect.Properties = expiry(tt.asked) })
			r.device.send(&mqtt.Disconnect{Properties: expiry(tt.now)})
			if p, ok := r.broker.next().(*mqtt.Disconnect); ok != (tt.code == 0) {
				t.Errorf("the broker got %+v", p)
			}
			if r.SessionExpiry() != tt.want && tt.code == 0 {
				t.Errorf("got %v, want %v", r.SessionExpiry(), tt.want)
			}
			if e := r.Ended(); e.Code != tt.code {
				t.Errorf("got %+v, want %v", e, tt.code)
			}
		})
	}
}

func TestWhatWasReadAheadOfConnectIsNotLost(t *testing.T) {
	there, here := sockets(t)
	reader := mqtt.NewReader(here, 1000)
	connect := &mqtt.Connect{Version: mqtt.V5, ClientID: "c", CleanStart: true}
	raw := encoded(t, mqtt.V5, connect, publish("a", 0), publish("b", 1))
	if _, err := there.Write(raw); err != nil {
		t.Fatal(err)
	}
	f, err := reader.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	p, err := mqtt.Decode(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Conn: here, Reader: reader, Connect: p.(*mqtt.Connect), Judge: &rights{}, Limits: DefaultLimits()})
	b := &end{t, "the broker", c, mqtt.NewReader(c, 1<<20), mqtt.V5}
	want[*mqtt.Connect](b)
	b.send(&mqtt.Connack{})
	for _, topic := range []string{"a", "b"} {
		if got := want[*mqtt.Publish](b); got.Topic != topic {
			t.Errorf("got %+v, want %q", got, topic)
		}
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	r := connected(t, func(o *Options) { o.Limits.Subscriptions = 3 })
	r.device.send(&mqtt.Subscribe{ID: 1, Filters: filters("a", "a", "b", "c", "d", "a/"+long)})
	if got := want[*mqtt.Subscribe](r.broker); len(got.Filters) != 4 {
		t.Errorf("the broker got %+v", got)
	}
	r.broker.send(&mqtt.Suback{Kind: mqtt.TypeSuback, ID: 1, Codes: []mqtt.ReasonCode{1, 1, 1, mqtt.UnspecifiedError}})
	codes := []mqtt.ReasonCode{1, 1, 1, mqtt.UnspecifiedError, mqtt.QuotaExceeded, mqtt.TopicFilterInvalid}
	if got := want[*mqtt.Suback](r.device).Codes; !slices.Equal(got, codes) {
		t.Errorf("got %v, want %v", got, codes)
	}
	if got, want := r.Subscriptions(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	r.device.send(&mqtt.Unsubscribe{ID: 2, Filters: []string{"a", "never"}})
	if got := want[*mqtt.Unsubscribe](r.broker); len(got.Filters) != 2 {
		t.Errorf("the broker got %+v", got)
	}
	r.broker.send(&mqtt.Suback{Kind: mqtt.TypeUnsuback, ID: 2, Codes: []mqtt.ReasonCode{0, mqtt.NoSubscriptionExisted}})
	want[*mqtt.Suback](r.device)
	r.device.send(&mqtt.Subscribe{ID: 3, Filters: filters("1", "2", "3", "4", "5", "6", "7", "8", "9")},
		&mqtt.Ping{Kind: mqtt.TypePingreq})
	want[*mqtt.Ping](r.broker)
	if got := want[*mqtt.Suback](r.device).Codes; !slices.Equal(got, slices.Repeat(codes[4:5], 9)) {
		t.Errorf("got %v", got)
	}
	if got, want := r.Subscriptions(), []string{"b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFilterIsLiveBeforeItIsJudged(t *testing.T) {
	r := connected(t, nil)
	seen := make(chan []string, 1)
	r.judge = judging{r.rights, func() { seen <- r.Subscriptions() }}
	r.device.send(&mqtt.Subscribe{ID: 1, Filters: filters("a")})
	want[*mqtt.Subscribe](r.broker)
	if got := <-seen; !slices.Equal(got, []string{"a"}) {
		t.Errorf("when it is judged, live are %q", got)
	}
}

func TestAPanicOfTheSocketEndsOneConnection(t *testing.T) {
	r := connected(t, nil)
	r.Conn.device = broken{r.Conn.device}
	r.broker.send(publish("a", 0))
	for r.broker.next() != nil {
	}
	if e := r.Ended(); e.Cause != Lost {
		t.Errorf("got %+v", e)
	}
	if p := r.device.next(); p != nil {
		t.Errorf("got %+v, want the end", p)
	}
}

// broken is a socket that cannot be written to.
type broken struct{ net.Conn }

func (broken) Write([]byte) (int, error) { panic("broken") }

// judging is a Judge that does something before it judges filters.
type judging struct {
	*rights
	before func()
}

func (j judging) Subscribe(filter string) bool {
	j.before()
	return j.rights.Subscribe(filter)
}

func TestAPanicEndsOneConnection(t *testing.T) {
	r := connected(t, nil)
	r.judge = judging{r.rights, func() { panic("broken") }}
	r.device.send(&mqtt.Subscribe{ID: 1, Filters: filters("a")})
	if p := r.broker.next(); p != nil {
		t.Errorf("the broker got %+v", p)
	}
	r.device.disconnected(mqtt.UnspecifiedError)
}
