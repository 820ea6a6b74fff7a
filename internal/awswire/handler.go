// Package awswire serves operations of AWS protocols over HTTP.
//
// It owns what every call has in common, once and in this order: find the
// operation, read the body within its limit, verify the signature, throttle,
// decode, authorize, validate, call, encode, record. In the query protocol the
// operation stands in the body, and is found when the signature is verified.
// What a front door adds is a typed function per operation. It knows no
// operation, no account and no storage: keys, limits and permissions are asked
// for by interfaces.
package awswire

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire/restjson"
)

// MaxBody is the greatest size of a request body in bytes, unless its operation
// takes more. A larger one is refused before it is read whole.
const MaxBody = 1 << 20

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

// Handler answers calls.
type Handler struct {
	Config
	services map[string]*service // by the names that are signed
	visited  map[string]*service // by the operations that may come unsigned
}

// NewHandler returns a handler of all operations of cfg. It returns an error
// for a service without name, two operations with one route, an operation that
// its service does not know, and a refused member, or an operation in a table of
// access, that does not exist.
//
// The handler never cleans or redirects a path. Several services share it; the
// service in the credential scope of the signature chooses among them.
func NewHandler(cfg Config) (*Handler, error) {
	h := &Handler{Config: cfg, services: map[string]*service{}, visited: map[string]*service{}}
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Log == nil {
		h.Log = slog.Default()
	}
	for _, from := range cfg.Services {
		s, err := newService(from)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", from.SigningName, err)
		}
		for _, name := range append([]string{s.SigningName}, s.Aliases...) {
			if name == "" || h.services[name] != nil {
				return nil, fmt.Errorf("service %q has no signing name of its own", name)
			}
			h.services[name] = s
		}
		for _, op := range s.Operations {
			name := op.fact.Name
			switch {
			case !op.unsigned:
			case h.visited[name] != nil:
				return nil, fmt.Errorf("two services serve %s without a signature", name)
			default:
				h.visited[name] = s
			}
		}
	}
	return h, nil
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	c := &call{Handler: h, id: *restjson.FreshToken(), w: w, r: r, caller: visitor(r), begun: start, ctx: r.Context()}
	body, err := c.run()
	rec := c.record()
	header := w.Header()
	if err != nil {
		e := c.explain(err)
		rec.Status, rec.Exception, rec.Message = e.Status, e.Name, e.text
		body = c.dialect().document(e, c.service, c.id)
		header["X-Amzn-Errortype"] = []string{e.Name}
	}
	if rec.Status != statusClientLeft {
		header["X-Amzn-Requestid"] = []string{c.id}
		header["Content-Type"] = []string{c.dialect().contentType}
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
