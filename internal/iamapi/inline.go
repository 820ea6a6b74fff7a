package iamapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// inlineStore is what the operations on inline policies need. What is not there
// is NotFound.
type inlineStore interface {
	// PutInlinePolicy is Limit when the policies of the owner would be too long.
	PutInlinePolicy(ctx context.Context, o identity.Owner, p identity.InlinePolicy) error
	InlinePolicy(ctx context.Context, o identity.Owner, name string) (*identity.InlinePolicy, error)
	// InlinePolicies lists by name.
	InlinePolicies(ctx context.Context, o identity.Owner) ([]identity.InlinePolicy, error)
	DeleteInlinePolicy(ctx context.Context, o identity.Owner, name string) error
}

func (a *API) inlineOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.PutRolePolicy, a.putRolePolicy),
		awswire.Op(wire.GetRolePolicy, a.getRolePolicy),
		awswire.Op(wire.ListRolePolicies, a.listRolePolicies),
		awswire.Op(wire.DeleteRolePolicy, a.deleteRolePolicy),
		awswire.Op(wire.PutUserPolicy, a.putUserPolicy),
		awswire.Op(wire.GetUserPolicy, a.getUserPolicy),
		awswire.Op(wire.ListUserPolicies, a.listUserPolicies),
		awswire.Op(wire.DeleteUserPolicy, a.deleteUserPolicy),
	}
}

func roleNamed(ctx context.Context, name *string) identity.Owner {
	return identity.Owner{Kind: identity.OwnerRole, Account: account(ctx), Name: opt.Value(name)}
}

func userNamed(ctx context.Context, name *string) identity.Owner {
	return identity.Owner{Kind: identity.OwnerUser, Account: account(ctx), Name: opt.Value(name)}
}

func (a *API) putInline(ctx context.Context, o identity.Owner, name, document string) error {
	if err := identity.CheckDocument(document); err != nil {
		return err
	}
	return a.Store.PutInlinePolicy(ctx, o, identity.InlinePolicy{Name: name, Document: document})
}

func (a *API) putRolePolicy(ctx context.Context, in *wire.PutRolePolicyRequest) (*wire.PutRolePolicyResponse, error) {
	return nil, a.putInline(ctx, roleNamed(ctx, in.RoleName), *in.PolicyName, *in.PolicyDocument)
}

func (a *API) putUserPolicy(ctx context.Context, in *wire.PutUserPolicyRequest) (*wire.PutUserPolicyResponse, error) {
	return nil, a.putInline(ctx, userNamed(ctx, in.UserName), *in.PolicyName, *in.PolicyDocument)
}

func (a *API) getRolePolicy(ctx context.Context, in *wire.GetRolePolicyRequest) (*wire.GetRolePolicyResponse, error) {
	p, err := a.Store.InlinePolicy(ctx, roleNamed(ctx, in.RoleName), *in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &wire.GetRolePolicyResponse{
		RoleName: in.RoleName, PolicyName: &p.Name, PolicyDocument: encoded(p.Document),
	}, nil
}

func (a *API) getUserPolicy(ctx context.Context, in *wire.GetUserPolicyRequest) (*wire.GetUserPolicyResponse, error) {
	p, err := a.Store.InlinePolicy(ctx, userNamed(ctx, in.UserName), *in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &wire.GetUserPolicyResponse{
		UserName: in.UserName, PolicyName: &p.Name, PolicyDocument: encoded(p.Document),
	}, nil
}

// inlineNames lists a page of the names of an owner's policies.
func (a *API) inlineNames(ctx context.Context, o identity.Owner, p paging) ([]string, ending, error) {
	list, err := a.Store.InlinePolicies(ctx, o)
	if err != nil {
		return nil, ending{}, err
	}
	list, end, err := few(ctx, a, p, list, func(p identity.InlinePolicy) string { return p.Name })
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return names, end, err
}

func (a *API) listRolePolicies(ctx context.Context, in *wire.ListRolePoliciesRequest) (
	*wire.ListRolePoliciesResponse, error,
) {
	names, end, err := a.inlineNames(ctx, roleNamed(ctx, in.RoleName),
		paging{"ListRolePolicies", in.Marker, in.MaxItems})
	return &wire.ListRolePoliciesResponse{PolicyNames: names, IsTruncated: end.more, Marker: end.marker}, err
}

func (a *API) listUserPolicies(ctx context.Context, in *wire.ListUserPoliciesRequest) (
	*wire.ListUserPoliciesResponse, error,
) {
	names, end, err := a.inlineNames(ctx, userNamed(ctx, in.UserName),
		paging{"ListUserPolicies", in.Marker, in.MaxItems})
	return &wire.ListUserPoliciesResponse{PolicyNames: names, IsTruncated: end.more, Marker: end.marker}, err
}

func (a *API) deleteRolePolicy(ctx context.Context, in *wire.DeleteRolePolicyRequest) (
	*wire.DeleteRolePolicyResponse, error,
) {
	return nil, a.Store.DeleteInlinePolicy(ctx, roleNamed(ctx, in.RoleName), *in.PolicyName)
}

func (a *API) deleteUserPolicy(ctx context.Context, in *wire.DeleteUserPolicyRequest) (
	*wire.DeleteUserPolicyResponse, error,
) {
	return nil, a.Store.DeleteInlinePolicy(ctx, userNamed(ctx, in.UserName), *in.PolicyName)
}
