package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// maxIdentityFile bounds the files of one import together, in bytes: what the
// server takes in one call.
const maxIdentityFile = 12 << 20

type importIAM struct {
	Call  connection `embed:""`
	Files []string   `arg:"" name:"file" help:"What the AWS CLI has printed; all pages of it."`
}

// Help returns what is written by hand.
func (*importIAM) Help() string {
	return `Import the users, groups, roles and policies of an account, as the AWS CLI
prints them:

  aws iam get-account-authorization-details >account.json

Usage: cordon import iam FILE... [flags]

The account is the one whose key signs the call, and must be the one that the
file is of. All is imported or nothing: a policy that Cordon does not evaluate,
one that is attached and not in the file, or a member that is not known refuses
the file and is named. What is there and the same is left as it is; what is
there and differs refuses the file too. Several files are the pages of one
account; they may have 12 MiB together.

The file has no access keys, so users come without. Policies that AWS manages
and Cordon does not have are imported as the file has them, for this account.
Instance profiles are left out. Roles may have sessions of an hour, for the file
does not say how long.

Examples:
  cordon import iam account.json
  aws iam get-account-authorization-details | cordon import iam /dev/stdin
` + accountCallHelp
}

// Run imports the files in one call.
func (c *importIAM) Run(ctx context.Context, p *Process) error {
	var pages []string
	left := int64(maxIdentityFile)
	for _, name := range c.Files {
		page, err := readAtMost(name, left)
		if err != nil {
			return &usageError{err}
		}
		left -= int64(len(page))
		var short bytes.Buffer
		if json.Compact(&short, []byte(page)) == nil { // else the server says what is wrong
			page = short.String()
		}
		pages = append(pages, page)
	}
	var answer struct {
		Imported  int `json:"imported"`
		Unchanged int `json:"unchanged"`
	}
	err := c.Call.do(ctx, p, request{
		doing: "import identities", method: http.MethodPost, path: "/identity-imports",
		in: map[string]any{"pages": pages}, out: &answer, wait: 2 * time.Minute,
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, answer)
	}
	_, err = fmt.Fprintf(p.Stdout, "%d users, groups, roles and policies imported, %d were there already\n",
		answer.Imported, answer.Unchanged)
	return err
}

// readAtMost reads a file whose size is bounded, in bytes.
func readAtMost(name string, most int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b strings.Builder
	n, err := io.Copy(&b, io.LimitReader(f, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("%s: the files are larger than %d MiB together", name, maxIdentityFile>>20)
	}
	return b.String(), err
}
