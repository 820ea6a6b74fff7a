package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

func (j *journey) indexes() {
	config := indexAll()
	things, groups := config.ThingIndexingConfiguration, config.ThingGroupIndexingConfiguration
	things.DeviceDefenderIndexingMode = types.DeviceDefenderIndexingModeOff
	things.NamedShadowIndexingMode = types.NamedShadowIndexingModeOff
	field := func(kind types.FieldType, name string) types.Field { return types.Field{Name: &name, Type: kind} }
	things.ManagedFields = []types.Field{
		field(types.FieldTypeBoolean, "connectivity.connected"),
		field(types.FieldTypeString, "connectivity.disconnectReason"),
		field(types.FieldTypeNumber, "connectivity.timestamp"), field(types.FieldTypeString, "registry.thingGroupNames"),
		field(types.FieldTypeString, "registry.thingTypeName"), field(types.FieldTypeString, "thingId"),
		field(types.FieldTypeString, "thingName"),
	}
	groups.ManagedFields = []types.Field{
		field(types.FieldTypeString, "description"), field(types.FieldTypeString, "parentGroupNames"),
		field(types.FieldTypeString, "thingGroupId"), field(types.FieldTypeString, "thingGroupName"),
	}
	step[iot.UpdateIndexingConfigurationOutput](j, config, nil)
	step(j, &iot.GetIndexingConfigurationInput{}, &iot.GetIndexingConfigurationOutput{
		ThingIndexingConfiguration: things, ThingGroupIndexingConfiguration: groups,
	})
	for index, schema := range map[string]string{
		"AWS_Things": "REGISTRY_AND_CONNECTIVITY_STATUS", "AWS_ThingGroups": "THING_GROUPS",
	} {
		step(j, &iot.DescribeIndexInput{IndexName: &index}, &iot.DescribeIndexOutput{
			IndexName: &index, IndexStatus: types.IndexStatusActive, Schema: &schema,
		})
	}
	pages(j, &iot.ListIndicesInput{MaxResults: new(int32(1))},
		&iot.ListIndicesOutput{IndexNames: []string{"AWS_ThingGroups"}},
		&iot.ListIndicesOutput{IndexNames: []string{"AWS_Things"}})
	j.searches()

	custom := []types.Field{field(types.FieldTypeNumber, "attributes.floor")}
	j.refused("thingIndexingConfiguration.customFields", &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
			ThingIndexingMode: types.ThingIndexingModeRegistry, CustomFields: custom,
		},
	})
	j.refused("thingIndexingConfiguration.filter", &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
			ThingIndexingMode: types.ThingIndexingModeRegistry, Filter: &types.IndexingFilter{NamedShadowNames: []string{"s"}},
		},
	})
	j.refused("thingGroupIndexingConfiguration.customFields", &iot.UpdateIndexingConfigurationInput{
		ThingGroupIndexingConfiguration: &types.ThingGroupIndexingConfiguration{
			ThingGroupIndexingMode: types.ThingGroupIndexingModeOn, CustomFields: custom,
		},
	})
}

func (j *journey) searches() {
	var groupIDs, thingIDs []*string
	for _, parent := range []*string{nil, new("sdk-a")} {
		name := new("sdk-a")
		if parent != nil {
			name = new("sdk-b")
		}
		made := step(j, &iot.CreateThingGroupInput{
			ThingGroupName: name, ParentGroupName: parent,
			ThingGroupProperties: &types.ThingGroupProperties{ThingGroupDescription: new("a place"),
				AttributePayload: &types.AttributePayload{Attributes: map[string]string{"floor": "2"}}},
		}, &iot.CreateThingGroupOutput{ThingGroupName: name, ThingGroupArn: j.arn("thinggroup", *name), ThingGroupId: &some})
		groupIDs = append(groupIDs, made.ThingGroupId)
	}
	step(j, &iot.CreateThingTypeInput{ThingTypeName: new("sdk-type")}, &iot.CreateThingTypeOutput{
		ThingTypeName: new("sdk-type"), ThingTypeArn: j.arn("thingtype", "sdk-type"), ThingTypeId: &some,
	})
	for _, name := range []*string{new("sdk-1"), new("sdk-2")} {
		made := step(j, &iot.CreateThingInput{ThingName: name, ThingTypeName: new("sdk-type"),
			AttributePayload: &types.AttributePayload{Attributes: map[string]string{"floor": "2"}},
		}, &iot.CreateThingOutput{ThingName: name, ThingArn: j.arn("thing", *name), ThingId: &some})
		thingIDs = append(thingIDs, made.ThingId)
		step[iot.AddThingToThingGroupOutput](j, &iot.AddThingToThingGroupInput{
			ThingName: name, ThingGroupName: new("sdk-b"),
		}, nil)
	}
	floor := map[string]string{"floor": "2"}
	thing := func(name string, id *string) *iot.SearchIndexOutput {
		return &iot.SearchIndexOutput{Things: []types.ThingDocument{{
			ThingName: &name, ThingId: id, ThingTypeName: new("sdk-type"), ThingGroupNames: []string{"sdk-b"},
			Attributes: floor, Connectivity: &types.ThingConnectivity{Connected: new(false)},
		}}}
	}
	pages(j, &iot.SearchIndexInput{
		IndexName: new("AWS_Things"), QueryString: new("attributes.floor>1"), QueryVersion: new("2017-09-30"),
		MaxResults: new(int32(1)),
	}, thing("sdk-1", thingIDs[0]), thing("sdk-2", thingIDs[1]))
	group := func(name string, id *string, parents ...string) *iot.SearchIndexOutput {
		return &iot.SearchIndexOutput{ThingGroups: []types.ThingGroupDocument{{
			ThingGroupName: &name, ThingGroupId: id, ThingGroupDescription: new("a place"), Attributes: floor,
			ParentGroupNames: parents,
		}}}
	}
	pages(j, &iot.SearchIndexInput{
		IndexName: new("AWS_ThingGroups"), QueryString: new("thingGroupDescription:place"), MaxResults: new(int32(1)),
	}, group("sdk-a", groupIDs[0]), group("sdk-b", groupIDs[1], "sdk-a"))
}
