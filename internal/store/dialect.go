package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is everything in which the two databases differ, but for the DDL.
type dialect struct {
	name string
	// now is an expression for the database's own clock in milliseconds, for
	// what several nodes compare with each other.
	now string
	// nextSeq makes @n numbers and returns them, one a row.
	nextSeq string
	// unique and reference say that a driver error is a broken UNIQUE
	// constraint or foreign key.
	unique, reference func(error) bool
	// in is a condition that column equals one of the numbers or texts.
	in func(column, arg string, a args, values any) string
	// lockScope and lockRows are statements that make transactions wait for
	// each other; "" where transactions never run side by side.
	lockScope, lockRows string
	// share ends a SELECT whose rows nobody locks or changes until the
	// transaction ends, while others may read them alike.
	share string
	// shareDynamic and defineDynamic are statements that make transactions which
	// change dynamic groups wait for all others; see dynamic.go.
	shareDynamic, defineDynamic string
	// shareGroup is a statement that keeps a thing group from being deleted.
	shareGroup string
	// feed is how changes of rights are followed.
	feed *feedTexts
}

var sqliteDialect = &dialect{
	name: "sqlite",
	now:  "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
	nextSeq: `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < @n)
		SELECT (SELECT value FROM numbers) - @n + i FROM s ORDER BY i`,
	unique: func(err error) bool {
		code := sqliteCode(err)
		return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	},
	reference: func(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY },
	in:        sqliteIn,
	feed:      sqliteFeed,
}

var postgresDialect = &dialect{
	name:      "postgres",
	now:       "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
	nextSeq:   `SELECT nextval('numbers') FROM generate_series(1, CAST(@n AS BIGINT))`,
	unique:    func(err error) bool { return pgCode(err) == "23505" },
	reference: func(err error) bool { return pgCode(err) == "23503" },
	in: func(column, arg string, a args, values any) string {
		a[arg] = values
		return column + " = ANY(@" + arg + ")"
	},
	lockScope: `SELECT 1 FROM scopes WHERE scope = @scope FOR NO KEY UPDATE`,
	share:     ` FOR SHARE`,
	// In one order for everybody, so that no two wait for each other.
	lockRows: `SELECT 1 FROM %s WHERE scope = @scope AND %s = ANY(@keys) ORDER BY %s FOR NO KEY UPDATE`,
	// Whoever waits for such a lock comes before those who ask later. With a
	// lock on a row, thing after thing could keep a dynamic group from being made.
	shareDynamic:  `SELECT pg_advisory_xact_lock_shared(1668441444, CAST(@scope AS INTEGER))`,
	defineDynamic: `SELECT pg_advisory_xact_lock(1668441444, CAST(@scope AS INTEGER))`,
	shareGroup:    `SELECT 1 FROM thing_groups WHERE scope = @scope AND name = @name FOR KEY SHARE`,
	feed:          postgresFeed,
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// sqliteIn writes numbers into the text, where they are safe and cheap, and
// passes texts as arguments.
func sqliteIn(column, arg string, a args, values any) string {
	var b strings.Builder
	b.WriteString(column + " IN (")
	switch list := values.(type) {
	case []int64:
		for i, v := range list {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.FormatInt(v, 10))
		}
	case []string:
		for i, v := range list {
			name := fmt.Sprintf("%s_%d", arg, i)
			a[name] = v
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("@" + name)
		}
	}
	return b.String() + ")"
}

// rowset is a table of a scope whose rows are named by one column.
type rowset struct{ table, column string }

// What is locked while something that hangs on it is counted or changed.
var (
	thingRows       = rowset{"things", "name"}
	typeRows        = rowset{"thing_types", "name"}
	groupRows       = rowset{"thing_groups", "name"}
	certificateRows = rowset{"certificates", "id"}
	caRows          = rowset{"ca_certificates", "id"}
	policyRows      = rowset{"policies", "name"}
	auditRows       = rowset{"audits", "id"}
	actionRows      = rowset{"mitigation_actions", "name"}
	taskRows        = rowset{"mitigation_tasks", "id"}
	roleAliasRows   = rowset{"role_aliases", "name"}
	scheduleRows    = rowset{"scheduled_audits", "name"}
	topicRows       = rowset{"topics", "name"}
	poolRows        = rowset{"identity_pools", "id"}
)

// lockRows locks rows until the transaction ends. Rows that are not there are
// not locked. Transactions that need several sets take them in the order
// above.
func lockRows(ctx context.Context, q querier, r rowset, scope int64, keys ...string) error {
	text := q.dialect().lockRows
	if text == "" {
		return nil
	}
	_, err := q.exec(ctx, fmt.Sprintf(text, r.table, r.column, r.column), args{"scope": scope, "keys": keys})
	return err
}

// shareGroup keeps a thing group where it is until the transaction ends.
func shareGroup(ctx context.Context, q querier, scope int64, name string) error {
	text := q.dialect().shareGroup
	if text == "" {
		return nil
	}
	_, err := q.exec(ctx, text, args{"scope": scope, "name": name})
	return err
}

// lockScope locks a scope as a whole until the transaction ends.
func lockScope(ctx context.Context, q querier, scope int64) error {
	text := q.dialect().lockScope
	if text == "" {
		return nil
	}
	_, err := q.exec(ctx, text, args{"scope": scope})
	return err
}

// nextSeq returns n new numbers in rising order. Numbers of a transaction that
// fails may be lost.
func nextSeq(ctx context.Context, q querier, n int) ([]int64, error) {
	if q.dialect() == sqliteDialect {
		if _, err := q.exec(ctx, `UPDATE numbers SET value = value + @n`, args{"n": n}); err != nil {
			return nil, err
		}
	}
	return all(ctx, q, q.dialect().nextSeq, args{"n": n}, scalar[int64])
}
