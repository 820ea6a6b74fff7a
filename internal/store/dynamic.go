package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
)

// Dynamic groups follow every change to a thing in the transaction of the
// change. A transaction that changes things takes the scope's dynamic groups
// shared, before it locks any row, and one that makes, changes or removes a
// dynamic group takes them for itself: whoever finds the members of a group sees
// all things that were changed without a look at its query.

// shareDynamic keeps the dynamic groups of a scope as they are until the
// transaction ends. It comes before any other lock.
func shareDynamic(ctx context.Context, q querier, scope int64) error {
	return lockDynamic(ctx, q, scope, q.dialect().shareDynamic)
}

// defineDynamic keeps everybody from judging things until the transaction,
// which changes a dynamic group, ends. It comes before any other lock.
func (s *Store) defineDynamic(ctx context.Context, q querier, scope int64) error {
	if err := lockDynamic(ctx, q, scope, q.dialect().defineDynamic); err != nil {
		return err
	}
	s.dynamics.mayHave(scope)
	// Not the next number: one that was rolled back would come again, with
	// other groups behind it.
	if _, err := q.exec(ctx, `UPDATE scopes SET dynamic_version = @version WHERE scope = @scope`,
		args{"scope": scope, "version": 1 + rand.Int64N(1<<62)}); err != nil {
		return fmt.Errorf("mark dynamic groups as changed: %w", err)
	}
	return nil
}

func lockDynamic(ctx context.Context, q querier, scope int64, text string) error {
	if text == "" {
		return nil
	}
	if _, err := q.exec(ctx, text, args{"scope": scope}); err != nil {
		return fmt.Errorf("lock dynamic groups: %w", err)
	}
	return nil
}

// dynamicSet is the dynamic groups of a scope, the oldest first.
type dynamicSet struct {
	version int64
	groups  []dynamicGroup
}

type dynamicGroup struct {
	membership fleet.Membership // of no thing
	query      *fleetindex.Query
}

// maxDynamicSets bounds how many scopes' queries are kept in memory.
const maxDynamicSets = 1000

// dynamicSets are the queries of scopes, read and compiled once a version.
type dynamicSets struct {
	mu   sync.Mutex
	sets map[int64]*dynamicSet
	// none are scopes that have no dynamic group, and false from the moment at
	// which one of them may have.
	none map[int64]bool
}

// mayHave notes that a scope may have dynamic groups from now on.
func (d *dynamicSets) mayHave(scope int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.none == nil {
		d.none = map[int64]bool{}
	}
	d.none[scope] = false
}

// hasNone reports whether a scope is known to have no dynamic group.
func (d *dynamicSets) hasNone(scope int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.none[scope]
}

// noteNone notes that a scope was seen to have no dynamic group, by one who
// keeps others from making one.
func (d *dynamicSets) noteNone(scope int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.none == nil {
		d.none = map[int64]bool{}
	}
	if _, known := d.none[scope]; !known {
		d.none[scope] = true
	}
}

func (d *dynamicSets) get(scope, version int64) *dynamicSet {
	d.mu.Lock()
	defer d.mu.Unlock()
	if set := d.sets[scope]; set != nil && set.version == version {
		return set
	}
	return nil
}

func (d *dynamicSets) put(scope int64, set *dynamicSet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sets == nil || len(d.sets) >= maxDynamicSets {
		d.sets = map[int64]*dynamicSet{}
	}
	d.sets[scope] = set
}

// dynamicGroups returns the dynamic groups of a scope, which the transaction
// keeps as they are.
func (s *Store) dynamicGroups(ctx context.Context, q querier, scope int64) (*dynamicSet, error) {
	if s.dynamics.hasNone(scope) {
		return &dynamicSet{}, nil
	}
	version, err := count(ctx, q, `SELECT dynamic_version FROM scopes WHERE scope = @scope`, args{"scope": scope})
	if err != nil {
		return nil, fmt.Errorf("look for dynamic groups: %w", err)
	}
	if version == 0 {
		if s.pool == nil { // nobody else makes groups
			s.dynamics.noteNone(scope)
		}
		return &dynamicSet{}, nil
	}
	if set := s.dynamics.get(scope, version); set != nil {
		return set, nil
	}
	set := &dynamicSet{version: version}
	if set.groups, err = readDynamic(ctx, q, scope); err != nil {
		return nil, err
	}
	s.dynamics.put(scope, set)
	return set, nil
}

