package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// roleAliasKind is a role alias in an ARN.
const roleAliasKind = "rolealias"

func scanRoleAlias(r scanner) (*fleet.RoleAlias, error) {
	alias := &fleet.RoleAlias{}
	var created, modified int64
	err := r.Scan(&alias.Name, &alias.RoleARN, &alias.Seconds, &created, &modified)
	alias.Created, alias.Modified = fromMillis(created), fromMillis(modified)
	return alias, err
}

func findRoleAlias(ctx context.Context, q querier, scope int64, name string) (*fleet.RoleAlias, error) {
	alias, ok, err := one(ctx, q, `SELECT name, role_arn, seconds, created_at, modified_at FROM role_aliases
		WHERE scope = @scope AND name = @name`, args{"scope": scope, "name": name}, scanRoleAlias)
	if err != nil {
		return nil, fmt.Errorf("find role alias: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no role alias %q", name)
	}
	return alias, nil
}

// CreateRoleAlias stores a new role alias with its tags. A name that is taken
// is an Exists fault, one more than the account may have Limit.
func (s *Store) CreateRoleAlias(ctx context.Context, sc fleet.Scope, alias *fleet.RoleAlias, tags []fleet.Tag) error {
	arn := sc.ARN(roleAliasKind, alias.Name)
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		if _, err := findRoleAlias(ctx, q, scope, alias.Name); !fault.Is(err, fault.NotFound) {
			if err == nil {
				f := fault.New(fault.Exists, "a role alias %q exists", alias.Name)
				f.ResourceID, f.ResourceARN = alias.Name, arn
				err = f
			}
			return err
		}
		have, err := count(ctx, q, `SELECT count(*) FROM role_aliases WHERE scope = @scope`, args{"scope": scope})
		if err != nil {
			return fmt.Errorf("count role aliases: %w", err)
		}
		if have >= int64(s.quotas.RoleAliases) {
			return fault.New(fault.Limit, "the account has %d role aliases, which is the most", have)
		}
		if _, err := q.exec(ctx, `INSERT INTO role_aliases (scope, name, role_arn, seconds, created_at, modified_at)
			VALUES (@scope, @name, @role, @seconds, @created, @modified)`,
			args{
				"scope": scope, "name": alias.Name, "role": alias.RoleARN, "seconds": alias.Seconds,
				"created": alias.Created.UnixMilli(), "modified": alias.Modified.UnixMilli(),
			}); err != nil {
			return fmt.Errorf("store role alias: %w", err)
		}
		return setTags(ctx, q, scope, arn, tags)
	})
}

// RoleAlias returns a role alias, or a NotFound fault.
func (s *Store) RoleAlias(ctx context.Context, sc fleet.Scope, name string) (alias *fleet.RoleAlias, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		alias, err = findRoleAlias(ctx, q, scope, name)
		return err
	})
	return alias, err
}

// UpdateRoleAlias stores what change makes of a role alias, or returns a
// NotFound fault.
func (s *Store) UpdateRoleAlias(ctx context.Context, sc fleet.Scope, name string, change func(*fleet.RoleAlias)) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, roleAliasRows, scope, name); err != nil {
			return fmt.Errorf("lock role alias: %w", err)
		}
		alias, err := findRoleAlias(ctx, q, scope, name)
		if err != nil {
			return err
		}
		change(alias)
		if _, err := q.exec(ctx, `UPDATE role_aliases SET role_arn = @role, seconds = @seconds, modified_at = @modified
			WHERE scope = @scope AND name = @name`,
			args{
				"scope": scope, "name": name, "role": alias.RoleARN, "seconds": alias.Seconds,
				"modified": alias.Modified.UnixMilli(),
			}); err != nil {
			return fmt.Errorf("store role alias: %w", err)
		}
		return nil
	})
}

// DeleteRoleAlias removes a role alias and its tags, or returns a NotFound
// fault.
func (s *Store) DeleteRoleAlias(ctx context.Context, sc fleet.Scope, name string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		n, err := q.exec(ctx, `DELETE FROM role_aliases WHERE scope = @scope AND name = @name`,
			args{"scope": scope, "name": name})
		if err != nil {
			return fmt.Errorf("delete role alias: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "there is no role alias %q", name)
		}
		return deleteTags(ctx, q, scope, sc.ARN(roleAliasKind, name))
	})
}

// RoleAliases lists the names of role aliases in their order.
func (s *Store) RoleAliases(ctx context.Context, sc fleet.Scope, p fleet.RoleAliasPage) (names []string, err error) {
	text, after := ` AND name < @after ORDER BY name DESC`, p.After
	if p.Ascending {
		text = ` AND name > @after ORDER BY name`
	} else if after == "" {
		after = lastText
	}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		names, err = all(ctx, q, `SELECT name FROM role_aliases WHERE scope = @scope`+text+` LIMIT @limit`,
			args{"scope": scope, "after": after, "limit": p.Limit}, scalar[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list role aliases: %w", err)
	}
	return names, nil
}
