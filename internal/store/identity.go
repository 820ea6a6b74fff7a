package store

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// CreateAccount stores an account with its root key. A taken id is an Exists
// fault; so is a second operator account.
func (s *Store) CreateAccount(ctx context.Context, k identity.SealedKey) error {
	return s.writeKeys(ctx, func(ctx context.Context, q querier) error {
		a := k.Account
		n, err := q.exec(ctx, `INSERT INTO accounts (id, name, status, operator, created_at)
			SELECT CAST(@id AS TEXT), CAST(@name AS TEXT), CAST(@status AS TEXT), CAST(@operator AS BOOLEAN),
				CAST(@created AS BIGINT)
			WHERE NOT (CAST(@operator AS BOOLEAN) AND EXISTS (SELECT 1 FROM accounts WHERE operator))
			ON CONFLICT DO NOTHING`,
			args{
				"id": a.ID, "name": a.Name, "status": string(a.Status), "operator": a.Operator,
				"created": a.Created.UnixMilli(),
			})
		if err != nil {
			return fmt.Errorf("store account: %w", err)
		}
		if n == 0 {
			return fault.New(fault.Exists, "an account %s exists", a.ID)
		}
		return s.insertKey(ctx, q, k)
	})
}

// writeKeys runs a transaction that changes accounts or access keys.
func (s *Store) writeKeys(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	return s.keys.changing(func() error { return s.write(ctx, fn) })
}

// writeIAM runs a transaction that changes identities or policies of an account,
// or its users' access keys. Those of one account come one behind the other, and
// each raises the version of the account: what was read of them before is known
// to be old.
func (s *Store) writeIAM(ctx context.Context, account string, fn func(ctx context.Context, q querier) error) error {
	return s.writeKeys(ctx, func(ctx context.Context, q querier) error {
		n, err := q.exec(ctx, `UPDATE accounts SET iam_version = iam_version + 1 WHERE id = @account`,
			args{"account": account})
		if err != nil {
			return fmt.Errorf("raise version of identities: %w", err)
		}
		if n == 0 {
			return fault.New(fault.NotFound, "there is no account %s", account)
		}
		return fn(ctx, q)
	})
}

func (s *Store) insertKey(ctx context.Context, q querier, k identity.SealedKey) error {
	var user *int64
	if k.User != nil {
		user = &k.User.Seq
	}
	_, err := q.exec(ctx, `INSERT INTO access_keys (id, account, user_seq, status, secret, created_at)
		VALUES (@id, @account, @user, @status, @secret, @created)`,
		args{
			"id": k.ID, "account": k.Account.ID, "user": user, "secret": k.Sealed,
			"status":  string(cmp.Or(k.Status, identity.KeyActive)),
			"created": s.millis(),
		})
	if q.dialect().unique(err) {
		return fault.New(fault.Exists, "an access key %s exists", k.ID)
	}
	if err != nil {
		return fmt.Errorf("store access key: %w", err)
	}
	return nil
}

// ReplaceRootKey makes a key the only root key of its account.
func (s *Store) ReplaceRootKey(ctx context.Context, k identity.SealedKey) error {
	return s.writeKeys(ctx, func(ctx context.Context, q querier) error {
		if _, err := q.exec(ctx, `DELETE FROM access_keys WHERE account = @account AND user_seq IS NULL`,
			args{"account": k.Account.ID}); err != nil {
			return fmt.Errorf("delete access keys: %w", err)
		}
		return s.insertKey(ctx, q, k)
	})
}

const accountColumns = `a.id, a.name, a.status, a.operator, a.created_at`

func scanAccount(r scanner, a *identity.Account, more ...any) error {
	var created int64
	err := r.Scan(append([]any{&a.ID, &a.Name, &a.Status, &a.Operator, &created}, more...)...)
	a.Created = fromMillis(created)
	return err
}

// Operator is the first account, or nil before there is one.
func (s *Store) Operator(ctx context.Context) (*identity.Account, error) {
	a, ok, err := one(ctx, s.read, `SELECT `+accountColumns+` FROM accounts a WHERE a.operator`, nil,
		func(r scanner) (a identity.Account, err error) { return a, scanAccount(r, &a) })
	if err != nil || !ok {
		return nil, err
	}
	return &a, nil
}

// Accounts lists accounts by id, behind the one named.
func (s *Store) Accounts(ctx context.Context, after string, limit int) ([]identity.Account, error) {
	return all(ctx, s.read, `SELECT `+accountColumns+` FROM accounts a WHERE a.id > @after ORDER BY a.id LIMIT @limit`,
		args{"after": after, "limit": limit},
		func(r scanner) (a identity.Account, err error) { return a, scanAccount(r, &a) })
}

