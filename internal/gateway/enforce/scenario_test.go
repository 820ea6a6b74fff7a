package enforce

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway/broker"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

var (
	scopeA = fleet.Scope{Account: "111111111111", Region: "us-east-1"}
	scopeB = fleet.Scope{Account: "222222222222", Region: "us-east-1"}
)

// site is a broker with enforcing connections in front of it.
type site struct {
	t      *testing.T
	broker broker.Broker
	shared bool // by several scopes
}

// onEveryBroker runs a test with mochi, and with Mosquitto where it is installed.
func onEveryBroker(t *testing.T, f func(t *testing.T, s *site)) {
	t.Run("mochi", func(t *testing.T) { f(t, embedded(t)) })
	t.Run("mosquitto", func(t *testing.T) { f(t, &site{t: t, broker: external(t, mosquitto(t)), shared: true}) })
}

func embedded(t *testing.T) *site {
	t.Helper()
	e, err := broker.NewEmbedded(broker.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBroker(t, e) })
	return &site{t: t, broker: e}
}

func external(t *testing.T, address string) *broker.External {
	t.Helper()
	e, err := broker.NewExternal(broker.ExternalOptions{URL: "tcp://" + address, Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBroker(t, e) })
	return e
}

func closeBroker(t *testing.T, b broker.Broker) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}

// mosquitto starts a Mosquitto that ends with the test, and returns where it
// listens.
func mosquitto(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	if _, err := os.Stat(program); err != nil {
		if slices.Contains(strings.Split(os.Getenv("CORDON_TEST_REQUIRE"), ","), "mosquitto") {
			t.Fatal("Mosquitto is not installed (Debian: apt-get install mosquitto)")
		}
		t.Skip("Mosquitto is not installed (Debian: apt-get install mosquitto)")
	}
	for range 5 { // Somebody else may take the port in between.
		if address := startMosquitto(t, program); address != "" {
			return address
		}
	}
	t.Fatal("Mosquitto did not start")
	return ""
}

func startMosquitto(t *testing.T, program string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	dir := t.TempDir()
	settings := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\nuser root\n", port)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", settings)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return address
		}
		select {
		case <-ended:
			return ""
		case <-time.After(10 * time.Millisecond):
		}
	}
	return ""
}

// live is a device that is connected, or was.
type live struct {
	*end
	enforced *Conn
	rights   *rights
	served   chan error
	early    []*mqtt.Publish // that came while an answer was awaited
	mu       sync.Mutex
	notes    []Happening
}

// connect connects a device and waits for CONNACK.
func (s *site) connect(scope fleet.Scope, c *mqtt.Connect, change ...func(*Options)) (*live, *mqtt.Connack) {
	s.t.Helper()
	d := s.dial(scope, c, change...)
	return d, want[*mqtt.Connack](d.end)
}

// dial connects a device.
func (s *site) dial(scope fleet.Scope, c *mqtt.Connect, change ...func(*Options)) *live {
	s.t.Helper()
	there, here := sockets(s.t)
	d := &live{rights: &rights{}, served: make(chan error, 1)}
	o := Options{Conn: here, Connect: c, Judge: d.rights, Limits: DefaultLimits(), Note: func(h Happening) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.notes = append(d.notes, h)
	}}
	if s.shared {
		o.Prefix = broker.SharedPrefix(scope)
	}
	for _, f := range change {
		f(&o)
	}
	if r, ok := o.Judge.(*rights); ok {
		d.rights = r
	}
	d.enforced = New(o)
	d.end = &end{s.t, "device " + c.ClientID, there, mqtt.NewReader(there, 1<<20), c.Version}
	go func() { d.served <- s.broker.Serve(scope, d.enforced) }()
	return d
}

// leave disconnects a device and waits until the broker knows.
func (d *live) leave() {
	d.t.Helper()
	d.send(&mqtt.Disconnect{})
	d.gone()
}

// gone waits until the broker is done with a device.
func (d *live) gone() {
	d.t.Helper()
	select {
	case <-d.served:
	case <-time.After(patience):
		d.t.Fatalf("%s: still served", d.name)
	}
}

// answer is the next packet that is no message, which must be of a type.
func answer[P mqtt.Packet](d *live) P {
	d.t.Helper()
	for {
		p := d.next()
		if m, ok := p.(*mqtt.Publish); ok {
			d.early = append(d.early, m)
			continue
		}
		got, ok := p.(P)
		if !ok {
			d.t.Fatalf("%s: got %+v, want a %T", d.name, p, got)
		}
		return got
	}
}

