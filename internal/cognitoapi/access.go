package cognitoapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/cognitoapi/wire"
	"github.com/cordon-iot/cordon/internal/identity"
)

// rolesFor is the service that roles of pools are passed to.
const rolesFor = "cognito-identity.amazonaws.com"

// access is what each operation needs. Source: Service Authorization Reference,
// Amazon Cognito Identity. CreateIdentityPool and ListIdentityPools have no type
// of resource.
func (a *api) access() map[string]awswire.Access {
	return map[string]awswire.Access{
		"CreateIdentityPool": awswire.On(func(_ context.Context, in *wire.CreateIdentityPoolInput) []awswire.Need {
			return []awswire.Need{{
				Action: "cognito-identity:CreateIdentityPool", Keys: tagging(map[string][]string{}, in.IdentityPoolTags),
			}}
		}),
		"DescribeIdentityPool": awswire.On(func(ctx context.Context, in *wire.DescribeIdentityPoolInput) []awswire.Need {
			return a.on(ctx, "DescribeIdentityPool", in.IdentityPoolID)
		}),
		"UpdateIdentityPool": awswire.On(func(ctx context.Context, in *wire.IdentityPool) []awswire.Need {
			needs := a.on(ctx, "UpdateIdentityPool", in.IdentityPoolID)
			tagging(needs[0].Keys, in.IdentityPoolTags)
			return needs
		}),
		"DeleteIdentityPool": awswire.On(func(ctx context.Context, in *wire.DeleteIdentityPoolInput) []awswire.Need {
			return a.on(ctx, "DeleteIdentityPool", in.IdentityPoolID)
		}),
		"GetIdentityPoolRoles": awswire.On(func(ctx context.Context, in *wire.GetIdentityPoolRolesInput) []awswire.Need {
			return a.on(ctx, "GetIdentityPoolRoles", in.IdentityPoolID)
		}),
		"SetIdentityPoolRoles": awswire.On(func(ctx context.Context, in *wire.SetIdentityPoolRolesInput) []awswire.Need {
			return append(a.on(ctx, "SetIdentityPoolRoles", in.IdentityPoolID), passing(rolesIn(in.Roles, in.RoleMappings))...)
		}),
	}
}

// on is one permission on a pool, with the tags that it has.
func (a *api) on(ctx context.Context, operation string, id *string) []awswire.Need {
	sc := scopeOf(ctx)
	keys := map[string][]string{}
	if p, err := a.Store.Pool(ctx, sc, opt.Value(id)); err == nil { // one that is not there has none
		for key, v := range p.Settings.Tags {
			keys["aws:ResourceTag/"+key] = []string{v}
		}
	}
	return []awswire.Need{{
		Action:   "cognito-identity:" + operation,
		Resource: "arn:aws:cognito-identity:" + sc.Region + ":" + sc.Account + ":identitypool/" + opt.Value(id), Keys: keys,
	}}
}

// passing is what it takes to hand over roles, each once.
func passing(roles identity.PoolRoles) (needs []awswire.Need) {
	for _, arn := range roles.All() {
		needs = append(needs, awswire.Need{
			Action: "iam:PassRole", Resource: arn, Keys: map[string][]string{"iam:PassedToService": {rolesFor}},
		})
	}
	return needs
}

// tagging adds the tags that a request gives.
func tagging(keys map[string][]string, tags map[string]string) map[string][]string {
	for key, v := range tags {
		awswire.AddTag(keys, key, v)
	}
	return keys
}
