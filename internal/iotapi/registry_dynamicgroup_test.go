package iotapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// dynamicGroup makes a dynamic thing group and waits until its members are
// found.
func dynamicGroup(t *testing.T, c *iot.Client, name, query string) {
	t.Helper()
	_, err := c.CreateDynamicThingGroup(t.Context(), &iot.CreateDynamicThingGroupInput{
		ThingGroupName: &name, QueryString: &query,
	})
	if err != nil {
		t.Fatal(err)
	}
	cordontest.AwaitGroup(t, c, name)
}

// indexed turns on what dynamic groups need.
func indexed(t *testing.T, c *iot.Client) {
	t.Helper()
	if _, err := c.UpdateIndexingConfiguration(t.Context(), indexAll()); err != nil {
		t.Fatal(err)
	}
}

// members are the things in a group.
func members(t *testing.T, c *iot.Client, group string) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := c.ListThingsInThingGroup(ctx, &iot.ListThingsInThingGroupInput{
			ThingGroupName: &group, NextToken: token, MaxResults: new(int32(2)),
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Things, out.NextToken, nil
	})
}

func TestDynamicThingGroups(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		for i := range 5 {
			thing(t, c, fmt.Sprintf("pump-%d", i), "")
		}
		create := func(query string, tags ...types.Tag) error {
			_, err := c.CreateDynamicThingGroup(ctx, &iot.CreateDynamicThingGroupInput{
				ThingGroupName: new("pumps"), QueryString: &query, Tags: tags,
			})
			return err
		}
		expect(t, create("thingName:pump-*"), notFound) // there is no index
		indexed(t, c)
		expect(t, create("thingName:pump-*"), fine)
		expect(t, create("thingName:pump-*"), fine)
		expect(t, create("thingName:pump-1*"), exists)
		expect(t, create("thingName:pump-*", types.Tag{Key: new("a"), Value: new("b")}), exists)
		cordontest.AwaitGroup(t, c, "pumps")
		inOrder(t, "pumps", members(t, c, "pumps"), "pump-0", "pump-1", "pump-2", "pump-3", "pump-4")
		thing(t, c, "pump-5", "")
		inOrder(t, "a new pump", groupsOf(t, c, "pump-5"), "pumps")

		update := func(query *string, expected *int64) error {
			_, err := c.UpdateDynamicThingGroup(ctx, &iot.UpdateDynamicThingGroupInput{
				ThingGroupName: new("pumps"), QueryString: query, ExpectedVersion: expected,
				ThingGroupProperties: &types.ThingGroupProperties{ThingGroupDescription: new("new")},
			})
			return err
		}
		expect(t, update(new("thingName:pump-[3 TO *]"), nil), invalidQuery)
		expect(t, update(new("thingName>pump-3"), new(int64(2))), versionConflict)
		expect(t, update(new("thingName>pump-3"), new(int64(1))), fine)
		got := cordontest.AwaitGroup(t, c, "pumps")
		if got.Version != 2 || *got.QueryString != "thingName>pump-3" ||
			*got.ThingGroupProperties.ThingGroupDescription != "new" {
			t.Errorf("got %s, want another query and description in version 2", words(t, got))
		}
		inOrder(t, "late pumps", members(t, c, "pumps"), "pump-4", "pump-5")
		expect(t, update(nil, nil), fine)
		if got, err := c.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: new("pumps")}); err != nil ||
			got.Status != types.DynamicGroupStatusActive {
			t.Errorf("got %v, %v after another description, want an active group", got, err)
		}

		_, err := c.UpdateIndexingConfiguration(ctx, &iot.UpdateIndexingConfigurationInput{
			ThingIndexingConfiguration: &types.ThingIndexingConfiguration{ThingIndexingMode: types.ThingIndexingModeOff},
		})
		expect(t, err, invalid) // a dynamic group needs it
		_, err = c.DeleteDynamicThingGroup(ctx, &iot.DeleteDynamicThingGroupInput{ThingGroupName: new("pumps")})
		expect(t, err, fine)
		_, err = c.DeleteDynamicThingGroup(ctx, &iot.DeleteDynamicThingGroupInput{ThingGroupName: new("pumps")})
		expect(t, err, fine) // what is gone
		inOrder(t, "pump-5 in the end", groupsOf(t, c, "pump-5"))
	})
}

