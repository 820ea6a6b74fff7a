package policy

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Values gives the values that keys have in one request. A connection makes
// one and keeps it; nothing here changes it.
type Values interface {
	// Lookup returns the values of a key, such as "iot:clientid", the first
	// one first, and none when the key has no value in the request. The key is
	// folded, see FoldKey, and of a certificate's attribute comes without
	// ".List" or an index. The result is not changed.
	Lookup(key string) []string
}

// Table is Values that are all written down, by folded key.
type Table map[string][]string

// Set gives a key its values; none removes it.
func (t Table) Set(key string, values ...string) {
	if len(values) == 0 {
		delete(t, FoldKey(key))
		return
	}
	t[FoldKey(key)] = values
}

// Lookup returns the values of a folded key.
func (t Table) Lookup(key string) []string { return t[key] }

// FoldKey returns a key in the one spelling that is looked up: in lower case,
// but for the name in brackets of a thing's attribute. Source: IAM, where the
// names of condition keys have no case.
func FoldKey(key string) string {
	before, name, ok := strings.Cut(key, "[")
	if !ok {
		return strings.ToLower(key)
	}
	return strings.ToLower(before) + "[" + name
}

// certificateKeys begins the keys of the attributes of a certificate, whose
// values are chosen by "." and a number counted from 0, or all by ".List".
const certificateKeys = "iot:certificate."

// Bounds on the values of a certificate. Source: AWS IoT, X.509 certificate
// policy variables.
const (
	// MaxInserted is the number of characters from which on a value is not
	// inserted for a variable.
	MaxInserted = 1024
	// notInserted are the characters that keep a value from being inserted.
	notInserted = "*$+?#"
)

// allValues is the index of a ref to all values of a key.
const allValues = -1

// ref is what the name of a variable or of a condition key refers to.
type ref struct {
	key   string // folded, without index
	text  string // as written
	index int    // of the value, or allValues
	// indexed says that the index was written.
	indexed bool
	// certificate says that the key is an attribute of the certificate.
	certificate bool
	// null says that the variable matches nothing when it has no value, or more
	// than one; else it stands for its own text. It is so in IAM, where a
	// variable may have a text that is inserted instead.
	null        bool
	fallback    string
	hasFallback bool
}

func (l language) ref(name string) ref {
	r := ref{key: FoldKey(name), text: name, null: l != ofIoT}
	if r.null || !strings.HasPrefix(r.key, certificateKeys) {
		return r
	}
	r.certificate = true
	cut := strings.LastIndexByte(r.key, '.')
	switch suffix := r.key[cut+1:]; {
	case suffix == "list":
		r.key, r.index = r.key[:cut], allValues
	case consistsOnlyOfDigits(suffix):
		r.indexed = true
		r.key = r.key[:cut]
		if n, err := strconv.ParseUint(suffix, 10, 16); err == nil {
			r.index = int(n)
		} else {
			r.index = 1 << 16 // more than a certificate has
		}
	}
	return r
}

func consistsOnlyOfDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// missing reports whether the value that was asked for by its index is not
// there.
func (r *ref) missing(values Values) bool { return len(r.all(values)) == 0 }

// all returns the values that the ref stands for as a condition key.
func (r *ref) all(values Values) []string {
	if values == nil {
		return nil
	}
	list := values.Lookup(r.key)
	switch {
	case len(list) <= max(r.index, 0):
		if rec, ok := values.(*recorder); ok {
			rec.note(r.text)
		}
		return nil
	case r.index == allValues, !r.certificate:
		return list
	}
	return list[r.index : r.index+1]
}

// inserted returns the value that is inserted for the ref as a variable, and
// false when there is none.
func (r *ref) inserted(values Values) (string, bool) {
	list := r.all(values)
	if r.null {
		if len(list) == 1 {
			return list[0], true
		}
		return r.fallback, r.hasFallback
	}
	if len(list) == 0 || r.index == allValues {
		return "", false
	}
	v := list[0]
	if r.certificate && (strings.ContainsAny(v, notInserted) ||
		len(v) > MaxInserted && utf8.RuneCountInString(v) > MaxInserted) {
		return "", false
	}
	return v, true
}

// recorder is Values that remembers for which keys there were none.
type recorder struct {
	Values
	names []string // as written
	seen  map[string]bool
}

func (r *recorder) Lookup(key string) []string {
	if r.Values == nil {
		return nil
	}
	return r.Values.Lookup(key)
}

func (r *recorder) note(name string) {
	if r.seen[FoldKey(name)] {
		return
	}
	if r.seen == nil {
		r.seen = make(map[string]bool)
	}
	r.seen[FoldKey(name)] = true
	r.names = append(r.names, name)
}
