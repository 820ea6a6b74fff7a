// Package gateway is where devices connect: it terminates mTLS, finds out which
// account, region and certificate a connection is of, judges every packet by
// the effective policies, and ends a connection as soon as its rights are gone.
//
// What may be done is decided here; what is done with messages is the business
// of a broker behind it (package broker), which sees judged packets only
// (package enforce). It fails closed: who cannot be judged is not let in.
package gateway

import (
	"context"
	"net/netip"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// Registry is what the gateway needs to know of the fleet.
type Registry interface {
	// Devices reads what decides about some connections of a scope, in the order
	// of refs: of all at one time, in a number of statements that does not depend
	// on how many there are. A scope that nothing was ever stored in has none.
	Devices(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error)
	// Bars reads of the same what [fleet.Device.Bar] asks about: certificate and
	// account.
	Bars(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error)
	// PolicyDocuments reads versions of policies with their documents. One that is
	// gone is left out.
	PolicyDocuments(ctx context.Context, scope fleet.Scope, refs []fleet.PolicyRef) ([]fleet.PolicyVersion, error)
}

// Feed tells of changes that may have taken rights.
type Feed interface {
	// Next waits for changes, at most for a quarter of a second: then it returns
	// none, which says that there were none. Lost says that changes were missed,
	// and that everybody's rights are to be looked at again. After an error it may
	// be called again and goes on where it was.
	Next(ctx context.Context) (changes []fleet.RightChange, lost bool, err error)
}

// EventType says what happened at the gateway, equal to the eventType of AWS
// IoT's logs.
type EventType string

// The types of events. Source: AWS IoT, CloudWatch log entries.
const (
	EventConnect    EventType = "Connect"
	EventDisconnect EventType = "Disconnect"
	EventPublishIn  EventType = "Publish-In"
	EventPublishOut EventType = "Publish-Out"
	EventSubscribe  EventType = "Subscribe"
)

// Event is something that happened at the gateway.
type Event struct {
	Type EventType
	Time time.Time
	// OK is false where something was refused or went wrong, and Reason says why.
	OK     bool
	Reason string

	Session     string // "" where none came to be
	Scope       fleet.Scope
	ClientID    string
	Certificate string
	Thing       string
	Groups      []string // of the thing, with their ancestors
	Address     netip.AddrPort
	Protocol    string // "MQTT" or "MQTT-WSS"

	Topic      string // topic or filter
	QoS        byte
	Disconnect fleet.DisconnectReason // of an EventDisconnect
	// ByClient says of an EventDisconnect that the client asked for it, and
	// DisplacedBy which session took the client id over.
	ByClient    bool
	DisplacedBy string
}

// Observer hears what happens. Its methods must not wait for anything: they are
// called while packets are being passed on.
type Observer interface {
	// Wants says whether events of a type of a scope are to be made at all. Events
	// about connections are always made.
	Wants(scope fleet.Scope, t EventType) bool
	// Observe is given an event, which it must not change.
	Observe(e *Event)
}
