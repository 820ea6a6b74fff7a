package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/cordon-iot/cordon/internal/bench"
)

type benchCommands struct {
	Audit    benchAudit    `cmd:"" help:"Measure audits against reading alone."`
	Mitigate benchMitigate `cmd:"" help:"Measure mitigation against bare statements."`
	API      benchAPI      `cmd:"" name:"api" help:"Measure calls of the API against bare HTTP."`
	Import   benchImport   `cmd:"" help:"Measure an import against bare inserts."`
	Gateway  benchGateway  `cmd:"" help:"Measure devices at the gateway beside Mosquitto."`
	Child    benchChild    `cmd:"" hidden:"" help:"Measure what standard input says."`
}

// Help returns what is written by hand.
func (*benchCommands) Help() string {
	return `Measure how fast Cordon is on this machine, each figure beside a yardstick.

Usage: cordon bench <command> [flags]
` + benchHelp
}

// benchHelp belongs to the help of every measurement.
const benchHelp = `
The fleet is synthetic and lies in a database of its own, which is removed
afterwards: SQLite in a temporary directory, or on PostgreSQL databases named
cordon_bench_…, made by and for this command. No other data is touched.

Everything is measured for a tenth of the fleet first and then for all of it,
each in a process of its own, so that their peaks of memory can be compared.
`

// benchFlags are the same for all measurements. None is taken from the
// environment, where they would be those of a server.
type benchFlags struct {
	Certificates int       `default:"1000000" local:"" placeholder:"N" help:"Certificates in the fleet."`
	Findings     int       `default:"100000" local:"" placeholder:"N" help:"How many of them do not comply."`
	Rounds       int       `default:"3" local:"" placeholder:"N" help:"How often everything is measured."`
	DatabaseURL  string    `local:"" placeholder:"URL" help:"PostgreSQL server whose user may create databases."`
	Host         benchHost `embed:""`
}

type benchAudit struct {
	Flags benchFlags `embed:""`
}

// Help returns what is written by hand.
func (*benchAudit) Help() string {
	return `Measure an audit with every check of certificates, through the durable engine,
against one SELECT of the columns that it reads, on the same connection.

Usage: cordon bench audit [flags]

Examples:
  cordon bench audit
      A million certificates, of which 100,000 do not comply, on SQLite.

  cordon bench audit --postgres --json
      The same on a PostgreSQL that is started for it (Debian: postgresql).
` + benchHelp
}

// Run measures.
func (c *benchAudit) Run(ctx context.Context, p *Process) error {
	return c.Flags.run(ctx, p, bench.Audit)
}

type benchMitigate struct {
	Flags benchFlags `embed:""`
}

// Help returns what is written by hand.
func (*benchMitigate) Help() string {
	return `Measure a mitigation task that deactivates the certificate of every finding,
through the durable engine, against (a) the slices of the same task without it
and (b) one UPDATE and one INSERT for every 1,000 findings, which plan nothing
and keep no record of what was changed.

Usage: cordon bench mitigate [flags]

Examples:
  cordon bench mitigate --certificates 100000 --findings 10000
      A small one, on SQLite.

  PGPASSWORD=secret cordon bench mitigate \
      --database-url postgres://cordon@db.example/postgres
      On a server that is there.
` + benchHelp
}

// Run measures.
func (c *benchMitigate) Run(ctx context.Context, p *Process) error {
	return c.Flags.run(ctx, p, bench.Mitigate)
}

// smaller is how many times smaller the first of the two fleets is.
const smaller = 10

func (f *benchFlags) run(ctx context.Context, p *Process, kind string) error {
	all := bench.Spec{
		Kind: kind, Certificates: f.Certificates, Findings: f.Findings, Rounds: f.Rounds, URL: f.DatabaseURL,
	}
	if err := errors.Join(all.Check(), f.check()); err != nil {
		return &usageError{err}
	}
	tenth := all
	tenth.Certificates, tenth.Findings = all.Certificates/smaller, all.Findings/smaller
	if tenth.Check() != nil { // a tenth of very little
		return f.Host.measure(ctx, p, all)
	}
	return f.Host.measure(ctx, p, tenth, all)
}

func (f *benchFlags) check() error {
	if f.DatabaseURL == "" {
		return nil
	}
	if f.Host.Postgres {
		return errors.New("--postgres starts a server of its own, --database-url names another: take one of them")
	}
	u, err := url.Parse(f.DatabaseURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("--database-url: want postgres://user@host/database")
	}
	if _, password := u.User.Password(); password || u.Query().Has("password") {
		return errors.New("--database-url holds a password: every user of this machine can read command lines. " +
			"Set PGPASSWORD, or name a private file with PGPASSFILE")
	}
	return nil
}

type benchAPI struct {
	Things      int       `default:"10000" local:"" placeholder:"N" help:"Things that are there."`
	Calls       int       `default:"50000" local:"" placeholder:"N" help:"Calls in a round."`
	Connections int       `default:"32" local:"" placeholder:"N" help:"Clients that call at once."`
	Rounds      int       `default:"3" local:"" placeholder:"N" help:"How often everything is measured."`
	Host        benchHost `embed:""`
}

