package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

func scanUser(r scanner) (*identity.User, error) {
	u := &identity.User{}
	var created int64
	var tags string
	err := r.Scan(&u.Seq, &u.Account, &u.ID, &u.Name, &u.Path, &u.Boundary, &tags, &created)
	if err != nil {
		return nil, err
	}
	u.Created = fromMillis(created)
	return u, fromInfoJSON(tags, &u.Tags)
}

func findUser(ctx context.Context, q querier, account, name string) (*identity.User, error) {
	u, ok, err := userTable.find(ctx, q, account, name)
	if err == nil && !ok {
		err = noSuchEntity("user", name)
	}
	return u, err
}

// CreateUser stores a new user and sets its number. A name that is taken is an
// Exists fault, a boundary that is not there NotFound, one user more than the
// account may have Limit.
func (s *Store) CreateUser(ctx context.Context, u *identity.User) error {
	return s.writeIAM(ctx, u.Account, func(ctx context.Context, q querier) error { return s.insertUser(ctx, q, u) })
}

func (s *Store) insertUser(ctx context.Context, q querier, u *identity.User) (err error) {
	if err := asBoundary.add(ctx, q, u.Account, u.Boundary, 1); err != nil {
		return err
	}
	u.Seq, err = userTable.insert(ctx, q, newEntity{u.Account, u.ID, u.Name, u.Path, s.quotas.Users}, args{
		"boundary": u.Boundary, "tags": infoJSON(u.Tags), "created_at": u.Created.UnixMilli(),
	})
	return err
}

// User returns a user by its exact name, or a NotFound fault.
func (s *Store) User(ctx context.Context, account, name string) (*identity.User, error) {
	return findUser(ctx, s.read, account, name)
}

// Users lists users by path and name.
func (s *Store) Users(ctx context.Context, account string, p identity.EntityPage) ([]*identity.User, error) {
	return userTable.list(ctx, s.read, account, p)
}

// DeleteUser removes a user. One that has access keys, policies or groups is a
// DeleteConflict fault.
func (s *Store) DeleteUser(ctx context.Context, account, name string) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		u, err := findUser(ctx, q, account, name)
		if err != nil {
			return err
		}
		for _, has := range []struct{ table, text string }{
			{"access_keys", "Cannot delete entity, must delete access keys first."},
			{"iam_group_members", "Cannot delete entity, must remove users from group first."},
		} {
			n, err := count(ctx, q, `SELECT count(*) FROM `+has.table+` WHERE user_seq = @seq`, args{"seq": u.Seq})
			if err != nil {
				return fmt.Errorf("count what a user has: %w", err)
			}
			if n > 0 {
				return fault.New(fault.DeleteConflict, "%s", has.text)
			}
		}
		o := identity.Owner{Kind: identity.OwnerUser, Account: account, Name: name}
		return deleteOwner(ctx, q, o, u.Seq, u.Boundary)
	})
}

// AddUserKey stores an access key of a user, whose number it sets. One more than
// a user may have is a Limit fault.
func (s *Store) AddUserKey(ctx context.Context, k identity.SealedKey) error {
	return s.writeIAM(ctx, k.Account.ID, func(ctx context.Context, q querier) error {
		u, err := findUser(ctx, q, k.Account.ID, k.User.Name)
		if err != nil {
			return err
		}
		have, err := count(ctx, q, `SELECT count(*) FROM access_keys WHERE user_seq = @seq`, args{"seq": u.Seq})
		if err != nil {
			return fmt.Errorf("count access keys: %w", err)
		}
		if have >= identity.MaxUserKeys {
			return fault.New(fault.Limit, "Cannot exceed quota for AccessKeysPerUser: %d", identity.MaxUserKeys)
		}
		k.User = u
		return s.insertKey(ctx, q, k)
	})
}

// UserKeys lists the access keys of a user by id.
func (s *Store) UserKeys(ctx context.Context, account, user string) ([]identity.UserKey, error) {
	u, err := findUser(ctx, s.read, account, user)
	if err != nil {
		return nil, err
	}
	list, err := all(ctx, s.read, `SELECT id, status, created_at FROM access_keys WHERE user_seq = @seq ORDER BY id`,
		args{"seq": u.Seq}, func(r scanner) (k identity.UserKey, err error) {
			var created int64
			err = r.Scan(&k.ID, &k.Status, &created)
			k.Created = fromMillis(created)
			return k, err
		})
	if err != nil {
		return nil, fmt.Errorf("list access keys: %w", err)
	}
	return list, nil
}

// SetKeyStatus lets calls be signed with an access key of a user, or not. The
// next call is judged by it. A key that is not that user's is NotFound.
func (s *Store) SetKeyStatus(ctx context.Context, account, user, id string, status identity.KeyStatus) error {
	return s.changeKey(ctx, account, user, `UPDATE access_keys SET status = @status WHERE id = @id AND user_seq = @seq`,
		args{"id": id, "status": string(status)})
}

// DeleteUserKey removes an access key of a user. One that is not that user's is
// NotFound.
func (s *Store) DeleteUserKey(ctx context.Context, account, user, id string) error {
	return s.changeKey(ctx, account, user, `DELETE FROM access_keys WHERE id = @id AND user_seq = @seq`, args{"id": id})
}

func (s *Store) changeKey(ctx context.Context, account, user, text string, a args) error {
	return s.writeIAM(ctx, account, func(ctx context.Context, q querier) error {
		u, err := findUser(ctx, q, account, user)
		if err != nil {
			return err
		}
		a["seq"] = u.Seq
		n, err := q.exec(ctx, text, a)
		if err != nil {
			return fmt.Errorf("change access key: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "The Access Key with id %s cannot be found.", a["id"])
		}
		return nil
	})
}

// KeyUse says when an access key of an account was used last. A key of another
// account is NotFound.
func (s *Store) KeyUse(ctx context.Context, account, id string) (*identity.KeyUse, error) {
	use, ok, err := one(ctx, s.read, `SELECT u.name, k.last_used_at, k.last_used_service, k.last_used_region
		FROM access_keys k LEFT JOIN iam_users u ON u.seq = k.user_seq WHERE k.id = @id AND k.account = @account`,
		args{"id": id, "account": account}, func(r scanner) (*identity.KeyUse, error) {
			use := &identity.KeyUse{}
			var name *string
			var at int64
			err := r.Scan(&name, &at, &use.Service, &use.Region)
			if name != nil {
				use.User = *name
			}
			use.At = fromZero(at)
			return use, err
		})
	if err != nil {
		return nil, fmt.Errorf("find access key: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "The Access Key with id %s cannot be found.", id)
	}
	return use, nil
}
