// Package feedtest holds writers to the feed of changes that may take rights:
// triggers see every row that changes, and whatever changed must be in the feed.
package feedtest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// watched is a table that rights depend on.
type watched struct {
	table string
	// of are the operations that count, with a condition on OLD and NEW.
	of map[string]string
	// kind and key are what the entry is about, as expressions of a row r, of
	// which a deletion has the old and all else the new form.
	kind, key string
}

const always = "TRUE"

var tables = []watched{
	{"certificates", map[string]string{"INSERT": always, "DELETE": always, "UPDATE": "OLD.status <> NEW.status"},
		"'certificate'", "r.id"},
	{"policies", map[string]string{"UPDATE": "OLD.default_version <> NEW.default_version"}, "'policy'", "r.name"},
	{"policy_targets", map[string]string{"INSERT": always, "DELETE": always},
		"CASE WHEN r.target LIKE 'cert/%' THEN 'certificate' ELSE 'group' END",
		"CASE WHEN r.target LIKE 'cert/%' THEN substr(r.target, 6) ELSE substr(r.target, 12) END"},
	{"thing_principals", map[string]string{"INSERT": always, "DELETE": always, "UPDATE": always},
		"'certificate'", "r.certificate"},
	{"things", map[string]string{
		"DELETE": always, "UPDATE": "OLD.attributes <> NEW.attributes OR OLD.thing_type <> NEW.thing_type",
	}, "'thing'", "r.name"},
	{"group_members", map[string]string{
		"INSERT": always, "UPDATE": always,
		// A row whose group is gone counts for nothing.
		"DELETE": "EXISTS (SELECT 1 FROM thing_groups g WHERE g.seq = OLD.thing_group)",
	}, "'thing'", "r.thing"},
	{"thing_groups", map[string]string{"DELETE": always, "UPDATE": "OLD.name <> NEW.name OR OLD.path <> NEW.path"},
		"'group'", "r.name"},
}

// What is known of a change: seq is the last entry there was before it, and tx
// the transaction on PostgreSQL. An account has no scope.
const table = `CREATE TABLE watched_rights (scope BIGINT, kind TEXT, name TEXT, seq BIGINT, tx BIGINT, source TEXT)`

// Watch records what changes in a database from now on, and when the test ends,
// before what was there before Watch is cleaned up, fails it if a change is not
// in the feed: by its transaction on PostgreSQL, by an entry behind it on SQLite.
func Watch(t testing.TB, db *sql.DB, postgres bool) {
	t.Helper()
	if err := Install(db, postgres); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Check(t, db, postgres) })
}

