package fleetfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// tooLong says that a record was read over.
var tooLong = fmt.Sprintf("the record is longer than %d bytes", MaxRecord)

// jsonLines reads one JSON object a line.
func jsonLines(in *bufio.Reader) func() (Record, error) {
	return (&lineReader{in: in}).records(false, object)
}

// object reads one JSON object.
func object(text []byte) (d Device, refused string) {
	if bytes.IndexByte(text, 0) >= 0 {
		return d, "the record has a NUL byte"
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return Device{}, "not an object of a device: " + short(err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Device{}, "there is more behind the object"
	}
	return d, ""
}

// short keeps a reason from being as long as what it complains about.
func short(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// separator parts the names in one field of a CSV.
const separator = ";"

// attributePrefix begins the names of columns that hold an attribute.
const attributePrefix = "attribute."

// maxColumns bounds the columns of a CSV: the named ones and an attribute each
// for as many as a thing may have.
const maxColumns = 60

// setters are what the columns of a CSV mean.
var setters = map[string]func(*Device, string){
	"thingName":        func(d *Device, v string) { d.ThingName = v },
	"thingTypeName":    func(d *Device, v string) { d.ThingTypeName = v },
	"thingGroupNames":  func(d *Device, v string) { d.ThingGroupNames = names(v) },
	"certificatePem":   func(d *Device, v string) { d.CertificatePEM = v },
	"caCertificatePem": func(d *Device, v string) { d.CACertificatePEM = v },
	"status":           func(d *Device, v string) { d.Status = v },
	"policyNames":      func(d *Device, v string) { d.PolicyNames = names(v) },
}

func names(field string) (list []string) {
	for name := range strings.SplitSeq(field, separator) {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list
}

// table reads a CSV (RFC 4180) whose first record names the columns.
func table(in *bufio.Reader) (func() (Record, error), error) {
	lines := &lineReader{in: in}
	head, _, err := lines.record(true)
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: its first line must name the columns")
	}
	if err != nil {
		return nil, err
	}
	columns, refused := fields(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	if refused != "" {
		return nil, errors.New("the names of the columns: " + refused)
	}
	sets, err := columnsOf(columns)
	if err != nil {
		return nil, err
	}
	return lines.records(true, func(text []byte) (Device, string) { return row(text, sets) }), nil
}

// columnsOf turns the names of columns into what they mean.
func columnsOf(columns []string) (sets []func(*Device, string), err error) {
	if len(columns) > maxColumns {
		return nil, fmt.Errorf("there are %d columns, and %d can have a meaning", len(columns), maxColumns)
	}
	seen := map[string]bool{}
	for _, name := range columns {
		name = strings.TrimSpace(name)
		set := setters[name]
		if attribute, ok := strings.CutPrefix(name, attributePrefix); ok && attribute != "" {
			set = func(d *Device, v string) {
				if d.Attributes == nil {
					d.Attributes = map[string]string{}
				}
				d.Attributes[attribute] = v
			}
		}
		switch {
		case set == nil:
			return nil, fmt.Errorf("the column %q has no meaning; known are thingName, thingTypeName, thingGroupNames, "+
				"certificatePem, caCertificatePem, status, policyNames and attribute.NAME", short(name))
		case seen[name]:
			return nil, fmt.Errorf("the column %q is there twice", short(name))
		}
		seen[name] = true
		sets = append(sets, set)
	}
	return sets, nil
}

// row reads one record of a CSV. An empty field says nothing.
func row(text []byte, sets []func(*Device, string)) (d Device, refused string) {
	values, refused := fields(text)
	if refused != "" {
		return d, refused
	}
	if len(values) != len(sets) {
		return d, fmt.Sprintf("the record has %d fields, and the file %d columns", len(values), len(sets))
	}
	for i, v := range values {
		if v != "" {
			sets[i](&d, v)
		}
	}
	return d, ""
}

func fields(text []byte) (values []string, refused string) {
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, "the record has a NUL byte"
	}
	r := csv.NewReader(bytes.NewReader(text))
	values, err := r.Read()
	if err != nil {
		return nil, "not a record of a CSV: " + short(err.Error())
	}
	return values, ""
}

var errTooLong = errors.New(tooLong)

// lineReader reads records of bounded size.
type lineReader struct {
	in   *bufio.Reader
	line int // lines that were read
}

// records returns the records one by one, each as what read makes of its text:
// a device, or why there is none. Empty lines are passed over.
func (l *lineReader) records(quotes bool, read func(text []byte) (d Device, refused string)) func() (Record, error) {
	return func() (Record, error) {
		for {
			text, number, err := l.record(quotes)
			rec := Record{Where: strconv.Itoa(number)}
			switch {
			case errors.Is(err, errTooLong):
				rec.Refused = tooLong
			case err != nil:
				return rec, err
			case len(bytes.TrimSpace(text)) == 0:
				continue
			default:
				rec.Device, rec.Refused = read(text)
			}
			return rec.check(), nil
		}
	}
}

// record returns the next record without its line ending, and the line that it
// begins in. With quotes, a line ending between quotation marks does not end a
// record. One that is too long is read over to the end of the line that the
// bound lies in, and errTooLong returned: where its quotation marks lead is not
// known.
func (l *lineReader) record(quotes bool) (text []byte, first int, err error) {
	first = l.line + 1
	var at quotation
	long := false
	for {
		piece, err := l.in.ReadSlice('\n')
		if !long {
			text = append(text, piece...)
			long = len(text) > MaxRecord
		}
		if quotes {
			at.pass(piece)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil, first, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, first, err
		}
		l.line++
		if long {
			return nil, first, errTooLong
		}
		if err != nil || at != inside {
			return bytes.TrimRight(text, "\r\n"), first, nil
		}
	}
}

// quotation is where in a CSV a byte stands. A quotation mark opens a field
// only at its beginning, so that a stray one does not swallow what follows.
type quotation int

const (
	atStart quotation = iota // of a field
	outside
	inside
	closing // behind a mark in a quoted field, which is its end unless another follows
)

func (q *quotation) pass(text []byte) {
	for _, b := range text {
		switch {
		case *q == inside:
			if b == '"' {
				*q = closing
			}
		case b == '"' && (*q == atStart || *q == closing):
			*q = inside
		case b == ',' || b == '\n':
			*q = atStart
		default:
			*q = outside
		}
	}
}
