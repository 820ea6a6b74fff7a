package cordontest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// The behaviours of MQTT that the interoperability tests of Eclipse Paho try, as
// far as AWS IoT has them, seen by a device at the gateway of a whole Cordon.
// Wherever nothing must come, something that must is sent behind it.

// visit is a device at a Cordon in one version of MQTT.
type visit struct {
	*testing.T
	c      *cordontest.Cordon
	device *cordontest.Device
	v      mqtt.Version
	topic  string // below which nobody else is
}

func TestBehaviours(t *testing.T) {
	t.Parallel()
	behave(t, cordontest.Settings(t, "sqlite"))
}

func TestBehavioursBeforeMosquitto(t *testing.T) {
	t.Parallel()
	cfg := cordontest.Settings(t, "sqlite")
	cfg.Broker = "tcp://" + mosquitto(t)
	behave(t, cfg)
}

// mosquitto starts a Mosquitto that ends with the test, and returns where it
// listens. It keeps as many messages as are sent, and sends a message for each of
// the subscriptions that cover it, for otherwise it would send one to devices of
// 3.1.1 at the QoS of whichever it finds first.
func mosquitto(t *testing.T) string {
	t.Helper()
	program := cordontest.Mosquitto(t)
	for range 5 { // Somebody else may take the port in between.
		dir, port := cordontest.ProgramDir(t), cordontest.FreePort(t)
		settings := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"+
			"allow_duplicate_messages true\n", port)
		if err := os.WriteFile(filepath.Join(dir, "mosquitto.conf"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		cordontest.StartProgram(t, dir, nil, program, "-c", "mosquitto.conf")
		address := fmt.Sprintf("127.0.0.1:%d", port)
		for end := time.Now().Add(cordontest.Deadline / 10); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); err == nil {
				_ = c.Close()
				return address
			}
		}
	}
	t.Fatal("Mosquitto did not start")
	return ""
}

// behave runs each behaviour in each version that has it.
func behave(t *testing.T, cfg config.Config) {
	c := cordontest.Start(t, cfg, server.Options{})
	cordontest.Policy(t, c.IoT(), "All", cordontest.AllowAll)
	device := cordontest.NewDevice(t, c.IoT(), "All")
	for i, b := range []struct {
		name string
		run  func(v *visit)
		only mqtt.Version
	}{
		{"a clean start forgets the session", (*visit).cleanStart, 0},
		{"a will is sent when the connection is lost, and not after a DISCONNECT", (*visit).will, 0},
		{"a DISCONNECT can ask for the will", (*visit).askedWill, mqtt.V5},
		{"a will waits for its delay, and a device that is back in time takes it away", (*visit).willDelay, mqtt.V5},
		{"a retained message comes with the subscription, until it is taken away", (*visit).retained, 0},
		{"a subscription says what it wants of retained messages", (*visit).retainHandling, mqtt.V5},
		{"overlapping subscriptions give a message at the highest QoS of them", (*visit).overlapping, 0},
		{"subscription identifiers come with the message", (*visit).subscriptionIdentifiers, mqtt.V5},
		{"who is silent for longer than the keep-alive is disconnected", (*visit).keepAlive, 0},
		{"the newer of two devices with one client id wins", (*visit).takeOver, 0},
		{"what was not acknowledged comes again after a reconnect", (*visit).redelivery, 0},
		{"messages wait for a device that is away, in their order", (*visit).offline, 0},
		{"a session ends when it expires", (*visit).sessionExpiry, mqtt.V5},
		{"a session ends with the connection unless it asks for more", (*visit).sessionEnds, mqtt.V5},
		{"members of a shared subscription share its messages", (*visit).shared, 0},
		{"a topic alias stands for its topic", (*visit).topicAlias, mqtt.V5},
		{"an alias that is too high ends the connection", (*visit).topicAliasTooHigh, mqtt.V5},
		{"properties of a message reach who hears it", (*visit).properties, mqtt.V5},
		{"a device gets no more than it can take at once", (*visit).receiveMaximum, mqtt.V5},
		{"no messages come after an UNSUBSCRIBE", (*visit).unsubscribe, 0},
		{"who asks for no local messages hears no message of its own", (*visit).noLocal, mqtt.V5},
		{"wildcards do not cover topics that begin with $", (*visit).dollar, 0},
		{"empty levels are levels", (*visit).emptyLevels, 0},
		{"QoS 2 is not had", (*visit).qos2, 0},
		{"an empty client id is given a name", (*visit).emptyID, 0},
	} {
		for v, name := range map[mqtt.Version]string{mqtt.V311: "in 3.1.1", mqtt.V5: "in 5"} {
			if b.only != 0 && b.only != v {
				continue
			}
			t.Run(b.name+" "+name, func(t *testing.T) {
				t.Parallel()
				b.run(&visit{T: t, c: c, device: device, v: v, topic: fmt.Sprintf("t%d-%d", v, i)})
			})
		}
	}
}

