package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
)

type hookTokens struct {
	Create hookTokenCreate `cmd:"" help:"Make a token and print it."`
	List   hookTokenList   `cmd:"" help:"List the tokens, without their texts."`
	Delete hookTokenDelete `cmd:"" help:"End a token."`
}

// Help returns what is written by hand.
func (*hookTokens) Help() string {
	return `Make, list and delete the tokens that brokers show at --hook-listen when they ask
what a device may do. A token stands for one account and region.

Usage: cordon hook-token <command> [flags]
` + accountCallHelp
}

// hookToken is one token, as the API returns it.
type hookToken struct {
	TokenID   string  `json:"tokenId"`
	Name      string  `json:"name,omitempty"`
	CreatedAt float64 `json:"createdAt"` // seconds since 1970
	Token     string  `json:"token,omitempty"`
}

type hookTokenCreate struct {
	Call connection `embed:""`
	Name string     `local:"" placeholder:"NAME" help:"Which broker it is for, up to 128 characters."`
}

// Help returns what is written by hand.
func (*hookTokenCreate) Help() string {
	return `Make a token for a broker and print it, which is done this once only. EMQX sends
it as a bearer token, RabbitMQ in the path of its URLs; docs/brokers shows how.

Usage: cordon hook-token create [flags]

Examples:
  cordon hook-token create --name emqx-1
  cordon hook-token create --json | jq -r .token >token
      Mind the mode of that file: whoever has the token may ask what any device
      of the account may do.
` + accountCallHelp
}

// Run makes the token.
func (c *hookTokenCreate) Run(ctx context.Context, p *Process) error {
	in := map[string]string{}
	if c.Name != "" {
		in["name"] = c.Name
	}
	var out hookToken
	err := c.Call.do(ctx, p, request{
		doing: "make hook token", method: http.MethodPost, path: "/hook-tokens", in: in, out: &out,
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, out)
	}
	_, err = fmt.Fprintf(p.Stdout, "Token %s, shown this once:\n\n%s\n", out.TokenID, out.Token)
	return err
}

type hookTokenList struct {
	Call connection `embed:""`
}

// Help returns what is written by hand.
func (*hookTokenList) Help() string {
	return `List the tokens of the account and region, all pages. Their texts are kept
nowhere.

Usage: cordon hook-token list [flags]

Examples:
  cordon hook-token list
` + accountCallHelp
}

// Run lists the tokens.
func (c *hookTokenList) Run(ctx context.Context, p *Process) error {
	all := struct {
		Tokens []hookToken `json:"hookTokens"`
	}{[]hookToken{}}
	type page struct {
		Tokens    []hookToken `json:"hookTokens"`
		NextToken string      `json:"nextToken"`
	}
	r := request{doing: "list hook tokens", method: http.MethodGet, path: "/hook-tokens"}
	err := pages(ctx, &c.Call, p, r, func(page *page) string {
		all.Tokens = append(all.Tokens, page.Tokens...)
		return page.NextToken
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, all)
	}
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TOKEN\tCREATED\tNAME")
	for _, token := range all.Tokens {
		fmt.Fprintf(t, "%s\t%s\t%s\n", token.TokenID, moment(token.CreatedAt), strconv.Quote(token.Name))
	}
	return t.Flush()
}

type hookTokenDelete struct {
	Call    connection `embed:""`
	TokenID string     `required:"" local:"" placeholder:"ID" help:"Which one, as the list says."`
}

// Help returns what is written by hand.
func (*hookTokenDelete) Help() string {
	return `End a token: within a second every question that shows it is answered with
"deny".

Usage: cordon hook-token delete --token-id ID [flags]

Examples:
  cordon hook-token delete --token-id QWERTYUIOPASDFGH
` + accountCallHelp
}

// Run deletes the token.
func (c *hookTokenDelete) Run(ctx context.Context, p *Process) error {
	var out struct{}
	err := c.Call.do(ctx, p, request{
		doing: "delete hook token", method: http.MethodDelete, path: "/hook-tokens/" + url.PathEscape(c.TokenID), out: &out,
	})
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, out)
	}
	_, err = fmt.Fprintf(p.Stdout, "Token %s is deleted.\n", c.TokenID)
	return err
}
