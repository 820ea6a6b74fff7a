package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var policyPotentialMisconfiguration = audit.Check{
	Name:     "IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK",
	Doc:      "A Deny of the default version of a policy does not deny what it seems to.",
	Severity: audit.Medium,
	Actions:  []audit.ActionType{audit.ReplaceDefaultPolicyVersion},
	Policy: func(_ audit.Env, p *fleet.PolicyVersion) []audit.Violation {
		var v []audit.Violation
		if p.DenyWildcards {
			v = append(v, audit.Violation{
				Code: "POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT",
				Text: "Policy contains MQTT wildcards in a Deny statement, where they are literal characters.",
			})
		}
		if p.DenyBypass {
			v = append(v, audit.Violation{
				Code: "TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS",
				Text: "Policy denies topic filters whose messages a wildcard subscription still receives.",
			})
		}
		return v
	},
}
