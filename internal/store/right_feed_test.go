package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// noteThings notes changes of things, one entry for each.
func noteThings(t *testing.T, s *Store, n int, prefix string) (want []string) {
	t.Helper()
	ok(t, s.writing(context.Background(), here, func(ctx context.Context, q querier, scope int64) error {
		for i := range n {
			name := fmt.Sprintf("%s%d", prefix, i)
			want = append(want, entry(fleet.RightThing, name))
			if err := noteRights(ctx, q, scope, fleet.RightThing, name); err != nil {
				return err
			}
		}
		return nil
	}))
	return want
}

func TestAFeedIsReadInPages(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		f := openFeed(t, s)
		first := noteThings(t, s, feedPage+7, "first ")
		list, _, err := f.Next(context.Background())
		ok(t, err)
		if len(list) != feedPage {
			t.Fatalf("got %d entries, want a page of %d", len(list), feedPage)
		}
		second := noteThings(t, s, 2*feedPage, "second ")
		missing := map[string]bool{}
		for _, want := range slices.Concat(first[feedPage:], second) {
			missing[want] = true
		}
		for deadline := time.Now().Add(30 * time.Second); len(missing) > 0; {
			if time.Now().After(deadline) {
				t.Fatalf("got nothing of %d entries in time", len(missing))
			}
			list, lost, err := f.Next(context.Background())
			ok(t, err)
			if len(list) > feedPage || lost {
				t.Fatalf("got %d entries, lost %t", len(list), lost)
			}
			for _, c := range list {
				delete(missing, changeText(c))
			}
		}
		// What was read behind the first page may come again, once.
		again := 0
		for done := false; !done; {
			list, _, err = f.Next(context.Background())
			ok(t, err)
			again, done = again+len(list), len(list) == 0 && f.next == nil
			if again > len(first)+len(second) {
				t.Fatalf("got %d entries again", again)
			}
		}
	})
}

func TestManyNamesArePartedAmongEntries(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		f := openFeed(t, s)
		var names []string
		for i := range 2*rightNames + 1 {
			names = append(names, fmt.Sprint("t", i))
		}
		ok(t, s.writing(context.Background(), here, func(ctx context.Context, q querier, scope int64) error {
			return noteRights(ctx, q, scope, fleet.RightThing, names...)
		}))
		wantChanges(t, f, entry(fleet.RightThing, names[:rightNames]...),
			entry(fleet.RightThing, names[rightNames:2*rightNames]...), entry(fleet.RightThing, names[2*rightNames:]...))
	})
}

// purgeRightsOnce purges as if some time had gone by since the last mark.
func purgeRightsOnce(t *testing.T, s *Store, after time.Duration) {
	t.Helper()
	ctx := context.Background()
	ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := q.exec(ctx, `UPDATE right_feed SET marked_at = `+s.dialect.now+` - @age`,
			args{"age": after.Milliseconds()})
		return err
	}))
	p := s.NewPurge("n", time.Time{})
	for more := true; more; {
		var err error
		more, err = p.Step(ctx)
		ok(t, err)
	}
}

func TestAReaderThatIsFarBehindHearsOfIt(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		noteThings(t, s, 3, "before ")
		behind, ahead := openFeed(t, s), openFeed(t, s)
		wantChanges(t, ahead, noteThings(t, s, purgeSlice, "old ")...)
		// The first that is late sets the mark.
		for _, after := range []time.Duration{0, 2 * feedTime, feedTime / 2, 2 * feedTime} {
			list, lost, err := ahead.Next(ctx)
			if err != nil || lost || len(list) > 0 {
				t.Errorf("got %v, %t, %v, want nothing", list, lost, err)
			}
			kept, err := count(ctx, s.read, `SELECT count(*) FROM right_changes`, nil)
			ok(t, err)
			if kept < purgeSlice {
				t.Errorf("got %d entries, want those that had no hour", kept)
			}
			purgeRightsOnce(t, s, after)
		}
		kept, err := count(ctx, s.read, `SELECT count(*) FROM right_changes`, nil)
		if ok(t, err); kept > 0 {
			t.Errorf("got %d entries, want none", kept)
		}
		_, lost, err := behind.Next(ctx)
		if ok(t, err); !lost {
			t.Error("got nothing lost by the one that is behind")
		}
		fresh := openFeed(t, s)
		want := noteThings(t, s, 2, "new ")
		for _, f := range []*RightsFeed{behind, ahead, fresh} {
			wantChanges(t, f, want...)
		}
	})
}

func TestAFeedIsReadByIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		noteThings(t, s, planRows, "t")
		if s.pool != nil {
			_, err := s.pool.Exec(context.Background(), `VACUUM ANALYZE right_changes`)
			ok(t, err)
		}
		f := openFeed(t, s)
		noteThings(t, s, 3, "new ")
		// On PostgreSQL as well what was running when the feed was read.
		f.at.running = []int64{f.at.xmin, f.at.xmax}
		f.at.xmax++
		for text, a := range map[string]args{s.dialect.feed.now: nil, s.dialect.feed.news: f.unseen()} {
			wrong, plan, err := explain(context.Background(), s, text, a, 0)
			ok(t, err)
			// The state of the feed is one row.
			if wrong = slices.DeleteFunc(wrong, func(text string) bool { return text == "SCAN f" }); len(wrong) > 0 {
				t.Errorf("got %s for\n%s\nof which the plan is\n%s", strings.Join(wrong, "; "), text, plan)
			}
		}
	})
}

// Transactions that write at the same time, some of which fail, are all read.
func TestAFeedMissesNothingOfManyWriters(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, here, 1)
		f := openFeed(t, s)
		const writers, each = 12, 25
		failed := errors.New("failed")
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := range each {
					err := s.writing(ctx, here, func(ctx context.Context, q querier, scope int64) error {
						for _, part := range []string{"a", "b"} {
							name := fmt.Sprint("w", w, "-", i, part)
							if err := noteRights(ctx, q, scope, fleet.RightThing, name); err != nil {
								return err
							}
						}
						if i%5 == 0 {
							return failed
						}
						return nil
					})
					if err != nil && !errors.Is(err, failed) {
						t.Error(err)
					}
				}
			})
		}
		missing := map[string]bool{}
		for w := range writers {
			for i := range each {
				if i%5 != 0 {
					missing[fmt.Sprint("w", w, "-", i, "a")], missing[fmt.Sprint("w", w, "-", i, "b")] = true, true
				}
			}
		}
		for deadline := time.Now().Add(time.Minute); len(missing) > 0; {
			if time.Now().After(deadline) {
				t.Fatalf("got nothing of %d entries in time", len(missing))
			}
			list, lost, err := f.Next(ctx)
			if ok(t, err); lost {
				t.Fatal("got changes lost")
			}
			for _, c := range list {
				var n, i int
				if _, err := fmt.Sscanf(c.Names[0], "w%d-%d", &n, &i); err != nil || i%5 == 0 {
					t.Fatalf("got %q, which was not committed", c.Names)
				}
				delete(missing, c.Names[0])
			}
		}
		group.Wait()
	})
}

// A feed goes on where it was when PostgreSQL has ended all connections.
func TestAFeedOutlivesItsConnections(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		if s.pool == nil {
			t.Skip("SQLite has no connections that end")
		}
		ctx := context.Background()
		register(t, s, here, 1)
		f := openFeed(t, s)
		wantChanges(t, f, noteThings(t, s, 1, "before ")...)
		for round := range 3 {
			want := noteThings(t, s, 2, fmt.Sprint("round ", round, " "))
			own, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
			ok(t, err)
			_, err = own.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			ok(t, err)
			ok(t, own.Close(ctx))
			missing := slices.Clone(want)
			for deadline := time.Now().Add(30 * time.Second); len(missing) > 0; {
				list, lost, err := f.Next(ctx)
				if lost || time.Now().After(deadline) {
					t.Fatalf("got lost %t and nothing of %q, %v", lost, missing, err)
				}
				for _, c := range list {
					missing = slices.DeleteFunc(missing, func(text string) bool { return text == changeText(c) })
				}
			}
		}
	})
}
