package wire

import (
	"net/http"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
)

// Service returns the API of Amazon Cognito identity pools with the operations that are served.
func Service(operations []awswire.Served) awswire.Service {
	s := protocol
	s.Operations, s.Exceptions = operations, exceptions
	return s
}

// exceptions is what faults are called here that go by another name elsewhere.
var exceptions = map[fault.Code]awswire.Exception{
	fault.Invalid:         {Name: "InvalidParameterException", Status: http.StatusBadRequest},
	fault.Unsupported:     {Name: "InvalidParameterException", Status: http.StatusBadRequest},
	fault.Exists:          {Name: "ResourceConflictException", Status: http.StatusBadRequest},
	fault.Conflict:        {Name: "ConcurrentModificationException", Status: http.StatusBadRequest},
	fault.VersionConflict: {Name: "ConcurrentModificationException", Status: http.StatusBadRequest},
	fault.Limit:           {Name: "LimitExceededException", Status: http.StatusBadRequest},
	fault.Throttled:       {Name: "TooManyRequestsException", Status: http.StatusBadRequest},
	fault.Unauthorized:    {Name: "NotAuthorizedException", Status: http.StatusBadRequest},
}
