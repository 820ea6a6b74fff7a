package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

const messageColumns = `m.seq, p.account, p.region, m.id, m.topic_arn, m.role_arn, m.subject, m.structure, m.attributes,
	m.body, m.created_at`

// messageRow is a message as it is scanned.
type messageRow struct {
	notify.Message
	attributes string
	created    int64
}

func (m *messageRow) places() []any {
	return []any{
		&m.Seq, &m.Scope.Account, &m.Scope.Region, &m.ID, &m.TopicARN, &m.RoleARN, &m.Subject, &m.Structure,
		&m.attributes, &m.Body, &m.created,
	}
}

func (m *messageRow) message() (*notify.Message, error) {
	m.Created = fromMillis(m.created)
	if m.attributes == "{}" {
		return &m.Message, nil
	}
	return &m.Message, fromJSON(m.attributes, &m.Attributes)
}

// PendingMessages lists the messages of all scopes that have no deliveries yet
// by Seq, behind one.
func (s *Store) PendingMessages(ctx context.Context, after int64, limit int) ([]notify.Message, error) {
	list, err := all(ctx, s.read, `SELECT `+messageColumns+` FROM topic_messages m JOIN scopes p ON p.scope = m.scope
		WHERE m.state = 'PENDING' AND m.seq > @after ORDER BY m.seq LIMIT @limit`,
		args{"after": after, "limit": limit}, func(r scanner) (notify.Message, error) {
			row := &messageRow{}
			if err := r.Scan(row.places()...); err != nil {
				return notify.Message{}, err
			}
			m, err := row.message()
			return *m, err
		})
	if err != nil {
		return nil, fmt.Errorf("list pending messages: %w", err)
	}
	return list, nil
}

// FanOut gives messages their deliveries, and returns how many of them were
// still pending. The caller bounds how many deliveries that are.
func (s *Store) FanOut(ctx context.Context, list []notify.FanOut) (settled int, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		mine, err := settleMessages(ctx, q, list)
		if err != nil {
			return err
		}
		settled = len(mine)
		return s.deliver(ctx, q, mine)
	})
	return settled, err
}