// DisableAccount refuses the operator's account as Invalid and an unknown one
// as NotFound.
func (s *Store) DisableAccount(ctx context.Context, id string) error {
	return s.writeKeys(ctx, func(ctx context.Context, q querier) error {
		a, ok, err := one(ctx, q, `SELECT `+accountColumns+` FROM accounts a WHERE a.id = @id`, args{"id": id},
			func(r scanner) (a identity.Account, err error) { return a, scanAccount(r, &a) })
		switch {
		case err != nil:
			return fmt.Errorf("find account: %w", err)
		case !ok:
			return fault.New(fault.NotFound, "there is no account %s", id)
		case a.Operator:
			return fault.New(fault.Invalid, "account %s is the operator's and cannot be disabled", id)
		}
		if _, err := q.exec(ctx, `UPDATE accounts SET status = @status WHERE id = @id`,
			args{"id": id, "status": string(identity.Disabled)}); err != nil {
			return fmt.Errorf("disable account: %w", err)
		}
		return noteAccount(ctx, q, id)
	})
}

// AccessKey is a key with its account, or a NotFound fault.
func (s *Store) AccessKey(ctx context.Context, id string) (*identity.SealedKey, error) {
	cached, state := s.keys.find(id)
	if cached != nil {
		return cached, nil
	}
	k, ok, err := one(ctx, s.read, `SELECT `+accountColumns+`, k.id, k.secret, k.status, k.created_at, a.iam_version,
			u.seq, u.id, u.name, u.path, u.boundary, u.tags, u.created_at
		FROM access_keys k JOIN accounts a ON a.id = k.account LEFT JOIN iam_users u ON u.seq = k.user_seq
		WHERE k.id = @id`, args{"id": id}, scanKey)
	if err != nil {
		return nil, fmt.Errorf("find access key: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no access key %q", id)
	}
	if s.pool == nil {
		s.keys.put(k, state)
	}
	return k, nil
}

func scanKey(r scanner) (*identity.SealedKey, error) {
	k := &identity.SealedKey{}
	var created int64
	var userSeq, userCreated *int64
	var id, name, path, boundary, tags *string
	err := scanAccount(r, &k.Account, &k.ID, &k.Sealed, &k.Status, &created, &k.State,
		&userSeq, &id, &name, &path, &boundary, &tags, &userCreated)
	k.Created = fromMillis(created)
	if err != nil || userSeq == nil {
		return k, err
	}
	k.User = &identity.User{
		Seq: *userSeq, Account: k.Account.ID, ID: *id, Name: *name, Path: *path, Boundary: *boundary,
		Created: fromMillis(*userCreated),
	}
	return k, fromInfoJSON(*tags, &k.User.Tags)
}

// Secret returns the sealed value of a secret. When there is none it stores
// the one offered; the first one stored is the one that everybody gets.
func (s *Store) Secret(ctx context.Context, id identity.SecretID, offer []byte) ([]byte, error) {
	a := args{"account": id.Account, "region": id.Region, "purpose": id.Purpose}
	find := func(q querier) ([]byte, error) {
		v, _, err := one(ctx, q, `SELECT value FROM secrets
			WHERE account = @account AND region = @region AND purpose = @purpose`, a, scalar[[]byte])
		return v, err
	}
	if offer == nil {
		return find(s.read)
	}
	var value []byte
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		insert := args{"value": offer, "now": s.millis()}
		for name, v := range a {
			insert[name] = v
		}
		if _, err := q.exec(ctx, `INSERT INTO secrets (account, region, purpose, value, created_at)
			VALUES (@account, @region, @purpose, @value, @now)
			ON CONFLICT (account, region, purpose) DO NOTHING`, insert); err != nil {
			return err
		}
		var err error
		value, err = find(q)
		return err
	})
	return value, err
}

// Beat records that a node is alive, by the database's clock.
func (s *Store) Beat(ctx context.Context, node string) error {
	_, err := s.read.exec(ctx, `INSERT INTO nodes (id, beat_at, claimed_by, claimed_at)
		VALUES (@node, `+s.dialect.now+`, '', 0)
		ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at`, args{"node": node})
	return err
}

// ClaimSilent claims for a node every node that has been silent for longer
// than the time given and is claimed by no live one.
func (s *Store) ClaimSilent(ctx context.Context, by string, silence time.Duration) ([]string, error) {
	return all(ctx, s.read, `UPDATE nodes SET claimed_by = @by, claimed_at = `+s.dialect.now+`
		WHERE id <> @by AND beat_at < `+s.dialect.now+` - @silence AND claimed_at < `+s.dialect.now+` - @silence
		RETURNING id`, args{"by": by, "silence": silence.Milliseconds()}, scalar[string])
}

// Known reports whether a node has said that it is alive and was not forgotten
// since.
func (s *Store) Known(ctx context.Context, node string) (bool, error) {
	n, err := count(ctx, s.read, `SELECT count(*) FROM nodes WHERE id = @node`, args{"node": node})
	return n > 0, err
}

// Forget removes a node whose workflows were taken over.
func (s *Store) Forget(ctx context.Context, node string) error {
	_, err := s.read.exec(ctx, `DELETE FROM nodes WHERE id = @node`, args{"node": node})
	return err
}