// connect is a CONNECT of a clean session.
func (v *visit) connect(id string) *mqtt.Connect {
	return cordontest.Hello(v.v, v.topic+"-"+id)
}

// stay is a CONNECT of a session that outlives its connections.
func (v *visit) stay(id string) *mqtt.Connect {
	c := v.connect(id)
	c.CleanStart = false
	if v.v == mqtt.V5 {
		c.Properties = c.Properties.AddNumber(mqtt.SessionExpiry, 600)
	}
	return c
}

func (v *visit) enter(c *mqtt.Connect) *mqtttest.Client {
	v.Helper()
	return v.c.MustConnect(v, v.device, c)
}

func (v *visit) in(id string) *mqtttest.Client { return v.enter(v.connect(id)) }

func (v *visit) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

func (v *visit) subscribe(c *mqtttest.Client, qos byte, filters ...string) {
	v.Helper()
	codes, err := c.Subscribe(qos, filters...)
	v.must(err)
	for i, code := range codes {
		if code != mqtt.ReasonCode(qos) {
			v.Fatalf("subscribing to %s was answered with %s", filters[i], code)
		}
	}
}

// hears fails unless the next messages have these payloads.
func (v *visit) hears(c *mqtttest.Client, payloads ...string) (last mqtt.Publish) {
	v.Helper()
	for _, want := range payloads {
		m, err := c.Message()
		v.must(err)
		if string(m.Payload) != want {
			v.Fatalf("got %q, want %q", m.Payload, want)
		}
		last = m
	}
	return last
}

// lost is the end of a connection as a network makes it.
func (v *visit) lost(c *mqtttest.Client) { v.must(c.Conn.Close()) }

// ends fails unless connections that do something end with this reason code in
// MQTT 5. A DISCONNECT that could not be written at once is not written at all,
// which is seen on a busy machine: one of some attempts must have it, and none
// another.
func (v *visit) ends(want mqtt.ReasonCode, attempt func() *mqtttest.Client) {
	v.Helper()
	for range 20 {
		code, err := attempt().Ended()
		v.must(err)
		if v.v != mqtt.V5 || code == want {
			return
		}
		if code != 0 {
			v.Fatalf("the DISCONNECT says %s, want %s", code, want)
		}
	}
	v.Fatalf("no DISCONNECT with %s came", want)
}

func (v *visit) session(c *mqtttest.Client, want bool) {
	v.Helper()
	if got := c.Connack.SessionPresent; got != want {
		v.Fatalf("the CONNACK of a session that is there says so: got %v, want %v", got, want)
	}
}

func (v *visit) cleanStart() {
	other := v.in("other")
	c := v.enter(v.stay("c"))
	v.session(c, false)
	v.subscribe(c, 1, v.topic)
	v.must(c.Disconnect())
	c = v.enter(v.stay("c"))
	v.session(c, true)
	v.must(other.Publish(v.topic, "kept", 1))
	v.hears(c, "kept")
	v.must(c.Disconnect())

	c = v.in("c")
	v.session(c, false)
	v.must(other.Publish(v.topic, "gone", 1))
	v.subscribe(c, 1, v.topic+"/new")
	v.must(other.Publish(v.topic+"/new", "new", 1))
	v.hears(c, "new")
}

func (v *visit) willOf(id, payload string) *mqtt.Connect {
	c := v.connect(id)
	c.Will = &mqtt.Will{Topic: v.topic + "/will", Payload: []byte(payload), QoS: 1}
	return c
}

func (v *visit) will() {
	hearing := v.in("hearing")
	v.subscribe(hearing, 1, v.topic+"/will")
	polite := v.enter(v.willOf("polite", "of the polite"))
	v.must(polite.Disconnect())
	v.lost(v.enter(v.willOf("lost", "of the lost")))
	v.hears(hearing, "of the lost")

	kept := v.willOf("kept", "retained")
	kept.Will.Retain = true
	v.lost(v.enter(kept))
	v.hears(hearing, "retained")
	later := v.in("later")
	v.subscribe(later, 1, v.topic+"/will")
	if m := v.hears(later, "retained"); !m.Retain {
		v.Error("the will was not retained")
	}
}

