package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

// Reason codes of the checks over roles.
const (
	codeIoTAdmin       = "ALLOWS_ACCESS_TO_IOT_ADMIN_ACTIONS"
	codeNonThingAdmin  = "ALLOWS_ACCESS_TO_IOT_NON_THING_ADMIN_ACTIONS"
	codeThingWrite     = "ALLOWS_ACCESS_TO_IOT_THING_ADMIN_WRITE_ACTIONS"
	codeThingRead      = "ALLOWS_BROAD_ACCESS_TO_IOT_THING_ADMIN_READ_ACTIONS"
	codeDataPlane      = "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS"
	codeAuditing       = "ALLOWS_ACCESS_TO_SECURITY_AUDITING_SERVICES"
	codeUsedServices   = "ALLOWS_BROAD_ACCESS_TO_USED_SERVICES"
	codeUnusedServices = "ALLOWS_ACCESS_TO_UNUSED_SERVICES"
)

// grantRule is one reason for which the policies of a role do not comply: they
// grant what of returns.
type grantRule struct {
	code, text string // the text has a place for the list
	of         func(*policy.Role) []string
}

// restricted are the rules for actions of AWS IoT that authenticated users and
// devices share.
var restricted = []grantRule{
	{codeThingRead, "Role allows broad access to IoT thing admin read actions: %s.",
		func(r *policy.Role) []string { return r.BroadThingRead }},
	{codeNonThingAdmin, "Role allows access to IoT non-thing admin actions: %s.",
		func(r *policy.Role) []string { return r.Admin }},
	{codeThingWrite, "Role allows access to IoT thing admin write actions: %s.",
		func(r *policy.Role) []string { return r.ThingWrite }},
	dataPlane,
}

var dataPlane = grantRule{
	codeDataPlane, "Role allows broad access to IoT data plane actions: %s.",
	func(r *policy.Role) []string { return r.Broad },
}

// byUse judges a role alias by what its role grants and which services the role
// has used. Where it is not known what the role grants, the alias is untested;
// where its use is not, unknown says why.
func byUse(judge func(role *audit.Role, used map[string]bool, unknown string) audit.Verdict) func(
	audit.Env, *fleet.RoleAlias, audit.Roles) audit.Verdict {
	return func(env audit.Env, a *fleet.RoleAlias, roles audit.Roles) audit.Verdict {
		role := roles[a.RoleARN]
		if role.Grants == nil {
			return audit.Verdict{Untested: role.Unknown}
		}
		used, unknown := role.UsedSince(env.Now.Add(-audit.UsePeriod))
		return judge(role, used, unknown)
	}
}

// violations are what some roles grant against some rules: one for each rule,
// with the roles that break it.
func violations(rules []grantRule, roles []*audit.Role) (list []audit.Violation) {
	for _, rule := range rules {
		granted := map[string]bool{}
		var related []audit.Resource
		for _, role := range roles {
			if role.Grants == nil {
				continue
			}
			names := rule.of(role.Grants)
			for _, name := range names {
				granted[name] = true
			}
			if len(names) > 0 {
				related = append(related, relatedRole(role))
			}
		}
		if len(granted) > 0 {
			list = append(list, audit.Violation{
				Code: rule.code, Text: fmt.Sprintf(rule.text, inBrackets(slices.Sorted(maps.Keys(granted)))), Related: related,
			})
		}
	}
	return list
}

func relatedRole(role *audit.Role) audit.Resource {
	return audit.Resource{Type: audit.IAMRole, Key: role.ARN}
}

// maxListed is how many names the text of a finding has.
const maxListed = 20

// inBrackets writes names in brackets.
func inBrackets(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		names = append(slices.Clone(names[:maxListed]), fmt.Sprintf("and %d more", more))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// poolVerdict judges the roles of a pool that identities of one kind can get.
// What is not known of one of them stands behind what is known of another.
func poolVerdict(p *identity.Pool, kind string, all audit.Roles, rules []grantRule) audit.Verdict {
	arns, provider := p.Roles.Of(kind), ""
	if kind == identity.Authenticated {
		provider = p.Roles.FromToken()
	}
	if len(arns) == 0 && provider == "" {
		return audit.Verdict{Outside: true}
	}
	var v audit.Verdict
	if provider != "" {
		v.Untested = "tokens of the provider " + provider + " name the role themselves"
	}
	var roles []*audit.Role
	for _, arn := range arns {
		roles = append(roles, all[arn])
		if all[arn].Unknown != "" {
			v.Untested = all[arn].Unknown
		}
	}
	v.Violations = violations(rules, roles)
	return v
}

// Services that watch over what happens in an account. Source: the check "Role
// alias overly permissive". Amazon Inspector has two names in actions.
var auditingServices = []string{"cloudtrail", "guardduty", "iam", "inspector", "inspector2", "trustedadvisor"}

// accessible returns those of some services of which a role may do at least so
// much.
func accessible(r *policy.Role, services []string, least policy.Access) (list []string) {
	for _, service := range services {
		if r.Access(service) >= least {
			list = append(list, service)
		}
	}
	return list
}