func (d *live) subscribe(names ...string) []mqtt.ReasonCode {
	d.t.Helper()
	d.send(&mqtt.Subscribe{ID: 77, Filters: filters(names...)})
	return answer[*mqtt.Suback](d).Codes
}

// published sends a message with QoS 1 and waits for its PUBACK.
func (d *live) published(topic, payload string) {
	d.t.Helper()
	d.send(&mqtt.Publish{Topic: topic, QoS: 1, ID: 5, Payload: []byte(payload)})
	if a := answer[*mqtt.Ack](d); a.ID != 5 || a.Kind != mqtt.TypePuback || a.Code >= 0x80 {
		d.t.Fatalf("got %+v, want the PUBACK", a)
	}
}

// received is the next message, acknowledged.
func (d *live) received() (p *mqtt.Publish) {
	d.t.Helper()
	if len(d.early) > 0 {
		p, d.early = d.early[0], d.early[1:]
	} else {
		p = want[*mqtt.Publish](d.end)
	}
	if p.QoS > 0 {
		d.send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: p.ID})
	}
	return p
}

// payloads are those of the next n messages.
func (d *live) payloads(n int) (list []string) {
	d.t.Helper()
	for range n {
		list = append(list, string(d.received().Payload))
	}
	return list
}

// silent checks that no message waits for a device: the answer to PINGREQ is
// next.
func (d *live) silent() {
	d.t.Helper()
	d.send(&mqtt.Ping{Kind: mqtt.TypePingreq})
	if answer[*mqtt.Ping](d); len(d.early) > 0 {
		d.t.Errorf("%s: got %+v, want nothing", d.name, d.early[0])
	}
}

func fresh(v mqtt.Version, id string) *mqtt.Connect {
	return &mqtt.Connect{Version: v, ClientID: id, CleanStart: true, KeepAlive: 60}
}

// staying is a CONNECT whose session is stored.
func staying(v mqtt.Version, id string) *mqtt.Connect {
	c := &mqtt.Connect{Version: v, ClientID: id, KeepAlive: 60}
	if v == mqtt.V5 {
		c.Properties = c.Properties.AddNumber(mqtt.SessionExpiry, 600)
	}
	return c
}

func onEveryVersion(t *testing.T, f func(t *testing.T, s *site, v mqtt.Version)) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		t.Run(fmt.Sprint("version ", v), func(t *testing.T) {
			onEveryBroker(t, func(t *testing.T, s *site) { f(t, s, v) })
		})
	}
}

func TestAccountsDoNotMeet(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		a, _ := s.connect(scopeA, fresh(v, "same"))
		b, _ := s.connect(scopeB, fresh(v, "same"))
		a.subscribe("#")
		b.subscribe("#")
		a2, _ := s.connect(scopeA, fresh(v, "other"))
		a2.published("room/1", "of a")
		if p := a.received(); p.Topic != "room/1" || string(p.Payload) != "of a" {
			t.Fatalf("got %+v", p)
		}
		a2.send(&mqtt.Publish{Topic: "kept", Retain: true, Payload: []byte("of a")})
		a2.silent()
		b.silent()
		b2, _ := s.connect(scopeB, fresh(v, "third"))
		b2.subscribe("#")
		b2.silent()
		b2.published("room/1", "of b")
		if p := b.received(); string(p.Payload) != "of b" {
			t.Errorf("got %+v", p)
		}
		for _, d := range []*live{a, b, a2, b2} {
			d.leave()
		}
	})
}

func TestNothingOfAnotherAccountIsThere(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		a, _ := s.connect(scopeA, fresh(v, "a"))
		a.send(&mqtt.Publish{Topic: "kept/1", Retain: true, Payload: []byte("of a")})
		a.silent()
		b, _ := s.connect(scopeB, fresh(v, "b"))
		a.subscribe("$share/g/x")
		b.subscribe("$share/g/x", "+/+", "#")
		for range 10 {
			a.published("x", "shared of a")
		}
		for _, p := range a.payloads(10) {
			if p != "shared of a" {
				t.Errorf("got %q", p)
			}
		}
		b.silent()
	})
}

