package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

const typeColumns = `name, id, description, searchable, mqtt5, created_at, deprecated_at`

func scanType(r scanner) (*fleet.ThingType, error) {
	t := &fleet.ThingType{}
	var searchable, propagations string
	var created int64
	var deprecated *int64
	if err := r.Scan(&t.Name, &t.ID, &t.Description, &searchable, &propagations, &created, &deprecated); err != nil {
		return nil, err
	}
	t.Created, t.Deprecated = fromMillis(created), fromNullMillis(deprecated)
	return t, fromJSON(searchable, &t.Searchable, propagations, &t.Propagations)
}

// thingOfType finds a thing of a type by the index on types, which its order
// makes sure of.
const thingOfType = `SELECT 1 FROM things WHERE scope = @scope AND thing_type = @name AND thing_type <> ''
	ORDER BY name LIMIT 1`

// findType reads a thing type; lock is how, "" or the dialect's share.
func findType(ctx context.Context, q querier, scope int64, name, lock string) (*fleet.ThingType, error) {
	t, ok, err := one(ctx, q, `SELECT `+typeColumns+` FROM thing_types WHERE scope = @scope AND name = @name`+lock,
		args{"scope": scope, "name": name}, scanType)
	if err != nil {
		return nil, fmt.Errorf("find thing type: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no thing type %q", name)
	}
	return t, nil
}

// giveType decides whether a thing may be given a type, which is neither
// deprecated nor deleted until the transaction ends. A type that is not there
// is a NotFound fault, a deprecated one Invalid.
func giveType(ctx context.Context, q querier, scope int64, name string) error {
	t, err := findType(ctx, q, scope, name, q.dialect().share)
	if err != nil {
		return err
	}
	return t.MayBeGiven()
}

func typeArgs(scope int64, t *fleet.ThingType) args {
	return args{
		"scope": scope, "name": t.Name, "description": t.Description, "searchable": toJSON(t.Searchable),
		"mqtt5": toJSON(t.Propagations), "deprecated": nullMillis(t.Deprecated),
	}
}

// CreateThingType stores a new thing type with its tags, or returns the one of
// that name when it is the same in all that its owner chose. A different one is
// an Exists fault.
func (s *Store) CreateThingType(ctx context.Context, sc fleet.Scope, t *fleet.ThingType, tags []fleet.Tag) (
	stored *fleet.ThingType, err error,
) {
	arn := sc.ARN("thingtype", t.Name)
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		a := typeArgs(scope, t)
		a["id"], a["created"] = t.ID, t.Created.UnixMilli()
		n, err := q.exec(ctx, `INSERT INTO thing_types (scope, name, id, description, searchable, mqtt5, created_at,
				deprecated_at)
			VALUES (@scope, @name, @id, @description, @searchable, @mqtt5, @created, @deprecated)
			ON CONFLICT (scope, name) DO NOTHING`, a)
		if err != nil {
			return fmt.Errorf("store thing type: %w", err)
		}
		if stored = t; n == 1 {
			return setTags(ctx, q, scope, arn, tags)
		}
		stored, err = findType(ctx, q, scope, t.Name, "")
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Unavailable, "thing type %q was deleted at this moment; try again", t.Name)
		}
		if err != nil {
			return err
		}
		same, err := sameTags(ctx, q, scope, arn, tags)
		if err == nil && (!same || !t.Same(stored)) {
			f := fault.New(fault.Exists, "a thing type %q exists with other properties", t.Name)
			f.ResourceID, f.ResourceARN = t.Name, arn
			return f
		}
		return err
	})
	return stored, err
}

// ThingType returns a thing type, or a NotFound fault.
func (s *Store) ThingType(ctx context.Context, sc fleet.Scope, name string) (t *fleet.ThingType, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		t, err = findType(ctx, q, scope, name, "")
		return err
	})
	return t, err
}

// UpdateThingType stores what change makes of the properties and the
// deprecation of a thing type, or returns a NotFound fault.
func (s *Store) UpdateThingType(ctx context.Context, sc fleet.Scope, name string,
	change func(*fleet.ThingType) error,
) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		t, err := lockType(ctx, q, scope, name)
		if err != nil {
			return err
		}
		if err := change(t); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE thing_types SET description = @description, searchable = @searchable,
				mqtt5 = @mqtt5, deprecated_at = @deprecated
			WHERE scope = @scope AND name = @name`, typeArgs(scope, t)); err != nil {
			return fmt.Errorf("store thing type: %w", err)
		}
		return nil
	})
}

// lockType reads a thing type that no thing is given until the transaction
// ends, or returns a NotFound fault.
func lockType(ctx context.Context, q querier, scope int64, name string) (*fleet.ThingType, error) {
	if err := lockRows(ctx, q, typeRows, scope, name); err != nil {
		return nil, fmt.Errorf("lock thing type: %w", err)
	}
	return findType(ctx, q, scope, name, "")
}

// DeleteThingType removes a thing type and its tags by the rule of
// [fleet.ThingType.Deletable]. One that is not there is a NotFound fault.
func (s *Store) DeleteThingType(ctx context.Context, sc fleet.Scope, name string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		t, err := lockType(ctx, q, scope, name)
		if err != nil {
			return err
		}
		key := args{"scope": scope, "name": name}
		inUse, err := count(ctx, q, thingOfType, key)
		if err != nil {
			return fmt.Errorf("find thing of type: %w", err)
		}
		if err := t.Deletable(s.now(), s.quotas.TypeDeletionWait, inUse > 0); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `DELETE FROM thing_types WHERE scope = @scope AND name = @name`, key); err != nil {
			return fmt.Errorf("delete thing type: %w", err)
		}
		return deleteTags(ctx, q, scope, sc.ARN("thingtype", name))
	})
}

// ThingTypes lists thing types by name.
func (s *Store) ThingTypes(ctx context.Context, sc fleet.Scope, tq fleet.TypeQuery) (
	list []*fleet.ThingType, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+typeColumns+` FROM thing_types
			WHERE scope = @scope AND name > @after AND name >= @prefix AND name < @end ORDER BY name LIMIT @limit`,
			args{
				"scope": scope, "after": tq.After, "prefix": tq.Prefix, "end": tq.Prefix + lastText, "limit": tq.Limit,
			}, scanType)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list thing types: %w", err)
	}
	return list, nil
}
