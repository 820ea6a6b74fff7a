package store

import (
	"context"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

const subscriptionColumns = `u.seq, p.account, p.region, t.name, u.id, u.topic, u.protocol, u.endpoint, u.state,
	u.guarded, u.settings, u.created_at`

const fromSubscriptions = ` FROM topic_subscriptions u JOIN topics t ON t.seq = u.topic
	JOIN scopes p ON p.scope = u.scope `

func scanSubscription(r scanner) (u notify.Subscription, err error) {
	topic := &u.ARN.Topic
	var settings string
	var created int64
	if err := r.Scan(&u.Seq, &topic.Account, &topic.Region, &topic.Name, &u.ARN.ID, &u.TopicSeq, &u.Protocol, &u.Endpoint,
		&u.State, &u.Guarded, &settings, &created); err != nil {
		return u, err
	}
	u.Created = fromMillis(created)
	return u, fromJSON(settings, &u.Settings)
}

// Subscribe stores a subscription of a topic and, unless it is confirmed, asks
// its endpoint to confirm. A topic that is not there is a NotFound fault. The
// subscription that the endpoint has already is returned as it is: one that is
// not confirmed is asked for again, and one with other settings is an Invalid
// fault. One more than a topic may have is a Limit fault.
func (s *Store) Subscribe(ctx context.Context, u notify.Subscription) (made *notify.Subscription, err error) {
	err = s.writing(ctx, u.ARN.Topic.Scope, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, topicRows, scope, u.ARN.Topic.Name); err != nil {
			return err
		}
		t, err := findTopic(ctx, q, scope, u.ARN.Topic.Name)
		if err != nil {
			return err
		}
		have, found, err := one(ctx, q, `SELECT `+subscriptionColumns+fromSubscriptions+`WHERE u.topic = @topic
			AND u.protocol = @protocol AND u.endpoint = @endpoint`,
			args{"topic": t.Seq, "protocol": string(u.Protocol), "endpoint": u.Endpoint}, scanSubscription)
		if err != nil {
			return fmt.Errorf("find subscription of endpoint: %w", err)
		}
		if found {
			made = &have
			if err := have.Same(&u); err != nil {
				return err
			}
		} else {
			made = &u
			if err := s.insertSubscription(ctx, q, scope, t, made); err != nil {
				return err
			}
		}
		if made.State == notify.Confirmed {
			return nil
		}
		return askToConfirm(ctx, q, scope, made.Seq, s.millis())
	})
	return made, err
}

func (s *Store) insertSubscription(ctx context.Context, q querier, scope int64, t *notify.Topic,
	u *notify.Subscription,
) error {
	have, err := count(ctx, q, `SELECT count(*) FROM topic_subscriptions WHERE topic = @topic`, args{"topic": t.Seq})
	if err != nil {
		return fmt.Errorf("count subscriptions: %w", err)
	}
	if have >= int64(s.quotas.Subscriptions) {
		return fault.New(fault.Limit, "the topic has %d subscriptions, which is the most", have)
	}
	seq, err := nextSeq(ctx, q, 1)
	if err != nil {
		return fmt.Errorf("number subscription: %w", err)
	}
	u.Seq, u.TopicSeq = seq[0], t.Seq
	if _, err := q.exec(ctx, `INSERT INTO topic_subscriptions (seq, scope, topic, id, protocol, endpoint, state, guarded,
			settings, created_at)
		VALUES (@seq, @scope, @topic, @id, @protocol, @endpoint, @state, @guarded, @settings, @created)`,
		args{
			"seq": u.Seq, "scope": scope, "topic": t.Seq, "id": u.ARN.ID, "protocol": string(u.Protocol),
			"endpoint": u.Endpoint, "state": string(u.State), "guarded": u.Guarded, "settings": toJSON(u.Settings),
			"created": u.Created.UnixMilli(),
		}); err != nil {
		return fmt.Errorf("store subscription: %w", err)
	}
	return nil
}

