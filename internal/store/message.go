package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
)

// messagePending is the state of a message that was not delivered.
const messagePending = "PENDING"

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
	seq, err := nextSeq(ctx, q, 1)
	if err != nil {
		return fmt.Errorf("number message: %w", err)
	}
	_, err = q.exec(ctx, `INSERT INTO outgoing_messages (seq, scope, id, topic_arn, role_arn, payload, state, created_at)
		VALUES (@seq, @scope, @id, @topic, @role, @payload, @state, @created) ON CONFLICT (scope, id) DO NOTHING`,
		args{
			"seq": seq[0], "scope": to.scope, "id": "audit/" + t.ID, "topic": topic.TopicARN, "role": topic.RoleARN,
			"payload": t.CompletedMessage(), "state": messagePending, "created": t.Ended.UnixMilli(),
		})
	if err != nil {
		return fmt.Errorf("store message: %w", err)
	}
	return nil
}
