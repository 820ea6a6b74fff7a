package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// testThing is a thing in its first version with up to three attributes, given
// as names and values.
func testThing(t *testing.T, name string, attributes ...string) *fleet.Thing {
	t.Helper()
	values := map[string]string{}
	for i := 0; i < len(attributes); i += 2 {
		values[attributes[i]] = attributes[i+1]
	}
	thing, err := fleet.NewThing(fleet.Thing{Name: name, ID: "id of " + name, Created: testNow},
		fleet.AttributeUpdate{Values: values})
	ok(t, err)
	return thing
}

// makeThings stores things without attributes.
func makeThings(t *testing.T, s *Store, sc fleet.Scope, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := s.CreateThing(context.Background(), sc, testThing(t, name))
		ok(t, err)
	}
}

// together runs n calls at once and returns how many made what they asked for.
// An error that is no fault with one of the codes fails the test.
func together(t *testing.T, n int, call func(i int) error, codes ...fault.Code) (done int) {
	t.Helper()
	var calls sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		calls.Go(func() { errs[i] = call(i) })
	}
	calls.Wait()
	for _, err := range errs {
		if err == nil {
			done++
		} else if f := fault.From(err); f == nil || !slices.Contains(codes, f.Code) {
			t.Errorf("got %v, want a fault of %v", err, codes)
		}
	}
	return done
}

func namesOf(things []*fleet.Thing) []string {
	var out []string
	for _, thing := range things {
		out = append(out, thing.Name)
	}
	return out
}

func wantNames(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestThingComesBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		_, err := s.Thing(ctx, here, "pump")
		wantFault(t, err, fault.NotFound, "pump")
		want := testThing(t, "pump", "color", "red", "a:b/c", "[x=y]")
		stored, err := s.CreateThing(ctx, here, want)
		ok(t, err)
		got, err := s.Thing(ctx, here, "pump")
		ok(t, err)
		if !reflect.DeepEqual(stored, want) || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v and %+v, want %+v", stored, got, want)
		}
		makeThings(t, s, there, "pump") // equal names of two accounts are two things
		makeThings(t, s, here, "Pump")
		if got, err = s.Thing(ctx, here, "pump"); err != nil || len(got.Attributes) != 2 {
			t.Errorf("got %+v, %v, want the first thing as it was", got, err)
		}
	})
}

func TestCreateThingMayBeRepeated(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		_, err := s.CreateThing(ctx, here, testThing(t, "pump", "color", "red"))
		ok(t, err)
		again := testThing(t, "pump", "color", "red")
		again.ID = "another id"
		got, err := s.CreateThing(ctx, here, again)
		ok(t, err)
		if got.ID != "id of pump" {
			t.Errorf("got id %q, want that of the first call", got.ID)
		}
		_, err = s.CreateThing(ctx, here, testThing(t, "pump", "color", "blue"))
		wantFault(t, err, fault.Exists, "pump")
		if f := fault.From(err); f.ResourceID != "pump" || f.ResourceARN != here.ARN("thing", "pump") {
			t.Errorf("got %q, %q, want the thing named", f.ResourceID, f.ResourceARN)
		}
		if n := together(t, 20, func(i int) error {
			thing := testThing(t, "valve")
			thing.ID = fmt.Sprint(i)
			_, err := s.CreateThing(ctx, here, thing)
			return err
		}); n != 20 {
			t.Errorf("got %d of 20 equal calls done, want all", n)
		}
	})
}

func TestUpdateThing(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		recolor := func(expected *int64) error {
			return s.UpdateThing(ctx, here, "pump", func(t *fleet.Thing) error {
				return t.Update(fleet.ThingUpdate{
					Attributes: fleet.AttributeUpdate{Values: map[string]string{"color": "blue"}},
				}, expected)
			})
		}
		wantFault(t, recolor(nil), fault.NotFound, "pump")
		makeThings(t, s, there, "pump")
		wantFault(t, recolor(nil), fault.NotFound, "pump")
		makeThings(t, s, here, "pump")
		if n := together(t, 20, func(int) error { return recolor(new(int64(1))) }, fault.VersionConflict); n != 1 {
			t.Errorf("got %d of 20 updates of version 1 done, want one", n)
		}
		for sc, want := range map[fleet.Scope]int64{here: 2, there: 1} {
			got, err := s.Thing(ctx, sc, "pump")
			ok(t, err)
			if got.Version != want || (got.Attributes["color"] == "blue") != (sc == here) {
				t.Errorf("got %+v in %v, want version %d", got, sc, want)
			}
		}
	})
}

