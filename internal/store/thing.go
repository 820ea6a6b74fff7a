package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

const thingColumns = `name, id, attributes, version, created_at`

func scanThing(r scanner) (*fleet.Thing, error) {
	t := &fleet.Thing{}
	var attributes string
	var created int64
	if err := r.Scan(&t.Name, &t.ID, &attributes, &t.Version, &created); err != nil {
		return nil, err
	}
	t.Created = fromMillis(created)
	return t, fromJSON(attributes, &t.Attributes)
}

func findThing(ctx context.Context, q querier, scope int64, name string) (*fleet.Thing, error) {
	t, ok, err := one(ctx, q, `SELECT `+thingColumns+` FROM things WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": name}, scanThing)
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
// the same in all that its owner chose. A different one is an Exists fault.
func (s *Store) CreateThing(ctx context.Context, sc fleet.Scope, t *fleet.Thing) (stored *fleet.Thing, err error) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		n, err := q.exec(ctx, `INSERT INTO things (scope, name, id, attributes, version, created_at)
			VALUES (@scope, @name, @id, @attributes, @version, @created) ON CONFLICT (scope, name) DO NOTHING`,
			args{
				"scope": scope, "name": t.Name, "id": t.ID, "attributes": toJSON(t.Attributes), "version": t.Version,
				"created": t.Created.UnixMilli(),
			})
		if err != nil {
			return fmt.Errorf("store thing: %w", err)
		}
		if stored = t; n == 1 {
			return nil
		}
		stored, err = findThing(ctx, q, scope, t.Name)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Unavailable, "thing %q was deleted at this moment; try again", t.Name)
		}
		if err == nil && !t.Same(stored) {
			f := fault.New(fault.Exists, "a thing %q exists with other attributes", t.Name)
			f.ResourceID, f.ResourceARN = t.Name, sc.ARN("thing", t.Name)
			return f
		}
		return err
	})
	return stored, err
}

// Thing returns a thing, or a NotFound fault.
func (s *Store) Thing(ctx context.Context, sc fleet.Scope, name string) (t *fleet.Thing, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		t, err = findThing(ctx, q, scope, name)
		return err
	})
	return t, err
}

// UpdateThing stores what change makes of the attributes and version of a
// thing, or returns a NotFound fault.
func (s *Store) UpdateThing(ctx context.Context, sc fleet.Scope, name string, change func(*fleet.Thing) error) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, thingRows, scope, name); err != nil {
			return fmt.Errorf("lock thing: %w", err)
		}
		t, err := findThing(ctx, q, scope, name)
		if err != nil {
			return err
		}
		if err := change(t); err != nil {
			return err
		}
		_, err = q.exec(ctx, `UPDATE things SET attributes = @attributes, version = @version
			WHERE scope = @scope AND name = @name`,
			args{"scope": scope, "name": name, "attributes": toJSON(t.Attributes), "version": t.Version})
		if err != nil {
			return fmt.Errorf("store thing: %w", err)
		}
		return nil
	})
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
		return nil
	})
}

// Things lists things by name. With a filter on an attribute it reads on until
// the page is full or there are no more things.
func (s *Store) Things(ctx context.Context, sc fleet.Scope, tq fleet.ThingQuery) (list []*fleet.Thing, err error) {
	text, a := `SELECT `+thingColumns+` FROM things WHERE scope = @scope AND name > @after`, args{"after": tq.After}
	if tq.Filter.Name != "" {
		text += ` AND replace(attributes, @attribute, '') <> attributes`
		a["attribute"] = attributeText(tq.Filter)
	}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a["scope"], a["limit"] = scope, tq.Limit
		list, err = all(ctx, q, text+` ORDER BY name LIMIT @limit`, a, scanThing)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list things: %w", err)
	}
	return list, nil
}

// attributeText is what stands in the stored attributes of a thing that the
// filter chooses, and in no others: their JSON has no space between tokens, and
// neither names nor values can hold a quote, a backslash or what JSON escapes.
func attributeText(f fleet.AttributeFilter) string {
	text := toJSON(f.Name) + ":" + toJSON(f.Value)
	if f.Prefix {
		text = text[:len(text)-1] // without the closing quote
	}
	return text
}
