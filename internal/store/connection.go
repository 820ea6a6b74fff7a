package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

const (
	// judgeLag is how long after a fact everything that was seen before it is
	// stored: nodes write at once, and the connections of one that died are ended
	// within some seconds. Only then it is judged what an interval is evidence of.
	judgeLag = 8 * time.Second
	// lostConnections bounds how many connections of a dead node end in one
	// transaction.
	lostConnections = 500
)

// WriteConnections stores connections of a node that began or ended: what was
// stored of the same sessions is replaced. What is known of the connectivity of
// their things, and the dynamic groups that ask for it, follow in the same
// transaction. Known is false when the node was taken for dead before, and what
// it had open for ended.
func (s *Store) WriteConnections(ctx context.Context, sc fleet.Scope, node string, list []fleet.Interval) (
	known bool, err error,
) {
	err = s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := s.writeConnections(ctx, q, scope, list); err != nil {
			return err
		}
		known, err = s.beatGateway(ctx, q, node)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store connections: %w", err)
	}
	return known, nil
}

func (s *Store) writeConnections(ctx context.Context, q querier, scope int64, list []fleet.Interval) error {
	list = lastOf(list, func(i *fleet.Interval) string { return i.Session },
		func(_, _ *fleet.Interval) bool { return true })
	things := map[string]bool{}
	for i := range list {
		if list[i].Thing != "" {
			things[list[i].Thing] = true
		}
	}
	names := sortedKeys(things)
	if len(names) > 0 {
		if err := shareDynamic(ctx, q, scope); err != nil {
			return err
		}
		if err := lockRows(ctx, q, thingRows, scope, names...); err != nil {
			return fmt.Errorf("lock things: %w", err)
		}
	}
	if err := upsertConnections(ctx, q, scope, list); err != nil {
		return err
	}
	if err := upsertClients(ctx, q, scope, list); err != nil {
		return err
	}
	return s.followConnectivity(ctx, q, scope, names, list)
}

// lastOf keeps one of those that have the same key, in the order of the keys:
// the last one that is newer than those before.
func lastOf(list []fleet.Interval, key func(*fleet.Interval) string, newer func(a, b *fleet.Interval) bool,
) []fleet.Interval {
	kept := make(map[string]fleet.Interval, len(list))
	keys := map[string]bool{}
	for i := range list {
		k := key(&list[i])
		if old, have := kept[k]; !have || newer(&list[i], &old) {
			kept[k] = list[i]
		}
		keys[k] = true
	}
	out := make([]fleet.Interval, 0, len(kept))
	for _, k := range sortedKeys(keys) {
		out = append(out, kept[k])
	}
	return out
}

// upsertConnections stores intervals by session, and when they are to be judged:
// once they have lasted for long enough to be evidence, and once they have ended.
func upsertConnections(ctx context.Context, q querier, scope int64, list []fleet.Interval) error {
	type interval = fleet.Interval
	const tail = ` WHERE true ON CONFLICT (scope, session) DO UPDATE SET until_at = excluded.until_at,
		reason = excluded.reason, displaced_by = excluded.displaced_by, due_at = excluded.due_at, judged = FALSE`
	err := insertion{table: "connections", tail: tail}.run(ctx, q, []column{
		{"session", collect(list, func(i *interval) string { return i.Session })},
		{"scope", repeat(scope, len(list))},
		{"node", collect(list, func(i *interval) string { return i.Node })},
		{"client_id", collect(list, func(i *interval) string { return i.ClientID })},
		{"certificate", collect(list, func(i *interval) string { return i.Certificate })},
		{"thing", collect(list, func(i *interval) string { return i.Thing })},
		{"address", collect(list, func(i *interval) string { return addressText(i.Address) })},
		{"from_at", collect(list, func(i *interval) int64 { return i.From.UnixMilli() })},
		{"until_at", collect(list, func(i *interval) *int64 { return nullMillis(i.Until) })},
		{"reason", collect(list, func(i *interval) string { return string(i.Reason) })},
		{"displaced_by", collect(list, func(i *interval) string { return i.DisplacedBy })},
		{"due_at", collect(list, func(i *interval) *int64 { return nullMillis(judgedFrom(i)) })},
	})
	if err != nil {
		return fmt.Errorf("store intervals: %w", err)
	}
	return nil
}

// judgedFrom is when an interval can be judged.
func judgedFrom(i *fleet.Interval) time.Time {
	if i.Until.IsZero() {
		return i.From.Add(fleet.SharedOverlap + judgeLag)
	}
	return i.Until.Add(judgeLag)
}

