// Package stsapi is the front door of AWS STS: who a caller is, and sessions of
// roles.
//
// It knows no policies: what a caller needs for a session is in its table of
// access, and the pipeline decides.
package stsapi

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/stsapi/wire"
)

// Roles makes sessions.
type Roles interface {
	// AssumeRole makes a session of a role for a caller whom permitted, which it
	// asks after it has read the role, does not refuse.
	AssumeRole(ctx context.Context, p *identity.Principal, in *identity.AssumeRequest,
		permitted func(context.Context) error) (*identity.Assumed, error)
}

// Config is what the API is made of. All members must be given.
type Config struct {
	Roles Roles
	// Authorize refuses the call under ctx, with a fault, when its caller lacks
	// one of the permissions.
	Authorize func(ctx context.Context, needs []awswire.Need) error
}

type api struct{ Config }

// New returns the API as a service of an endpoint.
func New(cfg Config) awswire.Service {
	a := &api{cfg}
	s := wire.Service([]awswire.Served{
		awswire.Op(wire.GetCallerIdentity, a.getCallerIdentity).Open(),
		awswire.Op(wire.AssumeRole, a.assumeRole).Refusing("SerialNumber", "TokenCode", "ProvidedContexts"),
	})
	s.Access = access
	return s
}

// access is what the operations need.
var access = map[string]awswire.Access{
	"AssumeRole": awswire.On(func(ctx context.Context, in *wire.AssumeRoleRequest) []awswire.Need {
		p, _ := awswire.CallerFrom(ctx).Principal.(identity.Principal)
		asked := requestOf(in)
		var needs []awswire.Need
		for _, action := range p.AssumeActions(asked) {
			needs = append(needs, awswire.Need{Action: action, Resource: asked.RoleARN, Keys: asked.Keys()})
		}
		return needs
	}),
}

func (a *api) getCallerIdentity(ctx context.Context, _ *wire.GetCallerIdentityRequest) (
	*wire.GetCallerIdentityResponse, error,
) {
	c := awswire.CallerFrom(ctx)
	return &wire.GetCallerIdentityResponse{UserID: &c.UserID, Account: &c.Account, ARN: &c.ARN}, nil
}

func (a *api) assumeRole(ctx context.Context, in *wire.AssumeRoleRequest) (*wire.AssumeRoleResponse, error) {
	p, ok := awswire.CallerFrom(ctx).Principal.(identity.Principal)
	if !ok {
		return nil, fault.New(fault.Denied, "Nobody is known who could assume a role.")
	}
	asked := requestOf(in)
	assumed, err := a.Roles.AssumeRole(ctx, &p, asked, func(ctx context.Context) error {
		return a.Authorize(ctx, awswire.NeedsFrom(ctx))
	})
	if err != nil {
		return nil, err
	}
	s := &assumed.Session
	out := &wire.AssumeRoleResponse{
		Credentials: &wire.Credentials{
			AccessKeyID: &assumed.Key.ID, SecretAccessKey: &assumed.Key.Secret, SessionToken: &assumed.Key.Token,
			Expiration: &s.Expires,
		},
		AssumedRoleUser: &wire.AssumedRoleUser{
			AssumedRoleID: new(s.RoleID + ":" + s.Name), ARN: new(s.ARN(assumed.Account)),
		},
	}
	if percent := s.Packed(); percent > 0 {
		out.PackedPolicySize = &percent
	}
	if s.SourceIdentity != "" {
		out.SourceIdentity = &s.SourceIdentity
	}
	return out, nil
}

// requestOf is what is asked for, of a request that may not be valid.
func requestOf(in *wire.AssumeRoleRequest) *identity.AssumeRequest {
	out := &identity.AssumeRequest{
		RoleARN: opt.Value(in.RoleARN), SessionName: opt.Value(in.RoleSessionName), ExternalID: opt.Value(in.ExternalID),
		Duration: time.Duration(opt.Value(in.DurationSeconds)) * time.Second, Policy: opt.Value(in.Policy),
		TransitiveTagKeys: in.TransitiveTagKeys, SourceIdentity: opt.Value(in.SourceIdentity),
	}
	for _, p := range in.PolicyARNs {
		out.PolicyARNs = append(out.PolicyARNs, opt.Value(p.ARN))
	}
	for _, t := range in.Tags {
		out.Tags = append(out.Tags, identity.Tag{Key: opt.Value(t.Key), Value: opt.Value(t.Value)})
	}
	return out
}
