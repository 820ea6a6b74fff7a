package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

func (j *journey) things() {
	name, other := new("sdk-pump"), new("sdk-valve")
	made := step(j, &iot.CreateThingInput{ThingName: name, AttributePayload: &types.AttributePayload{
		Attributes: map[string]string{"site": "hall"}, Merge: true,
	}}, &iot.CreateThingOutput{ThingName: name, ThingArn: j.arn("thing", *name), ThingId: &some})
	step[iot.CreateThingOutput](j, &iot.CreateThingInput{ThingName: other, AttributePayload: &types.AttributePayload{
		Attributes: map[string]string{"site": "hallway"},
	}}, &iot.CreateThingOutput{ThingName: other, ThingArn: j.arn("thing", *other), ThingId: &some})
	step[iot.UpdateThingOutput](j, &iot.UpdateThingInput{ThingName: name, ExpectedVersion: new(int64(1)),
		AttributePayload: &types.AttributePayload{Attributes: map[string]string{"floor": "2"}, Merge: true}}, nil)
	attributes := map[string]string{"site": "hall", "floor": "2"}
	step(j, &iot.DescribeThingInput{ThingName: name}, &iot.DescribeThingOutput{
		DefaultClientId: name, ThingName: name, ThingId: made.ThingId, ThingArn: made.ThingArn, Attributes: attributes,
		Version: 2,
	})
	pump := types.ThingAttribute{ThingName: name, ThingArn: made.ThingArn, Attributes: attributes, Version: 2}
	valve := types.ThingAttribute{ThingName: other, ThingArn: j.arn("thing", *other), Version: 1,
		Attributes: map[string]string{"site": "hallway"}}
	pages(j, &iot.ListThingsInput{AttributeName: new("site"), AttributeValue: new("hall"), UsePrefixAttributeValue: true,
		MaxResults: new(int32(1))},
		&iot.ListThingsOutput{Things: []types.ThingAttribute{pump}},
		&iot.ListThingsOutput{Things: []types.ThingAttribute{valve}})
	step[iot.DeleteThingOutput](j, &iot.DeleteThingInput{ThingName: other, ExpectedVersion: new(int64(1))}, nil)

	j.refused("billingGroupName", &iot.CreateThingInput{ThingName: name, BillingGroupName: new("b")})
	j.refused("thingTypeName", &iot.CreateThingInput{ThingName: name, ThingTypeName: new("t")})
	j.refused("thingTypeName", &iot.UpdateThingInput{ThingName: name, ThingTypeName: new("t")})
	j.refused("removeThingType", &iot.UpdateThingInput{ThingName: name, RemoveThingType: true})
	j.refused("thingTypeName", &iot.ListThingsInput{ThingTypeName: new("t")})
}
