package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// testGroup is a group below a parent, or a root.
func testGroup(t *testing.T, name, parent string) *fleet.Group {
	t.Helper()
	g, err := fleet.NewGroup(fleet.Group{
		Name: name, ID: "id of " + name, Parent: parent, Description: "d", Created: testNow,
	}, fleet.AttributeUpdate{Values: map[string]string{"color": "red"}})
	ok(t, err)
	return g
}

// makeGroups stores groups, each as its path from the root: "a/b" is b below a.
func makeGroups(t *testing.T, s *Store, sc fleet.Scope, paths ...string) {
	t.Helper()
	for _, path := range paths {
		parent, name := "", path
		if at := strings.LastIndexByte(path, '/'); at >= 0 {
			parent, name = path[:at], path[at+1:]
			parent = parent[strings.LastIndexByte(parent, '/')+1:]
		}
		_, _, err := s.CreateGroup(context.Background(), sc, testGroup(t, name, parent), nil)
		ok(t, err)
	}
}

// dropGroup deletes a static group and leaves its members to their work.
func dropGroup(t *testing.T, s *Store, sc fleet.Scope, name string) fleet.GroupWork {
	t.Helper()
	work, err := s.DeleteGroup(context.Background(), sc, fleet.GroupDeletion{Name: name})
	ok(t, err)
	return work
}

// join puts a thing into groups.
func join(t *testing.T, s *Store, sc fleet.Scope, thing string, groups ...string) {
	t.Helper()
	ok(t, s.Regroup(context.Background(), sc, &fleet.Regrouping{Thing: thing, Join: groups}))
}

func TestGroupComesBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		_, _, err := s.Group(ctx, here, "c")
		wantFault(t, err, fault.NotFound, "c")
		makeGroups(t, s, here, "b", "b/a", "a/c")
		makeGroups(t, s, there, "c")
		got, ancestors, err := s.Group(ctx, here, "c")
		ok(t, err)
		want := testGroup(t, "c", "a")
		want.Depth, want.Place = 3, got.Place
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		wantNames(t, ancestors, []string{"b", "a"})
		root, _, err := s.Group(ctx, here, "b")
		if ok(t, err); got.Place.Root != root.Place.Seq || !strings.HasPrefix(got.Place.Path, root.Place.Path) {
			t.Errorf("got place %+v, want one below %+v", got.Place, root.Place)
		}
		got, ancestors, err = s.Group(ctx, there, "c")
		if err != nil || got.Parent != "" || got.Place.Root != got.Place.Seq || len(ancestors) != 0 {
			t.Errorf("got %+v below %v, %v, want a root", got, ancestors, err)
		}
	})
}

func TestCreateGroupMayBeRepeated(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeGroups(t, s, here, "root")
		tags := []fleet.Tag{{Key: "k", Value: "v"}}
		first, _, err := s.CreateGroup(ctx, here, testGroup(t, "g", "root"), tags)
		ok(t, err)
		again := testGroup(t, "g", "root")
		again.ID = "another id"
		got, _, err := s.CreateGroup(ctx, here, again, tags)
		if err != nil || got.ID != first.ID {
			t.Errorf("got %+v, %v, want the first group", got, err)
		}
		for _, other := range []struct {
			group *fleet.Group
			tags  []fleet.Tag
		}{{testGroup(t, "g", ""), tags}, {testGroup(t, "g", "root"), nil}} {
			_, _, err := s.CreateGroup(ctx, here, other.group, other.tags)
			wantFault(t, err, fault.Exists, "g")
			if f := fault.From(err); f.ResourceID != "g" || f.ResourceARN != here.ARN("thinggroup", "g") {
				t.Errorf("got %q, %q, want the group named", f.ResourceID, f.ResourceARN)
			}
		}
		if n := together(t, 20, func(int) error {
			_, _, err := s.CreateGroup(ctx, here, testGroup(t, "race", "root"), tags)
			return err
		}); n != 20 {
			t.Errorf("got %d of 20 equal calls done, want all", n)
		}
	})
}