// settleMessages ends the waiting of messages, and returns those that nobody
// else settled, in their order.
func settleMessages(ctx context.Context, q querier, list []notify.FanOut) ([]notify.FanOut, error) {
	var sent []int64
	mine := map[int64]bool{}
	for _, f := range list {
		if f.Refused == "" {
			sent = append(sent, f.Message.Seq)
			continue
		}
		n, err := q.exec(ctx, `UPDATE topic_messages SET state = 'REFUSED', reason = @reason
			WHERE seq = @seq AND state = 'PENDING'`, args{"reason": f.Refused, "seq": f.Message.Seq})
		if err != nil {
			return nil, fmt.Errorf("refuse message: %w", err)
		}
		mine[f.Message.Seq] = n == 1
	}
	if len(sent) > 0 {
		a := args{}
		done, err := all(ctx, q, `UPDATE topic_messages SET state = 'SENT' WHERE state = 'PENDING' AND `+
			q.dialect().in("seq", "seqs", a, sent)+` RETURNING seq`, a, scalar[int64])
		if err != nil {
			return nil, fmt.Errorf("settle messages: %w", err)
		}
		for _, seq := range done {
			mine[seq] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(f notify.FanOut) bool { return !mine[f.Message.Seq] }), nil
}

// deliver makes the deliveries of messages, each when it is the turn of its
// message.
func (s *Store) deliver(ctx context.Context, q querier, list []notify.FanOut) error {
	now := s.millis()
	turns, err := takeTurns(ctx, q, list, now)
	if err != nil {
		return err
	}
	scopes, err := scopesOfSubscriptions(ctx, q, list)
	if err != nil {
		return err
	}
	var rows []newDelivery
	for i, f := range list {
		for _, u := range f.Subscriptions {
			scope := scopes[u]
			if u == notify.Forwarded {
				if scope, err = s.scope(ctx, q, f.Message.Scope); err != nil {
					return err
				}
			}
			if scope != 0 { // else the subscription has ended
				rows = append(rows, newDelivery{
					scope: scope, kind: notify.DeliverMessage, message: f.Message.Seq, subscription: u,
					next: turns[i], created: now,
				})
			}
		}
	}
	return insertDeliveries(ctx, q, rows)
}

// takeTurns says when each message is sent, so that no topic sends more of them
// a second than it may.
func takeTurns(ctx context.Context, q querier, list []notify.FanOut, now int64) ([]int64, error) {
	turns := make([]int64, len(list))
	topics := map[string][]int{}
	for i, f := range list {
		turns[i] = now
		if f.Rate > 0 && f.Refused == "" && len(f.Subscriptions) > 0 {
			topics[f.Message.TopicARN] = append(topics[f.Message.TopicARN], i)
		}
	}
	// In one order for everybody, so that no two wait for each other.
	for _, arn := range slices.Sorted(maps.Keys(topics)) {
		places := topics[arn]
		rate := int64(list[places[0]].Rate)
		span := (int64(len(places))*1000 + rate - 1) / rate
		free, _, err := one(ctx, q, `INSERT INTO topic_rates (topic_arn, free_at)
			VALUES (@arn, CAST(@now AS BIGINT) + CAST(@span AS BIGINT))
			ON CONFLICT (topic_arn) DO UPDATE SET free_at = CAST(@span AS BIGINT) +
				CASE WHEN topic_rates.free_at > @now THEN topic_rates.free_at ELSE CAST(@now AS BIGINT) END
			RETURNING free_at`, args{"arn": arn, "now": now, "span": span}, scalar[int64])
		if err != nil {
			return nil, fmt.Errorf("take turns of topic: %w", err)
		}
		for k, i := range places {
			turns[i] = free - span + int64(k)*1000/rate
		}
	}
	return turns, nil
}

// scopesOfSubscriptions are the scopes of those that there still are, by Seq.
func scopesOfSubscriptions(ctx context.Context, q querier, list []notify.FanOut) (map[int64]int64, error) {
	wanted := map[int64]bool{}
	for _, f := range list {
		for _, u := range f.Subscriptions {
			wanted[u] = true
		}
	}
	scopes := map[int64]int64{}
	if len(wanted) == 0 {
		return scopes, nil
	}
	type row struct{ seq, scope int64 }
	a := args{}
	have, err := all(ctx, q, `SELECT seq, scope FROM topic_subscriptions WHERE state = 'CONFIRMED' AND `+
		q.dialect().in("seq", "seqs", a, slices.Sorted(maps.Keys(wanted))), a,
		func(r scanner) (u row, err error) { return u, r.Scan(&u.seq, &u.scope) })
	if err != nil {
		return nil, fmt.Errorf("find subscriptions: %w", err)
	}
	for _, u := range have {
		scopes[u.seq] = u.scope
	}
	return scopes, nil
}

// newDelivery is a delivery to be stored.
type newDelivery struct {
	scope                 int64
	kind                  notify.DeliveryKind
	message, subscription int64
	next, created         int64
}

func insertDeliveries(ctx context.Context, q querier, list []newDelivery) error {
	if len(list) == 0 {
		return nil
	}
	seqs, err := nextSeq(ctx, q, len(list))
	if err != nil {
		return fmt.Errorf("number deliveries: %w", err)
	}
	err = insertRows(ctx, q, "topic_deliveries", []column{
		{"seq", seqs},
		{"scope", collect(list, func(d *newDelivery) int64 { return d.scope })},
		{"kind", collect(list, func(d *newDelivery) string { return string(d.kind) })},
		{"message", collect(list, func(d *newDelivery) int64 { return d.message })},
		{"subscription", collect(list, func(d *newDelivery) int64 { return d.subscription })},
		{"state", repeat(string(notify.Waiting), len(list))},
		{"attempt", repeat(int64(0), len(list))},
		{"next_at", collect(list, func(d *newDelivery) int64 { return d.next })},
		{"error", repeat("", len(list))},
		{"created_at", collect(list, func(d *newDelivery) int64 { return d.created })},
	})
	if err != nil {
		return fmt.Errorf("store deliveries: %w", err)
	}
	return nil
}

// DueSubscriptions lists subscriptions by Seq, behind one, that have a delivery
// which is due. It looks at one delivery of each subscription that has any.
func (s *Store) DueSubscriptions(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error) {
	a := args{"now": now.UnixMilli()}
	due, err := count(ctx, s.read, `SELECT count(*) FROM (SELECT 1 FROM topic_deliveries
		WHERE state = 'WAITING' AND next_at <= @now LIMIT 1) d`, a)
	if err != nil || due == 0 {
		return nil, err
	}
	a["after"], a["limit"] = after, limit
	list, err := all(ctx, s.read, `WITH RECURSIVE waiting (subscription) AS (
			SELECT (SELECT min(d.subscription) FROM topic_deliveries d WHERE d.state = 'WAITING' AND d.subscription > @after)
			UNION ALL
			SELECT (SELECT min(d.subscription) FROM topic_deliveries d
				WHERE d.state = 'WAITING' AND d.subscription > w.subscription)
			FROM waiting w WHERE w.subscription IS NOT NULL)
		SELECT w.subscription FROM waiting w WHERE w.subscription IS NOT NULL AND (SELECT min(d.next_at)
			FROM topic_deliveries d WHERE d.state = 'WAITING' AND d.subscription = w.subscription) <= @now
		LIMIT @limit`, a, scalar[int64])
	if err != nil {
		return nil, fmt.Errorf("find due deliveries: %w", err)
	}
	return list, nil
}

// dropLimit is how many deliveries that go nowhere are deleted at a time.
const dropLimit = 1000

// ClaimDeliveries takes due deliveries to a subscription, the longest due
// first, and counts a try for each. Those of a subscription that has ended are
// deleted instead.
func (s *Store) ClaimDeliveries(ctx context.Context, c notify.Claim) (list []notify.Delivery, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		if c.Subscription != notify.Forwarded {
			have, err := count(ctx, q, `SELECT count(*) FROM topic_subscriptions WHERE seq = @subscription`,
				args{"subscription": c.Subscription})
			if err == nil && have == 0 {
				_, err = q.exec(ctx, `DELETE FROM topic_deliveries WHERE seq IN (SELECT seq FROM topic_deliveries
					WHERE subscription = @subscription AND state = 'WAITING' ORDER BY next_at, seq LIMIT @limit)`,
					args{"subscription": c.Subscription, "limit": dropLimit})
			}
			if err != nil || have == 0 {
				return err
			}
		}
		seqs, err := all(ctx, q, `UPDATE topic_deliveries SET attempt = attempt + 1, next_at = @until,
				first_at = COALESCE(first_at, @now)
			WHERE seq IN (SELECT seq FROM topic_deliveries WHERE subscription = @subscription AND state = 'WAITING'
				AND next_at <= @now ORDER BY next_at, seq LIMIT @limit)
			AND state = 'WAITING' AND next_at <= @now RETURNING seq`,
			args{
				"subscription": c.Subscription, "now": c.Now.UnixMilli(), "until": c.Until.UnixMilli(), "limit": c.Limit,
			}, scalar[int64])
		if err != nil || len(seqs) == 0 {
			return err
		}
		a := args{}
		list, err = deliveries(ctx, q, `WHERE `+q.dialect().in("d.seq", "seqs", a, seqs)+` ORDER BY d.seq`, a)
		if err != nil || len(list) == len(seqs) {
			return err
		}
		return dropOrphans(ctx, q, seqs, list)
	})
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	return list, nil
}

