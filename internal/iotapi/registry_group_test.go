package iotapi_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func TestThingGroups(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		group(t, c, "plant", "")
		group(t, c, "hall", "plant")
		create := func(description string, tags ...types.Tag) (*iot.CreateThingGroupOutput, error) {
			return c.CreateThingGroup(ctx, &iot.CreateThingGroupInput{
				ThingGroupName: new("line"), ParentGroupName: new("hall"), Tags: tags,
				ThingGroupProperties: &types.ThingGroupProperties{
					ThingGroupDescription: &description, AttributePayload: payload(notes{"owner": "anna"}, false),
				},
			})
		}
		tag := types.Tag{Key: new("team"), Value: new("red")}
		made := must[*iot.CreateThingGroupOutput](t)(create("first line", tag))
		again, err := create("first line", tag)
		if err != nil || *again.ThingGroupId != *made.ThingGroupId {
			t.Errorf("got %v, %v for the same group again, want the first one", again, err)
		}
		_, err = create("another line", tag)
		expect(t, err, exists)
		_, err = create("first line")
		expect(t, err, exists)
		wantGroup := func(description string, attributes notes, version int64) {
			t.Helper()
			out, err := c.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: new("line")})
			if err != nil {
				t.Fatal(err)
			}
			p, m := out.ThingGroupProperties, out.ThingGroupMetadata
			if *out.ThingGroupArn != "arn:aws:iot:us-east-1:000000000000:thinggroup/line" ||
				*out.ThingGroupId != *made.ThingGroupId ||
				*p.ThingGroupDescription != description || !maps.Equal(p.AttributePayload.Attributes, attributes) ||
				out.Version != version || *m.ParentGroupName != "hall" || m.CreationDate == nil {
				t.Errorf("got %+v, want %q with %v in version %d", out, description, attributes, version)
			}
			inOrder(t, "ancestors", groupNames(m.RootToParentThingGroups), "plant", "hall")
		}
		wantGroup("first line", notes{"owner": "anna"}, 1)
		update := func(p *types.ThingGroupProperties, expected *int64) (int64, error) {
			out, err := c.UpdateThingGroup(ctx, &iot.UpdateThingGroupInput{
				ThingGroupName: new("line"), ThingGroupProperties: p, ExpectedVersion: expected,
			})
			if err != nil {
				return 0, err
			}
			return out.Version, nil
		}
		version, err := update(&types.ThingGroupProperties{AttributePayload: payload(notes{"shift": "2"}, true)},
			new(int64(1)))
		if err != nil || version != 2 {
			t.Errorf("got version %d, %v, want 2", version, err)
		}
		wantGroup("first line", notes{"owner": "anna", "shift": "2"}, 2)
		_, err = update(&types.ThingGroupProperties{
			ThingGroupDescription: new("the line"), AttributePayload: payload(notes{}, false),
		}, nil)
		expect(t, err, fine)
		wantGroup("the line", nil, 3)
		_, err = update(&types.ThingGroupProperties{ThingGroupDescription: new("late")}, new(int64(2)))
		expect(t, err, versionConflict)

		remove := func(name string, expected *int64) error {
			_, err := c.DeleteThingGroup(ctx, &iot.DeleteThingGroupInput{ThingGroupName: &name, ExpectedVersion: expected})
			return err
		}
		expect(t, remove("plant", nil), invalid) // it has children
		expect(t, remove("line", new(int64(2))), versionConflict)
		expect(t, remove("line", new(int64(3))), fine)
		expect(t, remove("line", nil), fine) // what is gone
		_, err = c.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: new("line")})
		expect(t, err, notFound)
		_, err = create("first line", tag) // its tags went with it
		expect(t, err, fine)
		_, err = c.CreateThingGroup(ctx, &iot.CreateThingGroupInput{ThingGroupName: new("x"), ParentGroupName: new("none")})
		expect(t, err, invalid) // the operation declares no ResourceNotFoundException
	})
}

func TestThingGroupsAreListed(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		for _, g := range [][2]string{{"a", ""}, {"a-1", "a"}, {"a-1-1", "a-1"}, {"a-2", "a"}, {"b", ""}} {
			group(t, c, g[0], g[1])
		}
		for _, tt := range []struct {
			name string
			in   iot.ListThingGroupsInput
			want []string
		}{
			{"all", iot.ListThingGroupsInput{}, []string{"a", "a-1", "a-1-1", "a-2", "b"}},
			{"the roots", iot.ListThingGroupsInput{Recursive: new(false)}, []string{"a", "b"}},
			{"children", iot.ListThingGroupsInput{ParentGroup: new("a")}, []string{"a-1", "a-2"}},
			{"children of children too", iot.ListThingGroupsInput{ParentGroup: new("a"), Recursive: new(true)},
				[]string{"a-1", "a-1-1", "a-2"}},
			{"by the beginning of the name", iot.ListThingGroupsInput{NamePrefixFilter: new("a-1")}, []string{"a-1", "a-1-1"}},
			{"of a parent, by name", iot.ListThingGroupsInput{ParentGroup: new("a"), NamePrefixFilter: new("a-2")},
				[]string{"a-2"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got := all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
					tt.in.NextToken, tt.in.MaxResults = token, new(int32(2))
					out, err := c.ListThingGroups(ctx, &tt.in)
					if err != nil {
						return nil, nil, err
					}
					return groupNames(out.ThingGroups), out.NextToken, nil
				})
				inOrder(t, "groups", got, tt.want...)
			})
		}
		_, err := c.ListThingGroups(t.Context(), &iot.ListThingGroupsInput{ParentGroup: new("none")})
		expect(t, err, notFound)
	})
}

