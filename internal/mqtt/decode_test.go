package mqtt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// packet turns hex with spaces and quoted text ('MQTT') into bytes.
func packet(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", part, err)
		}
		out = append(out, raw...)
	}
	return out
}

// body turns the same into a frame whose length is right.
func frame(t testing.TB, first byte, s string) Frame {
	return Frame{Type: Type(first >> 4), Flags: first & 15, Body: packet(t, s)}
}

func code(err error) ReasonCode {
	var wrong *Error
	if errors.As(err, &wrong) {
		return wrong.Code
	}
	return Success
}

// sample is a packet with its bytes.
type sample struct {
	name  string
	v     Version
	first byte
	body  string
	want  Packet
}

func samples(t testing.TB) []sample {
	name := "n"
	return []sample{
		{"the shortest CONNECT", V311, 0x10, "0004 'MQTT' 04 02 003c 0000",
			&Connect{Version: V311, CleanStart: true, KeepAlive: 60}},
		{"a CONNECT with everything", V311, 0x10, "0004 'MQTT' 04 ec 0000 0001 'c' 0001 'w' 0002 'hi' 0001 'n' 0001 'p'",
			&Connect{Version: V311, ClientID: "c", Will: &Will{Topic: "w", Payload: []byte("hi"), QoS: 1, Retain: true},
				Username: &name, Password: []byte("p")}},
		{"an empty password is a password", V311, 0x10, "0004 'MQTT' 04 c2 0000 0000 0001 'n' 0000",
			&Connect{Version: V311, CleanStart: true, Username: &name, Password: []byte{}}},
		{"a password without a name, in 5", V5, 0x10, "0004 'MQTT' 05 42 0000 00 0000 0001 'p'",
			&Connect{Version: V5, CleanStart: true, Password: []byte("p")}},
		{"properties of CONNECT and will", V5, 0x10,
			"0004 'MQTT' 05 06 0000 05 11 0000000a 0001 'c' 05 18 00000003 0001 'w' 0000",
			&Connect{Version: V5, CleanStart: true, ClientID: "c", Properties: packet(t, "11 0000000a"),
				Will: &Will{Topic: "w", Payload: []byte{}, Properties: packet(t, "18 00000003")}}},
		{"a CONNACK", V311, 0x20, "01 00", &Connack{SessionPresent: true}},
		{"a refusal", V311, 0x20, "00 05", &Connack{Code: RefusedNotAuthorized}},
		{"a CONNACK of 5", V5, 0x20, "00 87 04 1f 0001 'x'",
			&Connack{Code: NotAuthorized, Properties: packet(t, "1f 0001 'x'")}},
		{"a PUBLISH of QoS 0", V311, 0x31, "0003 'a/b' 'x'", &Publish{Retain: true, Topic: "a/b", Payload: []byte("x")}},
		{"a PUBLISH again", V311, 0x3a, "0001 'a' 0007", &Publish{Dup: true, QoS: 1, ID: 7, Topic: "a", Payload: []byte{}}},
		{"a PUBLISH of QoS 2", V5, 0x34, "0001 'a' 0007 00 'x'", &Publish{QoS: 2, ID: 7, Topic: "a", Payload: []byte("x")}},
		{"a topic alias instead of a topic", V5, 0x30, "0000 03 23 0001",
			&Publish{Properties: packet(t, "23 0001"), Payload: []byte{}}},
		{"several subscription identifiers", V5, 0x30, "0001 'a' 04 0b 01 0b 02",
			&Publish{Topic: "a", Properties: packet(t, "0b 01 0b 02"), Payload: []byte{}}},
		{"a PUBACK", V311, 0x40, "0102", &Ack{Kind: TypePuback, ID: 0x102}},
		{"a PUBACK with a code", V5, 0x40, "0102 87", &Ack{Kind: TypePuback, ID: 0x102, Code: NotAuthorized}},
		{"a PUBACK with properties", V5, 0x40, "0102 00 07 26 0001 'a' 0001 'b'",
			&Ack{Kind: TypePuback, ID: 0x102, Properties: packet(t, "26 0001 'a' 0001 'b'")}},
		{"a PUBREC", V5, 0x50, "0001", &Ack{Kind: TypePubrec, ID: 1}},
		{"a PUBREL", V311, 0x62, "0001", &Ack{Kind: TypePubrel, ID: 1}},
		{"a PUBCOMP", V5, 0x70, "0001 92", &Ack{Kind: TypePubcomp, ID: 1, Code: 0x92}},
		{"a SUBSCRIBE", V311, 0x82, "0001 0001 '#' 01 0003 'a/+' 00",
			&Subscribe{ID: 1, Filters: []Subscription{{Filter: "#", QoS: 1}, {Filter: "a/+"}}}},
		{"a SUBSCRIBE with options", V5, 0x82, "0001 02 0b 05 0001 'a' 2d",
			&Subscribe{ID: 1, Properties: packet(t, "0b 05"), Filters: []Subscription{
				{Filter: "a", QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}}}},
		{"a shared SUBSCRIBE", V5, 0x82, "0001 00 000a '$share/g/a' 01",
			&Subscribe{ID: 1, Properties: Properties{}, Filters: []Subscription{{Filter: "$share/g/a", QoS: 1}}}},
		{"a SUBACK", V311, 0x90, "0001 00 01 02 80",
			&Suback{Kind: TypeSuback, ID: 1, Codes: []ReasonCode{0, 1, 2, 0x80}}},
		{"a SUBACK of 5", V5, 0x90, "0001 00 01 87",
			&Suback{Kind: TypeSuback, ID: 1, Codes: []ReasonCode{1, NotAuthorized}}},
		{"an UNSUBSCRIBE", V311, 0xa2, "0001 0001 'a'", &Unsubscribe{ID: 1, Filters: []string{"a"}}},
		{"an UNSUBACK", V311, 0xb0, "0001", &Suback{Kind: TypeUnsuback, ID: 1}},
		{"an UNSUBACK of 5", V5, 0xb0, "0001 00 11",
			&Suback{Kind: TypeUnsuback, ID: 1, Codes: []ReasonCode{NoSubscriptionExisted}}},
		{"a PINGREQ", V311, 0xc0, "", &Ping{Kind: TypePingreq}},
		{"a PINGRESP", V5, 0xd0, "", &Ping{Kind: TypePingresp}},
		{"a DISCONNECT", V311, 0xe0, "", &Disconnect{}},
		{"a DISCONNECT with a code", V5, 0xe0, "98", &Disconnect{Code: AdministrativeAction}},
		{"a DISCONNECT with properties", V5, 0xe0, "00 05 11 00000000",
			&Disconnect{Properties: packet(t, "11 00000000")}},
		{"an AUTH", V5, 0xf0, "18 04 15 0001 'm'", &Auth{Code: 0x18, Properties: packet(t, "15 0001 'm'")}},
	}
}

