package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func loggingOptions(ctx context.Context, q querier, scope int64) (*fleet.LoggingOptions, error) {
	l, ok, err := one(ctx, q, `SELECT v1_role, v1_level, v2_configured, v2_role, v2_level, v2_disabled,
			event_configurations
		FROM logging_options WHERE scope = @scope`, args{"scope": scope},
		func(r scanner) (*fleet.LoggingOptions, error) {
			l := &fleet.LoggingOptions{}
			return l, r.Scan(&l.V1Role, &l.V1Level, &l.Configured, &l.Role, &l.Level, &l.DisableAll, &l.Events)
		})
	if err != nil {
		return nil, fmt.Errorf("read logging options: %w", err)
	}
	if !ok {
		return &fleet.LoggingOptions{}, nil
	}
	return l, nil
}

func setLoggingOptions(ctx context.Context, q querier, scope int64, l *fleet.LoggingOptions) error {
	_, err := q.exec(ctx, `INSERT INTO logging_options (scope, v1_role, v1_level, v2_configured, v2_role, v2_level,
			v2_disabled, event_configurations)
		VALUES (@scope, @v1role, @v1level, @configured, @role, @level, @disabled, @events)
		ON CONFLICT (scope) DO UPDATE SET v1_role = excluded.v1_role, v1_level = excluded.v1_level,
			v2_configured = excluded.v2_configured, v2_role = excluded.v2_role, v2_level = excluded.v2_level,
			v2_disabled = excluded.v2_disabled, event_configurations = excluded.event_configurations`,
		args{
			"scope": scope, "v1role": l.V1Role, "v1level": l.V1Level, "configured": l.Configured, "role": l.Role,
			"level": l.Level, "disabled": l.DisableAll, "events": l.Events,
		})
	if err != nil {
		return fmt.Errorf("store logging options: %w", err)
	}
	return nil
}

// LoggingOptions returns the account's settings; with none made they are
// empty.
func (s *Store) LoggingOptions(ctx context.Context, sc fleet.Scope) (l *fleet.LoggingOptions, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		l, err = loggingOptions(ctx, q, scope)
		return err
	})
	return l, err
}

// LoggingOptionsIn is LoggingOptions inside a slice. No one else changes them
// until it ends.
func (s *Store) LoggingOptionsIn(ctx context.Context, tx durable.Tx, sc fleet.Scope) (*fleet.LoggingOptions, error) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	if err := lockScope(ctx, q, scope); err != nil {
		return nil, err
	}
	return loggingOptions(ctx, q, scope)
}

// UpdateLoggingOptions stores what change makes of the account's settings.
func (s *Store) UpdateLoggingOptions(ctx context.Context, sc fleet.Scope,
	change func(*fleet.LoggingOptions) error,
) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		old, err := loggingOptions(ctx, q, scope)
		if err != nil {
			return err
		}
		next := *old
		if err := change(&next); err != nil || next == *old {
			return err
		}
		refused, err := s.apply(ctx, q, scope, []fleet.Change{fleet.Logging{From: *old, To: next}})
		if err == nil && len(refused) > 0 {
			err = fmt.Errorf("logging options changed under their lock")
		}
		return err
	})
}
