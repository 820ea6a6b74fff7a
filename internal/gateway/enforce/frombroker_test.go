package enforce

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

// properties builds those of a packet.
func properties(add ...mqtt.Property) (p mqtt.Properties) {
	for _, one := range add {
		p = p.Add(one)
	}
	return p
}

func TestTheBrokerGetsTheConnectThatItIsMeantTo(t *testing.T) {
	name := "aws sdk"
	r := newRig(t, func(o *Options) {
		o.Prefix, o.Username = "p/", "device 7"
		o.Connect.Username, o.Connect.Password = &name, []byte("secret")
		o.Connect.Will = &mqtt.Will{Topic: "w"}
		o.Connect.CleanStart, o.Connect.KeepAlive = false, 30
		o.Connect.Properties = mqtt.Properties{}.AddNumber(mqtt.ReceiveMaximum, 3).AddNumber(mqtt.TopicAliasMaximum, 4).
			AddNumber(mqtt.MaximumPacketSize, 100).AddNumber(mqtt.SessionExpiry, 1e6).AddUser("a", "b")
	})
	got := want[*mqtt.Connect](r.broker)
	if got.ClientID != "p/c" || got.Will != nil || got.Username == nil || *got.Username != "device 7" ||
		got.Password != nil || got.CleanStart || got.KeepAlive != 30 {
		t.Errorf("got %+v", got)
	}
	if want := (mqtt.Properties{}).AddNumber(mqtt.SessionExpiry, 3600); !slices.Equal(got.Properties, want) {
		t.Errorf("got properties %x, want %x", got.Properties, want)
	}
}

func TestTheDeviceGetsTheConnackThatHolds(t *testing.T) {
	number := func(id mqtt.PropertyID, n uint32) mqtt.Property { return mqtt.Property{ID: id, Number: n} }
	r := newRig(t, func(o *Options) {
		o.Assigned = true
		o.Connect.Properties = mqtt.Properties{}.AddNumber(mqtt.SessionExpiry, 7200)
	})
	want[*mqtt.Connect](r.broker)
	r.broker.send(&mqtt.Connack{Properties: properties(number(mqtt.ReceiveMaximum, 20), number(mqtt.TopicAliasMaximum, 10),
		number(mqtt.SharedAvailable, 0), number(mqtt.ServerKeepAlive, 9)).AddText(mqtt.ReasonString, "hello").
		AddText(mqtt.AssignedClientID, "prefixed")})
	got := want[*mqtt.Connack](r.device).Properties
	for id, n := range map[mqtt.PropertyID]uint32{
		mqtt.ReceiveMaximum: 20, mqtt.TopicAliasMaximum: 8, mqtt.SharedAvailable: 0, mqtt.ServerKeepAlive: 9,
		mqtt.MaximumQoS: 1, mqtt.MaximumPacketSize: 146 << 10, mqtt.SessionExpiry: 3600,
	} {
		if value, ok := got.Number(id); !ok || value != n {
			t.Errorf("property %#x: got %d, %v; want %d", byte(id), value, ok, n)
		}
	}
	if id, _ := got.Text(mqtt.AssignedClientID); id != "c" || got.Has(mqtt.ReasonString) {
		t.Errorf("got client id %q, properties %x", id, got)
	}
	if r.SessionExpiry() != time.Hour {
		t.Errorf("the session is stored for %v", r.SessionExpiry())
	}
}