func TestWildcardsDoNotCoverReservedTopics(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		wild, _ := s.connect(scopeA, fresh(v, "wild"))
		named, _ := s.connect(scopeA, fresh(v, "named"))
		wild.subscribe("#", "+/things/#")
		named.subscribe("$aws/things/+/shadow/update")
		for range 50 { // More than Mosquitto has in flight.
			named.published("$aws/things/t/shadow/update", "s")
		}
		named.payloads(50)
		err := s.broker.Publish(t.Context(), scopeA, &mqtt.Publish{Topic: "$aws/events/presence/connected/c", QoS: 1})
		if err != nil {
			t.Fatal(err)
		}
		if codes := wild.subscribe("$SYS/#"); codes[0] < 0x80 {
			t.Errorf("the topics of the broker may be subscribed to: %v", codes)
		}
		named.published("plain", "p")
		if got := wild.received(); got.Topic != "plain" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMessagesThatMayNotBeReceivedLeaveNothingInFlight(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		d, _ := s.connect(scopeA, staying(v, "d"))
		d.rights.receive = []string{"secret"}
		d.subscribe("#")
		p, _ := s.connect(scopeA, fresh(v, "p"))
		for i := range 200 { // The device itself is silent.
			p.published("secret", fmt.Sprint(i))
		}
		p.published("open", "last")
		if got := d.received(); got.Topic != "open" {
			t.Fatalf("got %+v", got)
		}
		d.silent()
		d.leave()
		back, ack := s.connect(scopeA, staying(v, "d"), func(o *Options) { o.Stored = []string{"#"} })
		if !ack.SessionPresent {
			t.Error("the session was not stored")
		}
		back.silent()
	})
}

func TestADeniedFilterDoesNotHarmItsNeighbours(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		failed := mqtt.SubscriptionFailed
		if v == mqtt.V5 {
			failed = mqtt.NotAuthorized
		}
		d, _ := s.connect(scopeA, fresh(v, "d"))
		d.rights.subscribe = []string{"no/1", "no/2"}
		granted := []mqtt.ReasonCode{failed, 1, failed, 1}
		if got := d.subscribe("no/1", "a", "no/2", "b/#"); !slices.Equal(got, granted) {
			t.Errorf("got %v, want %v", got, granted)
		}
		if got, want := d.subscribe("no/1"), []mqtt.ReasonCode{failed}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, want := d.enforced.Subscriptions(), []string{"a", "b/#"}; !slices.Equal(got, want) {
			t.Errorf("live are %v, want %v", got, want)
		}
		d.published("no/1", "x")
		d.published("b/c", "y")
		if got := d.payloads(1); got[0] != "y" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAResumedSessionHasNothingThatIsDeniedNow(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		d, _ := s.connect(scopeA, staying(v, "d"))
		d.subscribe("a/#", "b/#", "c")
		d.leave()
		p, _ := s.connect(scopeA, fresh(v, "p"))
		for _, topic := range []string{"a/1", "b/1", "c", "b/c", "a/2"} {
			p.published(topic, topic)
		}
		back, ack := s.connect(scopeA, staying(v, "d"), func(o *Options) {
			o.Stored = []string{"a/#", "b/#", "c"}
			o.Judge = &rights{subscribe: []string{"b/#"}}
		})
		if !ack.SessionPresent {
			t.Fatal("the session was not stored")
		}
		if got, want := back.payloads(3), []string{"a/1", "c", "a/2"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, want := back.enforced.Subscriptions(), []string{"a/#", "c"}; !slices.Equal(got, want) {
			t.Errorf("live are %v, want %v", got, want)
		}
		back.leave()
		for _, topic := range []string{"b/3", "a/3"} {
			p.published(topic, topic)
		}
		// With all rights again, and the filters as they were left.
		third, _ := s.connect(scopeA, staying(v, "d"), func(o *Options) { o.Stored = back.enforced.Subscriptions() })
		if got := third.payloads(1); got[0] != "a/3" {
			t.Errorf("got %v: the broker still has the filter that was denied", got)
		}
		third.silent()
	})
}

func TestASessionOfUnknownFiltersStartsClean(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		d, _ := s.connect(scopeA, staying(v, "d"))
		d.subscribe("a/#")
		d.leave()
		if err := s.broker.Forget(t.Context(), scopeA, "d"); err != nil {
			t.Fatal(err)
		}
		back, ack := s.connect(scopeA, staying(v, "d"))
		if ack.SessionPresent {
			t.Error("the session is still there")
		}
		back.published("a/1", "x")
		back.silent()
		if err := s.broker.Forget(t.Context(), scopeA, "d"); err != nil {
			t.Fatal(err)
		}
		back.silent() // It is connected, so nothing was forgotten.
	})
}

