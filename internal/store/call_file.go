package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
)

// callTables are where the batches of the call log are. On PostgreSQL they are
// beside everything else. SQLite has a database of its own for them: a write
// makes all who read a database read its pages again, and batches are written
// all the time.
type callTables struct {
	read  querier
	write func(ctx context.Context, fn func(ctx context.Context, q querier) error) error
	file  *callFile // SQLite
}

// callFile is the second database on SQLite.
type callFile struct {
	writer          *writer
	writeDB, readDB *sql.DB
}

const (
	callFileName = "calls.db"
	callReaders  = 2
	// callCacheKB is how much of it each connection keeps in memory.
	callCacheKB = 4 << 10
)

func callDSN(dir, extra string) string {
	return sqliteDSN(filepath.Join(dir, callFileName),
		fmt.Sprintf("_pragma=cache_size(%d)&_pragma=wal_autocheckpoint(1000)&%s", -callCacheKB, extra))
}

// openCalls opens the second database of SQLite, when the first one is open.
func (s *Store) openCalls(ctx context.Context, dir string) (err error) {
	f := &callFile{}
	s.calls.file = f
	if f.writeDB, err = sql.Open("sqlite", callDSN(dir, "_txlock=immediate")); err != nil {
		return fmt.Errorf("open database of calls: %w", err)
	}
	f.writeDB.SetMaxOpenConns(1)
	if err := migrateSQLite(ctx, f.writeDB, "migrations/sqlite_calls"); err != nil {
		return err
	}
	if f.readDB, err = sql.Open("sqlite", callDSN(dir, "_pragma=query_only(true)")); err != nil {
		return fmt.Errorf("open database of calls: %w", err)
	}
	f.readDB.SetMaxOpenConns(callReaders)
	f.writer = newWriter(f.writeDB, s.node, func() {})
	s.calls.read = sqliteQuerier{preparedReader{newStatements(f.readDB)}}
	s.calls.write = func(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
		return f.writer.do(ctx, nil, fn)
	}
	if err := s.moveCalls(ctx, dir); err != nil {
		return fmt.Errorf("move the call log to its own database: %w", err)
	}
	return s.numberLoose(ctx)
}

func (f *callFile) close() error {
	if f.writer != nil {
		f.writer.close()
	}
	var errs []error
	for _, db := range []*sql.DB{f.readDB, f.writeDB} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// moveCalls brings over what is in the tables that the first database had for
// batches, and drops them. What a process that was killed brought over already
// stays as it is.
func (s *Store) moveCalls(ctx context.Context, dir string) error {
	left, err := count(ctx, s.read, `SELECT count(*) FROM sqlite_master WHERE name = 'call_batches'`, nil)
	if err != nil || left == 0 {
		return err
	}
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `ATTACH DATABASE ? AS calls`, filepath.Join(dir, callFileName)); err != nil {
		return err
	}
	// Those that drop come last: a transaction over two files may be in one of
	// them only, after a loss of power.
	for _, text := range []string{
		`INSERT OR IGNORE INTO calls.call_batches SELECT * FROM main.call_batches ORDER BY seq`,
		`INSERT OR IGNORE INTO calls.call_chains SELECT * FROM main.call_chains ORDER BY chain`,
		`UPDATE calls.call_purge SET (before_at, proof) = (SELECT before_at, proof FROM main.call_purge)
			WHERE before_at < (SELECT before_at FROM main.call_purge)`,
		`DROP TABLE main.call_purge`, `DROP TABLE main.call_chains`, `DROP TABLE main.call_batches`,
		`DETACH DATABASE calls`,
	} {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// numberLoose has the next loose lines come behind those that are in a batch,
// if the first database is an older copy than the second.
func (s *Store) numberLoose(ctx context.Context) error {
	taken, err := takenCalls(ctx, s.calls.read)
	if err != nil || taken == 0 {
		return err
	}
	return s.writer.do(ctx, nil, func(ctx context.Context, q querier) error {
		if _, err := q.exec(ctx, `INSERT INTO sqlite_sequence (name, seq) SELECT 'call_loose', 0
			WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'call_loose')`, nil); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE sqlite_sequence SET seq = @taken WHERE name = 'call_loose' AND seq < @taken`,
			args{"taken": taken}); err != nil {
			return err
		}
		_, err := q.exec(ctx, `DELETE FROM call_loose WHERE seq <= @taken`, args{"taken": taken})
		return err
	})
}

// takenCalls is the last of the loose lines that are in a batch.
func takenCalls(ctx context.Context, q querier) (int64, error) {
	return count(ctx, q, `SELECT loose FROM call_taken WHERE rowid = 1`, nil)
}
