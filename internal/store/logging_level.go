package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// SetLogLevel stores the level of logs for a target that is not the default. It
// is NotConfigured without logging options, Limit when there are too many
// levels, and Invalid for a thing group that is not there.
func (s *Store) SetLogLevel(ctx context.Context, sc fleet.Scope, l fleet.LogLevel) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		options, err := loggingOptions(ctx, q, scope)
		if err != nil {
			return err
		}
		if err := options.Need(); err != nil {
			return err
		}
		if l.Type == fleet.LogGroup {
			if err := needLoggedGroup(ctx, q, scope, l.Name); err != nil {
				return err
			}
		}
		a := args{"scope": scope, "type": string(l.Type), "name": l.Name, "level": l.Level}
		n, err := q.exec(ctx, `UPDATE logging_levels SET level = @level
			WHERE scope = @scope AND target_type = @type AND target_name = @name`, a)
		if err != nil {
			return fmt.Errorf("store logging level: %w", err)
		}
		if n > 0 {
			return nil
		}
		have, err := count(ctx, q, `SELECT count(*) FROM logging_levels WHERE scope = @scope`, args{"scope": scope})
		if err != nil {
			return fmt.Errorf("count logging levels: %w", err)
		}
		if have >= int64(s.quotas.LoggingLevels) {
			return fault.New(fault.Limit, "the account has logging levels for %d targets, which is the most", have)
		}
		if _, err := q.exec(ctx, `INSERT INTO logging_levels (scope, target_type, target_name, level)
			VALUES (@scope, @type, @name, @level)`, a); err != nil {
			return fmt.Errorf("store logging level: %w", err)
		}
		return nil
	})
}

// needLoggedGroup returns an Invalid fault when there is no such thing group,
// and keeps it until the transaction ends.
func needLoggedGroup(ctx context.Context, q querier, scope int64, name string) error {
	if err := lockRows(ctx, q, groupRows, scope, name); err != nil {
		return fmt.Errorf("lock thing group: %w", err)
	}
	g, err := findGroup(ctx, q, scope, name)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Invalid, "there is no thing group %q to be the targetName", name)
	}
	if err != nil {
		return err
	}
	return g.NeedStatic()
}

// DeleteLogLevel removes the level of a target that is not the default; one
// that is not there is fine.
func (s *Store) DeleteLogLevel(ctx context.Context, sc fleet.Scope, t fleet.LogTarget) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		return deleteLogLevel(ctx, q, scope, t)
	})
}

func deleteLogLevel(ctx context.Context, q querier, scope int64, t fleet.LogTarget) error {
	if _, err := q.exec(ctx, `DELETE FROM logging_levels
		WHERE scope = @scope AND target_type = @type AND target_name = @name`,
		args{"scope": scope, "type": string(t.Type), "name": t.Name}); err != nil {
		return fmt.Errorf("delete logging level: %w", err)
	}
	return nil
}

// LogLevels lists the levels of logs, the default first. It is NotConfigured
// without logging options.
func (s *Store) LogLevels(ctx context.Context, sc fleet.Scope, p fleet.LogLevelPage) (
	list []fleet.LogLevel, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		options, err := loggingOptions(ctx, q, scope)
		if err != nil {
			return err
		}
		if err := options.Need(); err != nil {
			return err
		}
		after := p.After
		if after.Type == "" && options.Level != "" && (p.Type == "" || p.Type == fleet.LogDefault) {
			list = append(list, fleet.LogLevel{LogTarget: fleet.LogTarget{Type: fleet.LogDefault}, Level: options.Level})
		}
		if after.Type == fleet.LogDefault {
			after = fleet.LogTarget{}
		}
		text := ` AND (target_type, target_name) > (@aftertype, @aftername)`
		a := args{"scope": scope, "aftertype": string(after.Type), "aftername": after.Name, "limit": p.Limit - len(list)}
		if p.Type != "" {
			text = ` AND target_type = @type AND target_name > @aftername`
			delete(a, "aftertype")
			a["type"] = string(p.Type)
		}
		rows, err := all(ctx, q, `SELECT target_type, target_name, level FROM logging_levels WHERE scope = @scope`+text+`
			ORDER BY target_type, target_name LIMIT @limit`, a,
			func(r scanner) (l fleet.LogLevel, err error) { return l, r.Scan(&l.Type, &l.Name, &l.Level) })
		list = append(list, rows...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list logging levels: %w", err)
	}
	return list, nil
}
