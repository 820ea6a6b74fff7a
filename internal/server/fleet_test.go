package server_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	_ "github.com/jackc/pgx/v5/stdlib" // for looking at a database from outside

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/server"
	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

// The checks of every audit here. The second one has one finding, the first in
// order, that no task has an action for.
const (
	expiring = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
	logging  = "LOGGING_DISABLED_CHECK"
)

// size is how large a fleet is, in units of 205 certificates. The shares are
// spread over it.
type size int

// The sizes: the small one is for what needs several slices and not more, for
// SQLite is slow under the race detector.
const (
	small size = 1
	large size = 6 // 1,200 findings
)

// healthy certificates are far from their end; expired ones are the findings,
// of which some are in transfer and cannot be deactivated, and some were
// deactivated by hand since the audit.
func (s size) healthy() int   { return 5 * int(s) }
func (s size) expired() int   { return 200 * int(s) }
func (s size) inTransit() int { return int(s) }
func (s size) retired() int   { return 2 * int(s) }
func (s size) changed() int   { return s.expired() - s.inTransit() - s.retired() }

// sliceRows is how many findings end a slice here, how many a task takes in one,
// and how many things one of work on a group is for.
const sliceRows = 100

// last is the last slice that finds or changes anything: an audit has one for
// the account before those of the certificates, and a task has one finding
// more than certificates. Both need one slice more to see that this is all.
func (s size) last() int { return s.expired()/sliceRows + 1 }

var scope = fleet.Scope{Account: cordontest.Account, Region: cordontest.Region}

// newFleet makes up certificates, in the order of registration.
func newFleet(s size) []fleet.Certificate {
	now := time.Now()
	list := make([]fleet.Certificate, 0, s.healthy()+s.expired())
	for i := range s.healthy() + s.expired() {
		c := fleet.Certificate{
			ID: randomID(), Status: fleet.Active, Mode: fleet.ModeSNIOnly, Key: fleet.Key{Type: "EC", Bits: 256},
			NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(-1, 0, 0), Generation: "1", CustomerVersion: 1,
			Created: now, Modified: now,
		}
		switch {
		case isHealthy(i):
			c.NotAfter = now.AddDate(1, 0, 0)
		case i%205 == 7:
			c.Status = fleet.PendingTransfer
		}
		list = append(list, c)
	}
	return list
}

func isHealthy(i int) bool { return i%41 == 0 }

// isRetired picks some that are neither healthy nor in transit.
func isRetired(i int) bool { return i%205 == 11 || i%205 == 13 }

func randomID() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// rig is a database of its own for one test.
type rig struct {
	size
	cfg   config.Config
	audit string // the id of the audit, where there was one
}

// prepared are databases that tests start from: one with a fleet, and one in
// which it has been audited too. They are made once and copied.
type prepared struct {
	once       sync.Once
	registered config.Config
	audited    rig
	made       bool
}

var (
	preparedMu sync.Mutex
	allMade    = map[string]*prepared{} // by database and size
	keepDirs   []string
)

// registeredFleet is a database with a fleet.
func registeredFleet(t *testing.T, database string, s size) *rig {
	t.Helper()
	return &rig{size: s, cfg: clone(t, database, prepare(t, database, s).registered)}
}

// auditedFleet is a database with a fleet that has been audited.
func auditedFleet(t *testing.T, database string, s size) *rig {
	t.Helper()
	r := prepare(t, database, s).audited
	r.cfg = clone(t, database, r.cfg)
	return &r
}

func prepare(t *testing.T, database string, s size) *prepared {
	t.Helper()
	key := fmt.Sprint(database, s)
	preparedMu.Lock()
	if allMade[key] == nil {
		allMade[key] = &prepared{}
	}
	f := allMade[key]
	preparedMu.Unlock()
	if database == "postgres" {
		pgtest.URL(t) // skips without PostgreSQL
	}
	f.once.Do(func() { f.make(t, database, s) })
	if !f.made {
		t.Fatal("the fleet could not be made, see an earlier test")
	}
	return f
}

