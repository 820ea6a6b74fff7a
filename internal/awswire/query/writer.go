package query

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

// Writer appends the XML of an answer. Members that are nil are left out; an
// empty list or map that is not nil is written as an empty element.
type Writer struct {
	text []byte
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.text }

// Begin opens an element.
func (w *Writer) Begin(name string) {
	w.text = append(w.text, '<')
	w.text = append(w.text, name...)
	w.text = append(w.text, '>')
}

// BeginIn opens an element in a namespace, which those in it are of as well; ""
// is none.
func (w *Writer) BeginIn(name, namespace string) {
	if namespace == "" {
		w.Begin(name)
		return
	}
	w.Begin(name)
	w.text = append(w.text[:len(w.text)-1], ` xmlns="`...)
	w.Text(namespace)
	w.text = append(w.text, '"', '>')
}

// End closes the element that Begin opened.
func (w *Writer) End(name string) {
	w.text = append(w.text, '<', '/')
	w.text = append(w.text, name...)
	w.text = append(w.text, '>')
}

// Append adds what another writer wrote.
func (w *Writer) Append(xml []byte) { w.text = append(w.text, xml...) }

// String writes an element, unless it is nil.
func (w *Writer) String(name string, v *string) {
	if v != nil {
		w.Element(name, *v)
	}
}

// Element writes an element of text.
func (w *Writer) Element(name, text string) {
	w.Begin(name)
	w.Text(text)
	w.End(name)
}

// Bool writes an element, unless it is nil.
func (w *Writer) Bool(name string, v *bool) {
	if v != nil {
		w.Element(name, strconv.FormatBool(*v))
	}
}

// Int writes an element, unless it is nil.
func (w *Writer) Int(name string, v *int) {
	if v != nil {
		w.Element(name, strconv.Itoa(*v))
	}
}

// Long writes an element, unless it is nil.
func (w *Writer) Long(name string, v *int64) {
	if v != nil {
		w.Element(name, strconv.FormatInt(*v, 10))
	}
}

// Time writes an element in the form of RFC 3339, with milliseconds if there
// are any, unless it is nil.
func (w *Writer) Time(name string, v *time.Time) {
	if v != nil {
		w.Element(name, v.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano))
	}
}

// Blob writes an element in base64, unless it is nil.
func (w *Writer) Blob(name string, v []byte) {
	if v != nil {
		w.Element(name, base64.StdEncoding.EncodeToString(v))
	}
}

// Text writes text. A character that XML 1.0 cannot hold (section 2.2), and a
// byte that is not of UTF-8, becomes U+FFFD. A carriage return is written as a
// reference: a reader would take it for the end of a line.
func (w *Writer) Text(s string) {
	for _, r := range s {
		switch r {
		case '&':
			w.text = append(w.text, "&amp;"...)
		case '<':
			w.text = append(w.text, "&lt;"...)
		case '>':
			w.text = append(w.text, "&gt;"...)
		case '"':
			w.text = append(w.text, "&quot;"...)
		case '\r':
			w.text = append(w.text, "&#xD;"...)
		default:
			if !isChar(r) {
				r = utf8.RuneError
			}
			w.text = utf8.AppendRune(w.text, r)
		}
	}
}
