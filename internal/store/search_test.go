package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
)

// oneOf returns one of a list.
func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// valuesOfTests are values that are alike in one way or another.
var valuesOfTests = []string{
	"red", "Red", "reddish", "r_d", "rxd", "75", "75.0", "075", "7.5", "-5", "-5.25", "8", "80", "100", "1234567890123456",
	"a/b:c", "[x=y]", "1.2.3", "--1", "7.", ".7", "-", "RED_1", "z",
}

// randomThing is a thing as queries see it.
func randomThing(r *rand.Rand, name string) *fleetindex.Document {
	d := &fleetindex.Document{Name: name, ID: "ID-" + oneOf(r, "a", "B", "7") + name, Attributes: map[string]string{}}
	d.Type = oneOf(r, "", "", "Pump", "pump2", "Valve")
	for _, name := range []string{"color", "Color", "temp", "a.b"} {
		if r.IntN(2) == 0 {
			d.Attributes[name] = oneOf(r, valuesOfTests...)
		}
	}
	for _, name := range []string{"Hall", "north", "red"} {
		if r.IntN(3) == 0 {
			d.Groups = append(d.Groups, name)
		}
	}
	switch r.IntN(4) {
	case 0:
		d.Connectivity = fleetindex.Connectivity{Connected: true, At: 1000 + r.Int64N(5)}
	case 1:
		d.Connectivity = fleetindex.Connectivity{At: 1000 + r.Int64N(5), Reason: oneOf(r, "CONNECTION_LOST", "Other")}
	}
	return d
}

// randomQuery is a query of some depth.
func randomQuery(r *rand.Rand, depth int) string {
	if depth == 0 {
		return randomTerm(r)
	}
	a, b := randomQuery(r, depth-1), randomQuery(r, r.IntN(depth))
	return oneOf(r, a+" "+b, a+" AND "+b, a+" OR "+b, "NOT "+a, "-("+a+") "+b, "("+a+" OR "+b+")", a)
}

func randomTerm(r *rand.Rand) string {
	v := escapeTerm(oneOf(r, valuesOfTests...))
	switch r.IntN(12) {
	case 0:
		return oneOf(r, "red", "p*7", "*", "hall", "valve", "id-b*", "thing-1?", v)
	case 1:
		return oneOf(r, "connectivity.connected:true", "connectivity.connected:false", "connectivity.connected:*",
			"connectivity.timestamp:*", "connectivity.timestamp>=1002", "connectivity.timestamp:1003",
			"connectivity.timestamp:[1001 TO 1002.5}", "connectivity.disconnectReason:*",
			"connectivity.disconnectReason:connection_*", "connectivity.disconnectReason:connection?lost")
	case 2:
		return oneOf(r, "thingTypeName:pump", "thingTypeName:PUMP*", "thingTypeName:*", "thingTypeName:[a TO q]",
			"thingTypeName:p*p")
	case 3:
		return oneOf(r, "thingGroupNames:HALL", "thingGroupNames:*", "thingGroupNames:n?rth", "thingGroupNames:(hall north)",
			"thingGroupNames>i")
	case 4:
		return oneOf(r, "thingName:thing-1*", "thingName:THING-17", "thingName<thing-3", "thingId:id-a*", "thingName:*",
			"thingName:t*g-?7", "thingId:ID-7thing-20", "thingId:*")
	}
	f := "attributes." + oneOf(r, "color", "Color", "temp", "a.b", "none")
	w := oneOf(r, valuesOfTests...)
	return f + oneOf(r, ":"+v, ":"+v+"*", ":*", ":r?d", ":*d", fmt.Sprintf(":[%d TO %d.5]", r.IntN(80), r.IntN(120)),
		fmt.Sprintf(":{-%d TO *}", r.IntN(10)), fmt.Sprintf("<%d", r.IntN(100)), fmt.Sprintf(`:["%s" TO *]`, w),
		fmt.Sprintf(`:{"%s" TO "%s"]`, w, oneOf(r, valuesOfTests...)), `:"`+w+`"`)
}

