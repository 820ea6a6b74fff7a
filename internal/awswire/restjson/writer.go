package restjson

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Writer appends the JSON of an answer. Members that are nil are left out; an
// empty list or map that is not nil is written.
type Writer struct {
	text []byte
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.text }

// Begin opens an object ('{') or a list ('[').
func (w *Writer) Begin(c byte) { w.text = append(w.text, c) }

// End closes what Begin opened.
func (w *Writer) End(c byte) { w.text = append(w.text, c) }

// Next separates list items; it comes before each one.
func (w *Writer) Next() {
	if w.text[len(w.text)-1] != '[' {
		w.text = append(w.text, ',')
	}
}

// Name begins a member; its value must follow.
func (w *Writer) Name(name string) {
	if w.text[len(w.text)-1] != '{' {
		w.text = append(w.text, ',')
	}
	w.Text(name)
	w.text = append(w.text, ':')
}

// String writes a member, unless it is nil.
func (w *Writer) String(name string, v *string) {
	if v != nil {
		w.Name(name)
		w.Text(*v)
	}
}

// Bool writes a member, unless it is nil.
func (w *Writer) Bool(name string, v *bool) {
	if v != nil {
		w.Name(name)
		w.text = strconv.AppendBool(w.text, *v)
	}
}

// Int writes a member, unless it is nil.
func (w *Writer) Int(name string, v *int) {
	if v != nil {
		w.Name(name)
		w.text = strconv.AppendInt(w.text, int64(*v), 10)
	}
}

// Long writes a member, unless it is nil.
func (w *Writer) Long(name string, v *int64) {
	if v != nil {
		w.Name(name)
		w.text = strconv.AppendInt(w.text, *v, 10)
	}
}

// Time writes a member as seconds since the epoch, with milliseconds if there
// are any, unless it is nil.
func (w *Writer) Time(name string, v *time.Time) {
	if v == nil {
		return
	}
	w.Name(name)
	ms := v.UnixMilli()
	if ms < 0 {
		w.text = append(w.text, '-')
		ms = -ms
	}
	w.text = strconv.AppendInt(w.text, ms/1000, 10)
	if rest := ms % 1000; rest != 0 {
		w.text = append(w.text, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
}

// Blob writes a member in base64, unless it is nil.
func (w *Writer) Blob(name string, v []byte) {
	if v != nil {
		w.Name(name)
		w.text = append(w.text, '"')
		w.text = base64.StdEncoding.AppendEncode(w.text, v)
		w.text = append(w.text, '"')
	}
}

// Text writes a string value. Bytes that are not UTF-8 become U+FFFD.
func (w *Writer) Text(s string) {
	w.text = append(w.text, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			w.text = append(w.text, '\\', c)
		case c == '\n':
			w.text = append(w.text, '\\', 'n')
		case c < ' ':
			w.text = append(w.text, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			w.text = append(w.text, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			w.text = utf8.AppendRune(w.text, r)
			i += size
			continue
		}
		i++
	}
	w.text = append(w.text, '"')
}

const hexDigits = "0123456789abcdef"

// Keys returns the keys of a map in order, so that answers and messages do not
// change from call to call.
func Keys[T any](m map[string]T) []string {
	return slices.Sorted(maps.Keys(m))
}
