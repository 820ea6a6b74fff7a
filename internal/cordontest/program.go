package cordontest

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Mosquitto is the path of the broker Mosquitto. Without it the test ends as
// [Missing] says for "mosquitto".
func Mosquitto(t testing.TB) string {
	return needed(t, "mosquitto", []string{"/usr/sbin/mosquitto"}, "Debian: apt-get install mosquitto mosquitto-clients")
}

// MosquittoClient is the path of mosquitto_pub or mosquitto_sub. Without it the
// test ends as [Missing] says for "mosquitto".
func MosquittoClient(t testing.TB, name string) string {
	return needed(t, "mosquitto", []string{"/usr/bin/" + name}, "Debian: apt-get install mosquitto mosquitto-clients")
}

// RabbitMQ is the path of a program of RabbitMQ, such as rabbitmq-server, that
// runs as the user who calls it. Without it the test ends as [Missing] says for
// "rabbitmq".
func RabbitMQ(t testing.TB, name string) string {
	return needed(t, "rabbitmq", []string{"/usr/lib/rabbitmq/bin/" + name}, "Debian: apt-get install rabbitmq-server")
}

// Tool is the path of a program that PATH finds and most machines have. Without
// it the test ends as [Missing] says for its name.
func Tool(t testing.TB, name string) string {
	return needed(t, name, []string{name}, "Debian: apt-get install "+name)
}

// needed returns the first of some paths at which there is a program, or where
// PATH finds it.
func needed(t testing.TB, name string, paths []string, hint string) string {
	t.Helper()
	if path, err := exec.LookPath(filepath.Base(paths[0])); err == nil {
		paths = append(paths, path)
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	Missing(t, name, hint)
	return ""
}

// FreePort is a port of loopback that nobody listens on now. It is not among
// those that outgoing connections are given (32768 to 60999 on Linux), one of
// which could have it before a slow program listens.
func FreePort(t testing.TB) int {
	t.Helper()
	const first, count, tries = 10_000, 20_000, 100
	for range tries {
		port := first + rand.IntN(count)
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close() // it was only tried
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Program is a program that a test runs. It ends, with all that it has started,
// when the test does, and with the process of the test, however that ends.
type Program struct {
	// PID is that of the program itself.
	PID int
	// Dir is the working directory, which is the program's own.
	Dir string
	log string
}

// ProgramDir is an empty directory for programs that goes with the test. What is
// in it when a program is started becomes the program's own.
func ProgramDir(t testing.TB) string {
	t.Helper()
	// Not that of the test: others may not look into that of root.
	dir, err := os.MkdirTemp("", "cordon-program-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// supervise runs a program in the background, tells its process id, and kills
// it with all of its group when the other end of standard input is closed.
const supervise = `"$@" >>"$CORDON_PROGRAM_LOG" 2>&1 & echo $!; read -r _; kill -9 $!; wait; kill -9 0`

// StartProgram runs a program in a directory of [ProgramDir]. Root runs it as
// nobody. What it writes is shown when the test fails.
func StartProgram(t testing.TB, dir string, env []string, path string, args ...string) *Program {
	t.Helper()
	p := &Program{Dir: dir, log: filepath.Join(dir, fmt.Sprintf("%s-%d.log", filepath.Base(path), time.Now().UnixNano()))}
	if err := os.WriteFile(p.log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	credential := owner(t)
	own(t, dir, credential)
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervise, "sh", path}, args...)...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "HOME="+dir, "CORDON_PROGRAM_LOG="+p.log), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: credential}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it is killed
		if t.Failed() {
			t.Logf("%s wrote:\n%s", path, p.Log(t))
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	if p.PID, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return p
}

// runTime is how long a program runs that is to end by itself.
const runTime = 20 * time.Second

// RunProgram runs a program as [StartProgram] does, to its end or for 20 s, and
// returns what it wrote.
func RunProgram(t testing.TB, dir string, env []string, path string, args ...string) (string, error) {
	t.Helper()
	credential := owner(t)
	own(t, dir, credential)
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second // what it has started may hold its output open
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "HOME="+dir), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// owner is as whom programs run: nobody, for root.
func owner(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	ids := [2]uint32{}
	for i, text := range []string{nobody.Uid, nobody.Gid} {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = uint32(id)
	}
	return &syscall.Credential{Uid: ids[0], Gid: ids[1]}
}

// own gives a directory to whom programs run as.
func own(t testing.TB, dir string, credential *syscall.Credential) {
	t.Helper()
	if credential == nil {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(credential.Uid), int(credential.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Log is what the program wrote.
func (p *Program) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Signal sends a signal to the program.
func (p *Program) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.PID, signal); err != nil {
		t.Fatal(err)
	}
}

// AwaitPort waits until somebody listens on a port of loopback.
func (p *Program) AwaitPort(t testing.TB, port int) {
	t.Helper()
	Await(t, fmt.Sprintf("somebody listens on port %d", port), func() bool {
		if err := syscall.Kill(p.PID, 0); err != nil {
			t.Fatalf("the program ended (%v) and wrote:\n%s", err, p.Log(t))
		}
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// AwaitLog waits until the program has written a text.
func (p *Program) AwaitLog(t testing.TB, text string) {
	t.Helper()
	Await(t, fmt.Sprintf("the program writes %q", text), func() bool {
		if err := syscall.Kill(p.PID, 0); err != nil {
			t.Fatalf("the program ended (%v) and wrote:\n%s", err, p.Log(t))
		}
		return strings.Contains(p.Log(t), text)
	})
}

// Await waits until a condition holds.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(Deadline); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got nothing within %s, want that %s", Deadline, what)
		}
	}
}