func TestARefusalOfTheBrokerReachesTheDevice(t *testing.T) {
	for _, tt := range []struct {
		name      string
		v         mqtt.Version
		code, get mqtt.ReasonCode
	}{
		{"not authorized is nothing of the device's", mqtt.V5, mqtt.NotAuthorized, mqtt.ServerUnavailable},
		{"in 3.1.1 too", mqtt.V311, mqtt.RefusedNotAuthorized, mqtt.RefusedUnavailable},
		{"a version that the broker does not know", mqtt.V5, mqtt.UnsupportedVersion, mqtt.UnsupportedVersion},
		{"a client id that it does not like", mqtt.V311, mqtt.RefusedClientID, mqtt.RefusedClientID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Connect.Version = tt.v })
			want[*mqtt.Connect](r.broker)
			r.broker.send(&mqtt.Connack{Code: tt.code})
			if got := want[*mqtt.Connack](r.device); got.Code != tt.get {
				t.Errorf("got %v, want %v", got.Code, tt.get)
			}
			if p := r.device.next(); p != nil {
				t.Errorf("got %+v, want the end", p)
			}
			if e := r.Ended(); e.Cause != ByBroker {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestWhatADeviceIsGiven(t *testing.T) {
	text := func(id mqtt.PropertyID, s string) mqtt.Properties { return mqtt.Properties{}.AddText(id, s) }
	for _, tt := range []struct {
		name  string
		sent  mqtt.Publish
		topic string // that the device sees, or "" where it sees nothing
		props mqtt.Properties
		ack   bool // the broker is told that a message was taken
	}{
		{"a message of its own scope", mqtt.Publish{Topic: "p/a"}, "a", nil, false},
		{"none of another scope", mqtt.Publish{Topic: "q/a"}, "", nil, false},
		{"none of another scope, with QoS 1", mqtt.Publish{Topic: "q/a", QoS: 1, ID: 9}, "", nil, true},
		{"none whose topic is the prefix", mqtt.Publish{Topic: "p/"}, "", nil, false},
		{"none that it may not receive", mqtt.Publish{Topic: "p/secret", QoS: 1, ID: 9}, "", nil, true},
		{"none under $ by a wildcard", mqtt.Publish{Topic: "p/$aws/things/x", QoS: 1, ID: 9}, "", nil, true},
		{"one under $aws by name", mqtt.Publish{Topic: "p/$aws/own"}, "$aws/own", nil, false},
		{"none of the broker's own", mqtt.Publish{Topic: "p/$SYS/uptime"}, "", nil, false},
		{"a response topic of its own scope", mqtt.Publish{Topic: "p/a", Properties: text(mqtt.ResponseTopic, "p/r")}, "a",
			text(mqtt.ResponseTopic, "r"), false},
		{"no response topic of another", mqtt.Publish{Topic: "p/a", Properties: text(mqtt.ResponseTopic, "q/r")}, "a",
			nil, false},
		{"user properties as they are", mqtt.Publish{Topic: "p/a", Properties: mqtt.Properties{}.AddUser("k", "v")}, "a",
			mqtt.Properties{}.AddUser("k", "v"), false},
		{"nothing that it finds too long", mqtt.Publish{Topic: "p/a", QoS: 1, ID: 9, Payload: make([]byte, 500)}, "", nil,
			true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connected(t, func(o *Options) {
				o.Prefix = "p/"
				o.Connect.Properties = mqtt.Properties{}.AddNumber(mqtt.MaximumPacketSize, 400)
			})
			r.rights.receive = []string{"secret"}
			r.filters = []string{"#", "+/#", "$aws/own"}
			r.broker.send(&tt.sent, &mqtt.Publish{Topic: "p/after"})
			if tt.topic != "" {
				got := want[*mqtt.Publish](r.device)
				if got.Topic != tt.topic || !slices.Equal(got.Properties, tt.props) {
					t.Errorf("got %+v, want topic %q and properties %x", got, tt.topic, tt.props)
				}
			}
			if got := want[*mqtt.Publish](r.device); got.Topic != "after" {
				t.Errorf("got %+v, want the message after it", got)
			}
			r.device.send(&mqtt.Ping{Kind: mqtt.TypePingreq})
			if tt.ack {
				if got := want[*mqtt.Ack](r.broker); got.ID != 9 {
					t.Errorf("got %+v", got)
				}
			}
			want[*mqtt.Ping](r.broker)
		})
	}
}

func TestAnAcknowledgementThatIsInjectedWakesTheBroker(t *testing.T) {
	r := connected(t, nil)
	r.rights.receive = []string{"secret"}
	for i := range uint16(300) {
		got := make(chan mqtt.Packet)
		go func() { got <- r.broker.next() }()
		time.Sleep(time.Duration(i%3) * 100 * time.Microsecond) // Before the broker reads, while it does, and after.
		r.broker.send(publish("secret", i+1))
		if a, ok := (<-got).(*mqtt.Ack); !ok || a.ID != i+1 {
			t.Fatalf("got %+v, want the PUBACK of %d", a, i+1)
		}
	}
	r.device.send(&mqtt.Ping{Kind: mqtt.TypePingreq})
	want[*mqtt.Ping](r.broker)
}

func TestWhatABrokerMustNotSendEndsTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		sent mqtt.Packet
	}{
		{"QoS 2", &mqtt.Publish{Topic: "a", QoS: 2, ID: 1}},
		{"a topic alias", &mqtt.Publish{Topic: "a", Properties: mqtt.Properties{}.AddNumber(mqtt.TopicAlias, 1)}},
		{"a second CONNACK", &mqtt.Connack{}},
		{"PUBREL", &mqtt.Ack{Kind: mqtt.TypePubrel, ID: 1}},
		{"CONNECT", &mqtt.Connect{Version: mqtt.V5}},
		{"PINGREQ", &mqtt.Ping{Kind: mqtt.TypePingreq}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connected(t, nil)
			if _, err := r.Write(encoded(t, mqtt.V5, tt.sent)); err == nil {
				t.Error("the broker was not told")
			}
			r.device.disconnected(mqtt.UnspecifiedError)
			if e := r.Ended(); e.Cause != BrokerViolation || !e.Will {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestTheWindowIsTheSmallerOfBoth(t *testing.T) {
	r := connected(t, func(o *Options) {
		o.Limits.Window = 5
		o.Connect.Properties = mqtt.Properties{}.AddNumber(mqtt.ReceiveMaximum, 3)
	})
	for id := range uint16(10) {
		r.broker.send(publish("a", id+1))
	}
	r.broker.send(publish("not counted", 0))
	for _, id := range []uint16{1, 2, 3, 0} {
		if got := want[*mqtt.Publish](r.device); got.ID != id {
			t.Fatalf("got %+v, want %d", got, id)
		}
	}
	for id := range uint16(7) {
		r.device.send(&mqtt.Ack{Kind: mqtt.TypePuback, ID: id + 1}, &mqtt.Ack{Kind: mqtt.TypePuback, ID: 999})
		if got := want[*mqtt.Ack](r.broker); got.ID != id+1 {
			t.Errorf("the broker got %+v", got)
		}
		if got := want[*mqtt.Publish](r.device); got.ID != id+4 {
			t.Fatalf("got %+v, want %d", got, id+4)
		}
	}
}

func TestAQueueThatIsFullEndsTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits func(*Limits)
	}{
		{"of messages", func(l *Limits) { l.QueueMessages = 50 }},
		{"of bytes", func(l *Limits) { l.QueueBytes = 5_000 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connected(t, func(o *Options) {
				o.Limits.Window = 1
				tt.limits(&o.Limits)
			})
			p := publish("a", 0)
			p.QoS, p.Payload = 1, []byte(strings.Repeat("x", 100))
			for id := range uint16(60) {
				p.ID = id + 1
				if _, err := r.Write(encoded(t, mqtt.V5, p)); err != nil {
					break
				}
			}
			last := r.device.next()
			if _, ok := last.(*mqtt.Publish); ok { // The one that the window has room for.
				last = r.device.next()
			}
			if d, ok := last.(*mqtt.Disconnect); !ok || d.Code != mqtt.QuotaExceeded || r.device.next() != nil {
				t.Errorf("got %+v, want DISCONNECT and the end", last)
			}
			if e := r.Ended(); e.Cause != QueueFull || e.Disconnect() != "THROTTLED" {
				t.Errorf("got %+v", e)
			}
		})
	}
}
