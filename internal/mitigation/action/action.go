// Package action holds the types of mitigation action, a file each. An action
// plans changes and makes none.
package action

import (
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
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

// gone is the failure of an action whose resource no longer exists.
func gone(s *mitigation.Subject) *mitigation.Failure {
	r := s.Finding.Resource
	name := r.Key
	if r.Type == audit.IoTPolicy {
		name, _ = audit.SplitPolicyKey(r.Key)
	}
	return &mitigation.Failure{
		Code:    mitigation.ResourceNotFound,
		Message: fmt.Sprintf("the %s %q no longer exists", words[r.Type], name),
	}
}

var words = map[audit.ResourceType]string{
	audit.DeviceCertificate: "certificate",
	audit.CACertificate:     "CA certificate",
	audit.IoTPolicy:         "policy",
	audit.AccountSettings:   "account",
}
