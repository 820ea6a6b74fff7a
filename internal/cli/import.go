package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-iot/cordon/internal/fleetfile"
)

type importCommands struct {
	Devices importCommand `cmd:"" default:"withargs" help:"Import devices; \"cordon import PATH\" for short."`

	PoolRoles    importPoolRoles    `cmd:"" name:"identity-pool-roles" help:"Import which roles identity pools give."`
	LastAccessed importLastAccessed `cmd:"" name:"last-accessed" help:"Import which services a role has used."`
	IAM          importIAM          `cmd:"" name:"iam" help:"Import users, groups, roles and policies of an AWS account."`
}

// Help returns what is written by hand.
func (*importCommands) Help() string {
	return `Import what another service knows into a running server.

Usage: cordon import <command> [flags]
       cordon import PATH [flags]

Without a command it is devices that are imported. A file of them whose name is
that of a command is given as ./NAME.
`
}

type importCommand struct {
	Call     connection `embed:""`
	Path     string     `arg:"" name:"path" help:"File, or directory of PEM files."`
	Format   string     `local:"" placeholder:"NAME" enum:",jsonl,csv,tar,pem" default:"" help:"How it is written."`
	ID       string     `name:"id" local:"" placeholder:"ID" help:"Name of the import; default: from the content."`
	Refusals string     `local:"" placeholder:"FILE" help:"Where refused records go; default: PATH.refused.jsonl."`
	Status   string     `local:"" placeholder:"STATUS" help:"State of certificates whose record names none."`
	Group    []string   `local:"" placeholder:"NAME" help:"Group of things whose record names none; repeatable."`
	Policy   []string   `local:"" placeholder:"NAME" help:"Policy where a record names none; repeatable."`
}

// Help returns what is written by hand.
func (*importCommand) Help() string {
	return `Import devices into a running server: things with attributes and groups,
certificates with their state and policies.

Usage: cordon import devices PATH [flags]
       cordon import PATH [flags]

A file of JSON lines has an object a line with any of thingName, thingTypeName,
attributes, thingGroupNames, certificatePem, caCertificatePem, status and
policyNames. A CSV names the same columns in its first line, with attribute.NAME
for each attribute and ; between the names of groups or policies. A tar and a
directory hold one PEM file a device. What ends in .gz is unpacked.

Batches of up to 1,000 records are stored, each in one transaction. An import
that was ended, however it was, goes on where it stopped when the same command
is given again. What is there already and the same is left as it is. A record
that is refused is written to a file with its reason, and the others go on; then
the exit code is 1. Groups, policies and thing types must be there.

Examples:
  cordon import fleet.csv
  cordon import certificates/ --status ACTIVE --policy devices
  cordon import fleet.jsonl.gz --region eu-west-1 --json
` + accountKeyHelp
}

// Limits of a batch, so that a call is neither large nor long.
const (
	batchRecords = 1000
	batchBytes   = 4 << 20
)

// Run imports the file.
func (c *importCommand) Run(ctx context.Context, p *Process) (err error) {
	format := fleetfile.Format(c.Format)
	if format == "" {
		if format, err = fleetfile.FormatOf(c.Path); err != nil {
			return &usageError{err}
		}
	}
	source, err := fingerprint(c.Path, format)
	if err != nil {
		return &usageError{err}
	}
	if c.ID == "" {
		c.ID = source[:16]
	}
	if c.Refusals == "" {
		c.Refusals = filepath.Clean(c.Path) + ".refused.jsonl"
	}
	in, err := fleetfile.Open(c.Path, format)
	if err != nil {
		return &usageError{err}
	}
	defer in.Close()
	run := &importRun{command: c, process: p, source: source, in: in, began: time.Now()}
	if run.done, err = run.stored(ctx); err != nil {
		return err
	}
	if err := run.all(ctx); err != nil {
		return fmt.Errorf("%w\nGive the same command again to go on; import %s", err, c.ID)
	}
	return run.report()
}

// fingerprint tells a file from another one, and a changed one from what it
// was: by its size and its first megabyte. A directory is told by its path.
func fingerprint(path string, format fleetfile.Format) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, format)
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, absolute)
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	fmt.Fprintln(h, info.Size())
	if _, err := io.CopyN(h, f, 1<<20); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// importSummary is what an import came to.
type importSummary struct {
	ImportID  string  `json:"importId"`
	Records   int64   `json:"records"`
	Accepted  int64   `json:"accepted"`
	Unchanged int64   `json:"unchanged"`
	Refused   int64   `json:"refused"`
	Refusals  string  `json:"refusals,omitempty"` // the file
	Seconds   float64 `json:"seconds"`
}

// report says what became of all records.
func (r *importRun) report() error {
	s := &r.summary
	s.ImportID, s.Seconds = r.command.ID, time.Since(r.began).Seconds()
	if s.Refused > 0 {
		s.Refusals = r.command.Refusals
	}
	if r.command.Call.JSON {
		if err := printJSON(r.process.Stdout, s); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(r.process.Stdout,
		"%d records: %d imported, %d were there already, %d refused; %.0f records/s\n",
		s.Records, s.Accepted, s.Unchanged, s.Refused, float64(s.Records)/s.Seconds); err != nil {
		return err
	}
	if s.Refused > 0 {
		return fmt.Errorf("%d of %d records were refused; %s says why", s.Refused, s.Records, s.Refusals)
	}
	return nil
}

// refusedLine is one line of the file of refused records.
type refusedLine struct {
	Where  string `json:"where"`
	Reason string `json:"reason"`
}

func encodeLine(w io.Writer, l refusedLine) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(l)
}
