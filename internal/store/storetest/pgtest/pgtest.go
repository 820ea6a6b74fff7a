// Package pgtest gives tests a PostgreSQL of their own.
//
// The first call of [URL] in a test process makes a cluster in a temporary
// directory, in memory where there is room, and starts it; every call makes a fresh, empty database in it.
// Nothing that runs on the machine is used or disturbed: the cluster listens
// on a Unix socket in its own directory only, so no port can be taken, and
// nobody but its owner (and root) can reach it.
//
// PostgreSQL refuses to run as root. For root the cluster runs as the user
// postgres, or nobody where that is missing.
//
// The cluster ends with the process that started it, however that ends, kill
// -9 included: a small supervisor waits for the other end of a pipe to close,
// then stops the cluster and removes its directory.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// RequireVariable names the environment variable that lists, separated by
// commas, what must be present. With "postgres" in it a test that needs
// PostgreSQL fails where it would have been skipped.
const RequireVariable = "CORDON_TEST_REQUIRE"

// ErrNotInstalled says that no PostgreSQL server of a usable version was
// found below /usr/lib/postgresql or in PATH.
var ErrNotInstalled = errors.New("PostgreSQL 15 or later is not installed " +
	"(Debian: apt-get install postgresql): no initdb below /usr/lib/postgresql or in PATH")

// process is the cluster that all tests of this process share.
var process = sync.OnceValues(func() (*Cluster, error) { return Start(Options{}) })

// URL returns the connection URL, without a password, of a new and empty
// database that is dropped when the test ends. The test is skipped where
// PostgreSQL is not installed, or fails if [RequireVariable] lists "postgres".
// It may be called by several tests at once, and several times by one.
func URL(t testing.TB) string {
	t.Helper()
	return database(t, need(t), empty)
}

// need returns the cluster, or skips the test.
func need(t testing.TB) *Cluster {
	t.Helper()
	c, err := process()
	switch {
	case errors.Is(err, ErrNotInstalled) && !required():
		t.Skip(err)
	case err != nil:
		t.Fatalf("start PostgreSQL for the tests: %v", err)
	}
	return c
}

