package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

const actionColumns = `name, id, type, role_arn, params, created_at, modified_at`

func scanAction(r scanner) (*mitigation.Action, error) {
	a := &mitigation.Action{}
	var params string
	var created, modified int64
	if err := r.Scan(&a.Name, &a.ID, &a.Type, &a.RoleARN, &params, &created, &modified); err != nil {
		return nil, err
	}
	a.Created, a.Modified = fromMillis(created), fromMillis(modified)
	return a, fromJSON(params, &a.Params)
}

func findAction(ctx context.Context, q querier, scope int64, name string) (*mitigation.Action, error) {
	a, ok, err := one(ctx, q, `SELECT `+actionColumns+` FROM mitigation_actions WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": name}, scanAction)
	if err != nil {
		return nil, fmt.Errorf("find mitigation action: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no mitigation action %q", name)
	}
	return a, nil
}

// CreateMitigationAction stores a new action with its tags, or returns the
// one of that name when it is the same in everything. A different one is an
// Exists fault.
func (s *Store) CreateMitigationAction(ctx context.Context, sc fleet.Scope, a *mitigation.Action, tags []fleet.Tag) (
	stored *mitigation.Action, err error,
) {
	arn := sc.ARN("mitigationaction", a.Name)
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		old, err := findAction(ctx, q, scope, a.Name)
		if err == nil {
			stored = old
			same, err := sameTags(ctx, q, scope, arn, tags)
			if err == nil && (!same || !old.Equal(a)) {
				f := fault.New(fault.Exists, "a mitigation action %q exists with other parameters", a.Name)
				f.ResourceID, f.ResourceARN = a.Name, arn
				err = f
			}
			return err
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		have, err := count(ctx, q, `SELECT count(*) FROM mitigation_actions WHERE scope = @scope`, args{"scope": scope})
		if err != nil {
			return fmt.Errorf("count mitigation actions: %w", err)
		}
		if have >= int64(s.quotas.MitigationActions) {
			return fault.New(fault.Limit, "the account has %d mitigation actions, which is the most", have)
		}
		stored = a
		if _, err = q.exec(ctx, `INSERT INTO mitigation_actions (scope, name, id, type, role_arn, params, created_at,
				modified_at)
			VALUES (@scope, @name, @id, @type, @role, @params, @created, @modified)`, actionArgs(scope, a)); err != nil {
			return fmt.Errorf("store mitigation action: %w", err)
		}
		return setTags(ctx, q, scope, arn, tags)
	})
	return stored, err
}

func actionArgs(scope int64, a *mitigation.Action) args {
	return args{
		"scope": scope, "name": a.Name, "id": a.ID, "type": string(a.Type), "role": a.RoleARN,
		"params": toJSON(a.Params), "created": a.Created.UnixMilli(), "modified": a.Modified.UnixMilli(),
	}
}

// MitigationAction returns an action, or a NotFound fault.
func (s *Store) MitigationAction(ctx context.Context, sc fleet.Scope, name string) (a *mitigation.Action, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a, err = findAction(ctx, q, scope, name)
		return err
	})
	return a, err
}

// UpdateMitigationAction stores what change makes of an action, or returns a
// NotFound fault.
func (s *Store) UpdateMitigationAction(ctx context.Context, sc fleet.Scope, name string,
	change func(*mitigation.Action) error,
) (a *mitigation.Action, err error) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, actionRows, scope, name); err != nil {
			return err
		}
		if a, err = findAction(ctx, q, scope, name); err != nil {
			return err
		}
		if err := change(a); err != nil {
			return err
		}
		params := actionArgs(scope, a)
		delete(params, "id")
		delete(params, "created")
		_, err := q.exec(ctx, `UPDATE mitigation_actions SET type = @type, role_arn = @role, params = @params,
			modified_at = @modified WHERE scope = @scope AND name = @name`, params)
		return err
	})
	return a, err
}

// DeleteMitigationAction removes an action; one that is not there is fine.
// Tasks keep their own copy.
func (s *Store) DeleteMitigationAction(ctx context.Context, sc fleet.Scope, name string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if _, err := q.exec(ctx, `DELETE FROM mitigation_actions WHERE scope = @scope AND name = @name`,
			args{"scope": scope, "name": name}); err != nil {
			return fmt.Errorf("delete mitigation action: %w", err)
		}
		return deleteTags(ctx, q, scope, sc.ARN("mitigationaction", name))
	})
}

// MitigationActions lists actions by name, behind the one named; a type of ""
// is all.
func (s *Store) MitigationActions(ctx context.Context, sc fleet.Scope, t audit.ActionType, after string, limit int) (
	list []*mitigation.Action, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		where, a := ``, args{"scope": scope, "after": after, "limit": limit}
		if t != "" {
			where = ` AND type = @type`
			a["type"] = string(t)
		}
		list, err = all(ctx, q, `SELECT `+actionColumns+` FROM mitigation_actions WHERE scope = @scope`+where+`
			AND name > @after ORDER BY name LIMIT @limit`, a, scanAction)
		return err
	})
	return list, err
}
