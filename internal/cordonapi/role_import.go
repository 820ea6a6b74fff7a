package cordonapi

import (
	"context"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/cordonapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// roleImportStore is what imports of who gives roles, and of what roles have
// used, need.
type roleImportStore interface {
	// ImportPools stores pools of which the roles are known, all or none, and says
	// how many it made.
	ImportPools(ctx context.Context, scope fleet.Scope, list []identity.Pool) (made int, err error)
	// ImportAccessReport stores a report in place of an older one: Conflict when
	// the one that is there is later.
	ImportAccessReport(ctx context.Context, r *identity.AccessReport) error
}

func (a *api) roleImportOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.ImportIdentityPoolRoles, a.importIdentityPoolRoles).Taking(maxImportBody),
		awswire.Op(wire.ImportLastAccessed, a.importLastAccessed).Taking(maxImportBody),
	}
}

// poolImportNeeds is what an import of pools takes: to make pools, set their roles
// and pass them, on every resource, for it may name a great many.
func poolImportNeeds(context.Context, *wire.ImportIdentityPoolRolesRequest) []awswire.Need {
	return []awswire.Need{
		{Action: "cordon:ImportIdentityPoolRoles"},
		{Action: "cognito-identity:CreateIdentityPool"},
		{Action: "cognito-identity:SetIdentityPoolRoles"},
		{Action: "iam:PassRole", Keys: map[string][]string{"iam:PassedToService": {"cognito-identity.amazonaws.com"}}},
	}
}

// importIdentityPoolRoles stores the roles of pools of the caller's region, all
// or none.
func (a *api) importIdentityPoolRoles(ctx context.Context, in *wire.ImportIdentityPoolRolesRequest) (
	*wire.ImportIdentityPoolRolesResponse, error,
) {
	scope := scopeOf(ctx)
	seen, list := map[string]bool{}, []identity.Pool{}
	for i := range in.IdentityPools {
		w := &in.IdentityPools[i]
		roles := poolRoles(w)
		switch err := identity.CheckPoolID(scope.Region, *w.IdentityPoolID); {
		case err != nil:
			return nil, err
		case seen[*w.IdentityPoolID]:
			return nil, fault.New(fault.Invalid, "the identity pool %s stands twice", *w.IdentityPoolID)
		}
		if err := roles.Check(); err != nil {
			return nil, fault.New(fault.Invalid, "identity pool %s: %v", *w.IdentityPoolID, err)
		}
		seen[*w.IdentityPoolID] = true
		list = append(list, *identity.ImportedPool(*w.IdentityPoolID, roles, a.Now()))
	}
	made, err := a.Store.ImportPools(ctx, scope, list)
	if err != nil {
		return nil, err
	}
	return &wire.ImportIdentityPoolRolesResponse{Created: new(made), Updated: new(len(list) - made)}, nil
}

// poolRoles are the roles of a pool as a request has them. It copes with members
// that are missing.
func poolRoles(in *wire.IdentityPoolRoles) identity.PoolRoles {
	out := identity.PoolRoles{ByKind: in.Roles}
	for provider, m := range in.RoleMappings {
		if out.Mappings == nil {
			out.Mappings = map[string]identity.RoleMapping{}
		}
		mapping := identity.RoleMapping{Type: opt.Value(m.Type), Ambiguous: opt.Value(m.AmbiguousRoleResolution)}
		for _, r := range m.Rules {
			mapping.Rules = append(mapping.Rules, identity.MappingRule{
				Claim: opt.Value(r.Claim), Match: opt.Value(r.MatchType), Value: opt.Value(r.Value), RoleARN: opt.Value(r.RoleARN),
			})
		}
		out.Mappings[provider] = mapping
	}
	return out
}

// importLastAccessed stores which services a role of the caller's account has
// used. The role need not be there yet.
func (a *api) importLastAccessed(ctx context.Context, in *wire.ImportLastAccessedRequest) (
	*wire.ImportLastAccessedResponse, error,
) {
	r := &identity.AccessReport{Account: scopeOf(ctx).Account, RoleARN: *in.RoleARN, Reported: *in.ReportedAt}
	if e, ok := identity.ParseARN(r.RoleARN); ok && e.Account != r.Account {
		return nil, fault.New(fault.Invalid, "%s is a role of another account", r.RoleARN)
	}
	for _, s := range in.Services {
		r.Services = append(r.Services, identity.ServiceAccess{
			Namespace: strings.ToLower(*s.ServiceNamespace), Name: opt.Value(s.ServiceName),
			Last:   opt.Value(s.LastAuthenticated),
			Entity: opt.Value(s.LastAuthenticatedEntity), Region: opt.Value(s.LastAuthenticatedRegion),
			Entities: opt.Value(s.TotalAuthenticatedEntities),
		})
	}
	slices.SortFunc(r.Services, func(a, b identity.ServiceAccess) int { return strings.Compare(a.Namespace, b.Namespace) })
	if err := r.Check(a.Now()); err != nil {
		return nil, err
	}
	if err := a.Store.ImportAccessReport(ctx, r); err != nil {
		return nil, err
	}
	return &wire.ImportLastAccessedResponse{Services: new(len(r.Services))}, nil
}
