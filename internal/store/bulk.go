package store

import (
	"context"
	"fmt"
	"strings"
)

// column is a column of rows to insert: a slice of values, all columns of one
// length.
type column struct {
	name   string
	values any // []int64, []string, []bool or []*int64
}

// insertRows adds many rows in few statements.
func insertRows(ctx context.Context, q querier, table string, cols []column) error {
	n := columnLen(cols[len(cols)-1])
	if n == 0 {
		return nil
	}
	if q.dialect() == postgresDialect {
		return insertArrays(ctx, q, table, cols)
	}
	// Bounded by SQLite's cost of matching arguments to places, which grows
	// with the square of their number.
	step := max(1, 512/len(cols))
	for from := 0; from < n; from += step {
		if err := insertValues(ctx, q, table, part(cols, from, min(from+step, n))); err != nil {
			return err
		}
	}
	return nil
}

func insertArrays(ctx context.Context, q querier, table string, cols []column) error {
	names, arrays, a := make([]string, len(cols)), make([]string, len(cols)), args{}
	for i, c := range cols {
		names[i] = c.name
		arrays[i] = fmt.Sprintf("CAST(@%s AS %s[])", c.name, pgType(c.values))
		a[c.name] = c.values
	}
	_, err := q.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT * FROM unnest(%s)",
		table, strings.Join(names, ", "), strings.Join(arrays, ", ")), a)
	return err
}

// insertValues adds the rows of the columns in one statement.
func insertValues(ctx context.Context, q querier, table string, cols []column) error {
	n := columnLen(cols[0])
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (", table)
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name)
	}
	b.WriteString(") VALUES ")
	row := "(" + strings.Repeat("?, ", len(cols)-1) + "?)"
	positional := make([]any, 0, n*len(cols))
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(row)
		for _, c := range cols {
			positional = append(positional, c.at(i))
		}
	}
	_, err := q.execPositional(ctx, b.String(), positional)
	return err
}

// part is some rows of all columns.
func part(cols []column, from, to int) []column {
	out := make([]column, len(cols))
	for i, c := range cols {
		out[i].name = c.name
		switch v := c.values.(type) {
		case []int64:
			out[i].values = v[from:to]
		case []string:
			out[i].values = v[from:to]
		case []bool:
			out[i].values = v[from:to]
		case []*int64:
			out[i].values = v[from:to]
		}
	}
	return out
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
