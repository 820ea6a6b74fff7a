package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// testWriter is a writer on an empty database with one table of names.
func testWriter(t *testing.T) *writer {
	t.Helper()
	db, err := sql.Open("sqlite", sqliteDSN(filepath.Join(t.TempDir(), "writer.db"), "_txlock=immediate"))
	ok(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.Exec("CREATE TABLE names (name TEXT NOT NULL PRIMARY KEY)")
	ok(t, err)
	w := newWriter(db, "", func() {})
	t.Cleanup(func() {
		select {
		case <-w.done:
		default:
			w.close()
		}
		ok(t, db.Close())
	})
	return w
}

// insert is a write of one name, with what happens behind the statement.
func insert(name string, then func() error) func(context.Context, querier) error {
	return func(ctx context.Context, q querier) error {
		if _, err := q.exec(ctx, "INSERT INTO names (name) VALUES (@name)", args{"name": name}); err != nil {
			return err
		}
		if then == nil {
			return nil
		}
		return then()
	}
}

// wantCommitted looks at what is committed.
func wantCommitted(t *testing.T, w *writer, want ...string) {
	t.Helper()
	got, err := all(context.Background(), sqliteQuerier{w.db}, "SELECT name FROM names ORDER BY name", nil, scalar[string])
	ok(t, err)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v committed, want %v", got, want)
	}
}

// batch is writes that share a transaction: they wait behind one that is held
// until all of them have come.
type batch struct {
	t       *testing.T
	w       *writer
	held    *write
	release chan struct{}
	waiting []*write
}

func newBatch(t *testing.T, w *writer) *batch {
	t.Helper()
	b := &batch{t: t, w: w, release: make(chan struct{})}
	begun := make(chan struct{})
	b.held = b.enqueue(context.Background(), func(context.Context, querier) error {
		close(begun)
		<-b.release
		return nil
	})
	<-begun
	b.waiting = nil
	return b
}

// enqueue does what a caller does first, and does not wait.
func (b *batch) enqueue(ctx context.Context, fn func(context.Context, querier) error) *write {
	item := &write{ctx: ctx, fn: fn, done: make(chan struct{})}
	b.w.queue <- item
	b.waiting = append(b.waiting, item)
	return item
}

// run lets the batch through and waits until each has its answer.
func (b *batch) run() {
	b.t.Helper()
	close(b.release)
	<-b.held.done
	ok(b.t, b.held.err)
	for _, item := range b.waiting {
		<-item.done
	}
}

func TestAWriteWhoseCallerLeftBeforeItBeganIsDropped(t *testing.T) {
	w := testWriter(t)
	b := newBatch(t, w)
	ctx, leave := context.WithCancel(context.Background())
	b.enqueue(context.Background(), insert("before", nil))
	gone := b.enqueue(ctx, insert("gone", nil))
	b.enqueue(context.Background(), insert("behind", nil))
	leave()
	b.run()
	if !errors.Is(gone.err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", gone.err)
	}
	wantCommitted(t, w, "before", "behind")
}

func TestAWriteWhoseCallerLeavesInTheMiddleIsCompleted(t *testing.T) {
	w := testWriter(t)
	b := newBatch(t, w)
	ctx, leave := context.WithCancel(context.Background())
	b.enqueue(context.Background(), insert("before", nil))
	left := b.enqueue(ctx, func(inner context.Context, q querier) error {
		if err := insert("first half", func() error { leave(); return inner.Err() })(inner, q); err != nil {
			return err
		}
		return insert("second half", nil)(inner, q)
	})
	b.enqueue(context.Background(), insert("behind", nil))
	b.run()
	if left.err != nil {
		t.Errorf("got %v, want no error", left.err)
	}
	wantCommitted(t, w, "before", "behind", "first half", "second half")
}

func TestAWriteThatFailsIsUndoneAlone(t *testing.T) {
	refused := errors.New("refused")
	for _, tt := range []struct {
		name string
		then func() error
		want string
	}{
		{"by an error", func() error { return refused }, "refused"},
		{"by a panic", func() error { panic("broken") }, "write panicked: broken"},
		{"by a panic of the runtime", func() error { return []error{}[len(t.Name())] }, "write panicked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := testWriter(t)
			b := newBatch(t, w)
			b.enqueue(context.Background(), insert("before", nil))
			failing := b.enqueue(context.Background(), insert("failing", tt.then))
			twice := b.enqueue(context.Background(), insert("before", nil))
			b.enqueue(context.Background(), insert("behind", nil))
			b.run()
			if failing.err == nil || !strings.Contains(failing.err.Error(), tt.want) {
				t.Errorf("got %v, want an error that says %q", failing.err, tt.want)
			}
			if !sqliteDialect.unique(twice.err) {
				t.Errorf("got %v, want a broken unique constraint", twice.err)
			}
			wantCommitted(t, w, "before", "behind")
			ok(t, w.do(context.Background(), nil, insert("later", nil)))
			wantCommitted(t, w, "before", "behind", "later")
		})
	}
}

// A write that ends the transaction takes its batch with it. What must not
// happen is that a part of the batch is stored, or that anybody hears that it
// was.
func TestABatchThatIsLostIsUndoneAsAWhole(t *testing.T) {
	w := testWriter(t)
	b := newBatch(t, w)
	b.enqueue(context.Background(), insert("before", nil))
	b.enqueue(context.Background(), func(ctx context.Context, q querier) error {
		_, err := q.exec(ctx, "ROLLBACK", nil)
		return err
	})
	b.enqueue(context.Background(), insert("behind", nil))
	b.run()
	for i, item := range b.waiting {
		if item.err == nil {
			t.Errorf("write %d: got no error, want one", i)
		}
	}
	wantCommitted(t, w)
	ok(t, w.do(context.Background(), nil, insert("later", nil)))
	wantCommitted(t, w, "later")
}

func TestAClosedWriterRefuses(t *testing.T) {
	w := testWriter(t)
	ok(t, w.do(context.Background(), nil, insert("early", nil)))
	w.close()
	for range maxBatch + 1 { // more than the queue holds
		if err := w.do(context.Background(), nil, insert("late", nil)); !errors.Is(err, errClosed) {
			t.Fatalf("got %v, want %v", err, errClosed)
		}
	}
	wantCommitted(t, w, "early")
}

func TestCallersThatLeaveAtTheirOwnTimeLoseNothingOfOthers(t *testing.T) {
	w := testWriter(t)
	const callers = 64
	type answer struct {
		name string
		err  error
	}
	answers := make(chan answer, callers)
	for i := range callers {
		go func() {
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			name := fmt.Sprintf("%02d", i)
			if i%2 == 1 {
				go leave()
			}
			answers <- answer{name, w.do(ctx, nil, insert(name, nil))}
		}()
	}
	told := map[string]bool{}
	for range callers {
		a := <-answers
		told[a.name] = a.err == nil
		if a.err != nil && !errors.Is(a.err, context.Canceled) {
			t.Errorf("%s: got %v, want no other error than context.Canceled", a.name, a.err)
		}
	}
	w.close()
	stored, err := all(context.Background(), sqliteQuerier{w.db}, "SELECT name FROM names", nil, scalar[string])
	ok(t, err)
	for _, name := range stored {
		if !told[name] {
			t.Errorf("%s is stored, and its caller heard that it is not", name)
		}
		delete(told, name)
	}
	for name, yes := range told {
		if yes {
			t.Errorf("%s is not stored, and its caller heard that it is", name)
		}
	}
	if len(stored) < callers/2 {
		t.Errorf("got %d writes stored, want those of the %d callers that stayed", len(stored), callers/2)
	}
}
