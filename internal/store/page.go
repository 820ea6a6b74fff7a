package store

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// batchRows is how many certificates are read while the ones before are judged.
const batchRows = 1000

// CertificatePage streams certificates as audits judge them, without PEM.
//
// On SQLite they are read on the reader pool, so that the slice judges and
// writes at the same time. It misses nothing by that: the slice is the one
// writer, and reads nothing that it writes. On PostgreSQL a second connection
// for every slice could leave all of them waiting for one.
func (s *Store) CertificatePage(ctx context.Context, tx durable.Tx, sc fleet.Scope, p audit.Page,
) iter.Seq2[[]fleet.Certificate, error] {
	return func(yield func([]fleet.Certificate, error) bool) {
		q := s.slice(tx)
		scope, err := s.scope(ctx, q, sc)
		if err != nil {
			yield(nil, err)
			return
		}
		read := certificateReader{q: q, scope: scope, page: p, batch: p.Limit}
		run := read.each
		if s.pool == nil {
			read.q, read.batch, run = s.read, batchRows, read.ahead
			ctx = context.WithoutCancel(ctx) // see sliceQuerier.context
		}
		err = run(ctx, func(list []fleet.Certificate) bool {
			defer used.Put(&list)
			return yield(list, nil)
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// used are batches that were looked at: a fleet in batches that are each made
// anew is work for the garbage collector.
var used sync.Pool

func freshBatch(n int) []fleet.Certificate {
	if list, ok := used.Get().(*[]fleet.Certificate); ok && cap(*list) >= n {
		return (*list)[:0]
	}
	return make([]fleet.Certificate, 0, n)
}

// certificateReader reads a page of certificates in batches.
type certificateReader struct {
	q     querier
	scope int64
	page  audit.Page
	batch int
}

// ahead reads the next batch while one is being looked at.
func (cr *certificateReader) ahead(ctx context.Context, yield func([]fleet.Certificate) bool) error {
	batches, stop, failed := make(chan []fleet.Certificate, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(batches)
		failed <- cr.each(ctx, func(list []fleet.Certificate) bool {
			select {
			case batches <- list:
				return true
			case <-stop:
				return false
			}
		})
	}()
	defer func() {
		close(stop)
		for range batches {
		}
	}()
	for list := range batches {
		if !yield(list) {
			return nil
		}
	}
	return <-failed
}

// each reads batch by batch until there are no more or nobody wants them.
func (cr *certificateReader) each(ctx context.Context, yield func([]fleet.Certificate) bool) error {
	row := &certificateRow{}
	dest, columns := row.dest(cr.page)
	first, last := certificateRange(cr.scope)
	r, err := cr.q.query(ctx, `SELECT `+columns+` FROM certificates WHERE seq > @after AND seq <= @last
		ORDER BY seq LIMIT @limit`, args{"after": max(cr.page.After, first-1), "last": last, "limit": cr.page.Limit})
	if err != nil {
		return err
	}
	defer r.Close()
	list := freshBatch(cr.batch)
	for r.Next() {
		if len(list) == cr.batch {
			if !yield(list) {
				return nil
			}
			list = freshBatch(cr.batch)
		}
		if err := r.Scan(dest...); err != nil {
			return err
		}
		list = append(list, row.certificate())
	}
	if err := errors.Join(r.Err(), r.Close()); err != nil {
		return err
	}
	if len(list) > 0 {
		yield(list)
	}
	return nil
}

// certificateRow is where the rows of a page are read, one after the other:
// what is written to through a pointer is made once. To a driver a [fleet.Status]
// could be anything, so the status is read as text.
type certificateRow struct {
	c                 fleet.Certificate
	status            string
	notAfter, created int64
}

func (row *certificateRow) dest(p audit.Page) (dest []any, columns string) {
	dest = []any{&row.c.Seq, &row.c.ID, &row.status, &row.c.Key.ROCA, &row.notAfter, &row.created}
	columns = `seq, id, status, roca, not_after, created_at`
	if p.Digests {
		dest = append(dest, &row.c.Key.DebianDigest, &row.c.Key.BadkeysDigest)
		columns += `, debian_digest, badkeys_digest`
	}
	if p.Sources {
		dest = append(dest, &row.c.Source)
		columns += `, source`
	}
	return dest, columns
}

func (row *certificateRow) certificate() fleet.Certificate {
	row.c.Status = fleet.Status(row.status)
	row.c.NotAfter, row.c.Created = fromMillis(row.notAfter), fromMillis(row.created)
	return row.c
}
