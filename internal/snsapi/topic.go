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

func (a *api) createTopic(ctx context.Context, in *wire.CreateTopicInput) (*wire.CreateTopicResponse, error) {
	arn := notify.TopicARN{Scope: scopeOf(ctx), Name: opt.Value(in.Name)}
	t, err := a.Topics.CreateTopic(ctx, arn, in.Attributes, tagsOf(in.Tags))
	if err != nil {
		return nil, err
	}
	return &wire.CreateTopicResponse{TopicARN: new(t.ARN.String())}, nil
}

func (a *api) deleteTopic(ctx context.Context, in *wire.DeleteTopicInput) (*wire.DeleteTopicResponse, error) {
	arn, err := a.topicOf(ctx, in.TopicARN)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DeleteTopic(ctx, arn)
}

func (a *api) listTopics(ctx context.Context, in *wire.ListTopicsInput) (*wire.ListTopicsResponse, error) {
	after := ""
	if err := a.Pages.Open(ctx, "ListTopics", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.Topics(ctx, scopeOf(ctx), after, page+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, page)
	out := &wire.ListTopicsResponse{Topics: []wire.Topic{}}
	for _, arn := range list {
		out.Topics = append(out.Topics, wire.Topic{TopicARN: new(arn.String())})
		after = arn.Name
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListTopics", more, after)
	return out, err
}

func (a *api) getTopicAttributes(ctx context.Context, in *wire.GetTopicAttributesInput) (
	*wire.GetTopicAttributesResponse, error,
) {
	arn, err := a.topicOf(ctx, in.TopicARN)
	if err != nil {
		return nil, err
	}
	t, err := a.Store.TopicByARN(ctx, arn)
	if err != nil {
		return nil, err
	}
	confirmed, pending, err := a.Store.CountSubscriptions(ctx, t.Seq)
	if err != nil {
		return nil, err
	}
	return &wire.GetTopicAttributesResponse{Attributes: t.Values(confirmed, pending)}, nil
}

func (a *api) setTopicAttributes(ctx context.Context, in *wire.SetTopicAttributesInput) (
	*wire.SetTopicAttributesResponse, error,
) {
	arn, err := a.topicOf(ctx, in.TopicARN)
	if err != nil {
		return nil, err
	}
	return nil, a.Topics.SetTopicAttribute(ctx, arn, opt.Value(in.AttributeName), opt.Value(in.AttributeValue))
}

// taggedTopic reads the ARN of a topic of the caller's whose tags a call is
// about.
func taggedTopic(ctx context.Context, text *string) (notify.TopicARN, error) {
	arn, err := notify.ParseTopicARN(opt.Value(text))
	if err != nil {
		return arn, fault.New(fault.Invalid, "Invalid parameter: ResourceArn")
	}
	if !isOwn(ctx, arn) || arn.Region != scopeOf(ctx).Region {
		return arn, fault.New(wire.NoResource, "Resource does not exist")
	}
	return arn, nil
}

// tagFault is how the operations on tags say what is wrong.
func tagFault(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(wire.NoResource, "Resource does not exist")
	}
	return as(err, fault.Limit, wire.TagLimit)
}

func (a *api) tagResource(ctx context.Context, in *wire.TagResourceRequest) (*wire.TagResourceResponse, error) {
	arn, err := taggedTopic(ctx, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return nil, tagFault(a.Store.TagTopic(ctx, arn, tagsOf(in.Tags)))
}

func (a *api) untagResource(ctx context.Context, in *wire.UntagResourceRequest) (*wire.UntagResourceResponse, error) {
	arn, err := taggedTopic(ctx, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return nil, tagFault(a.Store.UntagTopic(ctx, arn, in.TagKeys))
}

func (a *api) listTagsForResource(ctx context.Context, in *wire.ListTagsForResourceRequest) (
	*wire.ListTagsForResourceResponse, error,
) {
	arn, err := taggedTopic(ctx, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.TopicTags(ctx, arn)
	if err != nil {
		return nil, tagFault(err)
	}
	out := &wire.ListTagsForResourceResponse{Tags: []wire.Tag{}}
	for _, t := range list {
		out.Tags = append(out.Tags, wire.Tag{Key: &t.Key, Value: &t.Value})
	}
	return out, nil
}

func tagsOf(list []wire.Tag) []fleet.Tag {
	var tags []fleet.Tag
	for _, t := range list {
		tags = append(tags, fleet.Tag{Key: opt.Value(t.Key), Value: opt.Value(t.Value)})
	}
	return tags
}
