package snsapi

import (
	"context"
	"strings"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/snsapi/wire"
)

// What stands in the place of the ARN of a subscription that is not confirmed,
// in the answer of Subscribe and in lists.
const (
	pendingAnswer = "pending confirmation"
	pendingListed = "PendingConfirmation"
)

func (a *api) subscribe(ctx context.Context, in *wire.SubscribeInput) (*wire.SubscribeResponse, error) {
	arn, err := a.topicOf(ctx, in.TopicARN)
	if err != nil {
		return nil, err
	}
	if !isOwn(ctx, arn) {
		return nil, fault.New(fault.Denied, "Only the account of a topic subscribes to it")
	}
	u, err := a.Topics.Subscribe(ctx, notify.Endpoint{
		Topic: arn, Protocol: notify.Protocol(opt.Value(in.Protocol)), Address: opt.Value(in.Endpoint),
		Attributes: in.Attributes,
	})
	if err != nil {
		return nil, as(err, fault.Limit, wire.SubscriptionLimit)
	}
	text := u.ARN.String()
	if u.State != notify.Confirmed && !opt.Value(in.ReturnSubscriptionARN) {
		text = pendingAnswer
	}
	return &wire.SubscribeResponse{SubscriptionARN: &text}, nil
}

func (a *api) confirmSubscription(ctx context.Context, in *wire.ConfirmSubscriptionInput) (
	*wire.ConfirmSubscriptionResponse, error,
) {
	arn, err := notify.ParseTopicARN(opt.Value(in.TopicARN))
	if err == nil {
		err = inRegion(ctx, arn)
	}
	if err != nil {
		return nil, err
	}
	guarded := false
	switch strings.ToLower(opt.Value(in.AuthenticateOnUnsubscribe)) {
	case "", "false":
	case "true":
		guarded = signed(ctx)
	default:
		return nil, fault.New(fault.Invalid, "Invalid parameter: AuthenticateOnUnsubscribe")
	}
	u, err := a.Topics.Confirm(ctx, arn, opt.Value(in.Token), guarded)
	if err != nil {
		return nil, err
	}
	return &wire.ConfirmSubscriptionResponse{SubscriptionARN: new(u.ARN.String())}, nil
}

func (a *api) unsubscribe(ctx context.Context, in *wire.UnsubscribeInput) (*wire.UnsubscribeResponse, error) {
	arn, err := subscriptionOf(ctx, in.SubscriptionARN)
	if err != nil {
		return nil, err
	}
	return nil, a.Topics.Unsubscribe(ctx, arn, signed(ctx))
}

func (a *api) listSubscriptions(ctx context.Context, in *wire.ListSubscriptionsInput) (
	*wire.ListSubscriptionsResponse, error,
) {
	after := int64(0)
	if err := a.Pages.Open(ctx, "ListSubscriptions", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.Subscriptions(ctx, scopeOf(ctx), after, page+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, page)
	out := &wire.ListSubscriptionsResponse{Subscriptions: listed(list)}
	out.NextToken, err = a.Pages.Next(ctx, "ListSubscriptions", more, lastOf(list))
	return out, err
}

// topicPage is where a page of the subscriptions of a topic begins. A token is
// good for its topic alone.
type topicPage struct{ Topic, After int64 }

func (a *api) listSubscriptionsByTopic(ctx context.Context, in *wire.ListSubscriptionsByTopicInput) (
	*wire.ListSubscriptionsByTopicResponse, error,
) {
	arn, err := a.topicOf(ctx, in.TopicARN)
	if err != nil {
		return nil, err
	}
	t, err := a.Store.TopicByARN(ctx, arn)
	if err != nil {
		return nil, err
	}
	at := topicPage{Topic: t.Seq}
	if err := a.Pages.Open(ctx, "ListSubscriptionsByTopic", in.NextToken, &at); err != nil {
		return nil, err
	}
	if at.Topic != t.Seq {
		return nil, fault.New(fault.Invalid, "Invalid parameter: NextToken")
	}
	list, err := a.Store.SubscriptionsOfTopic(ctx, t.Seq, at.After, page+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, page)
	out := &wire.ListSubscriptionsByTopicResponse{Subscriptions: listed(list)}
	out.NextToken, err = a.Pages.Next(ctx, "ListSubscriptionsByTopic", more, topicPage{t.Seq, lastOf(list)})
	return out, err
}

func lastOf(list []notify.Subscription) int64 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].Seq
}

func listed(list []notify.Subscription) []wire.Subscription {
	out := make([]wire.Subscription, len(list))
	for i := range list {
		u := &list[i]
		text := u.ARN.String()
		if u.State != notify.Confirmed {
			text = pendingListed
		}
		out[i] = wire.Subscription{
			SubscriptionARN: &text, Owner: &u.ARN.Topic.Account, Protocol: new(string(u.Protocol)), Endpoint: &u.Endpoint,
			TopicARN: new(u.ARN.Topic.String()),
		}
	}
	return out
}

// noteAttribute is an attribute of subscriptions that SNS has not.
const noteAttribute = "CordonNote"

func (a *api) getSubscriptionAttributes(ctx context.Context, in *wire.GetSubscriptionAttributesInput) (
	*wire.GetSubscriptionAttributesResponse, error,
) {
	arn, err := subscriptionOf(ctx, in.SubscriptionARN)
	if err != nil {
		return nil, err
	}
	u, err := a.Store.SubscriptionByARN(ctx, arn)
	if err != nil {
		return nil, err
	}
	attributes := u.Values()
	if a.Note != nil {
		if note := a.Note(u.Protocol); note != "" {
			attributes[noteAttribute] = note
		}
	}
	return &wire.GetSubscriptionAttributesResponse{Attributes: attributes}, nil
}

func (a *api) setSubscriptionAttributes(ctx context.Context, in *wire.SetSubscriptionAttributesInput) (
	*wire.SetSubscriptionAttributesResponse, error,
) {
	arn, err := subscriptionOf(ctx, in.SubscriptionARN)
	if err != nil {
		return nil, err
	}
	return nil, a.Topics.SetSubscriptionAttribute(ctx, arn, opt.Value(in.AttributeName), opt.Value(in.AttributeValue))
}
