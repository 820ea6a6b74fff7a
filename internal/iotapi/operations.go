package iotapi

import (
	"slices"

	"github.com/cordon-iot/cordon/internal/awswire"
)

// operations are the ones that are served, with the members that they do not
// honour. Each list stands beside its operations.
func (a *API) operations() []awswire.Served {
	return slices.Concat(
		a.auditOperations(),
		a.scheduleOperations(),
		a.findingOperations(),
		a.suppressionOperations(),
		a.mitigationActionOperations(),
		a.mitigationTaskOperations(),
		a.thingOperations(),
		a.typeOperations(),
		a.groupOperations(),
		a.indexOperations(),
		a.principalOperations(),
		a.certificateOperations(),
		a.transferOperations(),
		a.caOperations(),
		a.policyOperations(),
		a.targetOperations(),
		a.authorizationOperations(),
		a.loggingOperations(),
		a.logLevelOperations(),
		a.roleAliasOperations(),
		a.tagOperations(),
		a.endpointOperations(),
	)
}
