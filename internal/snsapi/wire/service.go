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

// Codes of faults that this API alone tells apart.
const (
	NoResource        fault.Code = "no-resource"        // whose tags are asked for
	TagLimit          fault.Code = "tag-limit"          // a topic would have too many tags
	SubscriptionLimit fault.Code = "subscription-limit" // a topic would have too many subscriptions
	EmptyBatch        fault.Code = "empty-batch"
	BatchTooMany      fault.Code = "batch-too-many" // messages
	BatchTooLong      fault.Code = "batch-too-long" // all messages together
	BatchBadID        fault.Code = "batch-bad-id"
	BatchSameID       fault.Code = "batch-same-id"
)

// exceptions is what faults are called here that go by another name elsewhere.
var exceptions = map[fault.Code]awswire.Exception{
	fault.Invalid:         {Name: "InvalidParameter", Status: http.StatusBadRequest, Prefix: "Invalid parameter: "},
	fault.Unsupported:     {Name: "InvalidParameter", Status: http.StatusBadRequest, Prefix: "Invalid parameter: "},
	fault.MalformedPolicy: {Name: "InvalidParameter", Status: http.StatusBadRequest, Prefix: "Invalid parameter: "},
	fault.NotFound:        {Name: "NotFound", Status: http.StatusNotFound},
	fault.Denied:          {Name: "AuthorizationError", Status: http.StatusForbidden},
	fault.Unauthorized:    {Name: "AuthorizationError", Status: http.StatusForbidden},
	fault.Limit:           {Name: "TopicLimitExceeded", Status: http.StatusForbidden},
	NoResource:            {Name: "ResourceNotFound", Status: http.StatusNotFound},
	TagLimit:              {Name: "TagLimitExceeded", Status: http.StatusBadRequest},
	SubscriptionLimit:     {Name: "SubscriptionLimitExceeded", Status: http.StatusForbidden},
	EmptyBatch:            {Name: "EmptyBatchRequest", Status: http.StatusBadRequest},
	BatchTooMany:          {Name: "TooManyEntriesInBatchRequest", Status: http.StatusBadRequest},
	BatchTooLong:          {Name: "BatchRequestTooLong", Status: http.StatusBadRequest},
	BatchBadID:            {Name: "InvalidBatchEntryId", Status: http.StatusBadRequest},
	BatchSameID:           {Name: "BatchEntryIdsNotDistinct", Status: http.StatusBadRequest},
	fault.Conflict:        {Name: "ConcurrentAccess", Status: http.StatusBadRequest},
}
