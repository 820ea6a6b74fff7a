package durable_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // likewise
	_ "modernc.org/sqlite"             // the driver of the tests' database

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

const deadline = time.Minute

var id = durable.ID{Kind: "count", Account: "111111111111", Region: "eu-central-1", Name: "a/b"}

// database is where engines of one test meet.
type database struct {
	t    *testing.T
	url  string // PostgreSQL
	file string // SQLite
}

// onEach runs a test on an empty database of each kind.
func onEach(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) *database{
		"sqlite": func(t *testing.T) *database {
			return &database{t: t, file: filepath.Join(t.TempDir(), "durable.db")}
		},
		"postgres": func(t *testing.T) *database { return &database{t: t, url: pgtest.URL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			d.exec("CREATE TABLE steps (n INTEGER NOT NULL)")
			d.exec("CREATE TABLE ends (reason TEXT NOT NULL)")
			test(t, d)
		})
	}
}

// open is a handle of its own.
func (d *database) open() *sql.DB {
	d.t.Helper()
	driver, address := "pgx", d.url
	if d.url == "" {
		driver, address = "sqlite", "file:"+d.file+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		d.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

func (d *database) exec(statement string) {
	d.t.Helper()
	db := d.open()
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		d.t.Fatal(err)
	}
}

// texts reads a column of texts.
func (d *database) texts(query string) []string {
	d.t.Helper()
	db := d.open()
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	list := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			d.t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return list
}

// wantSteps compares the committed slices, and wantEnds what tasks that could
// not be finished were told.
func (d *database) wantSteps(want ...string) {
	d.t.Helper()
	if got := d.texts("SELECT CAST(n AS TEXT) FROM steps ORDER BY n"); !slices.Equal(got, want) {
		d.t.Errorf("got slices %v, want %v", got, want)
	}
}

func (d *database) wantEnds(want ...string) {
	d.t.Helper()
	if got := d.texts("SELECT reason FROM ends"); !slices.Equal(got, want) {
		d.t.Errorf("got ends %q, want %q", got, want)
	}
}

// engine runs tasks of the kind "count" on the database.
func (d *database) engine(task durable.Task, o durable.Config) *durable.Engine {
	d.t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(d.t.Output(), nil))
	}
	if d.url == "" {
		o.SQLite = d.open()
	} else {
		pool, err := pgxpool.New(context.Background(), d.url)
		if err != nil {
			d.t.Fatal(err)
		}
		o.Postgres = pool
	}
	if o.Node == "" {
		o.Node = "one"
	}
	e, err := durable.New(o)
	if err != nil {
		d.t.Fatal(err)
	}
	e.Register(id.Kind, task)
	if err := e.Launch(); err != nil {
		d.t.Fatal(err)
	}
	return e
}

func stop(t *testing.T, e *durable.Engine) {
	t.Helper()
	if err := e.Close(deadline); err != nil {
		t.Fatal(err)
	}
}

// counter is a task of some slices, each of which adds a row. Its last slice,
// or its abandonment, is told to ended.
type counter struct {
	slices int
	// before is called in each slice with the number of rows that there are, and
	// behind when the slice has written its own. They may be nil.
	before, behind func(n int) error
	ended          chan string
}

func newCounter(slices int) *counter {
	return &counter{slices: slices, ended: make(chan string, 100)}
}

func (c *counter) Slice(ctx context.Context, tx durable.Tx, _ durable.ID) (bool, error) {
	n, err := rows(ctx, tx)
	if err != nil {
		return false, err
	}
	if n >= c.slices {
		c.ended <- "done"
		return false, nil
	}
	if c.before != nil {
		if err := c.before(n); err != nil {
			return false, err
		}
	}
	if _, err := tx.Exec(ctx, "INSERT INTO steps (n) VALUES ($1)", n+1); err != nil {
		return false, err
	}
	if c.behind != nil {
		if err := c.behind(n); err != nil {
			return false, err
		}
	}
	return true, nil
}

func rows(ctx context.Context, tx durable.Tx) (int, error) {
	var n int
	err := tx.QueryRow(ctx, "SELECT count(*) FROM steps").Scan(&n)
	return n, err
}

func (c *counter) Abandon(ctx context.Context, tx durable.Tx, _ durable.ID, reason string) error {
	// A task that has ended is left as it is: Reconcile may come a second time.
	if _, err := tx.Exec(ctx, "INSERT INTO ends (reason) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM ends)",
		reason); err != nil {
		return err
	}
	c.ended <- "abandoned"
	return nil
}

