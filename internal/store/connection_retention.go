package store

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cordon-iot/cordon/internal/audit"
)

// seenTable is a table of what was seen of connections, whose rows go when they
// are too old for any audit.
type seenTable struct{ table, at, key, which string }

var seenTables = []seenTable{
	{"connections", "until_at", "session", "judged"},
	{"connected_clients", "until_at", "client_id", "until_at IS NOT NULL"},
	{"shared_certificates", "shared_at", "certificate", "NOT live"},
}

// seenPurge is how far a pass is through what was seen.
type seenPurge struct {
	horizon int64
	held    map[int64]int64 // since when a scope needs what was seen, if longer than others
	table   int             // of seenTables
	last    seenRow
}

// seenRow is a row of a seenTable.
type seenRow struct {
	at, scope int64
	key       string
}

// seen deletes some of what was seen before the windows of audits begin.
func (p *Purge) seen(ctx context.Context, q querier) (int64, error) {
	at := &p.connections
	if at.held == nil {
		if err := at.begin(ctx, q, p.store.now().Add(-audit.ConnectionWindow).UnixMilli()); err != nil {
			return 0, err
		}
	}
	for at.table < len(seenTables) {
		n, err := at.step(ctx, q, seenTables[at.table])
		if err != nil || n > 0 {
			return n, err
		}
		at.table++
		at.last = seenRow{}
	}
	return 0, nil
}

// begin finds out who needs what was seen for longer: schedules, whose next
// audit looks back to the one before, and audits that are running.
func (p *seenPurge) begin(ctx context.Context, q querier, horizon int64) error {
	p.horizon, p.held = horizon, map[int64]int64{}
	_, err := all(ctx, q, `SELECT scope, min(since) FROM (
			SELECT scope, last_run AS since FROM scheduled_audits WHERE last_run < @horizon
			UNION ALL
			SELECT scope, window_from FROM audits WHERE status = 'IN_PROGRESS' AND window_from < @horizon) x
		GROUP BY scope`, args{"horizon": horizon}, func(r scanner) (scope int64, err error) {
		var since int64
		err = r.Scan(&scope, &since)
		p.held[scope] = since
		return scope, err
	})
	if err != nil {
		return fmt.Errorf("find windows of audits: %w", err)
	}
	return nil
}

// step deletes of the next rows of a table those that nobody needs, and returns
// how many it looked at.
func (p *seenPurge) step(ctx context.Context, q querier, t seenTable) (int64, error) {
	if p.last.at == 0 {
		p.last.at = math.MinInt64
	}
	list, err := all(ctx, q, `SELECT `+t.at+`, scope, `+t.key+` FROM `+t.table+` WHERE `+t.which+` AND `+t.at+` < @horizon
		AND (`+t.at+`, scope, `+t.key+`) > (@at, @scope, @key) ORDER BY `+t.at+`, scope, `+t.key+` LIMIT @limit`,
		args{"horizon": p.horizon, "at": p.last.at, "scope": p.last.scope, "key": p.last.key, "limit": purgeSlice},
		func(r scanner) (x seenRow, err error) { return x, r.Scan(&x.at, &x.scope, &x.key) })
	if err != nil || len(list) == 0 {
		return 0, err
	}
	p.last = list[len(list)-1]
	old := map[int64][]string{}
	for _, x := range list {
		if since, held := p.held[x.scope]; !held || x.at < since {
			old[x.scope] = append(old[x.scope], x.key)
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(old)) {
		a := args{"scope": scope, "horizon": p.horizon}
		if _, err := q.exec(ctx, `DELETE FROM `+t.table+` WHERE scope = @scope AND `+t.which+` AND `+t.at+` < @horizon AND `+
			q.dialect().in(t.key, "keys", a, old[scope]), a); err != nil {
			return 0, fmt.Errorf("delete what was seen: %w", err)
		}
	}
	return int64(len(list)), nil
}
