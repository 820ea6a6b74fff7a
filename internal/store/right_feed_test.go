package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-iot/cordon/internal/fleet"
)

func openFeed(t *testing.T, s *Store) *RightsFeed {
	t.Helper()
	f, err := s.NewRightsFeed(context.Background())
	ok(t, err)
	t.Cleanup(f.Close)
	return f
}

// changeText is what is expected of an entry.
func changeText(c fleet.RightChange) string {
	return fmt.Sprintf("%s %s %s %v", c.Scope.Account, c.Scope.Region, c.Kind, c.Names)
}

// wantChanges reads a feed until it said all that is wanted, in any order, and
// nothing else.
func wantChanges(t *testing.T, f *RightsFeed, want ...string) {
	t.Helper()
	missing := slices.Clone(want)
	for deadline := time.Now().Add(30 * time.Second); len(missing) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("got nothing of %q in time", missing)
		}
		list, lost, err := f.Next(context.Background())
		if ok(t, err); lost {
			t.Fatal("got changes lost")
		}
		for _, c := range list {
			at := slices.Index(missing, changeText(c))
			if at < 0 {
				t.Fatalf("got %s, want one of %q", changeText(c), missing)
			}
			missing = slices.Delete(missing, at, at+1)
		}
	}
}

func entry(kind fleet.RightKind, names ...string) string {
	return changeText(fleet.RightChange{Scope: here, Kind: kind, Names: names})
}

func TestAFeedTellsWhatIsCommittedSinceItBegan(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, here, 1)
		f, other := openFeed(t, s), openFeed(t, s)
		id := certificateID(1)
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Active))
		wantChanges(t, f, entry(fleet.RightCertificate, id))
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Active)) // it is already
		makePolicies(t, s, here, "p")
		target := fleet.Target{Kind: fleet.TargetCertificate, Name: id}
		ok(t, s.AttachPolicy(ctx, here, "p", target))
		ok(t, s.AttachPolicy(ctx, here, "p", target))
		makeAccount(t, s, there.Account)
		ok(t, s.DisableAccount(ctx, there.Account))
		account := changeText(fleet.RightChange{
			Scope: fleet.Scope{Account: there.Account}, Kind: fleet.RightAccount, Names: []string{},
		})
		wantChanges(t, f, entry(fleet.RightCertificate, id), account)
		wantChanges(t, other, entry(fleet.RightCertificate, id), entry(fleet.RightCertificate, id), account)
		list, lost, err := f.Next(ctx)
		if err != nil || lost || len(list) > 0 {
			t.Errorf("got %v, %t, %v, want nothing", list, lost, err)
		}
	})
}

func TestAnOrderForClientsHasItsNumberAsClaim(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		f := openFeed(t, s)
		claim, err := s.WriteClientOrder(ctx, here, []string{"a"}, fleet.ClientOrder{})
		if ok(t, err); claim != 0 {
			t.Errorf("got claim %d in a scope that nothing is in, want none", claim)
		}
		register(t, s, here, 1)
		wantChanges(t, f, entry(fleet.RightCertificate, certificateID(1)))
		takes := fleet.ClientOrder{Node: "n", Session: "s", Claim: 99}
		ends := fleet.ClientOrder{CleanSession: true, PreventWill: true}
		first, err := s.WriteClientOrder(ctx, here, []string{"a \"b\"\n"}, takes)
		ok(t, err)
		second, err := s.WriteClientOrder(ctx, here, []string{"b", "c"}, ends)
		ok(t, err)
		if second <= first || first <= 0 {
			t.Errorf("got claims %d and %d, want rising ones", first, second)
		}
		var got []fleet.RightChange
		for len(got) < 2 {
			list, _, err := f.Next(ctx)
			ok(t, err)
			got = append(got, list...)
		}
		takes.Claim = first
		if *got[0].Order != takes || got[0].Names[0] != "a \"b\"\n" || *got[1].Order != ends || len(got[1].Names) != 2 {
			t.Errorf("got %+v %+v and %+v, want %+v and %+v", got[0], got[0].Order, got[1].Order, takes, ends)
		}
		if _, err := s.WriteClientOrder(ctx, here, make([]string, rightNames+1), ends); err == nil {
			t.Error("got an order for too many client ids")
		}
	})
}

// An entry of a transaction that commits late is read, and others do not wait
// for it.
func TestAFeedMissesNoChangeThatCommitsLate(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		if s.pool == nil {
			t.Skip("SQLite has one writer")
		}
		ctx := context.Background()
		register(t, s, here, 1)
		id := entry(fleet.RightCertificate, certificateID(1))
		late := func() pgx.Tx {
			tx, err := s.pool.Begin(ctx)
			ok(t, err)
			return tx
		}
		note := func(tx pgx.Tx, name string) {
			scope, err := s.scope(ctx, s.read, here)
			ok(t, err)
			ok(t, noteRights(ctx, pgQuerier{tx}, scope, fleet.RightThing, name))
		}
		before, rolled := late(), late()
		note(before, "before")
		note(rolled, "rolled back")
		f := openFeed(t, s)
		during := late()
		note(during, "during")
		ok(t, s.SetCertificateStatus(ctx, here, certificateID(1), fleet.Active))
		wantChanges(t, f, id)
		note(during, "during again")
		ok(t, s.SetCertificateStatus(ctx, here, certificateID(1), fleet.Inactive))
		wantChanges(t, f, id)
		ok(t, before.Commit(ctx))
		wantChanges(t, f, entry(fleet.RightThing, "before"))
		ok(t, rolled.Rollback(ctx))
		ok(t, during.Commit(ctx))
		wantChanges(t, f, entry(fleet.RightThing, "during"), entry(fleet.RightThing, "during again"))
		ok(t, s.SetCertificateStatus(ctx, here, certificateID(1), fleet.Active))
		wantChanges(t, f, id)
		if len(f.at.running) > 0 {
			t.Errorf("got %v still to come, want nothing", f.at.running)
		}
	})
}
