// Package store keeps everything that Cordon knows in SQLite or PostgreSQL.
//
// There is one SQL text for both databases, with @name arguments; what differs
// is in the dialect and in the two folders of DDL. A method is one
// transaction. Times are integer milliseconds since the epoch, lists and maps
// that no query looks into are JSON. Driver errors that a caller can do
// something about become faults here.
//
// Every row but accounts, keys and nodes belongs to a scope, one account in
// one region: the first column of its key.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/quota"
)

// Options say where the data is. With an empty URL it is in SQLite, in Dir.
type Options struct {
	Dir    string
	URL    string
	Node   string         // this process among those that share the database
	Quotas *quota.Profile // nil is quota.Default
	// GroupSlice is how many things a slice of work on a group looks at, 0 a
	// thousand.
	GroupSlice int
	Now        func() time.Time
	Log        *slog.Logger
}

// Store is the data of one Cordon. Its methods may be called at the same time.
type Store struct {
	now      func() time.Time
	node     string
	log      *slog.Logger
	quotas   *quota.Profile
	slices   int // Options.GroupSlice
	read     querier
	dialect  *dialect
	writer   *writer       // SQLite
	writeDB  *sql.DB       // SQLite: one connection, the writer's and the engine's
	readDB   *sql.DB       // SQLite
	keys     keyCache      // SQLite
	pool     *pgxpool.Pool // PostgreSQL
	lockFile *os.File      // SQLite
	calls    callTables
	stop     chan struct{}
	loops    sync.WaitGroup
	scopes   sync.Map // fleet.Scope → int64; a scope's number never changes
	dynamics dynamicSets
	feeds    feeds
}

const (
	readers = 8
	// cacheKB is how much of a SQLite database its writer keeps in memory.
	cacheKB = 64 << 10
	// poolSize is how many connections a node takes from PostgreSQL unless its
	// URL says pool_max_conns: a task in progress holds one during a slice.
	poolSize        = 32
	checkpointEvery = 100 * time.Millisecond
	// writeAttempts bounds how often a PostgreSQL transaction is tried again
	// that another one got in the way of.
	writeAttempts = 8
)

// Open opens the database, brings its tables up to date and, on SQLite, makes
// sure that no other process has it open.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{
		now: o.Now, node: o.Node, log: o.Log, quotas: o.Quotas, slices: cmp.Or(o.GroupSlice, groupSlice),
		stop: make(chan struct{}),
	}
	if s.quotas == nil {
		s.quotas = quota.Default
	}
	open := s.openSQLite
	if o.URL != "" {
		open = s.openPostgres
	}
	if err := open(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.analyzeAgain(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) openSQLite(ctx context.Context, o Options) (err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	file := filepath.Join(o.Dir, "cordon.db")
	if s.lockFile, err = lockSQLite(file + ".lock"); err != nil {
		return err
	}
	s.dialect = sqliteDialect
	// SQLite has one writer. A second connection would not wait in our queue
	// but fail with SQLITE_BUSY once its timeout is over.
	if s.writeDB, err = sql.Open("sqlite", sqliteDSN(file, "_txlock=immediate")); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.writeDB.SetMaxOpenConns(1)
	if err := migrateSQLite(ctx, s.writeDB, "migrations/sqlite"); err != nil {
		return err
	}
	// All readers together keep as much as the writer.
	reading := fmt.Sprintf("_pragma=query_only(true)&_pragma=cache_size(%d)", -cacheKB/readers)
	if s.readDB, err = sql.Open("sqlite", sqliteDSN(file, reading)); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.readDB.SetMaxOpenConns(readers)
	s.readDB.SetMaxIdleConns(readers)
	s.read = sqliteQuerier{preparedReader{newStatements(s.readDB)}}
	s.writer = newWriter(s.writeDB, s.node, s.feeds.wake)
	if err := s.openCalls(ctx, o.Dir); err != nil {
		return err
	}
	return s.startCheckpoints(file)
}

func sqliteDSN(file, extra string) string {
	v := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(ON)",
		"wal_autocheckpoint(0)", fmt.Sprintf("cache_size(%d)", -cacheKB), "journal_size_limit(67108864)",
	}}
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + v.Encode() + "&" + extra
}

// startCheckpoints moves the log into the database from a connection of its
// own, so that no write pays for it.
func (s *Store) startCheckpoints(file string) error {
	db, err := sql.Open("sqlite", sqliteDSN(file, ""))
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(1)
	s.loops.Go(func() {
		defer db.Close()
		tick := time.NewTicker(checkpointEvery)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
				if _, err := db.Exec("PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
					s.log.Warn("checkpoint did not work", "err", err)
				}
			}
		}
	})
	return nil
}

func (s *Store) openPostgres(ctx context.Context, o Options) error {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return errors.New("the database URL cannot be read") // the error would show the password
	}
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "cordon"
	// A frozen node must not hold row locks for ever. The URL may set its own
	// limit.
	if params["idle_in_transaction_session_timeout"] == "" {
		params["idle_in_transaction_session_timeout"] = "15000"
	}
	if !strings.Contains(o.URL, "pool_max_conns") {
		cfg.MaxConns = poolSize
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.dialect = postgresDialect
	s.read = pgQuerier{s.pool}
	s.calls = callTables{read: s.read, write: s.transact}
	return migratePostgres(ctx, s.pool)
}

// SQLite is the handle the durable engine shares, nil on PostgreSQL.
func (s *Store) SQLite() *sql.DB { return s.writeDB }

// Postgres is the pool the durable engine shares, nil on SQLite.
func (s *Store) Postgres() *pgxpool.Pool { return s.pool }

// StopWrites ends the API's writes. The engine may still run its slices.
func (s *Store) StopWrites() {
	if s.writer != nil {
		s.writer.close()
		s.writer = nil
	}
}

// Close closes the database. The durable engine, which shares the handle,
// comes first.
func (s *Store) Close() error {
	s.StopWrites()
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.loops.Wait()
	var errs []error
	if s.calls.file != nil {
		errs = append(errs, s.calls.file.close())
	}
	for _, db := range []*sql.DB{s.readDB, s.writeDB} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.lockFile != nil {
		errs = append(errs, s.lockFile.Close())
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := count(ctx, s.read, `SELECT count(*) FROM nodes`, nil)
	return err
}

// write runs fn as one transaction, which also holds the record of the call that
// it is part of.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	call := calllog.CallFrom(ctx)
	line, mine := call.Take(nil)
	err := s.recorded(ctx, line, fn)
	if mine {
		call.Settle(err == nil)
	}
	return err
}

// recorded runs fn as one transaction that also stores a line of the call log,
// if one is given.
func (s *Store) recorded(ctx context.Context, line []byte, fn func(ctx context.Context, q querier) error) error {
	switch {
	case s.pool == nil:
		return s.writer.do(ctx, line, fn)
	case line == nil:
		return s.transact(ctx, fn)
	}
	return s.transact(ctx, func(ctx context.Context, q querier) error {
		if err := fn(ctx, q); err != nil {
			return err
		}
		return insertLoose(ctx, q, s.node, line)
	})
}

// transact runs fn as one transaction on PostgreSQL, again if another one got in
// its way.
func (s *Store) transact(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return fn(ctx, pgQuerier{tx}) })
		if code := pgCode(err); attempt == writeAttempts || code != "40001" && code != "40P01" {
			return err
		}
	}
}

// slice returns what the statements of an engine's slice run on.
func (s *Store) slice(tx durable.Tx) querier { return sliceQuerier{tx: tx, d: s.dialect} }

// millis is the form in which times are stored.
func (s *Store) millis() int64 { return s.now().UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
