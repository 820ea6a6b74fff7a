// Package action holds the types of mitigation action, a file each. An action
// plans changes and makes none.
package action

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// All are the action types that are built.
var All = mitigation.Kinds{
	&updateDeviceCertificate,
	&updateCACertificate,
	&addThingsToThingGroup,
	&replaceDefaultPolicyVersion,
	&enableIoTLogging,
	&publishFindingToSNS,
}

// onResource asks for one action on the resource of the finding.
func onResource(action, kind string) func(fleet.Scope, *mitigation.Params, *mitigation.Subject) []identity.Ask {
	return func(scope fleet.Scope, _ *mitigation.Params, s *mitigation.Subject) []identity.Ask {
		return []identity.Ask{{Action: action, Resource: scope.ARN(kind, nameOf(s))}}
	}
}

// gone is the failure of an action whose resource no longer exists.
func gone(s *mitigation.Subject) *mitigation.Failure {
	return &mitigation.Failure{
		Code:    mitigation.ResourceNotFound,
		Message: fmt.Sprintf("the %s %q no longer exists", words[s.Finding.Resource.Type], nameOf(s)),
	}
}

// nameOf is the name of the finding's resource: of a policy, without its version.
func nameOf(s *mitigation.Subject) string {
	r := s.Finding.Resource
	if r.Type == audit.IoTPolicy {
		name, _ := audit.SplitPolicyKey(r.Key)
		return name
	}
	return r.Key
}

var words = map[audit.ResourceType]string{
	audit.DeviceCertificate: "certificate",
	audit.CACertificate:     "CA certificate",
	audit.IoTPolicy:         "policy",
	audit.AccountSettings:   "account",
}
