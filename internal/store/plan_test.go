package store

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

const (
	// planRows is how many rows the larger tables have in tests of plans.
	planRows = 8000
	// fewRows is how many rows any step of a plan may look at, and fewBlocks how
	// many blocks of the database a whole statement.
	fewRows, fewBlocks = 100, 120
	// planAgain is after how many runs PostgreSQL may stop to plan a statement
	// for its arguments.
	planAgain = 6
)

// narrow is a querier that fails a test when a query reads more than it needs:
// all rows of a table or of a scope, or a sort of what nothing bounds. It then
// answers the query.
//
// SQLite, which does not count rows before it plans, is asked for its plan.
// PostgreSQL runs the query on tables that are full, as one that it sees for the
// first time and as one that it has seen often, and says how much it read.
type narrow struct {
	querier
	t *testing.T
	s *Store
	// window is how many rows a query may look at beyond a few.
	window int
	n      *int // how many queries were looked at
}

func (n narrow) query(ctx context.Context, text string, a args) (rows, error) {
	*n.n++
	wrong, plan, err := explain(ctx, n.s, text, a, n.window)
	if err != nil {
		n.t.Errorf("explain %s: %v", text, err)
	}
	if len(wrong) > 0 {
		n.t.Errorf("got %s for\n%s\nof which the plan is\n%s", strings.Join(wrong, "; "), text, plan)
	}
	return n.querier.query(ctx, text, a)
}

// wantNarrow runs a call that reads, and holds that none of its queries reads
// more than it needs, or than a window.
func wantNarrow(t *testing.T, s *Store, window int, call func()) {
	t.Helper()
	r, c, n := s.read, s.calls.read, 0
	s.read = narrow{r, t, s, window, &n}
	s.calls.read = narrow{c, t, s, window, &n}
	call()
	s.read, s.calls.read = r, c
	if n == 0 {
		t.Error("got no query to explain")
	}
}

// explain says what is wrong with how a query is read.
func explain(ctx context.Context, s *Store, text string, a args, window int) (wrong []string, plan string, err error) {
	if s.pool != nil {
		return explainPostgres(ctx, s, text, a, window)
	}
	return explainSQLite(ctx, s, text, a, window)
}

var (
	// tableStep is a step of SQLite that reads a table.
	tableStep = regexp.MustCompile(`^(SCAN|SEARCH) (\w+)`)
	// tableName finds the tables of a statement, each with its alias if it has one.
	tableName = regexp.MustCompile(`(?i)\b(?:FROM|JOIN)\s+([a-z_]+)(?:\s+(?:AS\s+)?([a-z_]+))?`)
)

// explainSQLite says what is wrong with the plan of a query: a table that is
// read from end to end or, if there is no window, as far as a scope goes, and a
// sort.
func explainSQLite(ctx context.Context, s *Store, text string, a args, window int) (
	wrong []string, plan string, err error,
) {
	q, tables := sqliteQuerier{s.readDB}, map[string]bool{}
	if inCalls.MatchString(text) {
		q = sqliteQuerier{s.calls.file.readDB}
	}
	names, err := all(ctx, q, `SELECT name FROM sqlite_schema WHERE type = 'table'`, nil, scalar[string])
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		tables[name] = true
	}
	for _, m := range tableName.FindAllStringSubmatch(text, -1) {
		if tables[m[1]] && m[2] != "" {
			tables[m[2]] = true
		}
	}
	steps, err := all(ctx, q, "EXPLAIN QUERY PLAN "+text, a, func(r scanner) (step string, err error) {
		var id, parent, unused int
		return step, r.Scan(&id, &parent, &unused, &step)
	})
	for _, step := range steps {
		m := tableStep.FindStringSubmatch(step)
		switch {
		case m != nil && tables[m[2]] && (m[1] == "SCAN" || strings.HasSuffix(step, "(scope=?)") && window == 0):
			wrong = append(wrong, step)
		case strings.HasPrefix(step, "USE TEMP B-TREE FOR") && strings.HasSuffix(step, "ORDER BY"):
			wrong = append(wrong, step)
		}
	}
	return wrong, strings.Join(steps, "\n"), err
}

