package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/crl"
	"github.com/cordon-iot/cordon/internal/revocation"
)

// The states of a load of revocations.
const (
	loadRunning = "RUNNING"
	loadLive    = "LIVE"
	loadDead    = "DEAD"
)

// RevocationLists lists those of some issuers, by their keys, that were
// imported (without a URL) or had from a URL.
func (s *Store) RevocationLists(ctx context.Context, sc fleet.Scope, issuerKeys []string, url string) (
	list []revocation.List, err error,
) {
	if len(issuerKeys) == 0 {
		return nil, nil
	}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a := args{"scope": scope, "url": url}
		list, err = all(ctx, q, `SELECT `+listColumns+` FROM crls WHERE scope = @scope AND url = @url AND `+
			q.dialect().in("issuer_key", "keys", a, issuerKeys), a, scanList)
		slices.SortFunc(list, func(x, y revocation.List) int { return cmp.Compare(x.ID, y.ID) }) // one of each issuer
		if err != nil {
			return fmt.Errorf("find revocation lists: %w", err)
		}
		return nil
	})
	return list, err
}

// AllRevocationLists lists the lists of a scope behind one.
func (s *Store) AllRevocationLists(ctx context.Context, sc fleet.Scope, after int64, limit int) (
	list []revocation.List, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+listColumns+` FROM crls WHERE scope = @scope AND list > @after
			ORDER BY list LIMIT @limit`, args{"scope": scope, "after": after, "limit": limit}, scanList)
		if err != nil {
			return fmt.Errorf("list revocation lists: %w", err)
		}
		return nil
	})
	return list, err
}

const listColumns = `list, issuer_key, url, issuer_name, number, this_update, next_update, entries, covers, digest`

func scanList(r scanner) (l revocation.List, err error) {
	var from, to int64
	err = r.Scan(&l.ID, &l.IssuerKey, &l.URL, &l.IssuerName, &l.Number, &from, &to, &l.Entries, &l.Covers, &l.Digest)
	l.ThisUpdate, l.NextUpdate = fromMillis(from), fromMillis(to)
	return l, err
}

// BeginLoad begins to store the entries of a revocation list.
func (s *Store) BeginLoad(ctx context.Context, sc fleet.Scope) (load int64, err error) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		numbers, err := nextSeq(ctx, q, 1)
		if err != nil {
			return fmt.Errorf("number load: %w", err)
		}
		load = numbers[0]
		_, err = q.exec(ctx, `INSERT INTO crl_loads (load, scope, state, beat_at) VALUES (@load, @scope, @state, @now)`,
			args{"load": load, "scope": scope, "state": loadRunning, "now": s.millis()})
		if err != nil {
			return fmt.Errorf("begin load: %w", err)
		}
		return nil
	})
	return load, err
}

// AddRevoked stores entries of a list that is being loaded. One that is stored
// already stays. A load that was swept because it took too long is a Conflict
// fault.
func (s *Store) AddRevoked(ctx context.Context, load int64, entries []crl.Entry) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		if err := touchLoad(ctx, q, load, loadRunning, s.millis()); err != nil {
			return err
		}
		err := insertNewRows(ctx, q, "revoked_serials", []column{
			{"load", repeat(load, len(entries))},
			{"serial", collect(entries, func(e *crl.Entry) string { return e.Serial })},
			{"reason", collect(entries, func(e *crl.Entry) int64 { return int64(e.Reason) })},
			{"revoked_at", collect(entries, func(e *crl.Entry) int64 { return e.Revoked.UnixMilli() })},
		})
		if err != nil && len(entries) > 0 {
			return fmt.Errorf("store revocations: %w", err)
		}
		return nil
	})
}

// touchLoad keeps a load that runs from being swept, or ends it.
func touchLoad(ctx context.Context, q querier, load int64, state string, now int64) error {
	n, err := q.exec(ctx, `UPDATE crl_loads SET beat_at = @now, state = @state WHERE load = @load AND state = 'RUNNING'`,
		args{"load": load, "now": now, "state": state})
	if err != nil {
		return fmt.Errorf("keep load: %w", err)
	}
	if n == 0 {
		return fault.New(fault.Conflict, "the load of the revocation list took too long")
	}
	return nil
}

// FinishLoad makes what was loaded the entries of a list, all at once, and gives
// the list its ID. A list of the same place that is newer stays, and is an Exists
// fault.
func (s *Store) FinishLoad(ctx context.Context, sc fleet.Scope, load int64, l *revocation.List) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return fmt.Errorf("lock scope: %w", err)
		}
		a := args{"scope": scope, "key": l.IssuerKey, "url": l.URL}
		type stored struct {
			revocation.List
			live int64
		}
		old, known, err := one(ctx, q, `SELECT list, number, this_update, live FROM crls
			WHERE scope = @scope AND issuer_key = @key AND url = @url`, a, func(r scanner) (o stored, err error) {
			var from int64
			err = r.Scan(&o.ID, &o.Number, &from, &o.live)
			o.ThisUpdate = fromMillis(from)
			return o, err
		})
		if err != nil {
			return fmt.Errorf("find revocation list: %w", err)
		}
		if known && old.Newer(l) {
			// What was loaded is swept with the loads that nobody finishes.
			return fault.New(fault.Exists, "A newer revocation list of this issuer is known: %s", old.About())
		}
		if err := touchLoad(ctx, q, load, loadLive, s.millis()); err != nil {
			return err
		}
		if known {
			_, err = q.exec(ctx, `UPDATE crl_loads SET state = 'DEAD', beat_at = @now WHERE load = @load`,
				args{"load": old.live, "now": s.millis()})
			if err != nil {
				return fmt.Errorf("end load: %w", err)
			}
		}
		return saveList(ctx, q, savedList{l, scope, load, old.ID, s.millis()})
	})
}

