// Package demo shows the main job of Cordon on a fleet that it makes up: it
// starts a server, registers the fleet through the AWS SDK, audits it,
// connects devices to the gateway, mitigates what the audit found, and proves
// the effect by reading the registry back and by the devices' own connections.
// It uses nothing of the server but its start and its addresses, so that all it
// shows is what any AWS client and any device would see.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
)

// The bounds of Options.Devices. With fewer than MinDevices some faults would
// have no device.
const (
	MinDevices     = 20
	DefaultDevices = 3_000
	MaxDevices     = 100_000
)

// Options say what a demo is like.
type Options struct {
	// Devices is how many there are, MinDevices to MaxDevices.
	Devices int
	// JSON asks for one document with all figures instead of text.
	JSON bool
	// Keep leaves the server running at the end, until the context ends.
	Keep bool
	// Live says that Stdout is a terminal that shows colours and lines that
	// are redrawn.
	Live bool
	// Stdout gets the text or the document, Stderr what else is to be said.
	Stdout, Stderr io.Writer

	meddle func(context.Context, *iot.Client) error // called before the proof; nil but in tests
}

// errDisproved is the error of a demo whose proof does not hold.
var errDisproved = errors.New("the proof does not hold: Cordon did not do what it should have done")

// demo is one run.
type demo struct {
	Options
	started time.Time
	screen  *screen
	host    *host
	client  *iot.Client
	fleet   *fleet
	report  report

	registered atomic.Int64 // devices
	swarm      swarm
}

// Run runs a demo. It ends, and leaves nothing behind, when all is shown or
// ctx ends, also on SIGHUP and SIGPIPE, which it takes for itself as long as it
// runs. The error says what went wrong, or that the proof does not hold; an end
// by ctx is an error unless the server was only being kept.
func Run(ctx context.Context, o Options) error {
	if o.Devices < MinDevices || o.Devices > MaxDevices {
		return fmt.Errorf("%d devices: there can be %d to %d", o.Devices, MinDevices, MaxDevices)
	}
	// Their default effect would leave the temporary directory behind.
	signalled, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	d := &demo{Options: o, started: time.Now(), fleet: newFleet(o.Devices)}
	d.screen = &screen{w: o.Stdout, live: o.Live && !o.JSON}
	if o.JSON {
		d.screen.w = io.Discard
	}
	d.screen.title(fmt.Sprintf("Cordon demo: a fleet of %s devices, audited and mitigated", count(o.Devices)))
	d.screen.heading("Start a server")
	h, ctx, err := startHost(signalled)
	if err != nil {
		return fmt.Errorf("start a server: %w", err)
	}
	d.host, d.client = h, h.client()
	err = d.run(ctx)
	if err == nil && o.Keep {
		<-ctx.Done()
	}
	d.swarm.close()
	interrupted := err != nil && signalled.Err() != nil
	if err != nil && !interrupted {
		h.complain(o.Stderr)
	}
	switch ended := h.stop(); {
	case ended != nil:
		return errors.Join(err, fmt.Errorf("the server: %w", ended))
	case interrupted:
		return errors.New("interrupted: the server is stopped and its directory removed")
	case err != nil:
		return err
	case !d.report.Holds:
		return errDisproved
	}
	return d.screen.err
}

// run does everything between the start and the end of the server.
func (d *demo) run(ctx context.Context) error {
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"reach the server", d.reach},
		{"register the fleet", d.register},
		{"connect devices", d.connect},
		{"audit", d.audit},
		{"mitigate", d.mitigate},
		{"audit again", d.auditAgain},
		{"read the registry back", d.prove},
		{"print", d.finish},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.doing, err)
		}
	}
	return nil
}

// reach waits for the first answer.
func (d *demo) reach(ctx context.Context) error {
	if _, err := d.client.ListThings(ctx, &iot.ListThingsInput{}); err != nil {
		return err
	}
	d.report.Devices = d.Devices
	d.report.Server = serverReport{
		Endpoint: d.host.url, Region: region, CredentialsFile: d.host.credentials, ReadyAfter: since(d.started),
	}
	d.screen.line("%s answers after %s.", d.host.url, d.report.Server.ReadyAfter)
	d.screen.note("SQLite, keys and log are in %s, removed at the end.", d.host.dir)
	return nil
}

// finish prints the verdict or the document, and how to go on.
func (d *demo) finish(context.Context) error {
	d.report.Seconds = since(d.started)
	d.screen.verdict(d.report.Holds, fmt.Sprintf("in %s", d.report.Seconds))
	if d.JSON {
		e := json.NewEncoder(d.Stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(d.report); err != nil {
			return err
		}
	}
	if !d.Keep {
		return d.screen.err
	}
	w := d.Stdout
	if d.JSON {
		w = d.Stderr
	}
	_, err := fmt.Fprintf(w, keepText, d.host.credentials, d.host.url, region, d.report.Audit.TaskID,
		d.host.url, region, d.report.Mitigation.TaskID)
	return err
}

const keepText = `
The server keeps running. In another terminal:

  export AWS_SHARED_CREDENTIALS_FILE=%s
  aws --profile default --endpoint-url %s --region %s \
    iot list-audit-findings --task-id %s --max-items 3
  aws --profile default --endpoint-url %s --region %s \
    iot describe-audit-mitigation-actions-task --task-id %s

Ctrl-C stops it and removes everything.
`
