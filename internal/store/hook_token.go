package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// AddHookToken stores a token of a scope. One more than a scope may have is a
// Limit fault.
func (s *Store) AddHookToken(ctx context.Context, sc fleet.Scope, t *fleet.HookToken) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		have, err := count(ctx, q, `SELECT count(*) FROM hook_tokens WHERE scope = @scope`, args{"scope": scope})
		if err != nil {
			return fmt.Errorf("count hook tokens: %w", err)
		}
		if have >= fleet.MaxHookTokens {
			return fault.New(fault.Limit, "the account has %d hook tokens in this region, which is the most", have)
		}
		if _, err := q.exec(ctx, `INSERT INTO hook_tokens (hash, scope, id, name, created_at)
			VALUES (@hash, @scope, @id, @name, @created)`,
			args{
				"hash": t.Hash, "scope": scope, "id": t.ID, "name": t.Name, "created": t.Created.UnixMilli(),
			}); err != nil {
			return fmt.Errorf("store hook token: %w", err)
		}
		return nil
	})
}

// HookTokens lists the tokens of a scope by id, behind one.
func (s *Store) HookTokens(ctx context.Context, sc fleet.Scope, after string, limit int) (
	list []fleet.HookToken, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT id, name, hash, created_at FROM hook_tokens
			WHERE scope = @scope AND id > @after ORDER BY id LIMIT @limit`,
			args{"scope": scope, "after": after, "limit": limit},
			func(r scanner) (t fleet.HookToken, err error) {
				var created int64
				err = r.Scan(&t.ID, &t.Name, &t.Hash, &created)
				t.Created = fromMillis(created)
				return t, err
			})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list hook tokens: %w", err)
	}
	return list, nil
}

// DeleteHookToken ends a token, or is NotFound.
func (s *Store) DeleteHookToken(ctx context.Context, sc fleet.Scope, id string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		n, err := q.exec(ctx, `DELETE FROM hook_tokens WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": id})
		if err != nil {
			return fmt.Errorf("delete hook token: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "there is no hook token %q", id)
		}
		return nil
	})
}

// HookScope returns the scope of the token with a hash, and whether there is
// one.
func (s *Store) HookScope(ctx context.Context, hash string) (sc fleet.Scope, found bool, err error) {
	sc, found, err = one(ctx, s.read, `SELECT s.account, s.region FROM hook_tokens t JOIN scopes s ON s.scope = t.scope
		WHERE t.hash = @hash`, args{"hash": hash},
		func(r scanner) (sc fleet.Scope, err error) { return sc, r.Scan(&sc.Account, &sc.Region) })
	if err != nil {
		return sc, false, fmt.Errorf("find hook token: %w", err)
	}
	return sc, found, nil
}
