package check

import (
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var policyOverlyPermissive = audit.Check{
	Name:     "IOT_POLICY_OVERLY_PERMISSIVE_CHECK",
	Doc:      "The default version of a policy grants data plane actions on other devices' resources.",
	Severity: audit.Critical,
	Actions:  []audit.ActionType{audit.ReplaceDefaultPolicyVersion},
	Policy: func(_ audit.Env, p *fleet.PolicyVersion) []audit.Violation {
		if len(p.Broad) == 0 {
			return nil
		}
		return one("ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS",
			fmt.Sprintf("Policy allows broad access to IoT data plane actions: [%s].", strings.Join(p.Broad, ", ")), nil)
	},
}
