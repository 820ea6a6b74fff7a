package crl

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// The tags of DER that a list is made of.
const (
	tagBoolean    = 0x01
	tagInteger    = 0x02
	tagBitString  = 0x03
	tagOctets     = 0x04
	tagObject     = 0x06
	tagEnumerated = 0x0a
	tagUTCTime    = 0x17
	tagTime       = 0x18
	tagSequence   = 0x30
	tagExtensions = 0xa0
)

// How long the parts of a list may be, in bytes.
const (
	maxHeader     = 64 << 10
	maxEntry      = 16 << 10
	maxExtensions = 256 << 10
)

// walker reads DER from a stream, element by element.
type walker struct {
	r         *bufio.Reader
	at        int64 // how much was read
	buf       []byte
	recording bool      // what is read is signed
	recorded  []byte    // what was read before the hash was known
	hash      hash.Hash // nil until it is known
}

func newWalker(r io.Reader) *walker { return &walker{r: bufio.NewReaderSize(r, 64<<10)} }

// errCut says that a list ended before its end.
var errCut = refuse("it is cut off")

// read returns the next bytes, which are gone with the next call.
func (w *walker) read(n int) ([]byte, error) {
	if cap(w.buf) < n {
		w.buf = make([]byte, max(n, 4096))
	}
	b := w.buf[:n]
	if _, err := io.ReadFull(w.r, b); err != nil {
		return nil, failed(err)
	}
	w.at += int64(n)
	switch {
	case w.recording && w.hash != nil:
		w.hash.Write(b)
	case w.recording:
		w.recorded = append(w.recorded, b...)
	}
	return b, nil
}

// next returns the tag of the next element, 0 at the end.
func (w *walker) next() byte {
	if b, err := w.r.Peek(1); err == nil {
		return b[0]
	}
	return 0
}

// header reads the tag and the length of an element. What it has read is
// returned too.
func (w *walker) header(tag byte) (n int64, raw []byte, err error) {
	b, err := w.read(2)
	if err != nil {
		return 0, nil, err
	}
	raw = append(raw, b...)
	if raw[0] != tag {
		return 0, nil, refuse("it is not the DER form of a list (RFC 5280, section 5.1)")
	}
	if raw[1] < 0x80 {
		return int64(raw[1]), raw, nil
	}
	size := int(raw[1] & 0x7f)
	if size == 0 || size > 4 {
		return 0, nil, refuse("it is not the DER form of a list (RFC 5280, section 5.1)")
	}
	if b, err = w.read(size); err != nil {
		return 0, nil, err
	}
	for _, v := range b {
		n = n<<8 | int64(v)
	}
	if n < 0x80 || b[0] == 0 {
		return 0, nil, refuse("it is not the DER form of a list (RFC 5280, section 5.1)")
	}
	return n, append(raw, b...), nil
}

// open reads the header of an element whose parts are then read one by one, and
// returns where it ends.
func (w *walker) open(tag byte) (end int64, err error) {
	n, _, err := w.header(tag)
	if err == nil && w.at+n > MaxSize {
		err = refuse("it is larger than %d bytes", MaxSize)
	}
	return w.at + n, err
}

// element reads the content of an element of at most so many bytes.
func (w *walker) element(tag byte, most int64) ([]byte, error) {
	_, content, err := w.parts(tag, most)
	return content, err
}

// whole reads an element with its header.
func (w *walker) whole(tag byte, most int64) ([]byte, error) {
	header, content, err := w.parts(tag, most)
	return append(header, content...), err
}

func (w *walker) parts(tag byte, most int64) (header, content []byte, err error) {
	n, header, err := w.header(tag)
	if err == nil && n > most {
		err = refuse("a part of it is longer than %d bytes", most)
	}
	if err != nil {
		return nil, nil, err
	}
	content, err = w.read(int(n))
	return header, content, err
}

// time reads a moment in either form.
func (w *walker) time() (time.Time, error) {
	tag := w.next()
	if tag != tagUTCTime && tag != tagTime {
		return time.Time{}, refuse("it says no time where it must")
	}
	content, err := w.element(tag, 64)
	if err != nil {
		return time.Time{}, err
	}
	return parseTime(tag, content)
}

// end makes sure that nothing follows.
func (w *walker) end() error {
	_, err := w.r.ReadByte()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return failed(err)
	}
	return refuse("there is something behind its end")
}

// failed tells a list that cannot be read from a reader that fails.
func failed(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.As(err, new(base64.CorruptInputError)):
		return refuse("it is not valid PEM: its base64 is malformed")
	case fault.From(err) != nil:
		return err
	}
	return fmt.Errorf("read revocation list: %w", err)
}
