package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
)

// searchGroups reads all pages of a search for groups.
func searchGroups(t *testing.T, s *Store, sc fleet.Scope, text string, limit int) (list []*fleetindex.GroupDocument) {
	t.Helper()
	q, err := fleetindex.ParseGroups(text)
	ok(t, err)
	for after := ""; ; {
		page, next, err := s.SearchGroups(context.Background(), sc, fleetindex.Search{Query: q, After: after, Limit: limit})
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

func namesOfGroups(list []*fleetindex.GroupDocument) []string {
	return collect(list, func(d **fleetindex.GroupDocument) string { return (*d).Name })
}

func TestGroupsAreSearched(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeGroups(t, s, here, "Site", "Site/Hall", "Site/Hall/bay", "a-shed")
		makeGroups(t, s, there, "Site", "other")
		_, err := s.UpdateGroup(ctx, here, "bay", func(g *fleet.Group) error {
			return g.Update(fleet.GroupUpdate{
				Description: new("The last Bay"), Attributes: fleet.AttributeUpdate{Values: map[string]string{"floor": "10"}},
			}, nil)
		})
		ok(t, err)
		for query, want := range map[string][]string{
			"*":                                           {"Hall", "Site", "a-shed", "bay"},
			"thingGroupName:h* OR a-shed":                 {"Hall", "a-shed"},
			"parentGroupNames:SITE":                       {"Hall", "bay"},
			"parentGroupNames:hall":                       {"bay"},
			"NOT parentGroupNames:*":                      {"Site", "a-shed"},
			"attributes.floor>9":                          {"bay"},
			`thingGroupDescription:"last bay"`:            {"bay"},
			"thingGroupName:other OR attributes.floor<10": nil,
		} {
			got := namesOfGroups(searchGroups(t, s, here, query, 2))
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
		bay := searchGroups(t, s, here, "bay", 2)[0]
		if !slices.Equal(bay.Parents, []string{"Site", "Hall"}) || bay.Description != "The last Bay" || bay.ID == "" {
			t.Errorf("got %+v, want the group as it is, its ancestors from the root down", *bay)
		}
	})
}

func TestSearchAmongManyGroups(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		var want []string
		for i := range 2*groupWindow + 10 {
			name := fmt.Sprintf("g%05d", i)
			makeGroups(t, s, here, name)
			if i%3 == 0 {
				want = append(want, name)
				_, err := s.UpdateGroup(context.Background(), here, name, func(g *fleet.Group) error {
					return g.Update(fleet.GroupUpdate{Description: new("mark")}, nil)
				})
				ok(t, err)
			}
		}
		for _, limit := range []int{100, 5000} {
			if got := namesOfGroups(searchGroups(t, s, here, "mark", limit)); !slices.Equal(got, want) {
				t.Errorf("got %d groups in pages of %d, want %d", len(got), limit, len(want))
			}
		}
	})
}
