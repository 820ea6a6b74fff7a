package mqtt

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	five "github.com/eclipse/paho.golang/packets"
	four "github.com/eclipse/paho.mqtt.golang/packets"
)

// tolerated are the mistakes that a codec of Eclipse Paho does not notice, by
// what Decode says of them, with the clause that says that it is right.
var tolerated = [...]struct{ says, clause string }{
	{"has the flags", "[MQTT-2.1.3-1]: a reserved flag that is set is malformed"},
	{"PUBLISH has QoS 3", "[MQTT-3.3.1-4]"},
	{"marked as a duplicate", "[MQTT-3.3.1-2]"},
	{"bytes too many", "2.1.4: the remaining length counts the packet's bytes"},
	{"ends in the middle of a field", "1.5.4, 1.5.6: a field has the length in front of it"},
	{"not well-formed UTF-8", "[MQTT-1.5.4-1], [MQTT-1.5.4-2]"},
	{"longer than it needs to be", "[MQTT-1.5.5-1]"},
	{"more than four bytes", "1.5.5"},
	{"packet identifier is 0", "[MQTT-2.2.1-3]"},
	{"before 3.1.1 are not spoken", "[MQTT-3.1.2-2]: which versions are supported is the server's choice"},
	{"after 5 are not spoken", "[MQTT-3.1.2-2]"},
	{"of another protocol", "[MQTT-3.1.2-1]"},
	{"CONNECT has a reserved flag", "[MQTT-3.1.2-3]"},
	{"flags of a will and no will", "[MQTT-3.1.2-11], [MQTT-3.1.2-13]"},
	{"the will has QoS 3", "[MQTT-3.1.2-12]"},
	{"a password and no user name", "[MQTT-3.1.2-22] of 3.1.1"},
	{"topic of the will", "[MQTT-3.3.2-2]: a will is published, and its topic is a topic name"},
	{"authentication data is there without", "3.1.2.11.10"},
	{"has the value", "3.1.2.11, 3.2.2.3, 3.3.2.3: bounds of properties"},
	{"is not one of its packet", "2.2.2.2, 3.1.3.2 (5's codec takes a will's properties for its CONNECT's)"},
	{"is there twice", "2.2.2.2: a property is there once unless it is said otherwise"},
	{"response topic has wildcards", "[MQTT-3.3.2-14]"},
	{"CONNACK has reserved flags", "[MQTT-3.2.2-1]"},
	{"has the code", "2.4 and the tables of the packets"},
	{"speaks of a session", "[MQTT-3.2.2-6]"},
	{"a topic has wildcards", "[MQTT-3.3.2-2]"},
	{"a topic is empty", "[MQTT-4.7.3-1], 3.3.2.1"},
	{"SUBSCRIBE has no filter", "[MQTT-3.8.3-2], [MQTT-3.10.3-2]"},
	{"a topic filter is not valid", "4.7.1, [MQTT-4.7.3-1], [MQTT-4.8.2-1], [MQTT-4.8.2-2]"},
	{"a subscription asks for QoS 3", "[MQTT-3.8.3-4] of 3.1.1, 3.8.3.1"},
	{"reserved options", "[MQTT-3.8.3-5]"},
	{"retain handling 3", "3.8.3.1"},
	{"asks for no local messages", "[MQTT-3.8.3-4]"},
	{"has no codes", "3.9.3, 3.11.3: a code for each filter"},
	{"AUTH names no method", "3.15.2.2.2"},
}

// refusedByPaho says whether a frame is what Decode rightly reads and a codec of
// Eclipse Paho does not: that of 5 wants a reason code in DISCONNECT, which may
// be missing (3.14.2.1).
func refusedByPaho(f Frame, v Version) bool {
	return v == V5 && f.Type == TypeDisconnect && len(f.Body) == 0
}

// comparison counts what codecs agreed on, and which of the tolerated mistakes
// were met.
type comparison struct {
	alike int
	met   [len(tolerated)]int
}

