package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// testType is a thing type that new things may have.
func testType(t *testing.T, name string) *fleet.ThingType {
	t.Helper()
	kind, err := fleet.NewThingType(fleet.ThingType{Name: name, ID: "id of " + name, Created: testNow}, fleet.TypeUpdate{
		Description: new("of " + name), Searchable: []string{"color", "site"},
		Propagations: []fleet.Propagation{
			{UserProperty: "c", Thing: "color"}, {UserProperty: "id", Connection: "iot:ClientId"},
		},
	})
	ok(t, err)
	return kind
}

func makeTypes(t *testing.T, s *Store, sc fleet.Scope, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := s.CreateThingType(context.Background(), sc, testType(t, name), nil)
		ok(t, err)
	}
}

// typed is a thing of a type.
func typed(t *testing.T, name, kind string, attributes ...string) *fleet.Thing {
	t.Helper()
	thing := testThing(t, name, attributes...)
	thing.Type = kind
	return thing
}

// deprecate deprecates a type, long enough ago to delete it.
func deprecate(s *Store, sc fleet.Scope, name string) error {
	return s.UpdateThingType(context.Background(), sc, name, func(t *fleet.ThingType) error {
		t.Deprecate(testNow.Add(-time.Hour))
		return nil
	})
}

// retype gives a thing another type, "" for none.
func retype(s *Store, sc fleet.Scope, thing, kind string) error {
	return s.UpdateThing(context.Background(), sc, thing, func(t *fleet.Thing) error {
		return t.Update(fleet.ThingUpdate{Type: kind, RemoveType: kind == ""}, nil)
	})
}

func TestThingTypeComesBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		tags := []fleet.Tag{{Key: "k", Value: "v"}}
		for _, sc := range []fleet.Scope{here, there} {
			_, err := s.ThingType(ctx, sc, "pump")
			wantFault(t, err, fault.NotFound, "pump")
			_, err = s.CreateThingType(ctx, sc, testType(t, "pump"), tags)
			ok(t, err)
			got, err := s.ThingType(ctx, sc, "pump")
			if err != nil || !reflect.DeepEqual(got, testType(t, "pump")) {
				t.Errorf("got %+v, %v, want %+v", got, err, testType(t, "pump"))
			}
		}
		again := testType(t, "pump")
		again.ID = "another"
		got, err := s.CreateThingType(ctx, here, again, tags)
		if err != nil || got.ID != "id of pump" {
			t.Errorf("got %+v, %v for the same again, want the first one", got, err)
		}
		_, err = s.CreateThingType(ctx, here, again, nil)
		wantFault(t, err, fault.Exists, "pump")
		again.Searchable = nil
		_, err = s.CreateThingType(ctx, here, again, tags)
		wantFault(t, err, fault.Exists, "pump")
		if f := fault.From(err); f.ResourceID != "pump" || f.ResourceARN != here.ARN("thingtype", "pump") {
			t.Errorf("got %q, %q, want the type named", f.ResourceID, f.ResourceARN)
		}

		ok(t, s.UpdateThingType(ctx, here, "pump", func(t *fleet.ThingType) error {
			t.Deprecate(testNow.Add(time.Second))
			return t.Update(fleet.TypeUpdate{Description: new("new"), Propagations: []fleet.Propagation{}})
		}))
		want := testType(t, "pump")
		want.Description, want.Propagations, want.Deprecated = "new", []fleet.Propagation{}, testNow.Add(time.Second)
		if got, err = s.ThingType(ctx, here, "pump"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if got, err = s.ThingType(ctx, there, "pump"); err != nil || got.Description != "of pump" {
			t.Errorf("got %+v, %v, want the other scope's as it was", got, err)
		}
		wantFault(t, deprecate(s, here, "valve"), fault.NotFound, "valve")
		wantFault(t, s.UpdateThingType(ctx, here, "pump", func(*fleet.ThingType) error {
			return fault.New(fault.Invalid, "no")
		}), fault.Invalid, "no")
	})
}

func TestThingTypesAreListedByName(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeTypes(t, s, here, "b", "pump", "pump-2", "Pump", "pumq", "pum")
		makeTypes(t, s, there, "pump-3")
		for _, tt := range []struct {
			name  string
			query fleet.TypeQuery
			want  []string
		}{
			{"all, in the order of bytes", fleet.TypeQuery{Limit: 9}, []string{"Pump", "b", "pum", "pump", "pump-2", "pumq"}},
			{"a page", fleet.TypeQuery{After: "b", Limit: 2}, []string{"pum", "pump"}},
			{"by the beginning of the name", fleet.TypeQuery{Prefix: "pump", Limit: 9}, []string{"pump", "pump-2"}},
			{"and a page of that", fleet.TypeQuery{Prefix: "pump", After: "pump", Limit: 1}, []string{"pump-2"}},
			{"a name that none has", fleet.TypeQuery{Prefix: "x", Limit: 9}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				list, err := s.ThingTypes(context.Background(), here, tt.query)
				ok(t, err)
				wantNames(t, collect(list, func(t **fleet.ThingType) string { return (*t).Name }), tt.want)
			})
		}
	})
}

