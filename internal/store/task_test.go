package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

func newAudit(sc fleet.Scope, n int) *audit.Task {
	return &audit.Task{
		Scope: sc, ID: fmt.Sprintf("%020x%012x", n, 0), Type: audit.OnDemand, Status: audit.TaskInProgress,
		Checks: []string{"A"}, States: map[string]*audit.CheckState{"A": {Status: audit.CheckInProgress}},
		Started: testNow.Add(time.Duration(n) * time.Second),
	}
}

// ended ends an audit with findings, as slices do.
func ended(t *testing.T, s *Store, a *audit.Task, findings []audit.Finding) {
	t.Helper()
	a.Status, a.Ended, a.Findings = audit.TaskCompleted, testNow, int64(len(findings))
	for i := range findings {
		f := &findings[i]
		f.FindingRef = audit.FindingRef{Audit: a.Seq, N: int64(i + 1)}
	}
	ok(t, s.writing(t.Context(), a.Scope, func(ctx context.Context, q querier, scope int64) error {
		return errors.Join(insertFindings(ctx, q, scope, findings), saveAudit(ctx, q, a))
	}))
}

func TestAnAuditReadsBackAsItWasStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAudit(here, 1)
		ok(t, s.CreateAudit(t.Context(), a))
		a.Pass, a.Position, a.Findings = 2, 1<<41, 3
		a.States["A"] = &audit.CheckState{Status: audit.CheckNonCompliant, Reasons: map[string]int64{"X": 3}}
		ended(t, s, a, nil)
		a.Findings = 0
		got, err := s.Audit(t.Context(), here, a.ID)
		ok(t, err)
		if toJSON(got) != toJSON(a) {
			t.Errorf("got %s, want %s", toJSON(got), toJSON(a))
		}
		_, err = s.Audit(t.Context(), there, a.ID)
		wantFault(t, err, fault.NotFound, a.ID)
	})
}

// Of twelve that start at once, ten run.
func TestTheNumberOfRunningAuditsIsBounded(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		errs := make(chan error, 12)
		for i := range cap(errs) {
			wg.Go(func() { errs <- s.CreateAudit(t.Context(), newAudit(here, i+1)) })
		}
		wg.Wait()
		close(errs)
		refused := 0
		for err := range errs {
			if fault.Is(err, fault.Limit) {
				refused++
			} else {
				ok(t, err)
			}
		}
		if refused != 2 {
			t.Errorf("got %d refused, want 2", refused)
		}
		ok(t, s.CreateAudit(t.Context(), newAudit(there, 1)))
	})
}

func TestFindingsAreListedNewestFirst(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		var all []string
		for n := range 3 {
			a := newAudit(here, n+1)
			ok(t, s.CreateAudit(t.Context(), a))
			var list []audit.Finding
			for i := range 5 {
				list = append(list, audit.Finding{
					Check: []string{"A", "B"}[i%2], Severity: audit.Low, ReasonCode: "R", Suppressed: i == 4,
					Found:    a.Started.Add(time.Duration(i) * time.Millisecond),
					Resource: audit.Resource{Type: audit.DeviceCertificate, Key: fmt.Sprint(i), Info: map[string]string{"k": "v"}},
				})
			}
			ended(t, s, a, list)
			for i := range list {
				all = append([]string{audit.FindingID(audit.FindingPrefix(a.ID), int64(i+1))}, all...)
			}
		}
		window := audit.FindingQuery{From: testNow, To: testNow.Add(time.Hour)}
		yes := true
		for _, tt := range []struct {
			name   string
			narrow func(*audit.FindingQuery)
			want   []string
		}{
			{"all of the window", func(*audit.FindingQuery) {}, all},
			{"of one audit", func(q *audit.FindingQuery) { q.TaskID = newAudit(here, 2).ID }, all[5:10]},
			{"of one check", func(q *audit.FindingQuery) { q.Check = "B" }, pick(all, 1, 3, 6, 8, 11, 13)},
			{"suppressed ones", func(q *audit.FindingQuery) { q.Suppressed = &yes }, pick(all, 0, 5, 10)},
			{"of one resource", func(q *audit.FindingQuery) {
				q.Resource = audit.Resource{Type: audit.DeviceCertificate, Key: "3"}
			}, pick(all, 1, 6, 11)},
			{"of a resource of another type", func(q *audit.FindingQuery) {
				q.Resource = audit.Resource{Type: audit.CACertificate, Key: "3"}
			}, nil},
			{"of the end of the window", func(q *audit.FindingQuery) { q.From = testNow.Add(3 * time.Second) }, all[:5]},
		} {
			q := window
			tt.narrow(&q)
			if got := pages(t, s, q); strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
		}
		elsewhere := audit.FindingQuery{From: testNow, To: testNow.Add(time.Hour), Limit: 9}
		list, _, err := s.Findings(t.Context(), there, elsewhere)
		if err != nil || len(list) != 0 {
			t.Errorf("in another scope: got %d, %v", len(list), err)
		}
	})
}

// pages reads a list two at a time.
func pages(t *testing.T, s *Store, q audit.FindingQuery) (ids []string) {
	t.Helper()
	for q.Limit = 2; ; {
		list, next, err := s.Findings(t.Context(), here, q)
		ok(t, err)
		for _, f := range list {
			ids = append(ids, f.ID)
		}
		if q.Before = next; next.N == 0 {
			return ids
		}
	}
}

