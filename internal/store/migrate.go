package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	gooselock "github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

func migrateSQLite(ctx context.Context, db *sql.DB, dir string) error {
	return migrate(ctx, goose.DialectSQLite3, db, dir)
}

// migratePostgres takes a lock in the database, for several nodes may start at
// once.
func migratePostgres(ctx context.Context, pool *pgxpool.Pool) error {
	locker, err := gooselock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	return migrate(ctx, goose.DialectPostgres, db, "migrations/postgres", goose.WithSessionLocker(locker))
}

func migrate(ctx context.Context, d goose.Dialect, db *sql.DB, dir string, o ...goose.ProviderOption) error {
	p, err := migrator(d, db, dir, o...)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the tables up to date: %w", err)
	}
	return nil
}

// migrator knows the migrations of a folder.
func migrator(d goose.Dialect, db *sql.DB, dir string, o ...goose.ProviderOption) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	p, err := goose.NewProvider(d, db, files, append(o, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return p, nil
}

// lockSQLite keeps a second process away from the database: nothing in SQLite
// does, and two engines would run the same tasks. The kernel frees the lock
// when the process ends, however it ends.
func lockSQLite(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock data directory: %w", err)
		}
		pid := make([]byte, 32)
		n, _ := f.Read(pid)
		return nil, fmt.Errorf("%s is in use by process %s: a data directory belongs to one process",
			path, strings.TrimSpace(string(pid[:n])))
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory: %w", err), f.Close())
	}
	if _, err := fmt.Fprintf(f, "%d\n", os.Getpid()); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory: %w", err), f.Close())
	}
	return f, nil
}