// oracle holds what Decode made of a frame against what the codec of Eclipse
// Paho for its version does.
func (c *comparison) oracle(t *testing.T, f Frame, v Version, ours Packet, wrong error) {
	if f.Type == TypeConnect { // It says its version itself, and for those that are not known the older codec does.
		if v = V311; len(f.Body) > 6 && f.Body[6] == 5 {
			v = V5
		}
	}
	theirs, err := pahoReads(bytes.NewReader(f.AppendTo(nil)), v)
	switch {
	case wrong == nil && err != nil:
		if !refusedByPaho(f, v) {
			t.Fatalf("%x (version %d): read as %+v, the oracle says %v", f.AppendTo(nil), v, ours, err)
		}
	case wrong != nil && err == nil:
		i := slices.IndexFunc(tolerated[:], func(d struct{ says, clause string }) bool {
			return strings.Contains(wrong.Error(), d.says)
		})
		if i < 0 {
			t.Fatalf("%x (version %d): the oracle reads it, Decode says %v", f.AppendTo(nil), v, wrong)
		}
		c.met[i]++
	case wrong == nil && !f.lossy(v, ours):
		c.alike++
		var out bytes.Buffer
		if err := theirs(&out); err != nil {
			t.Fatal(err)
		}
		if got := decode1(t, out.Bytes(), v); !alike(sorted(got), sorted(ours)) {
			t.Fatalf("%x (version %d): read as %+v, by the oracle as %+v", f.AppendTo(nil), v, ours, got)
		}
	}
}

// pahoReads reads a packet with the codec of Eclipse Paho, and returns what
// writes it again.
func pahoReads(r io.Reader, v Version) (write func(io.Writer) error, err error) {
	if v == V5 {
		p, err := five.ReadPacket(r)
		return func(w io.Writer) error {
			_, err := p.WriteTo(w)
			return err
		}, err
	}
	p, err := four.ReadPacket(r)
	return func(w io.Writer) error { return p.Write(w) }, err
}

// lossy says whether Paho's codec leaves out of a packet something that it read:
// empty strings, all but the last subscription identifier, and most properties of
// a will.
func (f Frame) lossy(v Version, ours Packet) bool {
	if v != V5 {
		return false
	}
	if c, ok := ours.(*Connect); ok && c.Will != nil && len(c.Will.Properties) > 0 {
		return true
	}
	identifiers := 0
	for one := range properties(ours).All() {
		if one.ID == SubscriptionIdentifier {
			identifiers++
		}
		if f := rules[one.ID].form; (f == text || f == binaryData) && len(one.Bytes) == 0 {
			return true
		}
	}
	return identifiers > 1
}

func properties(p Packet) Properties {
	switch p := p.(type) {
	case *Connect:
		return p.Properties
	case *Connack:
		return p.Properties
	case *Publish:
		return p.Properties
	case *Ack:
		return p.Properties
	case *Subscribe:
		return p.Properties
	case *Suback:
		return p.Properties
	case *Unsubscribe:
		return p.Properties
	case *Disconnect:
		return p.Properties
	case *Auth:
		return p.Properties
	}
	return nil
}

// sorted is a copy of a packet with its properties by id: their order means
// nothing but for those of the user.
func sorted(p Packet) Packet {
	all := slices.SortedStableFunc(properties(p).All(), func(a, b Property) int { return int(a.ID) - int(b.ID) })
	var in Properties
	for _, one := range all {
		in = in.Add(one)
	}
	p = normal(p)
	switch p := p.(type) {
	case *Connect:
		p.Properties = in
	case *Connack:
		p.Properties = in
	case *Publish:
		p.Properties = in
	case *Ack:
		p.Properties = in
	case *Subscribe:
		p.Properties = in
	case *Suback:
		p.Properties = in
	case *Unsubscribe:
		p.Properties = in
	case *Disconnect:
		p.Properties = in
	case *Auth:
		p.Properties = in
	}
	return p
}

