package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// suppression is one of check A about a resource, for a time or for ever.
func suppression(t *testing.T, key string, lasts time.Duration) *audit.Suppression {
	t.Helper()
	var c audit.SuppressionChange
	if lasts > 0 {
		c.Until = new(testNow.Add(lasts))
	} else {
		c.Indefinitely = new(true)
	}
	k := audit.SuppressionKey{Check: "A", Type: audit.ClientID, Key: key}
	s, err := audit.NewSuppression(k, c, "token-"+key, testNow)
	ok(t, err)
	return s
}

// expired makes a stored suppression one that ended a second ago.
func expired(t *testing.T, s *Store, key string) {
	t.Helper()
	ok(t, s.UpdateSuppression(t.Context(), here, audit.SuppressionKey{Check: "A", Key: key},
		func(sup *audit.Suppression) error {
			sup.Expires = testNow.Add(-time.Second)
			return nil
		}))
}

func TestASuppressionReadsBackAsItWasStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		for _, want := range []*audit.Suppression{suppression(t, "for ever", 0), suppression(t, "a day", 24*time.Hour)} {
			want.Description = "because"
			ok(t, s.CreateSuppression(t.Context(), here, want))
			got, err := s.Suppression(t.Context(), here, want.SuppressionKey)
			ok(t, err)
			want.Seq = got.Seq
			if toJSON(got) != toJSON(want) {
				t.Errorf("got %s, want %s", toJSON(got), toJSON(want))
			}
			_, err = s.Suppression(t.Context(), there, want.SuppressionKey)
			wantFault(t, err, fault.NotFound, "not suppressed")
		}
		_, err := s.Suppression(t.Context(), here, audit.SuppressionKey{Check: "B", Key: "a day"})
		wantFault(t, err, fault.NotFound, "B")
	})
}

func TestKeysAndTokensOfSuppressionsAreTakenUntilTheyExpire(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		first := suppression(t, "a", time.Hour)
		ok(t, s.CreateSuppression(t.Context(), here, first))
		ok(t, s.CreateSuppression(t.Context(), here, first))
		ok(t, s.CreateSuppression(t.Context(), there, first))
		again, stolen := suppression(t, "a", time.Hour), suppression(t, "b", time.Hour)
		again.Token, stolen.Token = "fresh", first.Token
		wantFault(t, s.CreateSuppression(t.Context(), here, again), fault.Exists, "suppressed already")
		wantFault(t, s.CreateSuppression(t.Context(), here, stolen), fault.Exists, "clientRequestToken")

		expired(t, s, "a")
		_, err := s.Suppression(t.Context(), here, first.SuppressionKey)
		wantFault(t, err, fault.NotFound, "not suppressed")
		wantFault(t, s.UpdateSuppression(t.Context(), here, first.SuppressionKey, nil), fault.NotFound, "not suppressed")
		ok(t, s.CreateSuppression(t.Context(), here, stolen))
		ok(t, s.CreateSuppression(t.Context(), here, again))
		ok(t, s.DeleteSuppression(t.Context(), here, again.SuppressionKey))
		ok(t, s.DeleteSuppression(t.Context(), here, again.SuppressionKey))
		if got := suppressed(t, s, audit.SuppressionQuery{}); got != "b" {
			t.Errorf("got %s, want b alone", got)
		}
	})
}

// suppressed reads a list two at a time.
func suppressed(t *testing.T, s *Store, q audit.SuppressionQuery) string {
	t.Helper()
	var keys []string
	for q.Limit = 2; ; {
		list, err := s.Suppressions(t.Context(), here, q)
		ok(t, err)
		for _, sup := range list {
			keys = append(keys, sup.Key)
			q.After = audit.SuppressionPosition{Expires: sup.Expires, Seq: sup.Seq}
		}
		if len(list) < q.Limit {
			return strings.Join(keys, " ")
		}
	}
}

func TestSuppressionsAreListedByTheirEnds(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		for _, sup := range []struct {
			check, key string
			lasts      time.Duration
		}{
			{"A", "gone", time.Minute}, {"A", "ever", 0}, {"A", "second", 2 * time.Hour}, {"A", "first", time.Hour},
			{"A", "as-first", time.Hour}, {"A", "ever-too", 0}, {"B", "first", 3 * time.Hour},
		} {
			made := suppression(t, sup.key, sup.lasts)
			made.Check, made.Token = sup.check, sup.check+sup.key
			ok(t, s.CreateSuppression(t.Context(), here, made))
		}
		expired(t, s, "gone")
		ok(t, s.CreateSuppression(t.Context(), there, suppression(t, "elsewhere", 0)))
		for _, tt := range []struct {
			name string
			q    audit.SuppressionQuery
			want string
		}{
			{"all", audit.SuppressionQuery{}, "first as-first second first ever ever-too"},
			{"all from the end", audit.SuppressionQuery{Descending: true}, "ever-too ever first second as-first first"},
			{"of a check", audit.SuppressionQuery{Check: "B"}, "first"},
			{"of a check from the end", audit.SuppressionQuery{Check: "A", Descending: true},
				"ever-too ever second as-first first"},
			{"of a resource", audit.SuppressionQuery{Type: audit.ClientID, Key: "first"}, "first first"},
			{"of a resource of another type", audit.SuppressionQuery{Type: audit.IoTPolicy, Key: "first"}, ""},
			{"of a check and a resource", audit.SuppressionQuery{Check: "A", Type: audit.ClientID, Key: "first"}, "first"},
			{"of one that has expired", audit.SuppressionQuery{Check: "A", Type: audit.ClientID, Key: "gone"}, ""},
		} {
			if got := suppressed(t, s, tt.q); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

// Of callers that come at once, as many get through as there are places.
func TestTheNumberOfSuppressionsIsBounded(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		profile := *s.quotas
		profile.Suppressions = 10
		s.quotas = &profile
		ok(t, s.CreateSuppression(t.Context(), here, suppression(t, "gone", time.Hour)))
		expired(t, s, "gone") // takes no place
		errs := make([]error, 14)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = s.CreateSuppression(context.Background(), here, suppression(t, fmt.Sprint(i), 0)) })
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				wantFault(t, err, fault.Limit, "10 suppressions")
				refused++
			}
		}
		if refused != 4 {
			t.Errorf("got %d refused, want 4", refused)
		}
	})
}

