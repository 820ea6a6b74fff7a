package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

const groupColumns = `g.name, g.id, coalesce(g.parent, ''), g.root, g.depth, g.description, g.attributes, g.version,
	g.created_at`

// lastText sorts behind every name.
const lastText = "\U0010FFFF"

// tree is the names of @group and all groups below it, at any depth, as a table
// expression that statements begin with.
const tree = `WITH RECURSIVE tree(name) AS (
	SELECT name FROM thing_groups WHERE scope = @scope AND name = @group
	UNION ALL
	SELECT c.name FROM tree t JOIN thing_groups c ON c.scope = @scope AND c.parent = t.name) `

func scanGroup(r scanner) (*fleet.Group, error) {
	g := &fleet.Group{}
	var attributes string
	var created int64
	if err := r.Scan(&g.Name, &g.ID, &g.Parent, &g.Root, &g.Depth, &g.Description, &attributes, &g.Version,
		&created); err != nil {
		return nil, err
	}
	g.Created = fromMillis(created)
	return g, fromJSON(attributes, &g.Attributes)
}

func findGroup(ctx context.Context, q querier, scope int64, name string) (*fleet.Group, error) {
	g, ok, err := one(ctx, q, `SELECT `+groupColumns+` FROM thing_groups g WHERE g.scope = @scope AND g.name = @name`,
		args{"scope": scope, "name": name}, scanGroup)
	if err != nil {
		return nil, fmt.Errorf("find thing group: %w", err)
	}
	if !ok {
		return nil, noGroup(name)
	}
	return g, nil
}

func noGroup(name string) *fault.Fault {
	return fault.New(fault.NotFound, "there is no thing group %q", name)
}

// CreateGroup stores a new thing group below its parent, with its tags, or
// returns the one of that name when it is the same in all that its owner chose.
// A different one is an Exists fault; a parent that is not there an Invalid
// one.
func (s *Store) CreateGroup(ctx context.Context, sc fleet.Scope, g *fleet.Group, tags []fleet.Tag) (
	stored *fleet.Group, err error,
) {
	arn := sc.ARN("thinggroup", g.Name)
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		old, err := findGroup(ctx, q, scope, g.Name)
		if fault.Is(err, fault.NotFound) {
			var made bool
			if made, err = s.insertGroup(ctx, q, scope, g); made {
				stored = g
				return setTags(ctx, q, scope, arn, tags)
			}
			if err == nil { // another call made it first
				old, err = findGroup(ctx, q, scope, g.Name)
			}
			if fault.Is(err, fault.NotFound) {
				return fault.New(fault.Unavailable, "thing group %q was deleted at this moment; try again", g.Name)
			}
		}
		if err != nil {
			return err
		}
		same, err := sameTags(ctx, q, scope, arn, tags)
		if err == nil && (!same || !g.Same(old)) {
			f := fault.New(fault.Exists, "a thing group %q exists with other properties", g.Name)
			f.ResourceID, f.ResourceARN = g.Name, arn
			return f
		}
		stored = old
		return err
	})
	return stored, err
}

// insertGroup stores a group below its parent, unless one of its name is there.
func (s *Store) insertGroup(ctx context.Context, q querier, scope int64, g *fleet.Group) (made bool, err error) {
	var parent *string
	if g.Parent != "" {
		if err := s.placeGroup(ctx, q, scope, g); err != nil {
			return false, err
		}
		parent = &g.Parent
	}
	n, err := q.exec(ctx, `INSERT INTO thing_groups (scope, name, id, parent, root, depth, description, attributes,
			version, created_at)
		VALUES (@scope, @name, @id, @parent, @root, @depth, @description, @attributes, @version, @created)
		ON CONFLICT (scope, name) DO NOTHING`,
		args{
			"scope": scope, "name": g.Name, "id": g.ID, "parent": parent, "root": g.Root, "depth": g.Depth,
			"description": g.Description, "attributes": toJSON(g.Attributes), "version": g.Version,
			"created": g.Created.UnixMilli(),
		})
	if err != nil {
		return false, fmt.Errorf("store thing group: %w", err)
	}
	return n == 1, nil
}

