package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// What is here are older names of the operations on the targets of policies:
// the attachments are the same, seen from certificates alone.

// principalTarget reads the certificate that a principal is.
func principalTarget(ctx context.Context, principal *string) (fleet.Target, error) {
	id, err := certificatePrincipal(scope(ctx), opt.Value(principal))
	return fleet.Target{Kind: fleet.TargetCertificate, Name: id}, err
}

func (a *API) attachPrincipalPolicy(ctx context.Context, in *wire.AttachPrincipalPolicyRequest) (
	*wire.AttachPrincipalPolicyResponse, error,
) {
	t, err := principalTarget(ctx, in.Principal)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.AttachPolicy(ctx, scope(ctx), *in.PolicyName, t)
}

func (a *API) detachPrincipalPolicy(ctx context.Context, in *wire.DetachPrincipalPolicyRequest) (
	*wire.DetachPrincipalPolicyResponse, error,
) {
	t, err := principalTarget(ctx, in.Principal)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DetachPrincipalPolicy(ctx, scope(ctx), *in.PolicyName, t.Name)
}

func (a *API) listPrincipalPolicies(ctx context.Context, in *wire.ListPrincipalPoliciesRequest) (
	*wire.ListPrincipalPoliciesResponse, error,
) {
	t, err := principalTarget(ctx, in.Principal)
	if err != nil {
		return nil, err
	}
	n := awswire.PageSize(in.PageSize)
	p := fleet.PolicyPage{Ascending: opt.Value(in.AscendingOrder), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListPrincipalPolicies", in.Marker, &p.After); err != nil {
		return nil, err
	}
	list, err := a.Store.PrincipalPolicies(ctx, scope(ctx), t.Name, p)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListPrincipalPoliciesResponse{Policies: make([]wire.Policy, len(list))}
	for i, found := range list {
		out.Policies[i] = policySummary(scope(ctx), found.Name)
	}
	out.NextMarker, err = a.Pages.Next(ctx, "ListPrincipalPolicies", more, last(list).Seq)
	return out, err
}

func (a *API) listPolicyPrincipals(ctx context.Context, in *wire.ListPolicyPrincipalsRequest) (
	*wire.ListPolicyPrincipalsResponse, error,
) {
	n := awswire.PageSize(in.PageSize)
	p := fleet.PrincipalPage{Ascending: opt.Value(in.AscendingOrder), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListPolicyPrincipals", in.Marker, &p.After); err != nil {
		return nil, err
	}
	ids, err := a.Store.PolicyPrincipals(ctx, scope(ctx), *in.PolicyName, p)
	if err != nil {
		return nil, err
	}
	ids, more := awswire.CutPage(ids, n)
	out := &wire.ListPolicyPrincipalsResponse{Principals: make([]string, len(ids))}
	for i, id := range ids {
		out.Principals[i] = scope(ctx).ARN("cert", id)
	}
	out.NextMarker, err = a.Pages.Next(ctx, "ListPolicyPrincipals", more, last(ids))
	return out, err
}
