package iotapi_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// tagPart has more tags on a group than a page lists.
var tagPart = part{
	furnish: func(t *testing.T, w *world) {
		tags := make([]types.Tag, 30)
		for i := range tags {
			tags[i] = types.Tag{Key: new(fmt.Sprintf("home-%02d", i)), Value: &w.note}
		}
		w.make(t, &iot.TagResourceInput{ResourceArn: w.arn("thinggroup", "home-lab"), Tags: tags})
	},
	reads: func(w *world) []attempt {
		return []attempt{
			{&iot.ListTagsForResourceInput{ResourceArn: w.arn("thinggroup", "home-lab")}, notFound, fine},
		}
	},
	writes: func(w *world) []attempt {
		lab, tag := w.arn("thinggroup", "home-lab"), types.Tag{Key: new("home-new"), Value: new("changed")}
		return []attempt{
			{&iot.TagResourceInput{ResourceArn: lab, Tags: []types.Tag{tag}}, notFound, fine},
			{&iot.UntagResourceInput{ResourceArn: lab, TagKeys: []string{"home-00"}}, notFound, fine},
		}
	},
}