func escapeTerm(v string) string {
	var b strings.Builder
	for _, c := range v {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// store stores a thing as queries see it.
func storeDocument(t *testing.T, s *Store, sc fleet.Scope, d *fleetindex.Document) {
	t.Helper()
	defer pastStore(t, s)()
	ctx := context.Background()
	_, err := s.CreateThing(ctx, sc, &fleet.Thing{
		Name: d.Name, ID: d.ID, Attributes: d.Attributes, Version: 1, Created: testNow,
	})
	ok(t, err)
	ok(t, s.Regroup(ctx, sc, &fleet.Regrouping{Thing: d.Name, Join: d.Groups}))
	ok(t, s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		key := args{"scope": scope, "name": d.Name}
		run := func(text string, more args) error {
			maps.Copy(more, key)
			_, err := q.exec(ctx, text, more)
			return err
		}
		for name, value := range d.Attributes {
			if err := run(`INSERT INTO thing_attributes (scope, thing, name, value, folded)
				VALUES (@scope, @name, @attribute, @value, @folded) ON CONFLICT DO NOTHING`,
				args{"attribute": name, "value": value, "folded": strings.ToLower(value)}); err != nil {
				return err
			}
		}
		if d.Type != "" {
			if err := run(`UPDATE things SET thing_type = @type WHERE scope = @scope AND name = @name`,
				args{"type": d.Type}); err != nil {
				return err
			}
		}
		if c := d.Connectivity; c.At != 0 {
			return run(`INSERT INTO thing_connectivity (scope, thing, connected, changed_at, reason)
				VALUES (@scope, @name, @connected, @at, @reason)`,
				args{"connected": c.Connected, "at": c.At, "reason": c.Reason})
		}
		return nil
	}))
}

