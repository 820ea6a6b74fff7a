package notify

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// DeliveryKind says what is delivered.
type DeliveryKind string

// The kinds of delivery.
const (
	DeliverMessage      DeliveryKind = "MESSAGE"
	DeliverConfirmation DeliveryKind = "CONFIRMATION" // asks the endpoint to confirm its subscription
	DeliverEnding       DeliveryKind = "ENDING"       // tells the endpoint how to restore the one that was ended
)

// Asks reports whether what is delivered has a token that confirms the
// subscription.
func (k DeliveryKind) Asks() bool { return k == DeliverConfirmation || k == DeliverEnding }

// DeliveryState says how far a delivery is.
type DeliveryState string

// The states of a delivery.
const (
	Waiting   DeliveryState = "WAITING"
	Delivered DeliveryState = "DELIVERED"
	Dead      DeliveryState = "DEAD" // given up; it can be replayed
)

// Delivery is one message on its way to one endpoint.
type Delivery struct {
	Seq      int64
	Scope    fleet.Scope // of the topic
	Kind     DeliveryKind
	State    DeliveryState
	Attempt  int       // of how many tries it is the last, from 1 once it is claimed
	Next     time.Time // when it is tried next, or its claim ends
	First    time.Time // of the first try; zero before it
	Ended    time.Time // zero while it waits
	Error    string    // of the last try
	Created  time.Time
	Message  *Message      // nil for what has a token
	Receiver *Subscription // nil for what is forwarded
}

// TopicARN is the topic that the delivery is of.
func (d *Delivery) TopicARN() string {
	if d.Message != nil {
		return d.Message.TopicARN
	}
	if d.Receiver != nil {
		return d.Receiver.ARN.Topic.String()
	}
	return ""
}

// Forwarded stands for a subscription where all messages go to another service.
const Forwarded int64 = 0

// FanOut is what becomes of a message that was pending: either it is refused,
// with a reason, or it gets a delivery for each subscription.
type FanOut struct {
	Message       Message
	Refused       string
	Subscriptions []int64 // Seq, or [Forwarded]
	// Rate is how many messages a second the topic sends. A message waits for its
	// turn; Rate 0 sends all at once.
	Rate int
}

// Claim asks for deliveries to one subscription.
type Claim struct {
	Subscription int64 // or [Forwarded]
	Now          time.Time
	// Until is when others may claim them again, if nothing is heard.
	Until time.Time
	Limit int
}

// Outcome is how a try went.
type Outcome struct {
	Delivery Delivery // as it was claimed
	State    DeliveryState
	At       time.Time
	Next     time.Time // for one that waits on
	Error    string    // a short text without secrets
}

// Queue is what the workers that deliver need of the database. Several nodes
// use it at once.
type Queue interface {
	// PendingMessages lists messages without deliveries, oldest first, behind a
	// Seq.
	PendingMessages(ctx context.Context, after int64, limit int) ([]Message, error)
	// TopicByARN is a topic, or a NotFound fault.
	TopicByARN(ctx context.Context, arn TopicARN) (*Topic, error)
	// ConfirmedSubscriptions lists the confirmed subscriptions of a topic, by Seq,
	// behind one.
	ConfirmedSubscriptions(ctx context.Context, topic, after int64, limit int) ([]Subscription, error)
	// FanOut gives messages their deliveries, in one transaction. What is no
	// longer pending is left out: another node was faster. It returns how many
	// messages it settled.
	FanOut(ctx context.Context, list []FanOut) (int, error)
	// DueSubscriptions lists subscriptions, by Seq behind one, that have a
	// delivery which is due; [Forwarded] comes first, behind -1.
	DueSubscriptions(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error)
	// ClaimDeliveries takes due deliveries to a subscription, the longest due
	// first, and counts a try for each. Those of a subscription that has ended,
	// or whose topic has, are deleted instead.
	ClaimDeliveries(ctx context.Context, c Claim) ([]Delivery, error)
	// SettleDeliveries stores how tries went. One that was claimed again since is
	// left out.
	SettleDeliveries(ctx context.Context, list []Outcome) error
	// AddToken stores the hash of a token that confirms a subscription until a
	// time; see [NewToken]. Earlier ones stay good. A subscription that is gone, or confirmed, is
	// a NotFound fault.
	AddToken(ctx context.Context, subscription int64, hash string, expires time.Time) error
	// DeadLetters lists the dead deliveries of a scope by Seq, behind one. A page
	// may be short; the next one begins behind last, which is 0 at the end.
	DeadLetters(ctx context.Context, scope fleet.Scope, after int64, limit int) (list []Delivery, last int64, err error)
	// Replay makes dead deliveries of a scope wait again, as if new, from a time
	// on: those of a list of Seqs, or the first ones of all where it is nil. It
	// returns how many; what is not dead is left out.
	Replay(ctx context.Context, scope fleet.Scope, seqs []int64, from time.Time, limit int) (int, error)
	// Backlog counts what waits and what is dead, up to a limit each.
	Backlog(ctx context.Context, limit int) (Backlog, error)
}

// Backlog is what has not been delivered.
type Backlog struct {
	Pending, Waiting, Dead int
	Oldest                 time.Time // of what waits or is pending; zero for none
}

// Judge decides whether the role of a message may publish it to its topic. A
// text is why not; an error is that nothing was decided.
type Judge interface {
	MayPublish(ctx context.Context, m *Message) (refused string, err error)
}