// TestTheCodecsOfPahoAgree reads packets that are wrong, and such as were changed
// at random, with both codecs of Eclipse Paho beside Decode. Where they differ,
// the difference is in the list above, with the clause that says who is right.
func TestTheCodecsOfPahoAgree(t *testing.T) {
	var c comparison
	for _, s := range forbidden {
		f := frame(t, s.first, s.body)
		p, err := Decode(f, s.v)
		c.oracle(t, f, s.v, p, err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	all := samples(t)
	for range 60_000 {
		s := all[random.IntN(len(all))]
		p := frame(t, s.first, s.body).AppendTo(nil)
		for range random.IntN(4) {
			p = changed(random, p)
		}
		c.decodeAll(t, p, s.v)
	}
	for i, d := range tolerated {
		if c.met[i] == 0 {
			t.Errorf("no codec of Paho tolerates what is %q (%s)", d.says, d.clause)
		}
	}
	if c.alike < 10_000 {
		t.Errorf("only %d packets were read alike", c.alike)
	}
}

// changed is a packet with a byte changed, added or taken out, or two of them
// that count 1 to 4: small numbers make more of what nearly is a packet. The
// remaining length follows.
func changed(random *rand.Rand, p []byte) []byte {
	p = slices.Clone(p)
	at := random.IntN(len(p))
	b := byte(random.IntN(256))
	if random.IntN(2) == 0 {
		b = byte(random.IntN(8))
	}
	switch random.IntN(4) {
	case 0:
		p[at] = b
	case 1:
		p[at] ^= 1 << random.IntN(8)
	case 2:
		p = slices.Insert(p, at, b)
	case 3:
		if len(p) > 2 {
			p = slices.Delete(p, at, at+1)
		}
	}
	if random.IntN(4) > 0 && len(p) >= 2 && len(p) < 130 {
		p[1] = byte(len(p) - 2)
	}
	return p
}

func BenchmarkDecodePublish(b *testing.B) {
	for _, bb := range []struct {
		name string
		v    Version
		p    Publish
	}{
		{"3.1.1", V311, Publish{Topic: "things/sensor-17/telemetry", QoS: 1, ID: 7, Payload: make([]byte, 128)}},
		{"5", V5, Publish{Topic: "things/sensor-17/telemetry", QoS: 1, ID: 7, Payload: make([]byte, 128)}},
		{"5 with properties", V5, Publish{Topic: "things/sensor-17/telemetry", Payload: make([]byte, 128),
			Properties: Properties{}.AddNumber(MessageExpiry, 60).AddText(ContentType, "text/plain").AddUser("k", "v")}},
	} {
		whole, err := bb.p.AppendTo(nil, bb.v)
		if err != nil {
			b.Fatal(err)
		}
		f, err := NewReader(bytes.NewReader(whole), 1000).ReadFrame()
		if err != nil {
			b.Fatal(err)
		}
		b.Run("read "+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var p Publish
			for b.Loop() {
				if err := DecodePublish(f, bb.v, &p); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("write "+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			out := make([]byte, 0, 1024)
			for b.Loop() {
				if out, err = bb.p.AppendTo(out[:0], bb.v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Paho reads "+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			r := bytes.NewReader(whole)
			for b.Loop() {
				r.Reset(whole)
				if _, err := pahoReads(r, bb.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadFrame(b *testing.B) {
	p := Publish{Topic: "things/sensor-17/telemetry", QoS: 1, ID: 7, Payload: make([]byte, 128)}
	one, err := p.AppendTo(nil, V311)
	if err != nil {
		b.Fatal(err)
	}
	stream := bytes.Repeat(one, 1000)
	b.ReportAllocs()
	source := bytes.NewReader(stream)
	r := NewReader(source, 1000)
	for b.Loop() {
		if _, err := r.ReadFrame(); err == io.EOF {
			source.Reset(stream)
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
