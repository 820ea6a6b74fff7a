package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Regroup makes a thing leave some groups and join others, all or nothing. A
// thing or group that is not there is a NotFound fault; the others are those of
// fleet.Regrouping.
func (s *Store) Regroup(ctx context.Context, sc fleet.Scope, r *fleet.Regrouping) error {
	names, err := r.Groups()
	if err != nil {
		return err
	}
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := shareDynamic(ctx, q, scope); err != nil {
			return err
		}
		in, err := lockMemberships(ctx, q, scope, []string{r.Thing})
		if err != nil {
			return err
		}
		if err := needThing(ctx, q, scope, r.Thing); err != nil {
			return err
		}
		groups, err := needGroups(ctx, q, scope, names)
		if err != nil {
			return err
		}
		changes, err := r.Plan(in[r.Thing], groups)
		if err != nil {
			return err
		}
		refused, err := s.apply(ctx, q, scope, changes)
		if err == nil && len(refused) > 0 {
			return fault.New(fault.NotFound, "a thing group was deleted at this moment")
		}
		if err != nil {
			return err
		}
		return s.judge(ctx, q, scope, movedThings(changes))
	})
}

// needGroups reads groups by name; one that is not there is a NotFound fault.
func needGroups(ctx context.Context, q querier, scope int64, names []string) (map[string]*fleet.Group, error) {
	groups := make(map[string]*fleet.Group, len(names))
	if len(names) == 0 {
		return groups, nil
	}
	a := args{"scope": scope}
	list, err := all(ctx, q, `SELECT `+groupColumns+` FROM thing_groups g WHERE g.scope = @scope AND `+
		q.dialect().in("g.name", "names", a, names), a, scanGroup)
	if err != nil {
		return nil, fmt.Errorf("find thing groups: %w", err)
	}
	for _, g := range list {
		groups[g.Name] = g
	}
	for _, name := range names {
		if groups[name] == nil {
			return nil, noGroup(name)
		}
	}
	return groups, nil
}

// lockMemberships reads the groups of some things, which then stay as they are
// until the transaction ends. What is left of groups that are gone is removed,
// so that every row of the things counts.
func lockMemberships(ctx context.Context, q querier, scope int64, things []string) (
	map[string][]fleet.Membership, error,
) {
	if len(things) == 0 {
		return nil, nil
	}
	if err := lockRows(ctx, q, thingRows, scope, things...); err != nil {
		return nil, fmt.Errorf("lock things: %w", err)
	}
	out, remains, err := memberships(ctx, q, scope, things)
	if err != nil || len(remains) == 0 {
		return out, err
	}
	a := args{"scope": scope}
	if _, err := q.exec(ctx, `DELETE FROM group_members WHERE scope = @scope AND `+
		q.dialect().in("thing", "things", a, things)+` AND `+
		q.dialect().in("thing_group", "groups", a, remains), a); err != nil {
		return nil, fmt.Errorf("remove members of groups that are gone: %w", err)
	}
	return out, nil
}

// memberships reads the groups of some things, and the numbers of groups that
// are gone and of which something is left.
func memberships(ctx context.Context, q querier, scope int64, things []string) (
	in map[string][]fleet.Membership, remains []int64, err error,
) {
	a := args{"scope": scope}
	list, err := all(ctx, q, `SELECT m.thing, coalesce(g.name, ''), m.thing_group, m.root, coalesce(g.query, '') <> ''
		FROM group_members m LEFT JOIN thing_groups g ON g.seq = m.thing_group
		WHERE m.scope = @scope AND `+q.dialect().in("m.thing", "things", a, things), a,
		func(r scanner) (m fleet.Membership, err error) {
			return m, r.Scan(&m.Thing, &m.Group, &m.Seq, &m.Root, &m.Dynamic)
		})
	if err != nil {
		return nil, nil, fmt.Errorf("read groups of things: %w", err)
	}
	in, gone := map[string][]fleet.Membership{}, map[int64]bool{}
	for _, m := range list {
		if m.Group == "" {
			gone[m.Seq] = true
			continue
		}
		in[m.Thing] = append(in[m.Thing], m)
	}
	return in, slices.Sorted(maps.Keys(gone)), nil
}

// GroupsOf lists the groups that a thing is in itself by name, or returns a
// NotFound fault.
func (s *Store) GroupsOf(ctx context.Context, sc fleet.Scope, thing, after string, limit int) (
	names []string, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		in, _, err := memberships(ctx, q, scope, []string{thing})
		if err != nil {
			return err
		}
		for _, m := range in[thing] {
			if m.Group > after {
				names = append(names, m.Group)
			}
		}
		if len(names) == 0 {
			return needThing(ctx, q, scope, thing)
		}
		slices.Sort(names) // no more than a thing may have
		names = names[:min(len(names), limit)]
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list groups of thing: %w", err)
	}
	return names, nil
}