// savedList is a list in place of an old one, 0 for none.
type savedList struct {
	*revocation.List
	scope, live, old, now int64
}

func saveList(ctx context.Context, q querier, l savedList) error {
	a := args{
		"number": l.Number, "from": l.ThisUpdate.UnixMilli(), "to": l.NextUpdate.UnixMilli(), "entries": l.Entries,
		"covers": string(l.Covers), "digest": l.Digest, "live": l.live, "now": l.now, "list": l.old,
	}
	text := `UPDATE crls SET number = @number, this_update = @from, next_update = @to, entries = @entries,
		covers = @covers, digest = @digest, live = @live, stored_at = @now WHERE list = @list`
	if l.old == 0 {
		numbers, err := nextSeq(ctx, q, 1)
		if err != nil {
			return fmt.Errorf("number revocation list: %w", err)
		}
		a["list"], a["scope"], a["key"], a["url"], a["name"] = numbers[0], l.scope, l.IssuerKey, l.URL, l.IssuerName
		text = `INSERT INTO crls (list, scope, issuer_key, url, issuer_name, number, this_update, next_update, entries,
				covers, digest, live, stored_at)
			VALUES (@list, @scope, @key, @url, @name, @number, @from, @to, @entries, @covers, @digest, @live, @now)`
	}
	l.ID = a["list"].(int64)
	if _, err := q.exec(ctx, text, a); err != nil {
		return fmt.Errorf("store revocation list: %w", err)
	}
	return nil
}

// StaleSources lists sources of revocations that were last looked at before a
// time, the longest ago first.
func (s *Store) StaleSources(ctx context.Context, sc fleet.Scope, before time.Time, limit int) (
	list []revocation.Source, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT o.source, `+originColumns+` FROM crl_sources o
			WHERE o.scope = @scope AND o.checked_at < @before ORDER BY o.checked_at, o.source LIMIT @limit`,
			args{"scope": scope, "before": before.UnixMilli(), "limit": limit},
			func(r scanner) (out revocation.Source, err error) {
				var points string
				err = r.Scan(&out.ID, &out.Issuer, &out.IssuerName, &out.KeyID, &out.CA, &out.Self, &points)
				if err != nil {
					return out, err
				}
				return out, fromJSON(points, &out.Points)
			})
		if err != nil {
			return fmt.Errorf("list sources of revocations: %w", err)
		}
		return nil
	})
	return list, err
}

// SaveOutcomes stores what was found out about sources of revocations at a
// time. An older look does not replace a newer one.
func (s *Store) SaveOutcomes(ctx context.Context, sc fleet.Scope, at time.Time, list []revocation.Outcome) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return fmt.Errorf("lock scope: %w", err)
		}
		var lists, issuers [2][]int64
		for _, o := range list {
			n, err := q.exec(ctx, `UPDATE crl_sources SET state = @state, reason = @reason, chain = @chain,
				checked_at = @at WHERE scope = @scope AND source = @source AND checked_at <= @at`,
				args{
					"scope": scope, "source": o.Source, "state": string(o.State), "reason": o.Reason, "chain": o.Chain,
					"at": at.UnixMilli(),
				})
			if err != nil {
				return fmt.Errorf("store what was found of revocations: %w", err)
			}
			if n == 0 {
				continue
			}
			for _, table := range []string{"crl_source_lists", "crl_source_issuers"} {
				if _, err := q.exec(ctx, `DELETE FROM `+table+` WHERE source = @source`, args{"source": o.Source}); err != nil {
					return fmt.Errorf("replace what was found of revocations: %w", err)
				}
			}
			lists[0] = append(lists[0], repeat(o.Source, len(o.Lists))...)
			lists[1] = append(lists[1], o.Lists...)
			issuers[0] = append(issuers[0], repeat(o.Source, len(o.Issuers))...)
			issuers[1] = append(issuers[1], o.Issuers...)
		}
		err := insertNewRows(ctx, q, "crl_source_lists", []column{{"source", lists[0]}, {"list", lists[1]}})
		if err == nil {
			err = insertNewRows(ctx, q, "crl_source_issuers", []column{{"source", issuers[0]}, {"issuer", issuers[1]}})
		}
		if err != nil {
			return fmt.Errorf("store what was found of revocations: %w", err)
		}
		return nil
	})
}
