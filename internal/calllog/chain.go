package calllog

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// KeySize is the size of the key of the log in bytes.
const KeySize = 32

// sealing is the arithmetic of chains under a key: HMAC-SHA256 (RFC 2104). One is
// for one goroutine.
//
// A line's mark is the HMAC of the mark before it and the line, of the first one
// the seal of the batch before. A batch's seal is the HMAC of all that is stored
// of it but its lines, with the mark of the last one. So neither can be made, nor
// put elsewhere, without the key.
type sealing struct {
	mac hash.Hash
	sum [sealSize]byte
	buf []byte
}

func newSealing(key []byte) *sealing {
	return &sealing{mac: hmac.New(sha256.New, key)}
}

// What each kind of sum begins with, so that none is taken for another.
const (
	ofLine  = 'l'
	ofBatch = 'b'
	ofPurge = 'p'
)

// mark appends the mark of a line behind another.
func (s *sealing) mark(dst, before, line []byte) []byte {
	s.mac.Reset()
	s.buf = append(append(s.buf[:0], ofLine), before...)
	s.mac.Write(s.buf)
	s.mac.Write(line)
	return append(dst, s.mac.Sum(s.sum[:0])[:markSize]...)
}

// first is what the mark of the first line of a batch is made behind.
func first(b *Batch) []byte { return b.Previous[:min(markSize, len(b.Previous))] }

// marks returns the marks of the lines of a batch whose Previous is set.
func (s *sealing) marks(b *Batch, lines [][]byte) []byte {
	before := first(b)
	list := make([]byte, 0, markSize*len(lines))
	for _, line := range lines {
		list = s.mark(list, before, line)
		before = list[len(list)-markSize:]
	}
	return list
}

// seal returns the seal of a batch.
func (s *sealing) seal(b *Batch) []byte {
	m := append(s.buf[:0], ofBatch)
	for _, n := range []int64{b.Number, int64(b.Count), b.First, b.Last} {
		m = binary.BigEndian.AppendUint64(m, uint64(n))
	}
	for _, part := range [][]byte{[]byte(b.Chain), b.Previous, b.Digest, []byte(b.Names)} {
		m = binary.BigEndian.AppendUint32(m, uint32(len(part)))
		m = append(m, part...)
	}
	s.buf = m
	s.mac.Reset()
	s.mac.Write(m)
	return s.mac.Sum(nil)
}

// purge returns the proof that lines before a time were deleted as they should.
func (s *sealing) purge(before int64) []byte {
	s.mac.Reset()
	s.mac.Write(binary.BigEndian.AppendUint64([]byte{ofPurge}, uint64(before)))
	return s.mac.Sum(nil)
}

// close fills in everything of a batch that follows from its chain, number,
// Previous, Names and lines.
func (s *sealing) close(b *Batch, lines [][]byte) {
	b.Count = len(lines)
	b.First, b.Last = millisOf(lines[0]), millisOf(lines[len(lines)-1])
	b.Marks = s.marks(b, lines)
	b.Digest = b.Marks[len(b.Marks)-markSize:]
	b.Seal = s.seal(b)
}

// sealed reports whether the seal of a batch is that of what is stored of it.
func (s *sealing) sealed(b *Batch) bool { return hmac.Equal(s.seal(b), b.Seal) }

// naming is the text of some heads: a line each.
func naming(heads []Head) string {
	var b strings.Builder
	for _, h := range heads {
		fmt.Fprintf(&b, "%s %d %s\n", h.Chain, h.Number, base64.RawStdEncoding.EncodeToString(h.Seal))
	}
	return b.String()
}

// Heads reads the batches that another one names.
func Heads(names string) (list []Head, err error) {
	for line := range strings.Lines(names) {
		parts := strings.Fields(line)
		if len(parts) != 3 {
			return nil, fmt.Errorf("names of batches: %q", line)
		}
		h := Head{Chain: parts[0]}
		if h.Number, err = strconv.ParseInt(parts[1], 10, 64); err == nil {
			h.Seal, err = base64.RawStdEncoding.DecodeString(parts[2])
		}
		if err != nil {
			return nil, fmt.Errorf("names of batches: %w", err)
		}
		list = append(list, h)
	}
	return list, nil
}

// lookAhead bounds how many lines or marks are looked at to find where those that
// follow fit again.
const lookAhead = 64

// comparison finds how the lines of a batch differ from those that were sealed.
// Both are counted from 0 here.
type comparison struct {
	*sealing
	lines [][]byte
	marks [][]byte // marks[k+1] is that of the k-th line that was sealed

	inserted []int // of lines
	removed  []int // of those that were sealed
	altered  []int // likewise
}

// compare reports the lines of a batch that are not those which were sealed,
// counted from 1, and what became of each.
func (s *sealing) compare(b *Batch, lines [][]byte, report func(line int, what string)) {
	c := &comparison{sealing: s, lines: lines, marks: [][]byte{first(b)}}
	for m := b.Marks; len(m) >= markSize; m = m[markSize:] {
		c.marks = append(c.marks, m[:markSize])
	}
	c.run()
	for _, k := range c.altered {
		report(k+1, "was altered")
	}
	for _, k := range c.removed {
		report(k+1, c.fate(k))
	}
	for _, i := range c.inserted {
		if i >= 0 {
			report(i+1, "was inserted")
		}
	}
	if n := b.Count - (len(c.marks) - 1); n > 0 {
		report(len(c.marks), fmt.Sprintf("was removed with its mark, and those behind it, %d in all", n))
	}
}

// maxFates bounds the search for where lines that are not in their place went.
const maxFates = 1 << 14

// fate is what became of a line that is not in its place.
func (c *comparison) fate(k int) string {
	if len(c.inserted)*len(c.removed) > maxFates {
		return "was removed, or moved"
	}
	for n, i := range c.inserted {
		if i >= 0 && c.fits(i, k) {
			c.inserted[n] = -1
			return fmt.Sprintf("was moved and stands as line %d", i+1)
		}
	}
	return "was removed"
}

func (c *comparison) fits(i, k int) bool {
	if i >= len(c.lines) || k+1 >= len(c.marks) {
		return false
	}
	return bytes.Equal(c.mark(nil, c.marks[k], c.lines[i]), c.marks[k+1])
}

func (c *comparison) run() {
	i, k := 0, 0
	for i < len(c.lines) && k+1 < len(c.marks) {
		if c.fits(i, k) {
			i, k = i+1, k+1
			continue
		}
		i, k = c.mend(i, k)
	}
	for ; k+1 < len(c.marks); k++ {
		c.removed = append(c.removed, k)
	}
	for ; i < len(c.lines); i++ {
		c.inserted = append(c.inserted, i)
	}
}

// mend notes what is wrong with the i-th line, where the k-th should be, and
// returns where they fit again.
func (c *comparison) mend(i, k int) (nextLine, nextMark int) {
	for d := 1; d <= lookAhead && !c.fits(i+1, k+1); d++ {
		switch {
		case c.fits(i, k+d):
			for n := range d {
				c.removed = append(c.removed, k+n)
			}
			return i, k + d
		case c.fits(i+d, k):
			for n := range d {
				c.inserted = append(c.inserted, i+n)
			}
			return i + d, k
		}
	}
	c.altered = append(c.altered, k)
	return i + 1, k + 1
}