func TestPacketsAreReadAndWrittenAlike(t *testing.T) {
	for _, tt := range samples(t) {
		t.Run(tt.name, func(t *testing.T) {
			f := frame(t, tt.first, tt.body)
			got, err := Decode(f, tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if !alike(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			out, err := tt.want.AppendTo([]byte("before"), tt.v)
			if want := f.AppendTo([]byte("before")); err != nil || !bytes.Equal(out, want) {
				t.Errorf("wrote %x (%v), want %x", out, err, want)
			}
		})
	}
}

// alike compares packets; whether no bytes are nil or empty does not matter but
// for a password.
func alike(a, b Packet) bool {
	if a, ok := a.(*Connect); ok {
		b, ok := b.(*Connect)
		if ok && (a.Password == nil) != (b.Password == nil) {
			return false
		}
	}
	return reflect.DeepEqual(normal(a), normal(b))
}

// normal is a copy of a packet without empty bytes.
func normal(p Packet) Packet {
	v := reflect.New(reflect.TypeOf(p).Elem())
	v.Elem().Set(reflect.ValueOf(p).Elem())
	empty := func(v reflect.Value) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() == 0 {
				f.SetZero()
			}
		}
	}
	empty(v.Elem())
	if c, ok := v.Interface().(*Connect); ok && c.Will != nil {
		will := *c.Will
		c.Will = &will
		empty(reflect.ValueOf(c.Will).Elem())
	}
	return v.Interface().(Packet)
}

