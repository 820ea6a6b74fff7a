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

// wantIndexed runs a call that reads, and holds that the database finds
// everything it reads by an index: no statement looks at every row of a table,
// or sorts what it does not bound.
//
// A planner that knows of few rows takes them all. PostgreSQL is told that this
// and sorting are dear, so that it does either only when there is no other way;
// the planner of SQLite does not count.
func wantIndexed(t *testing.T, s *Store, call func()) {
	t.Helper()
	r := &recorder{querier: s.read, seen: map[string]args{}}
	s.read = r
	call()
	s.read = r.querier
	if len(r.seen) == 0 {
		t.Error("got no statement to explain")
	}
	for text, a := range r.seen {
		explain := explainSQLite
		if s.pool != nil {
			explain = explainPostgres
		}
		wrong, plan, err := explain(context.Background(), s, text, a)
		ok(t, err)
		for _, w := range wrong {
			t.Errorf("got %s for\n%s\nof which the plan is\n%s", w, text, plan)
		}
	}
}

// recorder notes what is read.
type recorder struct {
	querier
	seen map[string]args
}

func (r *recorder) query(ctx context.Context, text string, a args) (rows, error) {
	r.seen[text] = a
	return r.querier.query(ctx, text, a)
}

// tableName finds the tables of a statement, each with its alias if it has one.
var tableName = regexp.MustCompile(`(?i)\b(?:FROM|JOIN)\s+([a-z_]+)(?:\s+(?:AS\s+)?([a-z_]+))?`)

func explainSQLite(ctx context.Context, s *Store, text string, a args) (wrong []string, plan string, err error) {
	tables := map[string]bool{}
	names, err := all(ctx, s.read, `SELECT name FROM sqlite_schema WHERE type = 'table'`, nil, scalar[string])
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
	steps, err := all(ctx, s.read, "EXPLAIN QUERY PLAN "+text, a, func(r scanner) (step string, err error) {
		var id, parent, unused int
		return step, r.Scan(&id, &parent, &unused, &step)
	})
	for _, step := range steps {
		words := strings.Fields(step)
		if words[0] == "SCAN" && tables[words[1]] || strings.HasPrefix(step, "USE TEMP B-TREE FOR") &&
			strings.HasSuffix(step, "ORDER BY") {
			wrong = append(wrong, step)
		}
	}
	return wrong, strings.Join(steps, "\n"), err
}

func explainPostgres(ctx context.Context, s *Store, text string, a args) (wrong []string, plan string, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		q := pgQuerier{tx}
		if _, err := q.exec(ctx, `SET LOCAL enable_seqscan = off`, nil); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `SET LOCAL enable_sort = off`, nil); err != nil {
			return err
		}
		plan, _, err = one(ctx, q, "EXPLAIN (FORMAT JSON) "+text, a, scalar[string])
		return err
	})
	if err != nil {
		return nil, "", err
	}
	var out []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(plan), &out); err != nil {
		return nil, plan, err
	}
	return out[0].Plan.wrong(), plan, nil
}

// planNode is a step of a plan of PostgreSQL.
type planNode struct {
	Type      string     `json:"Node Type"`
	Relation  string     `json:"Relation Name"`
	Index     string     `json:"Index Name"`
	Condition string     `json:"Index Cond"`
	Plans     []planNode `json:"Plans"`
}

func (n *planNode) wrong() (all []string) {
	switch n.Type {
	case "Seq Scan", "Sort", "Incremental Sort":
		all = append(all, fmt.Sprintf("a %s of %s", n.Type, n.Relation))
	case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
		if n.Condition == "" {
			all = append(all, "all of "+n.Index)
		}
	}
	for i := range n.Plans {
		all = append(all, n.Plans[i].wrong()...)
	}
	return all
}

func TestPlansThatReadEverythingAreSeen(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		for _, text := range []string{
			`SELECT name FROM things WHERE version = 1`,
			`SELECT t.name FROM things t WHERE t.version = 1`,
			`SELECT name FROM things WHERE scope = 1 ORDER BY version LIMIT 1`,
			`SELECT name FROM things ORDER BY scope, name LIMIT 1`,
			`SELECT g.name FROM thing_groups g WHERE g.scope = 1 AND EXISTS (SELECT 1 FROM things t WHERE t.id = g.id)`,
		} {
			explain := explainSQLite
			if s.pool != nil {
				explain = explainPostgres
			}
			wrong, plan, err := explain(context.Background(), s, text, nil)
			if ok(t, err); len(wrong) == 0 {
				t.Errorf("got nothing wrong with %s\n%s", text, plan)
			}
		}
		wantIndexed(t, s, func() {
			_, err := all(context.Background(), s.read, `SELECT name FROM things WHERE scope = 1 AND name > 'a'
				ORDER BY name LIMIT 1`, nil, scalar[string])
			ok(t, err)
		})
	})
}
