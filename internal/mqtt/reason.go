package mqtt

// ReasonCode is a reason code of MQTT 5 (2.4). In CONNACK and SUBACK of 3.1.1
// it is that version's return code.
type ReasonCode byte

// The reason codes that Cordon gives or looks at.
const (
	Success                ReasonCode = 0x00
	DisconnectWithWill     ReasonCode = 0x04
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
