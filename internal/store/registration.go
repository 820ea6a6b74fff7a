package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// RegistrationCode returns the code by which CAs are registered, or "" when
// there is none.
func (s *Store) RegistrationCode(ctx context.Context, sc fleet.Scope) (code string, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		code, err = registrationCode(ctx, q, scope)
		return err
	})
	return code, err
}

func registrationCode(ctx context.Context, q querier, scope int64) (string, error) {
	code, _, err := one(ctx, q, `SELECT code FROM registration_codes WHERE scope = @scope`,
		args{"scope": scope}, scalar[string])
	if err != nil {
		return "", fmt.Errorf("read registration code: %w", err)
	}
	return code, nil
}

// NeedRegistrationCode returns the code by which CAs are registered, which is
// the candidate when there was none. All callers hear the same.
func (s *Store) NeedRegistrationCode(ctx context.Context, sc fleet.Scope, candidate string) (string, error) {
	code, err := s.RegistrationCode(ctx, sc)
	if err != nil || code != "" {
		return code, err
	}
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if _, err := q.exec(ctx, `INSERT INTO registration_codes (scope, code) VALUES (@scope, @code)
			ON CONFLICT (scope) DO NOTHING`, args{"scope": scope, "code": candidate}); err != nil {
			return fmt.Errorf("store registration code: %w", err)
		}
		code, err = registrationCode(ctx, q, scope)
		return err
	})
	return code, err
}

// DeleteRegistrationCode removes the code, or returns a NotFound fault.
func (s *Store) DeleteRegistrationCode(ctx context.Context, sc fleet.Scope) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		n, err := q.exec(ctx, `DELETE FROM registration_codes WHERE scope = @scope`, args{"scope": scope})
		if err != nil {
			return fmt.Errorf("delete registration code: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "there is no registration code")
		}
		return nil
	})
}
