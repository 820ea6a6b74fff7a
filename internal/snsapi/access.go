package snsapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/snsapi/wire"
)

// access is what each operation needs; the others need the action of their name
// on every resource. Source: Service Authorization Reference, Amazon SNS.
var access = map[string]awswire.Access{
	"CreateTopic": awswire.On(func(ctx context.Context, in *wire.CreateTopicInput) []awswire.Need {
		arn := notify.TopicARN{Scope: scopeOf(ctx), Name: opt.Value(in.Name)}
		return []awswire.Need{{Action: "sns:CreateTopic", Resource: arn.String(), Keys: tagKeys(in.Tags)}}
	}),
	"DeleteTopic": onTopic("DeleteTopic", func(in *wire.DeleteTopicInput) *string { return in.TopicARN }),
	"GetTopicAttributes": onTopic("GetTopicAttributes",
		func(in *wire.GetTopicAttributesInput) *string { return in.TopicARN }),
	"SetTopicAttributes": onTopic("SetTopicAttributes",
		func(in *wire.SetTopicAttributesInput) *string { return in.TopicARN }),
	"Subscribe": awswire.On(func(_ context.Context, in *wire.SubscribeInput) []awswire.Need {
		return []awswire.Need{{Action: "sns:Subscribe", Resource: opt.Value(in.TopicARN), Keys: map[string][]string{
			"sns:Protocol": {opt.Value(in.Protocol)}, "sns:Endpoint": {opt.Value(in.Endpoint)},
		}}}
	}),
	"ConfirmSubscription": onTopic("ConfirmSubscription",
		func(in *wire.ConfirmSubscriptionInput) *string { return in.TopicARN }),
	"ListSubscriptionsByTopic": onTopic("ListSubscriptionsByTopic",
		func(in *wire.ListSubscriptionsByTopicInput) *string { return in.TopicARN }),
	"Publish":      onTopic("Publish", func(in *wire.PublishInput) *string { return in.TopicARN }),
	"PublishBatch": onTopic("Publish", func(in *wire.PublishBatchInput) *string { return in.TopicARN }),
	"TagResource": awswire.On(func(_ context.Context, in *wire.TagResourceRequest) []awswire.Need {
		return []awswire.Need{{Action: "sns:TagResource", Resource: opt.Value(in.ResourceARN), Keys: tagKeys(in.Tags)}}
	}),
	"UntagResource": awswire.On(func(_ context.Context, in *wire.UntagResourceRequest) []awswire.Need {
		return []awswire.Need{{Action: "sns:UntagResource", Resource: opt.Value(in.ResourceARN), Keys: map[string][]string{
			"aws:TagKeys": in.TagKeys,
		}}}
	}),
	"ListTagsForResource": onTopic("ListTagsForResource",
		func(in *wire.ListTagsForResourceRequest) *string { return in.ResourceARN }),
}

// onTopic is the access to an operation on one topic.
func onTopic[In any](action string, arn func(*In) *string) awswire.Access {
	return awswire.On(func(_ context.Context, in *In) []awswire.Need {
		return []awswire.Need{{Action: "sns:" + action, Resource: opt.Value(arn(in))}}
	})
}

// tagKeys are the condition keys of tags that a request gives.
func tagKeys(tags []wire.Tag) map[string][]string {
	if len(tags) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tags {
		awswire.AddTag(keys, opt.Value(t.Key), opt.Value(t.Value))
	}
	return keys
}
