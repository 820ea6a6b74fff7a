package enforce

import (
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/mqtt"
)

func TestWhatADeviceMayPublish(t *testing.T) {
	alias := func(topic string, n uint32) *mqtt.Publish {
		return &mqtt.Publish{Topic: topic, Properties: mqtt.Properties{}.AddNumber(mqtt.TopicAlias, n)}
	}
	for _, tt := range []struct {
		name    string
		packets []mqtt.Packet
		passed  []string // topics that the broker sees
		code    mqtt.ReasonCode
	}{
		{"an allowed message passes", []mqtt.Packet{publish("a", 0), publish("b", 7)}, []string{"a", "b"}, 0},
		{"a denied one ends the connection", []mqtt.Packet{publish("a", 1), publish("denied", 2)}, []string{"a"},
			mqtt.NotAuthorized},
		{"retaining is a right of its own", []mqtt.Packet{&mqtt.Publish{Topic: "plain", Retain: true}}, nil,
			mqtt.NotAuthorized},
		{"an alias stands for its topic", []mqtt.Packet{alias("a", 8), alias("", 8)}, []string{"a", "a"}, 0},
		{"a denied topic is denied by its alias", []mqtt.Packet{alias("a", 1), alias("b", 2), alias("denied", 1)},
			[]string{"a", "b"}, mqtt.NotAuthorized},
		{"an alias that was never set", []mqtt.Packet{alias("", 1)}, nil, mqtt.ProtocolError},
		{"an alias above the maximum", []mqtt.Packet{alias("a", 9)}, nil, mqtt.TopicAliasInvalid},
		{"QoS 2", []mqtt.Packet{&mqtt.Publish{Topic: "a", QoS: 2, ID: 1}}, nil, mqtt.QoSNotSupported},
		{"a topic of 257 bytes", []mqtt.Packet{publish(long, 0)}, nil, mqtt.TopicNameInvalid},
		{"eight slashes", []mqtt.Packet{publish("1/2/3/4/5/6/7/8", 0), publish("1/2/3/4/5/6/7/8/9", 0)},
			[]string{"1/2/3/4/5/6/7/8"}, mqtt.TopicNameInvalid},
		{"basic ingest has three more", []mqtt.Packet{publish("$aws/rules/r/2/3/4/5/6/7/8/9", 0)},
			[]string{"$aws/rules/r/2/3/4/5/6/7/8/9"}, 0},
		{"too long a payload", []mqtt.Packet{&mqtt.Publish{Topic: "a", Payload: make([]byte, 128<<10+1)}}, nil,
			mqtt.PacketTooLarge},
		{"too long a packet", []mqtt.Packet{&mqtt.Publish{Topic: "a", Payload: make([]byte, 150<<10)}}, nil,
			mqtt.PacketTooLarge},
		{"a subscription identifier", []mqtt.Packet{&mqtt.Publish{Topic: "a",
			Properties: mqtt.Properties{}.AddNumber(mqtt.SubscriptionIdentifier, 1)}}, nil, mqtt.ProtocolError},
		{"a shadow", []mqtt.Packet{publish("$aws/things/t/shadow/update", 0)}, []string{"$aws/things/t/shadow/update"}, 0},
		{"an event of AWS's own", []mqtt.Packet{publish("$aws/events/presence/connected/c", 0)}, nil, mqtt.NotAuthorized},
		{"what brokers say of themselves", []mqtt.Packet{publish("$SYS/broker/uptime", 0)}, nil, mqtt.NotAuthorized},
		{"a second CONNECT", []mqtt.Packet{&mqtt.Connect{Version: mqtt.V5, ClientID: "c"}}, nil, mqtt.ProtocolError},
		{"AUTH", []mqtt.Packet{&mqtt.Auth{Code: 0x18, Properties: mqtt.Properties{}.AddText(mqtt.AuthMethod, "m")}}, nil,
			mqtt.ProtocolError},
		{"PUBREC", []mqtt.Packet{&mqtt.Ack{Kind: mqtt.TypePubrec, ID: 1}}, nil, mqtt.ProtocolError},
		{"what a broker sends", []mqtt.Packet{&mqtt.Ping{Kind: mqtt.TypePingresp}}, nil, mqtt.ProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connected(t, nil)
			r.rights.publish = []string{"denied", "retained plain"}
			if tt.code == 0 {
				tt.packets = append(tt.packets, &mqtt.Disconnect{})
			}
			raw := encoded(t, mqtt.V5, tt.packets...)
			go func() { _, _ = r.device.conn.Write(raw) }() // The end of the connection may come first.
			var passed []string
			for p := r.broker.next(); p != nil; p = r.broker.next() {
				switch p := p.(type) {
				case *mqtt.Publish:
					passed = append(passed, p.Topic)
				case *mqtt.Disconnect:
				default:
					t.Errorf("the broker got %+v", p)
				}
			}
			if !slices.Equal(passed, tt.passed) {
				t.Errorf("the broker got %q, want %q", passed, tt.passed)
			}
			if tt.code != 0 {
				r.device.disconnected(tt.code)
			}
			if e := r.Ended(); e.Will != (tt.code != 0) || tt.code != 0 && e.Code != tt.code {
				t.Errorf("got %+v", e)
			}
		})
	}
}
