package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"text/tabwriter"
)

type topicCommands struct {
	DeadLetters topicDeadLetters `cmd:"" name:"dead-letters" help:"List the deliveries that were given up."`
	Replay      topicReplay      `cmd:"" help:"Send deliveries again that were given up."`
}

// Help returns what is written by hand.
func (*topicCommands) Help() string {
	return `See what messages of topics did not reach their endpoints, and send them again.
Topics and subscriptions are made with the AWS CLI ("aws sns …").

Usage: cordon topic <command> [flags]
` + accountCallHelp
}

// deadLetter is one delivery that was given up, as the API returns it.
type deadLetter struct {
	DeadLetterID    string  `json:"deadLetterId"`
	Kind            string  `json:"kind"`
	TopicARN        string  `json:"topicArn"`
	SubscriptionARN string  `json:"subscriptionArn,omitempty"`
	MessageID       string  `json:"messageId,omitempty"`
	DeduplicationID string  `json:"deduplicationId,omitempty"`
	Attempts        int     `json:"attempts"`
	CreatedAt       float64 `json:"createdAt"` // seconds since 1970
	FirstTriedAt    float64 `json:"firstTriedAt,omitempty"`
	EndedAt         float64 `json:"endedAt,omitempty"`
	LastError       string  `json:"lastError"`
}

type topicDeadLetters struct {
	Call connection `embed:""`
}

// Help returns what is written by hand.
func (*topicDeadLetters) Help() string {
	return `List the deliveries of the account and region that were given up: refused for
good, or tried for an hour. They are kept as long as what audits found.

Usage: cordon topic dead-letters [flags]

Examples:
  cordon topic dead-letters
  cordon topic dead-letters --json | jq -r '.deadLetters[].lastError'
` + accountCallHelp
}

// Run lists the dead letters.
func (c *topicDeadLetters) Run(ctx context.Context, p *Process) error {
	list, err := listDeadLetters(ctx, p, &c.Call)
	if err != nil {
		return err
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, map[string][]deadLetter{"deadLetters": list})
	}
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEAD LETTER\tENDED\tTRIES\tTO\tERROR")
	for _, d := range list {
		to := d.SubscriptionARN
		if to == "" {
			to = d.TopicARN
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", d.DeadLetterID, moment(d.EndedAt), d.Attempts, to, d.LastError)
	}
	return t.Flush()
}

// listDeadLetters is all pages of the list.
func listDeadLetters(ctx context.Context, p *Process, call *connection) ([]deadLetter, error) {
	type page struct {
		DeadLetters []deadLetter `json:"deadLetters"`
		NextToken   string       `json:"nextToken"`
	}
	list := []deadLetter{}
	r := request{doing: "list dead letters", method: http.MethodGet, path: "/dead-letters"}
	err := pages(ctx, call, p, r, func(page *page) string {
		list = append(list, page.DeadLetters...)
		return page.NextToken
	})
	return list, err
}

type topicReplay struct {
	Call         connection `embed:""`
	DeadLetterID []string   `local:"" placeholder:"ID" help:"Which one, as the list says; repeatable."`
	All          bool       `local:"" help:"All of the account and region."`
}

// Help returns what is written by hand.
func (*topicReplay) Help() string {
	return `Send deliveries again that were given up, as if they were new. Of a subscription
that has ended nothing is sent.

Usage: cordon topic replay (--dead-letter-id ID | --all) [flags]

Examples:
  cordon topic replay --dead-letter-id 4711 --dead-letter-id 4712
  cordon topic replay --all
` + accountCallHelp
}

// maxReplayed is how many ids one call takes.
const maxReplayed = 100

// Run replays them: those that are dead now, of all, and not those that die again
// meanwhile.
func (c *topicReplay) Run(ctx context.Context, p *Process) error {
	if c.All == (len(c.DeadLetterID) > 0) {
		return &usageError{errors.New("name what to send again: --dead-letter-id ID, or --all")}
	}
	ids := c.DeadLetterID
	if c.All {
		list, err := listDeadLetters(ctx, p, &c.Call)
		if err != nil {
			return err
		}
		for _, d := range list {
			ids = append(ids, d.DeadLetterID)
		}
	}
	replayed := 0
	for chunk := range slices.Chunk(ids, maxReplayed) {
		var out struct {
			Replayed int `json:"replayed"`
		}
		err := c.Call.do(ctx, p, request{
			doing: "replay dead letters", method: http.MethodPost, path: "/dead-letters/replay",
			in: map[string]any{"deadLetterIds": chunk}, out: &out,
		})
		if err != nil {
			return err
		}
		replayed += out.Replayed
	}
	if c.Call.JSON {
		return printJSON(p.Stdout, map[string]int{"replayed": replayed})
	}
	_, err := fmt.Fprintf(p.Stdout, "%d deliveries are sent again.\n", replayed)
	return err
}
