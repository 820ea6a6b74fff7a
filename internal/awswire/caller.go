package awswire

import (
	"context"
	"net"
	"net/http"
)

// Caller is who signed a call, for which region, and where the call came from.
// Of a call that is not signed only the last three are known.
type Caller struct {
	AccessKeyID string
	Account     string // 12 digits
	Region      string // of the credential scope
	ARN         string // of the root user, the user or the session of a role
	UserID      string // as GetCallerIdentity tells it
	Operator    bool   // of the first account, which may reach the others
	Principal   any    // what Keys know of the caller, for Authorize

	SourceIP  string // of the connection: what a proxy says in headers is not believed
	UserAgent string // at most [maxUserAgent] bytes
	Secure    bool   // the connection is encrypted
}

// maxUserAgent is how many bytes of a User-Agent header are kept.
const maxUserAgent = 1 << 10

// visitor is a caller of whom nothing is known but the connection.
func visitor(r *http.Request) Caller {
	c := Caller{SourceIP: r.RemoteAddr, UserAgent: r.UserAgent(), Secure: r.TLS != nil}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.SourceIP = host
	}
	if len(c.UserAgent) > maxUserAgent {
		c.UserAgent = c.UserAgent[:maxUserAgent]
	}
	return c
}

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of the operation that runs under ctx. It is
// empty outside of one.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

type requestIDKey struct{}

func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id that the answer of the call under ctx carries as
// x-amzn-RequestId. It is empty outside of a call.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
