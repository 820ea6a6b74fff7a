package store

import (
	"context"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// insertRole stores a role as it is.
func insertRole(t *testing.T, s *Store, account, id, tags string) {
	t.Helper()
	ok(t, s.writeIAM(t.Context(), account, func(ctx context.Context, q querier) error {
		_, err := q.exec(ctx, `INSERT INTO iam_roles
			(seq, account, id, name, folded, path, trust, description, max_session, boundary, tags, created_at)
			VALUES (@seq, @account, @id, @id, @id, '/', '{}', '', 3600, '', @tags, 0)`,
			args{"seq": time.Now().UnixNano(), "account": account, "id": id, "tags": tags})
		return err
	}))
}

func TestTheRoleOfASession(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for _, account := range []string{"111111111111", "222222222222"} {
			ok(t, s.CreateAccount(ctx, identity.SealedKey{
				ID: "AKIA" + account, Sealed: []byte("sealed"), Status: identity.KeyActive,
				Account: identity.Account{ID: account, Status: identity.Active, Created: testNow},
			}))
		}
		insertRole(t, s, "111111111111", "AROA1", `{"team":"red"}`)
		first, err := s.SessionRole(ctx, "111111111111", "AROA1")
		ok(t, err)
		if first.Account.ID != "111111111111" || first.Tags["team"] != "red" || first.State == 0 {
			t.Errorf("got %+v", first)
		}
		if _, err := s.SessionRole(ctx, "222222222222", "AROA1"); !fault.Is(err, fault.NotFound) {
			t.Errorf("in another account: got %v, want a NotFound fault", err)
		}
		insertRole(t, s, "111111111111", "AROA2", ``)
		if again, err := s.SessionRole(ctx, "111111111111", "AROA1"); err != nil || again.State <= first.State {
			t.Errorf("after a change: got %+v, %v, want a later state than %d", again, err, first.State)
		}
		ok(t, s.DisableAccount(ctx, "111111111111"))
		if r, err := s.SessionRole(ctx, "111111111111", "AROA2"); err != nil || r.Account.Status != identity.Disabled {
			t.Errorf("in a disabled account: got %+v, %v", r, err)
		}
		ok(t, s.writeIAM(ctx, "111111111111", func(ctx context.Context, q querier) error {
			_, err := q.exec(ctx, `DELETE FROM iam_roles WHERE id = 'AROA1'`, nil)
			return err
		}))
		if _, err := s.SessionRole(ctx, "111111111111", "AROA1"); !fault.Is(err, fault.NotFound) {
			t.Errorf("deleted: got %v, want a NotFound fault", err)
		}
	})
}

func TestTheLastUseIsTheLatest(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, account := t.Context(), "111111111111"
		ok(t, s.CreateAccount(ctx, identity.SealedKey{
			ID: "AKIA1", Sealed: []byte("sealed"), Status: identity.KeyActive,
			Account: identity.Account{ID: account, Status: identity.Active, Created: testNow},
		}))
		insertRole(t, s, account, "AROA1", ``)
		use := func(at time.Time, service string) {
			t.Helper()
			ok(t, s.NoteUses(ctx, []identity.Use{
				{Account: account, KeyID: "AKIA1", At: at, Service: service, Region: service + "-1"},
				{Account: account, RoleID: "AROA1", At: at, Service: service, Region: service + "-1"},
				{Account: account, KeyID: "AKIAGONE", At: at},
				{Account: "222222222222", KeyID: "AKIA1", At: at.Add(time.Hour)},
			}))
		}
		use(testNow, "iot")
		use(testNow.Add(-time.Second), "iam")
		type last struct {
			at              int64
			service, region string
		}
		got, _, err := one(ctx, s.read, `SELECT last_used_at, last_used_service, last_used_region
			FROM access_keys WHERE id = 'AKIA1'`, nil, func(r scanner) (l last, err error) {
			return l, r.Scan(&l.at, &l.service, &l.region)
		})
		ok(t, err)
		if want := (last{testNow.UnixMilli(), "iot", "iot-1"}); got != want {
			t.Errorf("key: got %+v, want %+v", got, want)
		}
		got, _, err = one(ctx, s.read, `SELECT last_used_at, last_used_region FROM iam_roles WHERE id = 'AROA1'`, nil,
			func(r scanner) (l last, err error) { return l, r.Scan(&l.at, &l.region) })
		ok(t, err)
		if want := (last{testNow.UnixMilli(), "", "iot-1"}); got != want {
			t.Errorf("role: got %+v, want %+v", got, want)
		}
	})
}
