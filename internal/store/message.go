package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

// notifyOfEnd stores the message about an audit that has ended, once, for the
// topic of its account, if that is switched on.
func notifyOfEnd(ctx context.Context, q querier, t *audit.Task) error {
	type target struct {
		scope         int64
		notifications string
	}
	to, ok, err := one(ctx, q, `SELECT c.scope, c.notifications FROM audits a
		JOIN audit_configurations c ON c.scope = a.scope WHERE a.seq = @seq`, args{"seq": t.Seq},
		func(r scanner) (to target, err error) { return to, r.Scan(&to.scope, &to.notifications) })
	if err != nil {
		return fmt.Errorf("find notification target: %w", err)
	}
	if !ok {
		return nil
	}
	targets := map[string]audit.NotificationTarget{}
	if err := fromJSON(to.notifications, &targets); err != nil {
		return fmt.Errorf("read notification target: %w", err)
	}
	topic := targets[audit.NotifySNS]
	if !topic.Enabled {
		return nil
	}
	return enqueueMessages(ctx, q, to.scope, []notify.Message{{
		ID: audit.MessagePrefix + t.ID, TopicARN: topic.TopicARN, RoleARN: topic.RoleARN, Body: t.CompletedMessage(),
		Created: t.Ended,
	}})
}

// EnqueueMessages stores messages that a scope publishes. What has the id of one
// that is stored is left out.
func (s *Store) EnqueueMessages(ctx context.Context, sc fleet.Scope, list []notify.Message) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		return enqueueMessages(ctx, q, scope, list)
	})
}

// enqueueMessages stores messages of a scope, in the transaction that causes
// them. What has the id of one that is stored is left out.
func enqueueMessages(ctx context.Context, q querier, scope int64, list []notify.Message) error {
	if len(list) == 0 {
		return nil
	}
	seqs, err := nextSeq(ctx, q, len(list))
	if err != nil {
		return fmt.Errorf("number messages: %w", err)
	}
	err = insertNewRows(ctx, q, "topic_messages", []column{
		{"seq", seqs},
		{"scope", repeat(scope, len(list))},
		{"id", collect(list, func(m *notify.Message) string { return m.ID })},
		{"topic_arn", collect(list, func(m *notify.Message) string { return m.TopicARN })},
		{"role_arn", collect(list, func(m *notify.Message) string { return m.RoleARN })},
		{"subject", collect(list, func(m *notify.Message) string { return m.Subject })},
		{"structure", collect(list, func(m *notify.Message) string { return m.Structure })},
		{"attributes", collect(list, func(m *notify.Message) string { return attributesJSON(m.Attributes) })},
		{"body", collect(list, func(m *notify.Message) string { return m.Body })},
		{"state", repeat(string(notify.MessagePending), len(list))},
		{"reason", repeat("", len(list))},
		{"created_at", collect(list, func(m *notify.Message) int64 { return m.Created.UnixMilli() })},
	})
	if err != nil {
		return fmt.Errorf("store messages: %w", err)
	}
	return nil
}

// attributesJSON is how the attributes of a message are stored.
func attributesJSON(m map[string]notify.Attribute) string {
	if len(m) == 0 {
		return "{}"
	}
	return toJSON(m)
}
