package crl

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
)

const (
	pemBegin = "-----BEGIN X509 CRL-----"
	pemEnd   = "-----END X509 CRL-----"
)

// Decode returns a reader of the DER form of a list that is in DER or in PEM
// form (RFC 7468, section 6).
func Decode(r io.Reader) io.Reader {
	b := bufio.NewReaderSize(r, 64<<10)
	if head, _ := b.Peek(len(pemBegin)); string(head) != pemBegin {
		return b
	}
	_, _ = b.Discard(len(pemBegin)) // was seen
	return base64.NewDecoder(base64.StdEncoding, &body{r: b})
}

// body reads the lines of a PEM block up to its end.
type body struct {
	r    *bufio.Reader
	rest []byte
	err  error
}

// Read returns what the next line has.
func (b *body) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		var line []byte
		line, b.err = b.r.ReadSlice('\n')
		line = bytes.TrimSpace(line)
		if string(line) == pemEnd {
			b.err = b.tail()
			continue
		}
		switch b.err {
		case io.EOF:
			b.err = errCut
		case nil, bufio.ErrBufferFull:
			b.rest, b.err = line, nil
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// tail makes sure that nothing but white space follows.
func (b *body) tail() error {
	for {
		c, err := b.r.ReadByte()
		if err != nil {
			return err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return refuse("there is something behind its end")
		}
	}
}
