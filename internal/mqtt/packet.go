// Package mqtt is the wire format of MQTT 3.1.1 and 5: packets as values, read
// and written with every bound checked. It knows no connection and no broker.
//
// Sources: OASIS MQTT Version 3.1.1 and MQTT Version 5.0; comments name clauses
// of the second.
package mqtt

// Version is the protocol version as CONNECT has it.
type Version byte

// The versions.
const (
	V311 Version = 4
	V5   Version = 5
)

// Type is the type of a packet (2.1.2).
type Type byte

// The types.
const (
	TypeConnect     Type = 1
	TypeConnack     Type = 2
	TypePublish     Type = 3
	TypePuback      Type = 4
	TypePubrec      Type = 5
	TypePubrel      Type = 6
	TypePubcomp     Type = 7
	TypeSubscribe   Type = 8
	TypeSuback      Type = 9
	TypeUnsubscribe Type = 10
	TypeUnsuback    Type = 11
	TypePingreq     Type = 12
	TypePingresp    Type = 13
	TypeDisconnect  Type = 14
	TypeAuth        Type = 15
)

// Connect is a CONNECT (3.1).
type Connect struct {
	Version    Version
	CleanStart bool // clean session, in 3.1.1
	KeepAlive  uint16
	ClientID   string
	Will       *Will
	// Username and Password are nil where they are not given.
	Username   *string
	Password   []byte
	Properties Properties
}

// Will is the will of a CONNECT.
type Will struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Retain     bool
	Properties Properties
}

// Connack is a CONNACK (3.2).
type Connack struct {
	SessionPresent bool
	Code           ReasonCode // a return code in 3.1.1
	Properties     Properties
}

// Publish is a PUBLISH (3.3).
type Publish struct {
	Dup, Retain bool
	QoS         byte
	ID          uint16 // 0 with QoS 0
	Topic       string
	Properties  Properties
	Payload     []byte
}

// Ack is a PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7).
type Ack struct {
	Kind       Type
	ID         uint16
	Code       ReasonCode
	Properties Properties
}

// Subscribe is a SUBSCRIBE (3.8).
type Subscribe struct {
	ID         uint16
	Properties Properties
	Filters    []Subscription
}

// Subscription is a filter of a SUBSCRIBE with its options.
type Subscription struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
}

// Suback is a SUBACK or an UNSUBACK (3.9, 3.11). The latter has no codes in
// 3.1.1.
type Suback struct {
	Kind       Type
	ID         uint16
	Properties Properties
	Codes      []ReasonCode
}

// Unsubscribe is an UNSUBSCRIBE (3.10).
type Unsubscribe struct {
	ID         uint16
	Properties Properties
	Filters    []string
}

// Ping is a PINGREQ or a PINGRESP (3.12, 3.13).
type Ping struct{ Kind Type }

// Disconnect is a DISCONNECT (3.14).
type Disconnect struct {
	Code       ReasonCode
	Properties Properties
}

// Auth is an AUTH (3.15).
type Auth struct {
	Code       ReasonCode
	Properties Properties
}
