package wire

import (
	"net/http"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
)

// Service returns the API of AWS IAM with the operations that are served.
func Service(operations []awswire.Served) awswire.Service {
	s := protocol
	s.Operations, s.Exceptions = operations, exceptions
	return s
}

// exceptions is what faults are called here that go by another name elsewhere.
var exceptions = map[fault.Code]awswire.Exception{
	fault.Unsupported:     {Name: "InvalidInput", Status: http.StatusBadRequest},
	fault.NotFound:        {Name: "NoSuchEntity", Status: http.StatusNotFound},
	fault.Exists:          {Name: "EntityAlreadyExists", Status: http.StatusConflict},
	fault.Limit:           {Name: "LimitExceeded", Status: http.StatusConflict},
	fault.VersionsLimit:   {Name: "LimitExceeded", Status: http.StatusConflict},
	fault.DeleteConflict:  {Name: "DeleteConflict", Status: http.StatusConflict},
	fault.Conflict:        {Name: "ConcurrentModification", Status: http.StatusConflict},
	fault.VersionConflict: {Name: "ConcurrentModification", Status: http.StatusConflict},
	fault.MalformedPolicy: {Name: "MalformedPolicyDocument", Status: http.StatusBadRequest},
}
