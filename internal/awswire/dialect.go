package awswire

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire/query"
	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/awswire/sigv4"
	"github.com/cordon-iot/cordon/internal/fault"
)

// dialect is how a protocol answers.
type dialect struct {
	contentType string
	unknown     Exception // there is no such operation
	failure     Exception // all that a caller hears about an error that is no fault
	refusal     func(exception string) Exception
	fault       func(fault.Code) (Exception, bool)
	document    func(e *exception, s *service, requestID string) []byte
}

var dialects = map[Protocol]*dialect{
	RESTJSON: {
		contentType: "application/json",
		unknown:     Exception{Name: "UnknownOperationException", Status: http.StatusNotFound},
		failure:     Exception{Name: "InternalFailureException", Status: http.StatusInternalServerError},
		refusal: func(name string) Exception {
			return Exception{Name: name, Status: http.StatusForbidden}
		},
		fault: func(code fault.Code) (Exception, bool) {
			e, ok := exceptions[code]
			return e, ok
		},
		document: func(e *exception, _ *service, _ string) []byte {
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
		},
	},
	// JSON 1.1 knows two kinds of refusals: 400 is the caller's, 500 ours.
	JSON: {
		contentType: "application/x-amz-json-1.1",
		unknown:     Exception{Name: "UnknownOperationException", Status: http.StatusBadRequest},
		failure:     Exception{Name: "InternalErrorException", Status: http.StatusInternalServerError},
		refusal: func(name string) Exception {
			return Exception{Name: name, Status: http.StatusBadRequest}
		},
		fault: func(code fault.Code) (Exception, bool) {
			e, ok := exceptions[code]
			if e.Status < http.StatusInternalServerError {
				e.Status = http.StatusBadRequest
			}
			return e, ok
		},
		document: func(e *exception, _ *service, _ string) []byte {
			var w restjson.Writer
			w.Begin('{')
			w.String("__type", &e.Name)
			w.String("message", &e.text)
			w.End('}')
			return w.Bytes()
		},
	},
	Query: {
		contentType: "text/xml",
		unknown:     Exception{Name: "InvalidAction", Status: http.StatusBadRequest},
		failure:     Exception{Name: "InternalFailure", Status: http.StatusInternalServerError},
		refusal: func(name string) Exception {
			if e, ok := queryRefusals[name]; ok {
				return e
			}
			return Exception{Name: name, Status: http.StatusForbidden}
		},
		fault:    queryFault,
		document: queryError,
	},
}

// queryRefusals are the names of the query protocol for what is wrong with a
// signature.
var queryRefusals = map[string]Exception{
	sigv4.MissingToken:        {Name: "MissingAuthenticationToken", Status: http.StatusForbidden},
	sigv4.IncompleteSignature: {Name: "IncompleteSignature", Status: http.StatusBadRequest},
	sigv4.UnrecognizedClient:  {Name: "InvalidClientTokenId", Status: http.StatusForbidden},
	sigv4.InvalidSignature:    {Name: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.ExpiredToken:        {Name: "ExpiredToken", Status: http.StatusForbidden},
}

// queryExceptions are the errors that all services of the query protocol have
// in common.
var queryExceptions = map[fault.Code]Exception{
	fault.Invalid:      {Name: "ValidationError", Status: http.StatusBadRequest},
	fault.Unsupported:  {Name: "ValidationError", Status: http.StatusBadRequest},
	fault.Throttled:    {Name: "Throttling", Status: http.StatusBadRequest},
	fault.Denied:       {Name: "AccessDenied", Status: http.StatusForbidden},
	fault.Unauthorized: {Name: "AccessDenied", Status: http.StatusForbidden},
	fault.Unavailable:  {Name: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
}

// queryFault takes what is not in common from the IoT API, whose names the
// query protocol would write without their end.
func queryFault(code fault.Code) (Exception, bool) {
	if e, ok := queryExceptions[code]; ok {
		return e, true
	}
	e, ok := exceptions[code]
	e.Name = strings.TrimSuffix(e.Name, "Exception")
	return e, ok
}

func queryError(e *exception, s *service, requestID string) []byte {
	var w query.Writer
	namespace, side := "", "Sender"
	if s != nil {
		namespace = s.Namespace
	}
	if e.Status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	w.BeginIn("ErrorResponse", namespace)
	w.Begin("Error")
	w.Element("Type", side)
	w.Element("Code", e.Name)
	w.Element("Message", e.text)
	w.End("Error")
	w.Element("RequestId", requestID)
	w.End("ErrorResponse")
	return w.Bytes()
}

// dialect is that of the service of the call. Where that is not known it is the
// one that the call has the looks of.
func (c *call) dialect() *dialect {
	switch contentType := c.r.Header.Get("Content-Type"); {
	case c.service != nil:
		return c.service.dialect
	case c.r.Header.Get(targetHeader) != "":
		return dialects[JSON]
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded"),
		strings.Contains("&"+c.r.URL.RawQuery, "&Action="):
		return dialects[Query]
	}
	return dialects[RESTJSON]
}

// explain turns an error into an exception. What is internal is logged here,
// and only here, unless the caller has left.
func (c *call) explain(err error) *exception {
	if e := c.exception(err); e != nil {
		return e
	}
	if errors.Is(err, context.Canceled) && c.r.Context().Err() != nil {
		return Exception{Name: "ClientClosedRequest", Status: statusClientLeft}.refuse("")
	}
	c.Log.LogAttrs(context.WithoutCancel(c.r.Context()), slog.LevelError, "call failed",
		slog.String("request", c.id), slog.String("service", c.target.Service),
		slog.String("operation", c.target.Operation), slog.String("account", c.caller.Account),
		slog.Any("err", err))
	return c.dialect().failure.refuse("internal failure")
}

// exception returns what a caller hears about err, or nil when it is internal.
func (c *call) exception(err error) *exception {
	var e *exception
	if errors.As(err, &e) {
		return e
	}
	var refusal *sigv4.Refusal
	if errors.As(err, &refusal) {
		return c.dialect().refusal(refusal.Exception).refuse("%s", refusal.Text)
	}
	f := fault.From(err)
	if f == nil {
		return nil
	}
	to, ok := c.dialect().fault(f.Code)
	if c.service != nil {
		if own, has := c.service.Exceptions[f.Code]; has {
			to, ok = own, true
		}
	}
	if !ok {
		return nil
	}
	text := f.Text
	switch {
	case f.Exception != "":
		to.Name = f.Exception
	case !strings.HasPrefix(text, to.Prefix):
		text = to.Prefix + text
	}
	return &exception{Exception: to, text: text, resourceID: f.ResourceID, resourceARN: f.ResourceARN}
}