// suppressedAt asks what an audit that began at a time would ask in a slice.
func suppressedAt(t *testing.T, s *Store, sc fleet.Scope, started time.Time, keys ...string) string {
	t.Helper()
	var found map[string]bool
	ok(t, s.writing(t.Context(), sc, func(ctx context.Context, q querier, scope int64) (err error) {
		found, err = suppressedIn(ctx, q, scope, suppressedQuery{check: "A", started: started.UnixMilli(), resources: keys})
		return err
	}))
	return strings.Join(sortedKeys(found), " ")
}

func TestAnAuditKnowsWhatWasSuppressedWhenItBegan(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		if got := suppressedAt(t, s, here, testNow, "day", "ever"); got != "" {
			t.Errorf("got %s with no suppressions", got)
		}
		ok(t, s.CreateSuppression(t.Context(), here, suppression(t, "day", 24*time.Hour)))
		ok(t, s.CreateSuppression(t.Context(), here, suppression(t, "ever", 0)))
		late := suppression(t, "late", 0)
		late.Created = testNow.Add(time.Hour)
		ok(t, s.CreateSuppression(t.Context(), here, late))
		other := suppression(t, "other", 0)
		other.Check = "B"
		ok(t, s.CreateSuppression(t.Context(), here, other))
		for _, tt := range []struct {
			name  string
			at    time.Time
			scope fleet.Scope
			want  string
		}{
			{"at their creation", testNow, here, "day ever"},
			{"before their creation", testNow.Add(-time.Millisecond), here, ""},
			{"after another was created", testNow.Add(time.Hour), here, "day ever late"},
			{"at the end of one", testNow.Add(24 * time.Hour), here, "ever late"},
			{"in another scope", testNow, there, ""},
		} {
			if got := suppressedAt(t, s, tt.scope, tt.at, "day", "ever", "late", "other", "none"); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

// What has expired is purged, but for what an audit that began before needs.
func TestExpiredSuppressionsArePurged(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		for _, key := range []string{"old", "new", "ever"} {
			lasts := map[string]time.Duration{"old": time.Second, "new": time.Hour}[key]
			ok(t, s.CreateSuppression(t.Context(), here, suppression(t, key, lasts)))
		}
		a := newAudit(here, 0) // began before the first expired
		ok(t, s.CreateAudit(t.Context(), a))
		left := func() (keys []string) {
			keys, err := all(t.Context(), s.read, `SELECT resource FROM suppressions ORDER BY resource`, nil, scalar[string])
			ok(t, err)
			return keys
		}
		s.now = func() time.Time { return testNow.Add(time.Minute) }
		for _, tt := range []struct {
			name string
			end  bool
			want []string
		}{
			{"while the audit runs", false, []string{"ever", "new", "old"}},
			{"after it", true, []string{"ever", "new"}},
		} {
			if tt.end {
				ended(t, s, a, nil)
			}
			ok(t, s.PurgeSuppressions(t.Context()))
			if got := left(); !slices.Equal(got, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}

func TestSuppressionsAreFoundByAnIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		ok(t, s.CreateSuppression(ctx, here, suppression(t, "seed", 0)))
		ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
			_, err := q.exec(ctx, `INSERT INTO suppressions (scope, check_name, resource, resource_type, seq, expires_at,
					description, token, request_hash, created_at)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
				SELECT 1, 'A', 'r' || i, 'CLIENT_ID', 1000 + i, 9223372036854775807, '', 't' || i, '', 0 FROM n`, nil)
			return err
		}))
		if s.pool != nil {
			_, err := s.pool.Exec(ctx, "ANALYZE suppressions")
			ok(t, err)
		}
		for _, after := range []audit.SuppressionPosition{{}, {Seq: 10_000}} {
			for _, q := range []audit.SuppressionQuery{
				{}, {Check: "A"}, {Type: audit.ClientID, Key: "r7"}, {Check: "A", Type: audit.ClientID, Key: "r7"},
			} {
				for _, q.Descending = range []bool{false, true} {
					q.After, q.Limit = after, 26
					text, a := suppressionPage(q, testNow.UnixMilli())
					a["scope"] = 1
					wantByIndex(t, s, text, a)
				}
			}
		}
		a := args{"scope": 1, "check": "A", "started": testNow.UnixMilli()}
		wantByIndex(t, s, someSuppressed, a)
		wantByIndex(t, s, suppressedText+s.dialect.in("resource", "resources", a, []string{"r1", "r2", "r3"}), a)
	})
}
