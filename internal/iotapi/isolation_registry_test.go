package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// roleAliasPart is two role aliases for a role that says whose world it is.
var roleAliasPart = part{
	furnish: func(t *testing.T, w *world) {
		for _, name := range []string{"home-alias", "home-alias-2"} {
			w.make(t, &iot.CreateRoleAliasInput{RoleAlias: &name, RoleArn: w.role()})
		}
	},
	reads: func(*world) []attempt {
		return []attempt{
			{&iot.DescribeRoleAliasInput{RoleAlias: new("home-alias")}, notFound, fine},
			{&iot.ListRoleAliasesInput{}, fine, fine},
		}
	},
	writes: func(w *world) []attempt {
		return []attempt{
			{&iot.UpdateRoleAliasInput{RoleAlias: new("home-alias"), RoleArn: w.role()}, notFound, fine},
			{&iot.DeleteRoleAliasInput{RoleAlias: new("home-alias")}, notFound, fine},
			{&iot.CreateRoleAliasInput{RoleAlias: new("home-alias"), RoleArn: w.role()}, fine, fine},
		}
	},
}

// logLevelPart is the level of a client beside the default.
var logLevelPart = part{
	furnish: func(t *testing.T, w *world) {
		w.make(t, &iot.SetV2LoggingLevelInput{
			LogTarget: &types.LogTarget{TargetType: types.LogTargetTypeClientId, TargetName: &w.note},
			LogLevel:  types.LogLevelDebug,
		})
	},
	reads: func(*world) []attempt { return []attempt{{&iot.ListV2LoggingLevelsInput{}, notConfigured, fine}} },
	writes: func(w *world) []attempt {
		lab := &types.LogTarget{TargetType: types.LogTargetTypeThingGroup, TargetName: new("home-lab")}
		return []attempt{
			{&iot.SetV2LoggingLevelInput{LogTarget: lab, LogLevel: types.LogLevelWarn}, notConfigured, fine},
			{&iot.DeleteV2LoggingLevelInput{TargetType: types.LogTargetTypeClientId, TargetName: &w.note}, fine, fine},
		}
	},
}

// principalPolicyPart is the older names of operations on policies and their
// targets: the world is furnished by the newer ones, but for a certificate.
var principalPolicyPart = part{
	furnish: func(t *testing.T, w *world) {
		w.make(t, &iot.AttachPrincipalPolicyInput{PolicyName: new("home-broad"), Principal: w.arn("cert", w.spareID)})
	},
	reads: func(w *world) []attempt {
		return []attempt{
			{&iot.ListPrincipalPoliciesInput{Principal: w.arn("cert", w.expiredID)}, notFound, fine},
			{&iot.ListPolicyPrincipalsInput{PolicyName: new("home-broad")}, notFound, fine},
		}
	},
	writes: func(w *world) []attempt {
		cert := w.arn("cert", w.expiringID)
		return []attempt{
			{&iot.AttachPrincipalPolicyInput{PolicyName: new("home-narrow"), Principal: cert}, notFound, fine},
			{&iot.DetachPrincipalPolicyInput{PolicyName: new("home-narrow"), Principal: cert}, notFound, fine},
		}
	},
}
