package iotapi_test

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func (j *journey) groups() {
	j.groupItself()
	j.groupMembers()
	j.dynamicGroups()
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
}

func (j *journey) dynamicGroups() {
	name, index, query, version := new("sdk-pumps"), new("AWS_Things"), new("thingName:sdk-p*"), new("2017-09-30")
	properties := func(description, floor string) *types.ThingGroupProperties {
		return &types.ThingGroupProperties{ThingGroupDescription: &description,
			AttributePayload: &types.AttributePayload{Attributes: map[string]string{"floor": floor}, Merge: true}}
	}
	step[iot.UpdateIndexingConfigurationOutput](j, indexAll(), nil)
	made := step(j, &iot.CreateDynamicThingGroupInput{
		ThingGroupName: name, IndexName: index, QueryString: query, QueryVersion: version,
		ThingGroupProperties: properties("all pumps", "1"), Tags: []types.Tag{{Key: new("team"), Value: new("pumps")}},
	}, &iot.CreateDynamicThingGroupOutput{
		ThingGroupName: name, ThingGroupArn: j.arn("thinggroup", *name), ThingGroupId: &some, IndexName: index,
		QueryString: query, QueryVersion: version,
	})
	query = new("thingName:sdk-v*")
	step(j, &iot.UpdateDynamicThingGroupInput{
		ThingGroupName: name, IndexName: index, QueryString: query, QueryVersion: version, ExpectedVersion: new(int64(1)),
		ThingGroupProperties: properties("all valves", "2"),
	}, &iot.UpdateDynamicThingGroupOutput{Version: 2})
	cordontest.AwaitGroup(j, j.c, *name)
	described := properties("all valves", "2")
	described.AttributePayload.Merge = false
	step(j, &iot.DescribeThingGroupInput{ThingGroupName: name}, &iot.DescribeThingGroupOutput{
		ThingGroupName: name, ThingGroupId: made.ThingGroupId, ThingGroupArn: made.ThingGroupArn, Version: 2,
		IndexName: index, QueryString: query, QueryVersion: version, Status: types.DynamicGroupStatusActive,
		ThingGroupProperties: described, ThingGroupMetadata: &types.ThingGroupMetadata{CreationDate: &now},
	})
	step(j, &iot.ListThingsInThingGroupInput{ThingGroupName: name},
		&iot.ListThingsInThingGroupOutput{Things: []string{"sdk-valve"}})

	// A thing in ten groups gives up the dynamic one.
	pump, crowd := new("sdk-pump"), make([]string, 11)
	for i := range crowd {
		crowd[i] = fmt.Sprintf("sdk-crowd-%d", i)
		group(j, j.c, crowd[i], "")
	}
	valve := new("sdk-valve")
	step[iot.UpdateThingGroupsForThingOutput](j, &iot.UpdateThingGroupsForThingInput{
		ThingName: valve, ThingGroupsToAdd: crowd[:9],
	}, nil)
	step[iot.UpdateThingGroupsForThingOutput](j, &iot.UpdateThingGroupsForThingInput{
		ThingName: valve, ThingGroupsToAdd: crowd[9:10], OverrideDynamicGroups: true,
	}, nil)
	step(j, &iot.ListThingsInThingGroupInput{ThingGroupName: name}, &iot.ListThingsInThingGroupOutput{})
	step[iot.AddThingToThingGroupOutput](j, &iot.AddThingToThingGroupInput{
		ThingName: pump, ThingGroupName: &crowd[10], OverrideDynamicGroups: true,
	}, nil)
	step[iot.DeleteDynamicThingGroupOutput](j, &iot.DeleteDynamicThingGroupInput{
		ThingGroupName: name, ExpectedVersion: new(int64(2)),
	}, nil)
}