func TestDynamicThingGroupsAreNoStaticOnes(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	indexed(t, c)
	dynamicGroup(t, c, "dynamic", "thingName:*")
	group(t, c, "static", "")
	thing(t, c, "pump", "")
	policy(t, c, "policy", narrowPolicy)
	if _, err := c.SetV2LoggingOptions(ctx, &iot.SetV2LoggingOptionsInput{
		RoleArn: new(cordontest.RoleARN), DefaultLogLevel: types.LogLevelInfo,
	}); err != nil {
		t.Fatal(err)
	}
	properties := &types.ThingGroupProperties{ThingGroupDescription: new("x")}
	query := new("thingName:*")
	for _, tt := range []struct {
		name string
		in   any
		want want
	}{
		{"joined by a call", &iot.AddThingToThingGroupInput{
			ThingName: new("pump"), ThingGroupName: new("dynamic"), OverrideDynamicGroups: true,
		}, invalid},
		{"left by a call", &iot.RemoveThingFromThingGroupInput{ThingName: new("pump"), ThingGroupName: new("dynamic")},
			invalid},
		{"joined among others", &iot.UpdateThingGroupsForThingInput{
			ThingName: new("pump"), ThingGroupsToAdd: []string{"static", "dynamic"},
		}, invalid},
		{"given a policy", &iot.AttachPolicyInput{
			PolicyName: new("policy"), Target: new("arn:aws:iot:us-east-1:000000000000:thinggroup/dynamic"),
		}, invalid},
		{"given a level of logs", &iot.SetV2LoggingLevelInput{LogLevel: types.LogLevelInfo, LogTarget: &types.LogTarget{
			TargetType: types.LogTargetTypeThingGroup, TargetName: new("dynamic"),
		}}, invalid},
		{"a parent", &iot.CreateThingGroupInput{ThingGroupName: new("x"), ParentGroupName: new("dynamic")}, invalid},
		{"updated as a static one", &iot.UpdateThingGroupInput{
			ThingGroupName: new("dynamic"), ThingGroupProperties: properties,
		}, invalid},
		{"deleted as a static one", &iot.DeleteThingGroupInput{ThingGroupName: new("dynamic")}, invalid},
		{"a static one updated", &iot.UpdateDynamicThingGroupInput{
			ThingGroupName: new("static"), ThingGroupProperties: properties, QueryString: query,
		}, invalid},
		{"a static one deleted", &iot.DeleteDynamicThingGroupInput{ThingGroupName: new("static")}, invalid},
		{"one that is not there updated", &iot.UpdateDynamicThingGroupInput{
			ThingGroupName: new("none"), ThingGroupProperties: properties,
		}, notFound},
		{"over a static one", &iot.CreateDynamicThingGroupInput{ThingGroupName: new("static"), QueryString: query}, exists},
		{"of another index", &iot.CreateDynamicThingGroupInput{
			ThingGroupName: new("x"), QueryString: query, IndexName: new("AWS_ThingGroups"),
		}, notFound},
		{"in another version of the language", &iot.CreateDynamicThingGroupInput{
			ThingGroupName: new("x"), QueryString: query, QueryVersion: new("2026-01-01"),
		}, invalid},
		{"with an open parenthesis", &iot.CreateDynamicThingGroupInput{
			ThingGroupName: new("x"), QueryString: new("(thingName:a"),
		}, invalidQuery},
		{"of a field that is not there", &iot.CreateDynamicThingGroupInput{
			ThingGroupName: new("x"), QueryString: new("shadow.reported.a:1"),
		}, invalidQuery},
		{"too long", &iot.CreateDynamicThingGroupInput{
			ThingGroupName: new("x"), QueryString: new(strings.Repeat("a", 1001)),
		}, invalidQuery},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := call(t, c, tt.in)
			expect(t, err, tt.want)
		})
	}
	_, err := c.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: new("x")})
	expect(t, err, notFound)
	inOrder(t, "pump", groupsOf(t, c, "pump"), "dynamic")
	list := must[*iot.ListThingGroupsOutput](t)(c.ListThingGroups(ctx, &iot.ListThingGroupsInput{Recursive: new(false)}))
	inOrder(t, "groups", groupNames(list.ThingGroups), "dynamic", "static")
}

// A thing in ten groups gives up its youngest dynamic one for a mitigation
// action that may override, and for no other.
func TestMitigationOverridesDynamicGroups(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		indexed(t, c)
		cert := register(t, c, in(-1))
		thing(t, c, "pump", "arn:aws:iot:us-east-1:000000000000:cert/"+cert)
		for i := range 8 {
			group(t, c, fmt.Sprintf("g%d", i), "")
			join(t, c, "pump", fmt.Sprintf("g%d", i))
		}
		dynamicGroup(t, c, "older", "thingName:pump")
		dynamicGroup(t, c, "younger", "thingName:pump")
		group(t, c, "quarantine", "")
		audit, found := audited(t, c, checkExpiring)
		override := joining("quarantine")
		override.AddThingsToThingGroupParams.OverrideDynamicGroups = new(true)
		action(t, c, "join", joining("quarantine"))
		action(t, c, "override", override)
		action(t, c, "dynamic", joining("older"))

		wantTask(t, mitigate(t, c, "not", aim(audit), mapping{checkExpiring: {"join"}}), checkExpiring, taskFailed,
			counts{1, 0, 1, 0, 0})
		inOrder(t, "not", executions(t, c, "not", found[cert]), "join FAILED INVALID_STATE_OF_RESOURCE")
		for _, id := range []string{"once", "twice"} {
			wantTask(t, mitigate(t, c, id, aim(audit), mapping{checkExpiring: {"override"}}), checkExpiring, taskCompleted,
				counts{1, 1, 0, 0, 0})
			inOrder(t, "pump after "+id, groupsOf(t, c, "pump"),
				"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "older", "quarantine")
		}
		mitigate(t, c, "dynamic", aim(audit), mapping{checkExpiring: {"dynamic"}})
		inOrder(t, "dynamic", executions(t, c, "dynamic", found[cert]), "dynamic FAILED INVALID_STATE_OF_RESOURCE")
	})
}
