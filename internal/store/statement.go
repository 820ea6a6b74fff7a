package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements keeps what is asked often of a SQLite database ready to run:
// reading the text of a short statement costs more than running it. A text is
// kept when it comes for the third time, for some are made for one call and
// never come again.
//
// Closing the database closes them.
type statements struct {
	db *sql.DB

	mu    sync.RWMutex
	ready map[string]*sql.Stmt
	seen  map[string]int // how often a text came that is not ready
}

const (
	// maxReady bounds the statements that are kept, of which each connection
	// has its own copy of some kilobytes.
	maxReady = 512
	// maxSeen bounds the texts that are counted.
	maxSeen    = 4096
	admittance = 3
)

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, ready: map[string]*sql.Stmt{}, seen: map[string]int{}}
}

// find returns a text as a ready statement, or nil.
func (s *statements) find(text string) *sql.Stmt {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ready[text]
}

// count notes that a text came that is not ready, and reports whether it should
// be.
func (s *statements) count(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) >= maxSeen {
		clear(s.seen)
	}
	s.seen[text]++
	return s.seen[text] >= admittance && len(s.ready) < maxReady
}

// prepare makes a text ready. It needs a connection, so none may be held by
// the caller when there is only one.
func (s *statements) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	stmt, err := s.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.ready[text]; first != nil {
		return first, stmt.Close()
	}
	s.ready[text] = stmt
	delete(s.seen, text)
	return stmt, nil
}

// preparedReader runs statements on the connections of a pool.
type preparedReader struct{ *statements }

// ExecContext runs a statement that returns no rows.
func (p preparedReader) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return p.db.ExecContext(ctx, text, args...)
}

// QueryContext runs a query.
func (p preparedReader) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt := p.find(text)
	if stmt == nil && p.count(text) {
		// One that cannot be prepared says why when it is run.
		stmt, _ = p.prepare(ctx, text)
	}
	if stmt == nil {
		return p.db.QueryContext(ctx, text, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// preparedWriter runs statements in a transaction. What comes often it asks to
// be prepared after that, for there is no second connection.
type preparedWriter struct {
	tx *sql.Tx
	*statements
	mine   map[string]*sql.Stmt // those of the transaction
	wanted *[]string
}

func (p preparedWriter) ready(ctx context.Context, text string) *sql.Stmt {
	if stmt := p.mine[text]; stmt != nil {
		return stmt
	}
	if stmt := p.find(text); stmt != nil {
		p.mine[text] = p.tx.StmtContext(ctx, stmt)
		return p.mine[text]
	}
	if p.count(text) {
		*p.wanted = append(*p.wanted, text)
	}
	return nil
}

// ExecContext runs a statement that returns no rows.
func (p preparedWriter) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	if stmt := p.ready(ctx, text); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return p.tx.ExecContext(ctx, text, args...)
}

// QueryContext runs a query.
func (p preparedWriter) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if stmt := p.ready(ctx, text); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return p.tx.QueryContext(ctx, text, args...)
}
