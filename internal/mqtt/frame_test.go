package mqtt

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	var stream []byte
	var want []Frame
	for _, n := range []int{0, 1, 2, 127, 128, 300, 509, 510, 511, 512, 513, 5000, 16383, 16384, 70000} {
		f := Frame{Type: TypePublish, Flags: 1, Body: bytes.Repeat([]byte{byte(n)}, n)}
		if f.Size() != len(f.AppendTo(nil)) {
			t.Errorf("the size of a frame of %d is %d, want %d", n, f.Size(), len(f.AppendTo(nil)))
		}
		want = append(want, f)
		stream = f.AppendTo(stream)
	}
	for _, tt := range []struct {
		name string
		wrap func(io.Reader) io.Reader
	}{
		{"at once", func(r io.Reader) io.Reader { return r }},
		{"byte by byte", iotest.OneByteReader},
		{"in halves", iotest.HalfReader},
		{"with the end in the last read", iotest.DataErrReader},
	} {
		t.Run("read "+tt.name, func(t *testing.T) {
			r := NewReader(tt.wrap(bytes.NewReader(stream)), 70000)
			for _, f := range want {
				got, err := r.ReadFrame()
				if err != nil || got.Type != f.Type || got.Flags != f.Flags || !bytes.Equal(got.Body, f.Body) {
					t.Fatalf("got %d bytes of %s, %v; want %d", len(got.Body), got.Type, err, len(f.Body))
				}
			}
			if f, err := r.ReadFrame(); err != io.EOF || r.Buffered() != 0 {
				t.Errorf("at the end: got %+v, %v", f, err)
			}
		})
	}
	for _, piece := range []int{1, 2, 3, 7, 100, 512, 4096, len(stream)} {
		var s Splitter
		i := 0
		for p := stream; len(p) > 0; {
			n := min(piece, len(p))
			err := s.Write(p[:n], func(got Frame) error {
				if got.Type != TypePublish || got.Flags != 1 || !bytes.Equal(got.Body, want[i].Body) {
					t.Errorf("in pieces of %d, frame %d has %d bytes, want %d", piece, i, len(got.Body), len(want[i].Body))
				}
				i++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			p = p[n:]
		}
		if i != len(want) || len(s.pending) != 0 {
			t.Errorf("in pieces of %d: %d frames and %d bytes, want %d and none", piece, i, len(s.pending), len(want))
		}
	}
}

func TestAFrameThatIsWrongIsRefusedAtItsHeader(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		want         ReasonCode
	}{
		{"a length of five bytes", "30 ffffffff 01", MalformedPacket},
		{"a length written too long [MQTT-1.5.5-1]", "30 8000", MalformedPacket},
		{"reserved flags", "c7", MalformedPacket},
		{"type 0", "00", MalformedPacket},
		{"more than the limit", "30 8108", PacketTooLarge},
		{"the longest packet there is", "30 ffffff7f", PacketTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := packet(t, tt.header)
			r := NewReader(bytes.NewReader(p), 1024)
			if _, err := r.ReadFrame(); code(err) != tt.want {
				t.Errorf("reader: got %v, want %v", err, tt.want)
			}
			for piece := 1; piece <= len(p); piece++ {
				s := Splitter{Limit: 1024}
				var err error
				for rest := p; len(rest) > 0 && err == nil; {
					n := min(piece, len(rest))
					err = s.Write(rest[:n], func(Frame) error { t.Error("a frame came out"); return nil })
					rest = rest[n:]
				}
				if code(err) != tt.want {
					t.Errorf("splitter, pieces of %d: got %v, want %v", piece, err, tt.want)
				}
			}
		})
	}
}