func TestGroupsKeepTheShapeOfHierarchies(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		create := func(name, parent string) error {
			_, _, err := s.CreateGroup(ctx, here, testGroup(t, name, parent), nil)
			return err
		}
		makeGroups(t, s, there, "1")
		wantFault(t, create("2", "1"), fault.Invalid, "parent")
		makeGroups(t, s, here, "1", "1/2", "2/3", "3/4", "4/5", "5/6", "6/7")
		wantFault(t, create("8", "7"), fault.Invalid, "levels")
		for i := range 90 {
			ok(t, create(fmt.Sprintf("child%d", i), "2")) // beside 3
		}
		if n := together(t, 20, func(i int) error { return create(fmt.Sprintf("more%d", i), "2") }, fault.Invalid); n != 9 {
			t.Errorf("got %d of 20 further children made, want 9", n)
		}
		ok(t, create("child0", "2")) // repeating makes no child
	})
}

func TestUpdateGroup(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		update := func(expected *int64) error {
			_, err := s.UpdateGroup(ctx, here, "g", func(g *fleet.Group) error {
				return g.Update(fleet.GroupUpdate{Description: new("new")}, expected)
			})
			return err
		}
		makeGroups(t, s, there, "g")
		wantFault(t, update(nil), fault.NotFound, "g")
		makeGroups(t, s, here, "g")
		if n := together(t, 20, func(int) error { return update(new(int64(1))) }, fault.VersionConflict); n != 1 {
			t.Errorf("got %d of 20 updates of version 1 done, want one", n)
		}
		got, _, err := s.Group(ctx, here, "g")
		if err != nil || got.Version != 2 || got.Description != "new" || got.Attributes["color"] != "red" {
			t.Errorf("got %+v, %v, want version 2 with a new description alone", got, err)
		}
	})
}

func TestDeleteGroup(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		drop := func(name string, expected *int64) error {
			_, err := s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: name, Expected: expected})
			return err
		}
		ok(t, drop("child", new(int64(7)))) // a group that is not there is fine
		makeThings(t, s, here, "pump")
		makeGroups(t, s, here, "root", "root/child")
		makeGroups(t, s, there, "child")
		join(t, s, here, "pump", "child")
		makePolicies(t, s, here, "policy")
		ok(t, s.AttachPolicy(ctx, here, "policy", fleet.Target{Kind: fleet.TargetGroup, Name: "child"}))
		tagged := testGroup(t, "tagged", "")
		_, _, err := s.CreateGroup(ctx, here, tagged, []fleet.Tag{{Key: "k", Value: "v"}})
		ok(t, err)

		wantFault(t, drop("root", nil), fault.Invalid, "child groups")
		wantFault(t, drop("child", new(int64(2))), fault.VersionConflict, "child")
		ok(t, drop("child", new(int64(1))))
		ok(t, drop("root", nil))
		groups, err := s.GroupsOf(ctx, here, "pump", "", 10)
		if err != nil || len(groups) != 0 {
			t.Errorf("got %v, %v, want a thing in no group", groups, err)
		}
		ok(t, s.DeletePolicy(ctx, here, "policy")) // which nothing holds any more
		_, _, err = s.Group(ctx, there, "child")
		ok(t, err)
		ok(t, drop("tagged", nil))
		_, _, err = s.CreateGroup(ctx, here, tagged, nil) // the tags of the old one are gone
		ok(t, err)
		got, _, err := s.CreateGroup(ctx, here, tagged, nil)
		if err != nil || got.Name != "tagged" {
			t.Errorf("got %v, %v, want the group without tags", got, err)
		}
	})
}

