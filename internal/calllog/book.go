package calllog

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Pages is where the batches of all nodes are read.
type Pages interface {
	// CallBatches lists batches that have their lines by the time of their last
	// event and then by number.
	CallBatches(ctx context.Context, q BatchQuery) ([]*Batch, error)
	// CallChain lists the batches of a chain behind a number, in their order.
	CallChain(ctx context.Context, chain string, after int64, limit int) ([]*Batch, error)
	// NextCallChain returns the first chain behind a name, with the last batch
	// that was stored of it as it was noted then; nil behind the last chain.
	NextCallChain(ctx context.Context, after string) (*Head, error)
	// CallSeal returns the seal of a batch, or nil when it is not there.
	CallSeal(ctx context.Context, chain string, number int64) ([]byte, error)
	// CallsPurged is the time before which lines were deleted, in milliseconds,
	// with its proof, or 0.
	CallsPurged(ctx context.Context) (before int64, proof []byte, err error)
	// PurgeCalls deletes the lines of some batches whose last event was before a
	// time, and reports whether there may be more.
	PurgeCalls(ctx context.Context, before int64, proof []byte) (more bool, err error)
}

// BatchQuery asks for batches behind a place: whose last event was at From or
// later, and at To at the latest.
type BatchQuery struct {
	From, To int64 // milliseconds since 1970
	Seq      int64 // of those whose last event was at From, the numbers from this one on
	Limit    int
}

// Book reads the call log of all nodes.
type Book struct {
	Store     Pages
	Key       []byte
	Retention time.Duration // how long lines are kept; 0 is for ever
	Now       func() time.Time
	// Own is the log of this node: it knows how far its chain got.
	Own *Log
}

// Purge deletes some lines that were kept for long enough, and reports whether
// there may be more.
func (b *Book) Purge(ctx context.Context) (more bool, err error) {
	if b.Retention == 0 {
		return false, nil
	}
	before := b.Now().Add(-b.Retention).UnixMilli()
	return b.Store.PurgeCalls(ctx, before, newSealing(b.Key).purge(before))
}

// purged is the time before which lines may be missing.
func (b *Book) purged(ctx context.Context) (int64, error) {
	before, proof, err := b.Store.CallsPurged(ctx)
	if err != nil || !hmac.Equal(proof, newSealing(b.Key).purge(before)) {
		return 0, err
	}
	return before, nil
}

const (
	// exportBytes is how much a page of an export holds at least, if there is as
	// much.
	exportBytes = 1 << 20
	// pageBatches and pageBytes bound how many batches a page looks at, and how
	// many bytes of lines.
	pageBatches = 256
	pageBytes   = 16 << 20
	// readBatches is how many are read at once.
	readBatches = 16
)

// Place is where an export goes on.
type Place struct {
	At   int64 `json:"at"` // the last event of a batch
	Seq  int64 `json:"seq"`
	Line int   `json:"line,omitempty"` // lines of it that were looked at
}

// Export asks for events.
type Export struct {
	From, To time.Time // both included
	Account  string    // "" is every account, and nobody's
	After    *Place    // nil at the beginning
}

