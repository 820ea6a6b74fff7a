package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

const poolColumns = `id, settings, roles, created_at`

func scanPool(r scanner) (p identity.Pool, err error) {
	var settings, roles string
	var created int64
	if err := r.Scan(&p.ID, &settings, &roles, &created); err != nil {
		return p, err
	}
	p.Created = fromMillis(created)
	return p, fromJSON(settings, &p.Settings, roles, &p.Roles)
}

func findPool(ctx context.Context, q querier, scope int64, id string) (*identity.Pool, error) {
	p, ok, err := one(ctx, q, `SELECT `+poolColumns+` FROM identity_pools WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": id}, scanPool)
	if err != nil {
		return nil, fmt.Errorf("find identity pool: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "IdentityPool '%.64s' not found.", id)
	}
	return &p, nil
}

// CreatePool stores a new identity pool. One more than the account may have is
// a Limit fault.
func (s *Store) CreatePool(ctx context.Context, sc fleet.Scope, p *identity.Pool) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		return s.insertPool(ctx, q, scope, p)
	})
}

// insertPool stores a pool of a scope, which is locked.
func (s *Store) insertPool(ctx context.Context, q querier, scope int64, p *identity.Pool) error {
	have, err := count(ctx, q, `SELECT count(*) FROM identity_pools WHERE scope = @scope`, args{"scope": scope})
	if err != nil {
		return fmt.Errorf("count identity pools: %w", err)
	}
	if have >= int64(s.quotas.IdentityPools) {
		return fault.New(fault.Limit, "the account has %d identity pools, which is the most", have)
	}
	_, err = q.exec(ctx, `INSERT INTO identity_pools (scope, id, settings, roles, created_at)
		VALUES (@scope, @id, @settings, @roles, @created)`,
		args{
			"scope": scope, "id": p.ID, "settings": toJSON(p.Settings), "roles": toJSON(p.Roles),
			"created": p.Created.UnixMilli(),
		})
	if err != nil {
		return fmt.Errorf("store identity pool: %w", err)
	}
	return nil
}

// Pool returns an identity pool, or a NotFound fault.
func (s *Store) Pool(ctx context.Context, sc fleet.Scope, id string) (p *identity.Pool, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		p, err = findPool(ctx, q, scope, id)
		return err
	})
	return p, err
}

// Pools lists identity pools by id, behind one.
func (s *Store) Pools(ctx context.Context, sc fleet.Scope, after string, limit int) (list []identity.Pool, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = poolPage(ctx, q, scope, after, limit)
		return err
	})
	return list, err
}

// PoolPage lists identity pools inside a slice.
func (s *Store) PoolPage(ctx context.Context, tx durable.Tx, sc fleet.Scope, after string, limit int) (
	[]identity.Pool, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return poolPage(ctx, q, scope, after, limit)
}

func poolPage(ctx context.Context, q querier, scope int64, after string, limit int) ([]identity.Pool, error) {
	list, err := all(ctx, q, `SELECT `+poolColumns+` FROM identity_pools
		WHERE scope = @scope AND id > @after ORDER BY id LIMIT @limit`,
		args{"scope": scope, "after": after, "limit": limit}, scanPool)
	if err != nil {
		return nil, fmt.Errorf("list identity pools: %w", err)
	}
	return list, nil
}

// UpdatePool stores what change makes of an identity pool, or returns its error
// or a NotFound fault.
func (s *Store) UpdatePool(ctx context.Context, sc fleet.Scope, id string, change func(*identity.Pool) error) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, poolRows, scope, id); err != nil {
			return fmt.Errorf("lock identity pool: %w", err)
		}
		p, err := findPool(ctx, q, scope, id)
		if err != nil {
			return err
		}
		if err := change(p); err != nil {
			return err
		}
		return updatePool(ctx, q, scope, p)
	})
}

func updatePool(ctx context.Context, q querier, scope int64, p *identity.Pool) error {
	_, err := q.exec(ctx, `UPDATE identity_pools SET settings = @settings, roles = @roles
		WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": p.ID, "settings": toJSON(p.Settings), "roles": toJSON(p.Roles)})
	if err != nil {
		return fmt.Errorf("store identity pool: %w", err)
	}
	return nil
}

// DeletePool removes an identity pool, or returns a NotFound fault.
func (s *Store) DeletePool(ctx context.Context, sc fleet.Scope, id string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		n, err := q.exec(ctx, `DELETE FROM identity_pools WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": id})
		if err != nil {
			return fmt.Errorf("delete identity pool: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "IdentityPool '%.64s' not found.", id)
		}
		return nil
	})
}

// ImportPools stores pools of which the roles are known, all or none: the roles
// of pools that are there are replaced, and the others made. It says how many it
// made.
func (s *Store) ImportPools(ctx context.Context, sc fleet.Scope, list []identity.Pool) (made int, err error) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		made = 0
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		for i := range list {
			p := &list[i]
			if err := lockRows(ctx, q, poolRows, scope, p.ID); err != nil {
				return fmt.Errorf("lock identity pool: %w", err)
			}
			old, err := findPool(ctx, q, scope, p.ID)
			switch {
			case fault.Is(err, fault.NotFound):
				err = s.insertPool(ctx, q, scope, p)
				made++
			case err == nil:
				old.Roles = p.Roles
				err = updatePool(ctx, q, scope, old)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}