func TestGroupsAreListedByName(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeGroups(t, s, here, "a", "a/ab", "a/Ab", "ab/abc", "z", "z/zz")
		makeGroups(t, s, there, "a", "a/there")
		for _, tt := range []struct {
			name  string
			query fleet.GroupQuery
			want  []string
		}{
			{"all groups", fleet.GroupQuery{Deep: true}, []string{"Ab", "a", "ab", "abc", "z", "zz"}},
			{"the roots", fleet.GroupQuery{}, []string{"a", "z"}},
			{"the children of a group", fleet.GroupQuery{Parent: "a"}, []string{"Ab", "ab"}},
			{"everything below a group, a group before what is below it", fleet.GroupQuery{Parent: "a", Deep: true},
				[]string{"ab", "abc", "Ab"}},
			{"a prefix of all", fleet.GroupQuery{Deep: true, Prefix: "ab"}, []string{"ab", "abc"}},
			{"a prefix of what is below a group", fleet.GroupQuery{Parent: "a", Deep: true, Prefix: "abc"}, []string{"abc"}},
			{"behind a name", fleet.GroupQuery{Deep: true, After: fleet.GroupPosition{Name: "ab"}}, []string{"abc", "z", "zz"}},
			{"nothing below a leaf", fleet.GroupQuery{Parent: "abc", Deep: true}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				tt.query.Limit = 10
				got, err := s.Groups(ctx, here, tt.query)
				ok(t, err)
				wantNames(t, groupNames(got), tt.want)
				var paged []fleet.GroupPosition
				for tt.query.Limit = 1; ; tt.query.After = got[0] {
					got, err = s.Groups(ctx, here, tt.query)
					ok(t, err)
					if len(got) == 0 {
						break
					}
					paged = append(paged, got...)
				}
				wantNames(t, groupNames(paged), tt.want)
			})
		}
		_, err := s.Groups(ctx, here, fleet.GroupQuery{Parent: "there", Limit: 10})
		wantFault(t, err, fault.NotFound, "there")
	})
}

func groupNames(list []fleet.GroupPosition) (names []string) {
	for _, g := range list {
		names = append(names, g.Name)
	}
	return names
}

func TestRegroup(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeThings(t, s, here, "pump")
		makeGroups(t, s, here, "a", "a/a1", "b")
		makeGroups(t, s, there, "c")
		regroup := func(thing string, leave, join []string) error {
			return s.Regroup(ctx, here, &fleet.Regrouping{Thing: thing, Leave: leave, Join: join})
		}
		wantFault(t, regroup("valve", nil, []string{"a"}), fault.NotFound, "valve")
		wantFault(t, regroup("pump", nil, []string{"a", "c"}), fault.NotFound, "c")
		wantFault(t, regroup("pump", []string{"c"}, nil), fault.NotFound, "c")
		wantFault(t, regroup("pump", nil, []string{"a", "a1"}), fault.Invalid, "hierarchy")
		for _, step := range []struct{ leave, join, want []string }{
			{nil, nil, nil}, // the refused calls left nothing behind
			{nil, []string{"a", "b"}, []string{"a", "b"}},
			{nil, []string{"b"}, []string{"a", "b"}},
			{[]string{"a"}, []string{"a1"}, []string{"a1", "b"}},
			{[]string{"a"}, nil, []string{"a1", "b"}},
			{[]string{"a1", "b"}, nil, nil},
		} {
			ok(t, regroup("pump", step.leave, step.join))
			got, err := s.GroupsOf(ctx, here, "pump", "", 10)
			ok(t, err)
			wantNames(t, got, step.want)
		}
		_, err := s.GroupsOf(ctx, there, "pump", "", 10)
		wantFault(t, err, fault.NotFound, "pump")
	})
}

func TestJoiningAtOnceKeepsTheRules(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeThings(t, s, here, "pump", "valve")
		makeGroups(t, s, here, "root")
		for i := range 15 {
			makeGroups(t, s, here, fmt.Sprintf("lone%d", i), fmt.Sprintf("root/child%d", i))
		}
		into := func(thing, group string) func(i int) error {
			return func(i int) error {
				return s.Regroup(ctx, here, &fleet.Regrouping{Thing: thing, Join: []string{fmt.Sprintf("%s%d", group, i)}})
			}
		}
		if n := together(t, 15, into("pump", "lone"), fault.Invalid); n != fleet.MaxGroupsPerThing {
			t.Errorf("got a thing in %d groups, want %d", n, fleet.MaxGroupsPerThing)
		}
		if n := together(t, 15, into("valve", "child"), fault.Invalid); n != 1 {
			t.Errorf("got a thing in %d groups of a hierarchy, want 1", n)
		}
		got, err := s.GroupsOf(ctx, here, "pump", "", 20)
		if err != nil || len(got) != fleet.MaxGroupsPerThing {
			t.Errorf("got %v, %v, want %d groups", got, err, fleet.MaxGroupsPerThing)
		}
	})
}

func TestJoiningAGroupWhileItIsDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for round := range 10 {
			group := fmt.Sprintf("g%d", round)
			makeGroups(t, s, here, group)
			together(t, 10, func(i int) error {
				if i == 5 {
					_, err := s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: group})
					return err
				}
				thing := fmt.Sprintf("t%d", i)
				if _, err := s.CreateThing(ctx, here, testThing(t, thing)); err != nil {
					return err
				}
				return s.Regroup(ctx, here, &fleet.Regrouping{Thing: thing, Join: []string{group}})
			}, fault.NotFound)
			if _, _, err := s.Group(ctx, here, group); !fault.Is(err, fault.NotFound) {
				t.Errorf("got %v, want the group gone", err)
			}
		}
		for i := range 10 {
			if got, err := s.GroupsOf(ctx, here, fmt.Sprintf("t%d", i), "", 10); len(got) != 0 {
				t.Errorf("got %v, %v, want no group", got, err)
			}
		}
	})
}

func TestAttachingPoliciesToAGroupWhileItIsDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for round := range 10 {
			target := fleet.Target{Kind: fleet.TargetGroup, Name: fmt.Sprintf("g%d", round)}
			policy := fmt.Sprintf("p%d", round)
			makeGroups(t, s, here, target.Name)
			makePolicies(t, s, here, policy)
			together(t, 6, func(i int) error {
				if i == 3 {
					_, err := s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: target.Name})
					return err
				}
				return s.AttachPolicy(ctx, here, policy, target)
			}, fault.NotFound)
			ok(t, s.DeletePolicy(ctx, here, policy)) // no attachment is left behind
		}
	})
}

func TestMembersArePaged(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeGroups(t, s, here, "m", "m/a", "a/z", "other", "m/empty")
		makeGroups(t, s, there, "m")
		for group, things := range map[string][]string{
			"m": {"t1", "T1", "t2"}, "a": {"t3"}, "z": {"t0", "t4"}, "other": {"t5"},
		} {
			makeThings(t, s, here, things...)
			for _, thing := range things {
				join(t, s, here, thing, group)
			}
		}
		list := func(group string, deep bool) (out []string) {
			var after fleet.MemberPosition
			for {
				page, err := s.Members(ctx, here, fleet.MemberQuery{Group: group, Deep: deep, After: after, Limit: 2})
				ok(t, err)
				for _, m := range page {
					out = append(out, m.Thing)
				}
				if len(page) < 2 {
					return out
				}
				after = page[1]
			}
		}
		wantNames(t, list("m", false), []string{"T1", "t1", "t2"})
		wantNames(t, list("m", true), []string{"T1", "t1", "t2", "t3", "t0", "t4"})
		wantNames(t, list("a", true), []string{"t3", "t0", "t4"})
		wantNames(t, list("empty", true), nil)
		_, err := s.Members(ctx, there, fleet.MemberQuery{Group: "a", Deep: true, Limit: 2})
		wantFault(t, err, fault.NotFound, "a")
		if slices.Contains(list("m", true), "t5") {
			t.Error("got a thing of another group")
		}
	})
}

func TestWorkOnGroupsReadsByIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		fillStore(t, s, planRows, fleetFills)
		n, middle := 0, filledName("t", mid)
		ok(t, s.write(context.Background(), func(ctx context.Context, q querier) error {
			q = narrow{q, t, s, groupSlice, &n}
			if _, _, err := memberships(ctx, q, 1, []string{filledName("t", 1), middle}); err != nil {
				return err
			}
			if _, err := countChildren(ctx, q, 1, "all", 10); err != nil {
				return err
			}
			_, err := all(ctx, q, thingsAfter, args{"scope": 1, "after": middle, "limit": groupSlice}, scalar[string])
			if err != nil {
				return err
			}
			_, err = all(ctx, q, membersAfter, args{"group": numbered, "after": middle, "limit": groupSlice}, scalar[string])
			return err
		}))
		if n != 4 {
			t.Errorf("got %d queries, want 4", n)
		}
	})
}
