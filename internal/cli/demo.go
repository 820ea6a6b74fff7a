package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/demo"
)

// liveColumns is how wide a terminal must be for lines that are redrawn.
const liveColumns = 80

// demoCommand takes nothing from the environment, where settings would be those
// of a server.
type demoCommand struct {
	Devices int  `default:"3000" local:"" placeholder:"N" help:"Devices in the fleet, 20 to 100000."`
	Keep    bool `local:"" help:"Keep the server running at the end, and say how to call it."`
	JSON    bool `name:"json" local:"" help:"Print one JSON document with all figures."`
}

// Help returns what is written by hand.
func (*demoCommand) Help() string {
	return `Show the main job on a fleet that the demo makes up: start a server, register
devices with real certificates through the AWS SDK, have some of them connect by
MQTT over mTLS, audit them, mitigate what was found, and prove it by reading the
registry back and by the connections that ended and those that did not.

Usage: cordon demo [flags]

The server runs inside this command, on free ports of loopback and in a
temporary directory that is removed at the end. Nothing else is touched. The
status is 0 only if everything that the demo claims was true.

Examples:
  cordon demo
      3,000 devices, in well under a minute.

  cordon demo --keep
      Go on serving until Ctrl-C, to be called by the AWS CLI.

  cordon demo --json --devices 200 | jq .proofs
      For machines. With --keep, how to call the server goes to standard error.

Colours and moving bars are left out where standard output is no terminal, or
NO_COLOR is set.
`
}

// Run runs the demo.
func (c *demoCommand) Run(ctx context.Context, p *Process) error {
	if c.Devices < demo.MinDevices || c.Devices > demo.MaxDevices {
		return &usageError{fmt.Errorf("--devices: %d is not between %d and %d", c.Devices, demo.MinDevices,
			demo.MaxDevices)}
	}
	return demo.Run(ctx, demo.Options{
		Devices: c.Devices, JSON: c.JSON, Keep: c.Keep, Live: live(p.Stdout, p.Env), Stdout: p.Stdout, Stderr: p.Stderr,
	})
}

// live reports whether text goes to a terminal that shows colours and is wide
// enough for bars (https://no-color.org).
func live(w io.Writer, env config.Getenv) bool {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	if plain, _ := env("NO_COLOR"); plain != "" {
		return false
	}
	if kind, _ := env("TERM"); kind == "dumb" {
		return false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	return err == nil && columns >= liveColumns
}