// explainPostgres runs a query, the first time and after others, and says which
// steps looked at many rows.
func explainPostgres(ctx context.Context, s *Store, text string, a args, window int) (
	wrong []string, plan string, err error,
) {
	text, values, err := pgx.StrictNamedArgs(a).RewriteQuery(ctx, nil, text, nil)
	if err != nil {
		return nil, "", err
	}
	places := make([]string, len(values))
	for i := range values {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	execute := "EXECUTE narrow"
	if len(places) > 0 {
		execute += "(" + strings.Join(places, ", ") + ")"
	}
	for _, again := range []int{0, planAgain} {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "PREPARE narrow AS "+text); err != nil {
				return err
			}
			simple := append([]any{pgx.QueryExecModeSimpleProtocol}, values...)
			for range again {
				if _, err := tx.Exec(ctx, "EXPLAIN "+execute, simple...); err != nil {
					return err
				}
			}
			if err := tx.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+execute, simple...).Scan(&plan); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "DEALLOCATE narrow")
			return err
		})
		if err != nil {
			return nil, "", err
		}
		var out []struct{ Plan planNode }
		if err := json.Unmarshal([]byte(plan), &out); err != nil {
			return nil, plan, err
		}
		top := &out[0].Plan
		if wrong = top.wrong(float64(fewRows + window)); window == 0 && top.Hit+top.Read > fewBlocks {
			wrong = append(wrong, fmt.Sprintf("%d blocks", top.Hit+top.Read))
		}
		if len(wrong) > 0 {
			return wrong, plan, nil
		}
	}
	return nil, plan, nil
}

// planNode is a step of a plan of PostgreSQL that was run.
type planNode struct {
	Type      string     `json:"Node Type"`
	Relation  string     `json:"Relation Name"`
	Rows      float64    `json:"Actual Rows"`
	Loops     float64    `json:"Actual Loops"`
	Filtered  float64    `json:"Rows Removed by Filter"`
	Unjoined  float64    `json:"Rows Removed by Join Filter"`
	Rechecked float64    `json:"Rows Removed by Index Recheck"`
	Hit       int        `json:"Shared Hit Blocks"`
	Read      int        `json:"Shared Read Blocks"`
	Plans     []planNode `json:"Plans"`
}

func (n *planNode) wrong(most float64) (all []string) {
	if rows := (n.Rows + n.Filtered + n.Unjoined + n.Rechecked) * n.Loops; rows > most {
		all = append(all, fmt.Sprintf("a %s of %g rows %s", n.Type, rows, n.Relation))
	}
	for i := range n.Plans {
		all = append(all, n.Plans[i].wrong(most)...)
	}
	return all
}

func TestPlansThatReadEverythingAreSeen(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		fillStore(t, s, planRows, fleetFills)
		for _, text := range []string{
			`SELECT name FROM things WHERE version = 2`,
			`SELECT t.name FROM things t WHERE t.version = 2`,
			`SELECT t.name FROM things t WHERE scope = 1 AND t.version = 2`,
			`SELECT name FROM things WHERE scope = 1 ORDER BY version LIMIT 1`,
			`SELECT name FROM thing_groups WHERE scope = 1 AND parent = 'all' ORDER BY id LIMIT 1`,
			`SELECT g.name FROM thing_groups g WHERE g.scope = 1 AND g.name = 'all'
				AND EXISTS (SELECT 1 FROM things t WHERE t.id = g.status)`,
		} {
			wrong, plan, err := explain(context.Background(), s, text, nil, 0)
			if ok(t, err); len(wrong) == 0 {
				t.Errorf("got nothing wrong with %s\n%s", text, plan)
			}
		}
		wantNarrow(t, s, 0, func() {
			_, err := all(context.Background(), s.read, `SELECT name FROM things WHERE scope = 1 AND name > 'a'
				ORDER BY name LIMIT 1`, nil, scalar[string])
			ok(t, err)
		})
	})
}
