package snsapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/snsapi/wire"
)

// access is what each operation needs; the others need the action of their name
// on every resource. Source: Service Authorization Reference, Amazon SNS.
var access = map[string]awswire.Access{
	"CreateTopic": awswire.On(func(ctx context.Context, in *wire.CreateTopicInput) []awswire.Need {
		arn := notify.TopicARN{Scope: scopeOf(ctx), Name: value(in.Name)}
		return []awswire.Need{{Action: "sns:CreateTopic", Resource: arn.String(), Keys: tagKeys(in.Tags)}}
	}),
	"DeleteTopic": onTopic("DeleteTopic", func(in *wire.DeleteTopicInput) *string { return in.TopicARN }),
	"GetTopicAttributes": onTopic("GetTopicAttributes",
		func(in *wire.GetTopicAttributesInput) *string { return in.TopicARN }),
	"SetTopicAttributes": onTopic("SetTopicAttributes",
		func(in *wire.SetTopicAttributesInput) *string { return in.TopicARN }),
	"Subscribe": awswire.On(func(_ context.Context, in *wire.SubscribeInput) []awswire.Need {
		return []awswire.Need{{Action: "sns:Subscribe", Resource: value(in.TopicARN), Keys: map[string][]string{
			"sns:Protocol": {value(in.Protocol)}, "sns:Endpoint": {value(in.Endpoint)},
		}}}
	}),
	"ConfirmSubscription": onTopic("ConfirmSubscription",
		func(in *wire.ConfirmSubscriptionInput) *string { return in.TopicARN }),
	"ListSubscriptionsByTopic": onTopic("ListSubscriptionsByTopic",
		func(in *wire.ListSubscriptionsByTopicInput) *string { return in.TopicARN }),
	"Publish":      onTopic("Publish", func(in *wire.PublishInput) *string { return in.TopicARN }),
	"PublishBatch": onTopic("Publish", func(in *wire.PublishBatchInput) *string { return in.TopicARN }),
	"TagResource": awswire.On(func(_ context.Context, in *wire.TagResourceRequest) []awswire.Need {
		return []awswire.Need{{Action: "sns:TagResource", Resource: value(in.ResourceARN), Keys: tagKeys(in.Tags)}}
	}),
	"UntagResource": awswire.On(func(_ context.Context, in *wire.UntagResourceRequest) []awswire.Need {
		return []awswire.Need{{Action: "sns:UntagResource", Resource: value(in.ResourceARN), Keys: map[string][]string{
			"aws:TagKeys": in.TagKeys,
		}}}
	}),
	"ListTagsForResource": onTopic("ListTagsForResource",
		func(in *wire.ListTagsForResourceRequest) *string { return in.ResourceARN }),
}

// onTopic is the access to an operation on one topic.
func onTopic[In any](action string, arn func(*In) *string) awswire.Access {
	return awswire.On(func(_ context.Context, in *In) []awswire.Need {
		return []awswire.Need{{Action: "sns:" + action, Resource: value(arn(in))}}
	})
}

// tagKeys are the condition keys of tags that a request gives.
func tagKeys(tags []wire.Tag) map[string][]string {
	if len(tags) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tags {
		keys["aws:RequestTag/"+value(t.Key)] = []string{value(t.Value)}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], value(t.Key))
	}
	return keys
}
