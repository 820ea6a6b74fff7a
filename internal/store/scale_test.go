package store

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

// largeFills are n things that are all in the group "all", which has no group
// below it, and n certificates that all have the policy p1.
var largeFills = []fill{
	fillOf("things"), fillOf("certificates"), fillOf("policies"), fillOf("policy_targets"),
	{0, `INSERT INTO thing_groups (scope, name, id, parent, seq, root, path, depth, description, attributes, version,
			created_at)
		SELECT @scope, 'all', 'i', NULL, 10000000, 10000000, hex(10000000), 1, '', '{}', 1, 1 FROM r`},
	{1, `INSERT INTO group_members (scope, thing, root, thing_group, created_at)
		SELECT @scope, 't' || (10000000 + i), 10000000, 10000000, 1 FROM r`},
}

// longest is how long no single call may take, and nobody may wait for another,
// however much there is. It is far more than any takes on a machine at rest,
// even one that looks for races and has other work.
const longest = time.Minute

// TestALargeFleetIsChangedInSmallTransactions has, with CORDON_TEST_SCALE=1, a
// million of what is listed, attached and deleted.
func TestALargeFleetIsChangedInSmallTransactions(t *testing.T) {
	n := much(4_000, 20_000)
	if os.Getenv("CORDON_TEST_SCALE") != "" {
		n = 1_000_000
	}
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		fillStore(t, s, n, largeFills)
		ok(t, index(t, s, here, fleet.IndexRegistry))
		ok(t, s.CreateAccount(ctx, identity.SealedKey{
			ID: "K", Account: identity.Account{ID: here.Account, Status: identity.Active}, Sealed: []byte("s"),
		}))
		waited := besides(t, s)
		timed := func(what string, call func() error) {
			t.Helper()
			start := time.Now()
			err := call()
			took := time.Since(start)
			if t.Logf("%d: %s took %v", n, what, took.Round(time.Microsecond)); took > longest {
				t.Errorf("%s took %v, want %v at most", what, took, longest)
			}
			ok(t, err)
		}
		shared, target := filledName("p", 1), fleet.Target{Kind: fleet.TargetCertificate, Name: filledCertificate(n / 2)}
		timed("a page of targets", func() error {
			_, err := s.PolicyTargets(ctx, here, shared, fleet.TargetPage{After: target.String(), Limit: 250})
			return err
		})
		for _, deep := range []bool{false, true} {
			timed(fmt.Sprintf("a page of members, recursive %t", deep), func() error {
				after := fleet.MemberPosition{Path: allPath, Thing: filledName("t", n/2)}
				list, err := s.Members(ctx, here, fleet.MemberQuery{Group: "all", Deep: deep, After: after, Limit: 250})
				if len(list) != 250 {
					t.Errorf("got %d members, want 250", len(list))
				}
				return err
			})
		}
		timed("detaching", func() error { return s.DetachPolicy(ctx, here, shared, target) })
		timed("attaching", func() error { return s.AttachPolicy(ctx, here, shared, target) })
		timed("refusing to delete the policy", func() error {
			wantFault(t, s.DeletePolicy(ctx, here, shared), fault.DeleteConflict, "")
			return nil
		})
		var work fleet.GroupWork
		timed("making a dynamic group", func() (err error) {
			_, work, err = s.CreateGroup(ctx, here, newDynamic(t, "dynamic", "thingName:t*"), nil)
			return err
		})
		slices := inSlices(t, s, "finding its members", work)
		timed("deleting a group", func() (err error) {
			work, err = s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: "all"})
			return err
		})
		slices += inSlices(t, s, "removing its members", work)
		timed("disabling the account", func() error { return s.DisableAccount(ctx, here.Account) })
		if got := memberRows(t, s); got != int64(n) {
			t.Errorf("got %d memberships, want the %d of the dynamic group", got, n)
		}
		if slices < 2*n/groupSlice {
			t.Errorf("got %d slices, want none of more than %d things", slices, groupSlice)
		}
		calls, most := waited()
		if most > longest {
			t.Errorf("a caller besides waited for %v, want %v at most", most, longest)
		}
		if calls < slices/4 {
			t.Errorf("a caller besides got %d calls in between %d slices, want a turn after each", calls, slices)
		}
	})
}

// fillOf is the first fill of a table.
func fillOf(table string) fill {
	for _, f := range fleetFills {
		if f.table() == table {
			return f
		}
	}
	return fill{}
}

// inSlices does the work on a group, says how long its longest slice took, and
// returns how many there were.
func inSlices(t *testing.T, s *Store, what string, work fleet.GroupWork) (n int) {
	t.Helper()
	var most time.Duration
	begin := time.Now()
	for more := true; more; n++ {
		start := time.Now()
		more = workSlice(t, s, work)
		most = max(most, time.Since(start))
	}
	t.Logf("%s took %v in %d slices, the longest %v", what, time.Since(begin).Round(time.Millisecond), n, most)
	if most > longest {
		t.Errorf("%s: got a slice of %v, want %v at most", what, most, longest)
	}
	return n
}

// besides has a caller write all the time, and returns what ends it and says
// how many calls it made, and how long it waited at most.
func besides(t *testing.T, s *Store) (end func() (calls int, most time.Duration)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var caller sync.WaitGroup
	var calls int
	var most time.Duration
	caller.Go(func() {
		for ; ctx.Err() == nil; calls++ {
			start := time.Now()
			d, err := fleet.NewPolicyDraft(fmt.Sprintf("besides%d", calls), policy.Blank, testNow)
			if err == nil {
				err = s.CreatePolicy(context.Background(), here, d, nil)
			}
			if err != nil {
				t.Error(err)
				return
			}
			most = max(most, time.Since(start))
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond): // as a caller that thinks
			}
		}
	})
	return func() (int, time.Duration) {
		stop()
		caller.Wait()
		t.Logf("a caller besides made %d policies and waited for %v at most", calls, most)
		return calls, most
	}
}
