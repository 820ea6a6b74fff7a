// Package iotdata is the front door of the AWS IoT data plane API: what is done
// to devices that are connected.
package iotdata

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotdata/wire"
)

// Store knows who is connected, and reaches the gateways of all nodes.
type Store interface {
	// ConnectedSession returns the connection of a client id on any node, or nil:
	// as far as it is stored, which takes a moment.
	ConnectedSession(ctx context.Context, scope fleet.Scope, clientID string) (*fleet.Interval, error)
	// WriteClientOrder has the connections of client ids end, on all nodes.
	WriteClientOrder(ctx context.Context, scope fleet.Scope, clientIDs []string, o fleet.ClientOrder) (int64, error)
}

// Config is what the API is made of.
type Config struct {
	Store Store
}

type api struct{ Config }

const (
	// seenWithin is how long a connection may take to be stored.
	seenWithin = time.Second
	lookEvery  = 50 * time.Millisecond
)

// New returns the API as a service of an endpoint.
func New(cfg Config) awswire.Service {
	a := &api{cfg}
	s := wire.Service([]awswire.Served{
		awswire.Op(wire.DeleteConnection, a.deleteConnection).
			Noting("answers when all nodes are told; the connection ends some milliseconds later"),
	})
	// The permissions of the data plane are those of the service iot.
	s.Actions = "iot"
	s.Access = map[string]awswire.Access{"DeleteConnection": awswire.On(deleteConnectionNeeds)}
	return s
}

func deleteConnectionNeeds(ctx context.Context, in *wire.DeleteConnectionRequest) []awswire.Need {
	c, client := awswire.CallerFrom(ctx), ""
	if in.ClientID != nil {
		client = *in.ClientID
	}
	scope := fleet.Scope{Account: c.Account, Region: c.Region}
	return []awswire.Need{{Action: "iot:DeleteConnection", Resource: scope.ARN("client", client)}}
}

// deleteConnection ends a connection. One that was begun just now is waited for,
// so that who has seen a device connect can end its connection.
func (a *api) deleteConnection(ctx context.Context, in *wire.DeleteConnectionRequest) (
	*wire.DeleteConnectionResponse, error,
) {
	c := awswire.CallerFrom(ctx)
	scope := fleet.Scope{Account: c.Account, Region: c.Region}
	for deadline := time.Now().Add(seenWithin); ; {
		found, err := a.Store.ConnectedSession(ctx, scope, *in.ClientID)
		if err != nil {
			return nil, err
		}
		if found != nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, fault.New(fault.NotFound, "no client %q is connected", *in.ClientID)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
	_, err := a.Store.WriteClientOrder(ctx, scope, []string{*in.ClientID}, fleet.ClientOrder{
		CleanSession: in.CleanSession != nil && *in.CleanSession,
		PreventWill:  in.PreventWillMessage != nil && *in.PreventWillMessage,
	})
	return nil, err
}
