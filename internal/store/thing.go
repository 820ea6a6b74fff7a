package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

const thingColumns = `t.name, t.id, t.thing_type, t.attributes, t.version, t.created_at`

func scanThing(r scanner) (*fleet.Thing, error) {
	t := &fleet.Thing{}
	var attributes string
	var created int64
	if err := r.Scan(&t.Name, &t.ID, &t.Type, &attributes, &t.Version, &created); err != nil {
		return nil, err
	}
	t.Created = fromMillis(created)
	return t, fromJSON(attributes, &t.Attributes)
}

func findThing(ctx context.Context, q querier, scope int64, name string) (*fleet.Thing, error) {
	t, ok, err := one(ctx, q, `SELECT `+thingColumns+` FROM things t
		WHERE t.scope = @scope AND t.name = @name`, args{"scope": scope, "name": name}, scanThing)
	if err != nil {
		return nil, fmt.Errorf("find thing: %w", err)
	}
	if !ok {
		return nil, noThing(name)
	}
	return t, nil
}

// needThing returns a NotFound fault when there is no such thing.
func needThing(ctx context.Context, q querier, scope int64, name string) error {
	n, err := count(ctx, q, `SELECT count(*) FROM things WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": name})
	if err != nil {
		return fmt.Errorf("find thing: %w", err)
	}
	if n == 0 {
		return noThing(name)
	}
	return nil
}

func noThing(name string) *fault.Fault {
	return fault.New(fault.NotFound, "there is no thing %q", name)
}

// CreateThing stores a new thing, or returns the one of that name when it is
// the same in all that its owner chose. A different one is an Exists fault; a
// type that is not there is a NotFound fault, a deprecated one Invalid.
func (s *Store) CreateThing(ctx context.Context, sc fleet.Scope, t *fleet.Thing) (stored *fleet.Thing, err error) {
	err = s.changingThing(ctx, sc, t.Name, func(ctx context.Context, q querier, scope int64) error {
		n, err := q.exec(ctx, `INSERT INTO things (scope, name, id, thing_type, attributes, version, created_at)
			VALUES (@scope, @name, @id, @type, @attributes, @version, @created) ON CONFLICT (scope, name) DO NOTHING`,
			args{
				"scope": scope, "name": t.Name, "id": t.ID, "type": t.Type, "attributes": toJSON(t.Attributes),
				"version": t.Version, "created": t.Created.UnixMilli(),
			})
		if err != nil {
			return fmt.Errorf("store thing: %w", err)
		}
		if stored = t; n == 1 {
			if t.Type != "" {
				if err := giveType(ctx, q, scope, t.Type); err != nil {
					return err
				}
			}
			return insertAttributes(ctx, q, scope, t)
		}
		stored, err = findThing(ctx, q, scope, t.Name)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Unavailable, "thing %q was deleted at this moment; try again", t.Name)
		}
		if err == nil && !t.Same(stored) {
			f := fault.New(fault.Exists, "a thing %q exists with another type or other attributes", t.Name)
			f.ResourceID, f.ResourceARN = t.Name, sc.ARN("thing", t.Name)
			return f
		}
		return err
	})
	return stored, err
}

// insertThings stores many new things, whose types may be given, at once.
func insertThings(ctx context.Context, q querier, scope int64, list []*fleet.Thing) error {
	type thing = *fleet.Thing
	err := insertRows(ctx, q, "things", []column{
		{"scope", repeat(scope, len(list))},
		{"name", collect(list, func(t *thing) string { return (*t).Name })},
		{"id", collect(list, func(t *thing) string { return (*t).ID })},
		{"thing_type", collect(list, func(t *thing) string { return (*t).Type })},
		{"attributes", collect(list, func(t *thing) string { return toJSON((*t).Attributes) })},
		{"version", collect(list, func(t *thing) int64 { return (*t).Version })},
		{"created_at", collect(list, func(t *thing) int64 { return (*t).Created.UnixMilli() })},
	})
	if err != nil {
		return fmt.Errorf("store things: %w", err)
	}
	return insertAttributes(ctx, q, scope, list...)
}

// insertAttributes makes it possible to find things by their attributes. They
// have none yet that can be found.
func insertAttributes(ctx context.Context, q querier, scope int64, things ...*fleet.Thing) error {
	var names, types, keys, values, folded []string
	for _, t := range things {
		for key, value := range t.Attributes {
			names, types = append(names, t.Name), append(types, t.Type)
			keys, values = append(keys, key), append(values, value)
			folded = append(folded, strings.ToLower(value))
		}
	}
	if err := insertRows(ctx, q, "thing_attributes", []column{
		{"scope", repeat(scope, len(names))}, {"thing", names}, {"thing_type", types}, {"name", keys},
		{"value", values}, {"folded", folded},
	}); err != nil {
		return fmt.Errorf("store attributes of things: %w", err)
	}
	return nil
}

// Thing returns a thing, or a NotFound fault.
func (s *Store) Thing(ctx context.Context, sc fleet.Scope, name string) (t *fleet.Thing, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		t, err = findThing(ctx, q, scope, name)
		return err
	})
	return t, err
}

// UpdateThing stores what change makes of the type, attributes and version of a
// thing, or returns a NotFound fault. Another type that is not there is one too,
// a deprecated one Invalid.
func (s *Store) UpdateThing(ctx context.Context, sc fleet.Scope, name string, change func(*fleet.Thing) error) error {
	return s.changingThing(ctx, sc, name, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, thingRows, scope, name); err != nil {
			return fmt.Errorf("lock thing: %w", err)
		}
		t, err := findThing(ctx, q, scope, name)
		if err != nil {
			return err
		}
		old := *t
		old.Attributes = maps.Clone(t.Attributes)
		if err := change(t); err != nil {
			return err
		}
		if t.Type != old.Type && t.Type != "" {
			if err := giveType(ctx, q, scope, t.Type); err != nil {
				return err
			}
		}
		return updateThing(ctx, q, scope, &old, t)
	})
}

// updateThing stores a thing that was another one before.
func updateThing(ctx context.Context, q querier, scope int64, old, t *fleet.Thing) error {
	if _, err := q.exec(ctx, `UPDATE things SET thing_type = @type, attributes = @attributes, version = @version
		WHERE scope = @scope AND name = @name`,
		args{
			"scope": scope, "name": t.Name, "type": t.Type, "attributes": toJSON(t.Attributes), "version": t.Version,
		}); err != nil {
		return fmt.Errorf("store thing: %w", err)
	}
	if t.Same(old) {
		return nil
	}
	if _, err := q.exec(ctx, `DELETE FROM thing_attributes WHERE scope = @scope AND thing = @thing`,
		args{"scope": scope, "thing": t.Name}); err != nil {
		return fmt.Errorf("delete attributes of thing: %w", err)
	}
	if err := insertAttributes(ctx, q, scope, t); err != nil {
		return err
	}
	return noteRights(ctx, q, scope, fleet.RightThing, t.Name)
}

// DeleteThing removes a thing, and with it its places in groups, unless allow
// refuses. One that is not there is fine; one with principals is an Invalid
// fault.
func (s *Store) DeleteThing(ctx context.Context, sc fleet.Scope, name string, allow func(*fleet.Thing) error) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, thingRows, scope, name); err != nil {
			return fmt.Errorf("lock thing: %w", err)
		}
		t, err := findThing(ctx, q, scope, name)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := allow(t); err != nil {
			return err
		}
		key := args{"scope": scope, "thing": name}
		attached, err := count(ctx, q, `SELECT count(*) FROM thing_principals WHERE scope = @scope AND thing = @thing`, key)
		if err != nil {
			return fmt.Errorf("count principals: %w", err)
		}
		if attached > 0 {
			return fault.New(fault.Invalid, "thing %q has principals attached; detach them before deleting it", name)
		}
		if _, err := q.exec(ctx, `DELETE FROM things WHERE scope = @scope AND name = @thing`, key); err != nil {
			return fmt.Errorf("delete thing: %w", err)
		}
		return noteRights(ctx, q, scope, fleet.RightThing, name)
	})
}

// Things lists things in the order of [fleet.ThingQuery].
func (s *Store) Things(ctx context.Context, sc fleet.Scope, tq fleet.ThingQuery) (list []*fleet.Thing, err error) {
	text, a := thingsText(&tq)
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a["scope"] = scope
		list, err = all(ctx, q, text, a, scanThing)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list things: %w", err)
	}
	slices.SortFunc(list, func(a, b *fleet.Thing) int {
		at, bt := tq.Position(a), tq.Position(b)
		return cmp.Or(strings.Compare(at.Value, bt.Value), strings.Compare(at.Thing, bt.Thing))
	})
	return list, nil
}

// thingsText is the statement that reads a page of things in any order. It
// follows one index from where the page begins. That a type is not empty is said once more:
// the indexes on types leave those out.
func thingsText(tq *fleet.ThingQuery) (text string, a args) {
	a = args{"thing": tq.After.Thing, "limit": tq.Limit}
	typed := ""
	if tq.Type != "" {
		a["type"], typed = tq.Type, ` AND thing_type = @type AND thing_type <> ''`
	}
	f := tq.Filter
	if f.Name == "" {
		return `SELECT ` + thingColumns + ` FROM things t WHERE scope = @scope` + typed + ` AND name > @thing
			ORDER BY name LIMIT @limit`, a
	}
	a["attribute"] = f.Name
	value, order := ` AND value = @value AND thing > @thing`, `thing`
	if f.Prefix {
		// Every value that begins with the prefix is at or behind it.
		a["value"], a["end"] = max(f.Value, tq.After.Value), f.Value+lastText
		value, order = ` AND (value, thing) > (@value, @thing) AND value < @end`, `value, thing`
	} else {
		a["value"] = f.Value
	}
	return `SELECT ` + thingColumns + ` FROM (SELECT scope, thing, value FROM thing_attributes
			WHERE scope = @scope` + typed + ` AND name = @attribute` + value + ` ORDER BY ` + order + ` LIMIT @limit) f
		JOIN things t ON t.scope = f.scope AND t.name = f.thing`, a
}
