package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

type logCommands struct {
	Export logExport `cmd:"" help:"Write the records of calls as JSON lines."`
	Verify logVerify `cmd:"" help:"Look for records that were removed or altered."`
}

// Help returns what is written by hand.
func (*logCommands) Help() string {
	return `Read the record of calls of a running server.

Usage: cordon log <command> [flags]
` + accountKeyHelp
}

type logExport struct {
	Call    connection   `embed:""`
	From    argumentTime `local:"" placeholder:"TIME" help:"Records from this time on; default: the first."`
	To      argumentTime `local:"" placeholder:"TIME" help:"Records up to this time; default: now."`
	Account string       `local:"" placeholder:"ID" help:"Records of this account alone."`
}

// Help returns what is written by hand.
func (*logExport) Help() string {
	return `Write the records of calls to standard output, one JSON object a line, with the
field names of CloudTrail, in the order of time. The operator gets those of all
accounts, others their own. A time is that of RFC 3339, or a day (UTC).

Usage: cordon log export [flags]

Examples:
  cordon log export --from 2026-11-01 --to 2026-11-30T23:59:59Z >november.jsonl

  cordon log export --account 123456789012 |
      jq -r 'select(.errorCode) | .eventName'
      What was refused to an account.
` + accountKeyHelp
}

// argumentTime is a time in arguments: RFC 3339, or a day in UTC.
type argumentTime struct{ time.Time }

// UnmarshalText reads an argument.
func (m *argumentTime) UnmarshalText(text []byte) (err error) {
	for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
		if m.Time, err = time.Parse(form, string(text)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%q is no time: try 2026-11-01 or 2026-11-01T12:00:00Z", text)
}

// Run writes the records, a page at a time.
func (c *logExport) Run(ctx context.Context, p *Process) error {
	query := url.Values{}
	for name, at := range map[string]time.Time{"from": c.From.Time, "to": c.To.Time} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if c.Account != "" {
		query.Set("accountId", c.Account)
	}
	for token := ""; ; {
		var page struct {
			Records   string `json:"records"`
			NextToken string `json:"nextToken"`
		}
		err := c.Call.do(ctx, p, request{
			doing: "export records of calls", method: http.MethodGet, path: "/call-records?" + query.Encode(), out: &page,
		})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(p.Stdout, page.Records); err != nil {
			return fmt.Errorf("write records: %w", err)
		}
		if page.NextToken == "" {
			return nil
		}
		if page.NextToken == token {
			return errors.New("export records of calls: the server gave the same page twice")
		}
		token = page.NextToken
		query.Set("nextToken", token)
	}
}

type logVerify struct {
	Call connection `embed:""`
}

// Help returns what is written by hand.
func (*logVerify) Help() string {
	return `Look through the record of calls of all nodes and accounts for records and
batches that were removed, altered, moved or inserted, and name them. It needs
the operator's key. The exit code is 1 when anything is found. What cannot be
found is told in docs/call-log.md.

Usage: cordon log verify [flags]

Examples:
  cordon log verify
` + accountKeyHelp
}

// verification is a page of what was found.
type verification struct {
	Batches   int64     `json:"batches"`
	Records   int64     `json:"records"`
	Problems  []problem `json:"problems"`
	NextToken string    `json:"nextToken,omitempty"`
}

type problem struct {
	Chain   string `json:"chain"`
	Batch   int64  `json:"batch"`
	Line    int64  `json:"line,omitempty"`
	Problem string `json:"problem"`
}

// Run verifies, and tells of problems as they are found.
func (c *logVerify) Run(ctx context.Context, p *Process) error {
	var batches, records, found int64
	var told error
	r := request{doing: "verify records of calls", method: http.MethodGet, path: "/call-records/verification"}
	err := pages(ctx, &c.Call, p, r, func(page *verification) string {
		batches, records = batches+page.Batches, records+page.Records
		for _, x := range page.Problems {
			found++
			told = errors.Join(told, c.tell(p, &x))
		}
		return page.NextToken
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		err = printJSON(p.Stdout, map[string]int64{"batches": batches, "records": records, "problems": found})
	} else {
		_, err = fmt.Fprintf(p.Stdout, "%d records in %d batches, %d problems.\n", records, batches, found)
	}
	if err = errors.Join(told, err); err == nil && found > 0 {
		err = fmt.Errorf("the record of calls is not what was written: %d problems", found)
	}
	return err
}

// tell prints one problem. What stands in the database may be anything.
func (c *logVerify) tell(p *Process, x *problem) error {
	if c.Call.JSON {
		return printJSON(p.Stdout, x)
	}
	place := fmt.Sprintf("chain %s, batch %d", strconv.QuoteToASCII(x.Chain), x.Batch)
	if x.Line > 0 {
		place += fmt.Sprintf(", line %d", x.Line)
	}
	_, err := fmt.Fprintf(p.Stdout, "%s: %s\n", place, x.Problem)
	return err
}