// dropOrphans deletes deliveries whose message is no longer kept: those that are
// not in the list.
func dropOrphans(ctx context.Context, q querier, seqs []int64, list []notify.Delivery) error {
	gone := slices.DeleteFunc(seqs, func(seq int64) bool {
		return slices.ContainsFunc(list, func(d notify.Delivery) bool { return d.Seq == seq })
	})
	a := args{}
	_, err := q.exec(ctx, `DELETE FROM topic_deliveries WHERE `+q.dialect().in("seq", "seqs", a, gone), a)
	return err
}

// deliveries reads deliveries with what they carry and where to. One whose
// message is gone is left out.
func deliveries(ctx context.Context, q querier, where string, a args) ([]notify.Delivery, error) {
	type row struct {
		delivery      notify.Delivery
		message       int64
		subscription  int64
		next, created int64
		first, ended  *int64
	}
	rows, err := all(ctx, q, `SELECT d.seq, p.account, p.region, d.kind, d.state, d.attempt, d.next_at, d.first_at,
			d.ended_at, d.error, d.created_at, d.message, d.subscription
		FROM topic_deliveries d JOIN scopes p ON p.scope = d.scope `+where, a, func(r scanner) (v row, err error) {
		d := &v.delivery
		return v, r.Scan(&d.Seq, &d.Scope.Account, &d.Scope.Region, &d.Kind, &d.State, &d.Attempt, &v.next, &v.first,
			&v.ended, &d.Error, &v.created, &v.message, &v.subscription)
	})
	if err != nil {
		return nil, err
	}
	messages, err := messagesBySeq(ctx, q, collect(rows, func(v *row) int64 { return v.message }))
	if err != nil {
		return nil, err
	}
	receivers, err := subscriptionsBySeq(ctx, q, collect(rows, func(v *row) int64 { return v.subscription }))
	if err != nil {
		return nil, err
	}
	var list []notify.Delivery
	for _, v := range rows {
		d := v.delivery
		d.Next, d.Created = fromMillis(v.next), fromMillis(v.created)
		d.First, d.Ended = fromNullMillis(v.first), fromNullMillis(v.ended)
		d.Message, d.Receiver = messages[v.message], receivers[v.subscription]
		if d.Message != nil || d.Kind.Asks() {
			list = append(list, d)
		}
	}
	return list, nil
}

