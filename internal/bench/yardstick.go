package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-iot/cordon/internal/durable"
)

// cursor is what the two drivers have in common.
type cursor interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
}

// selectAll reads the columns that an audit reads, in one statement, on the
// connection that tasks run on.
func (m *measurement) selectAll(ctx context.Context, r *rig) (time.Duration, error) {
	const text = `SELECT seq, id, status, roca, not_after, created_at FROM certificates ORDER BY seq`
	// As slices do: a driver that watches for an earlier end is slower.
	ctx = context.WithoutCancel(ctx)
	runtime.GC()
	began := time.Now()
	var rows cursor
	if db := r.sqlite(); db != nil {
		list, err := db.QueryContext(ctx, text)
		if err != nil {
			return 0, err
		}
		defer list.Close()
		rows = list
	} else {
		list, err := r.postgres().Query(ctx, text)
		if err != nil {
			return 0, err
		}
		defer list.Close()
		rows = list
	}
	n := 0
	var seq, notAfter, created int64
	var id, status string
	var roca bool
	for ; rows.Next(); n++ {
		if err := rows.Scan(&seq, &id, &status, &roca, &notAfter, &created); err != nil {
			return 0, err
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if n != m.spec.Certificates {
		return 0, fmt.Errorf("wrong result: got %d rows, want %d", n, m.spec.Certificates)
	}
	return took, nil
}

// setFindings is how many findings a pair of set-based statements is for.
const setFindings = 1000

// The set-based statements. Arguments are the time, the audit, and the
// findings, from one to another.
const (
	setUpdate = `UPDATE certificates SET status = 'INACTIVE', modified_at = $1, customer_version = customer_version + 1
		WHERE status = 'ACTIVE' AND (scope, id) IN
			(SELECT scope, resource FROM findings WHERE audit = $2 AND n >= $3 AND n <= $4)`
	setInsert = `INSERT INTO executions (task, audit, n, action, status, error_code, message, started_at, ended_at)
		SELECT 1, audit, n, 0, 'COMPLETED', '', '', CAST($1 AS BIGINT), CAST($1 AS BIGINT)
		FROM findings WHERE audit = $2 AND n >= $3 AND n <= $4`
)

// bySets is the least that does the work: it plans nothing, keeps no record of
// what the certificates were before, and cannot be stopped or resumed.
func bySets(ctx context.Context, r *rig, target aim) error {
	last, err := r.number(ctx, `SELECT max(n) FROM findings WHERE audit = $1`, target.seq)
	if err != nil {
		return err
	}
	for from := int64(1); from <= last; from += setFindings {
		err := transact(ctx, r, func(tx durable.Tx) error {
			for _, text := range []string{setUpdate, setInsert} {
				_, err := tx.Exec(ctx, text, time.Now().UnixMilli(), target.seq, from, from+setFindings-1)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// transact runs fn in a transaction of the driver, on the connection that
// tasks run on.
func transact(ctx context.Context, r *rig, fn func(tx durable.Tx) error) (err error) {
	var tx durable.Tx
	if db := r.sqlite(); db != nil {
		t, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		tx = sqlTx{t}
	} else {
		t, err := r.postgres().Begin(ctx)
		if err != nil {
			return err
		}
		tx = pgTx{t}
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

// sqlTx is a transaction of database/sql as slices take it.
type sqlTx struct{ tx *sql.Tx }

// Exec runs a statement.
func (t sqlTx) Exec(ctx context.Context, query string, args ...any) (durable.Result, error) {
	return t.tx.ExecContext(ctx, query, args...)
}

// Query runs a statement that returns rows.
func (t sqlTx) Query(ctx context.Context, query string, args ...any) (durable.Rows, error) {
	return t.tx.QueryContext(ctx, query, args...)
}

// QueryRow runs a statement that returns one row.
func (t sqlTx) QueryRow(ctx context.Context, query string, args ...any) durable.Row {
	return t.tx.QueryRowContext(ctx, query, args...)
}

// Commit ends the transaction.
func (t sqlTx) Commit(context.Context) error { return t.tx.Commit() }

// Rollback undoes the transaction.
func (t sqlTx) Rollback(context.Context) error { return t.tx.Rollback() }

// pgTx is a transaction of pgx as slices take it.
type pgTx struct{ tx pgx.Tx }

// Exec runs a statement.
func (t pgTx) Exec(ctx context.Context, query string, args ...any) (durable.Result, error) {
	tag, err := t.tx.Exec(ctx, query, args...)
	return affected(tag.RowsAffected()), err
}

// Query runs a statement that returns rows.
func (t pgTx) Query(ctx context.Context, query string, args ...any) (durable.Rows, error) {
	rows, err := t.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgRows{rows}, nil
}

// QueryRow runs a statement that returns one row.
func (t pgTx) QueryRow(ctx context.Context, query string, args ...any) durable.Row {
	return t.tx.QueryRow(ctx, query, args...)
}

// Commit ends the transaction.
func (t pgTx) Commit(ctx context.Context) error { return t.tx.Commit(ctx) }

// Rollback undoes the transaction.
func (t pgTx) Rollback(ctx context.Context) error { return t.tx.Rollback(ctx) }

// affected is how many rows a statement changed.
type affected int64

// RowsAffected returns the number.
func (n affected) RowsAffected() (int64, error) { return int64(n), nil }

// pgRows is a cursor whose Close says what went wrong.
type pgRows struct{ pgx.Rows }

// Close ends the cursor.
func (r pgRows) Close() error {
	r.Rows.Close()
	return r.Rows.Err()
}