// askToConfirm has an endpoint asked for its confirmation from now on, if that
// is not under way.
func askToConfirm(ctx context.Context, q querier, scope, subscription, now int64) error {
	waiting, err := count(ctx, q, `SELECT count(*) FROM topic_deliveries WHERE subscription = @subscription
		AND state = 'WAITING' AND kind = @kind`,
		args{"subscription": subscription, "kind": string(notify.DeliverConfirmation)})
	if err != nil {
		return fmt.Errorf("find confirmation on its way: %w", err)
	}
	if waiting > 0 {
		_, err = q.exec(ctx, `UPDATE topic_deliveries SET next_at = @now WHERE subscription = @subscription
			AND state = 'WAITING' AND kind = @kind AND attempt > 0 AND next_at > @now`,
			args{"subscription": subscription, "kind": string(notify.DeliverConfirmation), "now": now})
		return err
	}
	return insertDeliveries(ctx, q, []newDelivery{{
		scope: scope, kind: notify.DeliverConfirmation, subscription: subscription, next: now, created: now,
	}})
}

// subscriptionByARN returns a subscription of a topic of that name, or a
// NotFound fault.
func subscriptionByARN(ctx context.Context, q querier, scope int64, arn notify.SubscriptionARN) (
	*notify.Subscription, error,
) {
	u, ok, err := one(ctx, q, `SELECT `+subscriptionColumns+fromSubscriptions+`WHERE u.id = @id AND u.scope = @scope
		AND t.name = @topic`, args{"id": arn.ID, "scope": scope, "topic": arn.Topic.Name}, scanSubscription)
	if err != nil {
		return nil, fmt.Errorf("find subscription: %w", err)
	}
	if !ok {
		return nil, notify.NoSubscription()
	}
	return &u, nil
}

// SubscriptionByARN returns a subscription, or a NotFound fault.
func (s *Store) SubscriptionByARN(ctx context.Context, arn notify.SubscriptionARN) (u *notify.Subscription, err error) {
	err = s.reading(ctx, arn.Topic.Scope, func(q querier, scope int64) error {
		u, err = subscriptionByARN(ctx, q, scope, arn)
		return err
	})
	return u, err
}

// Subscriptions lists the subscriptions of a scope by Seq, behind one.
func (s *Store) Subscriptions(ctx context.Context, sc fleet.Scope, after int64, limit int) (
	list []notify.Subscription, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+subscriptionColumns+fromSubscriptions+`WHERE u.scope = @scope AND u.seq > @after
			ORDER BY u.seq LIMIT @limit`, args{"scope": scope, "after": after, "limit": limit}, scanSubscription)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	return list, nil
}

// SubscriptionsOfTopic lists the subscriptions of a topic by Seq, behind one.
func (s *Store) SubscriptionsOfTopic(ctx context.Context, topic, after int64, limit int) (
	[]notify.Subscription, error,
) {
	return s.subscriptionsOf(ctx, topic, after, limit, "")
}

// ConfirmedSubscriptions lists the confirmed subscriptions of a topic by Seq,
// behind one.
func (s *Store) ConfirmedSubscriptions(ctx context.Context, topic, after int64, limit int) (
	[]notify.Subscription, error,
) {
	return s.subscriptionsOf(ctx, topic, after, limit, ` AND u.state = 'CONFIRMED'`)
}

func (s *Store) subscriptionsOf(ctx context.Context, topic, after int64, limit int, which string) (
	[]notify.Subscription, error,
) {
	list, err := all(ctx, s.read, `SELECT `+subscriptionColumns+fromSubscriptions+`WHERE u.topic = @topic
		AND u.seq > @after`+which+` ORDER BY u.seq LIMIT @limit`,
		args{"topic": topic, "after": after, "limit": limit}, scanSubscription)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions of topic: %w", err)
	}
	return list, nil
}

