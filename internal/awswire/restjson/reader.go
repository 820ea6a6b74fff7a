package restjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
)

// MaxDepth is how deeply objects and lists of a body may be nested.
const MaxDepth = 32

// Reader walks once over a JSON text (RFC 8259) and hands out values by the
// types of the AWS REST-JSON protocol. It is strict: member names match by
// case, a name that occurs twice in an object is refused, and so is a value of
// another type. A null counts as an absent member.
//
// The first refusal is kept and every later call does nothing, so that
// generated code need not look at errors between members; Err returns it.
type Reader struct {
	text  []byte
	at    int
	depth int
	path  []string
	err   *fault.Fault
}

// NewReader returns a reader of text. Text that is not one valid JSON value in
// UTF-8 is refused with [fault.Invalid]; after that the walk relies on the
// syntax being right.
func NewReader(text []byte) (*Reader, error) {
	if !utf8.Valid(text) {
		return nil, fault.New(fault.Invalid, "The request body is not valid UTF-8")
	}
	if !json.Valid(text) {
		return nil, fault.New(fault.Invalid, "The request body is not valid JSON")
	}
	return &Reader{text: text}, nil
}

// Err returns the first refusal, a [fault.Invalid] that names the member, or
// nil.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Object reads an object and calls member for each name that is not null.
// Member either reads the value and returns true, or returns false, and the
// value is skipped.
func (r *Reader) Object(member func(name string) bool) {
	if !r.open('{', "an object") {
		return
	}
	var seen nameSet
	for !r.closed('}') {
		name := r.name()
		if r.err == nil && !seen.add(name) {
			r.fail("Member '%s' is given more than once", show(r.pathTo(name)))
		}
		if r.err != nil {
			return
		}
		r.path = append(r.path, name)
		if !r.null() && !member(name) {
			r.skip()
		}
		r.path = r.path[:len(r.path)-1]
		if r.err != nil {
			return
		}
	}
	r.depth--
}

// List reads a list whose items are read by item. A null for the list gives
// nil, an empty list an empty slice; a null item is refused.
func List[T any](r *Reader, item func(*Reader) T) []T {
	if r.null() || !r.open('[', "a list") {
		return nil
	}
	values := []T{}
	for !r.closed(']') {
		r.path = append(r.path, strconv.Itoa(len(values)+1)+".member")
		values = append(values, notNull(r, item))
		r.path = r.path[:len(r.path)-1]
		if r.err != nil {
			return nil
		}
	}
	r.depth--
	return values
}

// Map reads an object with free names, whose values are read by item. A null
// for the map gives nil; a null value is refused.
func Map[T any](r *Reader, item func(*Reader) T) map[string]T {
	if r.null() || !r.open('{', "an object") {
		return nil
	}
	values := map[string]T{}
	for !r.closed('}') {
		name := r.name()
		r.path = append(r.path, name)
		r.noNUL(name)
		if _, twice := values[name]; twice {
			r.fail("Member '%s' is given more than once", r.where())
		}
		r.path[len(r.path)-1] = name + ".member"
		values[name] = notNull(r, item)
		r.path = r.path[:len(r.path)-1]
		if r.err != nil {
			return nil
		}
	}
	r.depth--
	return values
}

// Struct reads a structure by its generated decode method; null gives nil.
func Struct[T any](r *Reader, decode func(*T, *Reader)) *T {
	if r.null() || r.err != nil {
		return nil
	}
	v := new(T)
	decode(v, r)
	return v
}

// Item reads a structure that is an item of a list or a value of a map.
func Item[T any](decode func(*T, *Reader)) func(*Reader) T {
	return func(r *Reader) (v T) {
		decode(&v, r)
		return v
	}
}

// Text reads a string that is an item of a list or a value of a map.
func Text(r *Reader) string {
	if s := r.String(); s != nil {
		return *s
	}
	return ""
}

// String reads a string; null gives nil. One with a NUL character, which not
// every database can store, is refused.
func (r *Reader) String() *string {
	if r.null() || !r.is('"', "a string") {
		return nil
	}
	s := r.string()
	r.noNUL(s)
	return &s
}

func (r *Reader) noNUL(s string) {
	if strings.IndexByte(s, 0) >= 0 {
		r.fail("Value at '%s' must not have the NUL character", r.where())
	}
}

// Blob reads bytes in standard base64 (RFC 4648, section 4); null gives nil.
func (r *Reader) Blob() []byte {
	s := r.String()
	if s == nil {
		return nil
	}
	blob, err := base64.StdEncoding.DecodeString(*s)
	if err != nil {
		r.fail("Value at '%s' must be base64", r.where())
		return nil
	}
	return blob
}

// Bool reads true or false; null gives nil.
func (r *Reader) Bool() *bool {
	if r.null() || r.err != nil {
		return nil
	}
	switch c := r.peek(); c {
	case 't', 'f':
		r.literal()
		return new(c == 't')
	}
	r.fail("Value at '%s' must be a boolean", r.where())
	return nil
}

// Int reads a 32-bit integer; null gives nil.
func (r *Reader) Int() *int {
	n := r.integer(32)
	if n == nil {
		return nil
	}
	return new(int(*n))
}

