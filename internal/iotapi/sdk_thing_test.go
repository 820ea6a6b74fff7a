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
}

func (j *journey) types() {
	name, other := new("sdk-meter"), new("sdk-old")
	made := step(j, &iot.CreateThingTypeInput{
		ThingTypeName: name, ThingTypeProperties: meterProperties(), Tags: tagList("team=red"),
	}, &iot.CreateThingTypeOutput{ThingTypeName: name, ThingTypeArn: j.arn("thingtype", *name), ThingTypeId: &some})
	step(j, &iot.CreateThingTypeInput{ThingTypeName: other},
		&iot.CreateThingTypeOutput{ThingTypeName: other, ThingTypeArn: j.arn("thingtype", *other), ThingTypeId: &some})
	step(j, &iot.ListTagsForResourceInput{ResourceArn: made.ThingTypeArn},
		&iot.ListTagsForResourceOutput{Tags: tagList("team=red")})
	changed := meterProperties()
	changed.ThingTypeDescription, changed.SearchableAttributes = new("changed"), []string{"line"}
	changed.Mqtt5Configuration.PropagatingAttributes[0].UserPropertyKey = new("line")
	step[iot.UpdateThingTypeOutput](j, &iot.UpdateThingTypeInput{ThingTypeName: name, ThingTypeProperties: changed}, nil)
	step[iot.DeprecateThingTypeOutput](j, &iot.DeprecateThingTypeInput{ThingTypeName: name}, nil)
	deprecated := &types.ThingTypeMetadata{CreationDate: &now, Deprecated: true, DeprecationDate: &now}
	step(j, &iot.DescribeThingTypeInput{ThingTypeName: name}, &iot.DescribeThingTypeOutput{
		ThingTypeName: name, ThingTypeArn: made.ThingTypeArn, ThingTypeId: made.ThingTypeId, ThingTypeProperties: changed,
		ThingTypeMetadata: deprecated,
	})
	pages(j, &iot.ListThingTypesInput{ThingTypeName: new("sdk-"), MaxResults: new(int32(1))},
		&iot.ListThingTypesOutput{ThingTypes: []types.ThingTypeDefinition{{
			ThingTypeName: name, ThingTypeArn: made.ThingTypeArn, ThingTypeProperties: changed, ThingTypeMetadata: deprecated,
		}}},
		&iot.ListThingTypesOutput{ThingTypes: []types.ThingTypeDefinition{{
			ThingTypeName: other, ThingTypeArn: j.arn("thingtype", *other), ThingTypeProperties: &types.ThingTypeProperties{},
			ThingTypeMetadata: &types.ThingTypeMetadata{CreationDate: &now},
		}}})
	step[iot.DeprecateThingTypeOutput](j, &iot.DeprecateThingTypeInput{ThingTypeName: name, UndoDeprecate: true}, nil)

	pump := new("sdk-pump")
	thing := step(j, &iot.CreateThingInput{ThingName: pump, ThingTypeName: name},
		&iot.CreateThingOutput{ThingName: pump, ThingArn: j.arn("thing", *pump), ThingId: &some})
	step[iot.UpdateThingOutput](j, &iot.UpdateThingInput{ThingName: pump, ThingTypeName: other}, nil)
	step(j, &iot.DescribeThingInput{ThingName: pump}, &iot.DescribeThingOutput{
		DefaultClientId: pump, ThingName: pump, ThingId: thing.ThingId, ThingArn: thing.ThingArn, ThingTypeName: other,
		Version: 2, Attributes: map[string]string{},
	})
	step(j, &iot.ListThingsInput{ThingTypeName: other}, &iot.ListThingsOutput{Things: []types.ThingAttribute{{
		ThingName: pump, ThingArn: thing.ThingArn, ThingTypeName: other, Version: 2, Attributes: map[string]string{},
	}}})
	step[iot.UpdateThingOutput](j, &iot.UpdateThingInput{ThingName: pump, RemoveThingType: true}, nil)
	step(j, &iot.ListThingsInput{ThingTypeName: other}, &iot.ListThingsOutput{Things: []types.ThingAttribute{}})
	step[iot.DeprecateThingTypeOutput](j, &iot.DeprecateThingTypeInput{ThingTypeName: other}, nil)
	step[iot.DeleteThingTypeOutput](j, &iot.DeleteThingTypeInput{ThingTypeName: other}, nil)
}