// readDynamic reads and compiles the queries of a scope.
func readDynamic(ctx context.Context, q querier, scope int64) ([]dynamicGroup, error) {
	list, err := all(ctx, q, `SELECT name, seq, query FROM thing_groups
		WHERE scope = @scope AND query <> '' ORDER BY seq`, args{"scope": scope},
		func(r scanner) (g dynamicGroup, err error) {
			m := fleet.Membership{Dynamic: true}
			var query string
			if err := r.Scan(&m.Group, &m.Seq, &query); err != nil {
				return g, err
			}
			m.Root = m.Seq
			g.membership = m
			g.query, err = fleetindex.Parse(query)
			return g, err
		})
	if err != nil {
		return nil, fmt.Errorf("read dynamic groups: %w", err)
	}
	return list, nil
}

// verdicts judges a thing by the groups' queries.
func (set *dynamicSet) verdicts(d *fleetindex.Document) []fleet.Verdict {
	out := make([]fleet.Verdict, len(set.groups))
	for i, g := range set.groups {
		out[i] = fleet.Verdict{Group: g.membership, Matches: g.query.Matches(d)}
		out[i].Group.Thing = d.Name
	}
	return out
}

// changingThing runs fn as a transaction that changes a thing, and has the
// dynamic groups follow.
func (s *Store) changingThing(ctx context.Context, sc fleet.Scope, thing string,
	fn func(ctx context.Context, q querier, scope int64) error,
) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := shareDynamic(ctx, q, scope); err != nil {
			return err
		}
		if err := fn(ctx, q, scope); err != nil {
			return err
		}
		return s.judge(ctx, q, scope, []string{thing})
	})
}

// judge has the dynamic groups follow changes to some things, all of them. The
// transaction has called shareDynamic before it changed the things.
func (s *Store) judge(ctx context.Context, q querier, scope int64, things []string) error {
	set, err := s.dynamicGroups(ctx, q, scope)
	if err != nil || len(set.groups) == 0 || len(things) == 0 {
		return err
	}
	in, err := lockMemberships(ctx, q, scope, things)
	if err != nil {
		return err
	}
	docs, err := judgedDocuments(ctx, q, scope, things, in)
	if err != nil {
		return err
	}
	var joins []fleet.Membership
	var moved []string
	leaves := map[int64][]string{}
	for _, d := range docs {
		leave, join := fleet.Judge(in[d.Name], set.verdicts(d))
		joins = append(joins, join...)
		if len(leave)+len(join) > 0 {
			moved = append(moved, d.Name)
		}
		for _, m := range leave {
			leaves[m.Seq] = append(leaves[m.Seq], m.Thing)
		}
	}
	for _, group := range slices.Sorted(maps.Keys(leaves)) {
		a := args{"scope": scope, "group": group}
		if _, err := q.exec(ctx, `DELETE FROM group_members WHERE scope = @scope AND thing_group = @group AND `+
			q.dialect().in("thing", "things", a, leaves[group]), a); err != nil {
			return fmt.Errorf("leave dynamic group: %w", err)
		}
	}
	if err := s.joinDynamic(ctx, q, scope, joins); err != nil {
		return err
	}
	return noteRights(ctx, q, scope, fleet.RightThing, moved...)
}

