package notify

import "time"

// Protocol is the way that messages take to an endpoint, equal to the wire
// value.
type Protocol string

// The protocols that are built.
const (
	HTTP  Protocol = "http"
	HTTPS Protocol = "https"
	Email Protocol = "email"
)

// SubscriptionState says whether messages are delivered.
type SubscriptionState string

// The states of a subscription.
const (
	Unconfirmed SubscriptionState = "PENDING"
	Confirmed   SubscriptionState = "CONFIRMED"
)

// Subscription is an endpoint that hears of the messages of a topic.
type Subscription struct {
	Seq      int64
	ARN      SubscriptionARN
	TopicSeq int64
	Protocol Protocol
	// Endpoint is a URL or an address for mail. It may hold a secret and stands in
	// no log; see [Subscription.Place].
	Endpoint string
	State    SubscriptionState
	// Guarded says that only signed calls end the subscription. AWS calls it
	// AuthenticateOnUnsubscribe.
	Guarded  bool
	Settings Settings
	Created  time.Time
}

// Settings are the attributes of a subscription that its owner sets. What is
// empty was not set.
type Settings struct {
	Raw bool `json:"raw,omitempty"` // RawMessageDelivery
	// FilterPolicy is JSON; FilterScope says what it is about.
	FilterPolicy   string      `json:"filterPolicy,omitempty"`
	FilterScope    FilterScope `json:"filterScope,omitempty"`
	DeliveryPolicy string      `json:"deliveryPolicy,omitempty"`
}

// FilterScope says what part of a message a filter policy is about, equal to
// the wire value. Empty is MessageAttributes.
type FilterScope string

// The scopes of a filter policy.
const (
	ByAttributes FilterScope = "MessageAttributes"
	ByBody       FilterScope = "MessageBody"
)

// TokenLife is how long a subscription can be confirmed with a token, and how
// long one that nobody confirms is kept. Source: SNS, ConfirmSubscription.
const TokenLife = 3 * 24 * time.Hour
