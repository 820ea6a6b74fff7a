package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// dynamicGroupPart has a dynamic group of the things of this world: the note of
// another would match none.
var dynamicGroupPart = part{
	furnish: func(t *testing.T, w *world) {
		w.make(t, indexAll())
		w.make(t, &iot.CreateDynamicThingGroupInput{
			ThingGroupName: new("home-noted"), QueryString: new("attributes.note:" + w.note),
			ThingGroupProperties: &types.ThingGroupProperties{ThingGroupDescription: &w.note},
		})
		cordontest.AwaitGroup(t, w.c, "home-noted")
	},
	reads: func(*world) []attempt {
		return []attempt{
			{&iot.DescribeThingGroupInput{ThingGroupName: new("home-noted")}, notFound, fine},
			{&iot.ListThingsInThingGroupInput{ThingGroupName: new("home-noted")}, notFound, fine},
		}
	},
	writes: func(*world) []attempt {
		properties := &types.ThingGroupProperties{ThingGroupDescription: new("changed")}
		return []attempt{
			{&iot.CreateDynamicThingGroupInput{ThingGroupName: new("home-dynamic"), QueryString: new("thingName:*")},
				notFound, fine}, // nothing is indexed in a strange scope
			{&iot.UpdateDynamicThingGroupInput{
				ThingGroupName: new("home-noted"), QueryString: new("thingName:home-*"), ThingGroupProperties: properties,
			}, notFound, fine},
			{&iot.DeleteDynamicThingGroupInput{ThingGroupName: new("home-noted")}, fine, fine},
			{&iot.DeleteDynamicThingGroupInput{ThingGroupName: new("home-dynamic")}, fine, fine},
		}
	},
}
