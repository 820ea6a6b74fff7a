package mqtt

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// maxRemaining is the greatest remaining length and the greatest variable byte
// integer (1.5.5).
const maxRemaining = 268_435_455

// body reads the fields of a packet. After the first mistake it gives zero
// values, and err says what it was.
type body struct {
	left []byte
	err  *Error
}

func (b *body) fail(err *Error) {
	if b.err == nil {
		b.err = err
	}
	b.left = nil
}

// take is the next n bytes.
func (b *body) take(n int) []byte {
	if n > len(b.left) {
		b.fail(malformed("a packet ends in the middle of a field"))
		return nil
	}
	taken := b.left[:n:n]
	b.left = b.left[n:]
	return taken
}

func (b *body) byte() byte {
	if taken := b.take(1); taken != nil {
		return taken[0]
	}
	return 0
}

func (b *body) two() uint16 {
	if taken := b.take(2); taken != nil {
		return binary.BigEndian.Uint16(taken)
	}
	return 0
}

func (b *body) four() uint32 {
	if taken := b.take(4); taken != nil {
		return binary.BigEndian.Uint32(taken)
	}
	return 0
}

// variable is a variable byte integer (1.5.5).
func (b *body) variable() uint32 {
	n, size, err := variable(b.left)
	switch {
	case err != nil:
		b.fail(err)
	case size == 0:
		b.fail(malformed("a packet ends in the middle of a field"))
	default:
		b.left = b.left[size:]
	}
	return n
}

// variable reads a variable byte integer; size is 0 where p ends too early.
func variable(p []byte) (n uint32, size int, err *Error) {
	for i := range 4 {
		if i == len(p) {
			return 0, 0, nil
		}
		n |= uint32(p[i]&0x7f) << (7 * i)
		if p[i]&0x80 == 0 {
			if p[i] == 0 && i > 0 { // [MQTT-1.5.5-1]
				return 0, 0, malformed("a variable byte integer is longer than it needs to be")
			}
			return n, i + 1, nil
		}
	}
	return 0, 0, malformed("a variable byte integer has more than four bytes")
}

// binary is binary data (1.5.6).
func (b *body) binary() []byte { return b.take(int(b.two())) }

// text is a UTF-8 encoded string (1.5.4).
func (b *body) text() []byte {
	s := b.binary()
	if b.err == nil && !validText(s) {
		b.fail(malformed("a string is not well-formed UTF-8 or contains U+0000")) // [MQTT-1.5.4-1], [MQTT-1.5.4-2]
	}
	return s
}

// id is a packet identifier (2.2.1).
func (b *body) id() uint16 {
	id := b.two()
	if b.err == nil && id == 0 { // [MQTT-2.2.1-3]
		b.fail(protocolError("a packet identifier is 0"))
	}
	return id
}

// validText says whether a string is UTF-8 without surrogates, which Go's test
// excludes, and without U+0000.
func validText(s []byte) bool { return utf8.Valid(s) && bytes.IndexByte(s, 0) < 0 }

func sizeOfVariable(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}

func appendVariable(dst []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

func appendText[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

// appendHeader appends a fixed header.
func appendHeader(dst []byte, t Type, flags byte, remaining int) []byte {
	return appendVariable(append(dst, byte(t)<<4|flags), remaining)
}

// fits is the error of a packet that would be too long, or have a string of more
// than 65,535 bytes.
func fits(t Type, remaining int, texts ...int) *Error {
	for _, n := range texts {
		if n > 0xffff {
			return malformed("a field of a %s has %d bytes, more than 65535", t, n)
		}
	}
	if remaining > maxRemaining {
		return &Error{Code: PacketTooLarge, Reason: t.String() + " is longer than a packet can be"}
	}
	return nil
}
