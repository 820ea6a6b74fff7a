package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

func (j *journey) groups() {
	j.groupItself()
	j.groupMembers()
}

// groupArn is how lists name a group.
func (j *journey) groupArn(name string) types.GroupNameAndArn {
	return types.GroupNameAndArn{GroupName: &name, GroupArn: j.arn("thinggroup", name)}
}

func (j *journey) groupItself() {
	site, hall, shed := new("sdk-site"), new("sdk-site-hall"), new("sdk-site-shed")
	properties := func(attributes map[string]string) *types.ThingGroupProperties {
		return &types.ThingGroupProperties{ThingGroupDescription: new("where things are"),
			AttributePayload: &types.AttributePayload{Attributes: attributes, Merge: true}}
	}
	step(j, &iot.CreateThingGroupInput{ThingGroupName: site},
		&iot.CreateThingGroupOutput{ThingGroupName: site, ThingGroupArn: j.arn("thinggroup", *site), ThingGroupId: &some})
	made := step(j, &iot.CreateThingGroupInput{
		ThingGroupName: hall, ParentGroupName: site, ThingGroupProperties: properties(map[string]string{"floor": "2"}),
		Tags: []types.Tag{{Key: new("team"), Value: new("pumps")}},
	}, &iot.CreateThingGroupOutput{ThingGroupName: hall, ThingGroupArn: j.arn("thinggroup", *hall), ThingGroupId: &some})
	step(j, &iot.CreateThingGroupInput{ThingGroupName: shed, ParentGroupName: site},
		&iot.CreateThingGroupOutput{ThingGroupName: shed, ThingGroupArn: j.arn("thinggroup", *shed), ThingGroupId: &some})
	step(j, &iot.UpdateThingGroupInput{
		ThingGroupName: hall, ExpectedVersion: new(int64(1)),
		ThingGroupProperties: properties(map[string]string{"wing": "b"}),
	}, &iot.UpdateThingGroupOutput{Version: 2})
	described := &iot.DescribeThingGroupOutput{
		ThingGroupName: hall, ThingGroupId: made.ThingGroupId, ThingGroupArn: made.ThingGroupArn, Version: 2,
		ThingGroupProperties: properties(map[string]string{"floor": "2", "wing": "b"}),
		ThingGroupMetadata: &types.ThingGroupMetadata{ParentGroupName: site, CreationDate: &now,
			RootToParentThingGroups: []types.GroupNameAndArn{j.groupArn(*site)}},
	}
	described.ThingGroupProperties.AttributePayload.Merge = false
	step(j, &iot.DescribeThingGroupInput{ThingGroupName: hall}, described)
	pages(j, &iot.ListThingGroupsInput{ParentGroup: site, NamePrefixFilter: new("sdk-site-"), Recursive: new(true),
		MaxResults: new(int32(1))},
		&iot.ListThingGroupsOutput{ThingGroups: []types.GroupNameAndArn{j.groupArn(*hall)}},
		&iot.ListThingGroupsOutput{ThingGroups: []types.GroupNameAndArn{j.groupArn(*shed)}})
	step[iot.DeleteThingGroupOutput](j, &iot.DeleteThingGroupInput{
		ThingGroupName: shed, ExpectedVersion: new(int64(1)),
	}, nil)
}

func (j *journey) groupMembers() {
	lab, yard := new("sdk-lab"), new("sdk-yard")
	pump, valve := new("sdk-pump"), new("sdk-valve")
	for _, name := range []*string{lab, yard} {
		step(j, &iot.CreateThingGroupInput{ThingGroupName: name},
			&iot.CreateThingGroupOutput{ThingGroupName: name, ThingGroupArn: j.arn("thinggroup", *name), ThingGroupId: &some})
	}
	for _, name := range []*string{pump, valve} {
		step(j, &iot.CreateThingInput{ThingName: name},
			&iot.CreateThingOutput{ThingName: name, ThingArn: j.arn("thing", *name), ThingId: &some})
	}
	step[iot.AddThingToThingGroupOutput](j, &iot.AddThingToThingGroupInput{ThingName: pump, ThingGroupName: lab}, nil)
	step[iot.AddThingToThingGroupOutput](j, &iot.AddThingToThingGroupInput{
		ThingArn: j.arn("thing", *valve), ThingGroupArn: j.arn("thinggroup", *lab),
	}, nil)
	pages(j, &iot.ListThingsInThingGroupInput{ThingGroupName: lab, Recursive: true, MaxResults: new(int32(1))},
		&iot.ListThingsInThingGroupOutput{Things: []string{*pump}},
		&iot.ListThingsInThingGroupOutput{Things: []string{*valve}})
	step[iot.RemoveThingFromThingGroupOutput](j, &iot.RemoveThingFromThingGroupInput{
		ThingArn: j.arn("thing", *valve), ThingGroupArn: j.arn("thinggroup", *lab),
	}, nil)
	step[iot.UpdateThingGroupsForThingOutput](j, &iot.UpdateThingGroupsForThingInput{
		ThingName: valve, ThingGroupsToAdd: []string{*lab, *yard},
	}, nil)
	pages(j, &iot.ListThingGroupsForThingInput{ThingName: valve, MaxResults: new(int32(1))},
		&iot.ListThingGroupsForThingOutput{ThingGroups: []types.GroupNameAndArn{j.groupArn(*lab)}},
		&iot.ListThingGroupsForThingOutput{ThingGroups: []types.GroupNameAndArn{j.groupArn(*yard)}})
	step[iot.UpdateThingGroupsForThingOutput](j, &iot.UpdateThingGroupsForThingInput{
		ThingName: valve, ThingGroupsToRemove: []string{*yard},
	}, nil)
	step[iot.RemoveThingFromThingGroupOutput](j, &iot.RemoveThingFromThingGroupInput{
		ThingName: valve, ThingGroupName: lab,
	}, nil)
	step(j, &iot.ListThingGroupsForThingInput{ThingName: valve}, &iot.ListThingGroupsForThingOutput{})
	j.refused("overrideDynamicGroups", &iot.AddThingToThingGroupInput{OverrideDynamicGroups: true})
	j.refused("overrideDynamicGroups", &iot.UpdateThingGroupsForThingInput{OverrideDynamicGroups: true})
}