// CountSubscriptions counts the confirmed subscriptions of a topic and those
// that are not.
func (s *Store) CountSubscriptions(ctx context.Context, topic int64) (confirmed, pending int64, err error) {
	type counts struct{ confirmed, pending int64 }
	c, _, err := one(ctx, s.read, `SELECT COALESCE(sum(CASE WHEN state = 'CONFIRMED' THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN state = 'PENDING' THEN 1 ELSE 0 END), 0) FROM topic_subscriptions WHERE topic = @topic`,
		args{"topic": topic}, func(r scanner) (c counts, err error) { return c, r.Scan(&c.confirmed, &c.pending) })
	if err != nil {
		return 0, 0, fmt.Errorf("count subscriptions of topic: %w", err)
	}
	return c.confirmed, c.pending, nil
}

// UpdateSubscription stores what change makes of the settings of a
// subscription, or is NotFound.
func (s *Store) UpdateSubscription(ctx context.Context, arn notify.SubscriptionARN,
	change func(*notify.Subscription) error,
) error {
	return s.writing(ctx, arn.Topic.Scope, func(ctx context.Context, q querier, scope int64) error {
		u, err := lockedSubscription(ctx, q, scope, arn)
		if err != nil {
			return err
		}
		if err := change(u); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE topic_subscriptions SET settings = @settings WHERE seq = @seq`,
			args{"seq": u.Seq, "settings": toJSON(u.Settings)}); err != nil {
			return fmt.Errorf("save subscription: %w", err)
		}
		return nil
	})
}

// lockedSubscription is subscriptionByARN that keeps others from the
// subscriptions of the topic until the transaction ends.
func lockedSubscription(ctx context.Context, q querier, scope int64, arn notify.SubscriptionARN) (
	*notify.Subscription, error,
) {
	if err := lockRows(ctx, q, topicRows, scope, arn.Topic.Name); err != nil {
		return nil, err
	}
	return subscriptionByARN(ctx, q, scope, arn)
}

// Unsubscribe ends a subscription, or is NotFound. What is on its way to it goes
// nowhere any more.
func (s *Store) Unsubscribe(ctx context.Context, arn notify.SubscriptionARN) error {
	return s.end(ctx, arn, func(ctx context.Context, q querier, scope int64, u *notify.Subscription) error {
		_, err := q.exec(ctx, `DELETE FROM topic_subscriptions WHERE seq = @seq`, args{"seq": u.Seq})
		return err
	})
}

// Suspend ends a subscription that may has nothing against until its endpoint
// confirms it anew, as if it had been made now, and tells the endpoint so. It is
// NotFound as Unsubscribe is. What is on its way to it goes nowhere any more.
func (s *Store) Suspend(ctx context.Context, arn notify.SubscriptionARN, may func(*notify.Subscription) error) error {
	return s.end(ctx, arn, func(ctx context.Context, q querier, scope int64, u *notify.Subscription) error {
		if err := may(u); err != nil {
			return err
		}
		now := s.millis()
		if _, err := q.exec(ctx, `UPDATE topic_subscriptions SET state = 'PENDING', created_at = @now WHERE seq = @seq`,
			args{"seq": u.Seq, "now": now}); err != nil {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM topic_deliveries WHERE subscription = @seq AND state = 'WAITING'`,
			`DELETE FROM topic_tokens WHERE subscription = @seq`,
		} {
			if _, err := q.exec(ctx, statement, args{"seq": u.Seq}); err != nil {
				return err
			}
		}
		return insertDeliveries(ctx, q, []newDelivery{{
			scope: scope, kind: notify.DeliverEnding, subscription: u.Seq, next: now, created: now,
		}})
	})
}