// placeGroup finds a new group's place below its parent, which stays there and
// gets no other child until the transaction ends.
func (s *Store) placeGroup(ctx context.Context, q querier, scope int64, g *fleet.Group) error {
	if err := lockRows(ctx, q, groupRows, scope, g.Parent); err != nil {
		return fmt.Errorf("lock thing group: %w", err)
	}
	parent, err := findGroup(ctx, q, scope, g.Parent)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Invalid, "there is no thing group %q to be the parent", g.Parent)
	}
	if err != nil {
		return err
	}
	children, err := countChildren(ctx, q, scope, g.Parent)
	if err != nil {
		return err
	}
	return g.Under(parent, children, s.quotas.ChildGroups)
}

func countChildren(ctx context.Context, q querier, scope int64, group string) (int, error) {
	n, err := count(ctx, q, `SELECT count(*) FROM thing_groups WHERE scope = @scope AND parent = @group`,
		args{"scope": scope, "group": group})
	if err != nil {
		return 0, fmt.Errorf("count child groups: %w", err)
	}
	return int(n), nil
}

// Group returns a thing group and its ancestors, from the root down to its
// parent, or a NotFound fault.
func (s *Store) Group(ctx context.Context, sc fleet.Scope, name string) (
	g *fleet.Group, ancestors []string, err error,
) {
	var line []*fleet.Group
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		line, err = all(ctx, q, `WITH RECURSIVE above(name, parent) AS (
				SELECT name, parent FROM thing_groups WHERE scope = @scope AND name = @name
				UNION ALL
				SELECT p.name, p.parent FROM above a JOIN thing_groups p ON p.scope = @scope AND p.name = a.parent)
			SELECT `+groupColumns+` FROM above a JOIN thing_groups g ON g.scope = @scope AND g.name = a.name
			ORDER BY g.depth`, args{"scope": scope, "name": name}, scanGroup)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("find thing group: %w", err)
	}
	if len(line) == 0 {
		return nil, nil, noGroup(name)
	}
	last := len(line) - 1
	return line[last], collect(line[:last], func(g **fleet.Group) string { return (*g).Name }), nil
}

// UpdateGroup stores what change makes of the description, attributes and
// version of a thing group, and returns it, or a NotFound fault.
func (s *Store) UpdateGroup(ctx context.Context, sc fleet.Scope, name string, change func(*fleet.Group) error) (
	g *fleet.Group, err error,
) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, groupRows, scope, name); err != nil {
			return fmt.Errorf("lock thing group: %w", err)
		}
		if g, err = findGroup(ctx, q, scope, name); err != nil {
			return err
		}
		if err := change(g); err != nil {
			return err
		}
		_, err := q.exec(ctx, `UPDATE thing_groups SET description = @description, attributes = @attributes,
			version = @version WHERE scope = @scope AND name = @name`,
			args{
				"scope": scope, "name": name, "description": g.Description, "attributes": toJSON(g.Attributes),
				"version": g.Version,
			})
		if err != nil {
			return fmt.Errorf("store thing group: %w", err)
		}
		return nil
	})
	return g, err
}

// DeleteGroup removes a thing group, and with it its members' places, its
// policies' attachments and its tags, unless allow refuses. One that is not
// there is fine; one with child groups is an Invalid fault.
func (s *Store) DeleteGroup(ctx context.Context, sc fleet.Scope, name string, allow func(*fleet.Group) error) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, groupRows, scope, name); err != nil {
			return fmt.Errorf("lock thing group: %w", err)
		}
		g, err := findGroup(ctx, q, scope, name)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := allow(g); err != nil {
			return err
		}
		children, err := countChildren(ctx, q, scope, name)
		if err != nil {
			return err
		}
		if children > 0 {
			return fault.New(fault.Invalid, "thing group %q has child groups; delete them before it", name)
		}
		if err := detachAll(ctx, q, scope, fleet.Target{Kind: fleet.TargetGroup, Name: name}); err != nil {
			return err
		}
		if err := deleteLogLevel(ctx, q, scope, fleet.LogTarget{Type: fleet.LogGroup, Name: name}); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `DELETE FROM thing_groups WHERE scope = @scope AND name = @name`,
			args{"scope": scope, "name": name}); err != nil {
			return fmt.Errorf("delete thing group: %w", err)
		}
		return deleteTags(ctx, q, scope, sc.ARN("thinggroup", name))
	})
}

