package store

import (
	"context"
	"regexp"
	"strings"
	"testing"
)

// narrow is a querier that fails a test when a query would read all of a table
// or all that a scope has in it, or sort what it reads unless that is bounded.
// It then answers the query.
type narrow struct {
	querier
	t *testing.T
}

// mayBeSorted marks the texts whose rows are few, whatever the fleet.
var mayBeSorted = regexp.MustCompile(`WITH RECURSIVE|v.document`)

// wide is how a database says that it reads too much: SQLite also when it goes
// through an index by the scope alone. The numbers of scopes in these tests are
// below ten.
var wide = map[*dialect]*regexp.Regexp{
	sqliteDialect:   regexp.MustCompile(`SCAN (p|v|m|g|things|thing_\w+|group_\w+|polic\w+|certificates)\b|\(scope=\?\)`),
	postgresDialect: regexp.MustCompile(`Seq Scan on|Index Cond: \(scope = '\d'::bigint\)$`),
}

var sorting = regexp.MustCompile(`TEMP B-TREE FOR ORDER BY|Sort  `)

func (n narrow) query(ctx context.Context, text string, a args) (rows, error) {
	explain := "EXPLAIN QUERY PLAN "
	scan := func(r scanner) (line string, err error) {
		var id, parent, unused int64
		err = r.Scan(&id, &parent, &unused, &line)
		return line, err
	}
	if n.dialect() == postgresDialect {
		explain, scan = "EXPLAIN ", scalar[string]
	}
	lines, err := all(ctx, n.querier, explain+text, a, scan)
	if err != nil {
		n.t.Errorf("explain %s: %v", text, err)
	}
	for _, line := range lines {
		if wide[n.dialect()].MatchString(line) || sorting.MatchString(line) && !mayBeSorted.MatchString(text) {
			n.t.Errorf("got %q for %s of which the plan is\n%s", line, text, strings.Join(lines, "\n"))
			break
		}
	}
	return n.querier.query(ctx, text, a)
}

// forEachNarrow runs reads on a furnished store of each database, each with a
// look at how it is done. PostgreSQL, which counts before it plans, gets rows to
// count: strangers to each other and to what was furnished.
func forEachNarrow(t *testing.T, furnish, run func(t *testing.T, s *Store)) {
	t.Helper()
	forEachDatabase(t, func(t *testing.T, s *Store) {
		furnish(t, s)
		if s.pool != nil {
			_, err := s.pool.Exec(context.Background(), manyRows)
			ok(t, err)
		}
		s.read = narrow{s.read, t}
		run(t, s)
	})
}

const manyRows = `SET session_replication_role = replica;
	INSERT INTO things (scope, name, id, attributes, version, created_at)
		SELECT 1, 'n' || i, 'i', '{}', 1, 1 FROM generate_series(1, 20000) i;
	INSERT INTO thing_groups (scope, name, id, parent, seq, root, path, depth, description, attributes, version,
			created_at)
		SELECT 1, 'n' || i, 'i', 'n' || i / 5, 1000000 + i, 1000000 + i, 'z' || i, 1, '', '{}', 1, 1
		FROM generate_series(1, 20000) i;
	INSERT INTO group_members (scope, thing, root, thing_group, created_at)
		SELECT 1, 'n' || i, 1000000 + i, 1000000 + i, 1 FROM generate_series(1, 20000) i;
	INSERT INTO thing_principals (scope, certificate, thing, exclusive, created_at)
		SELECT 1, 'n' || i / 3, 'n' || i, false, 1 FROM generate_series(1, 20000) i;
	INSERT INTO certificates SELECT seq + i, scope, 'n' || i, status, mode, ca_id, key_type, key_bits, roca,
			debian_digest, badkeys_digest, not_before, not_after, generation, customer_version, created_at, modified_at
		FROM generate_series(1000, 20000) i, (SELECT * FROM certificates LIMIT 1) c;
	INSERT INTO policies (seq, scope, name, default_version, next_version, generation, created_at, modified_at)
		SELECT 1000000 + i, 1, 'n' || i, 1, 2, 'g', 1, 1 FROM generate_series(1, 20000) i;
	INSERT INTO policy_versions (scope, policy, version, document, blank, broad_actions, deny_wildcards, deny_bypass,
			created_at)
		SELECT 1, 'n' || i / 3, i % 3, '{}', true, '[]', false, false, 1 FROM generate_series(1, 20000) i;
	INSERT INTO policy_targets (scope, policy, target, created_at)
		SELECT 1, 'n' || i / 100, 'cert/n' || i, 1 FROM generate_series(1, 20000) i;
	SET session_replication_role = origin;
	ANALYZE`
