// Package broker is what stands behind the gateway and moves messages between
// devices: one inside the process, or an external one reached by its URL.
//
// A broker sees only packets that were judged. Scopes never meet in it.
package broker

import (
	"context"
	"errors"
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

// maxConnect is the greatest body of a CONNECT from the gateway: it has no will.
const maxConnect = 1 << 18

// refuse answers the CONNECT of a device in place of a broker.
func refuse(conn net.Conn, code mqtt.ReasonCode) {
	connect, err := readConnect(conn)
	if err != nil {
		return
	}
	if connect.Version != mqtt.V5 {
		code = code.Connack311()
	}
	if raw, err := (&mqtt.Connack{Code: code}).AppendTo(nil, connect.Version); err == nil {
		_, _ = conn.Write(raw)
	}
}

// readConnect reads the CONNECT that begins what conn gives. Nothing behind it
// comes before it is answered.
func readConnect(conn net.Conn) (*mqtt.Connect, error) {
	f, err := mqtt.NewReader(conn, maxConnect).ReadFrame()
	if err != nil {
		return nil, err
	}
	p, err := mqtt.Decode(f, 0)
	if err != nil {
		return nil, err
	}
	connect, ok := p.(*mqtt.Connect)
	if !ok {
		return nil, errors.New("the first packet is no CONNECT")
	}
	return connect, nil
}