func TestAFrameMayHaveAllThatTheLimitAllows(t *testing.T) {
	f := Frame{Type: TypePublish, Body: make([]byte, 1024)}
	r := NewReader(bytes.NewReader(f.AppendTo(f.AppendTo(nil))), 1024)
	if got, err := r.ReadFrame(); err != nil || len(got.Body) != 1024 {
		t.Fatalf("got %d bytes, %v", len(got.Body), err)
	}
	r.SetLimit(1023)
	if _, err := r.ReadFrame(); code(err) != PacketTooLarge {
		t.Errorf("got %v above the limit", err)
	}
}

func TestAStreamThatEndsWithinAPacketSaysSo(t *testing.T) {
	for _, f := range []Frame{{Type: TypePublish, Body: make([]byte, 10)}, {Type: TypePublish, Body: make([]byte, 1000)}} {
		whole := f.AppendTo(nil)
		for n := 1; n < len(whole); n++ {
			r := NewReader(bytes.NewReader(whole[:n]), 1024)
			if _, err := r.ReadFrame(); err != io.ErrUnexpectedEOF {
				t.Fatalf("after %d of %d bytes: got %v", n, len(whole), err)
			}
		}
	}
}

// interrupted fails every other read.
type interrupted struct {
	r  io.Reader
	on bool
}

func (i *interrupted) Read(p []byte) (int, error) {
	if i.on = !i.on; i.on {
		return 0, os.ErrDeadlineExceeded
	}
	return i.r.Read(p)
}

func TestReadingGoesOnAfterADeadline(t *testing.T) {
	var stream []byte
	sizes := []int{3, 600, 0, 9000}
	for _, n := range sizes {
		stream = Frame{Type: TypePublish, Body: bytes.Repeat([]byte{7}, n)}.AppendTo(stream)
	}
	r := NewReader(&interrupted{r: iotest.OneByteReader(bytes.NewReader(stream))}, 10000)
	for _, n := range sizes {
		f, err := r.ReadFrame()
		for errors.Is(err, os.ErrDeadlineExceeded) {
			f, err = r.ReadFrame()
		}
		if err != nil || !bytes.Equal(f.Body, bytes.Repeat([]byte{7}, n)) {
			t.Fatalf("got %d bytes, %v; want %d", len(f.Body), err, n)
		}
	}
}

type announcer struct{ sent bool }

func (a *announcer) Read(p []byte) (int, error) {
	if !a.sent {
		a.sent = true
		return copy(p, []byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}), nil
	}
	return 0, os.ErrDeadlineExceeded
}

func TestWhatIsAnnouncedAndNotSentTakesNoMemory(t *testing.T) {
	r := NewReader(&announcer{}, maxRemaining)
	if _, err := r.ReadFrame(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if held := cap(r.small) + cap(r.large); held > 8<<10 {
		t.Errorf("%d bytes are held for a packet of 256 MB of which 8 came", held)
	}
	var s Splitter
	if err := s.Write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}, nil); err != nil || cap(s.pending) > 64 {
		t.Errorf("the splitter holds %d bytes (%v)", cap(s.pending), err)
	}
}

func TestALongPacketIsNotKept(t *testing.T) {
	f := Frame{Type: TypePublish, Body: make([]byte, 100_000)}
	stream := f.AppendTo(nil)
	r := NewReader(bytes.NewReader(stream), len(stream))
	if _, err := r.ReadFrame(); err != nil {
		t.Fatal(err)
	}
	if held := cap(r.small) + cap(r.large); held > smallBuffer {
		t.Errorf("the reader holds %d bytes", held)
	}
	var s Splitter
	for _, p := range [][]byte{stream[:10], stream[10:]} {
		if err := s.Write(p, func(Frame) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if cap(s.pending) > smallBuffer {
		t.Errorf("the splitter holds %d bytes", cap(s.pending))
	}
}

func TestAnErrorOfTheCallerStopsTheSplitter(t *testing.T) {
	stop := errors.New("stop")
	var s Splitter
	calls := 0
	err := s.Write([]byte{0xc0, 0, 0xc0, 0}, func(Frame) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}
