package cli

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// server starts a child process and waits for its first line.
func server(t *testing.T, kind string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childVariable+"="+kind)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	expect(t, lines, "started\n")
	return cmd, lines
}

func expect(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	if got, err := lines.ReadString('\n'); got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestASignalEndsTheServerWithStatusZero(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, lines := server(t, "obey")
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		expect(t, lines, "ending\n")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: got %v, want status 0", s, err)
		}
	}
}

func TestASecondSignalKills(t *testing.T) {
	cmd, lines := server(t, "hang")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect(t, lines, "ending\n")
	// Signals get their default effect beside the end of the context, not
	// before it; one that comes too early is lost like the first.
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case <-done:
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("got %v, want an end by SIGTERM", cmd.ProcessState)
			}
			return
		case <-time.After(time.Millisecond): // many at once would be handled inside each other
			_ = cmd.Process.Signal(syscall.SIGTERM) // gone already, in the end
		}
	}
}
