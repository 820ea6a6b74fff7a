package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// index turns the index of things on, or with IndexOff off.
func index(t *testing.T, s *Store, sc fleet.Scope, mode fleet.IndexingMode) error {
	t.Helper()
	return s.UpdateIndexing(context.Background(), sc, func(i *fleet.Indexing) error {
		i.Things = mode
		return nil
	})
}

func newDynamic(t *testing.T, name, query string) *fleet.Group {
	t.Helper()
	g, err := fleet.NewDynamicGroup(fleet.Group{Name: name, ID: "id of " + name, Created: testNow},
		fleet.Dynamic{Query: query, QueryVersion: "v"}, fleet.AttributeUpdate{})
	ok(t, err)
	return g
}

// define makes a dynamic group here and leaves finding its members to the work.
func define(t *testing.T, s *Store, name, query string) fleet.GroupWork {
	t.Helper()
	_, work, err := s.CreateGroup(context.Background(), here, newDynamic(t, name, query), nil)
	ok(t, err)
	return work
}

// redefine gives a dynamic group another query.
func redefine(s *Store, name, query string) (*fleet.Group, fleet.GroupWork, error) {
	return s.UpdateDynamicGroup(context.Background(), here, name, func(g *fleet.Group) (bool, error) {
		return g.UpdateDynamic(fleet.DynamicUpdate{Query: &query}, nil)
	})
}

// paint gives a thing a color.
func paint(s *Store, thing, color string) error {
	return s.UpdateThing(context.Background(), here, thing, func(th *fleet.Thing) error {
		return th.Update(fleet.ThingUpdate{
			Attributes: fleet.AttributeUpdate{Values: map[string]string{"color": color}},
		}, nil)
	})
}

func statusOf(t *testing.T, s *Store, group string) fleet.GroupStatus {
	t.Helper()
	g, _, err := s.Group(context.Background(), here, group)
	ok(t, err)
	return g.Dynamic.Status
}

func TestADynamicGroupIsBuiltInSlices(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		s.slices = 200
		ok(t, index(t, s, here, fleet.IndexRegistry))
		makeGroups(t, s, here, "plant")
		manyMembers(t, s, 500, "plant")
		ok(t, paint(s, "thing-1", "blue"))
		work := define(t, s, "red", "attributes.color:red")
		if got := statusOf(t, s, "red"); got != fleet.GroupBuilding {
			t.Errorf("got %s, want %s", got, fleet.GroupBuilding)
		}
		// While it is built, a thing that changes is judged at once.
		ok(t, paint(s, "thing-499", "blue"))
		ok(t, paint(s, "thing-498", "red"))
		wantGroups(t, s, "thing-498", "plant", "red")
		if n := workAll(t, s, work); n != 3 {
			t.Errorf("got %d slices, want 3", n)
		}
		if got := statusOf(t, s, "red"); got != fleet.GroupActive {
			t.Errorf("got %s, want %s", got, fleet.GroupActive)
		}
		wantGroups(t, s, "thing-1", "plant")
		wantGroups(t, s, "thing-499", "plant")
		wantGroups(t, s, "thing-2", "plant", "red")
		wantGroups(t, s, "thing-498", "plant", "red")
		if n := memberRows(t, s); n != 500+498 {
			t.Errorf("got %d rows of members, want all in the plant and all but two red", n)
		}

		// Another query in the middle of a build starts the right one anew.
		_, first, err := redefine(s, "red", "attributes.color:blue")
		ok(t, err)
		if got := statusOf(t, s, "red"); got != fleet.GroupRebuilding {
			t.Errorf("got %s, want %s", got, fleet.GroupRebuilding)
		}
		workSlice(t, s, first)
		_, second, err := redefine(s, "red", "attributes.color:blue -thingName:thing-499")
		ok(t, err)
		if workSlice(t, s, first) || statusOf(t, s, "red") != fleet.GroupRebuilding {
			t.Error("the build of a query that is gone goes on, or ends the other")
		}
		workAll(t, s, second)
		list, err := s.Members(context.Background(), here, fleet.MemberQuery{Group: "red", Limit: 10})
		if err != nil || len(list) != 1 || list[0].Thing != "thing-1" {
			t.Errorf("got %v, %v, want thing-1 alone", list, err)
		}
	})
}

