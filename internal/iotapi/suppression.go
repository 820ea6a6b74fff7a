package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// suppressionStore is what the operations on suppressions need. One that has
// expired is not there, and what is not there is NotFound.
type suppressionStore interface {
	// CreateSuppression stores a new suppression; the same call again is fine.
	// It is Exists when its key or token is taken, Limit when there are too many.
	CreateSuppression(ctx context.Context, scope fleet.Scope, s *audit.Suppression) error
	Suppression(ctx context.Context, scope fleet.Scope, k audit.SuppressionKey) (*audit.Suppression, error)
	// UpdateSuppression stores what change makes of a suppression.
	UpdateSuppression(ctx context.Context, scope fleet.Scope, k audit.SuppressionKey,
		change func(*audit.Suppression) error) error
	// DeleteSuppression removes a suppression; one that is not there is fine.
	DeleteSuppression(ctx context.Context, scope fleet.Scope, k audit.SuppressionKey) error
	// Suppressions lists suppressions by their ends.
	Suppressions(ctx context.Context, scope fleet.Scope, q audit.SuppressionQuery) ([]audit.Suppression, error)
}

func (a *API) suppressionOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateAuditSuppression, a.createAuditSuppression),
		awswire.Op(wire.DescribeAuditSuppression, a.describeAuditSuppression),
		awswire.Op(wire.UpdateAuditSuppression, a.updateAuditSuppression),
		awswire.Op(wire.DeleteAuditSuppression, a.deleteAuditSuppression),
		awswire.Op(wire.ListAuditSuppressions, a.listAuditSuppressions),
	}
}

// suppressionKey reads the check and the resource of a suppression.
func (a *API) suppressionKey(ctx context.Context, check *string, id *wire.ResourceIdentifier) (
	audit.SuppressionKey, error,
) {
	found := a.Audits.Checks.Named(opt.Value(check))
	if found == nil {
		return audit.SuppressionKey{}, audit.UnknownCheck(opt.Value(check))
	}
	return suppressible(scope(ctx), found, id)
}

func (a *API) createAuditSuppression(ctx context.Context, in *wire.CreateAuditSuppressionRequest) (
	*wire.CreateAuditSuppressionResponse, error,
) {
	k, err := a.suppressionKey(ctx, in.CheckName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	s, err := audit.NewSuppression(k, audit.SuppressionChange{
		Until: in.ExpirationDate, Indefinitely: in.SuppressIndefinitely, Description: in.Description,
	}, *in.ClientRequestToken, a.Now())
	if err != nil {
		return nil, err
	}
	return nil, a.Store.CreateSuppression(ctx, scope(ctx), s)
}

func (a *API) updateAuditSuppression(ctx context.Context, in *wire.UpdateAuditSuppressionRequest) (
	*wire.UpdateAuditSuppressionResponse, error,
) {
	k, err := a.suppressionKey(ctx, in.CheckName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	change := audit.SuppressionChange{
		Until: in.ExpirationDate, Indefinitely: in.SuppressIndefinitely, Description: in.Description,
	}
	return nil, a.Store.UpdateSuppression(ctx, scope(ctx), k, func(s *audit.Suppression) error {
		return s.Change(change, a.Now())
	})
}

func (a *API) deleteAuditSuppression(ctx context.Context, in *wire.DeleteAuditSuppressionRequest) (
	*wire.DeleteAuditSuppressionResponse, error,
) {
	k, err := a.suppressionKey(ctx, in.CheckName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DeleteSuppression(ctx, scope(ctx), k)
}

func (a *API) describeAuditSuppression(ctx context.Context, in *wire.DescribeAuditSuppressionRequest) (
	*wire.DescribeAuditSuppressionResponse, error,
) {
	k, err := a.suppressionKey(ctx, in.CheckName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	s, err := a.Store.Suppression(ctx, scope(ctx), k)
	if err != nil {
		return nil, err
	}
	out := suppressionOut(s)
	return &wire.DescribeAuditSuppressionResponse{
		CheckName: out.CheckName, ResourceIdentifier: out.ResourceIdentifier, ExpirationDate: out.ExpirationDate,
		SuppressIndefinitely: out.SuppressIndefinitely, Description: out.Description,
	}, nil
}

func (a *API) listAuditSuppressions(ctx context.Context, in *wire.ListAuditSuppressionsRequest) (
	*wire.ListAuditSuppressionsResponse, error,
) {
	n := awswire.PageSize(in.MaxResults)
	q := audit.SuppressionQuery{
		Check: opt.Value(in.CheckName), Descending: in.AscendingOrder != nil && !*in.AscendingOrder, Limit: n + 1,
	}
	switch {
	case q.Check != "" && a.Audits.Checks.Named(q.Check) == nil:
		return nil, audit.UnknownCheck(q.Check)
	case q.Check != "" && in.ResourceIdentifier != nil:
		k, err := a.suppressionKey(ctx, in.CheckName, in.ResourceIdentifier)
		if err != nil {
			return nil, err
		}
		q.Type, q.Key = k.Type, k.Key
	case in.ResourceIdentifier != nil:
		r, err := resourceOf(scope(ctx), in.ResourceIdentifier)
		if err != nil {
			return nil, err
		}
		q.Type, q.Key = r.Type, r.Key
	}
	if err := a.Pages.Open(ctx, "ListAuditSuppressions", in.NextToken, &q.After); err != nil {
		return nil, err
	}
	list, err := a.Store.Suppressions(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListAuditSuppressionsResponse{Suppressions: make([]wire.AuditSuppression, len(list))}
	for i := range list {
		out.Suppressions[i] = suppressionOut(&list[i])
		q.After = audit.SuppressionPosition{Expires: list[i].Expires, Seq: list[i].Seq}
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListAuditSuppressions", more, q.After)
	return out, err
}

func suppressionOut(s *audit.Suppression) wire.AuditSuppression {
	return wire.AuditSuppression{
		CheckName: &s.Check, ResourceIdentifier: identifier(audit.Resource{Type: s.Type, Key: s.Key}),
		ExpirationDate: opt.Time(s.Expires), SuppressIndefinitely: new(s.Expires.IsZero()),
		Description: opt.Text(s.Description),
	}
}