func addressText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// upsertClients stores which connection is the newest of each client id.
func upsertClients(ctx context.Context, q querier, scope int64, list []fleet.Interval) error {
	type interval = fleet.Interval
	list = lastOf(list, func(i *interval) string { return i.ClientID }, func(a, b *interval) bool {
		return a.From.After(b.From) || a.From.Equal(b.From) && a.Until.IsZero()
	})
	const tail = ` WHERE true ON CONFLICT (scope, client_id) DO UPDATE SET session = excluded.session,
		from_at = excluded.from_at, until_at = excluded.until_at
		WHERE excluded.from_at > connected_clients.from_at OR excluded.session = connected_clients.session
			OR excluded.from_at = connected_clients.from_at AND excluded.until_at IS NULL`
	err := insertion{table: "connected_clients", tail: tail}.run(ctx, q, []column{
		{"client_id", collect(list, func(i *interval) string { return i.ClientID })},
		{"scope", repeat(scope, len(list))},
		{"session", collect(list, func(i *interval) string { return i.Session })},
		{"from_at", collect(list, func(i *interval) int64 { return i.From.UnixMilli() })},
		{"until_at", collect(list, func(i *interval) *int64 { return nullMillis(i.Until) })},
	})
	if err != nil {
		return fmt.Errorf("store client ids: %w", err)
	}
	return nil
}

// connectivity is how a thing is connected.
type connectivity struct {
	thing     string
	connected bool
	at        int64
	reason    string
}

// followConnectivity stores how some things are connected now that intervals of
// theirs were stored, and has the dynamic groups follow that ask for it. The
// things are locked, and the transaction has called shareDynamic.
func (s *Store) followConnectivity(ctx context.Context, q querier, scope int64, things []string,
	list []fleet.Interval,
) error {
	if len(things) == 0 {
		return nil
	}
	a := args{"scope": scope}
	states, err := all(ctx, q, `SELECT t.name, (SELECT c.from_at FROM connections c WHERE c.scope = t.scope
			AND c.thing = t.name AND c.until_at IS NULL ORDER BY c.from_at DESC LIMIT 1)
		FROM things t WHERE t.scope = @scope AND `+q.dialect().in("t.name", "things", a, things), a,
		func(r scanner) (c connectivity, err error) {
			var since *int64
			err = r.Scan(&c.thing, &since)
			if c.connected = since != nil; c.connected {
				c.at = *since
			}
			return c, err
		})
	if err != nil {
		return fmt.Errorf("read connections of things: %w", err)
	}
	left := map[string]*fleet.Interval{} // the connection of a thing that ended last
	for i := range list {
		if old := left[list[i].Thing]; old == nil || list[i].Until.After(old.Until) {
			left[list[i].Thing] = &list[i]
		}
	}
	changed := states[:0]
	for _, c := range states {
		if last := left[c.thing]; !c.connected {
			c.at, c.reason = last.Until.UnixMilli(), string(last.Reason)
		}
		changed = append(changed, c)
	}
	if err := upsertConnectivity(ctx, q, scope, changed); err != nil {
		return err
	}
	return s.judgeConnectivity(ctx, q, scope, changed)
}

func upsertConnectivity(ctx context.Context, q querier, scope int64, list []connectivity) error {
	const tail = ` WHERE true ON CONFLICT (scope, thing) DO UPDATE SET connected = excluded.connected,
		reason = excluded.reason, changed_at = CASE WHEN excluded.changed_at > thing_connectivity.changed_at
			THEN excluded.changed_at ELSE thing_connectivity.changed_at END
		WHERE excluded.connected OR excluded.changed_at >= thing_connectivity.changed_at`
	err := insertion{table: "thing_connectivity", tail: tail}.run(ctx, q, []column{
		{"thing", collect(list, func(c *connectivity) string { return c.thing })},
		{"scope", repeat(scope, len(list))},
		{"connected", collect(list, func(c *connectivity) bool { return c.connected })},
		{"changed_at", collect(list, func(c *connectivity) int64 { return c.at })},
		{"reason", collect(list, func(c *connectivity) string { return c.reason })},
	})
	if err != nil {
		return fmt.Errorf("store connectivity of things: %w", err)
	}
	return nil
}

// judgeConnectivity has dynamic groups follow, if one of them asks how things
// are connected.
func (s *Store) judgeConnectivity(ctx context.Context, q querier, scope int64, list []connectivity) error {
	set, err := s.dynamicGroups(ctx, q, scope)
	if err != nil || !slices.ContainsFunc(set.groups, func(g dynamicGroup) bool { return g.query.UsesConnectivity() }) {
		return err
	}
	return s.judge(ctx, q, scope, collect(list, func(c *connectivity) string { return c.thing }))
}

// BeatGateway records that a node with connections is alive. Known is as in
// [Store.WriteConnections].
func (s *Store) BeatGateway(ctx context.Context, node string) (known bool, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		known, err = s.beatGateway(ctx, q, node)
		return err
	})
	return known, err
}

func (s *Store) beatGateway(ctx context.Context, q querier, node string) (known bool, err error) {
	a := args{"node": node, "alive": s.millis()}
	n, err := q.exec(ctx, `UPDATE gateway_nodes SET beat_at = `+q.dialect().now+`, alive_at = @alive
		WHERE node = @node AND beat_at > 0`, a)
	if err == nil && n == 0 {
		_, err = q.exec(ctx, `INSERT INTO gateway_nodes (node, beat_at, alive_at)
			VALUES (@node, `+q.dialect().now+`, @alive)
			ON CONFLICT (node) DO UPDATE SET beat_at = excluded.beat_at, alive_at = excluded.alive_at`, a)
	}
	if err != nil {
		return false, fmt.Errorf("record that a gateway is alive: %w", err)
	}
	return n > 0, nil
}

