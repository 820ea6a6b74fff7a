// Package awswire serves operations of AWS protocols over HTTP.
//
// It owns what every call has in common, once and in this order: find the
// operation, read the body within its limit, verify the signature, throttle,
// decode, authorize, validate, call, encode, record. What a front door adds is
// a typed function per operation. It knows no operation, no account and no
// storage: keys, limits and permissions are asked for by interfaces.
package awswire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/awswire/sigv4"
	"github.com/cordon-iot/cordon/internal/fault"
)

// MaxBody is the greatest size of a request body in bytes, unless its operation
// takes more. A larger one is refused before it is read whole.
const MaxBody = 1 << 20

// Key is an access key as the pipeline needs it, with whom it belongs to.
type Key struct {
	Account   string // 12 digits
	Secret    string
	ARN       string // of the root user, the user or the session of a role
	UserID    string // as GetCallerIdentity tells it
	Operator  bool   // of the first account
	Disabled  bool   // the key, whom it belongs to, or the account
	Expired   bool   // the session is over
	Principal any    // becomes [Caller.Principal]
}

// Keys finds access keys.
type Keys interface {
	// Credential returns the key with this id and session token; "" is none. A
	// key that there is not, and a token that is not of this key, not whole, or
	// missing where one must be, is a fault with [fault.NotFound]. Every other
	// error is internal.
	Credential(ctx context.Context, accessKeyID, sessionToken string) (Key, error)
}

// Service is the operations of one AWS service on an endpoint.
type Service struct {
	SigningName string   // the service in the credential scope, such as "iot"
	Aliases     []string // other names that clients sign for it
	Operations  []Served // what is answered
	Known       []Fact   // all operations of the interface; those not served are refused by name

	Protocol  Protocol // "" is RESTJSON
	Version   string   // of the interface, as a form of the query protocol names it
	Namespace string   // of the XML of the query protocol
	Target    string   // what stands before the operation in X-Amz-Target of the JSON protocol

	// Actions is the prefix of the names of its permissions; "" is SigningName.
	Actions string
	// Access says what each operation needs by its name. One that is not named
	// needs the action of its own name on every resource.
	Access map[string]Access
	// Exceptions are how faults are answered by their code. A code that is not
	// named is answered as the protocol has it.
	Exceptions map[fault.Code]Exception
}

// Protocol is one of the AWS protocols.
type Protocol string

// The protocols.
const (
	RESTJSON Protocol = "rest-json" // method, path and JSON
	Query    Protocol = "query"     // a form in, XML out
	JSON     Protocol = "json"      // JSON 1.1, the operation in a header
)

// Target names the operation of a call.
type Target struct {
	Service   string // signing name; "" when there is none of ours
	Operation string // "" when there is none of ours
}

// Record is what is known about a call: all of it when it has been answered,
// and what came before the operation when that begins.
type Record struct {
	Target
	Time      time.Time // when the call came
	Caller    Caller    // without account and key for a call that was not authenticated
	Needs     []Need    // the permissions that it needs; nil for a call that was not decoded
	RequestID string
	Status    int    // HTTP status; 499 when the caller left before the answer
	Exception string // "" when it was answered without one
	Message   string // the text of the exception
	Duration  time.Duration
}

// Config is what a handler is made of. Keys and Services must be given.
type Config struct {
	Keys     Keys
	Services []Service

	// Throttle, if not nil, may refuse a call by the rate of its caller with
	// a fault. It runs before the request is decoded.
	Throttle func(ctx context.Context, target Target) error
	// Authorize, if not nil, may refuse a decoded request, which is not yet
	// validated, with a fault when its caller does not have every permission
	// that it needs. It is asked about every call but those of operations that
	// are [Served.Open] and those that came unsigned.
	Authorize func(ctx context.Context, target Target, needs []Need) error
	// Begin, if not nil, hears of each call that was neither refused nor found
	// wrong, and returns the context under which its operation runs.
	Begin func(ctx context.Context, r Record) context.Context
	// Observe, if not nil, hears of each call when it has been answered, with the
	// context that Begin returned if it got that far.
	Observe func(ctx context.Context, r Record)

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is slog.Default()
}

