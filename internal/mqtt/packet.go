// Package mqtt is the wire format of MQTT 3.1.1 and 5: packets as values, read
// and written with every bound checked. It knows no connection and no broker.
//
// A packet is read in two steps: [Reader] or [Splitter] cut bytes into a
// [Frame], [Decode] makes a [Packet] of it. Both directions are held to the same
// rules: what a broker sends is checked as what a device sends. What a packet
// may be in one direction only, and what it means in a session, is for the
// reader of packets to know.
//
// Sources: OASIS MQTT Version 3.1.1 and MQTT Version 5.0; comments name clauses
// of the second.
package mqtt

import "fmt"

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

var typeNames = [...]string{
	TypeConnect: "CONNECT", TypeConnack: "CONNACK", TypePublish: "PUBLISH", TypePuback: "PUBACK",
	TypePubrec: "PUBREC", TypePubrel: "PUBREL", TypePubcomp: "PUBCOMP", TypeSubscribe: "SUBSCRIBE",
	TypeSuback: "SUBACK", TypeUnsubscribe: "UNSUBSCRIBE", TypeUnsuback: "UNSUBACK", TypePingreq: "PINGREQ",
	TypePingresp: "PINGRESP", TypeDisconnect: "DISCONNECT", TypeAuth: "AUTH",
}

// String is the name as the standard writes it.
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("packet type %d", byte(t))
}

// Packet is a packet of either version.
type Packet interface {
	// Type is the type of the packet.
	Type() Type
	// AppendTo appends the packet in the form of a version to dst. What the version
	// does not have (properties in 3.1.1) is left out. The error is an [*Error],
	// for a packet that cannot be written; dst is returned as it was then.
	AppendTo(dst []byte, v Version) ([]byte, error)
}

// Error says what is wrong with a packet.
type Error struct {
	// Code is the reason code to disconnect with, in terms of MQTT 5.
	Code   ReasonCode
	Reason string
	// Answer is set when a CONNECT is of a version that is not known here: it is
	// the version in whose form a CONNACK tells the client so, with
	// [RefusedVersion] in 3.1.1 and [UnsupportedVersion] in 5.
	Answer Version
}

// Error is the reason.
func (e *Error) Error() string { return e.Reason }

func malformed(format string, args ...any) *Error {
	return &Error{Code: MalformedPacket, Reason: fmt.Sprintf(format, args...)}
}

func protocolError(format string, args ...any) *Error {
	return &Error{Code: ProtocolError, Reason: fmt.Sprintf(format, args...)}
}

// Decode makes a packet of a frame that arrived in a connection of the version,
// which does not matter for CONNECT. The error is an [*Error].
//
// A [*Connect] owns all it has. Of any other packet Properties and Payload are
// parts of the frame's body, and as long valid as that is.
func Decode(f Frame, v Version) (Packet, error) {
	if err := checkHeader(f.Type, f.Flags); err != nil {
		return nil, err
	}
	b := body{left: f.Body}
	p := decode(f, v, &b)
	if b.err == nil && len(b.left) > 0 {
		b.fail(malformed("%s has %d bytes too many", f.Type, len(b.left)))
	}
	if b.err != nil {
		return nil, b.err
	}
	return p, nil
}

func decode(f Frame, v Version, b *body) Packet {
	switch f.Type {
	case TypeConnect:
		return decodeConnect(b)
	case TypeConnack:
		return decodeConnack(b, v)
	case TypePublish:
		p := new(Publish)
		p.decode(f.Flags, v, b)
		return p
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		return decodeAck(f.Type, v, b)
	case TypeSubscribe:
		return decodeSubscribe(b, v)
	case TypeSuback, TypeUnsuback:
		return decodeSuback(f.Type, v, b)
	case TypeUnsubscribe:
		return decodeUnsubscribe(b, v)
	case TypePingreq, TypePingresp:
		return &Ping{Kind: f.Type}
	case TypeDisconnect:
		return decodeDisconnect(b, v)
	default: // AUTH: checkHeader knows no other
		return decodeAuth(b, v)
	}
}

// checkHeader holds the first byte of a packet to 2.1.3: flags have fixed values
// except in PUBLISH.
func checkHeader(t Type, flags byte) *Error {
	want := byte(0)
	switch t {
	case TypePublish:
		switch qos := flags >> 1 & 3; {
		case qos == 3: // [MQTT-3.3.1-4]
			return malformed("PUBLISH has QoS 3")
		case qos == 0 && flags&8 != 0: // [MQTT-3.3.1-2]
			return malformed("PUBLISH of QoS 0 is marked as a duplicate")
		}
		return nil
	case TypePubrel, TypeSubscribe, TypeUnsubscribe:
		want = 2
	case 0:
		return malformed("packet type 0 does not exist")
	}
	if t > TypeAuth || flags != want {
		return malformed("%s has the flags %#x", t, flags)
	}
	return nil
}
