package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cli"
	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/notify/deliver"
	"github.com/cordon-iot/cordon/internal/server"
)

// stopsVariable turns the test binary into the cordon program. Its value is
// the list of stops that the server's hook knows, as JSON.
const stopsVariable = "CORDON_TEST_STOPS"

func TestMain(m *testing.M) {
	if text, child := os.LookupEnv(stopsVariable); child {
		os.Exit(cli.Main(serve(text)))
	}
	flag.Parse()
	// The tests mostly wait for other processes.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	if !farewellsHeard() {
		fmt.Fprintf(os.Stderr, "%d of %d devices did not hear why they lost their connection\n",
			farewells.silent.Load(), farewells.all.Load())
		code = 1
	}
	removeFleets()
	os.Exit(code)
}

// serve runs a server as the cordon program does, but with a hook.
func serve(text string) cli.Serve {
	return func(ctx context.Context, cfg config.Config, log *slog.Logger) error {
		h := &hook{log: log, stdin: bufio.NewReader(os.Stdin)}
		if err := json.Unmarshal([]byte(text), &h.stops); err != nil {
			return err
		}
		s, err := server.Start(ctx, cfg, log, server.Options{
			Hook: h.at, Delivery: hasty, DeliveryHook: h.delivering, SliceRows: sliceRows,
		})
		if err != nil {
			return err
		}
		return s.Run(ctx)
	}
}

// What is done at a stop.
const (
	killed   = "killed"   // the process ends itself by SIGKILL
	waiting  = "waiting"  // it says so and waits for a line on its standard input
	panicked = "panicked" // the workflow panics
)

// stop is a point in the life of the workflows of a kind. Slice 0 is each.
type stop struct {
	Kind, Place string
	Slice       int
	Deed        string
}

// hook is called at every point and acts at those that are stops.
type hook struct {
	stops []stop
	log   *slog.Logger
	mu    sync.Mutex
	stdin *bufio.Reader
	// passed counts how often a point of deliveries was passed.
	passed map[deliver.Point]int
}

// delivering stops at points of deliveries, whose slices are counted.
func (h *hook) delivering(p deliver.Point) {
	h.mu.Lock()
	if h.passed == nil {
		h.passed = map[deliver.Point]int{}
	}
	h.passed[p]++
	n := h.passed[p]
	h.mu.Unlock()
	h.at(durable.Point{ID: durable.ID{Kind: "delivery"}, Place: string(p), Slice: n})
}

func (h *hook) at(p durable.Point) {
	for _, s := range h.stops {
		if s.Kind != p.ID.Kind || s.Place != p.Place || s.Slice != 0 && s.Slice != p.Slice {
			continue
		}
		switch s.Deed {
		case killed:
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // not one more step of this workflow
		case waiting:
			h.mu.Lock()
			h.log.Info(waiting, "place", s.Place, "slice", p.Slice)
			_, _ = h.stdin.ReadString('\n')
			h.mu.Unlock()
		case panicked:
			panic("told to")
		}
	}
}

// process is a cordon program with a hook.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	log     chan said     // the lines that tests wait for
	ended   chan struct{} // closed when the process is gone
	begun   time.Time
	url     string
	ops     string
	mqtt    string
	lastErr string // the last line that was no log record; read it once ended
}

// overtaken is what a node logs that finds another one at its task.
const overtaken = "another node is at this task"

// said is a line of the log.
type said struct{ Msg, API, Ops, MQTT string }

// launch starts a process, which is killed at the latest when the test ends.
func launch(t *testing.T, cfg config.Config, stops ...stop) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(stops)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, "serve"), log: make(chan said, 16), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), stopsVariable+"="+string(text),
		"CORDON_DATA_DIR="+cfg.DataDir, "CORDON_LISTEN=127.0.0.1:0", "CORDON_OPS_LISTEN=127.0.0.1:0",
		"CORDON_MQTT_LISTEN="+cfg.MQTTListen, "CORDON_GATEWAY_STALE_LIMIT="+cfg.GatewayStaleLimit.String(),
		"CORDON_GATEWAY_ADDRESS_RATE="+strconv.Itoa(cfg.GatewayAddressRate),
		"CORDON_GATEWAY_CLIENT_RATE="+strconv.Itoa(cfg.GatewayClientRate),
		"CORDON_PKI_LISTEN="+cfg.PKIListen, "CORDON_ROLES="+cfg.Roles,
		"CORDON_DATABASE_URL="+cfg.DatabaseURL.Reveal(), "CORDON_SECRETS_KEY_FILE="+cfg.SecretsKeyFile,
		"CORDON_AUDIT_TIME_OF_DAY="+cfg.AuditTimeOfDay, "CORDON_LOG_FORMAT=json",
		"CORDON_OUTGOING_ALLOW="+strings.Join(cfg.OutgoingAllow, ","))
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.begun = time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(log, t.Output())
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // mostly gone already
		<-p.ended
	})
	return p
}

// follow reads the log to its end, which is the end of the process.
func (p *process) follow(log io.Reader, out io.Writer) {
	defer close(p.ended)
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintf(out, "%d: %s\n", p.cmd.Process.Pid, lines.Bytes())
		var s said
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			p.lastErr = lines.Text()
		}
		if s.Msg == "ready" || s.Msg == waiting || s.Msg == overtaken {
			p.log <- s
		}
	}
	_ = p.cmd.Wait() // tests look at its ProcessState
}

// start launches a process and waits until it is ready.
func start(t *testing.T, cfg config.Config, stops ...stop) *process {
	t.Helper()
	p := launch(t, cfg, stops...)
	p.awaitReady(t)
	return p
}

func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	s := p.await(t, "ready")
	p.url, p.ops, p.mqtt = s.API, s.Ops, s.MQTT
}

// await waits for a line of the log.
func (p *process) await(t *testing.T, msg string) said {
	t.Helper()
	select {
	case s := <-p.log:
		if s.Msg != msg {
			t.Fatalf("process %d: got %q, want %q", p.cmd.Process.Pid, s.Msg, msg)
		}
		return s
	case <-p.ended:
		t.Fatalf("process %d ended (%v) before it was %s", p.cmd.Process.Pid, p.cmd.ProcessState, msg)
	case <-time.After(cordontest.Deadline):
		t.Fatalf("process %d is not %s after %s", p.cmd.Process.Pid, msg, cordontest.Deadline)
	}
	return said{}
}

// release lets a process go on that waits at a stop.
func (p *process) release(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		t.Fatal(err)
	}
}

// signal sends a signal.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end waits for the end of the process and returns how it was.
func (p *process) end(t *testing.T) syscall.WaitStatus {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(cordontest.Deadline):
		t.Fatalf("process %d did not end within %s", p.cmd.Process.Pid, cordontest.Deadline)
	}
	return p.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// wantKilled waits until the process has met its end at a stop.
func (p *process) wantKilled(t *testing.T) {
	t.Helper()
	if s := p.end(t); !s.Signaled() || s.Signal() != syscall.SIGKILL {
		t.Fatalf("got %v, want an end by SIGKILL at the stop", p.cmd.ProcessState)
	}
}

// terminate ends the process as an operator does, and wants status 0.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if s := p.end(t); !s.Exited() || s.ExitStatus() != 0 {
		t.Errorf("got %v after SIGTERM, want status 0", p.cmd.ProcessState)
	}
}

// iot is a client with the root key.
func (p *process) iot() *iot.Client {
	return cordontest.Client(p.url, cordontest.RootID, cordontest.RootToken)
}
