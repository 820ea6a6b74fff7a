package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordon-iot/cordon/internal/durable"
)

// args are the named arguments of one statement: @name in the text.
type args map[string]any

// querier runs one SQL text on either database. It is a reader, an open
// transaction, or a slice of the durable engine.
type querier interface {
	// exec returns how many rows were changed.
	exec(ctx context.Context, sql string, a args) (int64, error)
	query(ctx context.Context, sql string, a args) (rows, error)
	// execPositional runs a text with ? for its arguments, on SQLite only.
	execPositional(ctx context.Context, sql string, a []any) (int64, error)
	dialect() *dialect
}

// rows is a cursor over a result.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// scanner is what a scan function reads one row from.
type scanner interface {
	Scan(dest ...any) error
}

// all reads every row of a result. Callers bound the result by a LIMIT.
func all[T any](ctx context.Context, q querier, sql string, a args, scan func(scanner) (T, error)) ([]T, error) {
	r, err := q.query(ctx, sql, a)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []T
	for r.Next() {
		v, err := scan(r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, errors.Join(r.Err(), r.Close())
}

// one reads the first row; ok is false when there is none.
func one[T any](ctx context.Context, q querier, sql string, a args, scan func(scanner) (T, error)) (
	v T, ok bool, err error,
) {
	list, err := all(ctx, q, sql, a, scan)
	if err != nil || len(list) == 0 {
		return v, false, err
	}
	return list[0], true, nil
}

// scalar scans a single column.
func scalar[T any](s scanner) (v T, err error) {
	err = s.Scan(&v)
	return v, err
}

// count reads one number.
func count(ctx context.Context, q querier, sql string, a args) (int64, error) {
	n, _, err := one(ctx, q, sql, a, scalar[int64])
	return n, err
}

// sqlRunner is the part of *sql.DB and *sql.Tx that a querier needs.
type sqlRunner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// sqliteQuerier runs statements through database/sql. SQLite understands
// @name itself.
type sqliteQuerier struct{ r sqlRunner }

func (q sqliteQuerier) exec(ctx context.Context, text string, a args) (int64, error) {
	return q.execPositional(ctx, text, sqliteArgs(a))
}

func (q sqliteQuerier) execPositional(ctx context.Context, text string, a []any) (int64, error) {
	res, err := q.r.ExecContext(ctx, text, a...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query looks at the caller's context before the statement, which then runs to
// its end: it is short, and database/sql and the driver would have a goroutine
// each wait for the caller to leave.
func (q sqliteQuerier) query(ctx context.Context, text string, a args) (rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return q.r.QueryContext(context.WithoutCancel(ctx), text, sqliteArgs(a)...)
}

func (q sqliteQuerier) dialect() *dialect { return sqliteDialect }

func sqliteArgs(a args) []any {
	out := make([]any, 0, len(a))
	for name, v := range a {
		out = append(out, sql.Named(name, v))
	}
	return out
}

// pgRunner is the part of a pgx pool and transaction that a querier needs.
type pgRunner interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// pgQuerier runs statements through pgx, which rewrites @name.
type pgQuerier struct{ r pgRunner }

func (q pgQuerier) exec(ctx context.Context, text string, a args) (int64, error) {
	r, err := q.r.Query(ctx, text, pgArgs(a)...)
	if err != nil {
		return 0, err
	}
	r.Close()
	return r.CommandTag().RowsAffected(), r.Err()
}

func (q pgQuerier) execPositional(context.Context, string, []any) (int64, error) {
	return 0, errors.ErrUnsupported
}

func (q pgQuerier) query(ctx context.Context, text string, a args) (rows, error) {
	r, err := q.r.Query(ctx, text, pgArgs(a)...)
	if err != nil {
		return nil, err
	}
	return pgRows{r}, nil
}

func (q pgQuerier) dialect() *dialect { return postgresDialect }

func pgArgs(a args) []any {
	if len(a) == 0 {
		return nil
	}
	return []any{pgx.StrictNamedArgs(a)}
}

type pgRows struct{ pgx.Rows }

func (r pgRows) Close() error {
	r.Rows.Close()
	return r.Rows.Err()
}

// sliceQuerier runs statements inside a step of the durable engine, so that
// they commit together with its checkpoint.
type sliceQuerier struct {
	tx durable.Tx
	d  *dialect
}

func (q sliceQuerier) args(a args) []any {
	if q.d == sqliteDialect {
		return sqliteArgs(a)
	}
	return pgArgs(a)
}

func (q sliceQuerier) exec(ctx context.Context, text string, a args) (int64, error) {
	return q.execPositional(ctx, text, q.args(a))
}

func (q sliceQuerier) execPositional(ctx context.Context, text string, a []any) (int64, error) {
	res, err := q.tx.Exec(q.context(ctx), text, a...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (q sliceQuerier) query(ctx context.Context, text string, a args) (rows, error) {
	return q.tx.Query(q.context(ctx), text, q.args(a)...)
}

// context is what a statement runs under. On SQLite it ends with its work: a
// driver that watches for an earlier end takes a third longer over every row,
// and a slice is short.
func (q sliceQuerier) context(ctx context.Context) context.Context {
	if q.d == sqliteDialect {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (q sliceQuerier) dialect() *dialect { return q.d }

var _ pgRunner = (*pgxpool.Pool)(nil)
