package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

const groupColumns = `g.name, g.id, coalesce(g.parent, ''), g.seq, g.root, g.path, g.depth, g.description,
	g.attributes, g.query, g.query_version, g.status, g.version, g.created_at`

// lastText sorts behind every name and path.
const lastText = "\U0010FFFF"

func scanGroup(r scanner) (*fleet.Group, error) {
	g, d := &fleet.Group{}, fleet.Dynamic{}
	var attributes, status string
	var created int64
	if err := r.Scan(&g.Name, &g.ID, &g.Parent, &g.Place.Seq, &g.Place.Root, &g.Place.Path, &g.Depth, &g.Description,
		&attributes, &d.Query, &d.QueryVersion, &status, &g.Version, &created); err != nil {
		return nil, err
	}
	if d.Query != "" {
		d.Status = fleet.GroupStatus(status)
		g.Dynamic = &d
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
// A different one is an Exists fault, a parent that is not there an Invalid one,
// and a dynamic group too many a Limit fault. The members of a new dynamic group
// are found by the work that is returned.
func (s *Store) CreateGroup(ctx context.Context, sc fleet.Scope, g *fleet.Group, tags []fleet.Tag) (
	stored *fleet.Group, work fleet.GroupWork, err error,
) {
	arn := sc.ARN("thinggroup", g.Name)
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		work = ""
		if g.Dynamic != nil {
			if err := s.defineDynamic(ctx, q, scope); err != nil {
				return err
			}
		}
		made := false
		old, err := findGroup(ctx, q, scope, g.Name)
		if fault.Is(err, fault.NotFound) {
			if made, err = s.insertGroup(ctx, q, scope, g); err == nil && !made { // another call made it first
				if old, err = findGroup(ctx, q, scope, g.Name); fault.Is(err, fault.NotFound) {
					return fault.New(fault.Unavailable, "thing group %q was deleted at this moment; try again", g.Name)
				}
			}
		}
		if err != nil {
			return err
		}
		if made {
			if stored = g; g.Dynamic != nil {
				work, err = s.setGroupWork(ctx, q, scope, g.Place.Seq, finding)
			}
			return errors.Join(err, setTags(ctx, q, scope, arn, tags))
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
	return stored, work, err
}

// insertGroup stores a group below its parent, unless one of its name is there.
func (s *Store) insertGroup(ctx context.Context, q querier, scope int64, g *fleet.Group) (made bool, err error) {
	var above *fleet.Group
	var parent *string
	if g.Dynamic != nil {
		if err := s.mayDefine(ctx, q, scope, g.Dynamic.Query, 1); err != nil {
			return false, err
		}
	}
	if g.Parent != "" {
		if above, err = s.findParent(ctx, q, scope, g); err != nil {
			return false, err
		}
		parent = &above.Name
	}
	numbers, err := nextSeq(ctx, q, 1)
	if err != nil {
		return false, fmt.Errorf("number thing group: %w", err)
	}
	g.Place = fleet.NewPlace(numbers[0], above)
	dynamic := dynamicOf(g)
	n, err := q.exec(ctx, `INSERT INTO thing_groups (scope, name, id, parent, seq, root, path, depth, description,
			attributes, query, query_version, status, version, created_at)
		VALUES (@scope, @name, @id, @parent, @seq, @root, @path, @depth, @description, @attributes, @query,
			@query_version, @status, @version, @created)
		ON CONFLICT (scope, name) DO NOTHING`,
		args{
			"scope": scope, "name": g.Name, "id": g.ID, "parent": parent, "seq": g.Place.Seq, "root": g.Place.Root,
			"path": g.Place.Path, "depth": g.Depth, "description": g.Description, "attributes": toJSON(g.Attributes),
			"query": dynamic.Query, "query_version": dynamic.QueryVersion, "status": string(dynamic.Status),
			"version": g.Version, "created": g.Created.UnixMilli(),
		})
	if err != nil {
		return false, fmt.Errorf("store thing group: %w", err)
	}
	return n == 1, nil
}

// findParent reads a new group's parent, below which it may be. The parent
// stays there and gets no other child until the transaction ends.
func (s *Store) findParent(ctx context.Context, q querier, scope int64, g *fleet.Group) (*fleet.Group, error) {
	if err := lockRows(ctx, q, groupRows, scope, g.Parent); err != nil {
		return nil, fmt.Errorf("lock thing group: %w", err)
	}
	parent, err := findGroup(ctx, q, scope, g.Parent)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Invalid, "there is no thing group %q to be the parent", g.Parent)
	}
	if err != nil {
		return nil, err
	}
	children, err := countChildren(ctx, q, scope, g.Parent, s.quotas.ChildGroups)
	if err != nil {
		return nil, err
	}
	return parent, g.Under(parent, children, s.quotas.ChildGroups)
}

// countChildren counts the children of a group up to a limit.
func countChildren(ctx context.Context, q querier, scope int64, group string, limit int) (int, error) {
	n, err := count(ctx, q, `SELECT count(*) FROM (SELECT 1 FROM thing_groups WHERE scope = @scope AND parent = @group
		LIMIT @limit) few`, args{"scope": scope, "group": group, "limit": limit})
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
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if g, err = findGroup(ctx, q, scope, name); err != nil {
			return err
		}
		above := g.Place.Above()
		ancestors, err = namesOfNumbers(ctx, q, above)
		if err == nil && len(ancestors) < len(above) {
			return noGroup(name) // deleted since we looked, and so was one above it
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return g, ancestors, nil
}

// namesOfNumbers returns the names of groups by their numbers, in the order of
// their paths. Those that are gone are left out.
func namesOfNumbers(ctx context.Context, q querier, numbers []int64) ([]string, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	a := args{}
	list, err := all(ctx, q, `SELECT g.name, g.path FROM thing_groups g WHERE `+
		q.dialect().in("g.seq", "groups", a, numbers), a,
		func(r scanner) (p fleet.GroupPosition, err error) { return p, r.Scan(&p.Name, &p.Path) })
	if err != nil {
		return nil, fmt.Errorf("read names of thing groups: %w", err)
	}
	slices.SortFunc(list, func(x, y fleet.GroupPosition) int { return strings.Compare(x.Path, y.Path) })
	return collect(list, func(p *fleet.GroupPosition) string { return p.Name }), nil
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
		return saveGroup(ctx, q, scope, g)
	})
	return g, err
}

