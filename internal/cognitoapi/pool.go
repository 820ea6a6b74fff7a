package cognitoapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/cognitoapi/wire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// maxProviders is how many providers of one kind a pool has at most. The service
// model bounds only the public ones, which it gives ten.
const maxProviders = 50

func (a *api) createIdentityPool(ctx context.Context, in *wire.CreateIdentityPoolInput) (*wire.IdentityPool, error) {
	settings, err := settingsIn(&wire.IdentityPool{
		IdentityPoolName: in.IdentityPoolName, AllowUnauthenticatedIdentities: in.AllowUnauthenticatedIdentities,
		AllowClassicFlow: in.AllowClassicFlow, SupportedLoginProviders: in.SupportedLoginProviders,
		DeveloperProviderName: in.DeveloperProviderName, OpenIDConnectProviderARNs: in.OpenIDConnectProviderARNs,
		CognitoIdentityProviders: in.CognitoIdentityProviders, SamlProviderARNs: in.SamlProviderARNs,
		IdentityPoolTags: in.IdentityPoolTags,
	})
	if err != nil {
		return nil, err
	}
	p := &identity.Pool{ID: identity.NewPoolID(scopeOf(ctx).Region), Settings: settings, Created: a.Now()}
	if err := a.Store.CreatePool(ctx, scopeOf(ctx), p); err != nil {
		return nil, err
	}
	return poolOut(p), nil
}

// settingsIn are the settings of a pool as a request has them.
func settingsIn(in *wire.IdentityPool) (identity.PoolSettings, error) {
	s := identity.PoolSettings{
		Name: opt.Value(in.IdentityPoolName), AllowUnauthenticated: opt.Value(in.AllowUnauthenticatedIdentities),
		AllowClassic: in.AllowClassicFlow, LoginProviders: in.SupportedLoginProviders,
		DeveloperProvider: opt.Value(in.DeveloperProviderName), OpenIDProviders: in.OpenIDConnectProviderARNs,
		SAMLProviders: in.SamlProviderARNs, Tags: in.IdentityPoolTags,
	}
	for member, n := range map[string]int{
		"OpenIdConnectProviderARNs": len(in.OpenIDConnectProviderARNs), "SamlProviderARNs": len(in.SamlProviderARNs),
		"CognitoIdentityProviders": len(in.CognitoIdentityProviders),
	} {
		if n > maxProviders {
			return s, fault.New(fault.Limit, "%s has %d members, and a pool may have %d", member, n, maxProviders)
		}
	}
	for _, p := range in.CognitoIdentityProviders {
		s.Providers = append(s.Providers, identity.PoolProvider{
			Name: opt.Value(p.ProviderName), ClientID: opt.Value(p.ClientID), ServerSideCheck: p.ServerSideTokenCheck,
		})
	}
	var tags []fleet.Tag
	for key, v := range in.IdentityPoolTags {
		tags = append(tags, fleet.Tag{Key: key, Value: v})
	}
	return s, fleet.CheckTags(tags)
}

func poolOut(p *identity.Pool) *wire.IdentityPool {
	s := &p.Settings
	out := &wire.IdentityPool{
		IdentityPoolID: &p.ID, IdentityPoolName: &s.Name, AllowUnauthenticatedIdentities: &s.AllowUnauthenticated,
		AllowClassicFlow: s.AllowClassic, SupportedLoginProviders: s.LoginProviders,
		DeveloperProviderName: opt.Text(s.DeveloperProvider), OpenIDConnectProviderARNs: s.OpenIDProviders,
		SamlProviderARNs: s.SAMLProviders, IdentityPoolTags: s.Tags,
	}
	for i := range s.Providers {
		out.CognitoIdentityProviders = append(out.CognitoIdentityProviders, wire.CognitoIdentityProvider{
			ProviderName: opt.Text(s.Providers[i].Name), ClientID: opt.Text(s.Providers[i].ClientID),
			ServerSideTokenCheck: s.Providers[i].ServerSideCheck,
		})
	}
	return out
}

func (a *api) describeIdentityPool(ctx context.Context, in *wire.DescribeIdentityPoolInput) (
	*wire.IdentityPool, error,
) {
	p, err := a.Store.Pool(ctx, scopeOf(ctx), *in.IdentityPoolID)
	if err != nil {
		return nil, err
	}
	return poolOut(p), nil
}