// ForgetGateway says that a node has no connections any more: it has ended them
// all.
func (s *Store) ForgetGateway(ctx context.Context, node string) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := q.exec(ctx, `DELETE FROM gateway_nodes WHERE node = @node AND NOT EXISTS (
			SELECT 1 FROM connections c WHERE c.node = @node AND c.until_at IS NULL)`, args{"node": node})
		return err
	})
}

// EndLost ends some connections of a node, not the caller's own, that has said
// nothing for a time, as of when it was last alive: whatever came after that
// nobody saw. It reports how many it ended and whether there may be more. On
// SQLite, which no other process can have open, every other node is dead.
func (s *Store) EndLost(ctx context.Context, own string, silence time.Duration) (ended int, more bool, err error) {
	if s.pool == nil {
		silence = 0
	}
	a := args{"own": own, "silence": silence.Milliseconds()}
	silent := `node <> @own AND beat_at <= ` + s.dialect.now + ` - @silence`
	nodes, err := all(ctx, s.read, `SELECT node FROM gateway_nodes WHERE `+silent+` ORDER BY node LIMIT 1`, a,
		scalar[string])
	if err != nil || len(nodes) == 0 {
		return 0, false, err
	}
	a["node"] = nodes[0]
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		ended = 0
		// From here on the node hears that it was taken for dead, should it wake up.
		alive, found, err := one(ctx, q, `UPDATE gateway_nodes SET beat_at = 0 WHERE node = @node AND `+silent+`
			RETURNING alive_at`, a, scalar[int64])
		if err != nil || !found {
			return err
		}
		ended, err = s.endConnections(ctx, q, nodes[0], fromMillis(alive))
		if err != nil || ended > 0 {
			return err
		}
		_, err = q.exec(ctx, `DELETE FROM gateway_nodes WHERE node = @node`, args{"node": nodes[0]})
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("end connections of a dead node: %w", err)
	}
	return ended, true, nil
}

// endConnections ends the first connections of a dead node, of one scope.
func (s *Store) endConnections(ctx context.Context, q querier, node string, at time.Time) (int, error) {
	scope, found, err := one(ctx, q, `SELECT scope FROM connections WHERE node = @node AND until_at IS NULL
		ORDER BY scope LIMIT 1`, args{"node": node}, scalar[int64])
	if err != nil || !found {
		return 0, err
	}
	list, err := all(ctx, q, `SELECT `+intervalColumns+` FROM connections c
		WHERE c.node = @node AND c.scope = @scope AND c.until_at IS NULL ORDER BY c.session LIMIT @limit`,
		args{"node": node, "scope": scope, "limit": lostConnections}, scanInterval(fleet.Scope{}))
	if err != nil {
		return 0, err
	}
	if now := s.now(); at.After(now) {
		at = now
	}
	for i := range list {
		list[i].Until, list[i].Reason = at, fleet.DisconnectServerError
		if list[i].From.After(at) {
			list[i].Until = list[i].From
		}
	}
	return len(list), s.writeConnections(ctx, q, scope, list)
}

const intervalColumns = `c.session, c.node, c.client_id, c.certificate, c.thing, c.address, c.from_at, c.until_at,
	c.reason, c.displaced_by`

// scanInterval reads intervalColumns and what more is given.
func scanInterval(sc fleet.Scope, more ...any) func(scanner) (fleet.Interval, error) {
	return func(r scanner) (fleet.Interval, error) {
		i := fleet.Interval{Scope: sc}
		var address string
		var from int64
		var until *int64
		err := r.Scan(append([]any{&i.Session, &i.Node, &i.ClientID, &i.Certificate, &i.Thing, &address, &from, &until,
			&i.Reason, &i.DisplacedBy}, more...)...)
		if address != "" {
			i.Address, _ = netip.ParseAddrPort(address) // we wrote it
		}
		i.From, i.Until = fromMillis(from), fromNullMillis(until)
		return i, err
	}
}

// ConnectedSession returns the connection that a client id has on any node, or
// nil: as far as it is stored, which takes a moment.
func (s *Store) ConnectedSession(ctx context.Context, sc fleet.Scope, clientID string) (i *fleet.Interval, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		found, ok, err := one(ctx, q, `SELECT `+intervalColumns+` FROM connected_clients k
			JOIN connections c ON c.scope = k.scope AND c.session = k.session
			WHERE k.scope = @scope AND k.client_id = @client AND k.until_at IS NULL`,
			args{"scope": scope, "client": clientID}, scanInterval(sc))
		if ok {
			i = &found
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find connection: %w", err)
	}
	return i, nil
}
