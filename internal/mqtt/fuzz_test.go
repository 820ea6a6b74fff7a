package mqtt

import (
	"bytes"
	"testing"
)

// crash is the packet that ends mochi-mqtt 2.7.9 (its issue 501): a SUBSCRIBE of
// MQTT 5 whose only filter is empty and has no options.
var crash = []byte{0x82, 5, 0x30, 0x30, 0, 0, 0}

func FuzzDecode(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(frame(f, s.first, s.body).AppendTo(nil), s.v == V5)
	}
	f.Add(crash, true)
	f.Add(crash, false)
	f.Fuzz(func(t *testing.T, p []byte, five bool) {
		v := V311
		if five {
			v = V5
		}
		var c comparison
		c.decodeAll(t, p, v)
	})
}

// decodeAll reads a stream and holds every packet in it to what is true of all:
// what is read can be written, and is read again as the same; neither has more
// bytes than the other needs; the ways to read agree; the oracles do.
func (c *comparison) decodeAll(t *testing.T, p []byte, v Version) {
	r := NewReader(bytes.NewReader(p), 1<<20)
	for {
		f, err := r.ReadFrame()
		if err != nil {
			return
		}
		packet, err := Decode(f, v)
		asPublish(t, f, v, packet, err)
		c.oracle(t, f, v, packet, err)
		if err != nil {
			if code(err) < 0x80 {
				t.Fatalf("%x: %v is no *Error with a code", f.AppendTo(nil), err)
			}
			continue
		}
		written, err := packet.AppendTo(nil, v)
		if err != nil || len(written) > f.Size() {
			t.Fatalf("%x was read as %+v and written as %x, %v", f.AppendTo(nil), packet, written, err)
		}
		if again := decode1(t, written, v); !alike(packet, again) {
			t.Fatalf("got %+v, want %+v", again, packet)
		}
	}
}

func asPublish(t *testing.T, f Frame, v Version, packet Packet, err error) {
	if f.Type != TypePublish {
		return
	}
	var p Publish
	if e := DecodePublish(f, v, &p); (e == nil) != (err == nil) || e == nil && !alike(&p, packet) {
		t.Fatalf("got %+v, %v; want %+v, %v", p, e, packet, err)
	}
}

// decode1 reads a packet that must be right.
func decode1(t *testing.T, p []byte, v Version) Packet {
	t.Helper()
	f, err := NewReader(bytes.NewReader(p), maxRemaining).ReadFrame()
	if err != nil {
		t.Fatalf("%x: %v", p, err)
	}
	packet, err := Decode(f, v)
	if err != nil {
		t.Fatalf("%x: %v", p, err)
	}
	return packet
}

func FuzzSplitter(f *testing.F) {
	var all []byte
	for _, s := range samples(f) {
		all = frame(f, s.first, s.body).AppendTo(all)
	}
	f.Add(all, []byte{1, 2, 3, 50})
	f.Add(crash, []byte{1})
	f.Fuzz(func(t *testing.T, p, cuts []byte) {
		const limit = 4096
		var want []Frame
		r := NewReader(bytes.NewReader(p), limit)
		var wrong error
		for wrong == nil {
			var one Frame
			if one, wrong = r.ReadFrame(); wrong == nil {
				one.Body = bytes.Clone(one.Body)
				want = append(want, one)
			}
		}
		s := Splitter{Limit: limit}
		var err error
		for i := 0; len(p) > 0 && err == nil; i++ {
			n := len(p)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			err = s.Write(p[:n], func(got Frame) error {
				if len(want) == 0 || !bytes.Equal(got.AppendTo(nil), want[0].AppendTo(nil)) {
					t.Fatalf("the splitter has %x, the reader %+v", got.AppendTo(nil), want)
				}
				want = want[1:]
				return nil
			})
			p = p[n:]
		}
		if len(want) > 0 || code(err) != code(wrong) {
			t.Fatalf("the splitter lacks %d frames and ends with %v, the reader with %v", len(want), err, wrong)
		}
	})
}