// saveGroup stores what may change of a group.
func saveGroup(ctx context.Context, q querier, scope int64, g *fleet.Group) error {
	dynamic := dynamicOf(g)
	_, err := q.exec(ctx, `UPDATE thing_groups SET description = @description, attributes = @attributes,
		query = @query, query_version = @query_version, status = @status, version = @version
		WHERE scope = @scope AND name = @name`,
		args{
			"scope": scope, "name": g.Name, "description": g.Description, "attributes": toJSON(g.Attributes),
			"query": dynamic.Query, "query_version": dynamic.QueryVersion, "status": string(dynamic.Status),
			"version": g.Version,
		})
	if err != nil {
		return fmt.Errorf("store thing group: %w", err)
	}
	return nil
}

// dynamicOf is what is stored of a group's query: nothing for a static one.
func dynamicOf(g *fleet.Group) (d fleet.Dynamic) {
	if g.Dynamic != nil {
		d = *g.Dynamic
	}
	return d
}

// DeleteGroup removes a thing group, with its policies' attachments and its
// tags. One that is not there is fine; one with child groups is an Invalid fault,
// and so is one of another kind. The name is free at once and nobody sees a
// member any more; the rows of the members are left to the work that is returned,
// "" if there are none.
func (s *Store) DeleteGroup(ctx context.Context, sc fleet.Scope, d fleet.GroupDeletion) (
	work fleet.GroupWork, err error,
) {
	name := d.Name
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		work = ""
		if d.Dynamic {
			if err := s.defineDynamic(ctx, q, scope); err != nil {
				return err
			}
		}
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
		if err := d.Allow(g); err != nil {
			return err
		}
		children, err := countChildren(ctx, q, scope, name, 1)
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
		work, err = s.removeGroup(ctx, q, scope, g)
		if err != nil {
			return err
		}
		return deleteTags(ctx, q, scope, sc.ARN("thinggroup", name))
	})
	return work, err
}

// removeGroup removes the row of a group and leaves its members to some work.
func (s *Store) removeGroup(ctx context.Context, q querier, scope int64, g *fleet.Group) (fleet.GroupWork, error) {
	if _, err := q.exec(ctx, `DELETE FROM thing_groups WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": g.Name}); err != nil {
		return "", fmt.Errorf("delete thing group: %w", err)
	}
	if err := noteRights(ctx, q, scope, fleet.RightGroup, g.Name); err != nil {
		return "", err
	}
	members, err := count(ctx, q, `SELECT count(*) FROM (
		SELECT 1 FROM group_members WHERE thing_group = @seq LIMIT 1) few`, args{"seq": g.Place.Seq})
	if err != nil {
		return "", fmt.Errorf("look for members: %w", err)
	}
	if members == 0 && g.Dynamic == nil {
		return "", nil
	}
	return s.setGroupWork(ctx, q, scope, g.Place.Seq, removal)
}

// Groups lists thing groups. A parent that is not there is a NotFound fault.
func (s *Store) Groups(ctx context.Context, sc fleet.Scope, gq fleet.GroupQuery) (
	list []fleet.GroupPosition, err error,
) {
	a := args{"after": gq.After.Name, "prefix": gq.Prefix, "end": gq.Prefix + lastText, "limit": gq.Limit}
	const byName = `SELECT name, '' FROM thing_groups WHERE scope = @scope AND name > @after
		AND name >= @prefix AND name < @end`
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a["scope"] = scope
		var text string
		switch {
		case gq.Parent != "" && gq.Deep:
			parent, err := findGroup(ctx, q, scope, gq.Parent)
			if err != nil {
				return err
			}
			a["after"], a["last"] = max(gq.After.Path, parent.Place.Path), parent.Place.Path+lastText
			// Names are compared in a form that no index has, so that nothing is sorted.
			text = `SELECT name, path FROM thing_groups WHERE scope = @scope AND path > @after AND path < @last`
			if gq.Prefix != "" {
				text += ` AND name || '' >= @prefix AND name || '' < @end`
			} else {
				delete(a, "prefix")
				delete(a, "end")
			}
			text += ` ORDER BY path LIMIT @limit`
		case gq.Parent != "":
			a["parent"] = gq.Parent
			text = byName + ` AND parent = @parent ORDER BY name LIMIT @limit`
		case gq.Deep:
			text = byName + ` ORDER BY name LIMIT @limit`
		default:
			text = byName + ` AND parent IS NULL ORDER BY name LIMIT @limit`
		}
		list, err = all(ctx, q, text, a,
			func(r scanner) (p fleet.GroupPosition, err error) { return p, r.Scan(&p.Name, &p.Path) })
		if err == nil && len(list) == 0 && gq.Parent != "" {
			_, err = findGroup(ctx, q, scope, gq.Parent)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list thing groups: %w", err)
	}
	return list, nil
}
