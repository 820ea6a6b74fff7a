package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-iot/cordon/internal/store"
)

// home is where databases are made, by names of our own.
type home interface {
	// create makes an empty database.
	create(ctx context.Context, name string) (store.Options, error)
	// copy makes a database with the content of another that is not open.
	copy(ctx context.Context, from, to string) (store.Options, error)
	// drop removes a database that is not open.
	drop(name string) error
	// settle does what the database would do some time after a load.
	settle(ctx context.Context, r *rig) error
	// describe names the database with the settings that matter here.
	describe(ctx context.Context, r *rig) (string, error)
	// close removes everything.
	close() error
}

func openHome(ctx context.Context, s Spec) (home, error) {
	if s.URL != "" {
		return openServer(ctx, s.URL)
	}
	dir, err := os.MkdirTemp(s.Dir, "cordon-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the benchmark: %w", err)
	}
	return directory(dir), nil
}

// directory holds SQLite databases, each in a directory of its own.
type directory string

func (d directory) options(name string) store.Options {
	return store.Options{Dir: filepath.Join(string(d), name)}
}

func (d directory) create(_ context.Context, name string) (store.Options, error) {
	return d.options(name), nil // the store makes it
}

// databaseFile is where the store has a SQLite database, below its directory.
const databaseFile = "cordon.db"

func (d directory) copy(_ context.Context, from, to string) (store.Options, error) {
	o := d.options(to)
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return o, err
	}
	source, err := os.Open(filepath.Join(d.options(from).Dir, databaseFile))
	if err != nil {
		return o, err
	}
	defer source.Close()
	target, err := os.Create(filepath.Join(o.Dir, databaseFile))
	if err != nil {
		return o, err
	}
	_, err = io.Copy(target, source)
	// On the disk now, or it would be written while the copy is measured.
	return o, errors.Join(err, target.Sync(), target.Close())
}

func (d directory) drop(name string) error { return os.RemoveAll(d.options(name).Dir) }

// settle has the log moved into the database, as the store does all the time.
func (d directory) settle(ctx context.Context, r *rig) error {
	for {
		var busy, inLog, moved int64
		err := r.sqlite().QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &inLog, &moved)
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if inLog == moved {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (d directory) describe(ctx context.Context, r *rig) (string, error) {
	var version, journal string
	var synchronous int
	for text, into := range map[string]any{
		"SELECT sqlite_version()": &version, "PRAGMA journal_mode": &journal, "PRAGMA synchronous": &synchronous,
	} {
		if err := r.sqlite().QueryRowContext(ctx, text).Scan(into); err != nil {
			return "", fmt.Errorf("ask SQLite for its settings: %w", err)
		}
	}
	return fmt.Sprintf("SQLite %s, journal_mode %s, synchronous %d", version, journal, synchronous), nil
}

func (d directory) close() error { return os.RemoveAll(string(d)) }
