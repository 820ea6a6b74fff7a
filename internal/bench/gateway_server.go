package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/server"
)

const (
	// endpointDomain is below what devices connect.
	endpointDomain = "iot.localhost"
	// queueMessages and queueBytes are the defaults of the settings.
	queueMessages, queueBytes = 10_000, 4 << 20
)

// serving is what the process of a server is told: where its files are, and its
// database if that is PostgreSQL.
type serving struct{ Dir, URL string }

// serverState is what it answers: where it is, and what its gateway is known by.
type serverState struct {
	API, MQTT, CA string
	PID           int
}

// wire is standard input and output of a process that takes orders.
type wire struct {
	in  *json.Decoder
	out *json.Encoder
}

// serve runs a server until its input closes. It gives memory back to the system
// whenever it is sent a value, and says so.
func serve(ctx context.Context, o serving, w wire, log io.Writer) error {
	cfg, err := settings(o.Dir, o.URL)
	if err != nil {
		return err
	}
	// All devices have one address here.
	cfg.MQTTListen, cfg.EndpointDomain, cfg.GatewayStaleLimit = "127.0.0.1:0", endpointDomain, time.Minute
	cfg.GatewayQueueMessages, cfg.GatewayQueueBytes, cfg.GatewaySessionExpiry = queueMessages, queueBytes, time.Hour
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := server.Start(ctx, cfg, slog.New(failures{slog.NewTextHandler(log, nil)}), server.Options{})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	state := serverState{API: strings.TrimPrefix(s.URL(), "http://"), MQTT: s.MQTTAddr(), PID: os.Getpid()}
	if ca, e := s.Identity().GatewayAuthority(ctx); e == nil {
		state.CA = ca.Certificate().PEM
	} else {
		err = e
	}
	for err == nil {
		if err = w.out.Encode(state); err != nil {
			break
		}
		var ask struct{}
		if w.in.Decode(&ask) != nil {
			break // the other side has ended
		}
		debug.FreeOSMemory()
	}
	cancel()
	return errors.Join(err, <-done)
}

// serverProcess is a server in a process of its own, which ends with this one,
// however that does.
type serverProcess struct {
	serverState
	wire
	cmd   *exec.Cmd
	stdin io.Closer
}

// startServer starts this program as a server.
func startServer(ctx context.Context, o serving, log io.Writer) (*serverProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// It ends when its input does, after those who call it.
	p := &serverProcess{cmd: exec.CommandContext(context.WithoutCancel(ctx), program, ChildArgs...)}
	p.cmd.Stderr = log
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	p.stdin, p.wire = in, wire{json.NewDecoder(out), json.NewEncoder(in)}
	if err := p.out.Encode(order{Serve: &o}); err != nil {
		return nil, errors.Join(err, p.close())
	}
	if err := p.in.Decode(&p.serverState); err != nil {
		return nil, errors.Join(fmt.Errorf("start a server: %w", err), p.close())
	}
	return p, nil
}

// collect has the server give memory that it does not use back to the system.
func (p *serverProcess) collect() error {
	if err := p.out.Encode(struct{}{}); err != nil {
		return err
	}
	return p.in.Decode(&p.serverState)
}

// close ends the server as its input's end does, and kills it if that takes long.
func (p *serverProcess) close() error {
	err := p.stdin.Close()
	defer time.AfterFunc(childEnd, func() { _ = p.cmd.Process.Kill() }).Stop()
	return errors.Join(err, p.cmd.Wait())
}
