package awswire

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/awswire/sigv4"
	"github.com/cordon-iot/cordon/internal/fault"
)

// exception is an error as a client of the AWS protocols hears it.
type exception struct {
	name   string
	status int
	text   string
	// What is in the way, for ResourceAlreadyExistsException.
	resourceID, resourceARN string
}

// Error returns the name and the text.
func (e *exception) Error() string { return e.name + ": " + e.text }

// Exception is what a fault is answered as.
type Exception struct {
	Name   string
	Status int // of HTTP
	// Prefix is what the text begins with, or is made to.
	Prefix string
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

// internalFailure is all that a caller hears about an error that is no fault.
var internalFailure = &exception{
	name: "InternalFailureException", status: http.StatusInternalServerError, text: "internal failure",
}

// exceptionOf returns what a caller hears about err, and whether err is
// internal and belongs in the log.
func exceptionOf(err error) (e *exception, internal bool) {
	if errors.As(err, &e) {
		return e, false
	}
	var refusal *sigv4.Refusal
	if errors.As(err, &refusal) {
		return &exception{name: refusal.Exception, status: http.StatusForbidden, text: refusal.Text}, false
	}
	if f := fault.From(err); f != nil {
		if to, ok := exceptions[f.Code]; ok {
			return &exception{
				name: to.Name, status: to.Status, text: f.Text, resourceID: f.ResourceID, resourceARN: f.ResourceARN,
			}, false
		}
	}
	return internalFailure, true
}

// unknownOperation refuses a call that no operation answers.
func unknownOperation(format string, args ...any) *exception {
	return &exception{
		name: "UnknownOperationException", status: http.StatusNotFound, text: fmt.Sprintf(format, args...),
	}
}

// body returns the JSON of the answer.
func (e *exception) body() []byte {
	var w restjson.Writer
	w.Begin('{')
	w.String("message", &e.text)
	if e.resourceID != "" {
		w.String("resourceId", &e.resourceID)
	}
	if e.resourceARN != "" {
		w.String("resourceArn", &e.resourceARN)
	}
	w.End('}')
	return w.Bytes()
}