func messagesBySeq(ctx context.Context, q querier, seqs []int64) (map[int64]*notify.Message, error) {
	out := map[int64]*notify.Message{}
	slices.Sort(seqs)
	if seqs = slices.Compact(seqs); len(seqs) == 0 {
		return out, nil
	}
	a := args{}
	rows, err := all(ctx, q, `SELECT `+messageColumns+` FROM topic_messages m JOIN scopes p ON p.scope = m.scope
		WHERE `+q.dialect().in("m.seq", "seqs", a, seqs), a, func(r scanner) (*notify.Message, error) {
		row := &messageRow{}
		if err := r.Scan(row.places()...); err != nil {
			return nil, err
		}
		return row.message()
	})
	for _, m := range rows {
		out[m.Seq] = m
	}
	return out, err
}

func subscriptionsBySeq(ctx context.Context, q querier, seqs []int64) (map[int64]*notify.Subscription, error) {
	out := map[int64]*notify.Subscription{}
	slices.Sort(seqs)
	if seqs = slices.Compact(seqs); len(seqs) == 0 {
		return out, nil
	}
	a := args{}
	rows, err := all(ctx, q, `SELECT `+subscriptionColumns+fromSubscriptions+`WHERE `+
		q.dialect().in("u.seq", "seqs", a, seqs), a, scanSubscription)
	for i := range rows {
		out[rows[i].Seq] = &rows[i]
	}
	return out, err
}