// storeTypes stores thing types.
func storeTypes(t *testing.T, s *Store, sc fleet.Scope, names ...string) {
	t.Helper()
	ok(t, s.writing(context.Background(), sc, func(ctx context.Context, q querier, scope int64) error {
		for _, name := range names {
			if _, err := q.exec(ctx, `INSERT INTO thing_types (scope, name, id, description, searchable, mqtt5, created_at)
				VALUES (@scope, @name, '', '', '[]', '[]', 0)`, args{"scope": scope, "name": name}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// searchAll reads all pages of a search.
func searchAll(t *testing.T, s *Store, sc fleet.Scope, q *fleetindex.Query, limit int) (list []*fleetindex.Document) {
	t.Helper()
	for after := ""; ; {
		page, next, err := s.SearchThings(context.Background(), sc, fleetindex.Search{Query: q, After: after, Limit: limit})
		ok(t, err)
		if list = append(list, page...); next == "" {
			return list
		}
		if len(page) > limit || next <= after {
			t.Fatalf("got a page of %d behind %q up to %q, want %d at most, and further", len(page), after, next, limit)
		}
		after = next
	}
}

func namesOfDocuments(list []*fleetindex.Document) []string {
	return collect(list, func(d **fleetindex.Document) string { return (*d).Name })
}

func parseQuery(t *testing.T, text string) *fleetindex.Query {
	t.Helper()
	q, err := fleetindex.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

func TestSearchFindsWhatMatches(t *testing.T) {
	// Names in lower case are found by another index than the others.
	name := func(i int) string { return fmt.Sprint([]string{"Thing-", "thing-"}[i%2], i) }
	forEachDatabase(t, func(t *testing.T, s *Store) {
		r := rand.New(rand.NewPCG(1, 2))
		fleetOf := map[string]*fleetindex.Document{}
		for _, sc := range []fleet.Scope{here, there} {
			makeGroups(t, s, sc, "Hall", "north", "red")
			storeTypes(t, s, sc, "Pump", "pump2", "Valve")
			for i := range 60 {
				d := randomThing(r, name(i))
				storeDocument(t, s, sc, d)
				fleetOf[sc.Account+d.Name] = d
			}
		}
		asked, found := 0, 0
		for asked < much(60, 300) {
			text := randomQuery(r, r.IntN(4))
			q, err := fleetindex.Parse(text)
			if err != nil {
				continue // two leading wildcards, or too many terms
			}
			asked++
			var want []string
			for i := range 60 {
				if d := fleetOf[here.Account+name(i)]; q.Matches(d) {
					want = append(want, d.Name)
				}
			}
			slices.Sort(want)
			found += len(want)
			wantSearch(t, s, text, q, want)
		}
		if found < asked {
			t.Errorf("got %d things in %d queries, want queries that find things", found, asked)
		}
	})
}

// wantSearch holds that the pages of a search, the condition itself and the
// candidates agree with what matches.
func wantSearch(t *testing.T, s *Store, text string, q *fleetindex.Query, want []string) {
	t.Helper()
	ctx := context.Background()
	if got := namesOfDocuments(searchAll(t, s, here, q, 7)); !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", text, got, want)
	}
	ok(t, s.reading(ctx, here, func(db querier, scope int64) error {
		got, err := matching(ctx, db, scope, q, span{last: lastText, limit: 1000})
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v by its condition, want %v", text, got, want)
		}
		ok(t, err)
		things, few, err := candidates{ctx, db, scope}.of(q.Root)
		for _, name := range want {
			if few && !things[name] {
				t.Errorf("%s: got candidates %v, want %s among them", text, sortedKeys(things), name)
			}
		}
		return err
	}))
}

func TestSearchReturnsThingsAsTheyAre(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeGroups(t, s, here, "Hall", "a", "a/b")
		storeTypes(t, s, here, "Pump")
		want := &fleetindex.Document{
			Name: "pump", ID: "id", Type: "Pump", Groups: []string{"Hall", "b"}, Attributes: map[string]string{"k": "v"},
			Connectivity: fleetindex.Connectivity{Connected: true, At: 5},
		}
		storeDocument(t, s, here, want)
		storeDocument(t, s, here, &fleetindex.Document{Name: "bare", ID: "x"})
		got := searchAll(t, s, here, parseQuery(t, "*"), 1)
		if len(got) != 2 || fmt.Sprint(*got[1]) != fmt.Sprint(*want) || got[0].Connectivity != (fleetindex.Connectivity{}) {
			t.Errorf("got %v, want bare and %v", got, *want)
		}
		if got := searchAll(t, s, there, parseQuery(t, "*"), 10); len(got) != 0 {
			t.Errorf("got %v in another scope, want nothing", got)
		}
	})
}

// markedThings stores n things at once; every step-th has the attribute "mark".
func markedThings(t *testing.T, s *Store, sc fleet.Scope, n, step int) {
	t.Helper()
	ok(t, s.writing(context.Background(), sc, func(ctx context.Context, q querier, scope int64) error {
		a := args{"scope": scope, "n": n}
		const numbers = `WITH RECURSIVE i(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM i WHERE i < CAST(@n AS BIGINT) - 1) `
		if _, err := q.exec(ctx, numbers+`INSERT INTO things (scope, name, id, attributes, version, created_at)
			SELECT @scope, 'T' || CAST(1000000 + i AS TEXT), '', '{}', 1, 0 FROM i`, a); err != nil {
			return err
		}
		a["step"] = step
		_, err := q.exec(ctx, numbers+`INSERT INTO thing_attributes (scope, thing, name, value, folded)
			SELECT @scope, 'T' || CAST(1000000 + i AS TEXT), 'mark', CAST(i AS TEXT), CAST(i AS TEXT) FROM i
			WHERE i % CAST(@step AS BIGINT) = 0`, a)
		return err
	}))
}

func TestSearchAmongManyThings(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		const things, step = 24_000, 30
		markedThings(t, s, here, things, step)
		for query, want := range map[string]int{
			"attributes.mark:*":                             things / step,
			"attributes.mark<300":                           10,
			"attributes.mark:23*":                           36,
			"NOT attributes.mark:*":                         things - things/step,
			"attributes.mark:* thingName:*99?":              things / step / 100,
			"connectivity.connected:true":                   0,
			"T1023999":                                      1,
			strings.Repeat("connectivity.timestamp:* ", 12): 0,
		} {
			got := namesOfDocuments(searchAll(t, s, here, parseQuery(t, query), 10_000))
			if !slices.IsSorted(got) || len(slices.Compact(got)) != len(got) {
				t.Errorf("%s: got things that are doubled or in no order", query)
			}
			if len(got) != want {
				t.Errorf("%s: got %d things, want %d", query, len(got), want)
			}
		}
		q := parseQuery(t, "NOT thingName:* "+strings.Repeat("NOT attributes.mark:* ", 11))
		page, next, err := s.SearchThings(context.Background(), here, fleetindex.Search{Query: q, Limit: 10})
		if err != nil || len(page) != 0 || next == "" {
			t.Errorf("got %v, %q, %v, want a page that ends before the effort is too much", page, next, err)
		}
	})
}

func TestIndexingConfiguration(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		wantModes := func(sc fleet.Scope, want fleet.Indexing) {
			t.Helper()
			if got, err := s.Indexing(ctx, sc); err != nil || got != want {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		}
		wantModes(here, fleet.NoIndexing)
		on := fleet.Indexing{Things: fleet.IndexRegistry, Connectivity: fleet.IndexStatus, Groups: fleet.IndexOn}
		ok(t, s.UpdateIndexing(ctx, here, func(i *fleet.Indexing) error { *i = on; return nil }))
		wantModes(here, on)
		wantModes(there, fleet.NoIndexing)
		// Each caller changes one mode; none undoes another's.
		calls := []func(*fleet.Indexing){
			func(i *fleet.Indexing) { i.Connectivity = fleet.IndexOff }, func(i *fleet.Indexing) { i.Groups = fleet.IndexOff },
		}
		together(t, 20, func(n int) error {
			return s.UpdateIndexing(ctx, here, func(i *fleet.Indexing) error { calls[n%2](i); return nil })
		})
		wantModes(here, fleet.Indexing{Things: fleet.IndexRegistry, Connectivity: fleet.IndexOff, Groups: fleet.IndexOff})
	})
}

