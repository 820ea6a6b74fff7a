package notify

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

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
	filter   *Filter // of the settings, once it was needed
}

// Settings are the attributes of a subscription that its owner sets. What is
// empty was not set.
type Settings struct {
	Raw bool `json:"raw,omitempty"` // RawMessageDelivery
	// FilterPolicy is JSON; FilterScope says what it is about.
	FilterPolicy string      `json:"filterPolicy,omitempty"`
	FilterScope  FilterScope `json:"filterScope,omitempty"`
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

// Wants reports whether the filter of the subscription lets a message through.
// It is for one goroutine at a time.
func (u *Subscription) Wants(m *Message) bool {
	if u.Settings.FilterPolicy == "" {
		return true
	}
	if u.filter == nil {
		filter, err := ParseFilter(u.Settings.FilterPolicy, u.Settings.FilterScope)
		if err != nil {
			return false // was checked when it was set
		}
		u.filter = filter
	}
	return u.filter.Passes(m, u.Protocol)
}

// NoSubscription is the NotFound fault of a subscription that does not exist.
func NoSubscription() error { return fault.New(fault.NotFound, "Subscription does not exist") }

// Same refuses, by an Invalid fault, to subscribe an endpoint that is
// subscribed with other settings.
func (u *Subscription) Same(want *Subscription) error {
	if u.Settings != want.Settings {
		return fault.New(fault.Invalid,
			"Invalid parameter: Attributes Reason: Subscription already exists with different attributes")
	}
	return nil
}

// Place is where an endpoint is, without what may be secret about it: for logs
// and lists that others see.
func (u *Subscription) Place() string {
	if u.Protocol == Email {
		if _, host, ok := strings.Cut(u.Endpoint, "@"); ok {
			return "…@" + host
		}
		return "…"
	}
	at, err := url.Parse(u.Endpoint)
	if err != nil {
		return "…"
	}
	return at.Scheme + "://" + at.Host
}

// NewToken makes a token that confirms a subscription. The text is for the
// endpoint alone, and is kept nowhere.
func NewToken() (text, hash string) {
	text = rand.Text() + rand.Text()
	return text, HashToken(text)
}

// HashToken returns what is stored of a token and looked up: its SHA-256 in
// hex. Whoever measures how long a comparison of hashes takes learns nothing of
// the token.
func HashToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Confirmation is what confirms a subscription.
type Confirmation struct {
	Hash    string // of the token
	Guarded bool   // see [Subscription]
	Now     time.Time
}

// BadToken is the Invalid fault of a token that confirms nothing.
func BadToken() error { return fault.New(fault.Invalid, "Invalid parameter: Token") }
