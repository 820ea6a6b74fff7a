// Package iotapi is the front door of the AWS IoT API: the operations of
// registry, audit and mitigation, one file a resource.
//
// An operation is a typed function. Decoding, signatures, limits, validation
// of form and errors are the business of package awswire; the rules of a
// feature are the feature's. What is here turns wire types into values and
// back.
package iotapi

import (
	"context"
	"runtime"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// Store is what the operations need of the database, in parts that stand
// beside the operations which use them.
type Store interface {
	auditStore
	suppressionStore
	scheduleStore
	mitigationStore
	thingStore
	typeStore
	groupStore
	indexStore
	principalStore
	certificateStore
	transferStore
	caStore
	policyStore
	targetStore
	authorizationStore
	loggingStore
	logLevelStore
	roleAliasStore
	tagStore
}

// Config is what the API is made of. All members but EndpointDomain must be
// given.
type Config struct {
	// EndpointDomain is what stands behind the names of the endpoints of accounts
	// and regions; "" while devices cannot connect.
	EndpointDomain string

	Store       Store
	Audits      *audit.Service
	Mitigations *mitigation.Service
	Authorities Authorities
	Workflows   Workflows
	Pages       awswire.Pages
	Now         func() time.Time
}

// Workflows starts what goes on after a call was answered.
type Workflows interface {
	// Start runs a workflow whose row is committed; one that runs already is
	// left as it is.
	Start(id durable.ID) error
}

// API answers the operations of the AWS IoT API.
type API struct {
	Config
	keyMaking chan struct{} // a place for each key that is being made
}

// New returns the API as a service of an endpoint.
func New(cfg Config) awswire.Service {
	a := &API{Config: cfg, keyMaking: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	s := wire.Service(a.operations())
	s.Access = operationAccess()
	return s
}

// scope is the account and region that a call is for.
func scope(ctx context.Context) fleet.Scope {
	c := awswire.CallerFrom(ctx)
	return fleet.Scope{Account: c.Account, Region: c.Region}
}
