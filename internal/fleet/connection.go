package fleet

import (
	"net/netip"
	"time"
)

// DisconnectReason says how a connection ended, equal to the value of AWS IoT's
// life cycle events.
type DisconnectReason string

// The reasons that exist here. Source: AWS IoT, lifecycle events.
const (
	DisconnectAuthError       DisconnectReason = "AUTH_ERROR"
	DisconnectByClient        DisconnectReason = "CLIENT_INITIATED_DISCONNECT"
	DisconnectClientError     DisconnectReason = "CLIENT_ERROR"
	DisconnectLost            DisconnectReason = "CONNECTION_LOST"
	DisconnectDuplicateClient DisconnectReason = "DUPLICATE_CLIENTID"
	DisconnectForbidden       DisconnectReason = "FORBIDDEN_ACCESS"
	DisconnectKeepAlive       DisconnectReason = "MQTT_KEEP_ALIVE_TIMEOUT"
	DisconnectServerError     DisconnectReason = "SERVER_ERROR"
	DisconnectByServer        DisconnectReason = "SERVER_INITIATED_DISCONNECT"
	DisconnectThrottled       DisconnectReason = "THROTTLED"
)

// Interval is a connection that was seen: from when to when who was connected.
type Interval struct {
	// Session is the id of the connection, unique among all nodes.
	Session     string
	Node        string // the process that had it
	Scope       Scope
	ClientID    string
	Certificate string
	Thing       string // what the certificate stood for, or ""
	Address     netip.AddrPort
	From        time.Time
	Until       time.Time        // zero while it is connected
	Reason      DisconnectReason // "" while it is connected
	// DisplacedBy is the session that took the client id over, or "".
	DisplacedBy string
}
