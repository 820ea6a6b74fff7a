package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// wantAttributes holds that things are found by exactly the attributes and
// types that they have.
func wantAttributes(t *testing.T, s *Store) {
	t.Helper()
	row := func(r scanner) (text string, err error) {
		var scope int64
		var thing, kind, name, value, folded string
		err = r.Scan(&scope, &thing, &kind, &name, &value, &folded)
		return fmt.Sprint(scope, thing, kind, name, value, folded), err
	}
	got, err := all(context.Background(), s.read, `SELECT scope, thing, thing_type, name, value, folded
		FROM thing_attributes`, nil, row)
	ok(t, err)
	type stored struct {
		scope             int64
		name, kind, notes string
	}
	things, err := all(context.Background(), s.read, `SELECT scope, name, thing_type, attributes FROM things`, nil,
		func(r scanner) (v stored, err error) { return v, r.Scan(&v.scope, &v.name, &v.kind, &v.notes) })
	ok(t, err)
	var want []string
	for _, v := range things {
		notes := map[string]string{}
		ok(t, fromJSON(v.notes, &notes))
		for name, value := range notes {
			want = append(want, fmt.Sprint(v.scope, v.name, v.kind, name, value, strings.ToLower(value)))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got attributes %v, want %v", got, want)
	}
}

func TestAttributesFollowTheirThing(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeTypes(t, s, here, "pump", "valve")
		_, err := s.CreateThing(ctx, there, testThing(t, "a", "color", "theirs"))
		ok(t, err)
		_, err = s.CreateThing(ctx, here, typed(t, "a", "pump", "color", "Red", "site", "[a]/B=1"))
		ok(t, err)
		wantAttributes(t, s)
		change := func(u fleet.ThingUpdate) error {
			return s.UpdateThing(ctx, here, "a", func(t *fleet.Thing) error { return t.Update(u, nil) })
		}
		for _, u := range []fleet.ThingUpdate{
			{},
			{Type: "valve"},
			{Attributes: fleet.AttributeUpdate{Values: map[string]string{"color": "Blue", "site": ""}, Merge: true}},
			{RemoveType: true},
			{Type: "pump", Attributes: fleet.AttributeUpdate{Values: map[string]string{"A": "1", "a": "2"}}},
		} {
			ok(t, change(u))
			wantAttributes(t, s)
		}
		wantFault(t, change(fleet.ThingUpdate{
			Type: "none", Attributes: fleet.AttributeUpdate{Values: map[string]string{"never": "1"}},
		}), fault.NotFound, "none")
		wantAttributes(t, s)
		together(t, 20, func(i int) error {
			return change(fleet.ThingUpdate{
				Type:       []string{"pump", "valve"}[i%2],
				Attributes: fleet.AttributeUpdate{Values: map[string]string{fmt.Sprint("k", i%3): fmt.Sprint(i)}, Merge: i%2 == 0},
			})
		})
		wantAttributes(t, s)
		ok(t, s.DeleteThing(ctx, here, "a", func(*fleet.Thing) error { return nil }))
		wantAttributes(t, s)
	})
}

// pagesOf lists the names of all things that a query asks for, page by page.
func pagesOf(t *testing.T, s *Store, q fleet.ThingQuery) (names []string) {
	t.Helper()
	for {
		page, err := s.Things(context.Background(), here, q)
		ok(t, err)
		names = append(names, namesOf(page)...)
		if len(page) < q.Limit {
			return names
		}
		q.After = q.Position(page[len(page)-1])
	}
}

func TestThingsAreListedByTypeAndAttribute(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeTypes(t, s, here, "pump", "Pump")
		for i, thing := range []*fleet.Thing{
			typed(t, "e", "pump", "color", "red", "note", "a"),
			typed(t, "d", "Pump", "color", "red"),
			typed(t, "c", "pump", "color", "Red"),
			typed(t, "b", "pump", "color", "red"),
			typed(t, "a", "pump", "color", "reddish"),
			typed(t, "f", "pump"),
			testThing(t, "g", "color", "red"),
			typed(t, "h", "pump", "color", "re"),
			typed(t, "i", "pump", "color", "r~"), // behind every letter
		} {
			_, err := s.CreateThing(context.Background(), here, thing)
			if err != nil {
				t.Fatal(i, err)
			}
		}
		exact := func(value string) fleet.AttributeFilter { return fleet.AttributeFilter{Name: "color", Value: value} }
		prefix := func(value string) fleet.AttributeFilter {
			return fleet.AttributeFilter{Name: "color", Value: value, Prefix: true}
		}
		for _, tt := range []struct {
			name  string
			query fleet.ThingQuery
			want  string
		}{
			{"all by name", fleet.ThingQuery{}, "a b c d e f g h i"},
			{"a type by name", fleet.ThingQuery{Type: "pump"}, "a b c e f h i"},
			{"a type in another case", fleet.ThingQuery{Type: "Pump"}, "d"},
			{"a type that nothing has", fleet.ThingQuery{Type: "valve"}, ""},
			{"a value by name", fleet.ThingQuery{Filter: exact("red")}, "b d e g"},
			{"a prefix by value and name", fleet.ThingQuery{Filter: prefix("re")}, "h b d e g a"},
			{"an attribute by value and name", fleet.ThingQuery{Filter: prefix("")}, "c h b d e g a i"},
			{"a value of a type", fleet.ThingQuery{Type: "pump", Filter: exact("red")}, "b e"},
			{"a prefix of a type", fleet.ThingQuery{Type: "pump", Filter: prefix("re")}, "h b e a"},
			{"an attribute of a type", fleet.ThingQuery{Type: "pump", Filter: prefix("")}, "c h b e a i"},
			{"a value that nothing has", fleet.ThingQuery{Filter: exact("r")}, ""},
			{"a prefix that nothing has", fleet.ThingQuery{Filter: prefix("x")}, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				for _, tt.query.Limit = range []int{1, 2, 3, 100} {
					if got := strings.Join(pagesOf(t, s, tt.query), " "); got != tt.want {
						t.Errorf("by %d: got %q, want %q", tt.query.Limit, got, tt.want)
					}
				}
			})
		}
	})
}