// end ends a subscription by what how does in the same transaction, and counts it.
func (s *Store) end(ctx context.Context, arn notify.SubscriptionARN,
	how func(ctx context.Context, q querier, scope int64, u *notify.Subscription) error,
) error {
	return s.writing(ctx, arn.Topic.Scope, func(ctx context.Context, q querier, scope int64) error {
		u, err := lockedSubscription(ctx, q, scope, arn)
		if err != nil {
			return err
		}
		if err := how(ctx, q, scope, u); err != nil {
			return fmt.Errorf("end subscription: %w", err)
		}
		if _, err := q.exec(ctx, `UPDATE topics SET ended = ended + 1 WHERE seq = @topic`,
			args{"topic": u.TopicSeq}); err != nil {
			return fmt.Errorf("count ended subscription: %w", err)
		}
		return nil
	})
}

// Confirm confirms the subscription of a topic that has a token, by its hash,
// and returns it. What is confirmed stays as it is. A token that is not known,
// or no longer good, is an Invalid fault.
func (s *Store) Confirm(ctx context.Context, topic notify.TopicARN, c notify.Confirmation) (
	u *notify.Subscription, err error,
) {
	err = s.writing(ctx, topic.Scope, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, topicRows, scope, topic.Name); err != nil {
			return err
		}
		have, ok, err := one(ctx, q, `SELECT `+subscriptionColumns+fromSubscriptions+`
			JOIN topic_tokens k ON k.subscription = u.seq
			WHERE k.hash = @hash AND k.expires_at > @now AND u.scope = @scope AND t.name = @topic`,
			args{"hash": c.Hash, "now": c.Now.UnixMilli(), "scope": scope, "topic": topic.Name}, scanSubscription)
		if err != nil {
			return fmt.Errorf("find subscription of token: %w", err)
		}
		if !ok {
			return notify.BadToken()
		}
		if u = &have; u.State == notify.Confirmed {
			return nil
		}
		u.State, u.Guarded = notify.Confirmed, c.Guarded
		if _, err := q.exec(ctx, `UPDATE topic_subscriptions SET state = @state, guarded = @guarded WHERE seq = @seq`,
			args{"seq": u.Seq, "state": string(u.State), "guarded": u.Guarded}); err != nil {
			return fmt.Errorf("confirm subscription: %w", err)
		}
		if _, err := q.exec(ctx, `DELETE FROM topic_deliveries WHERE subscription = @seq AND state = 'WAITING'
			AND kind IN (@asked, @ended)`, args{
			"seq": u.Seq, "asked": string(notify.DeliverConfirmation), "ended": string(notify.DeliverEnding),
		}); err != nil {
			return fmt.Errorf("end requests to confirm: %w", err)
		}
		return nil
	})
	return u, err
}

// maxTokens is how many tokens of one subscription are good at a time: one for
// each try of a few requests to confirm.
const maxTokens = 50

// AddToken stores the hash of a token that confirms a subscription until a
// time. The youngest ones stay good. A subscription that is gone, or confirmed,
// is a NotFound fault.
func (s *Store) AddToken(ctx context.Context, subscription int64, hash string, expires time.Time) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		n, err := q.exec(ctx, `INSERT INTO topic_tokens (hash, subscription, expires_at)
			SELECT @hash, seq, CAST(@expires AS BIGINT) FROM topic_subscriptions
			WHERE seq = @subscription AND state = 'PENDING'`,
			args{"hash": hash, "subscription": subscription, "expires": expires.UnixMilli()})
		if err == nil && n == 0 || s.dialect.reference(err) {
			return notify.NoSubscription()
		}
		if err != nil {
			return fmt.Errorf("store token: %w", err)
		}
		if _, err := q.exec(ctx, `DELETE FROM topic_tokens WHERE subscription = @subscription AND hash NOT IN (
			SELECT hash FROM topic_tokens WHERE subscription = @subscription ORDER BY expires_at DESC, hash LIMIT @most)`,
			args{"subscription": subscription, "most": maxTokens}); err != nil {
			return fmt.Errorf("delete old tokens: %w", err)
		}
		return nil
	})
}