func (f *prepared) make(t *testing.T, database string, s size) {
	t.Helper()
	f.registered = keepable(t, database)
	list := newFleet(s)
	within(t, f.registered, server.Options{}, func(c *cordontest.Cordon) {
		if err := c.Store().RegisterCertificates(t.Context(), scope, list); err != nil {
			t.Fatal(err)
		}
		cordontest.Enable(t, c.IoT(), expiring, logging)
		_, err := c.IoT().CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
			ActionName: aws.String("deactivate"), RoleArn: aws.String(cordontest.RoleARN),
			ActionParams: &types.MitigationActionParams{UpdateDeviceCertificateParams: &types.UpdateDeviceCertificateParams{
				Action: types.DeviceCertificateUpdateActionDeactivate,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	f.audited = rig{size: s, cfg: keepable(t, database)}
	f.audited.cfg.SecretsKeyFile = f.registered.SecretsKeyFile
	copyDatabase(t, f.registered, f.audited.cfg)
	within(t, f.audited.cfg, server.Options{}, func(c *cordontest.Cordon) {
		f.audited.audit, _ = cordontest.Audit(t, c.IoT(), expiring, logging)
		for i := range list {
			if isRetired(i) {
				if err := c.Store().SetCertificateStatus(t.Context(), scope, list[i].ID, fleet.Inactive); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	f.made = true
}

// within runs a server in this process for as long as fn takes.
func within(t *testing.T, cfg config.Config, o server.Options, fn func(c *cordontest.Cordon)) {
	t.Helper()
	o.SliceRows = sliceRows
	c := cordontest.Start(t, cfg, o)
	fn(c)
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
}

// keepable are settings with an empty database that stays until all tests have
// ended.
func keepable(t *testing.T, database string) config.Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "cordon-fleet-")
	if err != nil {
		t.Fatal(err)
	}
	preparedMu.Lock()
	keepDirs = append(keepDirs, dir)
	preparedMu.Unlock()
	cfg := cordontest.EmptySettings(t, database)
	if database == "sqlite" {
		cfg.DataDir = dir
		return cfg
	}
	// The key must outlive the test, and so must the database, which the end of
	// the cluster removes.
	cfg.SecretsKeyFile = filepath.Join(dir, "shared-key")
	key, err := os.ReadFile(filepath.Join(cfg.DataDir, "shared-key"))
	if err == nil {
		err = os.WriteFile(cfg.SecretsKeyFile, key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(strings.ReplaceAll(dir, "-", "_"))
	administer(t, cfg, "CREATE DATABASE "+name)
	cfg.DatabaseURL = config.NewSecret(onDatabase(t, cfg, name))
	return cfg
}

func removeFleets() {
	for _, dir := range keepDirs {
		os.RemoveAll(dir)
	}
}

// clone is settings with a copy of a database, for one test.
func clone(t *testing.T, database string, from config.Config) config.Config {
	t.Helper()
	cfg := cordontest.EmptySettings(t, database)
	if database == "postgres" {
		cfg.SecretsKeyFile = from.SecretsKeyFile
	}
	copyDatabase(t, from, cfg)
	return cfg
}

// copyDatabase copies a database that nobody uses over an empty one.
func copyDatabase(t *testing.T, from, to config.Config) {
	t.Helper()
	if to.DatabaseURL.Reveal() == "" {
		copyFiles(t, from.DataDir, to.DataDir)
		return
	}
	name := databaseName(t, to)
	administer(t, to, "DROP DATABASE "+name)
	administer(t, to, "CREATE DATABASE "+name+" TEMPLATE "+databaseName(t, from))
}

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	// CopyFS widens modes by those of new files.
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Chmod(filepath.Join(to, e.Name()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// administer runs a statement on the cluster's maintenance database.
func administer(t *testing.T, cfg config.Config, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", onDatabase(t, cfg, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func databaseName(t *testing.T, cfg config.Config) string {
	t.Helper()
	u, err := url.Parse(cfg.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// onDatabase is the URL of another database of the same cluster.
func onDatabase(t *testing.T, cfg config.Config, name string) string {
	t.Helper()
	u, err := url.Parse(cfg.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// evidence is a database seen from outside, not through the store.
type evidence struct {
	t *testing.T
	size
	db *sql.DB
}

// inspect opens the database of a process that is gone. On SQLite it is a copy:
// whoever opens the original would tidy up what the crash left behind.
func (r *rig) inspect(t *testing.T) *evidence {
	t.Helper()
	cfg := r.cfg
	// Without statistics, joins as nested loops would take minutes.
	driver, address := "pgx", cfg.DatabaseURL.Reveal()+"&enable_nestloop=off"
	if cfg.DatabaseURL.Reveal() == "" {
		dir := t.TempDir()
		copyFiles(t, cfg.DataDir, dir)
		driver, address = "sqlite", "file:"+filepath.Join(dir, "cordon.db")
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &evidence{t, r.size, db}
}

// number reads one number.
func (e *evidence) number(query string) int {
	e.t.Helper()
	var n int
	if err := e.db.QueryRow(query).Scan(&n); err != nil {
		e.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// text reads one text.
func (e *evidence) text(query string) string {
	e.t.Helper()
	var s string
	if err := e.db.QueryRow(query).Scan(&s); err != nil {
		e.t.Fatalf("%s: %v", query, err)
	}
	return s
}

// want compares numbers with what queries give.
func (e *evidence) want(want int, what, query string) {
	e.t.Helper()
	if got := e.number(query); got != want {
		e.t.Errorf("%s: got %d, want %d", what, got, want)
	}
}

// groups reads rows of two texts and a number, as "text text: number" lines.
func (e *evidence) groups(query string) string {
	e.t.Helper()
	rows, err := e.db.Query(query)
	if err != nil {
		e.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var a, b string
		var n int
		if err := rows.Scan(&a, &b, &n); err != nil {
			e.t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(a+" "+b)+": "+fmt.Sprint(n))
	}
	if err := rows.Err(); err != nil {
		e.t.Fatal(err)
	}
	return strings.Join(lines, ", ")
}
