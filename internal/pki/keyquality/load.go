package keyquality

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"unicode/utf8"
)

// File is a blocklist file to load.
type File struct {
	// Name appears in errors and in the report. For an OpenSSLBlacklist it
	// also tells the key size, as in "blacklist.RSA-2048".
	Name    string
	Content io.Reader
}

// badkeysDebian is the number of the list "debianssl" in badkeysdata.json.
// Other numbers are private keys that were published for other reasons.
const badkeysDebian = 1

// badkeysCovers are the keys that the badkeys project made for its list; its
// collection debianopenssl says so.
var badkeysCovers = []string{"RSA 1024", "RSA 2048", "RSA 3072", "RSA 4096", "P-256", "P-384"}

const (
	sniffSize      = 512
	badkeysBlock   = 16
	maxLine        = 4096
	firstTableSize = 1 << 16
)

var sizeInName = regexp.MustCompile(`(?i)RSA-?(512|768|1024|2048|3072|4096|8192|16384)\b`)

// Load reads blocklist files, of either format, told apart by their content.
// An error names the file and the line or block that is malformed; then no
// list is returned. Lists can be compressed where they are published: Load
// says so instead of reading one as something else.
func Load(files ...File) (*Blocklist, error) {
	l := &Blocklist{}
	for _, f := range files {
		loaded, err := l.add(f)
		if err != nil {
			return nil, fmt.Errorf("blocklist %s: %w", f.Name, err)
		}
		l.loaded = append(l.loaded, loaded)
	}
	l.seal()
	return l, nil
}

// add reads one file into the tables, which it leaves unsorted.
func (l *Blocklist) add(f File) (Loaded, error) {
	r := bufio.NewReaderSize(f.Content, 1<<16)
	head, err := r.Peek(sniffSize)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return Loaded{}, err
	case len(head) == 0:
		return Loaded{}, errors.New("the file is empty")
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return Loaded{}, errors.New("the file is compressed with xz; unpack it first")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return Loaded{}, errors.New("the file is compressed with gzip; unpack it first")
	case isText(head):
		return l.addText(f.Name, r)
	}
	return l.addBadkeys(f.Name, r)
}

// isText tells a text file by its first bytes. A list of hashes holds a
// control character or broken UTF-8 long before they end.
func isText(head []byte) bool {
	for len(head) > 0 {
		c, size := utf8.DecodeRune(head)
		if c == utf8.RuneError && size == 1 {
			// A character cut by the end of the sample is no evidence.
			return !utf8.FullRune(head)
		}
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
		head = head[size:]
	}
	return true
}

// addText reads an OpenSSLBlacklist.
func (l *Blocklist) addText(name string, r io.Reader) (Loaded, error) {
	size := sizeInName.FindStringSubmatch(path.Base(name))
	if size == nil {
		return Loaded{}, errors.New("the name does not tell the key size; call it blacklist.RSA-2048, say")
	}
	loaded := Loaded{Name: name, Kind: OpenSSLBlacklist, Keys: []string{"RSA " + size[1]}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxLine), maxLine)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var rec record
		if len(line) != hex.EncodedLen(recordSize) {
			return Loaded{}, fmt.Errorf("line %d: want 20 hex digits, got %d characters", n, len(line))
		}
		if _, err := hex.Decode(rec[:], line); err != nil {
			return Loaded{}, fmt.Errorf("line %d: want 20 hex digits, got something else", n)
		}
		l.moduli = append(l.moduli, rec)
		loaded.Entries++
	}
	if err := lines.Err(); err != nil {
		return Loaded{}, fmt.Errorf("line %d: %w", n+1, err)
	}
	if loaded.Entries == 0 {
		return Loaded{}, errors.New("the file lists no key")
	}
	return loaded, nil
}

// addBadkeys reads a Badkeys list.
func (l *Blocklist) addBadkeys(name string, r io.Reader) (Loaded, error) {
	loaded := Loaded{Name: name, Kind: Badkeys, Keys: badkeysCovers}
	if l.numbers == nil {
		l.numbers = make([]record, 0, firstTableSize)
	}
	var block, before [badkeysBlock]byte
	for n := 1; ; n++ {
		switch _, err := io.ReadFull(r, block[:]); {
		case errors.Is(err, io.EOF):
			if loaded.Entries == 0 {
				return Loaded{}, errors.New("the file lists no key of CVE-2008-0166")
			}
			return loaded, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return Loaded{}, fmt.Errorf("block %d: cut short; blocks have %d bytes", n, badkeysBlock)
		case err != nil:
			return Loaded{}, fmt.Errorf("block %d: %w", n, err)
		}
		if bytes.Compare(before[:], block[:]) > 0 {
			return Loaded{}, fmt.Errorf("block %d: out of order; this is no badkeys list", n)
		}
		before = block
		if block[badkeysBlock-1] != badkeysDebian {
			loaded.Other++
			continue
		}
		l.numbers = append(l.numbers, record(block[:recordSize]))
		loaded.Entries++
	}
}
