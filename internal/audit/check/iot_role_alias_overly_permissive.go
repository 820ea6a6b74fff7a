package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/policy"
)

var roleAliasOverlyPermissive = audit.Check{
	Name:     "IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK",
	Doc:      "The role of a role alias may administer services that it uses, AWS IoT, or what watches over the account.",
	Severity: audit.Critical,
	RoleAlias: byUse(func(role *audit.Role, used map[string]bool, unknown string) audit.Verdict {
		return audit.Verdict{
			Violations: violations(append([]grantRule{broadOnUsed(used), auditing}, restricted...), []*audit.Role{role}),
			Untested:   unknown,
		}
	}),
}

// broadOnUsed is the rule against all permissions on services that were used.
func broadOnUsed(used map[string]bool) grantRule {
	return grantRule{
		codeUsedServices, "Role allows administrative access to services that were used in the last year: %s.",
		func(r *policy.Role) []string {
			var services []string
			for service, recently := range used {
				if recently {
					services = append(services, service)
				}
			}
			return accessible(r, services, policy.WideAccess)
		},
	}
}

var auditing = grantRule{
	codeAuditing, "Role allows access to security auditing services: %s.",
	func(r *policy.Role) []string { return accessible(r, auditingServices, policy.SomeAccess) },
}