func TestDynamicGroupsFollowChanges(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		ok(t, index(t, s, here, fleet.IndexRegistry))
		makeGroups(t, s, here, "hall", "hall/corner")
		makeTypes(t, s, here, "pump")
		define(t, s, "red", "attributes.color:red")
		define(t, s, "in-hall", "thingGroupNames:hall")
		define(t, s, "typed", "thingTypeName:pump")
		define(t, s, "dynamic", "thingGroupNames:(red OR typed)") // dynamic groups do not count
		makeThings(t, s, here, "t")
		ok(t, paint(s, "t", "red"))
		wantGroups(t, s, "t", "red")
		join(t, s, here, "t", "hall")
		wantGroups(t, s, "t", "hall", "in-hall", "red")
		ok(t, retype(s, here, "t", "pump"))
		wantGroups(t, s, "t", "hall", "in-hall", "red", "typed")
		ok(t, paint(s, "t", "blue"))
		wantGroups(t, s, "t", "hall", "in-hall", "typed")
		ok(t, s.Regroup(ctx, here, &fleet.Regrouping{Thing: "t", Leave: []string{"hall"}, Join: []string{"corner"}}))
		wantGroups(t, s, "t", "corner", "typed")
		ok(t, s.Regroup(ctx, here, &fleet.Regrouping{Thing: "t", Leave: []string{"corner"}, Join: []string{"hall"}}))
		wantGroups(t, s, "t", "hall", "in-hall", "typed")

		makeThings(t, s, there, "t")
		got, err := s.GroupsOf(ctx, there, "t", "", 10)
		if err != nil || len(got) != 0 {
			t.Errorf("got %v, %v, want no group of another account", got, err)
		}
		ok(t, s.DeleteThing(ctx, here, "t", func(*fleet.Thing) error { return nil }))
		if n := memberRows(t, s); n != 0 {
			t.Errorf("got %d rows of members after the thing, want none", n)
		}
	})
}

// Deleting a static group is a change of its members, found in its slices.
func TestDynamicGroupsFollowTheDeletionOfOthers(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		ok(t, index(t, s, here, fleet.IndexRegistry))
		makeThings(t, s, here, "pump")
		var names []string
		for i := range 9 {
			names = append(names, fmt.Sprintf("g%d", i))
		}
		makeGroups(t, s, here, names...)
		workAll(t, s, define(t, s, "waiting", "thingName:*"))
		define(t, s, "named", "thingGroupNames:g0")
		join(t, s, here, "pump", names...)
		wantGroups(t, s, "pump", append(names, "waiting")...) // where it was before the other matched
		workAll(t, s, dropGroup(t, s, here, "g0"))
		wantGroups(t, s, "pump", append(names[1:], "waiting")...)

		makeGroups(t, s, here, "g0")
		join(t, s, here, "pump", "g0")
		work, err := s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: "waiting", Dynamic: true})
		ok(t, err)
		wantGroups(t, s, "pump", names...)
		workAll(t, s, work)
		wantGroups(t, s, "pump", append(names, "named")...) // on the place that became free
	})
}

func TestStaticGroupsComeFirst(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		ok(t, index(t, s, here, fleet.IndexRegistry))
		makeThings(t, s, here, "pump")
		define(t, s, "old", "thingName:pump")
		define(t, s, "new", "thingName:pump")
		ok(t, paint(s, "pump", "red"))
		var names []string
		for i := range 10 {
			names = append(names, fmt.Sprintf("s%d", i))
		}
		makeGroups(t, s, here, names...)
		join(t, s, here, "pump", names[:8]...)
		regroup := func(override bool, leave []string, join ...string) error {
			return s.Regroup(ctx, here, &fleet.Regrouping{Thing: "pump", Leave: leave, Join: join, Override: override})
		}
		wantFault(t, regroup(false, nil, "s8"), fault.Invalid, "overrideDynamicGroups")
		ok(t, regroup(true, nil, "s8"))
		wantGroups(t, s, "pump", append([]string{"old"}, names[:9]...)...)
		ok(t, paint(s, "pump", "blue")) // it is not taken back
		wantGroups(t, s, "pump", append([]string{"old"}, names[:9]...)...)
		ok(t, regroup(true, nil, "s9"))
		wantGroups(t, s, "pump", names...)
		wantFault(t, regroup(true, []string{"old"}), fault.Invalid, "dynamic")
		ok(t, regroup(false, []string{"s0"}))
		wantGroups(t, s, "pump", append([]string{"old"}, names[1:]...)...) // again, on the place that is free
	})
}