func (v *visit) askedWill() {
	hearing := v.in("hearing")
	v.subscribe(hearing, 1, v.topic+"/will")
	c := v.enter(v.willOf("c", "asked for"))
	v.must(c.Send(&mqtt.Disconnect{Code: mqtt.DisconnectWithWill}))
	v.hears(hearing, "asked for")
}

func (v *visit) willDelay() {
	hearing := v.in("hearing")
	v.subscribe(hearing, 1, v.topic+"/will")
	delayed := func(id string, delay uint32) *mqtt.Connect {
		c := v.willOf(id, "of "+id)
		c.Properties = c.Properties.AddNumber(mqtt.SessionExpiry, 600)
		c.Will.Properties = c.Will.Properties.AddNumber(mqtt.WillDelay, delay)
		return c
	}
	v.lost(v.enter(delayed("back", 3)))
	back := delayed("back", 3)
	back.CleanStart, back.Will = false, nil
	c := v.enter(back)
	began := time.Now()
	v.lost(v.enter(delayed("late", 4)))
	v.hears(hearing, "of late")
	if waited := time.Since(began); waited < 4*time.Second {
		v.Errorf("the will came after %s, want 4 s", waited)
	}
	v.must(c.Ping())
}

func (v *visit) retained() {
	c := v.in("c")
	v.subscribe(c, 1, v.topic+"/live")
	retain := func(topic, payload string) {
		v.Helper()
		v.must(c.Send(&mqtt.Publish{Topic: topic, Payload: []byte(payload), QoS: 1, ID: 9, Retain: true}))
	}
	retain(v.topic+"/live", "live")
	if m := v.hears(c, "live"); m.Retain {
		v.Error("a message to who subscribed before is marked as retained")
	}
	retain(v.topic+"/live", "newer")
	v.hears(c, "newer")
	later := v.in("later")
	v.subscribe(later, 1, v.topic+"/+")
	if m := v.hears(later, "newer"); !m.Retain {
		v.Error("a retained message is not marked as such")
	}
	retain(v.topic+"/live", "")
	v.hears(c, "")
	last := v.in("last")
	v.subscribe(last, 1, v.topic+"/#")
	v.must(c.Publish(v.topic+"/other", "nothing before this", 1))
	v.hears(last, "nothing before this")
}

func (v *visit) retainHandling() {
	c := v.in("c")
	v.must(c.Send(&mqtt.Publish{Topic: v.topic, Payload: []byte("old"), QoS: 1, ID: 9, Retain: true}))
	v.must(c.Ping())
	ask := func(c *mqtttest.Client, s mqtt.Subscription) {
		v.Helper()
		s.Filter, s.QoS = v.topic, 1
		v.must(c.Send(&mqtt.Subscribe{ID: 100, Filters: []mqtt.Subscription{s}}))
		v.must(c.Ping())
	}
	never := v.in("never")
	ask(never, mqtt.Subscription{RetainHandling: 2})
	once := v.in("once")
	ask(once, mqtt.Subscription{RetainHandling: 1})
	v.hears(once, "old")
	ask(once, mqtt.Subscription{RetainHandling: 1})
	published := v.in("published")
	ask(published, mqtt.Subscription{RetainHandling: 2, RetainAsPublished: true})
	v.must(c.Send(&mqtt.Publish{Topic: v.topic, Payload: []byte("new"), QoS: 1, ID: 10, Retain: true}))
	if m := v.hears(never, "new"); m.Retain {
		v.Error("a message is marked as retained for who did not ask for it")
	}
	v.hears(once, "new")
	if m := v.hears(published, "new"); !m.Retain {
		v.Error("a message is not marked as retained for who asked for it as published")
	}
}

func (v *visit) overlapping() {
	c := v.in("c")
	v.subscribe(c, 0, v.topic+"/+")
	v.subscribe(c, 1, v.topic+"/#")
	other := v.in("other")
	v.must(other.Publish(v.topic+"/a", "both", 1))
	v.must(other.Publish(v.topic+"/a/b", "end", 1))
	var qos []byte
	for {
		m, err := c.Message()
		v.must(err)
		if string(m.Payload) == "end" {
			break
		}
		qos = append(qos, m.QoS)
	}
	if !slices.Contains(qos, 1) || len(qos) > 2 { // [MQTT-3.3.4-2]: once, or once for each of them
		v.Errorf("a message that two subscriptions cover came with QoS %v", qos)
	}
}

