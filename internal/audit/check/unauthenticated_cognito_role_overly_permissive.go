package check

import (
	"slices"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

var unauthenticatedCognitoRole = audit.Check{
	Name:     "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
	Doc:      "The role that an identity pool gives to anybody may administer AWS IoT or reach any device.",
	Severity: audit.Critical,
	Pool: func(_ audit.Env, p *identity.Pool, roles audit.Roles) audit.Verdict {
		return poolVerdict(p, identity.Unauthenticated, roles, []grantRule{anyAdmin, dataPlane})
	},
}

// anyAdmin is the rule of those whom nobody knows: not even one thing may be
// read.
var anyAdmin = grantRule{
	codeIoTAdmin, "Role allows access to IoT admin actions: %s.",
	func(r *policy.Role) []string { return slices.Concat(r.ThingWrite, r.ThingRead, r.Admin) },
}
