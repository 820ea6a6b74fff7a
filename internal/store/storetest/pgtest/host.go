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

// memory is a file system in memory on Linux, of which a cluster of tests wants
// some room.
const (
	memory       = "/dev/shm"
	memoryMagic  = 0x01021994 // TMPFS_MAGIC of linux/magic.h
	memoryWanted = 4 << 30
)

// place is the directory below which the directory of a cluster is made: one in
// memory, where that is to be had, for a database is some hundred files, and to
// make them on a disk takes longer than most tests. Where a benchmark measures
// the disk, or TMPDIR is set, it is the directory for temporary files.
func (o Options) place() string {
	var fs syscall.Statfs_t
	if o.Durable || os.Getenv("TMPDIR") != "" || syscall.Statfs(memory, &fs) != nil || int64(fs.Type) != memoryMagic ||
		int64(fs.Bavail)*int64(fs.Bsize) < memoryWanted {
		return os.TempDir()
	}
	return memory
}

// ownedDir makes the directory of a cluster and says how to start programs as
// its owner: the user of this process, or an unprivileged one for root. The
// supervisor gets a session of its own, out of reach of the terminal.
func (o Options) ownedDir() (string, *syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return "", nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	dir, err := os.MkdirTemp(o.place(), "cordon-pg-")
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
