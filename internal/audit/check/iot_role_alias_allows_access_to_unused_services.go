package check

import (
	"slices"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/policy"
)

var roleAliasUnusedServices = audit.Check{
	Name:     "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK",
	Doc:      "The role of a role alias may do something in services that it has not used in the last year.",
	Severity: audit.Medium,
	RoleAlias: byUse(func(role *audit.Role, used map[string]bool, unknown string) audit.Verdict {
		if unknown != "" {
			return audit.Verdict{Untested: unknown}
		}
		return audit.Verdict{Violations: violations([]grantRule{{
			codeUnusedServices, "Role allows access to services that were not used in the last year: %s.",
			func(r *policy.Role) []string { return unused(r, used) },
		}}, []*audit.Role{role})}
	}),
}

// unused are the services that a role may use and has not used, by what its
// policies and its report name. Nobody uses all services: where the policies
// grant others too, "*" stands for those.
func unused(r *policy.Role, used map[string]bool) (list []string) {
	named, others := r.Services()
	for _, service := range named {
		if !used[service] {
			list = append(list, service)
		}
	}
	if !others {
		return list
	}
	for service, recently := range used {
		if !recently && r.Access(service) != policy.NoAccess && !slices.Contains(list, service) {
			list = append(list, service)
		}
	}
	return append(list, "*")
}
