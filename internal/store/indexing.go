package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// indexing reads what is indexed in a scope.
func indexing(ctx context.Context, q querier, scope int64) (fleet.Indexing, error) {
	i, ok, err := one(ctx, q, `SELECT things, connectivity, groups FROM indexing_configurations WHERE scope = @scope`,
		args{"scope": scope}, func(r scanner) (i fleet.Indexing, err error) {
			return i, r.Scan(&i.Things, &i.Connectivity, &i.Groups)
		})
	if err != nil {
		return fleet.NoIndexing, fmt.Errorf("read indexing configuration: %w", err)
	}
	if !ok {
		return fleet.NoIndexing, nil
	}
	return i, nil
}

// Indexing returns the account's settings for fleet indexing; with none made,
// everything is off.
func (s *Store) Indexing(ctx context.Context, sc fleet.Scope) (i fleet.Indexing, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		i, err = indexing(ctx, q, scope)
		return err
	})
	return i, err
}

// UpdateIndexing stores what change makes of the account's settings for fleet
// indexing. What a dynamic group asks for stays indexed, by an Invalid fault.
func (s *Store) UpdateIndexing(ctx context.Context, sc fleet.Scope, change func(*fleet.Indexing) error) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := s.defineDynamic(ctx, q, scope); err != nil {
			return err
		}
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		i, err := indexing(ctx, q, scope)
		if err != nil {
			return err
		}
		if err := change(&i); err != nil {
			return err
		}
		if err := mayIndex(ctx, q, scope, i); err != nil {
			return err
		}
		_, err = q.exec(ctx, `INSERT INTO indexing_configurations (scope, things, connectivity, groups)
			VALUES (@scope, @things, @connectivity, @groups)
			ON CONFLICT (scope) DO UPDATE SET things = excluded.things, connectivity = excluded.connectivity,
				groups = excluded.groups`,
			args{
				"scope": scope, "things": string(i.Things), "connectivity": string(i.Connectivity),
				"groups": string(i.Groups),
			})
		if err != nil {
			return fmt.Errorf("store indexing configuration: %w", err)
		}
		return nil
	})
}
