package calllog

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Loose is what the store wrote of some calls in the transactions of their
// changes, and is in no batch yet.
type Loose struct {
	Seq   int64
	Node  string
	Lines []byte
}

// Batches is where batches are stored.
type Batches interface {
	// LooseCalls lists the loose lines of a node, and of nodes that have been
	// silent for so long, by number.
	LooseCalls(ctx context.Context, node string, silence time.Duration, limit int) ([]Loose, error)
	// SealCalls stores batches that follow each other and deletes the loose lines
	// that are in them. It stores nothing and returns false when not all of those
	// are there. Batches that are stored already are as they should be.
	SealCalls(ctx context.Context, list []*Batch, loose []int64) (bool, error)
	// UnnamedCalls lists the last batches of chains other than one that no other
	// batch names.
	UnnamedCalls(ctx context.Context, chain string, limit int) ([]Head, error)
}

const (
	// sealEvery is the longest that a record is in memory alone, and sealAt how
	// many are at most before they are written, if the database takes them.
	sealEvery = 100 * time.Millisecond
	sealAt    = 1000
	// maxWaiting and maxWaitingBytes bound the records that wait. Those that come
	// when there are so many are lost, and counted.
	maxWaiting      = 1 << 16
	maxWaitingBytes = 64 << 20
	// maxSpare is how large a buffer may be that is used again.
	maxSpare = 4 << 20
	// loosePage is how many rows of loose lines are read at once.
	loosePage = 512
	// looseEvery is how often this node's own loose lines are sealed, which nobody
	// can lose any more.
	looseEvery = 500 * time.Millisecond
	// adoptEvery is how often the loose lines of nodes that are gone are looked
	// for, and nameEvery how often batches of other chains are named.
	adoptEvery = 2 * time.Second
	nameEvery  = time.Minute
	// namePage is how many of them one batch names.
	namePage = 100
	// sealTime and endTime are how long writing may take, at any time and in the
	// end.
	sealTime = 30 * time.Second
	endTime  = 5 * time.Second
)

// Options are what a Log is made of.
type Options struct {
	Store Batches
	// Node is this process among those that share the database: its chain.
	Node string
	// Silence is how long a node may say nothing before its loose lines are
	// adopted.
	Silence time.Duration
	Key     []byte // of KeySize bytes, shared by all nodes
	Now     func() time.Time
	Log     *slog.Logger
}

// Log is the record of the calls that one node answers. Its methods may be
// called at the same time; Run must run for anything to be stored.
type Log struct {
	o     Options
	most  int         // maxWaiting
	loose atomic.Bool // there may be loose lines of this node
	// behind says that loose lines cannot wait: there are many, or what became of
	// one of the calls waits to be written.
	behind atomic.Bool
	kick   chan struct{}

	mu      sync.Mutex
	waiting []byte // lines
	spare   []byte // what waited before, once it is stored
	lines   int    // in waiting
	lost    int64  // records that did not fit
	told    time.Time
	strange stranger

	// What follows belongs to Run.
	seal            *sealing
	packer          packer
	head            Head // of this node's chain
	pending         *pending
	named, adopting time.Time // when it was done last
	naming          bool
	shown           atomic.Pointer[Head]
}

// pending is what is being stored.
type pending struct {
	batches []*Batch
	loose   []int64
	own     [][]byte // the lines that are nowhere else
}

// New returns a log.
func New(o Options) *Log {
	return &Log{
		o: o, most: maxWaiting, kick: make(chan struct{}, 1), seal: newSealing(o.Key), naming: true,
		head:    Head{Chain: o.Node, Seal: make([]byte, sealSize)},
		waiting: make([]byte, 0, 1<<20),
	}
}

// Begin returns the call that a transaction may take the record of.
func (l *Log) Begin(e Event) *Call {
	return &Call{log: l, event: e}
}

// Done records the call under ctx, which was answered with an exception or, if
// code is "", without one. A call whose record is written and that failed behind
// its change has a second one. It returns false where there is no call under ctx.
func (l *Log) Done(ctx context.Context, code, message string) bool {
	c := CallFrom(ctx)
	if c == nil {
		return false
	}
	written := c.end()
	if written && code == "" {
		return true
	}
	// Nobody else looks at it any more.
	c.event.ErrorCode, c.event.ErrorMessage = code, message
	if written {
		c.event.Details = []Detail{{Name: "partlyDone", Number: 1}}
	}
	l.record(&c.event, written)
	return true
}

// Add records a call that never began.
func (l *Log) Add(e *Event) { l.record(e, false) }

func (l *Log) record(e *Event, written bool) {
	if e.Account == "" && !written && !l.admit(e) {
		return
	}
	if written {
		l.behind.Store(true)
	}
	// Written where nobody waits for it.
	var scratch [usualLine]byte
	line := AppendLine(scratch[:0], e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines >= l.most || len(l.waiting) >= maxWaitingBytes {
		l.lost++
		return
	}
	l.add(line)
}

// admit reports whether a call of a stranger is recorded by itself.
func (l *Log) admit(e *Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.strange.admit(e)
}

// add buffers a record. The lock is held.
func (l *Log) add(line []byte) {
	l.waiting = append(l.waiting, line...)
	if l.lines++; l.lines == sealAt {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}

// Run stores records until ctx ends, and then those that wait, for five seconds
// at most.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	complained := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return l.finish()
		case <-tick.C:
		case <-l.kick:
		}
		if err := l.store(sealTime, false); err != nil && time.Since(complained) > time.Minute {
			complained = time.Now()
			l.o.Log.Warn("the call log cannot be written and will be tried again", "err", err)
		}
	}
}

