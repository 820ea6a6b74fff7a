package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/identity"
)

var authenticatedCognitoRole = audit.Check{
	Name:     "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
	Doc:      "A role that an identity pool gives to authenticated users may administer AWS IoT or reach any device.",
	Severity: audit.Critical,
	Pool: func(_ audit.Env, p *identity.Pool, roles audit.Roles) audit.Verdict {
		return poolVerdict(p, identity.Authenticated, roles, restricted)
	},
}