// Install has a database record what changes, as every copy of it then does:
// Watch finds it there, and need not do what takes longer than most tests.
func Install(db *sql.DB, postgres bool) error {
	list := "sqlite_master WHERE name"
	if postgres {
		list = "pg_class WHERE relname"
	}
	var there bool
	if err := db.QueryRow(`SELECT count(*) > 0 FROM ` + list + ` = 'watched_rights'`).Scan(&there); err != nil || there {
		return err
	}
	statements := []string{table}
	for _, w := range tables {
		for op, when := range w.of {
			statements = append(statements, w.trigger(op, when, postgres)...)
		}
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, text := range append(statements, accounts(postgres)...) {
		if _, err := tx.Exec(text); err != nil {
			return fmt.Errorf("%w of %s", err, text)
		}
	}
	return tx.Commit()
}

// Check fails a test if a change is not in the feed.
func Check(t testing.TB, db *sql.DB, postgres bool) {
	t.Helper()
	for _, missing := range forgotten(t, db, postgres) {
		t.Errorf("got no entry in the feed for %s", missing)
	}
}

// Forget drops what was recorded: it was written past the store.
func Forget(t testing.TB, db *sql.DB) {
	t.Helper()
	if _, err := db.Exec(`DELETE FROM watched_rights`); err != nil {
		t.Fatal(err)
	}
}

// trigger is what records an operation on a table.
func (w *watched) trigger(op, when string, postgres bool) []string {
	row := "NEW."
	if op == "DELETE" {
		row = "OLD."
	}
	name := "watch_" + w.table + "_" + strings.ToLower(op)
	record := fmt.Sprintf(`INSERT INTO watched_rights (scope, kind, name, seq, tx, source)
		SELECT %[1]sscope, %[2]s, %[3]s, %[4]s, '%[5]s'`, row, strings.ReplaceAll(w.kind, "r.", row),
		strings.ReplaceAll(w.key, "r.", row), stamp(postgres), op+" "+w.table)
	return trigger{name, op, w.table, when, record}.statements(postgres)
}

// stamp is the number and transaction of a change.
func stamp(postgres bool) string {
	if postgres {
		return "0, CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)"
	}
	return "coalesce((SELECT max(seq) FROM right_changes), 0), 0"
}

// trigger runs a statement behind an operation on a table, on a condition.
type trigger struct{ name, op, table, when, record string }

func (g trigger) statements(postgres bool) []string {
	if !postgres {
		return []string{fmt.Sprintf(`CREATE TRIGGER %s AFTER %s ON %s WHEN %s BEGIN %s; END`, g.name, g.op,
			g.table, g.when, g.record)}
	}
	// A condition that looks into tables stands in the function.
	return []string{
		fmt.Sprintf(`CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF %s THEN %s; END IF;
			RETURN NULL; END $$`, g.name, g.when, g.record),
		fmt.Sprintf(`CREATE TRIGGER %[1]s AFTER %[2]s ON %[3]s FOR EACH ROW EXECUTE FUNCTION %[1]s()`, g.name,
			g.op, g.table),
	}
}

// accounts records that an account was disabled or enabled.
func accounts(postgres bool) []string {
	record := `INSERT INTO watched_rights (scope, kind, name, seq, tx, source)
		SELECT NULL, 'account', NEW.id, ` + stamp(postgres) + `, 'UPDATE accounts'`
	return trigger{"watch_accounts", "UPDATE", "accounts", "OLD.status <> NEW.status", record}.statements(postgres)
}

// told is an entry or a change: of what, and where it is. On PostgreSQL the
// place is the transaction, in which the entry must be; on SQLite it is a number
// that the entry's must pass.
type told struct{ account, region, kind, name string }

// forgotten lists the changes that are not in the feed.
func forgotten(t testing.TB, db *sql.DB, postgres bool) (list []string) {
	t.Helper()
	place := "seq"
	if postgres {
		place = "tx"
	}
	last, in := map[told]int64{}, map[string]bool{}
	each(t, db, `SELECT account, region, kind, names, '', `+place+` FROM right_changes`, func(c told, _ string, at int64) {
		names := []string{c.account}
		if c.kind != "account" {
			if err := json.Unmarshal([]byte(c.name), &names); err != nil {
				t.Fatal(err)
			}
		}
		for _, c.name = range names {
			last[c] = max(last[c], at)
			in[fmt.Sprint(c, at)] = true
		}
	})
	each(t, db, `SELECT DISTINCT CASE WHEN w.kind = 'account' THEN w.name ELSE coalesce(s.account, '') END,
			coalesce(s.region, ''), w.kind, w.name, w.source, w.`+place+`
		FROM watched_rights w LEFT JOIN scopes s ON s.scope = w.scope`, func(c told, source string, at int64) {
		if known := postgres && in[fmt.Sprint(c, at)] || !postgres && last[c] > at; !known && len(list) < 10 {
			list = append(list, fmt.Sprintf("%s, which is of %s %q", source, c.kind, c.name))
		}
	})
	return list
}

// each reads rows of six columns.
func each(t testing.TB, db *sql.DB, text string, row func(c told, source string, at int64)) {
	t.Helper()
	rows, err := db.Query(text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c told
		var source string
		var at int64
		if err := rows.Scan(&c.account, &c.region, &c.kind, &c.name, &source, &at); err != nil {
			t.Fatal(err)
		}
		row(c, source, at)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
