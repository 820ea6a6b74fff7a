package cordonapi

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
)

// CallLog is the record of calls.
type CallLog interface {
	// Export returns the next lines in order, and where to go on: nil behind the
	// last.
	Export(ctx context.Context, x calllog.Export) (text []byte, next *calllog.Place, err error)
	// Verify looks at the next batches.
	Verify(ctx context.Context, from *calllog.Progress) (*calllog.Verification, error)
}

func (a *api) callLogOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.ExportCallRecords, a.exportCallRecords),
		awswire.Op(wire.VerifyCallRecords, a.verifyCallRecords),
	}
}

// exportPlace is where an export goes on. Its end stays where it was.
type exportPlace struct {
	To    time.Time      `json:"to"`
	Place *calllog.Place `json:"place"`
}

// exportCallRecords gives an account its own records, and the operator all of
// them.
func (a *api) exportCallRecords(ctx context.Context, in *wire.ExportCallRecordsRequest) (
	*wire.ExportCallRecordsResponse, error,
) {
	caller := awswire.CallerFrom(ctx)
	x := calllog.Export{Account: opt.Value(in.AccountID), From: opt.Value(in.From), To: a.Now()}
	if !caller.Operator {
		if x.Account != "" && x.Account != caller.Account {
			return nil, fault.New(fault.Denied, "only the operator may read the records of other accounts")
		}
		x.Account = caller.Account
	}
	if in.To != nil {
		x.To = *in.To
	}
	binding := "ExportCallRecords " + x.Account
	place := exportPlace{To: x.To}
	if err := a.Pages.Open(ctx, binding, in.NextToken, &place); err != nil {
		return nil, err
	}
	x.To, x.After = place.To, place.Place
	text, next, err := a.CallLog.Export(ctx, x)
	if err != nil {
		return nil, err
	}
	out := &wire.ExportCallRecordsResponse{Records: new(string(text))}
	place.Place = next
	out.NextToken, err = a.Pages.Next(ctx, binding, next != nil, place)
	return out, err
}

// verifyCallRecords looks at the log of all nodes and accounts, for the operator.
func (a *api) verifyCallRecords(ctx context.Context, in *wire.VerifyCallRecordsRequest) (
	*wire.VerifyCallRecordsResponse, error,
) {
	if err := operator(ctx); err != nil {
		return nil, err
	}
	var from *calllog.Progress
	if err := a.Pages.Open(ctx, "VerifyCallRecords", in.NextToken, &from); err != nil {
		return nil, err
	}
	v, err := a.CallLog.Verify(ctx, from)
	if err != nil {
		return nil, err
	}
	out := &wire.VerifyCallRecordsResponse{Batches: &v.Batches, Records: &v.Lines, Problems: []wire.CallProblem{}}
	for i := range v.Problems {
		p := &v.Problems[i]
		problem := wire.CallProblem{Chain: &p.Chain, Batch: &p.Batch, Problem: &p.Text}
		if p.Line > 0 {
			problem.Line = new(int64(p.Line))
		}
		out.Problems = append(out.Problems, problem)
	}
	out.NextToken, err = a.Pages.Next(ctx, "VerifyCallRecords", v.Next != nil, v.Next)
	return out, err
}