// await waits until the task has ended, and how, and until that is stored: an
// engine that is closed in between rolls it back and does it again later.
func (c *counter) await(d *database, want string) {
	d.t.Helper()
	select {
	case got := <-c.ended:
		if got != want {
			d.t.Errorf("got a task that is %s, want %s", got, want)
		}
	case <-time.After(deadline):
		d.t.Fatalf("the task is not %s after %s", want, deadline)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(d.workflows("status IN ('PENDING', 'ENQUEUED')")) > 0 {
		<-tick.C
	}
}

// workflows lists the engine's record of some workflows.
func (d *database) workflows(where string) []string {
	d.t.Helper()
	table := "dbos.workflow_status"
	if d.url == "" {
		table = "workflow_status"
	}
	return d.texts("SELECT workflow_uuid || ' ' || status FROM " + table + " WHERE " + where)
}

func begin(t *testing.T, e *durable.Engine) {
	t.Helper()
	if err := e.Start(id); err != nil {
		t.Fatal(err)
	}
}

func reconcile(t *testing.T, e *durable.Engine) {
	t.Helper()
	if err := e.Reconcile([]durable.ID{id}); err != nil {
		t.Fatal(err)
	}
}

const abandoned = "an internal failure stopped this task"

func TestATaskRunsItsSlicesOnce(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newCounter(3)
		e := d.engine(c, durable.Config{})
		begin(t, e)
		c.await(d, "done")
		// What has run is left as it is, whoever asks for it and however.
		begin(t, e)
		reconcile(t, e)
		stop(t, e)
		d.wantSteps("1", "2", "3")
		d.wantEnds()
		if n := len(c.ended); n != 0 {
			t.Errorf("got %d further ends, want none", n)
		}
	})
}

func TestASliceThatFailsIsUndoneAndTriedAgain(t *testing.T) {
	failing := errors.New("not now")
	for name, fail := range map[string]func(){"by an error": nil, "by a panic": func() { panic("broken") }} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, d *database) {
				c := newCounter(3)
				left := 2
				c.behind = func(n int) error {
					if n != 1 || left == 0 {
						return nil
					}
					left--
					if fail != nil {
						fail()
					}
					return failing
				}
				e := d.engine(c, durable.Config{})
				begin(t, e)
				c.await(d, "done")
				stop(t, e)
				d.wantSteps("1", "2", "3")
				d.wantEnds()
			})
		})
	}
}

func TestATaskWhoseSliceKeepsPanickingIsAbandoned(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newCounter(3)
		tries := 0
		c.behind = func(n int) error {
			if n == 1 {
				tries++
				panic("broken")
			}
			return nil
		}
		e := d.engine(c, durable.Config{})
		begin(t, e)
		c.await(d, "abandoned")
		stop(t, e)
		d.wantSteps("1")
		d.wantEnds(abandoned)
		if tries != 5 {
			t.Errorf("got %d tries, want 5", tries)
		}
	})
}

// bad panics behind every slice, outside of it. Without a recover in the
// workflow the process dies of it, and does so again at every start.
func bad(p durable.Point) {
	if p.Place == "after" {
		panic("broken")
	}
}

func TestAWorkflowThatPanicsIsAbandonedByReconcile(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newCounter(3)
		e := d.engine(c, durable.Config{Hook: bad})
		begin(t, e)
		c.reconcileUntilAbandoned(d, e)
		stop(t, e)
		d.wantSteps("1")
		d.wantEnds(abandoned)

		e = d.engine(c, durable.Config{Hook: bad})
		reconcile(t, e)
		stop(t, e)
		d.wantSteps("1")
		d.wantEnds(abandoned)
	})
}

// reconcileUntilAbandoned asks as a server does, again and again: the end of
// the workflow is stored a little later than it panics.
func (c *counter) reconcileUntilAbandoned(d *database, e *durable.Engine) {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(c.ended) == 0 {
		reconcile(d.t, e)
		<-tick.C
	}
	c.await(d, "abandoned")
}

func TestAPanicAtTheNextStartDoesNoHarm(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(int) error
		hook   func(durable.Point)
		want   []string
	}{
		{"in a slice", func(int) error { panic("broken") }, nil, []string{"1"}},
		{"in the workflow", nil, bad, []string{"1", "2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, d *database) {
				stopInSecondSlice(t, d)
				d.wantSteps("1")
				c := newCounter(3)
				c.before = tt.before
				e := d.engine(c, durable.Config{Hook: tt.hook})
				c.reconcileUntilAbandoned(d, e)
				stop(t, e)
				d.wantSteps(tt.want...)
				d.wantEnds(abandoned)
			})
		})
	}
}