const connect4, connect5 = "0004 'MQTT' 04 ", "0004 'MQTT' 05 "

// forbidden are packets that must be refused. No version means that CONNECT
// says it.
var forbidden = []struct {
	name  string
	v     Version
	first byte
	body  string
	want  ReasonCode
}{
	{"type 0", V5, 0x00, "", MalformedPacket},
	{"flags of CONNECT [MQTT-2.1.3-1]", V5, 0x11, connect4 + "02 0000 0000", MalformedPacket},
	{"flags of SUBSCRIBE [MQTT-3.8.1-1]", V5, 0x80, "0001 00 0001 'a' 00", MalformedPacket},
	{"flags of UNSUBSCRIBE [MQTT-3.10.1-1]", V5, 0xa0, "0001 00 0001 'a'", MalformedPacket},
	{"flags of PUBREL [MQTT-3.6.1-1]", V5, 0x60, "0001", MalformedPacket},
	{"flags of PINGREQ", V5, 0xc1, "", MalformedPacket},
	{"flags of DISCONNECT [MQTT-3.14.1-1]", V5, 0xe2, "", MalformedPacket},
	{"QoS 3 [MQTT-3.3.1-4]", V5, 0x36, "0001 'a' 0001 00", MalformedPacket},
	{"a duplicate of QoS 0 [MQTT-3.3.1-2]", V5, 0x38, "0001 'a' 00", MalformedPacket},

	{"an empty CONNECT", V5, 0x10, "", MalformedPacket},
	{"MQTT 3.1", 0, 0x10, "0006 'MQIsdp' 03 02 0000 0001 'c'", UnsupportedVersion},
	{"a level from the future [MQTT-3.1.2-2]", 0, 0x10, "0004 'MQTT' 06 02 0000 00 0000", UnsupportedVersion},
	{"another protocol [MQTT-3.1.2-1]", 0, 0x10, "0004 'mqtt' 04 02 0000 0000", UnsupportedVersion},
	{"a reserved flag of CONNECT [MQTT-3.1.2-3]", 0, 0x10, connect4 + "03 0000 0000", MalformedPacket},
	{"the QoS of no will [MQTT-3.1.2-11]", 0, 0x10, connect4 + "0a 0000 0000", MalformedPacket},
	{"no will retained [MQTT-3.1.2-13]", 0, 0x10, connect4 + "22 0000 0000", MalformedPacket},
	{"a will of QoS 3 [MQTT-3.1.2-12]", 0, 0x10, connect4 + "1e 0000 0000 0001 'w' 0000", MalformedPacket},
	{"a lone password, in 3.1.1 [MQTT-3.1.2-22]", 0, 0x10, connect4 + "42 0000 0000 0001 'p'", MalformedPacket},
	{"a will to a wildcard", 0, 0x10, connect4 + "06 0000 0000 0001 '#' 0000", TopicNameInvalid},
	{"a will to nowhere", 0, 0x10, connect4 + "06 0000 0000 0000 0000", TopicNameInvalid},
	{"bytes behind CONNECT", 0, 0x10, connect4 + "02 0000 0000 00", MalformedPacket},
	{"a CONNECT without its password", 0, 0x10, connect4 + "c2 0000 0000 0001 'n'", MalformedPacket},
	{"a client id with U+0000 [MQTT-1.5.4-2]", 0, 0x10, connect4 + "02 0000 0002 'a' 00", MalformedPacket},
	{"a client id with a surrogate [MQTT-1.5.4-1]", 0, 0x10, connect4 + "02 0000 0003 eda080", MalformedPacket},
	{"a client id in Latin-1", 0, 0x10, connect4 + "02 0000 0001 e9", MalformedPacket},
	{"authentication data without a method", 0, 0x10, connect5 + "02 0000 04 16 0001 'd' 0000", ProtocolError},
	{"receive maximum 0", 0, 0x10, connect5 + "02 0000 03 21 0000 0000", ProtocolError},
	{"maximum packet size 0", 0, 0x10, connect5 + "02 0000 05 27 00000000 0000", ProtocolError},
	{"request problem information 2", 0, 0x10, connect5 + "02 0000 02 17 02 0000", ProtocolError},
	{"a delay of the will outside of it", 0, 0x10, connect5 + "02 0000 05 18 00000001 0000", ProtocolError},
	{"a property of CONNECT in a will", 0, 0x10, connect5 + "06 0000 00 0000 05 11 00000001 0001 'w' 0000",
		ProtocolError},
	{"a property twice", 0, 0x10, connect5 + "02 0000 0a 11 00000001 11 00000001 0000", ProtocolError},
	{"a property that does not exist", 0, 0x10, connect5 + "02 0000 02 04 01 0000", MalformedPacket},
	{"a property of two bytes' id", 0, 0x10, connect5 + "02 0000 03 81 01 01 0000", MalformedPacket},
	{"a property that goes beyond the properties", 0, 0x10, connect5 + "02 0000 02 11 00 000001 0000", MalformedPacket},
	{"properties that go beyond the packet", 0, 0x10, connect5 + "02 0000 7f 11", MalformedPacket},
	{"a length of properties written too long", 0, 0x10, connect5 + "02 0000 80 00 0000", MalformedPacket},

	{"reserved flags of CONNACK [MQTT-3.2.2-1]", V5, 0x20, "02 00 00", MalformedPacket},
	{"a return code that does not exist", V311, 0x20, "00 06", MalformedPacket},
	{"a session with a refusal [MQTT-3.2.2-6]", V311, 0x20, "01 05", ProtocolError},
	{"a CONNACK of one byte", V311, 0x20, "00", MalformedPacket},
	{"a CONNACK of 5 without properties", V5, 0x20, "00 00", MalformedPacket},
	{"a CONNACK of 3.1.1 with properties", V311, 0x20, "00 00 00", MalformedPacket},
	{"a highest QoS of 2", V5, 0x20, "00 00 02 24 02", ProtocolError},

	{"an empty PUBLISH", V311, 0x30, "", MalformedPacket},
	{"packet identifier 0 [MQTT-2.2.1-3]", V311, 0x32, "0001 'a' 0000", ProtocolError},
	{"a topic with + [MQTT-3.3.2-2]", V311, 0x30, "0003 'a/+'", TopicNameInvalid},
	{"a topic with #", V5, 0x30, "0001 '#' 00", TopicNameInvalid},
	{"no topic, in 3.1.1", V311, 0x30, "0000", ProtocolError},
	{"no topic and no alias", V5, 0x30, "0000 00", ProtocolError},
	{"a topic with U+0000", V311, 0x30, "0001 00", MalformedPacket},
	{"topic alias 0", V5, 0x30, "0001 'a' 03 23 0000", TopicAliasInvalid},
	{"two topic aliases", V5, 0x30, "0001 'a' 06 23 0001 23 0001", ProtocolError},
	{"payload format 2", V5, 0x30, "0001 'a' 02 01 02", ProtocolError},
	{"subscription identifier 0", V5, 0x30, "0001 'a' 02 0b 00", ProtocolError},
	{"a response topic with wildcards [MQTT-3.3.2-14]", V5, 0x30, "0001 'a' 04 08 0001 '#'", ProtocolError},
	{"a property of SUBACK in PUBLISH", V5, 0x30, "0001 'a' 04 1f 0001 'x'", ProtocolError},
	{"a PUBLISH that ends in its topic", V311, 0x30, "0009 'a'", MalformedPacket},

	{"a PUBACK without an identifier", V5, 0x40, "", MalformedPacket},
	{"a PUBACK of identifier 0", V311, 0x40, "0000", ProtocolError},
	{"a PUBACK of 3.1.1 with a code", V311, 0x40, "0001 00", MalformedPacket},
	{"a PUBACK with a code of others", V5, 0x40, "0001 8e", MalformedPacket},
	{"a PUBREL with a code of PUBACK", V5, 0x62, "0001 87", MalformedPacket},

	{"the packet that ended mochi", V5, 0x82, "3030 00 0000", TopicFilterInvalid},
	{"a SUBSCRIBE without a filter [MQTT-3.8.3-2]", V311, 0x82, "0001", ProtocolError},
	{"a SUBSCRIBE without options", V311, 0x82, "0001 0001 'a'", MalformedPacket},
	{"a subscription identifier of five bytes", V5, 0x82, "0001 06 0b ffffffff01 0001 'a' 00", MalformedPacket},
	{"an empty filter", V311, 0x82, "0001 0000 00", TopicFilterInvalid},
	{"a filter with a/#/b", V311, 0x82, "0001 0005 'a/#/b' 00", TopicFilterInvalid},
	{"a subscription of QoS 3", V5, 0x82, "0001 00 0001 'a' 03", ProtocolError},
	{"reserved options [MQTT-3.8.3-5]", V5, 0x82, "0001 00 0001 'a' 40", MalformedPacket},
	{"options of 5 in 3.1.1", V311, 0x82, "0001 0001 'a' 04", MalformedPacket},
	{"retain handling 3", V5, 0x82, "0001 00 0001 'a' 30", ProtocolError},
	{"no local on a shared one [MQTT-3.8.3-4]", V5, 0x82, "0001 00 000a '$share/g/a' 04", ProtocolError},
	{"two subscription identifiers", V5, 0x82, "0001 04 0b 01 0b 02 0001 'a' 00", ProtocolError},
	{"a SUBSCRIBE of identifier 0", V311, 0x82, "0000 0001 'a' 00", ProtocolError},

	{"a SUBACK without codes", V311, 0x90, "0001", MalformedPacket},
	{"a SUBACK of 3.1.1 with a code of 5", V311, 0x90, "0001 87", MalformedPacket},
	{"a SUBACK with a code of PUBACK", V5, 0x90, "0001 00 99", MalformedPacket},
	{"an UNSUBSCRIBE without a filter [MQTT-3.10.3-2]", V311, 0xa2, "0001", ProtocolError},
	{"an UNSUBACK of 3.1.1 with codes", V311, 0xb0, "0001 00", MalformedPacket},
	{"an UNSUBACK of 5 without codes", V5, 0xb0, "0001 00", MalformedPacket},
	{"a PINGREQ with a body", V311, 0xc0, "00", MalformedPacket},
	{"a DISCONNECT of 3.1.1 with a code", V311, 0xe0, "00", MalformedPacket},
	{"a DISCONNECT with a code of CONNACK", V5, 0xe0, "85", MalformedPacket},
	{"a DISCONNECT with bytes behind", V5, 0xe0, "00 00 00", MalformedPacket},
	{"an AUTH in 3.1.1", V311, 0xf0, "", MalformedPacket},
	{"an AUTH without a method", V5, 0xf0, "18 00", ProtocolError},
}