func TestThingsHaveTypes(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeTypes(t, s, here, "pump", "valve", "old")
		makeTypes(t, s, there, "theirs")
		ok(t, deprecate(s, here, "old"))
		_, err := s.CreateThing(ctx, here, typed(t, "a", "theirs"))
		wantFault(t, err, fault.NotFound, "theirs")
		_, err = s.CreateThing(ctx, here, typed(t, "a", "old"))
		wantFault(t, err, fault.Invalid, "deprecated")
		_, err = s.Thing(ctx, here, "a")
		wantFault(t, err, fault.NotFound, "a")

		_, err = s.CreateThing(ctx, here, typed(t, "a", "pump"))
		ok(t, err)
		_, err = s.CreateThing(ctx, here, testThing(t, "a"))
		wantFault(t, err, fault.Exists, "another type")
		got, err := s.Thing(ctx, here, "a")
		if err != nil || !reflect.DeepEqual(got, typed(t, "a", "pump")) {
			t.Errorf("got %+v, %v, want a pump", got, err)
		}
		wantFault(t, retype(s, here, "a", "none"), fault.NotFound, "none")
		wantFault(t, retype(s, here, "a", "old"), fault.Invalid, "deprecated")
		ok(t, retype(s, here, "a", "valve"))
		ok(t, deprecate(s, here, "valve"))
		// What has a deprecated type may be created again, and changed.
		_, err = s.CreateThing(ctx, here, typed(t, "a", "valve"))
		ok(t, err)
		ok(t, retype(s, here, "a", "valve"))
		wantFault(t, s.DeleteThingType(ctx, here, "valve"), fault.Invalid, "has things")
		wantFault(t, s.DeleteThingType(ctx, there, "valve"), fault.NotFound, "valve")
		ok(t, retype(s, here, "a", ""))
		ok(t, s.DeleteThingType(ctx, here, "valve"))
		wantFault(t, s.DeleteThingType(ctx, here, "valve"), fault.NotFound, "valve")
		wantFault(t, s.DeleteThingType(ctx, here, "pump"), fault.Invalid, "not deprecated")
		got, err = s.Thing(ctx, here, "a")
		if err != nil || got.Type != "" || got.Version != 4 {
			t.Errorf("got %+v, %v, want version 4 without a type", got, err)
		}
	})
}

// wantTypesOfAll holds that every thing has a type that is there.
func wantTypesOfAll(t *testing.T, s *Store) {
	t.Helper()
	n, err := count(context.Background(), s.read, `SELECT count(*) FROM things t WHERE t.thing_type <> '' AND NOT EXISTS (
		SELECT 1 FROM thing_types k WHERE k.scope = t.scope AND k.name = t.thing_type)`, nil)
	if err != nil || n != 0 {
		t.Errorf("got %d things, %v, of a type that is gone", n, err)
	}
}

func TestATypeIsNotDeletedWhileItIsGiven(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for round := range 8 {
			kind := fmt.Sprint("kind", round)
			makeTypes(t, s, here, kind)
			makeThings(t, s, here, kind+"-bare")
			var deleted atomic.Bool
			together(t, 12, func(i int) error {
				switch i {
				case 6: // it may come before, between and after the others
					err := errors.Join(deprecate(s, here, kind), s.DeleteThingType(ctx, here, kind))
					deleted.Store(err == nil)
					return err
				case 7:
					return retype(s, here, kind+"-bare", kind)
				}
				_, err := s.CreateThing(ctx, here, typed(t, fmt.Sprint(kind, "-", i), kind))
				return err
			}, fault.NotFound, fault.Invalid)
			wantTypesOfAll(t, s)
			if _, err := s.ThingType(ctx, here, kind); deleted.Load() != fault.Is(err, fault.NotFound) {
				t.Errorf("got %v of a type, deleted: %v", err, deleted.Load())
			}
		}
	})
}

// The thing waits for the end of the deprecation.
func TestATypeThatIsBeingDeprecatedIsNotGiven(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeTypes(t, s, here, "pump")
		began, create := make(chan struct{}), make(chan error, 1)
		ok(t, s.UpdateThingType(ctx, here, "pump", func(kind *fleet.ThingType) error {
			go func() {
				close(began)
				_, err := s.CreateThing(ctx, here, typed(t, "late", "pump"))
				create <- err
			}()
			<-began
			kind.Deprecate(testNow)
			return nil
		}))
		wantFault(t, <-create, fault.Invalid, "deprecated")
	})
}

func TestEqualTypesMadeTogether(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		if n := together(t, 20, func(i int) error {
			kind := testType(t, "pump")
			kind.ID = fmt.Sprint(i)
			got, err := s.CreateThingType(context.Background(), here, kind, []fleet.Tag{{Key: "k"}})
			if err == nil && got.Name != "pump" {
				t.Errorf("got %+v", got)
			}
			return err
		}); n != 20 {
			t.Errorf("got %d of 20 equal calls done, want all", n)
		}
		if n := together(t, 20, func(i int) error {
			kind := testType(t, "valve")
			kind.Description = fmt.Sprint(i)
			_, err := s.CreateThingType(context.Background(), here, kind, nil)
			return err
		}, fault.Exists); n != 1 {
			t.Errorf("got %d of 20 different types made, want one", n)
		}
	})
}