// Help returns what is written by hand.
func (*benchAPI) Help() string {
	return `Measure DescribeThing and CreateThing, every call signed by itself and verified,
against an HTTP server in Go that answers without reading what it is asked.
Client and server share this machine, over loopback.

Usage: cordon bench api [flags]

Examples:
  cordon bench api
      10,000 things, 50,000 calls from 32 connections in each of three rounds.

  cordon bench api --postgres
      The same on a PostgreSQL that is started for it (Debian: postgresql).
`
}

// Run measures.
func (c *benchAPI) Run(ctx context.Context, p *Process) error {
	read := bench.Spec{
		Kind: bench.Read, Certificates: c.Things, Findings: c.Calls, Connections: c.Connections, Rounds: c.Rounds,
	}
	write := read
	write.Kind = bench.Write
	return c.Host.measure(ctx, p, read, write)
}

type benchImport struct {
	Devices int       `default:"1000000" local:"" placeholder:"N" help:"Things with a certificate each."`
	Rounds  int       `default:"1" local:"" placeholder:"N" help:"How often everything is measured."`
	Host    benchHost `embed:""`
}

// Help returns what is written by hand.
func (*benchImport) Help() string {
	return `Measure "cordon import" of a file of things with a certificate each, every one
parsed and checked, against inserting the same rows into the same tables and
nothing else. Then all that was imported is audited. A million devices take
some 3 GB of disk.

Usage: cordon bench import [flags]

Examples:
  cordon bench import
  cordon bench import --devices 100000 --postgres
`
}

// Run measures.
func (c *benchImport) Run(ctx context.Context, p *Process) error {
	return c.Host.measure(ctx, p, bench.Spec{
		Kind: bench.Import, Certificates: c.Devices, Findings: c.Devices, Rounds: c.Rounds,
	})
}

type benchGateway struct {
	Connections int       `default:"5000" local:"" placeholder:"N" help:"Devices on a certificate, and on their own."`
	Messages    int       `default:"50000" local:"" placeholder:"N" help:"Messages in a round."`
	Rounds      int       `default:"3" local:"" placeholder:"N" help:"How often all but memory is measured."`
	Only        string    `local:"" placeholder:"PART" help:"Measure one part: memory, connects, messages or kicks."`
	Host        benchHost `embed:""`
}

// Help returns what is written by hand.
func (*benchGateway) Help() string {
	return `Measure devices that connect by MQTT over mTLS, each with a certificate of its
own: how many connect in a second, what messages and idle connections take, and
how soon devices lose their connection after the change that takes their right
away. The devices are one process, the server another, on this machine (Linux),
with a limit of open files above twice the connections.

Where mosquitto is installed it is measured in the same run, in turns. It asks
for certificates of one CA, and judges nothing else. A server's CPU time is that
of its process alone, so that the cost of the devices is in no comparison.

Usage: cordon bench gateway [flags]

Examples:
  cordon bench gateway
      5,000 connections on one certificate and 5,000 on their own, on SQLite.

  cordon bench gateway --connections 1000 --messages 10000 --rounds 1
      A quick one.

  cordon bench gateway --only kicks
      How soon connections end, and nothing else.

  cordon bench gateway --postgres --json
      On a PostgreSQL that is started for it (Debian: postgresql).
`
}

// Run measures.
func (c *benchGateway) Run(ctx context.Context, p *Process) error {
	return c.Host.measure(ctx, p, bench.Spec{
		Kind: bench.Gateway, Connections: c.Connections, Messages: c.Messages, Rounds: c.Rounds, Only: c.Only,
	})
}

// benchHost is where every measurement takes place, and how it is reported.
type benchHost struct {
	DataDir  string `local:"" placeholder:"DIR" help:"Where files and SQLite lie for that time."`
	Postgres bool   `local:"" help:"Start a private PostgreSQL for the measurement."`
	JSON     bool   `name:"json" local:"" help:"Print JSON."`
}

// measure measures each specification in a process of its own and reports.
func (h *benchHost) measure(ctx context.Context, p *Process, specs ...bench.Spec) error {
	for _, spec := range specs {
		if err := spec.Check(); err != nil {
			return &usageError{err}
		}
	}
	private := ""
	if h.Postgres {
		address, stop, err := bench.PrivateServer()
		if err != nil {
			return err
		}
		defer stop()
		private = address
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	report := bench.Report{Machine: bench.ThisMachine()}
	for _, spec := range specs {
		spec.Dir = h.DataDir
		if private != "" {
			spec.URL = private
		}
		result, err := bench.RunChild(ctx, program, spec, p.Stderr)
		if err != nil {
			return err
		}
		report.Results = append(report.Results, result)
	}
	if h.JSON {
		return printJSON(p.Stdout, report)
	}
	return report.Print(p.Stdout)
}

type benchChild struct{}

// Help returns what is written by hand.
func (*benchChild) Help() string {
	return `Measure what standard input says, for another process of this program.

Usage: cordon bench child
`
}

// Run measures.
func (*benchChild) Run(ctx context.Context, p *Process) error {
	return bench.Child(ctx, os.Stdin, p.Stdout, p.Stderr)
}
