package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// roleAliasStore is what the operations on role aliases need. What is not there
// is NotFound.
type roleAliasStore interface {
	// CreateRoleAlias is Exists when the name is taken, Limit when there are too
	// many.
	CreateRoleAlias(ctx context.Context, scope fleet.Scope, alias *fleet.RoleAlias, tags []fleet.Tag) error
	RoleAlias(ctx context.Context, scope fleet.Scope, name string) (*fleet.RoleAlias, error)
	// UpdateRoleAlias stores what change makes of a role alias.
	UpdateRoleAlias(ctx context.Context, scope fleet.Scope, name string, change func(*fleet.RoleAlias)) error
	DeleteRoleAlias(ctx context.Context, scope fleet.Scope, name string) error
	// RoleAliases lists the names of role aliases.
	RoleAliases(ctx context.Context, scope fleet.Scope, p fleet.RoleAliasPage) ([]string, error)
}

func (a *API) roleAliasOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateRoleAlias, a.createRoleAlias),
		awswire.Op(wire.DescribeRoleAlias, a.describeRoleAlias),
		awswire.Op(wire.UpdateRoleAlias, a.updateRoleAlias),
		awswire.Op(wire.DeleteRoleAlias, a.deleteRoleAlias),
		awswire.Op(wire.ListRoleAliases, a.listRoleAliases),
	}
}

func roleAliasARN(ctx context.Context, name string) *string {
	return new(scope(ctx).ARN("rolealias", name))
}

func (a *API) createRoleAlias(ctx context.Context, in *wire.CreateRoleAliasRequest) (
	*wire.CreateRoleAliasResponse, error,
) {
	labels, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	alias := &fleet.RoleAlias{
		Name: *in.RoleAlias, RoleARN: *in.RoleARN, Seconds: fleet.DefaultCredentialDuration, Created: now, Modified: now,
	}
	if in.CredentialDurationSeconds != nil {
		alias.Seconds = *in.CredentialDurationSeconds
	}
	if err := a.Store.CreateRoleAlias(ctx, scope(ctx), alias, labels); err != nil {
		return nil, err
	}
	return &wire.CreateRoleAliasResponse{RoleAlias: &alias.Name, RoleAliasARN: roleAliasARN(ctx, alias.Name)}, nil
}

func (a *API) describeRoleAlias(ctx context.Context, in *wire.DescribeRoleAliasRequest) (
	*wire.DescribeRoleAliasResponse, error,
) {
	found, err := a.Store.RoleAlias(ctx, scope(ctx), *in.RoleAlias)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeRoleAliasResponse{RoleAliasDescription: &wire.RoleAliasDescription{
		RoleAlias: &found.Name, RoleAliasARN: roleAliasARN(ctx, found.Name), RoleARN: &found.RoleARN,
		Owner: new(scope(ctx).Account), CredentialDurationSeconds: &found.Seconds,
		CreationDate: &found.Created, LastModifiedDate: &found.Modified,
	}}, nil
}

func (a *API) updateRoleAlias(ctx context.Context, in *wire.UpdateRoleAliasRequest) (
	*wire.UpdateRoleAliasResponse, error,
) {
	u := fleet.RoleAliasUpdate{RoleARN: in.RoleARN, Seconds: in.CredentialDurationSeconds}
	err := a.Store.UpdateRoleAlias(ctx, scope(ctx), *in.RoleAlias, func(r *fleet.RoleAlias) { r.Update(u, a.Now()) })
	if err != nil {
		return nil, err
	}
	return &wire.UpdateRoleAliasResponse{RoleAlias: in.RoleAlias, RoleAliasARN: roleAliasARN(ctx, *in.RoleAlias)}, nil
}

func (a *API) deleteRoleAlias(ctx context.Context, in *wire.DeleteRoleAliasRequest) (
	*wire.DeleteRoleAliasResponse, error,
) {
	return nil, a.Store.DeleteRoleAlias(ctx, scope(ctx), *in.RoleAlias)
}

func (a *API) listRoleAliases(ctx context.Context, in *wire.ListRoleAliasesRequest) (
	*wire.ListRoleAliasesResponse, error,
) {
	n := awswire.PageSize(in.PageSize)
	p := fleet.RoleAliasPage{Ascending: opt.Value(in.AscendingOrder), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListRoleAliases", in.Marker, &p.After); err != nil {
		return nil, err
	}
	names, err := a.Store.RoleAliases(ctx, scope(ctx), p)
	if err != nil {
		return nil, err
	}
	names, more := awswire.CutPage(names, n)
	out := &wire.ListRoleAliasesResponse{RoleAliases: names}
	out.NextMarker, err = a.Pages.Next(ctx, "ListRoleAliases", more, last(names))
	return out, err
}
