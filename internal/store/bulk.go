package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// column is a column of rows to insert: a slice of values, all columns of one
// length.
type column struct {
	name   string
	values any // []int64, []string, []bool or []*int64
}

// insertRows adds many rows in few statements. What is the same in every row
// is sent once.
func insertRows(ctx context.Context, q querier, table string, cols []column) error {
	return insertion{table: table}.run(ctx, q, cols)
}

// insertNewRows is insertRows that leaves out what breaks a UNIQUE constraint.
func insertNewRows(ctx context.Context, q querier, table string, cols []column) error {
	// Without the condition SQLite takes ON for that of a join.
	return insertion{table: table, tail: " WHERE true ON CONFLICT DO NOTHING"}.run(ctx, q, cols)
}

func (ins insertion) run(ctx context.Context, q querier, cols []column) error {
	n := columnLen(cols[0])
	if n == 0 {
		return nil
	}
	for _, c := range cols {
		if c.uniform() {
			ins.fixed = append(ins.fixed, c)
		} else {
			ins.varying = append(ins.varying, c)
		}
	}
	if len(ins.varying) == 0 {
		ins.varying, ins.fixed = ins.fixed[:1], ins.fixed[1:]
	}
	if q.dialect() == postgresDialect {
		return ins.arrays(ctx, q)
	}
	step := max(1, maxPlaces/len(ins.varying))
	for from := 0; from < n; from += step {
		if err := ins.values(ctx, q, from, min(from+step, n)); err != nil {
			return err
		}
	}
	return nil
}

// maxPlaces is how many values a statement on SQLite takes. It costs more to
// read a longer one than another one.
const maxPlaces = 1500

// insertion adds rows whose columns are the same in every row, or not.
type insertion struct {
	table          string
	tail           string // behind the statement
	fixed, varying []column
}

// statement selects the rows from a source of the columns that vary.
func (ins *insertion) statement(fixed, varying []string, source string) string {
	var names []string
	for _, c := range slices.Concat(ins.fixed, ins.varying) {
		names = append(names, c.name)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s%s", ins.table, strings.Join(names, ", "),
		strings.Join(slices.Concat(fixed, varying), ", "), source, ins.tail)
}

// arrays adds all rows in one statement on PostgreSQL.
func (ins *insertion) arrays(ctx context.Context, q querier) error {
	var fixed, varying, arrays []string
	a := args{}
	for _, c := range ins.fixed {
		fixed = append(fixed, fmt.Sprintf("CAST(@%s AS %s)", c.name, pgType(c.values)))
		a[c.name] = c.at(0)
	}
	for _, c := range ins.varying {
		varying = append(varying, c.name)
		arrays = append(arrays, fmt.Sprintf("CAST(@%s AS %s[])", c.name, pgType(c.values)))
		a[c.name] = c.values
	}
	source := fmt.Sprintf("unnest(%s) AS r (%s)", strings.Join(arrays, ", "), strings.Join(varying, ", "))
	_, err := q.exec(ctx, ins.statement(fixed, varying, source), a)
	return err
}

// values adds some rows in one statement on SQLite.
func (ins *insertion) values(ctx context.Context, q querier, from, to int) error {
	var fixed, varying []string
	positional := make([]any, 0, len(ins.fixed)+(to-from)*len(ins.varying))
	for _, c := range ins.fixed {
		fixed = append(fixed, "?")
		positional = append(positional, c.at(0))
	}
	for i := range ins.varying {
		varying = append(varying, fmt.Sprintf("column%d", i+1))
	}
	for i := from; i < to; i++ {
		for _, c := range ins.varying {
			positional = append(positional, c.at(i))
		}
	}
	row := "(?" + strings.Repeat(", ?", len(ins.varying)-1) + ")"
	source := "(VALUES " + row + strings.Repeat(", "+row, to-from-1) + ")"
	_, err := q.execPositional(ctx, ins.statement(fixed, varying, source), positional)
	return err
}

func (c column) at(i int) any {
	switch v := c.values.(type) {
	case []int64:
		return v[i]
	case []string:
		return v[i]
	case []bool:
		return v[i]
	case []*int64:
		if v[i] == nil {
			return nil
		}
		return *v[i]
	}
	panic(fmt.Sprintf("column %s has values of type %T", c.name, c.values))
}

// uniform reports whether all values are the same.
func (c column) uniform() bool {
	switch v := c.values.(type) {
	case []int64:
		return same(v)
	case []string:
		return same(v)
	case []bool:
		return same(v)
	}
	for i, n := 1, columnLen(c); i < n; i++ {
		if c.at(i) != c.at(0) {
			return false
		}
	}
	return true
}

func same[T comparable](list []T) bool {
	for _, v := range list {
		if v != list[0] {
			return false
		}
	}
	return true
}

func columnLen(c column) int {
	switch v := c.values.(type) {
	case []int64:
		return len(v)
	case []string:
		return len(v)
	case []bool:
		return len(v)
	case []*int64:
		return len(v)
	}
	panic(fmt.Sprintf("column %s has values of type %T", c.name, c.values))
}

func pgType(values any) string {
	switch values.(type) {
	case []int64, []*int64:
		return "BIGINT"
	case []bool:
		return "BOOLEAN"
	}
	return "TEXT"
}

// givenRows is a table, for a WITH clause, of rows that are given: their place n
// from 0, and columns of numbers or texts.
func givenRows(d *dialect, a args, table string, cols []column) string {
	var names, sources []string
	for i, c := range cols {
		names = append(names, c.name)
		if d == sqliteDialect {
			sources = append(sources, fmt.Sprintf("value ->> %d", i))
			continue
		}
		sources = append(sources, fmt.Sprintf("CAST(@%s_%s AS %s[])", table, c.name, pgType(c.values)))
		a[table+"_"+c.name] = c.values
	}
	list := strings.Join(names, ", ")
	if d == postgresDialect {
		return fmt.Sprintf("%s (n, %s) AS (SELECT n - 1, %s FROM unnest(%s) WITH ORDINALITY AS r (%s, n))", table, list,
			list, strings.Join(sources, ", "), list)
	}
	rows := make([][]any, columnLen(cols[0]))
	for i := range rows {
		rows[i] = make([]any, len(cols))
		for k, c := range cols {
			rows[i][k] = c.at(i)
		}
	}
	a[table] = toJSON(rows)
	return fmt.Sprintf("%s (n, %s) AS (SELECT key, %s FROM json_each(@%s))", table, list, strings.Join(sources, ", "),
		table)
}

// repeat is a column with one value in every row.
func repeat[T any](v T, n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// collect makes a column of one member of a list.
func collect[T, V any](list []T, member func(*T) V) []V {
	out := make([]V, len(list))
	for i := range list {
		out[i] = member(&list[i])
	}
	return out
}