// statusClientLeft is recorded for a caller that closed its connection before
// the answer. Nobody receives it.
const statusClientLeft = 499

// handler answers calls.
type handler struct {
	Config
	routers map[string]*router
}

// NewHandler returns a handler of all operations of cfg. It returns an error
// for a service without name, two operations with one route, an operation that
// its service does not know, and a refused member that does not exist.
//
// The handler never cleans or redirects a path. Several services share it; the
// service in the credential scope of the signature chooses among them.
func NewHandler(cfg Config) (http.Handler, error) {
	h := &handler{Config: cfg, routers: map[string]*router{}}
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Log == nil {
		h.Log = slog.Default()
	}
	for _, s := range cfg.Services {
		rt, err := newRouter(s)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", s.SigningName, err)
		}
		for _, name := range append([]string{s.SigningName}, s.Aliases...) {
			if name == "" || h.routers[name] != nil {
				return nil, fmt.Errorf("service %q has no signing name of its own", name)
			}
			h.routers[name] = rt
		}
	}
	return h, nil
}

func newRouter(s Service) (*router, error) {
	served := map[string]*Served{}
	for _, op := range s.Operations {
		if served[op.fact.Name] != nil {
			return nil, fmt.Errorf("operation %s is served twice", op.fact.Name)
		}
		if err := op.checkRefused(); err != nil {
			return nil, err
		}
		served[op.fact.Name] = &op
	}
	access, err := accesses(s)
	if err != nil {
		return nil, err
	}
	rt := &router{service: s.SigningName}
	for _, fact := range s.Known {
		if err := rt.add(&route{fact: fact, served: served[fact.Name], access: access[fact.Name]}); err != nil {
			return nil, err
		}
		delete(served, fact.Name)
	}
	for name := range served {
		return nil, fmt.Errorf("operation %s is not in its interface facts", name)
	}
	return rt, nil
}

// ServeHTTP answers one call.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	c := &call{handler: h, id: *restjson.FreshToken(), w: w, r: r, caller: visitor(r), begun: start, ctx: r.Context()}
	body, err := c.run()
	rec := c.record()
	header := w.Header()
	if err != nil {
		e := c.explain(err)
		rec.Status, rec.Exception, rec.Message, body = e.status, e.name, e.text, e.body()
		header["X-Amzn-Errortype"] = []string{e.name}
	}
	if rec.Status != statusClientLeft {
		header["X-Amzn-Requestid"] = []string{c.id}
		header["Content-Type"] = []string{"application/json"}
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
		w.WriteHeader(rec.Status)
		// A failed write means that the caller has left; there is nobody to tell.
		_, _ = w.Write(body)
	}
	if h.Observe != nil {
		rec.Duration = h.Now().Sub(start)
		h.Observe(c.ctx, rec)
	}
}

// call is one request on its way through the pipeline.
type call struct {
	*handler
	id     string
	w      http.ResponseWriter
	r      *http.Request
	target Target
	caller Caller
	needs  []Need
	begun  time.Time
	ctx    context.Context // the operation's, once it has begun
}

// record is what is known of the call so far.
func (c *call) record() Record {
	return Record{
		Target: c.target, Time: c.begun, Caller: c.caller, Needs: c.needs, RequestID: c.id, Status: http.StatusOK,
	}
}

// run takes the call through the pipeline and returns the body of its answer.
// A panic becomes an error with its stack.
func (c *call) run() (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	signature, err := sigv4.Parse(c.r)
	if err != nil {
		return nil, err
	}
	route, labels, err := c.route(signature.Scope.Service)
	if err != nil {
		return nil, err
	}
	body, err := c.readBody(route.served.maxBody)
	if err != nil {
		return nil, err
	}
	ctx, err := c.authenticate(signature, route, body)
	if err != nil {
		return nil, err
	}
	if c.Throttle != nil {
		if err := c.Throttle(ctx, c.target); err != nil {
			return nil, err
		}
	}
	return c.answer(ctx, route, &restjson.Request{
		Labels: labels, Query: signature.Query, Header: c.r.Header, Body: body,
	})
}

