package awswire

import "context"

// Caller is who signed a call, and for which region.
type Caller struct {
	AccessKeyID string
	Account     string // 12 digits
	Region      string // of the credential scope
	Operator    bool   // the root key of the first account, which may reach the others
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
