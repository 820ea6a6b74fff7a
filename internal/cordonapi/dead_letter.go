package cordonapi

import (
	"context"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

// maxReplay is how many deliveries one call sends again: a longer list is
// replayed by further calls.
const maxReplay = 500

// deadLetterStore is what the operations on deliveries that were given up need.
type deadLetterStore interface {
	// DeadLetters lists the dead deliveries of a scope by Seq, behind one. A page
	// may be short: the next one begins behind last, which is 0 at the end.
	DeadLetters(ctx context.Context, scope fleet.Scope, after int64, limit int) (
		list []notify.Delivery, last int64, err error)
	// Replay makes dead deliveries wait again: some, or the first of all.
	Replay(ctx context.Context, scope fleet.Scope, seqs []int64, from time.Time, limit int) (int, error)
}

func (a *api) deadLetterOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.ListDeadLetters, a.listDeadLetters),
		awswire.Op(wire.ReplayDeadLetters, a.replayDeadLetters),
	}
}

func (a *api) listDeadLetters(ctx context.Context, in *wire.ListDeadLettersRequest) (
	*wire.ListDeadLettersResponse, error,
) {
	after, n := int64(0), awswire.PageSize(in.MaxResults)
	if err := a.Pages.Open(ctx, "ListDeadLetters", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, last, err := a.Store.DeadLetters(ctx, scopeOf(ctx), after, n)
	if err != nil {
		return nil, err
	}
	out := &wire.ListDeadLettersResponse{DeadLetters: []wire.DeadLetter{}}
	for i := range list {
		out.DeadLetters = append(out.DeadLetters, deadLetter(&list[i]))
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListDeadLetters", last != 0, last)
	return out, err
}

func deadLetter(d *notify.Delivery) wire.DeadLetter {
	out := wire.DeadLetter{
		DeadLetterID: new(strconv.FormatInt(d.Seq, 10)), Kind: new(string(d.Kind)), TopicARN: new(d.TopicARN()),
		Attempts: &d.Attempt, CreatedAt: &d.Created, LastError: &d.Error,
	}
	if d.Receiver != nil {
		out.SubscriptionARN = new(d.Receiver.ARN.String())
	}
	if d.Message != nil {
		out.MessageID, out.DeduplicationID = new(d.Message.MessageID()), &d.Message.ID
	}
	for _, t := range []struct {
		to   **time.Time
		from *time.Time
	}{{&out.FirstTriedAt, &d.First}, {&out.EndedAt, &d.Ended}} {
		if !t.from.IsZero() {
			*t.to = t.from
		}
	}
	return out
}

func (a *api) replayDeadLetters(ctx context.Context, in *wire.ReplayDeadLettersRequest) (
	*wire.ReplayDeadLettersResponse, error,
) {
	all := in.All != nil && *in.All
	if all == (len(in.DeadLetterIDs) > 0) {
		return nil, fault.New(fault.Invalid, "either deadLetterIds or all must be given")
	}
	var seqs []int64
	for _, id := range in.DeadLetterIDs {
		seq, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, fault.New(fault.Invalid, "deadLetterIds: %q is no id of a dead letter", id)
		}
		seqs = append(seqs, seq)
	}
	n, err := a.Store.Replay(ctx, scopeOf(ctx), seqs, a.Now(), maxReplay)
	if err != nil {
		return nil, err
	}
	return &wire.ReplayDeadLettersResponse{Replayed: &n}, nil
}
