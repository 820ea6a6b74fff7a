// Package restjson is the AWS REST-JSON protocol for one message: it binds
// path labels, query, headers and JSON body of a request to the members of a
// structure, checks the constraints of the members, and writes the JSON of an
// answer.
//
// It is what generated wire types call; it knows no operation and no HTTP
// server. What it refuses it refuses with [fault.Invalid], naming the member
// and the rule.
package restjson

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Request is the parts of a call that members are read from. Generated decode
// methods read each member; the first refusal is kept, and Err returns it.
type Request struct {
	Labels map[string]string // decoded path segments by label name
	Query  url.Values
	Header http.Header
	Body   []byte

	err error
}

// Err returns the first refusal, a [fault.Invalid], or nil.
func (q *Request) Err() error { return q.err }

// JSON reads the body by decode. A body of nothing but space counts as absent:
// members that must be there are then found missing by validation.
func (q *Request) JSON(decode func(*Reader)) {
	if q.err != nil || len(bytes.TrimSpace(q.Body)) == 0 {
		return
	}
	r, err := NewReader(q.Body)
	if err != nil {
		q.err = err
		return
	}
	if r.peek() != '{' {
		q.err = fault.New(fault.Invalid, "The request body must be a JSON object")
		return
	}
	decode(r)
	r.end()
	q.err = r.Err()
}

// Label returns the path label that is bound to a member.
func (q *Request) Label(member, label string) Bound {
	if value, ok := q.Labels[label]; ok {
		return q.bound(member, []string{value})
	}
	return q.bound(member, nil)
}

// QueryValue returns the query parameter that is bound to a member.
func (q *Request) QueryValue(member, parameter string) Bound {
	return q.bound(member, q.Query[parameter])
}

// HeaderValue returns the header that is bound to a member. The name is in
// lower case.
func (q *Request) HeaderValue(member, header string) Bound {
	return q.bound(member, q.Header.Values(header))
}

// bound refuses a value given twice, not in UTF-8, or with a NUL character.
func (q *Request) bound(member string, values []string) Bound {
	b := Bound{request: q, member: member}
	switch {
	case q.err != nil || len(values) == 0:
	case len(values) > 1:
		b.fail("is given more than once")
	case !utf8.ValidString(values[0]):
		b.fail("must be UTF-8")
	case strings.IndexByte(values[0], 0) >= 0:
		b.fail("must not have the NUL character")
	default:
		b.text = &values[0]
	}
	return b
}

// Bound is the text of a member outside the body, or nothing.
type Bound struct {
	request *Request
	member  string
	text    *string
}

func (b Bound) fail(rule string) {
	if b.request.err == nil {
		b.request.err = fault.New(fault.Invalid, "Value at '%s' %s", b.member, rule)
	}
}

// String returns the text, or nil.
func (b Bound) String() *string { return b.text }

// Bool reads true or false.
func (b Bound) Bool() *bool {
	switch {
	case b.text == nil:
	case *b.text == "true", *b.text == "false":
		return new(*b.text == "true")
	default:
		b.fail("must be true or false")
	}
	return nil
}

// Int reads a 32-bit integer.
func (b Bound) Int() *int {
	if n := b.integer(32); n != nil {
		return new(int(*n))
	}
	return nil
}

// Long reads a 64-bit integer.
func (b Bound) Long() *int64 { return b.integer(64) }

func (b Bound) integer(bits int) *int64 {
	if b.text == nil {
		return nil
	}
	n, err := strconv.ParseInt(*b.text, 10, bits)
	if err != nil {
		b.fail("must be an integer of " + strconv.Itoa(bits) + " bits")
		return nil
	}
	return &n
}

// Time reads a time in the form of RFC 3339, to the millisecond.
func (b Bound) Time() *time.Time {
	if b.text == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, *b.text)
	if err != nil || t.Year() < 1 {
		b.fail("must be a time such as 2026-01-02T03:04:05Z")
		return nil
	}
	return new(t.UTC().Truncate(time.Millisecond))
}

// FreshToken returns a random UUID (RFC 9562, version 4). A member that SDKs
// fill in as idempotency token is given one when a caller leaves it out.
func FreshToken() *string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return new(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}