// Export returns the next lines in order, and where to go on: nil behind the
// last. A page may be empty.
func (b *Book) Export(ctx context.Context, x Export) (text []byte, next *Place, err error) {
	if x.To.Before(x.From) {
		return nil, nil, fault.New(fault.Invalid, "the end of the export is before its beginning")
	}
	p := &exporting{Export: x, from: x.From.UnixMilli(), to: x.To.UnixMilli()}
	place := Place{At: p.from}
	if x.After != nil {
		place = *x.After
	}
	for looked, size := 0, 0; looked < pageBatches && size < pageBytes; {
		q := BatchQuery{From: place.At, Seq: place.Seq, To: p.to + maxSpan, Limit: readBatches}
		list, err := b.Store.CallBatches(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for _, batch := range list {
			if batch.Seq != place.Seq || batch.Last != place.At {
				place = Place{At: batch.Last, Seq: batch.Seq}
			}
			n, full := p.batch(batch, place.Line)
			if full {
				place.Line = n
				return p.text, &place, nil
			}
			looked, size = looked+1, size+n
			place = Place{At: batch.Last, Seq: batch.Seq + 1}
		}
		if len(list) < readBatches {
			return p.text, nil, nil
		}
	}
	return p.text, &place, nil
}

// exporting is a page of an export.
type exporting struct {
	Export
	from, to int64
	text     []byte
}

// batch appends the lines of a batch that are asked for, behind the first ones.
// It returns how many bytes it has looked at, or when the page is full how many
// lines of the batch were looked at.
func (p *exporting) batch(b *Batch, skip int) (n int, full bool) {
	if b.First > p.to {
		return 0, false
	}
	lines, err := unpack(b.Body)
	if err != nil {
		p.unreadable(b)
		return len(b.Body), false
	}
	for i, line := range lines {
		n += len(line)
		if i < skip || !p.wants(line) {
			continue
		}
		if len(p.text) >= exportBytes {
			return i, true
		}
		p.text = append(p.text, line...)
	}
	return n, false
}

func (p *exporting) wants(line []byte) bool {
	if p.Account != "" && string(lineAccount(line)) != p.Account {
		return false
	}
	at := millisOf(line)
	return p.from <= at && at <= p.to
}

// unreadable says that a batch cannot be read, to those who see everything.
func (p *exporting) unreadable(b *Batch) {
	if p.Account != "" {
		return
	}
	p.text = AppendLine(p.text, &Event{
		Time: time.UnixMilli(b.Last), Source: Source, Name: "CallRecordsUnreadable", Internal: true,
		Details: []Detail{{Name: "chain", Text: b.Chain}, {Name: "batch", Number: b.Number}},
	})
}

// Problem is something that was done to the log.
type Problem struct {
	Chain string
	Batch int64
	Line  int // from 1; 0 is the batch
	Text  string
}

// Progress is how far a verification got.
type Progress struct {
	Chain string `json:"chain"`
	After int64  `json:"after"`          // the number of the last batch
	Seal  []byte `json:"seal,omitempty"` // of that one
	Head  int64  `json:"head"`           // the number that the chain had got to when it was begun
}

// Verification is the outcome for some batches.
type Verification struct {
	Problems       []Problem
	Batches, Lines int64
	Next           *Progress // nil at the end
}

const (
	// verifyTime is how long a page of a verification takes, roughly.
	verifyTime = 2 * time.Second
	// batchProblems and pageProblems bound the problems that are told of a batch,
	// and of a page.
	batchProblems = 50
	pageProblems  = 500
)

// Verify looks at the next batches: that each is sealed, that none between is
// missing, and that their lines are those which were sealed. It finds what was
// done to the database by those who do not have the key, but for the end of a
// chain that was cut off before another batch named it.
func (b *Book) Verify(ctx context.Context, from *Progress) (*Verification, error) {
	before, err := b.purged(ctx)
	if err != nil {
		return nil, err
	}
	v := &verifying{Book: b, sealing: newSealing(b.Key), purged: before, out: &Verification{}}
	if from != nil {
		v.at = *from
	}
	end := time.Now().Add(verifyTime)
	for {
		done, err := v.step(ctx)
		if err != nil {
			return nil, err
		}
		if done {
			return v.out, nil
		}
		if v.looked >= pageBatches || v.size >= pageBytes || len(v.out.Problems) >= pageProblems ||
			time.Now().After(end) {
			v.out.Next = &v.at
			return v.out, nil
		}
	}
}

// verifying is a page of a verification.
type verifying struct {
	*Book
	*sealing
	purged int64
	at     Progress
	out    *Verification

	looked, size int
}

// step looks at some batches of a chain, or goes to the next chain.
func (v *verifying) step(ctx context.Context) (done bool, err error) {
	if v.at.Chain != "" {
		list, err := v.Store.CallChain(ctx, v.at.Chain, v.at.After, readBatches)
		if err != nil {
			return false, err
		}
		for _, b := range list {
			if err := v.batch(ctx, b); err != nil {
				return false, err
			}
			v.looked, v.size = v.looked+1, v.size+len(b.Body)
		}
		if len(list) > 0 {
			return false, nil
		}
	}
	return v.nextChain(ctx)
}

// nextChain begins the next chain. Before that it looks at the end of the one in
// hand, which may have grown meanwhile, but not shrunk.
func (v *verifying) nextChain(ctx context.Context) (done bool, err error) {
	if v.at.Chain != "" {
		if err := v.end(ctx); err != nil {
			return false, err
		}
	}
	head, err := v.Store.NextCallChain(ctx, v.at.Chain)
	if err != nil || head == nil {
		return err == nil, err
	}
	v.at = Progress{Chain: head.Chain, Head: head.Number, Seal: make([]byte, sealSize)}
	return false, nil
}

// end looks for batches that are missing at the end of the chain in hand: it got
// as far as was noted when it was begun, or as this node knows.
func (v *verifying) end(ctx context.Context) error {
	number := v.at.Head
	if own := v.Own.Head(); own != nil && own.Chain == v.at.Chain {
		number = max(number, own.Number)
	}
	if number <= v.at.After {
		return nil
	}
	// It may have grown since its batches were listed.
	seal, err := v.Store.CallSeal(ctx, v.at.Chain, number)
	if err == nil && seal == nil {
		v.report(v.at.After+1, 0, missing(v.at.After+1, number))
	}
	return err
}

func missing(from, to int64) string {
	if from == to {
		return "the batch is missing"
	}
	return fmt.Sprintf("the batches %d to %d are missing", from, to)
}

func (v *verifying) report(batch int64, line int, text string) {
	v.out.Problems = append(v.out.Problems, Problem{Chain: v.at.Chain, Batch: batch, Line: line, Text: text})
}

// batch looks at one batch and goes behind it.
func (v *verifying) batch(ctx context.Context, b *Batch) error {
	next := v.at.After + 1
	if b.Number != next {
		v.report(next, 0, missing(next, b.Number-1))
	}
	switch sealed := v.sealed(b); {
	case !sealed:
		v.report(b.Number, 0, "the batch was altered or inserted: its seal is not that of what is stored of it")
	case b.Number == next && !bytes.Equal(b.Previous, v.at.Seal):
		v.report(b.Number, 0, "the batch does not follow the one before it")
	default:
		if err := v.names(ctx, b); err != nil {
			return err
		}
	}
	v.lines(b)
	v.at.After, v.at.Seal = b.Number, b.Seal
	v.out.Batches++
	v.out.Lines += int64(b.Count)
	return nil
}

// names looks for the batches that a batch names.
func (v *verifying) names(ctx context.Context, b *Batch) error {
	heads, err := Heads(b.Names)
	if err != nil {
		v.report(b.Number, 0, "the batches that it names cannot be read")
		return nil
	}
	for _, h := range heads {
		seal, err := v.Store.CallSeal(ctx, h.Chain, h.Number)
		if err != nil {
			return err
		}
		if !bytes.Equal(seal, h.Seal) {
			v.out.Problems = append(v.out.Problems, Problem{
				Chain: h.Chain, Batch: h.Number,
				Text: fmt.Sprintf("the batch is missing or was altered: batch %d of chain %q names it", b.Number, v.at.Chain),
			})
		}
	}
	return nil
}

// lines looks at the lines of a batch.
func (v *verifying) lines(b *Batch) {
	if b.Body == nil {
		if b.Last >= v.purged {
			v.report(b.Number, 0, "the lines of the batch are missing, and were not to be deleted yet")
		}
		return
	}
	lines, err := unpack(b.Body)
	if err != nil {
		v.report(b.Number, 0, "the lines of the batch were altered: "+errors.Unwrap(err).Error())
		return
	}
	told := 0
	v.compare(b, lines, func(line int, what string) {
		switch told++; {
		case told <= batchProblems:
			v.report(b.Number, line, "the line "+what+describe(lines, line))
		case told == batchProblems+1:
			v.report(b.Number, 0, "more lines of the batch were removed, altered, moved or inserted")
		}
	})
	if told == 0 && !bytes.HasSuffix(b.Marks, b.Digest) {
		v.report(b.Number, 0, "the marks of the lines were altered")
	}
}

// describe names the line that stands in a place by what it says of itself.
func describe(lines [][]byte, line int) string {
	if line > len(lines) {
		return ""
	}
	text := lines[line-1]
	if id := lineID(text); id != nil && lineTime(text) != nil {
		return fmt.Sprintf("; in its place is event %q of %q", id, lineTime(text))
	}
	return ""
}
