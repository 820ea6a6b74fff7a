package bench

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// importedTable is the rows that one imported device has in a table.
type importedTable struct {
	name    string
	columns []string
	row     func(d *importedDevice) []any
}

// importedDevice is a device as rows.
type importedDevice struct {
	seq, now       int64
	id, name, site string
}

// importedTables are filled in this order.
var importedTables = []importedTable{
	{"things", []string{"scope", "name", "id", "attributes", "version", "created_at"}, func(d *importedDevice) []any {
		return []any{1, d.name, d.id[:36], `{"site":"` + d.site + `"}`, 1, d.now}
	}},
	{"thing_attributes", []string{"scope", "thing", "name", "value", "folded"}, func(d *importedDevice) []any {
		return []any{1, d.name, "site", d.site, d.site}
	}},
	{"certificates", []string{
		"seq", "scope", "id", "status", "mode", "ca_id", "key_type", "key_bits", "roca", "debian_digest", "badkeys_digest",
		"not_before", "not_after", "generation", "customer_version", "created_at", "modified_at",
	}, func(d *importedDevice) []any {
		return []any{
			d.seq, 1, d.id, "ACTIVE", "SNI_ONLY", "", "EC", 256, false, "", d.id[:40], d.now, d.now, d.id[:26], 1, d.now, d.now,
		}
	}},
	{"certificate_pems", []string{"seq", "pem"}, func(d *importedDevice) []any { return []any{d.seq, aPEM} }},
	{"thing_principals", []string{"scope", "certificate", "thing", "exclusive", "created_at"},
		func(d *importedDevice) []any { return []any{1, d.id, d.name, false, d.now} }},
}

// aPEM is as long as the certificates that are imported.
var aPEM = strings.Repeat("x", 540)

// insertBatch is how many devices share a transaction, as in an import.
const insertBatch = 1000

// insertAll inserts what an import stores, and nothing else, in an empty
// database with the tables and indexes of a Cordon.
func (m *measurement) insertAll(ctx context.Context) (took time.Duration, err error) {
	o, err := m.home.create(ctx, "bare")
	if err != nil {
		return 0, err
	}
	r, err := openRig(ctx, o, m.log)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.close(), m.home.drop("bare")) }()
	random := rand.NewChaCha8([32]byte{})
	began := time.Now()
	for from := 0; from < m.spec.Certificates; from += insertBatch {
		batch := make([]importedDevice, min(insertBatch, m.spec.Certificates-from))
		for i := range batch {
			var id [32]byte
			random.Read(id[:]) // never fails
			batch[i] = importedDevice{
				seq: int64(1)<<40 + int64(from+i), now: m.now.UnixMilli(), id: hex.EncodeToString(id[:]),
				name: deviceName(from + i), site: siteOf(from + i),
			}
		}
		if db := r.sqlite(); db != nil {
			err = insertSQLite(ctx, db, batch)
		} else {
			err = pgx.BeginFunc(ctx, r.postgres(), func(tx pgx.Tx) error { return copyPostgres(ctx, tx, batch) })
		}
		if err != nil {
			return 0, fmt.Errorf("insert: %w", err)
		}
	}
	return time.Since(began), nil
}

// insertSQLite inserts row by row with prepared statements: SQLite knows
// nothing faster.
func insertSQLite(ctx context.Context, db *sql.DB, batch []importedDevice) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, table := range importedTables {
		stmt, err := tx.PrepareContext(ctx, "INSERT INTO "+table.name+" ("+strings.Join(table.columns, ", ")+
			") VALUES (?"+strings.Repeat(", ?", len(table.columns)-1)+")")
		if err != nil {
			return err
		}
		for i := range batch {
			if _, err := stmt.ExecContext(ctx, table.row(&batch[i])...); err != nil {
				return err
			}
		}
		if err := stmt.Close(); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func copyPostgres(ctx context.Context, tx pgx.Tx, batch []importedDevice) error {
	for _, table := range importedTables {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{table.name}, table.columns,
			pgx.CopyFromSlice(len(batch), func(i int) ([]any, error) { return table.row(&batch[i]), nil }))
		if err != nil {
			return err
		}
	}
	return nil
}
