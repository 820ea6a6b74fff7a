package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// targetStore is what the operations that attach policies need.
type targetStore interface {
	// AttachPolicy attaches a policy; again is fine. It is NotFound without
	// policy or target, Limit when the target has all the policies it may have.
	AttachPolicy(ctx context.Context, scope fleet.Scope, policy string, t fleet.Target) error
	// DetachPolicy detaches a policy; one that is not attached is fine.
	DetachPolicy(ctx context.Context, scope fleet.Scope, policy string, t fleet.Target) error
	// AttachedPolicies lists the names of the policies of a target, or is
	// NotFound.
	AttachedPolicies(ctx context.Context, scope fleet.Scope, t fleet.Target, p fleet.AttachedPage) ([]string, error)
	// PolicyTargets lists the targets of a policy, or is NotFound.
	PolicyTargets(ctx context.Context, scope fleet.Scope, policy string, p fleet.TargetPage) ([]fleet.Target, error)
	// DetachPrincipalPolicy detaches a policy from a certificate; one that is not
	// attached is fine. It is NotFound without policy or certificate.
	DetachPrincipalPolicy(ctx context.Context, scope fleet.Scope, policy, certificate string) error
	// PrincipalPolicies lists the policies of a certificate, or is NotFound.
	PrincipalPolicies(ctx context.Context, scope fleet.Scope, certificate string, p fleet.PolicyPage) (
		[]fleet.Policy, error)
	// PolicyPrincipals lists the certificates of a policy by id, or is NotFound.
	PolicyPrincipals(ctx context.Context, scope fleet.Scope, policy string, p fleet.PrincipalPage) ([]string, error)
}

func (a *API) targetOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.AttachPolicy, a.attachPolicy),
		awswire.Op(wire.DetachPolicy, a.detachPolicy),
		awswire.Op(wire.ListAttachedPolicies, a.listAttachedPolicies),
		awswire.Op(wire.ListTargetsForPolicy, a.listTargetsForPolicy),
		awswire.Op(wire.AttachPrincipalPolicy, a.attachPrincipalPolicy),
		awswire.Op(wire.DetachPrincipalPolicy, a.detachPrincipalPolicy),
		awswire.Op(wire.ListPrincipalPolicies, a.listPrincipalPolicies),
		awswire.Op(wire.ListPolicyPrincipals, a.listPolicyPrincipals),
	}
}

func (a *API) attachPolicy(ctx context.Context, in *wire.AttachPolicyRequest) (*wire.AttachPolicyResponse, error) {
	t, err := fleet.ParseTarget(scope(ctx), opt.Value(in.Target))
	if err != nil {
		return nil, err
	}
	return nil, a.Store.AttachPolicy(ctx, scope(ctx), opt.Value(in.PolicyName), t)
}

func (a *API) detachPolicy(ctx context.Context, in *wire.DetachPolicyRequest) (*wire.DetachPolicyResponse, error) {
	t, err := fleet.ParseTarget(scope(ctx), opt.Value(in.Target))
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DetachPolicy(ctx, scope(ctx), opt.Value(in.PolicyName), t)
}

func (a *API) listAttachedPolicies(ctx context.Context, in *wire.ListAttachedPoliciesRequest) (
	*wire.ListAttachedPoliciesResponse, error,
) {
	t, err := fleet.ParseTarget(scope(ctx), opt.Value(in.Target))
	if err != nil {
		return nil, err
	}
	n := awswire.PageSize(in.PageSize)
	p := fleet.AttachedPage{Parents: opt.Value(in.Recursive), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListAttachedPolicies", in.Marker, &p.After); err != nil {
		return nil, err
	}
	list, err := a.Store.AttachedPolicies(ctx, scope(ctx), t, p)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListAttachedPoliciesResponse{Policies: make([]wire.Policy, len(list))}
	for i, name := range list {
		out.Policies[i] = policySummary(scope(ctx), name)
		p.After = name
	}
	out.NextMarker, err = a.Pages.Next(ctx, "ListAttachedPolicies", more, p.After)
	return out, err
}

func (a *API) listTargetsForPolicy(ctx context.Context, in *wire.ListTargetsForPolicyRequest) (
	*wire.ListTargetsForPolicyResponse, error,
) {
	n := awswire.PageSize(in.PageSize)
	p := fleet.TargetPage{Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListTargetsForPolicy", in.Marker, &p.After); err != nil {
		return nil, err
	}
	list, err := a.Store.PolicyTargets(ctx, scope(ctx), opt.Value(in.PolicyName), p)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListTargetsForPolicyResponse{Targets: make([]string, len(list))}
	for i, t := range list {
		out.Targets[i] = scope(ctx).ARN(string(t.Kind), t.Name)
		p.After = t.String()
	}
	out.NextMarker, err = a.Pages.Next(ctx, "ListTargetsForPolicy", more, p.After)
	return out, err
}