// Members lists the things in a group by group and name, or returns a NotFound
// fault.
func (s *Store) Members(ctx context.Context, sc fleet.Scope, mq fleet.MemberQuery) (
	list []fleet.MemberPosition, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		top, err := findGroup(ctx, q, scope, mq.Group)
		if err != nil {
			return err
		}
		groups := []fleet.Place{top.Place}
		if mq.Deep {
			if groups, err = memberGroups(ctx, q, scope, top, mq); err != nil {
				return err
			}
		}
		for _, group := range groups {
			a := args{"group": group.Seq, "after": "", "limit": mq.Limit - len(list)}
			if !mq.Deep || group.Path == mq.After.Path {
				a["after"] = mq.After.Thing
			}
			page, err := all(ctx, q, membersAfter, a, scalar[string])
			if err != nil {
				return err
			}
			for _, thing := range page {
				list = append(list, fleet.MemberPosition{Path: group.Path, Thing: thing})
			}
			if len(list) == mq.Limit {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list things in group: %w", err)
	}
	return list, nil
}

// memberGroups lists the groups that a page of members can come from, by path:
// all of them have members, so that no more of them are needed than the page
// has places.
func memberGroups(ctx context.Context, q querier, scope int64, top *fleet.Group, mq fleet.MemberQuery) (
	[]fleet.Place, error,
) {
	return all(ctx, q, `SELECT g.seq, g.path FROM thing_groups g WHERE g.scope = @scope AND g.path >= @after
			AND g.path < @last AND EXISTS (SELECT 1 FROM group_members m WHERE m.thing_group = g.seq)
		ORDER BY g.path LIMIT @limit`,
		args{
			"scope": scope, "after": max(top.Place.Path, mq.After.Path), "last": top.Place.Path + lastText,
			"limit": mq.Limit + 1,
		}, func(r scanner) (p fleet.Place, err error) { return p, r.Scan(&p.Seq, &p.Path) })
}

// groupMove is what memberships that are changed as a set have in common.
type groupMove struct {
	join  bool
	group string
	seq   int64 // 0 when only the name is known
}

// memberships makes changes of memberships true, leaving before joining. Groups
// come in order, for they are locked.
func (a *applying) memberships(sets map[groupMove][]int, changes []fleet.Change) error {
	moves := slices.SortedFunc(maps.Keys(sets), func(x, y groupMove) int {
		if x.join != y.join {
			return map[bool]int{true: 1, false: -1}[x.join]
		}
		return strings.Compare(x.group, y.group)
	})
	for _, move := range moves {
		if err := a.membership(move, changes, sets[move]); err != nil {
			return err
		}
	}
	return nil
}

// movedThings lists the things of changes that join or leave groups.
func movedThings(changes []fleet.Change) []string {
	moved := map[string]bool{}
	for _, c := range changes {
		if m, ok := c.(fleet.GroupMembership); ok {
			moved[m.Thing] = true
		}
	}
	return sortedKeys(moved)
}

// membership makes things join or leave one group.
func (a *applying) membership(move groupMove, changes []fleet.Change, list []int) error {
	at := make(map[string]int, len(list))
	for _, i := range list {
		thing := changes[i].(fleet.GroupMembership).Thing
		if _, twice := at[thing]; twice {
			a.refused = append(a.refused, i)
			continue
		}
		at[thing] = i
	}
	// The group stays there, or is seen to be gone.
	if err := shareGroup(a.ctx, a.q, a.scope, move.group); err != nil {
		return fmt.Errorf("lock thing group: %w", err)
	}
	params := args{"scope": a.scope, "group": move.group, "seq": move.seq}
	things := slices.Sorted(maps.Keys(at))
	text := `DELETE FROM group_members WHERE scope = @scope AND ` + a.q.dialect().in("thing", "things", params, things) +
		` AND thing_group = (SELECT seq FROM thing_groups
			WHERE scope = @scope AND name = @group AND CAST(@seq AS BIGINT) IN (0, seq))
		RETURNING thing`
	if move.join {
		params["now"] = a.now
		text = `INSERT INTO group_members (scope, thing, root, thing_group, created_at)
			SELECT t.scope, t.name, g.root, g.seq, @now FROM things t JOIN thing_groups g ON g.scope = t.scope
			WHERE t.scope = @scope AND g.name = @group AND CAST(@seq AS BIGINT) IN (0, g.seq) AND ` +
			a.q.dialect().in("t.name", "things", params, things) + `
			ON CONFLICT (scope, thing, root) DO NOTHING RETURNING thing`
	}
	done, err := all(a.ctx, a.q, text, params, scalar[string])
	for _, thing := range done {
		delete(at, thing)
	}
	a.things = append(a.things, done...)
	a.refused = append(a.refused, slices.Collect(maps.Values(at))...)
	return err
}
