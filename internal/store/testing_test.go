package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/store/storetest/feedtest"
	"github.com/cordon-iot/cordon/internal/store/storetest/litetest"
	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

// testNow is the time in every test.
var testNow = time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)

// here and there are two scopes.
var (
	here  = fleet.Scope{Account: "111111111111", Region: "eu-central-1"}
	there = fleet.Scope{Account: "222222222222", Region: "eu-central-1"}
)

// databases are where a store can be: url is an empty one, and tables is one
// with empty tables, in a directory of SQLite or at a URL.
var databases = []struct {
	name   string
	url    func(testing.TB) string
	tables func(t *testing.T, dir string) (url string)
}{
	{"sqlite", func(testing.TB) string { return "" }, copyTables},
	{"postgres", pgtest.URL, func(t *testing.T, _ string) string { return tables.URL(t) }},
}

// tables and files are made once: migrations take longer than most tests, and so
// do the triggers that watch.
var (
	tables = pgtest.Template{Make: func(url string) error { return makeTables(Options{URL: url}) }}
	files  = litetest.Template{Make: func(dir string) error { return makeTables(Options{Dir: dir}) }}
)

func makeTables(o Options) error {
	o.Now, o.Log = time.Now, slog.New(slog.DiscardHandler)
	s, err := Open(context.Background(), o)
	if err != nil {
		return err
	}
	db := s.writeDB
	if s.pool != nil {
		db = stdlib.OpenDBFromPool(s.pool)
		defer db.Close()
	}
	return errors.Join(feedtest.Install(db, s.pool != nil), s.Close())
}

func copyTables(t *testing.T, dir string) string {
	t.Helper()
	files.Copy(t, dir)
	return ""
}

// forEachDatabase runs a test on an empty store of each database.
func forEachDatabase(t *testing.T, run func(t *testing.T, s *Store)) {
	t.Helper()
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			dir := t.TempDir()
			run(t, openTest(t, dir, db.tables(t, dir)))
		})
	}
}

// openTest opens a store that is closed when the test ends.
func openTest(t *testing.T, dir, url string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{
		Dir: dir, URL: url, Quotas: quota.AWS, Now: func() time.Time { return testNow },
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	watchRights(t, s)
	return s
}

// watchRights has a test fail if it changes what rights depend on and nothing of
// it is in the feed.
func watchRights(t *testing.T, s *Store) {
	t.Helper()
	feedtest.Watch(t, handleOf(t, s), s.pool != nil)
}

// pastStore begins something that is written past the store, and what it
// returns ends it: what was done before is in the feed, what is done in between
// need not be.
func pastStore(t *testing.T, s *Store) (end func()) {
	t.Helper()
	feedtest.Check(t, handleOf(t, s), s.pool != nil)
	return func() { feedtest.Forget(t, handleOf(t, s)) }
}

// handleOf is a handle on the database of a store.
func handleOf(t *testing.T, s *Store) *sql.DB {
	t.Helper()
	if s.pool == nil {
		return s.writeDB
	}
	db := stdlib.OpenDBFromPool(s.pool)
	t.Cleanup(func() { db.Close() })
	return db
}

// ok fails the test at once when there is an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantFault checks the code of a fault and a part of its text.
func wantFault(t *testing.T, err error, code fault.Code, part string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Code != code || !strings.Contains(f.Text, part) {
		t.Errorf("got %v, want a fault %s that says %q", err, code, part)
	}
}
