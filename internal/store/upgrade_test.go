package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// forEachUpgrade runs a test on a store of each database that was at a version
// of its tables when the statements were run, and is opened by this program
// since. A statement is one text for both databases.
func forEachUpgrade(t *testing.T, version int64, statements []string, run func(t *testing.T, s *Store)) {
	t.Helper()
	for _, place := range databases {
		t.Run(place.name, func(t *testing.T) {
			dir, url := t.TempDir(), place.url(t)
			driver, dsn, dialect := "sqlite", sqliteDSN(filepath.Join(dir, "cordon.db"), ""), goose.DialectSQLite3
			if url != "" {
				driver, dsn, dialect = "pgx", url, goose.DialectPostgres
			}
			db, err := sql.Open(driver, dsn)
			ok(t, err)
			p, err := migrator(dialect, db, "migrations/"+place.name)
			ok(t, err)
			_, err = p.UpTo(context.Background(), version)
			ok(t, err)
			for _, text := range statements {
				if _, err := db.Exec(text); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
			}
			ok(t, db.Close())
			run(t, openTest(t, dir, url))
		})
	}
}

// scopesOfTests are the two scopes of tests, here as number 1 and there as 2.
var scopesOfTests = []string{
	`INSERT INTO scopes (account, region) VALUES ('` + here.Account + `', '` + here.Region + `')`,
	`INSERT INTO scopes (account, region) VALUES ('` + there.Account + `', '` + there.Region + `')`,
}

func TestThingsOfBeforeAreFoundByAttribute(t *testing.T) {
	forEachUpgrade(t, 2, slices.Concat(scopesOfTests, []string{
		`INSERT INTO things (scope, name, id, attributes, version, created_at) VALUES
			(1, 'bare', 'i', '{}', 1, 5), (1, 'pump', 'i', '{"color":"Red","site":"a/b"}', 3, 5),
			(1, 'valve', 'i', '{"color":"blue"}', 1, 5), (2, 'pump', 'i', '{"color":"green"}', 1, 5)`,
	}), func(t *testing.T, s *Store) {
		wantAttributes(t, s)
		got, err := s.Things(context.Background(), here, fleet.ThingQuery{
			Filter: fleet.AttributeFilter{Name: "color", Value: "R", Prefix: true}, Limit: 10,
		})
		ok(t, err)
		wantNames(t, namesOf(got), []string{"pump"})
		makeTypes(t, s, here, "pump")
		ok(t, retype(s, here, "pump", "pump"))
		wantAttributes(t, s)
	})
}
