package awswire

import (
	"fmt"
	"net/http"

	"github.com/cordon-iot/cordon/internal/fault"
)

// exception is an error as a client of the AWS protocols hears it.
type exception struct {
	Exception
	text string
	// What is in the way, for ResourceAlreadyExistsException.
	resourceID, resourceARN string
}

// Error returns the name and the text.
func (e *exception) Error() string { return e.Name + ": " + e.text }

// Exception is what a fault is answered as.
type Exception struct {
	Name   string
	Status int // of HTTP
	// Prefix is what the text begins with: it is added where it does not.
	Prefix string
}

// refuse returns the exception with a text.
func (e Exception) refuse(format string, args ...any) *exception {
	return &exception{Exception: e, text: fmt.Sprintf(format, args...)}
}

// exceptions is what fault codes are answered as in the AWS IoT API.
var exceptions = map[fault.Code]Exception{
	fault.Invalid:             {Name: "InvalidRequestException", Status: http.StatusBadRequest},
	fault.Unsupported:         {Name: "InvalidRequestException", Status: http.StatusBadRequest},
	fault.NotFound:            {Name: "ResourceNotFoundException", Status: http.StatusNotFound},
	fault.Exists:              {Name: "ResourceAlreadyExistsException", Status: http.StatusConflict},
	fault.TaskExists:          {Name: "TaskAlreadyExistsException", Status: http.StatusBadRequest},
	fault.Limit:               {Name: "LimitExceededException", Status: http.StatusGone},
	fault.DeleteConflict:      {Name: "DeleteConflictException", Status: http.StatusConflict},
	fault.VersionConflict:     {Name: "VersionConflictException", Status: http.StatusConflict},
	fault.VersionsLimit:       {Name: "VersionsLimitExceededException", Status: http.StatusConflict},
	fault.Conflict:            {Name: "ConflictException", Status: http.StatusConflict},
	fault.MalformedPolicy:     {Name: "MalformedPolicyException", Status: http.StatusBadRequest},
	fault.CertificateState:    {Name: "CertificateStateException", Status: http.StatusNotAcceptable},
	fault.CertificateInvalid:  {Name: "CertificateValidationException", Status: http.StatusBadRequest},
	fault.CertificateConflict: {Name: "CertificateConflictException", Status: http.StatusConflict},
	fault.TransferConflict:    {Name: "TransferConflictException", Status: http.StatusConflict},
	fault.TransferCompleted:   {Name: "TransferAlreadyCompletedException", Status: http.StatusGone},
	fault.RegistrationCode:    {Name: "RegistrationCodeValidationException", Status: http.StatusBadRequest},
	fault.NotConfigured:       {Name: "NotConfiguredException", Status: http.StatusNotFound},
	fault.InvalidQuery:        {Name: "InvalidQueryException", Status: http.StatusBadRequest},
	fault.Throttled:           {Name: "ThrottlingException", Status: http.StatusBadRequest},
	fault.Denied:              {Name: "AccessDeniedException", Status: http.StatusForbidden},
	fault.Unauthorized:        {Name: "UnauthorizedException", Status: http.StatusUnauthorized},
	fault.Unavailable:         {Name: "ServiceUnavailableException", Status: http.StatusServiceUnavailable},
}
