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

// exceptions is the one table of fault codes: the exception of the AWS IoT API
// that a code is answered as, and its HTTP status.
var exceptions = map[fault.Code]struct {
	name   string
	status int
}{
	fault.Invalid:             {"InvalidRequestException", http.StatusBadRequest},
	fault.Unsupported:         {"InvalidRequestException", http.StatusBadRequest},
	fault.NotFound:            {"ResourceNotFoundException", http.StatusNotFound},
	fault.Exists:              {"ResourceAlreadyExistsException", http.StatusConflict},
	fault.TaskExists:          {"TaskAlreadyExistsException", http.StatusBadRequest},
	fault.Limit:               {"LimitExceededException", http.StatusGone},
	fault.DeleteConflict:      {"DeleteConflictException", http.StatusConflict},
	fault.VersionConflict:     {"VersionConflictException", http.StatusConflict},
	fault.VersionsLimit:       {"VersionsLimitExceededException", http.StatusConflict},
	fault.Conflict:            {"ConflictException", http.StatusConflict},
	fault.MalformedPolicy:     {"MalformedPolicyException", http.StatusBadRequest},
	fault.CertificateState:    {"CertificateStateException", http.StatusNotAcceptable},
	fault.CertificateInvalid:  {"CertificateValidationException", http.StatusBadRequest},
	fault.CertificateConflict: {"CertificateConflictException", http.StatusConflict},
	fault.TransferConflict:    {"TransferConflictException", http.StatusConflict},
	fault.TransferCompleted:   {"TransferAlreadyCompletedException", http.StatusGone},
	fault.RegistrationCode:    {"RegistrationCodeValidationException", http.StatusBadRequest},
	fault.NotConfigured:       {"NotConfiguredException", http.StatusNotFound},
	fault.InvalidQuery:        {"InvalidQueryException", http.StatusBadRequest},
	fault.Throttled:           {"ThrottlingException", http.StatusBadRequest},
	fault.Denied:              {"AccessDeniedException", http.StatusForbidden},
	fault.Unauthorized:        {"UnauthorizedException", http.StatusUnauthorized},
	fault.Unavailable:         {"ServiceUnavailableException", http.StatusServiceUnavailable},
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
				name: to.name, status: to.status, text: f.Text, resourceID: f.ResourceID, resourceARN: f.ResourceARN,
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
