// Package cognitoapi is the front door for identity pools: the operations of
// Amazon Cognito that audits need to know who gives which roles.
//
// Pools are kept and judged. Cordon hands out no identities and no credentials
// for them.
package cognitoapi

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/cognitoapi/wire"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// Store is what the operations need of the database.
type Store interface {
	// CreatePool stores a new pool: Limit for one too many.
	CreatePool(ctx context.Context, scope fleet.Scope, p *identity.Pool) error
	// Pool returns a pool, or a NotFound fault.
	Pool(ctx context.Context, scope fleet.Scope, id string) (*identity.Pool, error)
	// Pools lists pools by id, behind one.
	Pools(ctx context.Context, scope fleet.Scope, after string, limit int) ([]identity.Pool, error)
	// UpdatePool stores what change makes of a pool, or returns its error or a
	// NotFound fault.
	UpdatePool(ctx context.Context, scope fleet.Scope, id string, change func(*identity.Pool) error) error
	// DeletePool removes a pool, or returns a NotFound fault.
	DeletePool(ctx context.Context, scope fleet.Scope, id string) error
}

// Config is what the API is made of. All members must be given.
type Config struct {
	Store Store
	Pages awswire.Pages
	Now   func() time.Time
}

type api struct{ Config }

// New returns the API as a service of an endpoint.
func New(cfg Config) awswire.Service {
	a := &api{cfg}
	s := wire.Service([]awswire.Served{
		awswire.Op(wire.CreateIdentityPool, a.createIdentityPool),
		awswire.Op(wire.DescribeIdentityPool, a.describeIdentityPool),
		awswire.Op(wire.ListIdentityPools, a.listIdentityPools),
		awswire.Op(wire.UpdateIdentityPool, a.updateIdentityPool),
		awswire.Op(wire.DeleteIdentityPool, a.deleteIdentityPool),
		awswire.Op(wire.SetIdentityPoolRoles, a.setIdentityPoolRoles),
		awswire.Op(wire.GetIdentityPoolRoles, a.getIdentityPoolRoles),
	})
	s.Access = a.access()
	return s
}

func scopeOf(ctx context.Context) fleet.Scope {
	c := awswire.CallerFrom(ctx)
	return fleet.Scope{Account: c.Account, Region: c.Region}
}