// database returns the URL of a copy of another one, for as long as a test
// runs.
func database(t testing.TB, c *Cluster, of string) string {
	t.Helper()
	name, err := c.copy(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := c.DropDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return c.URL(name)
}

// Template is a database that others begin as copies of: what every test would
// have to make in an empty one is made once in a process.
type Template struct {
	// Make fills the database, which is empty, and leaves no connection to it.
	Make func(url string) error

	once sync.Once
	name string
	err  error
}

// URL is [URL] of a copy of the template. The first call makes the template.
func (p *Template) URL(t testing.TB) string {
	t.Helper()
	c := need(t)
	p.once.Do(func() {
		if p.name, p.err = c.CreateDatabase(context.Background()); p.err == nil {
			p.err = p.Make(c.URL(p.name))
		}
	})
	if p.err != nil {
		t.Fatalf("make a database to copy: %v", p.err)
	}
	return database(t, c, p.name)
}

func required() bool {
	return slices.Contains(strings.Split(os.Getenv(RequireVariable), ","), "postgres")
}

// Options says how a cluster is to run.
type Options struct {
	// Durable keeps fsync and synchronous commits on, as a benchmark needs.
	// Tests do without: their data need not survive the machine.
	Durable bool
	// Settings are further lines of postgresql.conf, such as
	// "shared_buffers = 1GB".
	Settings []string
}

// settings returns the content of postgresql.conf.
func (o Options) settings(dir string) string {
	lines := []string{
		"listen_addresses = ''",
		"unix_socket_directories = '" + dir + "'",
		// Twice as many may wait to be let in, which is what a machine with much else
		// to do needs: who comes when more wait is refused.
		"max_connections = 1000",
		"shared_buffers = 128MB",
		"timezone = 'UTC'",
	}
	if !o.Durable {
		lines = append(lines, "fsync = off", "synchronous_commit = off", "full_page_writes = off",
			"wal_level = minimal", "max_wal_senders = 0", "max_wal_size = 256MB")
	}
	return strings.Join(append(lines, o.Settings...), "\n") + "\n"
}

// Cluster is a running PostgreSQL server with its data.
type Cluster struct {
	dir        string
	supervisor *exec.Cmd
	alive      *os.File // while it is open, the supervisor lets the cluster run
	databases  func() string
	stopOnce   sync.Once
}

// supervise runs the cluster for as long as its standard input is open. It
// ignores the signals that a terminal sends to everybody: the process that
// started it decides when it is over. The server must hold none of the three
// standard files, or whoever reads them would wait for the server.
const supervise = `
trap '' INT TERM HUP PIPE
bin=$1 dir=$2
cleanup() { cd / && rm -rf "$dir" 2>/dev/null; }
if ! "$bin/initdb" -D "$dir/data" -U cordon -A trust -E UTF8 --no-sync --no-instructions \
	--locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US >"$dir/log" 2>&1 </dev/null ||
	! cat "$dir/settings" >>"$dir/data/postgresql.conf" ||
	! "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start >"$dir/start" 2>&1 </dev/null
then
	echo "not started"
	cat "$dir/log"
	"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 </dev/null
	cleanup
	exit 1
fi
echo ready
exec >/dev/null
cat >/dev/null
"$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 </dev/null
cleanup
`

// Start makes a cluster and returns once it takes connections. Its texts sort
// by the rules of English, not by bytes, so that a column that must sort by
// bytes and does not say so is noticed. The error is [ErrNotInstalled] where
// there is no PostgreSQL.
func Start(o Options) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, attr, err := o.ownedDir()
	if err != nil {
		return nil, fmt.Errorf("make the directory of a PostgreSQL cluster: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "settings"), []byte(o.settings(dir)), 0o644); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	stdin, alive, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer stdin.Close()
	said, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, alive.Close(), os.RemoveAll(dir))
	}
	defer said.Close()

	cmd := exec.Command("/bin/sh", "-c", supervise, "pgtest", bin, dir)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	// Standard error stays ours: "go test" waits until it is closed, and so
	// returns only when the cluster is gone.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, os.Stderr
	cmd.SysProcAttr = attr
	err = cmd.Start()
	stdout.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the supervisor of a PostgreSQL cluster: %w", err),
			alive.Close(), os.RemoveAll(dir))
	}
	c := &Cluster{dir: dir, supervisor: cmd, alive: alive, databases: sequence("test_")}
	if err := awaitReady(said); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Stop ends the cluster at once, without a checkpoint, and removes its data.
// It returns when both are done. Calls after the first do nothing.
func (c *Cluster) Stop() {
	c.stopOnce.Do(func() {
		c.alive.Close()
		// Its status was reported where it mattered: at the start.
		_ = c.supervisor.Wait()
		// Only the owner of the parent directory may be allowed to remove this
		// one; the supervisor has emptied it.
		_ = os.RemoveAll(c.dir)
	})
}

// URL returns the connection URL of a database of the cluster.
func (c *Cluster) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User("cordon"),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {c.dir}}.Encode(),
	}
	return u.String()
}

// CreateDatabase makes an empty database and returns its name, which no other
// database of the cluster has or had.
func (c *Cluster) CreateDatabase(ctx context.Context) (string, error) { return c.copy(ctx, empty) }

// empty is what PostgreSQL copies empty databases from.
const empty = "template1"

func (c *Cluster) copy(ctx context.Context, of string) (string, error) {
	name := c.databases()
	return name, c.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+of)
}

// DropDatabase removes a database and ends the connections that are left to it.
func (c *Cluster) DropDatabase(ctx context.Context, name string) error {
	return c.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
}

// exec runs one statement on the maintenance database, under a limit of time
// so that a lock nobody gives up fails the test and does not hang it.
func (c *Cluster) exec(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the test cluster: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func sequence(prefix string) func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return prefix + strconv.Itoa(n)
	}
}
