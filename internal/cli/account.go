package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"
)

type accountCommands struct {
	Create  accountCreate  `cmd:"" help:"Create an account and print its root key."`
	List    accountList    `cmd:"" help:"List the accounts."`
	Disable accountDisable `cmd:"" help:"Refuse all further calls of an account."`
}

// Help returns what is written by hand.
func (*accountCommands) Help() string {
	return `Create, list and disable the accounts of a running server.

Usage: cordon account <command> [flags]
` + accountKeyHelp
}

// accountKeyHelp belongs to the help of every command that calls the server.
const accountKeyHelp = `
The call is signed with the operator's key, the root key of the first account:
from CORDON_ROOT_ACCESS_KEY_ID and CORDON_ROOT_SECRET_ACCESS_KEY, else from
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else from the file root-access-key
in the data directory of a server on this machine.
`

type accountCreate struct {
	Call      connection `embed:""`
	AccountID string     `required:"" local:"" placeholder:"ID" help:"Twelve digits."`
	Name      string     `local:"" placeholder:"NAME" help:"What the account is called, up to 128 characters."`
}

// Help returns what is written by hand.
func (*accountCreate) Help() string {
	return `Create an account and print its root key, which is shown this once only.

Usage: cordon account create --account-id ID [flags]

Examples:
  cordon account create --account-id 123456789012 --name staging

  cordon account create --account-id 123456789012 --json >staging.json
      The secret then lies in that file: mind its mode.
` + accountKeyHelp
}

// account is one account, as the API returns it.
type account struct {
	AccountID       string  `json:"accountId"`
	Name            string  `json:"name,omitempty"`
	Status          string  `json:"status"`
	CreatedAt       float64 `json:"createdAt"` // seconds since 1970
	AccessKeyID     string  `json:"accessKeyId,omitempty"`
	SecretAccessKey string  `json:"secretAccessKey,omitempty"`
}

// Run creates the account.
func (c *accountCreate) Run(ctx context.Context, p *Process) error {
	in := map[string]string{"accountId": c.AccountID}
	if c.Name != "" {
		in["name"] = c.Name
	}
	var out account
	err := c.Call.do(ctx, p, request{
		doing: "create account", method: http.MethodPost, path: "/accounts", in: in, out: &out,
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, out)
	}
	_, err = fmt.Fprintf(p.Stdout, `Account %s is ready. Its root key, shown this once:

export AWS_ACCESS_KEY_ID=%s
export AWS_SECRET_ACCESS_KEY=%s
`, out.AccountID, out.AccessKeyID, out.SecretAccessKey)
	return err
}

type accountList struct {
	Call connection `embed:""`
}

// Help returns what is written by hand.
func (*accountList) Help() string {
	return `List the accounts, all pages.

Usage: cordon account list [flags]

Examples:
  cordon account list
  cordon account list --json | jq -r '.accounts[].accountId'
` + accountKeyHelp
}

// Run lists the accounts.
func (c *accountList) Run(ctx context.Context, p *Process) error {
	all := struct {
		Accounts []account `json:"accounts"`
	}{[]account{}}
	type page struct {
		Accounts  []account `json:"accounts"`
		NextToken string    `json:"nextToken"`
	}
	r := request{doing: "list accounts", method: http.MethodGet, path: "/accounts"}
	err := pages(ctx, &c.Call, p, r, func(page *page) string {
		all.Accounts = append(all.Accounts, page.Accounts...)
		return page.NextToken
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, all)
	}
	return printAccounts(p.Stdout, all.Accounts)
}

func printAccounts(w io.Writer, accounts []account) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ACCOUNT\tSTATUS\tCREATED\tNAME")
	for _, a := range accounts {
		created := time.UnixMilli(int64(a.CreatedAt * 1000)).UTC().Format(time.RFC3339)
		// A name may hold anything, also what moves a terminal's cursor.
		name := a.Name
		if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
			name = quoted
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", a.AccountID, a.Status, created, name)
	}
	return t.Flush()
}

type accountDisable struct {
	Call      connection `embed:""`
	AccountID string     `required:"" local:"" placeholder:"ID" help:"Twelve digits."`
}

// Help returns what is written by hand.
func (*accountDisable) Help() string {
	return `Refuse all further calls that are signed with keys of an account. What it holds
stays.

Usage: cordon account disable --account-id ID [flags]

Examples:
  cordon account disable --account-id 123456789012
` + accountKeyHelp
}

// Run disables the account.
func (c *accountDisable) Run(ctx context.Context, p *Process) error {
	path := "/accounts/" + url.PathEscape(c.AccountID) + "/disable"
	var out json.RawMessage
	err := c.Call.do(ctx, p, request{doing: "disable account", method: http.MethodPut, path: path, out: &out})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, out)
	}
	_, err = fmt.Fprintf(p.Stdout, "Account %s is disabled.\n", c.AccountID)
	return err
}

func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}
