package action

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/policy"
)

var replaceDefaultPolicyVersion = mitigation.Kind{
	Type: audit.ReplaceDefaultPolicyVersion,
	Doc: "Makes a new version of the policy that grants nothing, and puts it in force " +
		"for everything the policy is attached to.",
	Needs: mitigation.NeedsPolicy,
	Asks:  onResource("iot:CreatePolicyVersion", "policy"),
	Plan: func(_ *mitigation.Params, s *mitigation.Subject) ([]fleet.Change, *mitigation.Failure) {
		p := s.Policy
		switch {
		case p == nil:
			return nil, gone(s)
		case p.Blank:
			return nil, nil
		case p.Versions >= fleet.MaxPolicyVersions:
			return nil, &mitigation.Failure{
				Code: mitigation.LimitExceeded,
				Message: fmt.Sprintf("The policy %s already has the maximum number of versions (%d)",
					p.Name, fleet.MaxPolicyVersions),
			}
		}
		return []fleet.Change{fleet.PolicyDefault{
			Policy: p.Name, From: p.Default, To: p.Next, Document: policy.Blank,
		}}, nil
	},
}