func (v *visit) subscriptionIdentifiers() {
	c := v.in("c")
	v.must(c.Send(&mqtt.Subscribe{ID: 100, Properties: mqtt.Properties{}.AddNumber(mqtt.SubscriptionIdentifier, 300),
		Filters: []mqtt.Subscription{{Filter: v.topic, QoS: 1}}}))
	v.must(c.Publish(v.topic, "x", 1))
	if n, _ := v.hears(c, "x").Properties.Number(mqtt.SubscriptionIdentifier); n != 300 {
		v.Errorf("got subscription identifier %d, want 300", n)
	}
}

func (v *visit) keepAlive() {
	hearing := v.in("hearing")
	v.subscribe(hearing, 1, v.topic+"/will")
	silent := v.willOf("silent", "silent")
	silent.KeepAlive = 2
	began := time.Now()
	v.ends(mqtt.KeepAliveTimeout, func() *mqtttest.Client { return v.enter(silent) })
	if waited := time.Since(began); waited < 2*time.Second {
		v.Errorf("the connection ended after %s, before the keep-alive of 2 s", waited)
	}
	v.hears(hearing, "silent")
}

func (v *visit) takeOver() {
	var newer *mqtttest.Client
	v.ends(mqtt.SessionTakenOver, func() *mqtttest.Client {
		older := v.in("c")
		newer = v.in("c")
		return older
	})
	v.subscribe(newer, 1, v.topic)
	v.must(newer.Publish(v.topic, "x", 1))
	v.hears(newer, "x")
}

func (v *visit) redelivery() {
	c := v.enter(v.stay("c"))
	v.subscribe(c, 1, v.topic)
	v.must(v.in("other").Publish(v.topic, "x", 1))
	p, err := c.Next()
	v.must(err)
	if m, ok := p.(*mqtt.Publish); !ok || m.Dup || string(m.Payload) != "x" {
		v.Fatalf("got %+v", p)
	}
	v.lost(c) // without an acknowledgement
	c = v.enter(v.stay("c"))
	v.session(c, true)
	if m := v.hears(c, "x"); !m.Dup { // [MQTT-3.3.1-1]
		v.Error("the message is not marked as a duplicate")
	}
	v.must(c.Ping())
	v.must(c.Disconnect())
	c = v.enter(v.stay("c"))
	v.must(v.in("other").Publish(v.topic, "y", 1))
	v.hears(c, "y")
}

func (v *visit) offline() {
	c := v.enter(v.stay("c"))
	v.subscribe(c, 1, v.topic)
	v.must(c.Disconnect())
	other := v.in("other")
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprint(i))
		v.must(other.Publish(v.topic, want[i], 1))
	}
	c = v.enter(v.stay("c"))
	v.session(c, true)
	v.hears(c, want...)
	v.must(other.Publish(v.topic, "live", 1))
	v.hears(c, "live")
}

func (v *visit) sessionExpiry() {
	short := v.stay("c")
	short.Properties = mqtt.Properties{}.AddNumber(mqtt.SessionExpiry, 1)
	v.must(v.enter(short).Disconnect())
	for pause := 1200 * time.Millisecond; ; pause *= 2 { // A reconnect begins the second anew.
		time.Sleep(pause)
		c := v.enter(short)
		present := c.Connack.SessionPresent
		v.must(c.Disconnect())
		if !present {
			return
		}
		if pause > time.Minute {
			v.Fatal("a session of a second is still there")
		}
	}
}

func (v *visit) sessionEnds() {
	c := v.stay("c")
	c.Properties = nil
	v.must(v.enter(c).Disconnect())
	v.session(v.enter(c), false)

	long := v.stay("d")
	d := v.enter(long)
	v.must(d.Send(&mqtt.Disconnect{Properties: mqtt.Properties{}.AddNumber(mqtt.SessionExpiry, 0)}))
	_, err := d.Ended()
	v.must(err)
	v.session(v.enter(long), false)
}