func TestStoredMessagesComeInOrder(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		d, _ := s.connect(scopeA, staying(v, "d"))
		d.subscribe("a")
		p, _ := s.connect(scopeA, fresh(v, "p"))
		var wanted []string
		for round := range 3 {
			for i := range 15 { // Not acknowledged; Mosquitto has 20 in flight.
				p.published("a", fmt.Sprint(round, " ", i))
				wanted = append(wanted, fmt.Sprint(round, " ", i))
			}
			if round == 0 {
				for range 15 {
					want[*mqtt.Publish](d.end)
				}
			}
			d.leave()
			d, _ = s.connect(scopeA, staying(v, "d"), func(o *Options) { o.Stored = []string{"a"} })
			if round < 2 {
				want[*mqtt.Publish](d.end)
			}
		}
		if got := d.payloads(len(wanted)); !slices.Equal(got, wanted) {
			t.Errorf("got %q, want %q", got, wanted)
		}
		d.silent()
	})
}

func TestPacketIdsOfBothSidesDoNotMix(t *testing.T) {
	onEveryVersion(t, func(t *testing.T, s *site, v mqtt.Version) {
		d, _ := s.connect(scopeA, staying(v, "d"))
		d.subscribe("a")
		p, _ := s.connect(scopeA, fresh(v, "p"))
		for i := range 8 {
			p.published("a", fmt.Sprint(i))
		}
		var ids []uint16
		for range 8 {
			ids = append(ids, want[*mqtt.Publish](d.end).ID)
		}
		for _, id := range ids { // In use for messages to the device, free for those of the device.
			d.send(&mqtt.Publish{Topic: "b", QoS: 1, ID: id})
			if a := answer[*mqtt.Ack](d); a.ID != id {
				t.Fatalf("got %+v, want the PUBACK of %d", a, id)
			}
			d.send(&mqtt.Subscribe{ID: id, Filters: filters("c")})
			if a := answer[*mqtt.Suback](d); a.ID != id || a.Codes[0] > 1 {
				t.Fatalf("got %+v, want the SUBACK of %d", a, id)
			}
			d.send(&mqtt.Unsubscribe{ID: id, Filters: []string{"c"}})
			if a := answer[*mqtt.Suback](d); a.ID != id || a.Kind != mqtt.TypeUnsuback {
				t.Fatalf("got %+v, want the UNSUBACK of %d", a, id)
			}
		}
		d.leave()
		back, _ := s.connect(scopeA, staying(v, "d"), func(o *Options) { o.Stored = []string{"a"} })
		if got := back.payloads(8); len(got) != 8 {
			t.Errorf("got %q", got)
		}
		back.silent()
	})
}

func TestAliasesStandForTopicsThatAreJudged(t *testing.T) {
	onEveryBroker(t, func(t *testing.T, s *site) {
		d, _ := s.connect(scopeA, fresh(mqtt.V5, "d"))
		d.rights.publish = []string{"denied"}
		listener, _ := s.connect(scopeA, fresh(mqtt.V5, "listener"))
		listener.subscribe("#")
		alias := func(topic string, n uint32, payload string) *mqtt.Publish {
			return &mqtt.Publish{Topic: topic, Payload: []byte(payload),
				Properties: mqtt.Properties{}.AddNumber(mqtt.TopicAlias, n)}
		}
		d.send(alias("a", 1, "1"), alias("b", 2, "2"), alias("", 1, "3"), alias("c", 1, "4"), alias("", 1, "5"))
		for _, want := range []string{"a1", "b2", "a3", "c4", "c5"} {
			got := listener.received()
			if got.Topic+string(got.Payload) != want || got.Properties.Has(mqtt.TopicAlias) {
				t.Errorf("got %+v, want %s", got, want)
			}
		}
		d.send(alias("denied", 2, "6"), alias("", 2, "7"))
		d.disconnected(mqtt.NotAuthorized)
		d.gone()
		listener.silent()
	})
}

func TestADeviceOfTheOldVersionIsNotSentDisconnect(t *testing.T) {
	onEveryBroker(t, func(t *testing.T, s *site) {
		for _, end := range []func(*live){
			func(d *live) { d.enforced.Kill(mqtt.AdministrativeAction) },
			func(d *live) { d.send(publish("denied", 1)) },
			// The broker takes the client id over by itself: no gateway is in front.
			func(d *live) { s.dial(scopeA, fresh(mqtt.V311, "d")) },
		} {
			d, _ := s.connect(scopeA, fresh(mqtt.V311, "d"))
			d.rights.publish = []string{"denied"}
			end(d)
			d.disconnected(0)
			d.gone()
		}
	})
}
