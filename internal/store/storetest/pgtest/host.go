package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// oldest is the first major version of PostgreSQL that Cordon is tested on,
// and the first whose initdb takes an ICU locale.
const oldest = 15

// binaries returns the directory of the server programs: of the newest
// version where Debian puts them, else where PATH finds initdb.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	newest, best := oldest-1, ""
	for _, initdb := range found {
		bin := filepath.Dir(initdb)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if err == nil && version > newest {
			newest, best = version, bin
		}
	}
	if best != "" {
		return best, nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrNotInstalled
	}
	// Distributions link single programs into PATH; the others lie beside the
	// real one.
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return "", err
	}
	return filepath.Dir(initdb), nil
}

// ownedDir makes the directory of a cluster and says how to start programs as
// its owner: the user of this process, or an unprivileged one for root. The
// supervisor gets a session of its own, out of reach of the terminal.
func ownedDir() (string, *syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return "", nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	dir, err := os.MkdirTemp("", "cordon-pg-")
	if err != nil {
		return "", nil, err
	}
	if c := attr.Credential; c != nil {
		if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
			return "", nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, attr, nil
}

// unprivileged returns the ids under which root runs the server.
func unprivileged() (uid, gid uint32, err error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("PostgreSQL does not run as root, and there is neither a user postgres nor nobody: %w", err)
	}
	ids := [2]uint64{}
	for i, text := range []string{u.Uid, u.Gid} {
		if ids[i], err = strconv.ParseUint(text, 10, 32); err != nil {
			return 0, 0, fmt.Errorf("ids of the user %s: %w", u.Username, err)
		}
	}
	return uint32(ids[0]), uint32(ids[1]), nil
}

// awaitReady waits for the word of the supervisor. Anything but "ready" is an
// error that carries the end of the server's log.
func awaitReady(said io.Reader) error {
	r := bufio.NewReader(said)
	word, _ := r.ReadString('\n')
	if word == "ready\n" {
		return nil
	}
	log, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read the log of a PostgreSQL cluster that did not start: %w", err)
	}
	const end = 2000
	return fmt.Errorf("a PostgreSQL cluster did not start: %s", strings.TrimSpace(string(log[max(0, len(log)-end):])))
}
