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

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// history is what a store has of the past: audits that ended now with so many
// findings, each with two related resources, and tasks.
type history struct {
	t      *testing.T
	s      *Store
	audits map[string]*audit.Task // by the name that the test gives them
	tasks  map[string]*mitigation.Task
}

func newHistory(t *testing.T, s *Store) *history {
	return &history{t: t, s: s, audits: map[string]*audit.Task{}, tasks: map[string]*mitigation.Task{}}
}

func (h *history) audit(name string, end time.Time, findings int) {
	h.t.Helper()
	a := newAudit(here, len(h.audits)+1)
	h.audits[name] = a
	ok(h.t, h.s.CreateAudit(h.t.Context(), a))
	if end.IsZero() {
		return
	}
	list := make([]audit.Finding, findings)
	for i := range list {
		list[i] = audit.Finding{
			FindingRef: audit.FindingRef{Audit: a.Seq, N: int64(i + 1)}, Check: "A", Found: end,
			Related: []audit.Resource{{Type: audit.ClientID, Key: "x"}, {Type: audit.ClientID, Key: "y"}},
		}
	}
	a.Status, a.Ended, a.Findings = audit.TaskCompleted, end, int64(findings)
	ok(h.t, h.s.writing(h.t.Context(), here, func(ctx context.Context, q querier, scope int64) error {
		return errors.Join(insertFindings(ctx, q, scope, list), saveAudit(ctx, q, a))
	}))
}

// task is aimed at a finding of an audit, or at all of them (n = 0). It has an
// execution with two changes for every finding.
func (h *history) task(name, aim string, n int64, end time.Time) {
	h.t.Helper()
	ctx, a := h.t.Context(), h.audits[aim]
	task := newTask(name, name, "h")
	h.tasks[name] = task
	_, err := h.s.CreateMitigation(ctx, task, func(mitigation.Library) error {
		task.Refs = []audit.FindingRef{{Audit: a.Seq, N: n}}
		return nil
	})
	ok(h.t, err)
	if end.IsZero() {
		return
	}
	task.Status, task.Ended = mitigation.TaskCompleted, end
	var list []mitigation.Execution
	for i := range a.Findings {
		list = append(list, mitigation.Execution{
			Finding: audit.FindingRef{Audit: a.Seq, N: i + 1}, Status: mitigation.Completed, Started: end,
			Changes: []fleet.ChangeRow{{Kind: "k", Resource: "r"}, {Kind: "k", Resource: "s"}},
		})
	}
	ok(h.t, h.s.write(ctx, func(ctx context.Context, q querier) error {
		return errors.Join(insertExecutions(ctx, q, task.Seq, list), saveTask(ctx, q, task))
	}))
}

// rows counts the rows of every table that a purge is about.
func (h *history) rows() string {
	h.t.Helper()
	var list []string
	for _, table := range []string{
		"audits", "findings", "finding_resources", "mitigation_tasks", "mitigation_targets", "executions",
		"execution_changes", "topic_messages", "leftovers",
	} {
		n, err := count(h.t.Context(), h.s.read, `SELECT count(*) FROM `+table, nil)
		ok(h.t, err)
		list = append(list, fmt.Sprint(n))
	}
	return strings.Join(list, " ")
}

func (h *history) want(what, rows string) {
	h.t.Helper()
	if got := h.rows(); got != rows {
		h.t.Errorf("%s: got %s rows, want %s", what, got, rows)
	}
}

// purge deletes what ended before a time and returns the number of steps.
func (h *history) purge(before time.Time) int {
	h.t.Helper()
	return h.purgeAs("node", before)
}

func (h *history) purgeAs(node string, before time.Time) (steps int) {
	h.t.Helper()
	for pass := h.s.NewPurge(node, before); ; steps++ {
		more, err := pass.Step(h.t.Context())
		ok(h.t, err)
		if !more {
			return steps
		}
	}
}

func TestWhatIsTooOldIsDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		h, old, young := newHistory(t, s), testNow.AddDate(0, 0, -91), testNow.AddDate(0, 0, -89)
		h.audit("old", old, 1200)
		h.audit("old with a young task", old, 3)
		h.audit("old with a running task", old, 3)
		h.audit("old with an old task", old, 600)
		h.audit("young", young, 3)
		h.audit("running", time.Time{}, 0)
		h.task("young-task", "old with a young task", 2, young)
		h.task("running-task", "old with a running task", 0, time.Time{})
		h.task("old-task", "old with an old task", 0, old)
		h.want("at first", "6 1809 3618 3 3 603 1206 0 0")

		before := testNow.Add(-audit.Retention)
		steps := h.purge(before)
		h.want("after the purge", "4 9 18 2 2 3 6 0 0")
		if most := 40; steps > most {
			t.Errorf("got %d steps, want at most %d", steps, most)
		}
		if steps := h.purge(before); steps > 1 {
			t.Errorf("got %d steps when nothing was left, want at most 1", steps)
		}
		for name, a := range h.audits {
			_, err := s.Audit(t.Context(), here, a.ID)
			if gone := name == "old" || name == "old with an old task"; gone != fault.Is(err, fault.NotFound) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		// A task finds what it is aimed at, and its executions their findings.
		f, err := s.Finding(t.Context(), here, audit.FindingID(audit.FindingPrefix(h.audits["old with a young task"].ID), 2))
		ok(t, err)
		done, err := s.Executions(t.Context(), h.tasks["young-task"], &f)
		if err != nil || len(done) != 1 {
			t.Errorf("got %v, %v, want an execution", done, err)
		}
		// The id is free again.
		again := newTask("old-task", "old-task", "other")
		if created, err := s.CreateMitigation(t.Context(), again, noPlan); !created || err != nil {
			t.Errorf("got %t, %v, want a new task of the old name", created, err)
		}
		h.task("later", "young", 0, testNow)
		h.purge(young.Add(time.Second))
		h.want("when the young task is old too", "3 6 12 3 2 3 6 0 0")
	})
}

// Between two steps, what is half deleted is not there.
func TestNothingIsSeenHalfDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		h, old := newHistory(t, s), testNow.AddDate(0, 0, -100)
		h.audit("old", old, 1200)
		h.task("task", "old", 0, old)
		a, seen := h.audits["old"], 0
		for {
			// A pass of its own for every step, as after a crash.
			more, err := s.NewPurge("node", testNow.AddDate(0, 0, -90)).Step(t.Context())
			ok(t, err)
			q := audit.FindingQuery{From: old, To: old, Limit: 2000}
			list, _, err := s.Findings(t.Context(), here, q)
			ok(t, err)
			q.TaskID = a.ID
			byTask, _, err := s.Findings(t.Context(), here, q)
			ok(t, err)
			_, err = s.Audit(t.Context(), here, a.ID)
			whole := len(list) == 1200 && len(byTask) == 1200 && err == nil
			if gone := len(list) == 0 && len(byTask) == 0 && fault.Is(err, fault.NotFound); !whole && !gone {
				t.Fatalf("got %d and %d findings, %v, want all or nothing", len(list), len(byTask), err)
			}
			if whole {
				seen++
			}
			if !more {
				break
			}
		}
		if seen == 0 {
			t.Error("the audit was gone before its task")
		}
		h.want("at the end", "0 0 0 0 0 0 0 0 0")
	})
}

func TestOneNodePurgesAtATime(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		h, old := newHistory(t, s), testNow.AddDate(0, 0, -100)
		h.audit("old", old, 10)
		before := testNow.AddDate(0, 0, -90)
		if more, err := s.NewPurge("one", before).Step(t.Context()); !more || err != nil {
			t.Fatalf("got %t, %v, want more to do", more, err)
		}
		rows := h.rows()
		if more, err := s.NewPurge("two", before).Step(t.Context()); more || err != nil {
			t.Errorf("got %t, %v, want the other node to leave it", more, err)
		}
		h.want("after the other node", rows)
		h.purgeAs("one", before)
		h.audit("another", old, 10)
		if more, err := s.NewPurge("two", before).Step(t.Context()); !more || err != nil {
			t.Errorf("got %t, %v, want the other node to begin when the first has ended", more, err)
		}
		// A node that says nothing loses it.
		_, err := s.behind(t, `UPDATE purge_lease SET until = 0`, nil)
		ok(t, err)
		var wg sync.WaitGroup
		for _, node := range []string{"three", "four", "five"} {
			wg.Go(func() {
				for pass := s.NewPurge(node, before); ; {
					more, err := pass.Step(context.WithoutCancel(t.Context()))
					if err != nil {
						t.Error(err)
					}
					if !more {
						return
					}
				}
			})
		}
		wg.Wait()
		h.want("at the end", "0 0 0 0 0 0 0 0 0")
	})
}

