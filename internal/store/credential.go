package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// SessionRole is the role with an id of an account as it is now, or a NotFound
// fault.
func (s *Store) SessionRole(ctx context.Context, account, roleID string) (*identity.SessionRole, error) {
	cached, state := s.keys.findRole(roleID)
	if cached == nil {
		r, ok, err := one(ctx, s.read, `SELECT `+accountColumns+`, a.iam_version, r.tags
			FROM iam_roles r JOIN accounts a ON a.id = r.account WHERE r.id = @id`, args{"id": roleID},
			func(r scanner) (*identity.SessionRole, error) {
				role, tags := &identity.SessionRole{}, ""
				if err := scanAccount(r, &role.Account, &role.State, &tags); err != nil {
					return nil, err
				}
				return role, fromInfoJSON(tags, &role.Tags)
			})
		if err != nil {
			return nil, fmt.Errorf("find role of a session: %w", err)
		}
		if !ok {
			return nil, fault.New(fault.NotFound, "there is no role %q", roleID)
		}
		if s.pool == nil {
			s.keys.putRole(roleID, r, state)
		}
		cached = r
	}
	if cached.Account.ID != account {
		return nil, fault.New(fault.NotFound, "account %s has no role %q", account, roleID)
	}
	return cached, nil
}

// NoteUses stores when keys and roles were used last. One that is older than
// what is stored, or of what is gone, is passed over. It ends nothing that was
// read of them: no decision depends on it.
func (s *Store) NoteUses(ctx context.Context, uses []identity.Use) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		for _, u := range uses {
			a := args{"account": u.Account, "at": u.At.UnixMilli(), "region": u.Region}
			text := `UPDATE iam_roles SET last_used_at = @at, last_used_region = @region
				WHERE id = @id AND account = @account AND last_used_at < @at`
			a["id"] = u.RoleID
			if u.RoleID == "" {
				text = `UPDATE access_keys SET last_used_at = @at, last_used_service = @service, last_used_region = @region
					WHERE id = @id AND account = @account AND last_used_at < @at`
				a["id"], a["service"] = u.KeyID, u.Service
			}
			if _, err := q.exec(ctx, text, a); err != nil {
				return fmt.Errorf("store last use: %w", err)
			}
		}
		return nil
	})
}
