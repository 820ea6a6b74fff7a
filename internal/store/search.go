package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
)

const (
	// searchWindow is how many things one statement of a search looks at, in
	// the order of their names.
	searchWindow = 2000
	// searchEffort bounds what one page of a search costs: how many things,
	// each as often as the query has terms, are looked at.
	searchEffort = 240_000
	// candidateChunk is how many candidates one statement looks at.
	candidateChunk = 250
)

// SearchThings returns a page of the things that match a query, by name, and
// the name that the next page is behind, "" when there is none. A page can be
// short, even empty, and not be the last: a search for few things among very
// many ends a page after some effort.
func (s *Store) SearchThings(ctx context.Context, sc fleet.Scope, search fleetindex.Search) (
	list []*fleetindex.Document, next string, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		sr := searcher{ctx: ctx, q: q, scope: scope, query: search.Query, limit: search.Limit + 1}
		if next, err = sr.run(search.After); err != nil {
			return err
		}
		if len(sr.names) > search.Limit {
			sr.names = sr.names[:search.Limit]
			next = sr.names[search.Limit-1]
		}
		list, err = documents(ctx, q, scope, sr.names)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("search things: %w", err)
	}
	return list, next, nil
}

// searcher finds the names of one page.
type searcher struct {
	ctx   context.Context
	q     querier
	scope int64
	query *fleetindex.Query
	limit int
	names []string // those found so far, in order
}

// run finds names behind one. It returns up to where it looked, or "" when
// there is nothing behind.
func (sr *searcher) run(after string) (string, error) {
	things, few, err := candidates{sr.ctx, sr.q, sr.scope}.of(sr.query.Root)
	if err != nil {
		return "", err
	}
	if few {
		for chunk := range slices.Chunk(sortedAfter(things, after), candidateChunk) {
			if err := sr.among(chunk); err != nil || len(sr.names) >= sr.limit {
				return "", err
			}
		}
		return "", nil
	}
	for effort := 0; effort < searchEffort; effort += searchWindow * sr.query.Terms() {
		seen, last, err := window(sr.ctx, sr.q, sr.scope, after)
		if err != nil || seen == 0 {
			return "", err
		}
		found, err := matching(sr.ctx, sr.q, sr.scope, sr.query, span{after, last, sr.limit - len(sr.names)})
		if err != nil {
			return "", err
		}
		sr.names = append(sr.names, found...)
		if after = last; seen < searchWindow || len(sr.names) >= sr.limit {
			return "", nil
		}
	}
	return after, nil
}

// among finds those of some things that match.
func (sr *searcher) among(things []string) error {
	c := searchText{args: args{"scope": sr.scope}}
	text := `SELECT t.name FROM things t WHERE t.scope = @scope AND ` + c.condition(sr.query.Root) + ` AND ` +
		sr.q.dialect().in("t.name", "things", c.args, things)
	found, err := all(sr.ctx, sr.q, text, c.args, scalar[string])
	slices.Sort(found)
	sr.names = append(sr.names, found...)
	return err
}

// window returns how many of the next things there are, up to searchWindow, and
// the name of the last of them.
func window(ctx context.Context, q querier, scope int64, after string) (seen int, last string, err error) {
	_, _, err = one(ctx, q, `SELECT count(*), coalesce(max(name), '') FROM (SELECT name FROM things
			WHERE scope = @scope AND name > @after ORDER BY name LIMIT @window) page`,
		args{"scope": scope, "after": after, "window": searchWindow},
		func(r scanner) (bool, error) { return true, r.Scan(&seen, &last) })
	return seen, last, err
}

// span is a range of things by name, without after and with last, and how many
// of them are wanted.
type span struct {
	after, last string
	limit       int
}

// matching lists things of a span that match a query, by name.
func matching(ctx context.Context, q querier, scope int64, query *fleetindex.Query, sp span) ([]string, error) {
	c := searchText{args: args{"scope": scope, "after": sp.after, "last": sp.last, "limit": sp.limit}}
	return all(ctx, q, `SELECT t.name FROM things t WHERE t.scope = @scope AND t.name > @after AND t.name <= @last AND `+
		c.condition(query.Root)+` ORDER BY t.name LIMIT @limit`, c.args, scalar[string])
}

// documents reads things as queries see them, in the order of their names. One
// that is not there any more is left out.
func documents(ctx context.Context, q querier, scope int64, names []string) ([]*fleetindex.Document, error) {
	found := make(map[string]*fleetindex.Document, len(names))
	for chunk := range slices.Chunk(names, candidateChunk) {
		a := args{"scope": scope}
		list, err := all(ctx, q, documentText+q.dialect().in("t.name", "things", a, chunk), a, scanDocument)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			found[d.Name] = d
		}
		if err := addGroups(ctx, q, scope, chunk, found); err != nil {
			return nil, err
		}
	}
	out := make([]*fleetindex.Document, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[name])
	}
	return out, nil
}

// documentText reads things as queries see them, but for their groups.
const documentText = `SELECT t.name, t.id, t.thing_type, t.attributes, coalesce(c.connected, FALSE),
		coalesce(c.changed_at, 0), coalesce(c.reason, '')
	FROM things t LEFT JOIN thing_connectivity c ON c.scope = t.scope AND c.thing = t.name
	WHERE t.scope = @scope AND `

func scanDocument(r scanner) (*fleetindex.Document, error) {
	d := &fleetindex.Document{}
	var attributes string
	c := &d.Connectivity
	if err := r.Scan(&d.Name, &d.ID, &d.Type, &attributes, &c.Connected, &c.At, &c.Reason); err != nil {
		return nil, err
	}
	return d, fromJSON(attributes, &d.Attributes)
}

// addGroups adds the groups that things are in, by name.
func addGroups(ctx context.Context, q querier, scope int64, things []string, to map[string]*fleetindex.Document) error {
	in, _, err := memberships(ctx, q, scope, things)
	for _, d := range to {
		for _, m := range in[d.Name] {
			d.Groups = append(d.Groups, m.Group)
		}
		slices.Sort(d.Groups)
	}
	return err
}