// Groups lists thing groups by name. A parent that is not there is a NotFound
// fault.
func (s *Store) Groups(ctx context.Context, sc fleet.Scope, gq fleet.GroupQuery) (names []string, err error) {
	const page = ` WHERE name > @after AND name >= @prefix AND name < @end`
	text := `SELECT name FROM thing_groups` + page + ` AND scope = @scope`
	a := args{"after": gq.After, "prefix": gq.Prefix, "end": gq.Prefix + lastText, "limit": gq.Limit}
	if gq.Parent != "" {
		a["group"] = gq.Parent
	}
	switch {
	case gq.Parent != "" && gq.Deep:
		text = tree + `SELECT name FROM tree` + page + ` AND name <> @group`
	case gq.Parent != "":
		text += ` AND parent = @group`
	case !gq.Deep:
		text += ` AND parent IS NULL`
	}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a["scope"] = scope
		names, err = all(ctx, q, text+` ORDER BY name LIMIT @limit`, a, scalar[string])
		if err == nil && len(names) == 0 && gq.Parent != "" {
			_, err = findGroup(ctx, q, scope, gq.Parent)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list thing groups: %w", err)
	}
	return names, nil
}

// Regroup makes a thing leave some groups and join others, all or nothing. A
// thing or group that is not there is a NotFound fault; the others are those of
// fleet.Regrouping.
func (s *Store) Regroup(ctx context.Context, sc fleet.Scope, r *fleet.Regrouping) error {
	names, err := r.Groups()
	if err != nil {
		return err
	}
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
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
		leave, join, err := r.Plan(in[r.Thing], groups)
		if err != nil {
			return err
		}
		if _, err := s.apply(ctx, q, scope, leave); err != nil {
			return err
		}
		refused, err := s.apply(ctx, q, scope, join)
		if q.dialect().reference(err) || err == nil && len(refused) > 0 {
			return fault.New(fault.NotFound, "a thing group was deleted at this moment")
		}
		return err
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

// GroupsOf lists the groups that a thing is in itself by name, or returns a
// NotFound fault.
func (s *Store) GroupsOf(ctx context.Context, sc fleet.Scope, thing, after string, limit int) (
	names []string, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		names, err = all(ctx, q, `SELECT thing_group FROM thing_group_members
			WHERE scope = @scope AND thing = @thing AND thing_group > @after ORDER BY thing_group LIMIT @limit`,
			args{"scope": scope, "thing": thing, "after": after, "limit": limit}, scalar[string])
		if err == nil && len(names) == 0 {
			err = needThing(ctx, q, scope, thing)
		}
		return err
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
		groups, err := memberGroups(ctx, q, scope, mq)
		if err != nil {
			return err
		}
		for _, group := range groups {
			after := ""
			if group == mq.After.Group {
				after = mq.After.Thing
			}
			page, err := all(ctx, q, `SELECT thing_group, thing FROM thing_group_members
				WHERE scope = @scope AND thing_group = @group AND thing > @after ORDER BY thing LIMIT @limit`,
				args{"scope": scope, "group": group, "after": after, "limit": mq.Limit - len(list)},
				func(r scanner) (m fleet.MemberPosition, err error) { return m, r.Scan(&m.Group, &m.Thing) })
			if err != nil {
				return err
			}
			if list = append(list, page...); len(list) == mq.Limit {
				break
			}
		}
		if len(list) == 0 {
			_, err = findGroup(ctx, q, scope, mq.Group)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list things in group: %w", err)
	}
	return list, nil
}

// memberGroups lists the groups that a page of members can come from, in the
// order of their names: all of them have members, so that no more of them are
// needed than the page has places.
func memberGroups(ctx context.Context, q querier, scope int64, mq fleet.MemberQuery) ([]string, error) {
	if !mq.Deep {
		return []string{mq.Group}, nil
	}
	return all(ctx, q, tree+`SELECT name FROM tree WHERE name >= @after AND EXISTS (SELECT 1 FROM thing_group_members m
			WHERE m.scope = @scope AND m.thing_group = tree.name)
		ORDER BY name LIMIT @limit`,
		args{"scope": scope, "group": mq.Group, "after": mq.After.Group, "limit": mq.Limit + 1}, scalar[string])
}
