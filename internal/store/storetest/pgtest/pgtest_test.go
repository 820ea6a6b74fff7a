package pgtest

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestEachCallGivesAnEmptyDatabaseOfItsOwn(t *testing.T) {
	if one, other := URL(t), URL(t); one == other {
		t.Errorf("got %s twice", one)
	}
	for _, name := range []string{"one", "two", "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), URL(t))
			if err != nil {
				t.Fatal(err)
			}
			// The connection stays open on purpose: dropping the database must cope with it.
			if _, err := conn.Exec(t.Context(), "CREATE TABLE only_mine (id text)"); err != nil {
				t.Errorf("create the table that the others create too: %v", err)
			}
		})
	}
}

func TestTextsSortByALocale(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), URL(t))
	if err != nil {
		t.Fatal(err)
	}
	var byLocale, byBytes bool
	err = conn.QueryRow(t.Context(), `SELECT 'a' < 'B', 'a' < 'B' COLLATE "C"`).Scan(&byLocale, &byBytes)
	if err != nil {
		t.Fatal(err)
	}
	if !byLocale || byBytes {
		t.Errorf("got a < B: %t by locale, %t by bytes; want true, false", byLocale, byBytes)
	}
}

// childVariable turns the test binary into a process that starts a cluster,
// prints its directory and waits to be killed.
const childVariable = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	c, err := Start(Options{})
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(c.dir + "\n")
	io.Copy(io.Discard, os.Stdin)
}

func TestTheClusterEndsWithAKilledProcess(t *testing.T) {
	URL(t) // skips without PostgreSQL
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), childVariable+"=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// The supervisor holds standard error until it has cleaned up.
	stderr, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	child.Stderr = held
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	held.Close()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(line)
	if _, err := os.Stat(dir + "/data/postmaster.pid"); err != nil {
		t.Fatalf("the child's cluster does not run: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stderr); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for the directory of the killed process, want it removed", err)
	}
	_ = child.Wait() // killed
}

func TestAFailedStartSaysWhyAndLeavesNothing(t *testing.T) {
	URL(t) // skips without PostgreSQL
	// t.TempDir is closed to the user that runs the server for root.
	temp, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	_, err = Start(Options{Settings: []string{"no_such_setting = 1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want an error that names the setting", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v left behind; want nothing", left, err)
	}
}

func TestRequired(t *testing.T) {
	for list, want := range map[string]bool{"": false, "boto3": false, "postgres": true, "boto3,postgres": true} {
		t.Setenv(RequireVariable, list)
		if got := required(); got != want {
			t.Errorf("%q: got %t, want %t", list, got, want)
		}
	}
}