func (l *Log) finish() error {
	if err := l.store(endTime, true); err != nil {
		l.o.Log.Error("the end of the call log is lost", "err", err)
	}
	return nil
}

// store writes what waits. What comes meanwhile waits for the next time, unless
// there is no next time: each write costs a wait for the disk, and would take
// only what came during the one before.
func (l *Log) store(limit time.Duration, ending bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for again := true; again || ending; {
		again = l.pending != nil // from the last time
		if !again {
			if err := l.gather(ctx, ending); err != nil || l.pending == nil {
				return err
			}
			again = len(l.pending.loose) == loosePage
		}
		done, err := l.o.Store.SealCalls(ctx, l.pending.batches, l.pending.loose)
		if err != nil {
			return err
		}
		l.stored(done)
	}
	return nil
}

// stored goes on behind what was stored. Loose lines that another node adopted,
// which took this one for dead, are left to it.
func (l *Log) stored(done bool) {
	p := l.pending
	l.pending = nil
	if done {
		last := p.batches[len(p.batches)-1]
		l.head = Head{Chain: last.Chain, Number: last.Number, Seal: last.Seal}
		head := l.head
		l.shown.Store(&head)
		return
	}
	l.giveBack(p)
}

// giveBack has lines wait again that were taken.
func (l *Log) giveBack(p *pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range p.own {
		l.waiting = append(l.waiting, line...)
	}
	l.lines += len(p.own)
	l.loose.Store(true)
}

// Head is the last batch that this node stored, or nil.
func (l *Log) Head() *Head { return l.shown.Load() }

// gather makes batches of what waits, if anything does.
func (l *Log) gather(ctx context.Context, ending bool) error {
	p := &pending{own: split(l.take(ending))}
	var lines [][]byte
	waited := time.Since(l.adopting)
	behind := l.behind.Swap(false)
	if ending || behind || waited >= adoptEvery || waited >= looseEvery && l.loose.Swap(false) {
		rows, err := l.o.Store.LooseCalls(ctx, l.o.Node, l.o.Silence, loosePage)
		if err != nil {
			l.giveBack(p)
			return err
		}
		l.adopting = time.Now()
		for _, row := range rows {
			p.loose = append(p.loose, row.Seq)
			lines = append(lines, split(row.Lines)...)
			l.naming = l.naming || row.Node != l.o.Node
		}
		if len(rows) == loosePage {
			l.behind.Store(true)
		}
	}
	// The change of a call comes before what became of the call.
	if lines = append(lines, p.own...); len(lines) == 0 {
		return nil
	}
	inOrder(lines)
	names, err := l.names(ctx)
	if err == nil {
		p.batches, err = l.batches(lines, names)
	}
	if err != nil {
		l.giveBack(p)
		return err
	}
	l.pending = p
	return nil
}

// names are those that the next batch names, now and then.
func (l *Log) names(ctx context.Context) (string, error) {
	if !l.naming && time.Since(l.named) < nameEvery {
		return "", nil
	}
	heads, err := l.o.Store.UnnamedCalls(ctx, l.o.Node, namePage)
	if err != nil {
		return "", err
	}
	l.named, l.naming = time.Now(), len(heads) == namePage
	return naming(heads), nil
}

func (l *Log) batches(lines [][]byte, names string) (list []*Batch, err error) {
	head := l.head
	for len(lines) > 0 {
		n := cut(lines)
		b := &Batch{Chain: head.Chain, Number: head.Number + 1, Previous: head.Seal, Names: names}
		l.seal.close(b, lines[:n])
		if b.Body, err = l.packer.pack(lines[:n]); err != nil {
			return nil, err
		}
		list = append(list, b)
		head.Number, head.Seal = b.Number, b.Seal
		lines, names = lines[n:], ""
	}
	return list, nil
}

// take empties the buffer, with what is said of records that are not in it.
func (l *Log) take(ending bool) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	if l.lost > 0 && (ending || time.Since(l.told) >= sumEvery) {
		l.told = time.Now()
		l.o.Log.Warn("the call log is not complete", "records", l.lost)
		e := &Event{
			Time: now, Source: Source, Name: "CallRecordsLost", Internal: true,
			Details: []Detail{{Name: "calls", Number: l.lost}},
		}
		l.lost = 0
		l.add(AppendLine(nil, e))
	}
	if e := l.strange.sum(now, ending); e != nil {
		l.add(AppendLine(nil, e))
	}
	lines := l.waiting
	l.waiting, l.spare, l.lines = l.spare[:0], lines, 0
	if cap(lines) > maxSpare {
		l.spare = nil
	}
	return lines
}

// Source is the eventSource of Cordon's own service and of what Cordon itself
// says.
const Source = "cordon"
