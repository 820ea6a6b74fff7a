package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
)

const (
	// groupWindow is how many groups a search reads at once.
	groupWindow = 500
	// groupEffort is how many groups one page of a search looks at.
	groupEffort = 20_000
)

// SearchGroups returns a page of the thing groups that match a query, by name,
// and the name that the next page is behind, "" when there is none. As with
// SearchThings, a page can be short and not be the last.
func (s *Store) SearchGroups(ctx context.Context, sc fleet.Scope, search fleetindex.Search) (
	list []*fleetindex.GroupDocument, next string, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		after := search.After
		for effort := 0; effort < groupEffort; effort += groupWindow {
			groups, err := groupDocuments(ctx, q, scope, after)
			if err != nil {
				return err
			}
			for _, g := range groups {
				if !search.Query.MatchesGroup(g) {
					continue
				}
				if len(list) == search.Limit {
					next = list[search.Limit-1].Name
					return nil
				}
				list = append(list, g)
			}
			if len(groups) < groupWindow {
				return nil
			}
			after = groups[len(groups)-1].Name
		}
		next = after
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("search thing groups: %w", err)
	}
	return list, next, nil
}

// groupDocuments reads the next groups behind a name, by name.
func groupDocuments(ctx context.Context, q querier, scope int64, after string) (
	list []*fleetindex.GroupDocument, err error,
) {
	above := map[string]string{} // the parent of a group, "" for a root
	list, err = all(ctx, q, `SELECT g.name, g.id, g.description, g.attributes, coalesce(g.parent, '')
		FROM thing_groups g WHERE g.scope = @scope AND g.name > @after ORDER BY g.name LIMIT @limit`,
		args{"scope": scope, "after": after, "limit": groupWindow},
		func(r scanner) (*fleetindex.GroupDocument, error) {
			g := &fleetindex.GroupDocument{}
			var attributes, parent string
			if err := r.Scan(&g.Name, &g.ID, &g.Description, &attributes, &parent); err != nil {
				return nil, err
			}
			above[g.Name] = parent
			return g, fromJSON(attributes, &g.Attributes)
		})
	if err != nil {
		return nil, err
	}
	if err := addAncestors(ctx, q, scope, above); err != nil {
		return nil, err
	}
	for _, g := range list {
		for parent := above[g.Name]; parent != ""; parent = above[parent] {
			g.Parents = append(g.Parents, parent)
		}
		slices.Reverse(g.Parents)
	}
	return list, nil
}

// addAncestors adds the parents of the groups in above, up to the roots.
func addAncestors(ctx context.Context, q querier, scope int64, above map[string]string) error {
	for range fleet.MaxGroupDepth {
		missing := map[string]bool{}
		for _, parent := range above {
			if _, known := above[parent]; parent != "" && !known {
				missing[parent] = true
			}
		}
		if len(missing) == 0 {
			return nil
		}
		a := args{"scope": scope}
		found, err := all(ctx, q, `SELECT g.name, coalesce(g.parent, '') FROM thing_groups g WHERE g.scope = @scope AND `+
			q.dialect().in("g.name", "names", a, sortedKeys(missing)), a,
			func(r scanner) (pair [2]string, err error) { return pair, r.Scan(&pair[0], &pair[1]) })
		if err != nil {
			return err
		}
		for name := range missing {
			above[name] = "" // one that is gone at this moment has nothing above it
		}
		for _, pair := range found {
			above[pair[0]] = pair[1]
		}
	}
	return nil
}
