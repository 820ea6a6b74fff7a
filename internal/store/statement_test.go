package store

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/identity"
)

func TestAStatementIsKeptWhenItComesOften(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		if s.pool != nil {
			t.Skip("pgx keeps statements itself")
		}
		ctx := context.Background()
		kept := func(q querier) *statements { return q.(sqliteQuerier).r.(preparedReader).statements }
		const often = `SELECT count(*) FROM accounts WHERE id = @id`
		for i := range 5 {
			n, err := count(ctx, s.read, often, args{"id": fmt.Sprint(i)})
			ok(t, err)
			if ready := kept(s.read).find(often) != nil; n != 0 || ready != (i >= admittance-1) {
				t.Errorf("call %d: got %d and ready %v", i+1, n, ready)
			}
		}
		for i := range maxReady + 100 {
			for range admittance {
				_, err := count(ctx, s.read, fmt.Sprintf(`SELECT %d`, i), nil)
				ok(t, err)
			}
		}
		if n := len(kept(s.read).ready); n != maxReady {
			t.Errorf("got %d statements kept, want %d", n, maxReady)
		}
		for i := range 2 * maxSeen {
			kept(s.read).count(fmt.Sprintf(`SELECT 'once', %d`, i))
		}
		if n := len(kept(s.read).seen); n > maxSeen {
			t.Errorf("got %d texts counted, want no more than %d", n, maxSeen)
		}
		if _, err := count(ctx, s.read, `SELECT nothing FROM nowhere`, nil); err == nil {
			t.Error("a statement that cannot be prepared has no error")
		}
	})
}

func TestAKeyIsNeverOlderThanItsLastChange(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for i := range 20 {
			k := identity.SealedKey{
				ID: fmt.Sprintf("AKIA%d", i), Sealed: []byte("sealed"),
				Account: identity.Account{ID: fmt.Sprintf("%012d", i), Status: identity.Active, Created: testNow},
			}
			ok(t, s.CreateAccount(ctx, k))
			stop := make(chan struct{})
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							if _, err := s.AccessKey(ctx, k.ID); err != nil {
								t.Error(err)
								return
							}
						}
					}
				})
			}
			ok(t, s.DisableAccount(ctx, k.Account.ID))
			got, err := s.AccessKey(ctx, k.ID)
			ok(t, err)
			close(stop)
			readers.Wait()
			again, err := s.AccessKey(ctx, k.ID)
			ok(t, err)
			if got.Account.Status != identity.Disabled || again.Account.Status != identity.Disabled {
				t.Errorf("got %s, then %s, want it disabled", got.Account.Status, again.Account.Status)
			}
		}
	})
}