func (v *visit) shared() {
	const members, messages = 3, 30
	var all []*mqtttest.Client
	for i := range members {
		c := v.in(fmt.Sprint("member", i))
		v.subscribe(c, 1, "$share/g/"+v.topic+"/+")
		all = append(all, c)
	}
	whole := v.in("whole")
	v.subscribe(whole, 1, v.topic+"/+")
	other := v.in("other")
	for i := range messages {
		v.must(other.Publish(v.topic+"/x", fmt.Sprint(i), 1))
	}
	for i := range messages {
		v.hears(whole, fmt.Sprint(i))
	}
	// An answer to a PINGREQ may overtake a message that waits to be written.
	heard := map[string]int{}
	cordontest.Await(v.T, "the members have all messages", func() bool {
		clear(heard)
		for _, c := range all {
			v.must(c.Ping())
			for _, m := range c.Inbox {
				heard[string(m.Payload)]++
			}
		}
		return len(heard) == messages
	})
	for i := range messages {
		if n := heard[fmt.Sprint(i)]; n != 1 {
			v.Errorf("message %d came to %d members, want one", i, n)
		}
	}
}

func (v *visit) topicAlias() {
	c, other := v.in("c"), v.in("other")
	v.subscribe(other, 1, v.topic+"/#")
	most, ok := c.Connack.Properties.Number(mqtt.TopicAliasMaximum)
	if !ok || most == 0 {
		v.Fatalf("the CONNACK allows %d topic aliases", most)
	}
	alias := func(topic, payload string, n uint32) {
		v.Helper()
		v.must(c.Send(&mqtt.Publish{Topic: topic, Payload: []byte(payload),
			Properties: mqtt.Properties{}.AddNumber(mqtt.TopicAlias, n)}))
	}
	heard := func(topic, payload string) {
		v.Helper()
		m := v.hears(other, payload)
		if m.Topic != topic || m.Properties.Has(mqtt.TopicAlias) {
			v.Errorf("got topic %q and properties %x, want %q", m.Topic, m.Properties, topic)
		}
	}
	alias(v.topic+"/a", "names it", 1)
	heard(v.topic+"/a", "names it")
	alias("", "by alias", 1)
	heard(v.topic+"/a", "by alias")
	alias(v.topic+"/b", "names another", 1)
	heard(v.topic+"/b", "names another")
	alias("", "by alias", 1)
	heard(v.topic+"/b", "by alias")
	alias(v.topic+"/last", "the last one", most)
	heard(v.topic+"/last", "the last one")
	v.ends(mqtt.ProtocolError, func() *mqtttest.Client { // 3.3.2.3.4
		c := v.in("unknown")
		v.must(c.Send(&mqtt.Publish{Properties: mqtt.Properties{}.AddNumber(mqtt.TopicAlias, 1)}))
		return c
	})
}

func (v *visit) topicAliasTooHigh() {
	v.ends(mqtt.TopicAliasInvalid, func() *mqtttest.Client {
		c := v.in("c")
		most, _ := c.Connack.Properties.Number(mqtt.TopicAliasMaximum)
		v.must(c.Send(&mqtt.Publish{Topic: v.topic, Properties: mqtt.Properties{}.AddNumber(mqtt.TopicAlias, most+1)}))
		return c
	})
}

func (v *visit) properties() {
	c := v.in("c")
	v.subscribe(c, 1, v.topic)
	sent := mqtt.Properties{}.AddNumber(mqtt.PayloadFormat, 1).AddText(mqtt.ContentType, "text/plain").
		AddText(mqtt.ResponseTopic, v.topic+"/answer").
		Add(mqtt.Property{ID: mqtt.CorrelationData, Bytes: []byte{0, 1, 0xff}}).
		AddUser("k", "1").AddUser("k", "2").AddUser("", "")
	v.must(c.Send(&mqtt.Publish{Topic: v.topic, Payload: []byte("x"), QoS: 1, ID: 9, Properties: sent}))
	got := v.hears(c, "x").Properties
	for p := range sent.All() {
		found := false
		for q := range got.All() {
			found = found || p.ID == q.ID && p.Number == q.Number && string(p.Bytes) == string(q.Bytes) &&
				string(p.Value) == string(q.Value)
		}
		if !found {
			v.Errorf("property %+v is not among those that came: %x", p, got)
		}
	}
	var values []string
	for name, value := range got.User() {
		if name == "k" {
			values = append(values, value)
		}
	}
	if strings.Join(values, " ") != "1 2" {
		v.Errorf("got user properties %q, want them in their order", values)
	}
}