func (s *Store) joinDynamic(ctx context.Context, q querier, scope int64, joins []fleet.Membership) error {
	err := insertRows(ctx, q, "group_members", []column{
		{"scope", repeat(scope, len(joins))},
		{"thing", collect(joins, func(m *fleet.Membership) string { return m.Thing })},
		{"root", collect(joins, func(m *fleet.Membership) int64 { return m.Root })},
		{"thing_group", collect(joins, func(m *fleet.Membership) int64 { return m.Seq })},
		{"created_at", repeat(s.millis(), len(joins))},
	})
	if err != nil {
		return fmt.Errorf("join dynamic groups: %w", err)
	}
	return nil
}

// judgedDocuments reads things as the queries of dynamic groups see them, given
// the groups they are in, of which static ones alone count. Things that are not
// there are left out.
func judgedDocuments(ctx context.Context, q querier, scope int64, things []string,
	in map[string][]fleet.Membership,
) ([]*fleetindex.Document, error) {
	a := args{"scope": scope}
	docs, err := all(ctx, q, documentText+q.dialect().in("t.name", "things", a, things), a, scanDocument)
	if err != nil {
		return nil, fmt.Errorf("read things for dynamic groups: %w", err)
	}
	for _, d := range docs {
		for _, m := range in[d.Name] {
			if !m.Dynamic {
				d.Groups = append(d.Groups, m.Group)
			}
		}
	}
	return docs, nil
}

// mayDefine decides whether a scope may have a dynamic group, as one more or
// with another query: what it asks for must be indexed, see
// [fleet.Indexing.MayQuery], and too many are a Limit fault.
func (s *Store) mayDefine(ctx context.Context, q querier, scope int64, query string, more int) error {
	i, err := indexing(ctx, q, scope)
	if err != nil {
		return err
	}
	parsed, err := fleetindex.Parse(query)
	if err != nil {
		return err
	}
	if err := i.MayQuery(parsed.UsesConnectivity()); err != nil {
		return err
	}
	n, err := count(ctx, q, `SELECT count(*) FROM (SELECT 1 FROM thing_groups WHERE scope = @scope AND query <> ''
		LIMIT @limit) few`, args{"scope": scope, "limit": s.quotas.DynamicGroups})
	if err != nil {
		return fmt.Errorf("count dynamic groups: %w", err)
	}
	if int(n)+more > s.quotas.DynamicGroups {
		return fault.New(fault.Limit, "there are %d dynamic thing groups, which is the most", n)
	}
	return nil
}

// mayIndex decides whether what the dynamic groups ask for stays indexed under
// other settings. If not, that is an Invalid fault.
func mayIndex(ctx context.Context, q querier, scope int64, i fleet.Indexing) error {
	set, err := readDynamic(ctx, q, scope)
	if err != nil {
		return err
	}
	for _, g := range set {
		if f := fault.From(i.MayQuery(g.query.UsesConnectivity())); f != nil {
			return fault.New(fault.Invalid, "the dynamic thing group %q asks for what would not be indexed: %s",
				g.membership.Group, f.Text)
		}
	}
	return nil
}

// UpdateDynamicGroup stores what change makes of a dynamic group, and returns
// it with the work of finding its members anew where change says so. One that is
// not there is a NotFound fault.
func (s *Store) UpdateDynamicGroup(ctx context.Context, sc fleet.Scope, name string,
	change func(*fleet.Group) (anew bool, err error),
) (g *fleet.Group, work fleet.GroupWork, err error) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		work = ""
		if err := s.defineDynamic(ctx, q, scope); err != nil {
			return err
		}
		if g, err = findGroup(ctx, q, scope, name); err != nil {
			return err
		}
		anew, err := change(g)
		if err != nil {
			return err
		}
		if !anew {
			return saveGroup(ctx, q, scope, g)
		}
		if err := s.mayDefine(ctx, q, scope, g.Dynamic.Query, 0); err != nil {
			return err
		}
		if err := saveGroup(ctx, q, scope, g); err != nil {
			return err
		}
		work, err = s.setGroupWork(ctx, q, scope, g.Place.Seq, finding)
		return err
	})
	return g, work, err
}
