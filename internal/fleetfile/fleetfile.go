// Package fleetfile reads devices from files: a directory or a tar of PEM
// files, a CSV, or JSON lines.
//
// A file is read as a stream, one record after the other, whatever its size. A
// record that cannot be read is returned with the reason and does not end the
// file; only what cannot be a list of devices at all is an error. Nothing is
// left out in silence: a field without a meaning makes its record, or in the
// head of a CSV its file, refused.
package fleetfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// MaxRecord is the greatest size of a record in bytes: a line, or a PEM file.
// A longer one is refused and read over.
const MaxRecord = 128 << 10

// Device is what a record says. All members may be empty, but not the name of
// the thing and the certificate both.
type Device struct {
	ThingName        string            `json:"thingName,omitempty"`
	ThingTypeName    string            `json:"thingTypeName,omitempty"`
	Attributes       map[string]string `json:"attributes,omitempty"`
	ThingGroupNames  []string          `json:"thingGroupNames,omitempty"`
	CertificatePEM   string            `json:"certificatePem,omitempty"` // the device's first, then its chain
	CACertificatePEM string            `json:"caCertificatePem,omitempty"`
	Status           string            `json:"status,omitempty"`
	PolicyNames      []string          `json:"policyNames,omitempty"`
}

// Record is one device of a file, or what stands in its place.
type Record struct {
	// Where is the line a record begins in, from 1, or the name of its file.
	Where  string
	Device Device
	// Refused says why there is no device, "" if there is one.
	Refused string
}

// Format is how a file is written.
type Format string

// The formats. A directory is read as Tar is: each file is a record.
const (
	JSONLines Format = "jsonl"
	CSV       Format = "csv"
	PEMFiles  Format = "pem"
	Tar       Format = "tar"
)

// Reader reads the records of a file.
type Reader struct {
	next   func() (Record, error)
	input  *counter
	size   int64
	closer []io.Closer
}

// counter counts what was read, also for others.
type counter struct {
	r io.Reader
	n atomic.Int64
}

// Read reads from the source.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// FormatOf guesses a format from a name: a directory is PEMFiles, else the
// ending decides.
func FormatOf(path string) (Format, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return PEMFiles, nil
	}
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".gz")
	switch filepath.Ext(name) {
	case ".jsonl", ".ndjson", ".json":
		return JSONLines, nil
	case ".csv":
		return CSV, nil
	case ".tar", ".tgz":
		return Tar, nil
	case ".pem", ".crt", ".cer":
		return PEMFiles, nil
	}
	return "", fmt.Errorf("%s: the name does not say how it is written; name the format", path)
}

// Open opens a file of a format, or a directory of PEM files. A file whose name
// ends in .gz or .tgz is unpacked while it is read.
func Open(path string, format Format) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if format != PEMFiles {
			return nil, fmt.Errorf("%s is a directory, which is read as PEM files", path)
		}
		return openDirectory(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{input: &counter{r: f}, size: info.Size(), closer: []io.Closer{f}}
	if err := r.open(path, format); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), r.Close())
	}
	return r, nil
}

func (r *Reader) open(path string, format Format) (err error) {
	var in io.Reader = r.input
	if lower := strings.ToLower(path); strings.HasSuffix(lower, ".gz") || strings.HasSuffix(lower, ".tgz") {
		if in, err = unzip(in); err != nil {
			return err
		}
	}
	switch format {
	case JSONLines:
		r.next = jsonLines(bufio.NewReaderSize(in, MaxRecord))
	case CSV:
		r.next, err = table(bufio.NewReaderSize(in, MaxRecord))
	case Tar:
		r.next = archive(in)
	case PEMFiles:
		r.next = single(filepath.Base(path), in)
	default:
		err = fmt.Errorf("there is no format %q", format)
	}
	return err
}

// Next returns the next record, or io.EOF behind the last one. Every other
// error ends the file: what is behind it cannot be read.
func (r *Reader) Next() (Record, error) { return r.next() }

// Progress is how many bytes of how many were read; a size of 0 is not known.
func (r *Reader) Progress() (read, size int64) { return r.input.n.Load(), r.size }

// Close closes the file.
func (r *Reader) Close() error {
	var errs []error
	for _, c := range r.closer {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// empty says what every device needs.
const empty = "there is neither a thingName nor a certificatePem"

// check returns the record, refused if it names no device.
func (rec Record) check() Record {
	if rec.Refused == "" && rec.Device.ThingName == "" && rec.Device.CertificatePEM == "" {
		rec.Refused = empty
	}
	return rec
}