func TestMessagesAreNotKeptForEver(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		_, err := s.behind(t, `INSERT INTO topic_messages
			(seq, scope, id, topic_arn, role_arn, subject, structure, attributes, body, state, reason, created_at)
			WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1300)
			SELECT i, 1, CAST(i AS TEXT), '', '', '', '', '{}', '', 'PENDING', '', CASE WHEN i <= 1200 THEN CAST(@old AS BIGINT)
				ELSE CAST(@young AS BIGINT) END FROM r`,
			args{"old": testNow.AddDate(0, 0, -91).UnixMilli(), "young": testNow.AddDate(0, 0, -89).UnixMilli()})
		ok(t, err)
		h := newHistory(t, s)
		if steps := h.purge(testNow.Add(-audit.Retention)); steps != 3 {
			t.Errorf("got %d steps, want 3", steps)
		}
		h.want("after", "0 0 0 0 0 0 0 100 0")
	})
}

// explaining is a querier that writes down how every statement is carried out.
// Where PostgreSQL has the choice, it takes an index.
type explaining struct {
	querier
	t     *testing.T
	plans map[string]string // by text
}

func (e *explaining) exec(ctx context.Context, text string, a args) (int64, error) {
	e.explain(ctx, text, a)
	return e.querier.exec(ctx, text, a)
}

func (e *explaining) query(ctx context.Context, text string, a args) (rows, error) {
	e.explain(ctx, text, a)
	return e.querier.query(ctx, text, a)
}

func (e *explaining) explain(ctx context.Context, text string, a args) {
	e.t.Helper()
	explain := "EXPLAIN QUERY PLAN "
	postgres := e.dialect() == postgresDialect
	if postgres {
		explain = "EXPLAIN "
	}
	if strings.HasPrefix(text, "SELECT 1 FROM scopes") || strings.HasPrefix(text, "UPDATE numbers") {
		return
	}
	lines, err := all(ctx, e.querier, explain+text, a, func(r scanner) (line string, err error) {
		var skip any
		if postgres {
			return line, r.Scan(&line)
		}
		return line, r.Scan(&skip, &skip, &skip, &line)
	})
	ok(e.t, err)
	e.plans[text] = strings.Join(lines, "\n")
}

// small are the tables that have a row, or as many as are in hand; and schedules,
// of which an account has five at most, are read once a pass with the audits in
// progress.
var small = []string{
	"purge_lease", "leftovers", "CONSTANT ROW", "SCAN g", "right_feed", "SCAN f", "scheduled_audits", "audits_running",
	"SCAN x", "GROUP BY",
}

// No statement of a purge, or of the search for due schedules, reads a table
// from end to end or sorts the whole of it.
func TestBackgroundWorkUsesIndexes(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		h, old := newHistory(t, s), testNow.AddDate(0, 0, -100)
		h.audit("old", old, 10)
		h.task("task", "old", 0, old)
		e := &explaining{t: t, plans: map[string]string{}}
		pass := s.NewPurge("node", testNow)
		for range 12 {
			ok(t, s.write(t.Context(), func(ctx context.Context, q querier) error {
				if e.querier = q; q.dialect() == postgresDialect {
					for _, kind := range []string{"seqscan", "bitmapscan", "sort"} {
						if _, err := q.exec(ctx, "SET LOCAL enable_"+kind+" = off", nil); err != nil {
							return err
						}
					}
				}
				_, err := pass.delete(ctx, e)
				return errors.Join(err, second(dueSchedules(ctx, e, testNow, 10)))
			}))
		}
		h.want("at the end", "0 0 0 0 0 0 0 0 0")
		if len(e.plans) < 15 {
			t.Errorf("got %d statements explained, want all", len(e.plans))
		}
		for text, plan := range e.plans {
			for line := range strings.Lines(plan) {
				whole := strings.Contains(line, "SCAN") || strings.Contains(line, "Seq Scan") ||
					strings.Contains(line, "B-TREE") || strings.Contains(line, "Sort")
				if whole && !slices.ContainsFunc(small, func(name string) bool { return strings.Contains(line, name) }) {
					t.Errorf("%s\n%s", text, plan)
				}
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
