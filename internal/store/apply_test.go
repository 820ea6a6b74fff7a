package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

// applied applies changes in a transaction of their own.
func applied(t *testing.T, s *Store, sc fleet.Scope, changes ...fleet.Change) []int {
	t.Helper()
	var refused []int
	ok(t, s.writing(t.Context(), sc, func(ctx context.Context, q querier, scope int64) (err error) {
		refused, err = s.apply(ctx, q, scope, changes)
		return err
	}))
	return refused
}

// someCertificates registers n certificates that are active.
func someCertificates(t *testing.T, s *Store, sc fleet.Scope, n int) []fleet.Certificate {
	t.Helper()
	list := make([]fleet.Certificate, n)
	for i := range list {
		list[i] = fleet.Certificate{
			ID: fmt.Sprintf("%064x", i+1), Status: fleet.Active, Mode: fleet.ModeSNIOnly, PEM: "pem",
			Created: testNow, Modified: testNow, CustomerVersion: 1,
		}
	}
	ok(t, s.RegisterCertificates(t.Context(), sc, list))
	return list
}

func deactivation(c fleet.Certificate) fleet.Change {
	return fleet.CertificateStatus{ID: c.ID, Seq: c.Seq, From: fleet.Active, To: fleet.Inactive}
}

func TestChangesOfCertificatesAreMadeAsASet(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		list := someCertificates(t, s, here, 1500)
		other := someCertificates(t, s, there, 1)
		var changes []fleet.Change
		for _, c := range list {
			changes = append(changes, deactivation(c))
		}
		// One is overtaken, one is gone.
		applied(t, s, here, fleet.CertificateStatus{
			ID: list[7].ID, Seq: list[7].Seq, From: fleet.Active, To: fleet.Revoked,
		})
		_, err := s.behind(t, `DELETE FROM certificates WHERE seq = @seq`, args{"seq": list[9].Seq})
		ok(t, err)
		if got, want := applied(t, s, here, changes...), []int{7, 9}; !slices.Equal(got, want) {
			t.Errorf("got %v refused, want %v", got, want)
		}
		for i, want := range map[int]fleet.Status{0: fleet.Inactive, 7: fleet.Revoked, 1499: fleet.Inactive} {
			c, err := s.Certificate(t.Context(), here, list[i].ID)
			ok(t, err)
			if c.Status != want || c.CustomerVersion != 2 {
				t.Errorf("%d: got %s at version %d, want %s at 2", i, c.Status, c.CustomerVersion, want)
			}
		}
		c, err := s.Certificate(t.Context(), there, other[0].ID)
		ok(t, err)
		if c.Status != fleet.Active {
			t.Errorf("the certificate of another scope is %s", c.Status)
		}
		if got := applied(t, s, here, changes...); len(got) != len(changes) {
			t.Errorf("again: got %d refused, want all %d", len(got), len(changes))
		}
	})
}

// Many callers deactivate one certificate: one change is made, the others are
// refused.
func TestOneOfManyEqualChangesIsMade(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		c := someCertificates(t, s, here, 1)[0]
		var wg sync.WaitGroup
		made := make(chan bool, 20)
		for range cap(made) {
			wg.Go(func() { made <- len(applied(t, s, here, deactivation(c))) == 0 })
		}
		wg.Wait()
		close(made)
		n := 0
		for m := range made {
			if m {
				n++
			}
		}
		got, err := s.Certificate(t.Context(), here, c.ID)
		ok(t, err)
		if n != 1 || got.CustomerVersion != 2 {
			t.Errorf("got %d changes and version %d, want 1 and 2", n, got.CustomerVersion)
		}
	})
}

func TestChangesOfLogging(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		want := fleet.LoggingOptions{Configured: true, Role: "r", Level: "INFO"}
		change := fleet.Logging{To: want}
		if got := applied(t, s, here, change); got != nil {
			t.Errorf("got %v refused, want none", got)
		}
		if got := applied(t, s, here, change); !slices.Equal(got, []int{0}) {
			t.Errorf("again: got %v refused, want the change", got)
		}
		l, err := s.LoggingOptions(t.Context(), here)
		ok(t, err)
		if *l != want {
			t.Errorf("got %+v, want %+v", *l, want)
		}
		applied(t, s, here, change.Reverse())
		if l, err = s.LoggingOptions(t.Context(), here); err != nil || *l != (fleet.LoggingOptions{}) {
			t.Errorf("undone: got %+v, %v", *l, err)
		}
		if l, err = s.LoggingOptions(t.Context(), there); err != nil || l.Configured {
			t.Errorf("in another scope: got %+v, %v", *l, err)
		}
	})
}

func TestChangesOfThePolicyInForce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ok(t, s.writing(t.Context(), here, func(ctx context.Context, q querier, scope int64) error {
			if _, err := q.exec(ctx, `INSERT INTO policies (seq, scope, name, default_version, next_version, generation,
				created_at, modified_at) VALUES (1, @scope, 'p', 1, 2, '', 0, 0)`, args{"scope": scope}); err != nil {
				return err
			}
			return insertPolicyVersion(ctx, q, scope, &fleet.PolicyVersion{
				Policy: "p", Version: 1, Document: "{}", Blank: true,
			})
		}))
		blank := fleet.PolicyDefault{Policy: "p", From: 1, To: 2, Document: policy.Blank}
		for _, tt := range []struct {
			name    string
			change  fleet.Change
			refused bool
		}{
			{"a version whose number is not the next is refused",
				fleet.PolicyDefault{Policy: "p", From: 1, To: 3, Document: policy.Blank}, true},
			{"another default than the policy has is refused",
				fleet.PolicyDefault{Policy: "p", From: 7, To: 2, Document: policy.Blank}, true},
			{"the next version is made and put in force", blank, false},
			{"it is not made twice", blank, true},
			{"undone, the old version is in force", blank.Reverse(), false},
			{"a version that does not exist is refused", fleet.PolicyDefault{Policy: "p", From: 1, To: 9}, true},
			{"a policy that does not exist is refused", fleet.PolicyDefault{Policy: "q", From: 1, To: 2}, true},
		} {
			if got := len(applied(t, s, here, tt.change)) == 1; got != tt.refused {
				t.Errorf("%s: got refused %t", tt.name, got)
			}
		}
	})
}
