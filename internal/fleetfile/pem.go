package fleetfile

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unzip unpacks a stream.
func unzip(in io.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("not packed with gzip: %w", err)
	}
	return z, nil
}

// pemFile is the record of one PEM file.
func pemFile(name string, in io.Reader) (Record, error) {
	rec := Record{Where: name}
	text, err := io.ReadAll(io.LimitReader(in, MaxRecord+1))
	if err != nil {
		return rec, err
	}
	if len(text) > MaxRecord {
		rec.Refused = tooLong
		return rec, nil
	}
	rec.Device.CertificatePEM = string(text)
	return rec.check(), nil
}

// single is a file that is one record.
func single(name string, in io.Reader) func() (Record, error) {
	done := false
	return func() (Record, error) {
		if done {
			return Record{}, io.EOF
		}
		done = true
		return pemFile(name, in)
	}
}

// archive reads the files of a tar. What is no regular file is refused;
// directories are passed over.
func archive(in io.Reader) func() (Record, error) {
	t := tar.NewReader(in)
	return func() (Record, error) {
		for {
			header, err := t.Next()
			if err != nil {
				return Record{}, err
			}
			switch header.Typeflag {
			case tar.TypeReg:
				return pemFile(header.Name, t)
			case tar.TypeDir, tar.TypeXGlobalHeader:
				continue
			}
			return Record{Where: header.Name, Refused: "not a regular file"}, nil
		}
	}
}

// openDirectory reads the files of a directory and of those below it, by name.
// Links are not followed: each is refused.
func openDirectory(path string) (*Reader, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	d := &directory{root: path, levels: [][]fs.DirEntry{entries}, below: []string{""}}
	return &Reader{next: d.next, input: &d.read}, nil
}

// directory walks a tree of files. Of each level only what is still to be
// read is held.
type directory struct {
	root   string
	levels [][]fs.DirEntry
	below  []string // the path of each level below the root
	read   counter
}

func (d *directory) next() (Record, error) {
	for {
		last := len(d.levels) - 1
		if last < 0 {
			return Record{}, io.EOF
		}
		if len(d.levels[last]) == 0 {
			d.levels, d.below = d.levels[:last], d.below[:last]
			continue
		}
		entry := d.levels[last][0]
		d.levels[last] = d.levels[last][1:]
		name := filepath.Join(d.below[last], entry.Name())
		switch {
		case entry.IsDir():
			entries, err := os.ReadDir(filepath.Join(d.root, name))
			if err != nil {
				return Record{Where: name, Refused: reason(err)}, nil
			}
			d.levels, d.below = append(d.levels, entries), append(d.below, name)
			continue
		case !entry.Type().IsRegular():
			return Record{Where: name, Refused: "not a regular file"}, nil
		}
		return d.file(name), nil
	}
}

func (d *directory) file(name string) Record {
	f, err := os.Open(filepath.Join(d.root, name))
	if err != nil {
		return Record{Where: name, Refused: reason(err)}
	}
	defer f.Close()
	d.read.r = f
	rec, err := pemFile(name, &d.read)
	if err != nil {
		return Record{Where: name, Refused: reason(err)}
	}
	return rec
}

// reason is an error without the path, which stands beside it.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// Formats are the names of all formats.
func Formats() string {
	list := []string{string(JSONLines), string(CSV), string(Tar), string(PEMFiles)}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
