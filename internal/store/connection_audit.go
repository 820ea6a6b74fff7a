package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Undecided reports whether connections of a scope that began or ended before a
// time were not judged yet.
func (s *Store) Undecided(ctx context.Context, sc fleet.Scope, before time.Time) (open bool, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		n, err := count(ctx, q, `SELECT count(*) FROM (SELECT 1 FROM connections WHERE scope = @scope
			AND due_at <= @last LIMIT 1) due`,
			args{"scope": scope, "last": before.Add(fleet.SharedOverlap + judgeLag).UnixMilli()})
		open = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for connections that are not judged: %w", err)
	}
	return open, nil
}

// SharedCertificates returns when certificates of a range of numbers, of one
// scope, were last seen to be shared.
func (s *Store) SharedCertificates(ctx context.Context, tx durable.Tx, t *audit.Task, first, last int64) (
	map[int64]time.Time, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, t.Scope)
	if err != nil {
		return nil, err
	}
	out := map[int64]time.Time{}
	_, err = all(ctx, q, `SELECT seq, live, shared_at FROM shared_certificates
		WHERE scope = @scope AND seq >= @first AND seq <= @last`,
		args{"scope": scope, "first": first, "last": last}, func(r scanner) (seq int64, err error) {
			var live bool
			var at int64
			err = r.Scan(&seq, &live, &at)
			if out[seq] = fromZero(at); live {
				out[seq] = t.WindowTo
			}
			return seq, err
		})
	if err != nil {
		return nil, fmt.Errorf("read shared certificates: %w", err)
	}
	return out, nil
}

// ClientPage lists client ids by name.
func (s *Store) ClientPage(ctx context.Context, tx durable.Tx, sc fleet.Scope, after string, limit int) (
	[]fleet.Client, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	return all(ctx, q, `SELECT client_id, from_at, until_at, conflict_at FROM connected_clients
		WHERE scope = @scope AND client_id > @after ORDER BY client_id LIMIT @limit`,
		args{"scope": scope, "after": after, "limit": limit}, func(r scanner) (c fleet.Client, err error) {
			var from, conflict int64
			var until *int64
			err = r.Scan(&c.ID, &from, &until, &conflict)
			c.From, c.Until, c.Conflict = fromMillis(from), fromNullMillis(until), fromZero(conflict)
			return c, err
		})
}

// sightingColumns are what is read of a connection, with up to when it is
// evidence of what is asked for.
const sightingColumns = `SELECT session, client_id, certificate, from_at, until_at, `

// sighting is a connection that may be evidence in a window.
type sighting struct {
	fleet.Sighting
	at int64 // up to when it is evidence
}

func scanSighting(r scanner) (x sighting, err error) {
	var from int64
	var until *int64
	err = r.Scan(&x.Session, &x.ClientID, &x.Certificate, &from, &until, &x.at)
	x.From, x.Until = fromMillis(from), fromNullMillis(until)
	return x, err
}

// Sightings lists the connections that show, in the window of an audit, what it
// found, the newest first.
func (s *Store) Sightings(ctx context.Context, tx durable.Tx, t *audit.Task, sq audit.SightingQuery) (
	page audit.SightingPage, err error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, t.Scope)
	if err != nil {
		return page, err
	}
	a := args{"scope": scope, "key": sq.ClientID, "from": t.WindowTo.UnixMilli(), "session": "", "limit": sq.Limit}
	// The first page begins with what began when the window ended.
	if a["from"] = t.WindowTo.UnixMilli() + 1; sq.Before.Session != "" {
		a["from"], a["session"] = sq.Before.From.UnixMilli(), sq.Before.Session
	}
	const tail = ` AND (from_at, session) < (@from, @session) ORDER BY from_at DESC, session DESC LIMIT @limit`
	text := sightingColumns + `conflict_at FROM connections WHERE scope = @scope AND client_id = @key AND conflict_at > 0`
	if sq.Certificate != "" {
		a["key"] = sq.Certificate
		text = sightingColumns + `shared_at FROM connections WHERE scope = @scope AND certificate = @key AND shared_at > 0`
	}
	list, err := all(ctx, q, text+tail, a, scanSighting)
	if err == nil && sq.Certificate != "" {
		list, err = s.withLive(ctx, q, list, a, tail)
	}
	if err != nil {
		return page, fmt.Errorf("list connections: %w", err)
	}
	page.Looked = len(list)
	for i := range list {
		if list[i].at >= t.WindowFrom.UnixMilli() {
			page.List = append(page.List, list[i].Sighting)
		}
	}
	if len(list) == sq.Limit {
		last := &list[len(list)-1]
		page.Last = audit.SightingPosition{From: last.From, Session: last.Session}
	}
	return page, nil
}

// withLive adds the connections that are there now to a page of those of a
// certificate, if several clients use it. All of them are evidence that have
// lasted for long enough.
func (s *Store) withLive(ctx context.Context, q querier, list []sighting, a args, tail string) ([]sighting, error) {
	live, _, err := one(ctx, q, `SELECT live FROM shared_certificates WHERE scope = @scope AND certificate = @key`,
		args{"scope": a["scope"], "key": a["key"]}, scalar[bool])
	if err != nil || !live {
		return list, err
	}
	now := s.now()
	open, err := all(ctx, q, sightingColumns+`shared_at FROM connections WHERE scope = @scope AND certificate = @key
		AND until_at IS NULL`+tail, a, scanSighting)
	if err != nil {
		return nil, err
	}
	for i := range open {
		if fleet.Overlapped(open[i].From, open[i].From, now) {
			open[i].at = math.MaxInt64
		}
	}
	// What is in both is kept as it is in the second.
	list = slices.Concat(open, list)
	slices.SortStableFunc(list, func(x, y sighting) int {
		return cmp.Or(y.From.Compare(x.From), cmp.Compare(y.Session, x.Session))
	})
	list = slices.CompactFunc(list, func(x, y sighting) bool { return x.Session == y.Session })
	return list[:min(len(list), a["limit"].(int))], nil
}
