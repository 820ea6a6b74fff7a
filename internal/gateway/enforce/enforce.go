// Package enforce is the connection that stands between a device and a broker:
// a [net.Conn] for the broker whose Read gives nothing but packets that were
// judged, and whose Write gives the device nothing it may not receive.
//
// It holds devices to the limits and rules of AWS IoT, keeps scopes apart in a
// broker that they share, and ends a connection at once when it is told to. It
// never waits for the device when the broker writes, nor for the broker when it
// is killed. Who may do what it asks a [Judge]; the messages it leaves to the
// broker.
//
// Sources: OASIS MQTT Version 3.1.1 and Version 5.0 (clauses of the latter);
// AWS IoT Core, "Message broker and protocol limits and quotas", "Reserved
// topics", "MQTT".
package enforce

import (
	"net"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mqtt"
)

// Judge decides what a device may do, at the time of the question. Its methods
// are called from the reading and the writing side at once and must not wait.
// Topics and filters are as the device knows them, without a prefix.
type Judge interface {
	// Publish says whether iot:Publish is allowed on topic/<topic>, and with retain
	// iot:RetainPublish too.
	Publish(topic string, retain bool) bool
	// Subscribe says whether iot:Subscribe is allowed on topicfilter/<filter>. A
	// shared one comes as $share/<group>/<filter>.
	Subscribe(filter string) bool
	// Receive says whether iot:Receive is allowed on topic/<topic>.
	Receive(topic string) bool
}

// Options are what a connection is made of.
type Options struct {
	// Conn is the device: TLS or WebSocket, with the handshake done. A Read that
	// ended with a deadline must be able to go on where it was. What lies below it
	// is found by its method NetConn() net.Conn, if it has one, down to the socket.
	// CloseWrite() error, if it has that, says only what is said at an end, or is an
	// error.
	Conn net.Conn
	// Reader is what CONNECT was read with, and holds what was read ahead of it;
	// nil where nothing was.
	Reader *mqtt.Reader
	// Connect is the CONNECT of the device, which is not changed. Its client id is
	// final. Its will, user name and password are not given to the broker.
	Connect *mqtt.Connect
	// Assigned says that the client id is one the device was given: CONNACK names
	// it in MQTT 5.
	Assigned bool
	// Prefix is put before client id, topics and filters towards the broker, and
	// removed towards the device.
	Prefix string
	// Username is handed to the broker, unless it is empty.
	Username string
	// Stored are the filters of the session that CONNECT resumes. They are judged
	// anew. A session whose filters are not known must be forgotten by the broker
	// before: nothing of it would be delivered.
	Stored []string
	Judge  Judge
	Limits Limits
	// Note hears what happens, from both sides at once. It must be cheap, must not
	// call the connection but for Kill, and may be nil.
	Note func(Happening)
	// Pacer may be nil.
	Pacer Pacer
}

// Pacer sees to it that connections which are killed together do not wait for
// what is left of each other.
type Pacer interface {
	// HangUp closes the socket of a killed connection. It may only end what the
	// device receives, and close the socket shortly after.
	HangUp(socket net.Conn)
	// Wait is called before the broker hears of the end of a killed connection, and
	// may wait for a moment.
	Wait()
}

// Limits bound what a device may send and what is kept for it. They count
// without the prefix.
type Limits struct {
	// Packet is the greatest body of a packet from the device in bytes, Payload
	// that of a message.
	Packet, Payload int
	// TopicBytes and TopicSlashes bound topics and filters. $share/<group>/ and
	// $aws/rules/<rule>/ do not count as slashes.
	TopicBytes, TopicSlashes int
	// Filters are those of one SUBSCRIBE, Subscriptions those of a connection.
	Filters, Subscriptions int
	// TopicAliases is how many a device may use, by number from 1.
	TopicAliases int
	// Window is how many QoS 1 messages the device may leave unacknowledged; more
	// wait in its queue.
	Window int
	// QueueMessages and QueueBytes bound what waits for the device. A connection
	// over either is ended, with 0x97.
	QueueMessages, QueueBytes int
	// SessionExpiry is the longest a session is stored that the device may ask for,
	// in whole seconds. 0 is no limit.
	SessionExpiry time.Duration
}

// DefaultLimits are the quotas of AWS IoT Core, and for the queue, about which
// it says nothing, what a device that reads never fills.
func DefaultLimits() Limits {
	return Limits{
		Packet: 146 << 10, Payload: 128 << 10, TopicBytes: 256, TopicSlashes: 7, Filters: 8, Subscriptions: 50,
		TopicAliases: 8, Window: 100, QueueMessages: 10_000, QueueBytes: 4 << 20, SessionExpiry: time.Hour,
	}
}

// Kind says what a [Happening] is about.
type Kind byte

// The kinds.
const (
	// Published is a message from the device, passed on or refused.
	Published Kind = iota + 1
	// Delivered is a message for the device, queued or dropped.
	Delivered
	// Subscribed is a filter of a SUBSCRIBE, granted or refused; Resumed one of a
	// stored session, kept or taken away.
	Subscribed
	Resumed
	// Unsubscribed is a filter of an UNSUBSCRIBE.
	Unsubscribed
)

// Happening is something that a connection did with a packet.
type Happening struct {
	Kind Kind
	// OK is false for what was refused or dropped, and Code says why.
	OK     bool
	Code   mqtt.ReasonCode
	Topic  string // or filter, without the prefix
	QoS    byte
	Retain bool
	Bytes  int // of the payload
}

// Cause says who or what ended a connection.
type Cause byte

// The causes. None is that of a connection that lives.
const (
	None            Cause = iota
	ByClient              // DISCONNECT
	Lost                  // the socket ended, or gave an error
	KeepAlive             // nothing came for one and a half times the keep-alive
	ClientError           // a packet that the standard or a limit forbids
	DeniedPublish         // a message that the device may not publish
	QueueFull             // messages came faster than the device took them
	Killed                // Kill
	ByBroker              // the broker ended it, or refused it
	BrokerViolation       // the broker sent what it must not
)

// End says how a connection ended.
type End struct {
	Cause Cause
	// Code is what the device was told, or sent in its DISCONNECT.
	Code mqtt.ReasonCode
	// Reason is for logs: text without anything that a device chose.
	Reason string
	// Will says that the will is to be sent: always but after a DISCONNECT that
	// does not ask for it [MQTT-3.14.4-3].
	Will bool
}

// Disconnect is the reason in AWS's words. That of [Killed] depends on who
// asked for it; here it is SERVER_INITIATED_DISCONNECT.
func (e End) Disconnect() fleet.DisconnectReason {
	switch e.Cause {
	case None:
		return ""
	case ByClient:
		return fleet.DisconnectByClient
	case KeepAlive:
		return fleet.DisconnectKeepAlive
	case ClientError:
		return fleet.DisconnectClientError
	case DeniedPublish:
		return fleet.DisconnectAuthError
	case QueueFull:
		return fleet.DisconnectThrottled
	case Killed:
		return fleet.DisconnectByServer
	case ByBroker, BrokerViolation:
		return fleet.DisconnectServerError
	default:
		return fleet.DisconnectLost
	}
}
