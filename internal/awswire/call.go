package awswire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire/query"
	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/awswire/sigv4"
	"github.com/cordon-iot/cordon/internal/fault"
)

// call is one request on its way through the pipeline.
type call struct {
	*Handler
	id      string
	w       http.ResponseWriter
	r       *http.Request
	service *service // nil until it is known
	target  Target
	caller  Caller
	needs   []Need
	begun   time.Time
	ctx     context.Context // the operation's, once it has begun
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
		return c.visit(err)
	}
	s := c.services[signature.Scope.Service]
	if s == nil {
		return nil, &sigv4.Refusal{
			Exception: sigv4.InvalidSignature,
			Text:      "Credential should be scoped to a service of this endpoint",
		}
	}
	c.service, c.target.Service = s, s.SigningName
	switch s.Protocol {
	case Query:
		return c.runQuery(signature)
	case JSON:
		return c.runJSON(signature)
	}
	return c.runREST(signature)
}

// runREST finds the operation by method and path.
func (c *call) runREST(signature *sigv4.Signature) ([]byte, error) {
	route, labels := c.service.paths.find(c.r.Method, c.r.URL.EscapedPath())
	if route == nil {
		return nil, c.service.unknown.refuse("The service %s has no operation with this method and path", c.target.Service)
	}
	if err := c.enter(route); err != nil {
		return nil, err
	}
	body, err := c.readBody(route.served.maxBody)
	if err != nil {
		return nil, err
	}
	ctx, err := c.authenticate(signature, route.fact.Headers, body)
	if err != nil {
		return nil, err
	}
	return c.answer(ctx, route, &message{rest: restjson.Request{
		Labels: labels, Query: signature.Query, Header: c.r.Header, Body: body,
	}})
}

// targetHeader names the operation of the JSON protocol.
const targetHeader = "X-Amz-Target"

// runJSON finds the operation by the header that names it.
func (c *call) runJSON(signature *sigv4.Signature) ([]byte, error) {
	name, ok := strings.CutPrefix(c.r.Header.Get(targetHeader), c.service.Target+".")
	route := c.service.names[name]
	if !ok || route == nil || c.r.Method != http.MethodPost || c.r.URL.EscapedPath() != "/" {
		return nil, c.service.unknown.refuse("The service %s has no operation of this name", c.target.Service)
	}
	if err := c.enter(route); err != nil {
		return nil, err
	}
	body, err := c.readBody(route.served.maxBody)
	if err != nil {
		return nil, err
	}
	ctx, err := c.authenticate(signature, []string{strings.ToLower(targetHeader)}, body)
	if err != nil {
		return nil, err
	}
	return c.answer(ctx, route, &message{rest: restjson.Request{Header: c.r.Header, Body: body}})
}

// runQuery finds the operation in the form, which it reads only for a caller
// that it knows.
func (c *call) runQuery(signature *sigv4.Signature) ([]byte, error) {
	body, err := c.readBody(c.service.maxBody)
	if err != nil {
		return nil, err
	}
	ctx, err := c.authenticate(signature, nil, body)
	if err != nil {
		return nil, err
	}
	form, err := query.Parse(c.r.URL.RawQuery, string(body))
	if err != nil {
		return nil, err
	}
	return c.submit(ctx, form)
}

// submit finds the operation that a form names, and answers it.
func (c *call) submit(ctx context.Context, form *query.Form) ([]byte, error) {
	s, action, version := c.service, form.Text("Action"), form.Text("Version")
	route := s.names[action]
	switch {
	case !c.isForm():
		return nil, s.unknown.refuse("A form is sent to the path / by GET or POST")
	case action == "":
		return nil, Exception{Name: "MissingAction", Status: http.StatusBadRequest}.refuse("Missing Action")
	case version == "" && c.caller.AccessKeyID != "":
		version = "NO_VERSION_SPECIFIED"
		fallthrough
	case version != "" && version != s.Version, route == nil:
		return nil, s.unknown.refuse("Could not find operation %s for version %s", shorten(action), shorten(version))
	}
	if err := c.enter(route); err != nil {
		return nil, err
	}
	inner, err := c.answer(ctx, route, &message{form: form})
	if err != nil {
		return nil, err
	}
	var w query.Writer
	w.BeginIn(action+"Response", s.Namespace)
	if result := route.fact.Result; result != "" {
		w.Begin(result)
		w.Append(inner)
		w.End(result)
	}
	w.Begin("ResponseMetadata")
	w.Element("RequestId", c.id)
	w.End("ResponseMetadata")
	w.End(action + "Response")
	return w.Bytes(), nil
}

// isForm reports whether a request is where forms are sent.
func (c *call) isForm() bool {
	path := c.r.URL.EscapedPath()
	return (path == "/" || path == "") && (c.r.Method == http.MethodGet || c.r.Method == http.MethodPost)
}

// shorten cuts off what a message need not repeat.
func shorten(name string) string {
	if len(name) <= 64 {
		return name
	}
	return strings.ToValidUTF8(name[:64], "") + "..."
}

// maxVisit is the size of the body of a call that is not signed.
const maxVisit = 16 << 10

// visit answers a call without signature, if it is of an operation that may
// come so. Such an operation is found by its name alone, and its version may be
// left out, as in a link that a person follows. Everything else is refused as
// the signature was.
func (c *call) visit(refusal error) ([]byte, error) {
	var r *sigv4.Refusal
	if len(c.visited) == 0 || !c.isForm() || !errors.As(refusal, &r) || r.Exception != sigv4.MissingToken {
		return nil, refusal
	}
	body, err := c.readBody(maxVisit)
	if err != nil {
		return nil, refusal
	}
	form, err := query.Parse(c.r.URL.RawQuery, string(body))
	if err != nil {
		return nil, refusal
	}
	s := c.visited[form.Text("Action")]
	if s == nil {
		return nil, refusal
	}
	c.service, c.target.Service = s, s.SigningName
	return c.submit(withRequestID(WithCaller(c.r.Context(), c.caller), c.id), form)
}

// enter takes a route, if it leads to an operation that is served.
func (c *call) enter(r *route) error {
	c.target.Operation = r.fact.Name
	if r.served == nil {
		return c.service.unknown.refuse("The operation %s is not served by this Cordon", r.fact.Name)
	}
	return nil
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

// answer throttles, decodes, authorizes, validates, calls and encodes.
func (c *call) answer(ctx context.Context, route *route, m *message) ([]byte, error) {
	if c.Throttle != nil {
		if err := c.Throttle(ctx, c.target); err != nil {
			return nil, err
		}
	}
	op := route.served
	in, err := op.decode(m)
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
