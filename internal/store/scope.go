package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// maxRegions bounds how many regions an account may use: a caller chooses the
// name of a region freely.
const maxRegions = 64

// scopeShift is where the scope begins in the number of a certificate.
const scopeShift = 40

// scope returns the number of a scope, or 0 when nothing was ever stored in
// it.
func (s *Store) scope(ctx context.Context, q querier, sc fleet.Scope) (int64, error) {
	if n, ok := s.scopes.Load(sc); ok {
		return n.(int64), nil
	}
	n, ok, err := one(ctx, q, `SELECT scope FROM scopes WHERE account = @account AND region = @region`,
		args{"account": sc.Account, "region": sc.Region}, scalar[int64])
	if err != nil {
		return 0, fmt.Errorf("find scope: %w", err)
	}
	if !ok {
		return 0, nil
	}
	return n, nil
}

// needScope returns the number of a scope and makes it on first use. It is
// kept in memory only once it is seen committed.
func (s *Store) needScope(ctx context.Context, q querier, sc fleet.Scope) (int64, error) {
	n, err := s.scope(ctx, q, sc)
	if err != nil || n != 0 {
		return n, err
	}
	regions, err := count(ctx, q, `SELECT count(*) FROM scopes WHERE account = @account`, args{"account": sc.Account})
	if err != nil {
		return 0, fmt.Errorf("count regions: %w", err)
	}
	if regions >= maxRegions {
		return 0, fault.New(fault.Limit, "account %s uses %d regions already", sc.Account, maxRegions)
	}
	if _, err := q.exec(ctx, `INSERT INTO scopes (account, region) VALUES (@account, @region)
		ON CONFLICT (account, region) DO NOTHING`, args{"account": sc.Account, "region": sc.Region}); err != nil {
		return 0, fmt.Errorf("make scope: %w", err)
	}
	return s.scope(ctx, q, sc)
}

// reading runs fn on the reader pool with the number of a scope, and remembers
// it.
func (s *Store) reading(ctx context.Context, sc fleet.Scope, fn func(q querier, scope int64) error) error {
	n, err := s.scope(ctx, s.read, sc)
	if err != nil {
		return err
	}
	if n != 0 {
		s.scopes.Store(sc, n)
	}
	return fn(s.read, n)
}

// writing runs fn as one transaction with the number of a scope.
func (s *Store) writing(ctx context.Context, sc fleet.Scope,
	fn func(ctx context.Context, q querier, scope int64) error,
) error {
	// Remembered if it is committed already.
	if err := s.reading(ctx, sc, func(querier, int64) error { return nil }); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, q querier) error {
		n, err := s.needScope(ctx, q, sc)
		if err != nil {
			return err
		}
		return fn(ctx, q, n)
	})
}

// certificateRange is the part of the certificates' numbers that belongs to a
// scope.
func certificateRange(scope int64) (first, last int64) {
	return scope << scopeShift, (scope+1)<<scopeShift - 1
}