func (v *visit) receiveMaximum() {
	one := v.connect("c")
	one.Properties = one.Properties.AddNumber(mqtt.ReceiveMaximum, 1)
	c := v.enter(one)
	v.subscribe(c, 1, v.topic)
	other := v.in("other")
	for i := range 5 {
		v.must(other.Publish(v.topic, fmt.Sprint(i), 1))
	}
	for i := range 5 {
		p, err := c.Next()
		v.must(err)
		m, ok := p.(*mqtt.Publish)
		if !ok || string(m.Payload) != fmt.Sprint(i) {
			v.Fatalf("got %+v, want message %d", p, i)
		}
		id := m.ID
		v.must(c.Send(&mqtt.Ping{Kind: mqtt.TypePingreq}))
		if p, err = c.Next(); err != nil || p.Type() != mqtt.TypePingresp {
			v.Fatalf("got %+v, %v before message %d was acknowledged", p, err, i)
		}
		v.must(c.Send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: id}))
	}
}

func (v *visit) unsubscribe() {
	c := v.in("c")
	v.subscribe(c, 1, v.topic+"/a", v.topic+"/b")
	v.must(c.Send(&mqtt.Unsubscribe{ID: 100, Filters: []string{v.topic + "/a", v.topic + "/never"}}))
	p, err := c.Next()
	v.must(err)
	ack, ok := p.(*mqtt.Suback)
	if !ok || ack.Kind != mqtt.TypeUnsuback || ack.ID != 100 {
		v.Fatalf("got %+v", p)
	}
	want := []mqtt.ReasonCode{mqtt.Success, mqtt.NoSubscriptionExisted}
	if v.v == mqtt.V5 && !slices.Equal(ack.Codes, want) {
		v.Errorf("got %v, want %v", ack.Codes, want)
	}
	other := v.in("other")
	v.must(other.Publish(v.topic+"/a", "a", 1))
	v.must(other.Publish(v.topic+"/b", "b", 1))
	v.hears(c, "b")
}

func (v *visit) noLocal() {
	c := v.in("c")
	v.must(c.Send(&mqtt.Subscribe{ID: 100, Filters: []mqtt.Subscription{{Filter: v.topic, QoS: 1, NoLocal: true}}}))
	v.must(c.Publish(v.topic, "its own", 1))
	v.must(v.in("other").Publish(v.topic, "of another", 1))
	v.hears(c, "of another")
}

func (v *visit) dollar() {
	c := v.in("c")
	v.subscribe(c, 1, "#", "+/"+v.topic)
	other := v.in("other") // whose coming is told on $aws/events/presence
	v.must(other.Publish(v.topic, "mine", 1))
	for {
		m, err := c.Message()
		v.must(err)
		if strings.HasPrefix(m.Topic, "$") {
			v.Fatalf("# covers %s", m.Topic)
		}
		if m.Topic == v.topic {
			return
		}
	}
}

func (v *visit) emptyLevels() {
	c := v.in("c")
	v.subscribe(c, 1, v.topic+"/+/x")
	v.must(c.Publish(v.topic+"/x", "none", 1))
	v.must(c.Publish(v.topic+"//x", "empty", 1))
	if m := v.hears(c, "empty"); m.Topic != v.topic+"//x" {
		v.Errorf("got the topic %q", m.Topic)
	}
}

func (v *visit) qos2() {
	c := v.in("c")
	if n, ok := c.Connack.Properties.Number(mqtt.MaximumQoS); v.v == mqtt.V5 && (!ok || n != 1) {
		v.Errorf("the CONNACK says a maximum QoS of %d", n)
	}
	codes, err := c.Subscribe(2, v.topic)
	v.must(err)
	if codes[0] != 1 {
		v.Errorf("a subscription of QoS 2 was answered with %s, want 1", codes[0])
	}
	v.ends(mqtt.QoSNotSupported, func() *mqtttest.Client {
		c := v.in("c")
		v.must(c.Send(&mqtt.Publish{Topic: v.topic, QoS: 2, ID: 9}))
		return c
	})
}

func (v *visit) emptyID() {
	c := v.connect("")
	c.ClientID = ""
	one, two := v.enter(c), v.enter(c)
	if v.v == mqtt.V5 {
		a, _ := one.Connack.Properties.Text(mqtt.AssignedClientID)
		b, _ := two.Connack.Properties.Text(mqtt.AssignedClientID)
		if a == "" || a == b {
			v.Errorf("two devices were given the names %q and %q", a, b)
		}
	}
	v.must(one.Ping())
	v.must(two.Ping())
	c.CleanStart = false
	client, err := v.c.Connect(v, v.device, c)
	switch {
	case v.v == mqtt.V5:
	case errors.Is(err, io.EOF):
	case err != nil || client.Connack.Code == mqtt.Success: // [MQTT-3.1.3-8] of 3.1.1
		v.Errorf("a session without a name was not refused: %v", err)
	}
}
