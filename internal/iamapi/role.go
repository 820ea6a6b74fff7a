package iamapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/iamapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// roleStore is what the operations on roles need. What is not there is NotFound.
type roleStore interface {
	// CreateRole is Exists when the name is taken, whatever its case, and Limit
	// when there are too many or the trust policy is too long.
	CreateRole(ctx context.Context, role *identity.Role) error
	Role(ctx context.Context, account, name string) (*identity.Role, error)
	Roles(ctx context.Context, account string, p identity.EntityPage) ([]*identity.Role, error)
	// UpdateRole stores what change makes of a role, or returns what it refuses.
	UpdateRole(ctx context.Context, account, name string, change func(*identity.Role) error) error
	// DeleteRole is DeleteConflict while the role has policies.
	DeleteRole(ctx context.Context, account, name string) error
}

func (a *API) roleOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateRole, a.createRole),
		awswire.Op(wire.GetRole, a.getRole),
		awswire.Op(wire.ListRoles, a.listRoles),
		awswire.Op(wire.UpdateRole, a.updateRole),
		awswire.Op(wire.UpdateAssumeRolePolicy, a.updateAssumeRolePolicy),
		awswire.Op(wire.DeleteRole, a.deleteRole),
	}
}

func (a *API) createRole(ctx context.Context, in *wire.CreateRoleRequest) (*wire.CreateRoleResponse, error) {
	tags, err := tagged(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := identity.CheckTrust(*in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	role := identity.NewRole(account(ctx), pathOf(in.Path), *in.RoleName, a.Now())
	role.Trust, role.Description, role.Tags = *in.AssumeRolePolicyDocument, opt.Value(in.Description), tags
	role.Boundary = opt.Value(in.PermissionsBoundary)
	if in.MaxSessionDuration != nil {
		role.MaxSession = *in.MaxSessionDuration
	}
	if err := a.Store.CreateRole(ctx, role); err != nil {
		return nil, err
	}
	return &wire.CreateRoleResponse{Role: roleOf(role)}, nil
}

// roleOf is the wire form of a role as one is told of.
func roleOf(role *identity.Role) *wire.Role {
	out := listedRole(role)
	out.PermissionsBoundary, out.Tags = boundaryOf(role.Boundary), tagsOf(role.Tags)
	out.RoleLastUsed = &wire.RoleLastUsed{LastUsedDate: opt.Time(role.LastUsed), Region: opt.Text(role.LastUsedRegion)}
	return out
}

// listedRole leaves out what lists of IAM do not tell.
func listedRole(role *identity.Role) *wire.Role {
	return &wire.Role{
		Path: &role.Path, RoleName: &role.Name, RoleID: &role.ID, ARN: new(role.ARN()), CreateDate: &role.Created,
		AssumeRolePolicyDocument: encoded(role.Trust), Description: opt.Text(role.Description),
		MaxSessionDuration: &role.MaxSession,
	}
}

func (a *API) getRole(ctx context.Context, in *wire.GetRoleRequest) (*wire.GetRoleResponse, error) {
	role, err := a.Store.Role(ctx, account(ctx), *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &wire.GetRoleResponse{Role: roleOf(role)}, nil
}

func (a *API) listRoles(ctx context.Context, in *wire.ListRolesRequest) (*wire.ListRolesResponse, error) {
	list, end, err := entities(ctx, a, paging{"ListRoles", in.Marker, in.MaxItems}, in.PathPrefix, a.Store.Roles)
	out := &wire.ListRolesResponse{Roles: []wire.Role{}, IsTruncated: end.more, Marker: end.marker}
	for _, role := range list {
		out.Roles = append(out.Roles, *listedRole(role))
	}
	return out, err
}

func (a *API) updateRole(ctx context.Context, in *wire.UpdateRoleRequest) (*wire.UpdateRoleResponse, error) {
	return nil, a.Store.UpdateRole(ctx, account(ctx), *in.RoleName, func(role *identity.Role) error {
		if in.Description != nil {
			role.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			role.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
}

func (a *API) updateAssumeRolePolicy(ctx context.Context, in *wire.UpdateAssumeRolePolicyRequest) (
	*wire.UpdateAssumeRolePolicyResponse, error,
) {
	if err := identity.CheckTrust(*in.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, a.Store.UpdateRole(ctx, account(ctx), *in.RoleName, func(role *identity.Role) error {
		role.Trust = *in.PolicyDocument
		return nil
	})
}

func (a *API) deleteRole(ctx context.Context, in *wire.DeleteRoleRequest) (*wire.DeleteRoleResponse, error) {
	return nil, a.Store.DeleteRole(ctx, account(ctx), *in.RoleName)
}