// stopInSecondSlice leaves a task behind that is in progress: the slice is
// waiting for its next try when the engine is closed.
func stopInSecondSlice(t *testing.T, d *database) {
	t.Helper()
	c := newCounter(3)
	failed := make(chan struct{}, 10)
	c.before = func(n int) error {
		if n == 1 {
			failed <- struct{}{}
			return errors.New("not now")
		}
		return nil
	}
	e := d.engine(c, durable.Config{})
	begin(t, e)
	<-failed
	stop(t, e)
}

func TestReconcileStartsWhatHasNoWorkflow(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newCounter(2)
		e := d.engine(c, durable.Config{})
		for range 3 {
			reconcile(t, e)
		}
		c.await(d, "done")
		stop(t, e)
		d.wantSteps("1", "2")
	})
}

func TestACancelledTaskStopsBeforeItsNextSlice(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newCounter(3)
		between, release := make(chan struct{}), make(chan struct{})
		e := d.engine(c, durable.Config{Hook: func(p durable.Point) {
			if p.Place == "after" && p.Slice == 1 {
				close(between)
				<-release
			}
		}})
		begin(t, e)
		<-between
		if err := e.Cancel(id); err != nil {
			t.Fatal(err)
		}
		close(release)
		stop(t, e)
		d.wantSteps("1")
		d.wantEnds()
	})
}

func TestCancelLeavesWhatIsNotThereOrHasEnded(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newCounter(1)
		e := d.engine(c, durable.Config{})
		if err := e.Cancel(id); err != nil {
			t.Errorf("no workflow: got %v, want no error", err)
		}
		begin(t, e)
		c.await(d, "done")
		if err := e.Cancel(id); err != nil {
			t.Errorf("ended: got %v, want no error", err)
		}
		stop(t, e)
		d.wantSteps("1")
	})
}

// deaf is what a node knows of others that never says it is alive itself.
type deaf struct{ silent []string }

func (deaf) Beat(context.Context, string) error { return nil }

func (d *deaf) ClaimSilent(context.Context, string, time.Duration) ([]string, error) {
	return d.silent, nil
}

func (deaf) Known(context.Context, string) (bool, error) { return true, nil }

func (d *deaf) Forget(context.Context, string) error { return nil }

// TestTwoNodesAtOneTaskDoEachSliceOnce lets a node adopt the task of another
// one that is in the middle of a slice, alive, and commits it after all.
func TestTwoNodesAtOneTaskDoEachSliceOnce(t *testing.T) {
	d := &database{t: t, url: pgtest.URL(t)}
	d.exec("CREATE TABLE steps (n INTEGER NOT NULL)")
	d.exec("CREATE TABLE ends (reason TEXT NOT NULL)")

	type node struct {
		*counter
		held, release chan struct{}
		engine        *durable.Engine
		log           *listener
	}
	newNode := func(name string, silent []string, at ...durable.Point) *node {
		n := &node{
			counter: newCounter(4), held: make(chan struct{}), release: make(chan struct{}),
			log: &listener{out: t.Output(), phrase: "another node is at this task", heard: make(chan struct{}, 9)},
		}
		n.engine = d.engine(n, durable.Config{
			Node: name, Nodes: &deaf{silent: silent}, Log: slog.New(slog.NewTextHandler(n.log, nil)),
			Hook: func(p durable.Point) {
				if slices.Contains(at, p) {
					n.held <- struct{}{}
					<-n.release
				}
			},
		})
		return n
	}
	first := newNode("one", nil, durable.Point{ID: id, Place: "inside", Slice: 2},
		durable.Point{ID: id, Place: "inside", Slice: 3})
	begin(t, first.engine)
	<-first.held
	second := newNode("two", []string{"one"}, durable.Point{ID: id, Place: "before", Slice: 1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- second.engine.Run(ctx) }()
	<-second.held // it has adopted the task and is at the slice of the first one
	first.release <- struct{}{}
	<-first.held
	second.release <- struct{}{}
	<-second.log.heard
	first.release <- struct{}{}
	first.await(d, "done")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop(t, first.engine)
	stop(t, second.engine)
	d.wantSteps("1", "2", "3", "4")
	d.wantEnds()
	want := fmt.Sprintf("%s SUCCESS", id)
	if got := d.workflows("true"); !slices.Equal(got, []string{want}) {
		t.Errorf("got workflows %q, want %q", got, want)
	}
}

// listener passes a log on and tells of a phrase in it.
type listener struct {
	out    io.Writer
	phrase string
	heard  chan struct{}
}

func (l *listener) Write(line []byte) (int, error) {
	if strings.Contains(string(line), l.phrase) {
		l.heard <- struct{}{}
	}
	return l.out.Write(line)
}
