package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// tagStore is what the operations on tags need. For each of them a resource
// that is not there is NotFound, and one of a kind that has no tags Invalid.
type tagStore interface {
	// TagResource gives a resource tags, in place of those with their keys.
	// More than a resource may have are Limit.
	TagResource(ctx context.Context, scope fleet.Scope, arn string, tags []fleet.Tag) error
	// UntagResource takes tags away; keys that the resource does not have are
	// fine.
	UntagResource(ctx context.Context, scope fleet.Scope, arn string, keys []string) error
	// Tags lists the tags of a resource by key.
	Tags(ctx context.Context, scope fleet.Scope, arn, after string, limit int) ([]fleet.Tag, error)
}

func (a *API) tagOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.TagResource, a.tagResource),
		awswire.Op(wire.UntagResource, a.untagResource),
		awswire.Op(wire.ListTagsForResource, a.listTagsForResource),
	}
}

// tags reads the tags of a resource that is being made. Too many, a key twice
// or a reserved one are an Invalid fault.
func tags(list []wire.Tag) ([]fleet.Tag, error) {
	out := make([]fleet.Tag, len(list))
	for i, t := range list {
		out[i] = fleet.Tag{Key: opt.Value(t.Key), Value: opt.Value(t.Value)}
	}
	return out, fleet.CheckTags(out)
}

func (a *API) tagResource(ctx context.Context, in *wire.TagResourceRequest) (*wire.TagResourceResponse, error) {
	list, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.TagResource(ctx, scope(ctx), *in.ResourceARN, list)
}

func (a *API) untagResource(ctx context.Context, in *wire.UntagResourceRequest) (*wire.UntagResourceResponse, error) {
	return nil, a.Store.UntagResource(ctx, scope(ctx), *in.ResourceARN, in.TagKeys)
}

func (a *API) listTagsForResource(ctx context.Context, in *wire.ListTagsForResourceRequest) (
	*wire.ListTagsForResourceResponse, error,
) {
	n, after := awswire.PageSize(nil), ""
	if err := a.Pages.Open(ctx, "ListTagsForResource", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.Tags(ctx, scope(ctx), *in.ResourceARN, after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListTagsForResourceResponse{Tags: make([]wire.Tag, len(list))}
	for i, t := range list {
		out.Tags[i] = wire.Tag{Key: &t.Key, Value: &t.Value}
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListTagsForResource", more, last(list).Key)
	return out, err
}