// route finds the operation within the service that the scope names, by its
// signing name or an alias.
func (c *call) route(service string) (*route, map[string]string, error) {
	rt := c.routers[service]
	if rt == nil {
		return nil, nil, &sigv4.Refusal{
			Exception: sigv4.InvalidSignature,
			Text:      "Credential should be scoped to a service of this endpoint",
		}
	}
	c.target.Service = rt.service
	found, labels := rt.find(c.r.Method, c.r.URL.EscapedPath())
	if found == nil {
		return nil, nil, unknownOperation("The service %s has no operation with this method and path", rt.service)
	}
	c.target.Operation = found.fact.Name
	if found.served == nil {
		return nil, nil, unknownOperation("The operation %s is not served by this Cordon", found.fact.Name)
	}
	return found, labels, nil
}

func (c *call) readBody(most int64) ([]byte, error) {
	if c.r.ContentLength == 0 {
		return nil, nil
	}
	tooLarge := c.r.ContentLength > most
	if !tooLarge {
		body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, most))
		if err == nil {
			return body, nil
		}
		tooLarge = errors.As(err, new(*http.MaxBytesError))
	}
	if tooLarge {
		return nil, fault.New(fault.Invalid, "The request body is larger than %d bytes", most)
	}
	return nil, fault.New(fault.Invalid, "The request body cannot be read")
}

// authenticate returns the context of the call with its caller. An unknown key
// takes the same path as a wrong signature, with a secret that nobody has.
func (c *call) authenticate(signature *sigv4.Signature, route *route, body []byte) (context.Context, error) {
	ctx := c.r.Context()
	key, err := c.Keys.Credential(ctx, signature.AccessKeyID, signature.Token)
	unknown := fault.Is(err, fault.NotFound)
	switch {
	case unknown:
		key = Key{Secret: *restjson.FreshToken()}
	case err != nil:
		return nil, fmt.Errorf("find access key: %w", err)
	}
	err = signature.Verify(c.r, sigv4.Check{
		Secret: key.Secret, Body: body, Headers: route.fact.Headers, Now: c.Now(),
	})
	switch {
	case unknown || key.Disabled:
		return nil, &sigv4.Refusal{
			Exception: sigv4.UnrecognizedClient, Text: "The security token included in the request is invalid.",
		}
	case err != nil:
		return nil, err
	case key.Expired:
		return nil, &sigv4.Refusal{
			Exception: sigv4.ExpiredToken, Text: "The security token included in the request is expired",
		}
	}
	c.caller.AccessKeyID, c.caller.Region = signature.AccessKeyID, signature.Scope.Region
	c.caller.Account, c.caller.Operator = key.Account, key.Operator
	c.caller.ARN, c.caller.UserID, c.caller.Principal = key.ARN, key.UserID, key.Principal
	return withRequestID(WithCaller(ctx, c.caller), c.id), nil
}

// answer decodes, authorizes, validates, calls and encodes.
func (c *call) answer(ctx context.Context, route *route, request *restjson.Request) ([]byte, error) {
	op := route.served
	in, err := op.decode(request)
	if err != nil {
		return nil, err
	}
	if ctx, err = c.authorize(ctx, route, in); err != nil {
		return nil, err
	}
	if err := op.refusal(in); err != nil {
		return nil, err
	}
	if err := op.validate(in); err != nil {
		return nil, err
	}
	if c.Begin != nil {
		ctx = c.Begin(ctx, c.record())
		c.ctx = ctx
	}
	out, err := op.call(ctx, in)
	if err != nil {
		return nil, err
	}
	return op.encode(out), nil
}

// explain turns an error into an exception. What is internal is logged here,
// and only here, unless the caller has left.
func (c *call) explain(err error) *exception {
	e, internal := exceptionOf(err)
	if !internal {
		return e
	}
	if errors.Is(err, context.Canceled) && c.r.Context().Err() != nil {
		return &exception{name: "ClientClosedRequest", status: statusClientLeft}
	}
	c.Log.LogAttrs(context.WithoutCancel(c.r.Context()), slog.LevelError, "call failed",
		slog.String("request", c.id), slog.String("service", c.target.Service),
		slog.String("operation", c.target.Operation), slog.String("account", c.caller.Account),
		slog.Any("err", err))
	return e
}
