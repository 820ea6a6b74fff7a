package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/ops"
)

type serveCommand struct {
	Config config.Config `embed:""`
}

// Help returns what is written by hand.
func (*serveCommand) Help() string {
	return `Run the server until SIGTERM or SIGINT.

Usage: cordon serve [flags]

The first start makes everything it needs in the data directory, the root
access key among it, and logs where that key is.

Examples:
  cordon serve
      API on http://127.0.0.1:8080, SQLite in ./cordon-data.

  cordon serve --listen :8443 --tls-cert tls.pem --tls-key tls-key.pem
      HTTPS for others than this machine.

  CORDON_DATABASE_URL=postgres://cordon:password@db.example/cordon \
  cordon serve --secrets-key-file master-key
      A node on PostgreSQL; run as many as are needed.

Every flag is also an environment variable (--data-dir: CORDON_DATA_DIR) and a
key of the file that --config names. The secret of the root access key is no
flag: set CORDON_ROOT_SECRET_ACCESS_KEY, or --root-secret-access-key-file.
`
}

// Run runs the server.
func (c *serveCommand) Run(ctx context.Context, parsed *kong.Context, p *Process) error {
	if err := c.Config.Finish(parsed); err != nil {
		return &usageError{err}
	}
	if p.Serve == nil {
		return errors.New("this build has no server")
	}
	return p.Serve(ctx, c.Config, newLogger(p.Stderr, &c.Config))
}

func newLogger(w io.Writer, c *config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

type versionCommand struct{}

// Help returns what is written by hand.
func (*versionCommand) Help() string {
	return `Print the version of this program and the commit it was built from.

Usage: cordon version
`
}

// Run prints the version.
func (*versionCommand) Run(p *Process) error {
	version, revision := ops.Version()
	_, err := fmt.Fprintln(p.Stdout, strings.TrimSpace("cordon "+version+" "+revision))
	return err
}

type referenceCommand struct {
	Page string `arg:"" enum:"config,cli,coverage" help:"config, cli or coverage."`
}

// Help returns what is written by hand.
func (*referenceCommand) Help() string {
	return `Print a page of the reference, config, cli or coverage, as it lies in docs.

Usage: cordon reference config|cli|coverage
`
}

// Run prints the page.
func (c *referenceCommand) Run(p *Process) error {
	text := config.Reference()
	switch c.Page {
	case "cli":
		var err error
		if text, err = cliReference(); err != nil {
			return err
		}
	case "coverage":
		text = coverageReference()
	}
	_, err := io.WriteString(p.Stdout, text)
	return err
}