func (a *api) listIdentityPools(ctx context.Context, in *wire.ListIdentityPoolsInput) (
	*wire.ListIdentityPoolsResponse, error,
) {
	after, n := "", *in.MaxResults
	if err := a.Pages.Open(ctx, "ListIdentityPools", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.Pools(ctx, scopeOf(ctx), after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListIdentityPoolsResponse{IdentityPools: []wire.IdentityPoolShortDescription{}}
	for i := range list {
		out.IdentityPools = append(out.IdentityPools, wire.IdentityPoolShortDescription{
			IdentityPoolID: &list[i].ID, IdentityPoolName: &list[i].Settings.Name,
		})
		after = list[i].ID
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListIdentityPools", more, after)
	return out, err
}

// updateIdentityPool replaces all settings, as AWS does, but for tags that are
// not named. The name of a developer provider stays once it is set.
func (a *api) updateIdentityPool(ctx context.Context, in *wire.IdentityPool) (*wire.IdentityPool, error) {
	settings, err := settingsIn(in)
	if err != nil {
		return nil, err
	}
	var out *wire.IdentityPool
	err = a.Store.UpdatePool(ctx, scopeOf(ctx), *in.IdentityPoolID, func(p *identity.Pool) error {
		next := settings
		if old := p.Settings.DeveloperProvider; old != "" && next.DeveloperProvider != old {
			return fault.New(fault.Invalid, "DeveloperProviderName is %q and cannot be changed", old)
		}
		if next.Tags == nil {
			next.Tags = p.Settings.Tags
		}
		p.Settings = next
		out = poolOut(p)
		return nil
	})
	return out, err
}

func (a *api) deleteIdentityPool(ctx context.Context, in *wire.DeleteIdentityPoolInput) (
	*wire.DeleteIdentityPoolResponse, error,
) {
	return nil, a.Store.DeletePool(ctx, scopeOf(ctx), *in.IdentityPoolID)
}

// rolesIn are the roles of a pool as a request has them. It copes with members
// that are missing.
func rolesIn(roles map[string]string, mappings map[string]wire.RoleMapping) identity.PoolRoles {
	out := identity.PoolRoles{ByKind: roles}
	for provider, m := range mappings {
		if out.Mappings == nil {
			out.Mappings = map[string]identity.RoleMapping{}
		}
		mapping := identity.RoleMapping{Type: opt.Value(m.Type), Ambiguous: opt.Value(m.AmbiguousRoleResolution)}
		if m.RulesConfiguration != nil {
			for _, r := range m.RulesConfiguration.Rules {
				mapping.Rules = append(mapping.Rules, identity.MappingRule{
					Claim: opt.Value(r.Claim), Match: opt.Value(r.MatchType), Value: opt.Value(r.Value), RoleARN: opt.Value(r.RoleARN),
				})
			}
		}
		out.Mappings[provider] = mapping
	}
	return out
}

// setIdentityPoolRoles replaces the roles and mappings of a pool. The roles need
// not exist: audits say so where they do not.
func (a *api) setIdentityPoolRoles(ctx context.Context, in *wire.SetIdentityPoolRolesInput) (
	*wire.SetIdentityPoolRolesResponse, error,
) {
	roles := rolesIn(in.Roles, in.RoleMappings)
	if err := roles.Check(); err != nil {
		return nil, err
	}
	return nil, a.Store.UpdatePool(ctx, scopeOf(ctx), *in.IdentityPoolID, func(p *identity.Pool) error {
		p.Roles = roles
		return nil
	})
}

func (a *api) getIdentityPoolRoles(ctx context.Context, in *wire.GetIdentityPoolRolesInput) (
	*wire.GetIdentityPoolRolesResponse, error,
) {
	p, err := a.Store.Pool(ctx, scopeOf(ctx), *in.IdentityPoolID)
	if err != nil {
		return nil, err
	}
	out := &wire.GetIdentityPoolRolesResponse{IdentityPoolID: &p.ID, Roles: p.Roles.ByKind}
	for provider, m := range p.Roles.Mappings {
		if out.RoleMappings == nil {
			out.RoleMappings = map[string]wire.RoleMapping{}
		}
		mapping := wire.RoleMapping{Type: opt.Text(m.Type), AmbiguousRoleResolution: opt.Text(m.Ambiguous)}
		if len(m.Rules) > 0 {
			mapping.RulesConfiguration = &wire.RulesConfigurationType{}
			for i := range m.Rules {
				r := &m.Rules[i]
				mapping.RulesConfiguration.Rules = append(mapping.RulesConfiguration.Rules, wire.MappingRule{
					Claim: &r.Claim, MatchType: &r.Match, Value: &r.Value, RoleARN: &r.RoleARN,
				})
			}
		}
		out.RoleMappings[provider] = mapping
	}
	return out, nil
}
