package awswire

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/awswire/sigv4"
	"github.com/cordon-iot/cordon/internal/fault"
)

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

// authenticate returns the context of the call with its caller. An unknown key
// takes the same path as a wrong signature, with a secret that nobody has. The
// headers are those that must be signed.
func (c *call) authenticate(signature *sigv4.Signature, headers []string, body []byte) (context.Context, error) {
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
		Secret: key.Secret, Body: body, Headers: headers, Now: c.Now(),
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
