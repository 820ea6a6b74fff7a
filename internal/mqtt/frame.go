package mqtt

import "io"

// Frame is a packet that was cut out of a stream and not looked into.
type Frame struct {
	Type  Type
	Flags byte // the lower four bits of the first byte
	Body  []byte
}

// AppendTo appends the frame as it arrived.
func (f Frame) AppendTo(dst []byte) []byte {
	return append(appendHeader(dst, f.Type, f.Flags, len(f.Body)), f.Body...)
}

// Size is how many bytes the frame has in the stream.
func (f Frame) Size() int { return 1 + sizeOfVariable(len(f.Body)) + len(f.Body) }

// header reads a fixed header: the frame without its body, the size of header
// and body. Both are 0 where p ends too early. A packet whose body is longer
// than limit is an error.
func header(p []byte, limit int) (f Frame, size, remaining int, err *Error) {
	if len(p) == 0 {
		return Frame{}, 0, 0, nil
	}
	f.Type, f.Flags = Type(p[0]>>4), p[0]&15
	if err := checkHeader(f.Type, f.Flags); err != nil {
		return Frame{}, 0, 0, err
	}
	n, bytes, err := variable(p[1:])
	switch {
	case err != nil:
		return Frame{}, 0, 0, err
	case bytes == 0:
		return Frame{}, 0, 0, nil
	case int(n) > limit:
		return Frame{}, 0, 0, &Error{Code: PacketTooLarge, Reason: f.Type.String() + " is longer than is allowed"}
	}
	return f, 1 + bytes, int(n), nil
}

const (
	// smallBuffer is what a Reader keeps while it waits.
	smallBuffer = 512
	// firstStep is what is allocated at first for a packet that does not fit into
	// that. It doubles as bytes arrive: who announces much and sends little costs
	// little.
	firstStep = 4 << 10
)

// Reader cuts a stream into frames. It reads ahead by less than 512 bytes.
type Reader struct {
	source io.Reader
	limit  int
	small  []byte // what arrived and was not given out is small[from:to]
	from   int
	to     int
	large  []byte // a packet longer than small, as far as it arrived
}

// NewReader reads from source packets whose bodies have at most limit bytes.
func NewReader(source io.Reader, limit int) *Reader {
	return &Reader{source: source, limit: limit, small: make([]byte, smallBuffer)}
}

// SetLimit sets another limit for the bodies of the packets to come.
func (r *Reader) SetLimit(limit int) { r.limit = limit }

// Buffered says how many bytes were read ahead of the last frame.
func (r *Reader) Buffered() int { return r.to - r.from }

// ReadFrame is the next packet, valid until the next call. The end of the stream
// is io.EOF between packets and io.ErrUnexpectedEOF within one. An [*Error] is
// final. After any other error, as of a deadline, a further call goes on where
// this one was.
func (r *Reader) ReadFrame() (Frame, error) {
	for {
		f, size, remaining, err := header(r.small[r.from:r.to], r.limit)
		switch {
		case err != nil:
			return Frame{}, err
		case size == 0:
			// More of the header is to come.
		case size+remaining > len(r.small):
			return r.readLarge(f, size, remaining)
		case size+remaining <= r.to-r.from:
			start, end := r.from+size, r.from+size+remaining
			f.Body, r.from = r.small[start:end:end], end
			return f, nil
		}
		if err := r.fill(); err != nil {
			return Frame{}, err
		}
	}
}

// fill reads more into the small buffer. A packet that is not complete is moved
// to its beginning first.
func (r *Reader) fill() error {
	if r.from > 0 {
		r.to = copy(r.small, r.small[r.from:r.to])
		r.from = 0
	}
	n, err := r.read(r.small[r.to:])
	r.to += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && r.to > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readLarge reads a packet that the small buffer has the beginning of into
// memory of its own, which nothing holds once it was given out.
func (r *Reader) readLarge(f Frame, size, remaining int) (Frame, error) {
	total := size + remaining
	if r.large == nil {
		r.large = append(make([]byte, 0, min(total, firstStep)), r.small[r.from:r.to]...)
	}
	for len(r.large) < total {
		if len(r.large) == cap(r.large) {
			r.large = append(make([]byte, 0, min(total, 2*cap(r.large))), r.large...)
		}
		n, err := r.read(r.large[len(r.large):cap(r.large)])
		r.large = r.large[:len(r.large)+n]
		switch {
		case n > 0:
		case err == io.EOF:
			return Frame{}, io.ErrUnexpectedEOF
		case err != nil:
			return Frame{}, err
		}
	}
	f.Body = r.large[size:total:total]
	r.large, r.from, r.to = nil, 0, 0
	return f, nil
}

// read reads some bytes. One that gives neither bytes nor an error is asked
// again, but not forever.
func (r *Reader) read(p []byte) (int, error) {
	for range 100 {
		n, err := r.source.Read(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// Splitter cuts into frames what is written in arbitrary pieces. The zero value
// has no limit but that of the format.
type Splitter struct {
	// Limit is the greatest length of a body, 0 for what the format allows.
	Limit   int
	pending []byte // a packet that is not complete
}

// Write takes the next piece and calls each for every packet that is complete
// with it, in order. A frame is valid during the call. The error is that of
// each, or an [*Error]; the splitter is of no use after one.
func (s *Splitter) Write(p []byte, each func(Frame) error) error {
	for len(s.pending) > 0 && len(p) > 0 {
		rest, err := s.complete(p, each)
		if err != nil {
			return err
		}
		p = rest
	}
	for len(p) > 0 {
		f, size, remaining, err := header(p, s.limit())
		if err != nil {
			return err
		}
		if size == 0 || size+remaining > len(p) {
			s.pending = append(s.pending, p...)
			return nil
		}
		f.Body = p[size : size+remaining : size+remaining]
		if err := each(f); err != nil {
			return err
		}
		p = p[size+remaining:]
	}
	return nil
}

// complete adds to the pending packet what p has of it, and returns what it has
// not.
func (s *Splitter) complete(p []byte, each func(Frame) error) ([]byte, error) {
	f, size, remaining, err := header(s.pending, s.limit())
	if err != nil {
		return nil, err
	}
	if size == 0 { // A byte more: it may complete the header.
		s.pending = append(s.pending, p[0])
		p = p[1:]
		if f, size, remaining, err = header(s.pending, s.limit()); err != nil {
			return nil, err
		} else if size == 0 {
			return p, nil
		}
	}
	missing := min(size+remaining-len(s.pending), len(p))
	s.pending = append(s.pending, p[:missing]...)
	if len(s.pending) == size+remaining {
		f.Body = s.pending[size:]
		if err := each(f); err != nil {
			return nil, err
		}
		if s.pending = s.pending[:0]; cap(s.pending) > smallBuffer {
			s.pending = nil
		}
	}
	return p[missing:], nil
}

func (s *Splitter) limit() int {
	if s.Limit == 0 {
		return maxRemaining
	}
	return s.Limit
}
