package notify

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Store is what the service needs of the database.
type Store interface {
	// CreateTopic stores a new topic with its tags, or returns the one of that
	// name when it is the same; else Invalid, or Limit.
	CreateTopic(ctx context.Context, t *Topic, tags []fleet.Tag) (*Topic, error)
	// UpdateTopic stores what change makes of a topic, or is NotFound.
	UpdateTopic(ctx context.Context, arn TopicARN, change func(*Topic) error) error
	// TopicByARN is a topic, or a NotFound fault.
	TopicByARN(ctx context.Context, arn TopicARN) (*Topic, error)
	// Subscribe stores a subscription and asks its endpoint to confirm. The one
	// that the endpoint has is returned; else NotFound, Invalid or Limit.
	Subscribe(ctx context.Context, u Subscription) (*Subscription, error)
	// UpdateSubscription stores what change makes of the settings, or is NotFound.
	UpdateSubscription(ctx context.Context, arn SubscriptionARN, change func(*Subscription) error) error
	// Unsubscribe ends a subscription, or is NotFound.
	Unsubscribe(ctx context.Context, arn SubscriptionARN) error
	// Suspend ends a subscription that may has nothing against until its endpoint
	// confirms it anew, and has the endpoint told; or it is NotFound.
	Suspend(ctx context.Context, arn SubscriptionARN, may func(*Subscription) error) error
	// Confirm confirms the subscription of a token, or is Invalid.
	Confirm(ctx context.Context, topic TopicARN, c Confirmation) (*Subscription, error)
	// EnqueueMessages stores messages that a scope publishes.
	EnqueueMessages(ctx context.Context, scope fleet.Scope, list []Message) error
}

// Service is what accounts may do about topics.
type Service struct {
	Store   Store
	Targets Targets // nil: every endpoint
	Now     func() time.Time
}

// fifoSuffix ends the names of topics that keep an order.
const fifoSuffix = ".fifo"

// CreateTopic makes a topic with attributes by their names, or returns the one
// of that name when it is the same.
func (s *Service) CreateTopic(ctx context.Context, arn TopicARN, attributes map[string]string, tags []fleet.Tag) (
	*Topic, error,
) {
	if strings.HasSuffix(arn.Name, fifoSuffix) || attributes["FifoTopic"] == "true" {
		return nil, invalid("Topic Name Reason: FIFO topics are not supported by this Cordon")
	}
	if !topicName.MatchString(arn.Name) {
		return nil, invalid("Topic Name")
	}
	t := &Topic{ARN: arn, Created: s.Now()}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := t.Set(name, attributes[name]); err != nil {
			return nil, err
		}
	}
	if err := fleet.CheckTags(tags); err != nil {
		return nil, err
	}
	return s.Store.CreateTopic(ctx, t, tags)
}

// SetTopicAttribute sets an attribute of a topic by its name.
func (s *Service) SetTopicAttribute(ctx context.Context, arn TopicARN, name, value string) error {
	return s.Store.UpdateTopic(ctx, arn, func(t *Topic) error { return t.Set(name, value) })
}

// Endpoint is what is to be subscribed.
type Endpoint struct {
	Topic      TopicARN
	Protocol   Protocol
	Address    string
	Attributes map[string]string // by their names
}

// Subscribe makes a subscription that its endpoint has to confirm, or returns
// the one that it has.
func (s *Service) Subscribe(ctx context.Context, e Endpoint) (*Subscription, error) {
	if err := checkEndpoint(e.Protocol, e.Address, s.Targets); err != nil {
		return nil, err
	}
	u := Subscription{
		ARN: SubscriptionARN{Topic: e.Topic, ID: uuid.NewString()}, Protocol: e.Protocol, Endpoint: e.Address,
		State: Unconfirmed, Created: s.Now(),
	}
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		if err := u.Settings.Set(name, e.Attributes[name]); err != nil {
			return nil, err
		}
	}
	if err := u.Settings.check(u.Protocol); err != nil {
		return nil, err
	}
	return s.Store.Subscribe(ctx, u)
}

// SetSubscriptionAttribute sets an attribute of a subscription by its name.
func (s *Service) SetSubscriptionAttribute(ctx context.Context, arn SubscriptionARN, name, value string) error {
	return s.Store.UpdateSubscription(ctx, arn, func(u *Subscription) error {
		if err := u.Settings.Set(name, value); err != nil {
			return err
		}
		return u.Settings.check(u.Protocol)
	})
}

// Confirm confirms the subscription that a token was sent to. Only who signs
// may have it guarded.
func (s *Service) Confirm(ctx context.Context, topic TopicARN, token string, guarded bool) (*Subscription, error) {
	return s.Store.Confirm(ctx, topic, Confirmation{Hash: HashToken(token), Guarded: guarded, Now: s.Now()})
}

// Unsubscribe ends a subscription. Who does not sign may end only one that is
// confirmed and not guarded, else Denied; as everybody who sees a message has the
// link for it, its endpoint is told, and can restore it. Source: SNS, Unsubscribe.
func (s *Service) Unsubscribe(ctx context.Context, arn SubscriptionARN, signed bool) error {
	if signed {
		return s.Store.Unsubscribe(ctx, arn)
	}
	return s.Store.Suspend(ctx, arn, func(u *Subscription) error {
		if u.Guarded || u.State != Confirmed {
			return fault.New(fault.Denied, "the subscription is ended by a signed call alone")
		}
		return nil
	})
}

// Publish stores messages for a topic, which have been checked, and gives each
// its id. They have been stored when it returns, and are delivered later.
func (s *Service) Publish(ctx context.Context, arn TopicARN, list []Message) error {
	if _, err := s.Store.TopicByARN(ctx, arn); err != nil {
		return err
	}
	for i := range list {
		list[i].Scope, list[i].ID, list[i].TopicARN, list[i].Created = arn.Scope, uuid.NewString(), arn.String(), s.Now()
	}
	return s.Store.EnqueueMessages(ctx, arn.Scope, list)
}
