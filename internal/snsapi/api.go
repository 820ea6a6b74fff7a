// Package snsapi is the front door for the API of Amazon SNS: topics and
// subscriptions, and publishing to them.
//
// It reads requests, calls package notify, and writes answers. A topic is named
// by its ARN, which is taken as it is given. One of another account is reached
// where its policy and the caller's permit that; whether they do is decided
// before an operation is called.
package snsapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/snsapi/wire"
)

// Store is what the operations read and what they change without rules.
type Store interface {
	// TopicByARN is a topic, or a NotFound fault.
	TopicByARN(ctx context.Context, arn notify.TopicARN) (*notify.Topic, error)
	// DeleteTopic deletes a topic with all that hangs on it, if it is there.
	DeleteTopic(ctx context.Context, arn notify.TopicARN) error
	// Topics lists the topics of a scope by name, behind one.
	Topics(ctx context.Context, scope fleet.Scope, after string, limit int) ([]notify.TopicARN, error)
	// CountSubscriptions counts the confirmed subscriptions of a topic and those
	// that are not.
	CountSubscriptions(ctx context.Context, topic int64) (confirmed, pending int64, err error)
	// SubscriptionByARN is a subscription, or a NotFound fault.
	SubscriptionByARN(ctx context.Context, arn notify.SubscriptionARN) (*notify.Subscription, error)
	// Subscriptions lists the subscriptions of a scope by Seq, behind one.
	Subscriptions(ctx context.Context, scope fleet.Scope, after int64, limit int) ([]notify.Subscription, error)
	// SubscriptionsOfTopic lists those of a topic by Seq, behind one.
	SubscriptionsOfTopic(ctx context.Context, topic, after int64, limit int) ([]notify.Subscription, error)
	// TagTopic, UntagTopic and TopicTags are for the tags of a topic, NotFound
	// when there is none, and Limit for one tag too many.
	TagTopic(ctx context.Context, arn notify.TopicARN, tags []fleet.Tag) error
	UntagTopic(ctx context.Context, arn notify.TopicARN, keys []string) error
	TopicTags(ctx context.Context, arn notify.TopicARN) ([]fleet.Tag, error)
}

// Config is what the front door is made of.
type Config struct {
	Topics *notify.Service
	Store  Store
	Pages  awswire.Pages
	// Note, if not nil, says what is amiss with the deliveries of a protocol, or
	// "". It is shown as the attribute CordonNote of subscriptions.
	Note func(notify.Protocol) string
}

type api struct{ Config }

// New returns the API of Amazon SNS as far as Cordon has it.
func New(c Config) awswire.Service {
	a := &api{c}
	s := wire.Service([]awswire.Served{
		awswire.Op(wire.CreateTopic, a.createTopic).Refusing("DataProtectionPolicy"),
		awswire.Op(wire.DeleteTopic, a.deleteTopic),
		awswire.Op(wire.ListTopics, a.listTopics),
		awswire.Op(wire.GetTopicAttributes, a.getTopicAttributes),
		awswire.Op(wire.SetTopicAttributes, a.setTopicAttributes),
		awswire.Op(wire.Subscribe, a.subscribe),
		awswire.Op(wire.ConfirmSubscription, a.confirmSubscription).Anonymous(),
		awswire.Op(wire.Unsubscribe, a.unsubscribe).Anonymous(),
		awswire.Op(wire.ListSubscriptions, a.listSubscriptions),
		awswire.Op(wire.ListSubscriptionsByTopic, a.listSubscriptionsByTopic),
		awswire.Op(wire.GetSubscriptionAttributes, a.getSubscriptionAttributes),
		awswire.Op(wire.SetSubscriptionAttributes, a.setSubscriptionAttributes),
		awswire.Op(wire.Publish, a.publish).Refusing(
			"TargetArn", "PhoneNumber", "MessageDeduplicationId", "MessageGroupId"),
		awswire.Op(wire.PublishBatch, a.publishBatch).Refusing(
			"PublishBatchRequestEntries.MessageDeduplicationId", "PublishBatchRequestEntries.MessageGroupId"),
		awswire.Op(wire.TagResource, a.tagResource),
		awswire.Op(wire.UntagResource, a.untagResource),
		awswire.Op(wire.ListTagsForResource, a.listTagsForResource),
	})
	s.Access = access
	return s
}

// page is how many items a page of a list has. Source: SNS, ListTopics.
const page = 100

func scopeOf(ctx context.Context) fleet.Scope {
	c := awswire.CallerFrom(ctx)
	return fleet.Scope{Account: c.Account, Region: c.Region}
}

// signed reports whether the call is, and not by a link alone.
func signed(ctx context.Context) bool { return awswire.CallerFrom(ctx).Account != "" }

// inRegion refuses the ARN of a topic in another region than that of the call.
func inRegion(ctx context.Context, arn notify.TopicARN) error {
	if signed(ctx) && arn.Region != scopeOf(ctx).Region {
		return fault.New(fault.Invalid, "Invalid parameter: TopicArn Reason: the topic is in another region")
	}
	return nil
}

// isOwn reports whether a topic is of the caller's account.
func isOwn(ctx context.Context, arn notify.TopicARN) bool { return arn.Account == scopeOf(ctx).Account }

// topicOf reads the ARN of a topic that the call is about. One of another
// account that has no policy of its own, so that nobody was ever permitted to
// use it, does not exist.
func (a *api) topicOf(ctx context.Context, text *string) (notify.TopicARN, error) {
	arn, err := notify.ParseTopicARN(opt.Value(text))
	if err == nil {
		err = inRegion(ctx, arn)
	}
	if err != nil || isOwn(ctx, arn) {
		return arn, err
	}
	t, err := a.Store.TopicByARN(ctx, arn)
	if err == nil && t.Policy == "" {
		err = notify.NoTopic()
	}
	return arn, err
}

// subscriptionOf reads the ARN of a subscription. One of another account does
// not exist for who signs.
func subscriptionOf(ctx context.Context, text *string) (notify.SubscriptionARN, error) {
	arn, err := notify.ParseSubscriptionARN(opt.Value(text))
	if err == nil {
		err = inRegion(ctx, arn.Topic)
	}
	if err == nil && signed(ctx) && !isOwn(ctx, arn.Topic) {
		err = notify.NoSubscription()
	}
	return arn, err
}

// as gives faults of one code another that this API tells apart from it.
func as(err error, from, to fault.Code) error {
	if f := fault.From(err); f != nil && f.Code == from {
		return fault.New(to, "%s", f.Text)
	}
	return err
}