func TestThingsOfBeforeAreSearched(t *testing.T) {
	forEachUpgrade(t, 3, slices.Concat(scopesOfTests, []string{
		`INSERT INTO things (scope, name, id, attributes, version, created_at) VALUES
			(1, 'Pump', 'i', '{"temp":"75","low":"-0.5"}', 1, 5), (1, 'valve', 'i', '{"temp":"7.x"}', 1, 5)`,
		`INSERT INTO thing_attributes (scope, thing, name, value, folded) VALUES
			(1, 'Pump', 'temp', '75', '75'), (1, 'Pump', 'low', '-0.5', '-0.5'), (1, 'valve', 'temp', '7.x', '7.x')`,
	}), func(t *testing.T, s *Store) {
		for query, want := range map[string][]string{
			"attributes.temp>9": {"Pump"}, "attributes.low<0": {"Pump"}, "attributes.temp:7*": {"Pump", "valve"},
			"pump": {"Pump"}, "connectivity.connected:false": {"Pump", "valve"},
		} {
			if got := namesOfDocuments(searchAll(t, s, here, parseQuery(t, query), 10)); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
		if i, err := s.Indexing(context.Background(), here); err != nil || i != fleet.NoIndexing {
			t.Errorf("got %v, %v, want nothing indexed", i, err)
		}
	})
}