// Long reads a 64-bit integer; null gives nil.
func (r *Reader) Long() *int64 {
	return r.integer(64)
}

// Time reads a time given as a number of seconds since the epoch, whole or
// with a fraction, to the millisecond; null gives nil. A string is refused.
func (r *Reader) Time() *time.Time {
	if r.null() || r.err != nil {
		return nil
	}
	if !r.atNumber() {
		r.fail("Value at '%s' must be a number of seconds since the epoch", r.where())
		return nil
	}
	seconds, err := strconv.ParseFloat(r.literal(), 64)
	if err != nil || seconds < minSeconds || seconds > maxSeconds {
		r.fail("Value at '%s' is not a time between the years 1 and 9999", r.where())
		return nil
	}
	return new(time.UnixMilli(int64(math.Round(seconds * 1000))).UTC())
}

// The seconds of the first and the last moment that RFC 3339 can write.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

func (r *Reader) integer(bits int) *int64 {
	if r.null() || r.err != nil {
		return nil
	}
	if !r.atNumber() {
		r.fail("Value at '%s' must be an integer", r.where())
		return nil
	}
	n, err := strconv.ParseInt(r.literal(), 10, bits)
	if err != nil {
		r.fail("Value at '%s' must be an integer of %d bits", r.where(), bits)
		return nil
	}
	return &n
}

// fail keeps the first refusal.
func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fault.New(fault.Invalid, format, args...)
	}
}

// where names the member that is being read, as the paths of validation errors
// do.
func (r *Reader) where() string {
	if len(r.path) == 0 {
		return "the request body"
	}
	return show(strings.Join(r.path, "."))
}

func (r *Reader) pathTo(name string) string {
	return strings.Join(append(slices.Clone(r.path), name), ".")
}

func (r *Reader) peek() byte {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// null consumes a null.
func (r *Reader) null() bool {
	if r.err != nil || r.peek() != 'n' {
		return false
	}
	r.at += len("null")
	return true
}

// is reports whether a value that begins with c comes next, and refuses
// another.
func (r *Reader) is(c byte, kind string) bool {
	if r.err == nil && r.peek() != c {
		r.fail("Value at '%s' must be %s", r.where(), kind)
	}
	return r.err == nil
}

func (r *Reader) open(c byte, kind string) bool {
	if !r.is(c, kind) {
		return false
	}
	r.at++
	if r.depth++; r.depth > MaxDepth {
		r.fail("The request body is nested more than %d levels deep", MaxDepth)
	}
	return r.err == nil
}

// closed consumes the comma before the next element, or the closing c.
func (r *Reader) closed(c byte) bool {
	switch r.peek() {
	case c:
		r.at++
		return true
	case ',':
		r.at++
	}
	return false
}

func (r *Reader) name() string {
	r.peek()
	name := r.string()
	r.peek()
	r.at++ // the colon
	return name
}

func (r *Reader) string() string {
	start := r.at
	plain := true
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			plain = false
			r.at++
		}
	}
	r.at++
	if plain {
		return string(r.text[start+1 : r.at-1])
	}
	var s string
	if err := json.Unmarshal(r.text[start:r.at], &s); err != nil {
		r.fail("Value at '%s' must be a string", r.where())
	}
	return s
}

func (r *Reader) atNumber() bool {
	c := r.peek()
	return c == '-' || c >= '0' && c <= '9'
}

// literal consumes a number, true or false.
func (r *Reader) literal() string {
	r.peek()
	rest := r.text[r.at:]
	if end := bytes.IndexAny(rest, ",]} \t\r\n"); end >= 0 {
		rest = rest[:end]
	}
	r.at += len(rest)
	return string(rest)
}

// skip passes over a value that no member wants. Names within it must still
// be unique, and its depth is still bounded.
func (r *Reader) skip() {
	switch r.peek() {
	case '{':
		r.Object(func(string) bool { return false })
	case '[':
		if !r.open('[', "a list") {
			return
		}
		for r.err == nil && !r.closed(']') {
			r.skip()
		}
		r.depth--
	case '"':
		r.string()
	default:
		r.literal()
	}
}

// end refuses what follows the value.
func (r *Reader) end() {
	if r.err == nil && r.peek() != 0 {
		r.fail("The request body is not valid JSON")
	}
}

// notNull is item, but refuses null.
func notNull[T any](r *Reader, item func(*Reader) T) (v T) {
	if r.null() {
		r.fail("Value null at '%s' must not be null", r.where())
		return v
	}
	return item(r)
}

// nameSet remembers the names of one object: a short one in a slice, which
// needs no hashing, a long one in a map.
type nameSet struct {
	short []string
	long  map[string]bool
}

const shortNames = 16

// add reports whether name is new.
func (s *nameSet) add(name string) bool {
	if s.long != nil {
		if s.long[name] {
			return false
		}
		s.long[name] = true
		return true
	}
	if slices.Contains(s.short, name) {
		return false
	}
	if s.short = append(s.short, name); len(s.short) > shortNames {
		s.long = make(map[string]bool, 2*shortNames)
		for _, n := range s.short {
			s.long[n] = true
		}
	}
	return true
}
