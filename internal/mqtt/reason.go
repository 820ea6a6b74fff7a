package mqtt

import "fmt"

// ReasonCode is a reason code of MQTT 5 (2.4). In CONNACK and SUBACK of 3.1.1
// it is that version's return code.
type ReasonCode byte

// The reason codes that Cordon gives or looks at.
const (
	Success                ReasonCode = 0x00
	DisconnectWithWill     ReasonCode = 0x04
	NoMatchingSubscribers  ReasonCode = 0x10
	NoSubscriptionExisted  ReasonCode = 0x11
	UnspecifiedError       ReasonCode = 0x80
	MalformedPacket        ReasonCode = 0x81
	ProtocolError          ReasonCode = 0x82
	ImplementationError    ReasonCode = 0x83
	UnsupportedVersion     ReasonCode = 0x84
	ClientIDNotValid       ReasonCode = 0x85
	BadUserNameOrPassword  ReasonCode = 0x86
	NotAuthorized          ReasonCode = 0x87
	ServerUnavailable      ReasonCode = 0x88
	ServerBusy             ReasonCode = 0x89
	ServerShuttingDown     ReasonCode = 0x8B
	BadAuthMethod          ReasonCode = 0x8C
	KeepAliveTimeout       ReasonCode = 0x8D
	SessionTakenOver       ReasonCode = 0x8E
	TopicFilterInvalid     ReasonCode = 0x8F
	TopicNameInvalid       ReasonCode = 0x90
	ReceiveMaximumExceeded ReasonCode = 0x93
	TopicAliasInvalid      ReasonCode = 0x94
	PacketTooLarge         ReasonCode = 0x95
	MessageRateTooHigh     ReasonCode = 0x96
	QuotaExceeded          ReasonCode = 0x97
	AdministrativeAction   ReasonCode = 0x98
	PayloadFormatInvalid   ReasonCode = 0x99
	RetainNotSupported     ReasonCode = 0x9A
	QoSNotSupported        ReasonCode = 0x9B
	SharedNotSupported     ReasonCode = 0x9E
	ConnectionRateExceeded ReasonCode = 0x9F
)

// The return codes of 3.1.1 (3.2.2.3 and 3.9.3 there).
const (
	RefusedVersion       ReasonCode = 1
	RefusedClientID      ReasonCode = 2
	RefusedUnavailable   ReasonCode = 3
	RefusedCredentials   ReasonCode = 4
	RefusedNotAuthorized ReasonCode = 5
	SubscriptionFailed   ReasonCode = 0x80
)

// String is the code in the way the standard writes it.
func (c ReasonCode) String() string { return fmt.Sprintf("0x%02X", byte(c)) }

// Connack311 is the return code in a CONNACK of 3.1.1 that comes nearest to a
// reason code of MQTT 5.
func (c ReasonCode) Connack311() ReasonCode {
	switch c {
	case Success:
		return Success
	case UnsupportedVersion:
		return RefusedVersion
	case ClientIDNotValid:
		return RefusedClientID
	case BadUserNameOrPassword:
		return RefusedCredentials
	case NotAuthorized:
		return RefusedNotAuthorized
	}
	return RefusedUnavailable
}

// validIn says whether a code exists in a packet of a version.
func (c ReasonCode) validIn(t Type, v Version) bool {
	if v == V5 {
		return codes[t][c]
	}
	switch t {
	case TypeConnack:
		return c <= RefusedNotAuthorized
	case TypeSuback:
		return c <= 2 || c == SubscriptionFailed
	}
	return c == Success
}

// codes are the reason codes that exist in each packet (2.4).
var codes = func() (known [TypeAuth + 1][256]bool) {
	message := []ReasonCode{0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
	release := []ReasonCode{0x00, 0x92}
	for t, codes := range map[Type][]ReasonCode{
		TypeConnack: {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
			0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
		TypePuback:   message,
		TypePubrec:   message,
		TypePubrel:   release,
		TypePubcomp:  release,
		TypeSuback:   {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
		TypeUnsuback: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
		TypeDisconnect: {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
			0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2},
		TypeAuth: {0x00, 0x18, 0x19},
	} {
		for _, c := range codes {
			known[t][c] = true
		}
	}
	return known
}()