// SettleDeliveries stores how tries went. One that was claimed again since is
// left out.
func (s *Store) SettleDeliveries(ctx context.Context, list []notify.Outcome) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		for _, o := range list {
			next := o.Delivery.Next
			var ended time.Time
			if o.State == notify.Waiting {
				next = o.Next
			} else {
				ended = o.At
			}
			if _, err := q.exec(ctx, `UPDATE topic_deliveries SET state = @state, next_at = @next, ended_at = @ended,
				error = @error WHERE seq = @seq AND attempt = @attempt AND state = 'WAITING'`,
				args{
					"seq": o.Delivery.Seq, "attempt": o.Delivery.Attempt, "state": string(o.State), "next": next.UnixMilli(),
					"ended": nullMillis(ended), "error": o.Error,
				}); err != nil {
				return fmt.Errorf("settle delivery: %w", err)
			}
		}
		return nil
	})
}

// DeadLetters lists the dead deliveries of a scope by Seq, behind one. Those
// that cannot be delivered any more are left out, so a page may be short: the
// next one begins behind last.
func (s *Store) DeadLetters(ctx context.Context, sc fleet.Scope, after int64, limit int) (
	list []notify.Delivery, last int64, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		seqs, err := all(ctx, q, `SELECT seq FROM topic_deliveries WHERE scope = @scope AND state = 'DEAD' AND seq > @after
			ORDER BY seq LIMIT @limit`, args{"scope": scope, "after": after, "limit": limit}, scalar[int64])
		if err != nil || len(seqs) == 0 {
			return err
		}
		if len(seqs) == limit {
			last = seqs[limit-1]
		}
		a := args{}
		list, err = deliveries(ctx, q, `WHERE d.state = 'DEAD' AND `+q.dialect().in("d.seq", "seqs", a, seqs)+
			` ORDER BY d.seq`, a)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list dead letters: %w", err)
	}
	return list, last, nil
}

// Replay makes dead deliveries of a scope wait again, as if new: those of a
// list of Seqs, or the first ones of all where it is nil. It returns how many.
func (s *Store) Replay(ctx context.Context, sc fleet.Scope, seqs []int64, from time.Time, limit int) (int, error) {
	var replayed int64
	err := s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) (err error) {
		a := args{"scope": scope, "from": from.UnixMilli(), "limit": limit}
		chosen := ""
		if seqs != nil {
			if len(seqs) == 0 {
				return nil
			}
			chosen = ` AND ` + q.dialect().in("seq", "seqs", a, seqs)
		}
		replayed, err = q.exec(ctx, `UPDATE topic_deliveries SET state = 'WAITING', attempt = 0, first_at = NULL,
			ended_at = NULL, next_at = @from WHERE state = 'DEAD' AND seq IN (SELECT seq FROM topic_deliveries
				WHERE scope = @scope AND state = 'DEAD'`+chosen+` ORDER BY seq LIMIT @limit)`, a)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("replay dead letters: %w", err)
	}
	return int(replayed), nil
}

// Backlog counts the messages without deliveries, and the deliveries that wait
// or are dead, up to a limit each.
func (s *Store) Backlog(ctx context.Context, limit int) (b notify.Backlog, err error) {
	var errs []error
	n := func(text string) int {
		n, err := count(ctx, s.read, `SELECT count(*) FROM (`+text+` LIMIT @limit) b`, args{"limit": limit})
		errs = append(errs, err)
		return int(n)
	}
	b.Pending = n(`SELECT 1 FROM topic_messages WHERE state = 'PENDING'`)
	b.Waiting = n(`SELECT 1 FROM topic_deliveries WHERE state = 'WAITING'`)
	b.Dead = n(`SELECT 1 FROM topic_deliveries WHERE state = 'DEAD'`)
	for _, text := range []string{
		`SELECT created_at FROM topic_messages WHERE state = 'PENDING' ORDER BY seq LIMIT 1`,
		`SELECT created_at FROM topic_deliveries WHERE state = 'WAITING' ORDER BY next_at LIMIT 1`,
	} {
		at, ok, err := one(ctx, s.read, text, nil, scalar[int64])
		errs = append(errs, err)
		if ok && (b.Oldest.IsZero() || fromMillis(at).Before(b.Oldest)) {
			b.Oldest = fromMillis(at)
		}
	}
	return b, errors.Join(errs...)
}
