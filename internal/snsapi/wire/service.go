package wire

import (
	"net/http"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
)

// Service returns the API of Amazon SNS with the operations that are served.
func Service(operations []awswire.Served) awswire.Service {
	s := protocol
	s.Operations, s.Exceptions = operations, exceptions
	return s
}

// exceptions is what faults are called here that go by another name elsewhere.
var exceptions = map[fault.Code]awswire.Exception{
	fault.Invalid:         {Name: "InvalidParameter", Status: http.StatusBadRequest, Prefix: "Invalid parameter: "},
	fault.Unsupported:     {Name: "InvalidParameter", Status: http.StatusBadRequest, Prefix: "Invalid parameter: "},
	fault.MalformedPolicy: {Name: "InvalidParameter", Status: http.StatusBadRequest, Prefix: "Invalid parameter: "},
	fault.NotFound:        {Name: "NotFound", Status: http.StatusNotFound},
	fault.Denied:          {Name: "AuthorizationError", Status: http.StatusForbidden},
	fault.Unauthorized:    {Name: "AuthorizationError", Status: http.StatusForbidden},
	fault.Limit:           {Name: "TopicLimitExceeded", Status: http.StatusForbidden},
	fault.Conflict:        {Name: "ConcurrentAccess", Status: http.StatusBadRequest},
}
