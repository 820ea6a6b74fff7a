package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// indexPart is a world in which everything can be searched.
var indexPart = part{
	furnish: func(t *testing.T, w *world) { w.make(t, indexAll()) },
	reads: func(*world) []attempt {
		things, groups := new("AWS_Things"), new("AWS_ThingGroups")
		return []attempt{
			{&iot.SearchIndexInput{QueryString: new("*")}, notFound, fine},
			{&iot.SearchIndexInput{IndexName: things, QueryString: new("thingGroupNames:home-lab attributes.note:*")}, notFound,
				fine},
			{&iot.SearchIndexInput{IndexName: groups, QueryString: new("parentGroupNames:home-site OR home-lab")}, notFound,
				fine},
			{&iot.DescribeIndexInput{IndexName: things}, notFound, fine},
			{&iot.ListIndicesInput{}, fine, fine},
			{&iot.GetIndexingConfigurationInput{}, fine, fine},
		}
	},
	writes: func(*world) []attempt {
		return []attempt{
			{indexAll(), fine, fine},
			{&iot.SearchIndexInput{QueryString: new("*")}, fine, fine},
			{&iot.SearchIndexInput{IndexName: new("AWS_ThingGroups"), QueryString: new("*")}, fine, fine},
			{&iot.UpdateIndexingConfigurationInput{
				ThingIndexingConfiguration: &types.ThingIndexingConfiguration{ThingIndexingMode: types.ThingIndexingModeOff},
				ThingGroupIndexingConfiguration: &types.ThingGroupIndexingConfiguration{
					ThingGroupIndexingMode: types.ThingGroupIndexingModeOff,
				},
			}, fine, fine},
		}
	},
}

// indexAll turns on all that can be searched.
func indexAll() *iot.UpdateIndexingConfigurationInput {
	return &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
			ThingIndexingMode:             types.ThingIndexingModeRegistry,
			ThingConnectivityIndexingMode: types.ThingConnectivityIndexingModeStatus,
		},
		ThingGroupIndexingConfiguration: &types.ThingGroupIndexingConfiguration{
			ThingGroupIndexingMode: types.ThingGroupIndexingModeOn,
		},
	}
}
