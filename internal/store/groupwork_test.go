package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// groupWorkID is the workflow of some work in the scope here.
func groupWorkID(work fleet.GroupWork) durable.ID {
	return durable.ID{Kind: fleet.GroupWorkKind, Account: here.Account, Region: here.Region, Name: string(work)}
}

// workSlice does one slice of the work on a group, in a transaction of its own.
func workSlice(t *testing.T, s *Store, work fleet.GroupWork) (more bool) {
	t.Helper()
	ok(t, s.write(context.Background(), func(ctx context.Context, q querier) (err error) {
		more, err = groupWork{s}.slice(ctx, q, groupWorkID(work))
		return err
	}))
	return more
}

// workAll does the work on a group to its end and returns how many slices it
// took.
func workAll(t *testing.T, s *Store, work fleet.GroupWork) (n int) {
	t.Helper()
	for n = 1; workSlice(t, s, work); n++ {
	}
	return n
}

// manyMembers makes things and puts them into a group, by one statement each.
func manyMembers(t *testing.T, s *Store, n int, group string) {
	t.Helper()
	defer pastStore(t, s)()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @n) `
	ok(t, s.writing(context.Background(), here, func(ctx context.Context, q querier, scope int64) error {
		a := args{"n": n, "scope": scope}
		if _, err := q.exec(ctx, numbers+`INSERT INTO things (scope, name, id, attributes, version, created_at)
			SELECT CAST(@scope AS BIGINT), 'thing-' || i, 'i', '{"color":"red"}', 1, 1 FROM n`, a); err != nil {
			return err
		}
		a["group"] = group
		_, err := q.exec(ctx, numbers+`INSERT INTO group_members (scope, thing, root, thing_group, created_at)
			SELECT g.scope, 'thing-' || i, g.root, g.seq, 1 FROM n, thing_groups g
			WHERE g.scope = @scope AND g.name = @group`, a)
		return err
	}))
}

// memberRows counts the rows of members, of groups that are gone too.
func memberRows(t *testing.T, s *Store) int64 {
	t.Helper()
	n, err := count(context.Background(), s.read, `SELECT count(*) FROM group_members`, nil)
	ok(t, err)
	return n
}

func wantGroups(t *testing.T, s *Store, thing string, want ...string) {
	t.Helper()
	got, err := s.GroupsOf(context.Background(), here, thing, "", 20)
	ok(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("got %s in groups %v, want %v", thing, got, want)
	}
}

func TestAGroupOfManyIsDeletedInSlices(t *testing.T) {
	const things, slice = 1000, 100
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		s.slices = slice
		makeGroups(t, s, here, "root", "root/plant", "other")
		manyMembers(t, s, things, "plant")
		join(t, s, here, "thing-7", "other")
		work := dropGroup(t, s, here, "plant")

		// No state in between is seen, from the first moment on.
		_, err := s.Members(ctx, here, fleet.MemberQuery{Group: "plant", Limit: 1})
		wantFault(t, err, fault.NotFound, "plant")
		wantGroups(t, s, "thing-7", "other")
		list, err := s.Members(ctx, here, fleet.MemberQuery{Group: "root", Deep: true, Limit: 1})
		if err != nil || len(list) != 0 {
			t.Errorf("got %v, %v below the root, want nothing", list, err)
		}
		makeGroups(t, s, here, "root/plant")
		join(t, s, here, "thing-8", "plant") // of the same tree as before
		wantGroups(t, s, "thing-8", "plant")

		before := memberRows(t, s)
		for more := true; more; {
			var reader sync.WaitGroup
			reader.Go(func() { wantGroups(t, s, fmt.Sprintf("thing-%d", 9+before%900)) })
			more = workSlice(t, s, work)
			reader.Wait()
			after := memberRows(t, s)
			if before-after > slice {
				t.Fatalf("got %d rows removed by a slice, want no more than %d", before-after, slice)
			}
			before = after
		}
		if before != 2 {
			t.Errorf("got %d rows of members at the end, want those of thing-7 and thing-8", before)
		}
		wantGroups(t, s, "thing-7", "other")
		wantGroups(t, s, "thing-8", "plant")
		if workSlice(t, s, work) {
			t.Error("work that is done goes on")
		}
	})
}

func TestWhatIsLeftOfGroupsTakesNoPlace(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeThings(t, s, here, "pump")
		makeGroups(t, s, here, "root")
		var lone []string
		for i := range fleet.MaxGroupsPerThing {
			lone = append(lone, fmt.Sprintf("g%d", i))
		}
		makeGroups(t, s, here, lone...)
		join(t, s, here, "pump", lone...)
		var left []fleet.GroupWork
		for _, name := range lone {
			left = append(left, dropGroup(t, s, here, name))
		}
		makeGroups(t, s, here, lone...)
		join(t, s, here, "pump", lone...)
		if n := memberRows(t, s); n != int64(len(lone)) {
			t.Errorf("got %d rows, want those of before removed by who joined", n)
		}
		for _, work := range left {
			workAll(t, s, work)
		}
		wantGroups(t, s, "pump", lone...)
	})
}

func TestWorkThatIsAbandonedBeginsAgain(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeGroups(t, s, here, "g")
		manyMembers(t, s, 10, "g")
		work := dropGroup(t, s, here, "g")
		running := func() fleet.GroupWork {
			t.Helper()
			r, err := s.Running(ctx, testNow)
			ok(t, err)
			if len(r.IDs) != 1 || r.Oldest[fleet.GroupWorkKind] != testNow {
				t.Fatalf("got %+v running, want the one work", r)
			}
			return fleet.GroupWork(r.IDs[0].Name)
		}
		if got := running(); got != work {
			t.Errorf("got %q running, want %q", got, work)
		}
		for range 2 { // the second time, the work is another workflow's
			ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
				return groupWork{s}.abandon(ctx, q, groupWorkID(work))
			}))
		}
		again := running()
		if again == work || workSlice(t, s, work) || memberRows(t, s) != 10 {
			t.Errorf("got %q at work after %q was abandoned, want another one alone", again, work)
		}
		workAll(t, s, again)
		if n := memberRows(t, s); n != 0 {
			t.Errorf("got %d rows of members, want none", n)
		}
	})
}

// Groups of before get numbers by age and paths by their place, and members
// refer to them.
func TestGroupsOfBeforeKeepTheirMembers(t *testing.T) {
	const group = `INSERT INTO thing_groups (scope, name, id, parent, root, depth, description, attributes, version,
		created_at) VALUES `
	forEachUpgrade(t, 3, slices.Concat(scopesOfTests, []string{
		`INSERT INTO things (scope, name, id, attributes, version, created_at) VALUES
			(1, 'pump', 'i', '{}', 1, 5), (1, 'valve', 'i', '{}', 1, 5), (2, 'pump', 'i', '{}', 1, 5)`,
		group + `(1, 'z', 'i', NULL, 'z', 1, 'd', '{}', 4, 5)`,
		group + `(1, 'a', 'i', NULL, 'a', 1, 'd', '{}', 1, 6), (2, 'z', 'i', NULL, 'z', 1, 'd', '{}', 1, 3)`,
		group + `(1, 'z1', 'i', 'z', 'z', 2, 'd', '{"a":"b"}', 1, 7)`,
		group + `(1, 'z11', 'i', 'z1', 'z', 3, 'd', '{}', 1, 8), (1, 'z2', 'i', 'z', 'z', 2, 'd', '{}', 1, 9)`,
		`INSERT INTO thing_group_members (scope, thing, root, thing_group, created_at) VALUES
			(1, 'pump', 'z', 'z11', 5), (1, 'pump', 'a', 'a', 5), (1, 'valve', 'z', 'z', 5), (2, 'pump', 'z', 'z', 5)`,
	}), func(t *testing.T, s *Store) {
		ctx := context.Background()
		wantGroups(t, s, "pump", "a", "z11")
		list, err := s.Members(ctx, here, fleet.MemberQuery{Group: "z", Deep: true, Limit: 10})
		ok(t, err)
		var things []string
		for _, m := range list {
			things = append(things, m.Thing)
		}
		wantNames(t, things, []string{"valve", "pump"})
		below, err := s.Groups(ctx, here, fleet.GroupQuery{Parent: "z", Deep: true, Limit: 10})
		ok(t, err)
		wantNames(t, groupNames(below), []string{"z1", "z11", "z2"})
		g, ancestors, err := s.Group(ctx, here, "z11")
		ok(t, err)
		wantNames(t, ancestors, []string{"z", "z1"})
		z, _, err := s.Group(ctx, here, "z")
		if ok(t, err); g.Place.Root != z.Place.Seq || g.Dynamic != nil || z.Version != 4 {
			t.Errorf("got %+v below %+v, want a static group below the root", g, z)
		}
		makeGroups(t, s, here, "new") // with a number that no other has
		wantFault(t, s.Regroup(ctx, here, &fleet.Regrouping{Thing: "valve", Join: []string{"z2"}}), fault.Invalid, "z")
		ok(t, s.Regroup(ctx, here, &fleet.Regrouping{Thing: "pump", Leave: []string{"z11"}, Join: []string{"z2", "new"}}))
		wantGroups(t, s, "pump", "a", "new", "z2")
	})
}
