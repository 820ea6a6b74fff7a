package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordon-iot/cordon/internal/store"
	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

// PrivateServer starts a PostgreSQL that has the machine to itself and is as
// durable as any. It lives until stop is called, or this process ends.
func PrivateServer() (address string, stop func(), err error) {
	cluster, err := pgtest.Start(pgtest.Options{Durable: true, Settings: []string{
		"shared_buffers = 2GB", "max_wal_size = 8GB", "checkpoint_timeout = 15min",
		"max_worker_processes = " + strconv.Itoa(max(2, runtime.NumCPU())),
	}})
	if err != nil {
		return "", nil, err
	}
	return cluster.URL("postgres"), cluster.Stop, nil
}

// dropTime bounds the removal of a database.
const dropTime = time.Minute

// cluster is a PostgreSQL server that databases are made on. It touches none
// that it did not make.
type cluster struct {
	url    *url.URL
	admin  *pgx.Conn
	prefix string
	made   map[string]bool
}

func openServer(ctx context.Context, address string) (*cluster, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the database URL cannot be read") // the error would show the password
	}
	admin, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return &cluster{
		url: u, admin: admin, prefix: "cordon_bench_" + strings.ToLower(rand.Text()[:8]) + "_", made: map[string]bool{},
	}, nil
}

func (s *cluster) options(name string) store.Options {
	u := *s.url
	u.Path = "/" + s.prefix + name
	return store.Options{URL: u.String()}
}

func (s *cluster) create(ctx context.Context, name string) (store.Options, error) {
	return s.makeDatabase(ctx, name, "")
}

// copy copies files: what it copied is on the disk when it returns.
func (s *cluster) copy(ctx context.Context, from, to string) (store.Options, error) {
	return s.makeDatabase(ctx, to, " TEMPLATE "+s.prefix+from+" STRATEGY file_copy")
}

func (s *cluster) makeDatabase(ctx context.Context, name, how string) (store.Options, error) {
	if _, err := s.admin.Exec(ctx, "CREATE DATABASE "+s.prefix+name+how); err != nil {
		return store.Options{}, fmt.Errorf("create a database for the benchmark: %w", err)
	}
	s.made[name] = true
	return s.options(name), nil
}

func (s *cluster) drop(name string) error {
	// Also after an interruption.
	ctx, cancel := context.WithTimeout(context.Background(), dropTime)
	defer cancel()
	if s.admin.IsClosed() { // by the context of an interrupted statement
		admin, err := pgx.Connect(ctx, s.url.String())
		if err != nil {
			return fmt.Errorf("drop database %s%s: %w", s.prefix, name, err)
		}
		s.admin = admin
	}
	if _, err := s.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+s.prefix+name+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s%s: %w", s.prefix, name, err)
	}
	delete(s.made, name)
	return nil
}

// settle does what autovacuum would do in its own time.
func (s *cluster) settle(ctx context.Context, r *rig) error {
	if _, err := r.postgres().Exec(ctx, "VACUUM (ANALYZE)"); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	_, err := r.postgres().Exec(ctx, "CHECKPOINT")
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" {
		return nil // for administrators only; then the server does it when it likes
	}
	return err
}

func (s *cluster) describe(ctx context.Context, r *rig) (string, error) {
	var text string
	err := r.postgres().QueryRow(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version') || ', ' ||
		string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
		WHERE name IN ('fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size')`).Scan(&text)
	if err != nil {
		return "", fmt.Errorf("ask PostgreSQL for its settings: %w", err)
	}
	return text, nil
}

func (s *cluster) close() error {
	var errs []error
	for name := range s.made {
		errs = append(errs, s.drop(name))
	}
	return errors.Join(append(errs, s.admin.Close(context.Background()))...)
}
