package iotapi_test

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

func (j *journey) tags() {
	group(j.T, j.c, "sdk-site", "")
	arn := j.arn("thinggroup", "sdk-site")
	const page = 25
	var list []types.Tag
	for i := range page + 1 {
		list = append(list, types.Tag{Key: new(fmt.Sprintf("key-%02d", i)), Value: new(fmt.Sprint("value ", i))})
	}
	gone := types.Tag{Key: new("gone"), Value: new("soon")}
	step[iot.TagResourceOutput](j, &iot.TagResourceInput{ResourceArn: arn, Tags: append(list, gone)}, nil)
	step[iot.UntagResourceOutput](j, &iot.UntagResourceInput{ResourceArn: arn, TagKeys: []string{*gone.Key}}, nil)
	pages(j, &iot.ListTagsForResourceInput{ResourceArn: arn},
		&iot.ListTagsForResourceOutput{Tags: list[:page]}, &iot.ListTagsForResourceOutput{Tags: list[page:]})
}