func TestThingsJoinAndLeaveGroups(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		const base = "arn:aws:iot:us-east-1:000000000000:"
		group(t, c, "plant", "")
		group(t, c, "hall", "plant")
		group(t, c, "yard", "plant")
		for i := range 10 {
			group(t, c, fmt.Sprintf("g%d", i), "")
		}
		thing(t, c, "pump", "")
		thing(t, c, "valve", "")
		add := func(in iot.AddThingToThingGroupInput) error { _, err := c.AddThingToThingGroup(ctx, &in); return err }
		leave := func(in iot.RemoveThingFromThingGroupInput) error {
			_, err := c.RemoveThingFromThingGroup(ctx, &in)
			return err
		}
		expect(t, add(iot.AddThingToThingGroupInput{ThingName: new("pump"), ThingGroupName: new("hall")}), fine)
		expect(t, add(iot.AddThingToThingGroupInput{ThingName: new("pump"), ThingGroupName: new("hall")}), fine) // again
		expect(t, add(iot.AddThingToThingGroupInput{
			ThingArn: new(base + "thing/valve"), ThingGroupArn: new(base + "thinggroup/yard"),
		}), fine)
		expect(t, add(iot.AddThingToThingGroupInput{ThingName: new("pump"), ThingGroupName: new("yard")}),
			invalid) // one hierarchy
		expect(t, add(iot.AddThingToThingGroupInput{ThingName: new("pump")}), invalid)
		expect(t, add(iot.AddThingToThingGroupInput{
			ThingName: new("pump"), ThingArn: new(base + "thing/valve"), ThingGroupName: new("g0"),
		}), invalid)
		expect(t, add(iot.AddThingToThingGroupInput{ThingName: new("none"), ThingGroupName: new("g0")}), notFound)
		expect(t, add(iot.AddThingToThingGroupInput{ThingName: new("pump"), ThingGroupName: new("none")}), notFound)

		members := func(name string, recursive bool) []string {
			return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
				out, err := c.ListThingsInThingGroup(ctx, &iot.ListThingsInThingGroupInput{
					ThingGroupName: &name, Recursive: recursive, NextToken: token, MaxResults: new(int32(1)),
				})
				if err != nil {
					return nil, nil, err
				}
				return out.Things, out.NextToken, nil
			})
		}
		same(t, "plant", members("plant", false), nil)
		same(t, "plant and below", members("plant", true), []string{"pump", "valve"})
		same(t, "yard", members("yard", false), []string{"valve"})

		for i := range 9 {
			join(t, c, "pump", fmt.Sprintf("g%d", i))
		}
		expect(t, add(iot.AddThingToThingGroupInput{ThingName: new("pump"), ThingGroupName: new("g9")}),
			invalid) // the eleventh
		expect(t, leave(iot.RemoveThingFromThingGroupInput{ThingName: new("pump"), ThingGroupName: new("g8")}), fine)
		expect(t, leave(iot.RemoveThingFromThingGroupInput{
			ThingArn: new(base + "thing/pump"), ThingGroupArn: new(base + "thinggroup/g7"),
		}), fine)
		expect(t, leave(iot.RemoveThingFromThingGroupInput{ThingName: new("pump"), ThingGroupName: new("g9")}),
			fine) // not in it
		regroup := func(leave, join []string) error {
			_, err := c.UpdateThingGroupsForThing(ctx, &iot.UpdateThingGroupsForThingInput{
				ThingName: new("pump"), ThingGroupsToRemove: leave, ThingGroupsToAdd: join,
			})
			return err
		}
		expect(t, regroup([]string{"hall", "g0"}, []string{"yard", "g9"}), fine)
		wanted := []string{"g1", "g2", "g3", "g4", "g5", "g6", "g9", "yard"}
		inOrder(t, "pump", groupsOf(t, c, "pump"), wanted...)
		expect(t, regroup([]string{"g1"}, []string{"hall"}), invalid) // beside the yard
		expect(t, regroup([]string{"g1"}, []string{"none"}), notFound)
		inOrder(t, "pump after refusals", groupsOf(t, c, "pump"), wanted...)
		out := must[*iot.ListThingGroupsForThingOutput](t)(c.ListThingGroupsForThing(ctx, &iot.ListThingGroupsForThingInput{
			ThingName: new("pump"), MaxResults: new(int32(3)),
		}))
		inOrder(t, "a page", groupNames(out.ThingGroups), "g1", "g2", "g3")
		if out.NextToken == nil || *out.ThingGroups[0].GroupArn != base+"thinggroup/g1" {
			t.Errorf("got %+v, want ARNs and a token for the rest", out)
		}
	})
}

func TestAHierarchyHasSevenLevels(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	parent := ""
	for i := range 7 {
		name := fmt.Sprintf("level-%d", i+1)
		group(t, c, name, parent)
		parent = name
	}
	_, err := c.CreateThingGroup(t.Context(), &iot.CreateThingGroupInput{
		ThingGroupName: new("level-8"), ParentGroupName: &parent,
	})
	expect(t, err, invalid)
}