func TestWhatDynamicGroupsAreNot(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		create := func(name, query string) error {
			_, _, err := s.CreateGroup(ctx, here, newDynamic(t, name, query), nil)
			return err
		}
		wantFault(t, create("d", "thingName:a"), fault.NotFound, "AWS_Things")
		ok(t, index(t, s, here, fleet.IndexRegistry))
		wantFault(t, create("d", "connectivity.connected:true"), fault.InvalidQuery, "connectivity")
		ok(t, create("d", "thingName:a"))
		ok(t, create("d", "thingName:a"))
		wantFault(t, create("d", "thingName:b"), fault.Exists, "d")
		wantFault(t, index(t, s, here, fleet.IndexOff), fault.Invalid, `"d"`)
		_, _, err := s.CreateGroup(ctx, here, testGroup(t, "d", ""), nil)
		wantFault(t, err, fault.Exists, "d")
		_, _, err = s.CreateGroup(ctx, here, testGroup(t, "child", "d"), nil)
		wantFault(t, err, fault.Invalid, "dynamic")
		makeThings(t, s, here, "pump")
		wantFault(t, s.Regroup(ctx, here, &fleet.Regrouping{Thing: "pump", Join: []string{"d"}}), fault.Invalid, "dynamic")
		makePolicies(t, s, here, "p")
		wantFault(t, s.AttachPolicy(ctx, here, "p", fleet.Target{Kind: fleet.TargetGroup, Name: "d"}), fault.Invalid,
			"dynamic")
		_, _, err = redefine(s, "none", "a")
		wantFault(t, err, fault.NotFound, "none")
		_, err = s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: "d"})
		wantFault(t, err, fault.Invalid, "dynamic")
		makeGroups(t, s, here, "static")
		_, err = s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: "static", Dynamic: true})
		wantFault(t, err, fault.Invalid, "not dynamic")
		got, err := s.Groups(ctx, here, fleet.GroupQuery{Limit: 10})
		ok(t, err)
		wantNames(t, groupNames(got), []string{"d", "static"})

		if n := together(t, 110, func(i int) error { return create(fmt.Sprintf("more%d", i), "a") }, fault.Limit); n != 99 {
			t.Errorf("got %d more dynamic groups, want 99", n)
		}
	})
}

// Whatever happens at the same time, in the end each thing is in the groups
// whose queries match it.
func TestDynamicGroupsAreRightAfterEverythingAtOnce(t *testing.T) {
	const things = 60
	colors := []string{"red", "green", "blue"}
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		ok(t, index(t, s, here, fleet.IndexRegistry))
		for i := range things / 2 {
			makeThings(t, s, here, fmt.Sprintf("t%d", i))
		}
		works := make(chan fleet.GroupWork, 100)
		together(t, 100, func(i int) error {
			thing, color := fmt.Sprintf("t%d", rand.IntN(things)), colors[rand.IntN(3)]
			switch i % 5 {
			case 0:
				_, work, err := s.CreateGroup(ctx, here, newDynamic(t, "d"+color, "attributes.color:"+color), nil)
				works <- work
				return err
			case 1:
				_, err := s.CreateThing(ctx, here, testThing(t, thing))
				return err
			case 2:
				work, err := s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: "d" + color, Dynamic: true})
				works <- work
				return err
			}
			return paint(s, thing, color)
		}, fault.NotFound, fault.Exists)
		for _, color := range colors {
			works <- define(t, s, "d"+color, "attributes.color:"+color)
		}
		close(works)
		for work := range works {
			if work != "" {
				workAll(t, s, work)
			}
		}
		list, err := s.Things(ctx, here, fleet.ThingQuery{Limit: 1000})
		ok(t, err)
		for _, th := range list {
			var want []string
			if color := th.Attributes["color"]; slices.Contains(colors, color) {
				want = []string{"d" + color}
			}
			wantGroups(t, s, th.Name, want...)
		}
		if left, err := s.Running(ctx, testNow); err != nil || len(left.IDs) != 0 {
			t.Errorf("got %v, %v, want no work left", left, err)
		}
	})
}