func TestWhatTheStandardForbidsIsRefused(t *testing.T) {
	for _, tt := range forbidden {
		t.Run(tt.name, func(t *testing.T) {
			f := frame(t, tt.first, tt.body)
			got, err := Decode(f, tt.v)
			if code(err) != tt.want || got != nil {
				t.Errorf("got %+v, %v (%v); want %v", got, err, code(err), tt.want)
			}
			var p Publish
			if err := DecodePublish(f, tt.v, &p); f.Type == TypePublish && code(err) != tt.want {
				t.Errorf("into memory of the caller: got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestAnUnknownVersionIsAnsweredInOneItsClientReads(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       Version
	}{
		{"MQTT 3.1", "0006 'MQIsdp' 03 02 0000 0001 'c'", V311},
		{"a level before 3.1.1", "0004 'MQTT' 03 02 0000 0001 'c'", V311},
		{"a level after 5", "0004 'MQTT' 06", V5},
		{"not MQTT", "0004 'AMQP' 01", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode(frame(t, 0x10, tt.body), 0)
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Answer != tt.want {
				t.Errorf("got %+v, want the answer in %d", err, tt.want)
			}
		})
	}
}

func TestNoPacketIsReadBeyondItsEnd(t *testing.T) {
	for _, tt := range []struct {
		v     Version
		first byte
		body  string
	}{
		{V311, 0x10, "0004 'MQTT' 04 ec 0000 0001 'c' 0001 'w' 0002 'hi' 0001 'n' 0001 'p'"},
		{V5, 0x10, "0004 'MQTT' 05 06 0000 05 11 0000000a 0001 'c' 05 18 00000003 0001 'w' 0000"},
		{V5, 0x20, "00 87 04 1f 0001 'x'"},
		{V5, 0x82, "0001 02 0b 05 0001 'a' 2d"},
		{V311, 0xa2, "0001 0001 'a'"},
	} {
		whole := packet(t, tt.body)
		for n := range whole {
			f := Frame{Type: Type(tt.first >> 4), Flags: tt.first & 15, Body: whole[:n:n]}
			if got, err := Decode(f, tt.v); err == nil {
				t.Errorf("the first %d bytes of %x are read as %+v", n, whole, got)
			}
		}
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	long := strings.Repeat("x", 0x10000)
	for _, tt := range []struct {
		name string
		v    Version
		p    Packet
	}{
		{"a CONNECT without a version", V5, &Connect{}},
		{"a client id of 65,536 bytes", V5, &Connect{Version: V5, ClientID: long}},
		{"a will of QoS 3", V5, &Connect{Version: V5, Will: &Will{Topic: "w", QoS: 3}}},
		{"a topic of 65,536 bytes", V5, &Publish{Topic: long}},
		{"a message without a topic", V311, &Publish{Properties: Properties{}.AddNumber(TopicAlias, 1)}},
		{"QoS 1 without an identifier", V5, &Publish{Topic: "a", QoS: 1}},
		{"QoS 0 with one", V5, &Publish{Topic: "a", ID: 1}},
		{"properties of another packet", V5, &Publish{Topic: "a", Properties: Properties{}.AddText(ReasonString, "x")}},
		{"a SUBSCRIBE with no filter", V5, &Subscribe{ID: 1}},
		{"a filter of 65,536 bytes", V5, &Subscribe{ID: 1, Filters: []Subscription{{Filter: long}}}},
		{"a SUBACK of no kind", V5, &Suback{ID: 1, Codes: []ReasonCode{0}}},
		{"a code of 5 in a SUBACK of 3.1.1", V311, &Suback{Kind: TypeSuback, ID: 1, Codes: []ReasonCode{NotAuthorized}}},
		{"a code of 5 in a CONNACK of 3.1.1", V311, &Connack{Code: NotAuthorized}},
		{"an acknowledgement of nothing", V5, &Ack{Kind: TypePuback}},
		{"a code no DISCONNECT has", V5, &Disconnect{Code: ClientIDNotValid}},
		{"an AUTH of 3.1.1", V311, &Auth{Properties: Properties{}.AddText(AuthMethod, "m")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tt.p.AppendTo([]byte("before"), tt.v)
			if code(err) < 0x80 || string(out) != "before" {
				t.Errorf("got %q, %v; want a refusal", out, err)
			}
		})
	}
}

func TestAVersionLeavesOutWhatItDoesNotHave(t *testing.T) {
	reason := Properties{}.AddText(ReasonString, "x")
	for _, tt := range []struct {
		name string
		p    Packet
		want string
	}{
		{"properties of CONNACK", &Connack{Properties: reason}, "20 02 00 00"},
		{"the code of PUBACK", &Ack{Kind: TypePuback, ID: 1, Code: NotAuthorized, Properties: reason}, "40 02 0001"},
		{"the codes of UNSUBACK", &Suback{Kind: TypeUnsuback, ID: 1, Codes: []ReasonCode{0}}, "b0 02 0001"},
		{"the code of DISCONNECT", &Disconnect{Code: AdministrativeAction, Properties: reason}, "e0 00"},
		{"options of SUBSCRIBE", &Subscribe{ID: 1, Filters: []Subscription{{Filter: "a", QoS: 1, NoLocal: true,
			RetainHandling: 2}}}, "82 06 0001 0001 'a' 01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.p.AppendTo(nil, V311)
			if want := packet(t, tt.want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %x, %v; want %x", got, err, want)
			}
		})
	}
}
