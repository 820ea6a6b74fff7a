package iamapi

import (
	"context"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// attachmentStore is what the operations on attached policies need. What is not
// there is NotFound, another account's policies included.
type attachmentStore interface {
	// AttachManagedPolicy is Limit when the owner has too many.
	AttachManagedPolicy(ctx context.Context, o identity.Owner, arn string) error
	DetachManagedPolicy(ctx context.Context, o identity.Owner, arn string) error
	// AttachedManagedPolicies lists ARNs.
	AttachedManagedPolicies(ctx context.Context, o identity.Owner) ([]string, error)
}

func (a *API) attachmentOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.AttachRolePolicy, a.attachRolePolicy),
		awswire.Op(wire.DetachRolePolicy, a.detachRolePolicy),
		awswire.Op(wire.ListAttachedRolePolicies, a.listAttachedRolePolicies),
		awswire.Op(wire.AttachUserPolicy, a.attachUserPolicy),
		awswire.Op(wire.DetachUserPolicy, a.detachUserPolicy),
		awswire.Op(wire.ListAttachedUserPolicies, a.listAttachedUserPolicies),
	}
}

func (a *API) attachRolePolicy(ctx context.Context, in *wire.AttachRolePolicyRequest) (
	*wire.AttachRolePolicyResponse, error,
) {
	if err := needPolicyARN(*in.PolicyARN); err != nil {
		return nil, err
	}
	return nil, a.Store.AttachManagedPolicy(ctx, roleNamed(ctx, in.RoleName), *in.PolicyARN)
}

func (a *API) attachUserPolicy(ctx context.Context, in *wire.AttachUserPolicyRequest) (
	*wire.AttachUserPolicyResponse, error,
) {
	if err := needPolicyARN(*in.PolicyARN); err != nil {
		return nil, err
	}
	return nil, a.Store.AttachManagedPolicy(ctx, userNamed(ctx, in.UserName), *in.PolicyARN)
}

func (a *API) detachRolePolicy(ctx context.Context, in *wire.DetachRolePolicyRequest) (
	*wire.DetachRolePolicyResponse, error,
) {
	if err := needPolicyARN(*in.PolicyARN); err != nil {
		return nil, err
	}
	return nil, a.Store.DetachManagedPolicy(ctx, roleNamed(ctx, in.RoleName), *in.PolicyARN)
}

func (a *API) detachUserPolicy(ctx context.Context, in *wire.DetachUserPolicyRequest) (
	*wire.DetachUserPolicyResponse, error,
) {
	if err := needPolicyARN(*in.PolicyARN); err != nil {
		return nil, err
	}
	return nil, a.Store.DetachManagedPolicy(ctx, userNamed(ctx, in.UserName), *in.PolicyARN)
}

// attachedKey is the order of attached policies. Names of one account are
// unique; one of AWS may have the same.
func attachedKey(arn string) string {
	e, _ := identity.ParseARN(arn)
	return identity.Fold(e.Name) + "/" + e.Account
}

// attached lists a page of an owner's policies by name.
func (a *API) attached(ctx context.Context, o identity.Owner, p paging, prefix *string) (
	[]wire.AttachedPolicy, ending, error,
) {
	arns, err := a.Store.AttachedManagedPolicies(ctx, o)
	if err != nil {
		return nil, ending{}, err
	}
	arns = slices.DeleteFunc(arns, func(arn string) bool {
		e, _ := identity.ParseARN(arn)
		return !strings.HasPrefix(e.Path, pathOf(prefix))
	})
	slices.SortFunc(arns, func(a, b string) int { return strings.Compare(attachedKey(a), attachedKey(b)) })
	arns, end, err := few(ctx, a, p, arns, attachedKey)
	list := make([]wire.AttachedPolicy, len(arns))
	for i, arn := range arns {
		e, _ := identity.ParseARN(arn)
		list[i] = wire.AttachedPolicy{PolicyName: &e.Name, PolicyARN: new(arn)}
	}
	return list, end, err
}

func (a *API) listAttachedRolePolicies(ctx context.Context, in *wire.ListAttachedRolePoliciesRequest) (
	*wire.ListAttachedRolePoliciesResponse, error,
) {
	list, end, err := a.attached(ctx, roleNamed(ctx, in.RoleName),
		paging{"ListAttachedRolePolicies", in.Marker, in.MaxItems}, in.PathPrefix)
	return &wire.ListAttachedRolePoliciesResponse{
		AttachedPolicies: list, IsTruncated: end.more, Marker: end.marker,
	}, err
}

func (a *API) listAttachedUserPolicies(ctx context.Context, in *wire.ListAttachedUserPoliciesRequest) (
	*wire.ListAttachedUserPoliciesResponse, error,
) {
	list, end, err := a.attached(ctx, userNamed(ctx, in.UserName),
		paging{"ListAttachedUserPolicies", in.Marker, in.MaxItems}, in.PathPrefix)
	return &wire.ListAttachedUserPoliciesResponse{
		AttachedPolicies: list, IsTruncated: end.more, Marker: end.marker,
	}, err
}