func pick(list []string, at ...int) (out []string) {
	for _, i := range at {
		out = append(out, list[i])
	}
	return out
}

func TestAFindingWithItsRelatedResources(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := newAudit(here, 1)
		ok(t, s.CreateAudit(t.Context(), a))
		f := audit.Finding{Check: "A", Resource: audit.Resource{Type: audit.IoTPolicy, Key: "p:1"}, Found: testNow}
		for i := range 25 {
			f.Related = append(f.Related, audit.Resource{Type: audit.ClientID, Key: fmt.Sprint(i)})
		}
		ended(t, s, a, []audit.Finding{f})
		id := audit.FindingID(audit.FindingPrefix(a.ID), 1)
		got, err := s.Finding(t.Context(), here, id)
		ok(t, err)
		if len(got.Related) != audit.MaxRelated || got.TaskID != a.ID || got.Resource.Key != "p:1" {
			t.Errorf("got %+v", got)
		}
		page, err := s.RelatedResources(t.Context(), here, id, 20, 10)
		if err != nil || len(page) != 5 || page[0].Key != "20" {
			t.Errorf("got %v, %v", page, err)
		}
		_, err = s.Finding(t.Context(), there, id)
		wantFault(t, err, fault.NotFound, id)
		_, err = s.RelatedResources(t.Context(), there, id, 0, 10)
		wantFault(t, err, fault.NotFound, id)
	})
}

func newTask(id, token, hash string) *mitigation.Task {
	return &mitigation.Task{
		Scope: here, ID: id, Token: token, RequestHash: hash, Status: mitigation.TaskInProgress,
		Mapping: map[string][]string{"A": {"x"}}, Started: testNow,
	}
}

func noPlan(mitigation.Library) error { return nil }

func TestATaskIDAndItsTokenBelongTogether(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		created, err := s.CreateMitigation(t.Context(), newTask("a", "1", "h"), noPlan)
		if err != nil || !created {
			t.Fatalf("got %t, %v", created, err)
		}
		for _, tt := range []struct {
			name            string
			id, token, hash string
			want            fault.Code
		}{
			{"the same request again is the same task", "a", "1", "h", ""},
			{"another token is refused", "a", "2", "h", fault.TaskExists},
			{"another body is refused", "a", "1", "g", fault.TaskExists},
			{"the token for another task is refused", "b", "1", "h", fault.TaskExists},
		} {
			created, err := s.CreateMitigation(t.Context(), newTask(tt.id, tt.token, tt.hash), func(mitigation.Library) error {
				t.Errorf("%s: it was planned", tt.name)
				return nil
			})
			if created || (tt.want == "") != (err == nil) || err != nil && !fault.Is(err, tt.want) {
				t.Errorf("%s: got %t, %v", tt.name, created, err)
			}
		}
		elsewhere := newTask("a", "1", "other")
		elsewhere.Scope = there
		if created, err := s.CreateMitigation(t.Context(), elsewhere, noPlan); err != nil || !created {
			t.Errorf("in another scope: got %t, %v", created, err)
		}
	})
}

// Twenty callers start one task with tokens of their own: one wins.
func TestOneTokenWins(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		type outcome struct {
			created bool
			err     error
		}
		out := make(chan outcome, 20)
		for i := range cap(out) {
			wg.Go(func() {
				created, err := s.CreateMitigation(t.Context(), newTask("a", fmt.Sprint(i), "h"), noPlan)
				out <- outcome{created, err}
			})
		}
		wg.Wait()
		close(out)
		won := 0
		for o := range out {
			if o.created {
				won++
			} else if !fault.Is(o.err, fault.TaskExists) {
				t.Errorf("got %v, want a TaskExists fault", o.err)
			}
		}
		if won != 1 {
			t.Errorf("got %d that won, want 1", won)
		}
	})
}

func TestAnActionIsTheSameOrAnotherOne(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		a := func(role string) *mitigation.Action {
			return &mitigation.Action{
				Name: "a", ID: "1", RoleARN: role, Type: audit.EnableIoTLogging, Created: testNow, Modified: testNow,
				Params: mitigation.Params{EnableIoTLogging: &mitigation.EnableLogging{RoleARN: "l", Level: "INFO"}},
			}
		}
		tags := []fleet.Tag{{Key: "k", Value: "v"}}
		_, err := s.CreateMitigationAction(t.Context(), here, a("r"), tags)
		ok(t, err)
		again := a("r")
		again.ID = "2"
		got, err := s.CreateMitigationAction(t.Context(), here, again, tags)
		if err != nil || got.ID != "1" {
			t.Errorf("again: got %+v, %v, want the first one", got, err)
		}
		_, err = s.CreateMitigationAction(t.Context(), here, a("other"), tags)
		wantFault(t, err, fault.Exists, "other parameters")
		_, err = s.CreateMitigationAction(t.Context(), here, a("r"), nil)
		wantFault(t, err, fault.Exists, "other parameters")
		ok(t, s.DeleteMitigationAction(t.Context(), there, "a"))
		_, err = s.MitigationAction(t.Context(), here, "a")
		ok(t, err)
		ok(t, s.DeleteMitigationAction(t.Context(), here, "a"))
		ok(t, s.DeleteMitigationAction(t.Context(), here, "a"))
		// The tags went with it.
		_, err = s.CreateMitigationAction(t.Context(), here, a("r"), nil)
		ok(t, err)
	})
}