func TestListsOfThingsLoseNothingBesideChanges(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeTypes(t, s, here, "pump")
		create := func(name string) {
			_, err := s.CreateThing(ctx, here, typed(t, name, "pump", "color", "red"))
			ok(t, err)
		}
		var want []string
		for i := range 40 {
			want = append(want, fmt.Sprintf("t%03d", i*10))
			create(want[i])
		}
		for name, q := range map[string]fleet.ThingQuery{
			"all":       {},
			"type":      {Type: "pump"},
			"value":     {Filter: fleet.AttributeFilter{Name: "color", Value: "red"}},
			"prefix":    {Filter: fleet.AttributeFilter{Name: "color", Value: "r", Prefix: true}},
			"of a type": {Type: "pump", Filter: fleet.AttributeFilter{Name: "color", Value: "r", Prefix: true}},
		} {
			t.Run(name, func(t *testing.T) {
				var got []string
				for n := 0; ; n++ {
					q.Limit = 7
					page, err := s.Things(ctx, here, q)
					ok(t, err)
					for _, thing := range page {
						if !strings.HasSuffix(thing.Name, "x") {
							got = append(got, thing.Name)
						}
					}
					if len(page) < q.Limit {
						break
					}
					q.After = q.Position(page[len(page)-1])
					beside := fmt.Sprintf("t%03dx", n*60)
					create(beside)
					if n%2 == 0 {
						ok(t, s.DeleteThing(ctx, here, q.After.Thing+"x", func(*fleet.Thing) error { return nil }))
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %v, want each of %v once", got, want)
				}
				for n := range 50 {
					ok(t, s.DeleteThing(ctx, here, fmt.Sprintf("t%03dx", n*60), func(*fleet.Thing) error { return nil }))
				}
			})
		}
	})
}

// wantByIndex holds that a statement reads its rows in the order of an index,
// from where its page begins: it neither scans a table nor sorts.
func wantByIndex(t *testing.T, s *Store, text string, a args) {
	t.Helper()
	ctx := context.Background()
	explain, column := "EXPLAIN QUERY PLAN ", 4
	if s.pool != nil {
		explain, column = "EXPLAIN ", 1
	}
	plan, err := all(ctx, s.read, explain+text, a, func(r scanner) (line string, err error) {
		dest := make([]any, column)
		for i := range dest {
			dest[i] = new(any)
		}
		dest[column-1] = &line
		return line, r.Scan(dest...)
	})
	ok(t, err)
	joined := strings.Join(plan, "\n")
	for _, bad := range []string{
		"TEMP B-TREE", "SCAN t\n", "SCAN things", "SCAN thing_attributes", "Seq Scan", "Sort", "Bitmap",
	} {
		if strings.Contains(joined+"\n", bad) {
			t.Errorf("got %q in the plan of %s:\n%s", bad, text, joined)
		}
	}
}

func TestListsOfThingsFollowAnIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeTypes(t, s, here, "pump")
		_, err := s.CreateThing(ctx, here, typed(t, "seed", "pump", "color", "red"))
		ok(t, err)
		ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
			if err := insertRows(ctx, q, "things", manyThings(20_000)); err != nil {
				return err
			}
			_, err := q.exec(ctx, `INSERT INTO thing_attributes (scope, thing, thing_type, name, value, folded)
				SELECT scope, name, thing_type, 'color', 'red', 'red' FROM things WHERE name <> 'seed'`, nil)
			return err
		}))
		if s.pool != nil {
			_, err := s.pool.Exec(ctx, "ANALYZE things, thing_attributes")
			ok(t, err)
		}
		after := fleet.ThingPosition{Value: "red", Thing: "thing-010000"}
		for _, kind := range []string{"", "pump"} {
			for _, f := range []fleet.AttributeFilter{
				{}, {Name: "color", Value: "red"}, {Name: "color", Value: "r", Prefix: true}, {Name: "color", Prefix: true},
			} {
				text, a := thingsText(&fleet.ThingQuery{Type: kind, Filter: f, After: after, Limit: 26})
				a["scope"] = 1
				wantByIndex(t, s, text, a)
			}
		}
		wantByIndex(t, s, thingOfType, args{"scope": 1, "name": "pump"})
	})
}

// manyThings are things of the first scope, half of them pumps.
func manyThings(n int) []column {
	names, kinds := make([]string, n), make([]string, n)
	for i := range n {
		names[i], kinds[i] = fmt.Sprintf("thing-%06d", i), []string{"", "pump"}[i%2]
	}
	return []column{
		{"scope", repeat(int64(1), n)}, {"name", names}, {"id", repeat("i", n)}, {"thing_type", kinds},
		{"attributes", repeat(`{"color":"red"}`, n)}, {"version", repeat(int64(1), n)},
		{"created_at", repeat(int64(1), n)},
	}
}
