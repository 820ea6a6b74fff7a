// Package broker is what stands behind the gateway and moves messages between
// devices: one inside the process, or an external one reached by its URL.
//
// A broker sees only packets that were judged. Scopes never meet in it.
package broker

import (
	"context"
	"net"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// Broker moves messages.
type Broker interface {
	// Serve speaks MQTT with a device, whose packets conn gives in whole, from
	// CONNECT on, and takes likewise. It returns when either side has ended, and
	// has closed conn then.
	Serve(scope fleet.Scope, conn net.Conn) error
	// Publish sends a message to those who subscribed in a scope, on behalf of
	// nobody: a will, or an event of Cordon's own.
	Publish(ctx context.Context, scope fleet.Scope, message *mqtt.Publish) error
	// Forget ends the stored session of a client id, if there is one and nobody is
	// connected with it.
	Forget(ctx context.Context, scope fleet.Scope, clientID string) error
	// Close ends everything that the broker still does.
	Close(ctx context.Context) error
}