func TestDeleteThing(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		drop := func(expected *int64) error {
			return s.DeleteThing(ctx, here, "pump", func(t *fleet.Thing) error { return t.Expect(expected) })
		}
		ok(t, drop(new(int64(7)))) // a thing that is not there is fine
		makeThings(t, s, here, "pump")
		makeThings(t, s, there, "pump")
		makeGroups(t, s, here, "pumps")
		register(t, s, here, 1)
		ok(t, s.Regroup(ctx, here, &fleet.Regrouping{Thing: "pump", Join: []string{"pumps"}}))
		at := fleet.Attachment{Thing: "pump", Certificate: certificateID(1), Type: fleet.NonExclusive}
		ok(t, s.AttachThing(ctx, here, at))

		wantFault(t, drop(new(int64(2))), fault.VersionConflict, "pump")
		wantFault(t, drop(nil), fault.Invalid, "principals")
		ok(t, s.DetachThing(ctx, here, "pump", at.Certificate))
		ok(t, drop(new(int64(1))))
		_, err := s.Thing(ctx, here, "pump")
		wantFault(t, err, fault.NotFound, "pump")
		_, err = s.Thing(ctx, there, "pump")
		ok(t, err)
		members, err := s.Members(ctx, here, fleet.MemberQuery{Group: "pumps", Limit: 10})
		if err != nil || len(members) != 0 {
			t.Errorf("got %v, %v, want an empty group", members, err)
		}
	})
}

func TestThingsAreListedByName(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeThings(t, s, here, "b", "B", "a_", "a-", "a1", "a:")
		makeThings(t, s, there, "other")
		want := []string{"B", "a-", "a1", "a:", "a_", "b"} // the order of bytes
		var got []string
		for after := ""; ; after = got[len(got)-1] {
			page, err := s.Things(ctx, here, fleet.ThingQuery{After: fleet.ThingPosition{Thing: after}, Limit: 4})
			ok(t, err)
			got = append(got, namesOf(page)...)
			if len(page) < 4 {
				break
			}
		}
		wantNames(t, got, want)
	})
}

func TestThingsAreFoundByAttribute(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for _, thing := range []*fleet.Thing{
			testThing(t, "bare"),
			testThing(t, "blue", "color", "blue", "a/b", "color:red"),
			testThing(t, "red", "color", "red"),
			testThing(t, "redder", "color", "redder", "Color", "red"),
			testThing(t, "trap", "xcolor", "red", "colorx", "red", "note", "color"),
		} {
			_, err := s.CreateThing(ctx, here, thing)
			ok(t, err)
		}
		for _, tt := range []struct {
			name   string
			filter fleet.AttributeFilter
			want   []string
		}{
			{"no filter finds all", fleet.AttributeFilter{}, []string{"bare", "blue", "red", "redder", "trap"}},
			{"a name finds who has it", fleet.AttributeFilter{Name: "color", Prefix: true}, []string{"blue", "red", "redder"}},
			{"a value is compared as a whole", fleet.AttributeFilter{Name: "color", Value: "red"}, []string{"red"}},
			{"a prefix is enough", fleet.AttributeFilter{Name: "color", Value: "re", Prefix: true}, []string{"red", "redder"}},
			{"names are told apart by case", fleet.AttributeFilter{Name: "Color", Value: "red"}, []string{"redder"}},
			{"values are told apart by case", fleet.AttributeFilter{Name: "color", Value: "Red"}, nil},
			{"no attribute has an empty value", fleet.AttributeFilter{Name: "color"}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got, err := s.Things(ctx, here, fleet.ThingQuery{Filter: tt.filter, Limit: 10})
				ok(t, err)
				wantNames(t, namesOf(got), tt.want)
			})
		}
	})
}
