package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// maxBatch bounds how many writes share a commit.
const maxBatch = 256

// errClosed is what a write hears that comes after Close.
var errClosed = errors.New("the store is closed")

// writer is the one goroutine that writes to SQLite for the API: waiting
// writes share a transaction, each in a savepoint of its own, and all are
// answered after its commit. The durable engine is the only other user of the
// connection.
type writer struct {
	db        *sql.DB
	prepared  *statements
	node      string // whose records of calls are written
	committed func() // called after each batch
	queue     chan *write
	stop      chan struct{}
	done      chan struct{}
}

// write is one unit of work and, once done is closed, its outcome.
type write struct {
	ctx  context.Context // the caller's: asked before the write begins, never given to a statement
	fn   func(ctx context.Context, q querier) error
	err  error
	done chan struct{}
	line []byte // the record of the call that it is part of
}

func newWriter(db *sql.DB, node string, committed func()) *writer {
	w := &writer{
		db: db, prepared: newStatements(db), node: node, committed: committed, queue: make(chan *write, maxBatch),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w
}

// do runs fn in a batch and returns once it is committed or undone. A caller
// that has left before its write began is dropped; later it is too late.
// Its transaction also stores a line of the call log, if one is given.
func (w *writer) do(ctx context.Context, line []byte, fn func(ctx context.Context, q querier) error) error {
	item := &write{ctx: ctx, fn: fn, line: line, done: make(chan struct{})}
	select {
	case w.queue <- item:
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-item.done:
		return item.err
	case <-w.done:
		select {
		case <-item.done:
			return item.err
		default:
			return errClosed
		}
	}
}

// close ends the writer after the batch in hand.
func (w *writer) close() {
	close(w.stop)
	<-w.done
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			return
		case first := <-w.queue:
			w.commit(w.gather(first))
		}
	}
}

// gather takes what is waiting. It waits for no more, but lets those go first
// who are about to ask for a write: a commit for one costs as much as for many.
func (w *writer) gather(first *write) []*write {
	batch := []*write{first}
	for yielded := false; len(batch) < maxBatch; {
		select {
		case item := <-w.queue:
			batch, yielded = append(batch, item), false
			continue
		default:
		}
		if yielded {
			break
		}
		runtime.Gosched()
		yielded = true
	}
	return batch
}

// commit runs a batch. A write that fails is undone alone; a batch that fails
// is undone as a whole and every write in it hears so.
func (w *writer) commit(batch []*write) {
	var wanted []string
	if err := w.transact(batch, &wanted); err != nil {
		for _, item := range batch {
			item.err = err
		}
	}
	w.committed()
	for _, item := range batch {
		close(item.done)
	}
	for _, text := range wanted {
		if w.prepared.find(text) == nil {
			// One that cannot be prepared says why when it is run.
			_, _ = w.prepared.prepare(context.Background(), text)
		}
	}
}

func (w *writer) transact(batch []*write, wanted *[]string) error {
	// A statement that is interrupted undoes the whole SQLite transaction, so
	// none of them runs under a caller's context.
	ctx := context.Background()
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin batch: %w", err)
	}
	defer tx.Rollback()
	prepared := preparedWriter{tx, w.prepared, map[string]*sql.Stmt{}, wanted}
	for _, item := range batch {
		if item.err = item.ctx.Err(); item.err != nil {
			continue
		}
		if err := w.step(ctx, prepared, item); err != nil {
			return err
		}
	}
	if err := w.record(ctx, sqliteQuerier{prepared}, batch); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit batch: %w", err)
	}
	return nil
}

// record writes the records of the calls whose writes are in the batch, as one
// row.
func (w *writer) record(ctx context.Context, q querier, batch []*write) error {
	var lines []byte
	for _, item := range batch {
		if item.err == nil {
			lines = append(lines, item.line...)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return insertLoose(ctx, q, w.node, lines)
}

func (w *writer) step(ctx context.Context, tx preparedWriter, item *write) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT item"); err != nil {
		return fmt.Errorf("begin write: %w", err)
	}
	end := "RELEASE item"
	if item.err = guard(ctx, sqliteQuerier{tx}, item.fn); item.err != nil {
		end = "ROLLBACK TO item; RELEASE item"
	}
	if _, err := tx.ExecContext(ctx, end); err != nil {
		return fmt.Errorf("end write: %w", err)
	}
	return nil
}

// guard turns a panic into an error: it must not take the writer with it.
func guard(ctx context.Context, q querier, fn func(context.Context, querier) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(ctx, q)
}
