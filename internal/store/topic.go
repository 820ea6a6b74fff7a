package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
)

const topicColumns = `t.seq, p.account, p.region, t.name, t.policy, t.attributes, t.ended, t.created_at`

const fromTopics = ` FROM topics t JOIN scopes p ON p.scope = t.scope `

func scanTopic(r scanner) (*notify.Topic, error) {
	t := &notify.Topic{}
	var attributes string
	var created int64
	if err := r.Scan(&t.Seq, &t.ARN.Account, &t.ARN.Region, &t.ARN.Name, &t.Policy, &attributes, &t.Ended,
		&created); err != nil {
		return nil, err
	}
	t.Created = fromMillis(created)
	return t, fromJSON(attributes, &t.Attributes)
}

func findTopic(ctx context.Context, q querier, scope int64, name string) (*notify.Topic, error) {
	t, ok, err := one(ctx, q, `SELECT `+topicColumns+fromTopics+`WHERE t.scope = @scope AND t.name = @name`,
		args{"scope": scope, "name": name}, scanTopic)
	if err != nil {
		return nil, fmt.Errorf("find topic: %w", err)
	}
	if !ok {
		return nil, notify.NoTopic()
	}
	return t, nil
}

// CreateTopic stores a new topic with its tags. One of that name that is the
// same in everything that was asked for is returned as it is; another is an
// Invalid fault, and one more than the account may have Limit.
func (s *Store) CreateTopic(ctx context.Context, t *notify.Topic, tags []fleet.Tag) (made *notify.Topic, err error) {
	err = s.writing(ctx, t.ARN.Scope, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		made, err = findTopic(ctx, q, scope, t.ARN.Name)
		if err == nil {
			if err = made.Same(t); err != nil || len(tags) == 0 {
				return err
			}
			return needSameTags(ctx, q, scope, t.ARN, tags)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		have, err := count(ctx, q, `SELECT count(*) FROM topics WHERE scope = @scope`, args{"scope": scope})
		if err != nil {
			return fmt.Errorf("count topics: %w", err)
		}
		if have >= int64(s.quotas.Topics) {
			return fault.New(fault.Limit, "the account has %d topics in this region, which is the most", have)
		}
		seq, err := nextSeq(ctx, q, 1)
		if err != nil {
			return fmt.Errorf("number topic: %w", err)
		}
		if _, err := q.exec(ctx, `INSERT INTO topics (seq, scope, name, policy, attributes, ended, created_at)
			VALUES (@seq, @scope, @name, @policy, @attributes, 0, @created)`,
			args{
				"seq": seq[0], "scope": scope, "name": t.ARN.Name, "policy": t.Policy,
				"attributes": toJSON(t.Attributes), "created": t.Created.UnixMilli(),
			}); err != nil {
			return fmt.Errorf("store topic: %w", err)
		}
		made = t
		t.Seq = seq[0]
		return setTags(ctx, q, scope, t.ARN.String(), tags)
	})
	return made, err
}

// needSameTags refuses to create a topic that exists with other tags.
func needSameTags(ctx context.Context, q querier, scope int64, arn notify.TopicARN, tags []fleet.Tag) error {
	same, err := sameTags(ctx, q, scope, arn.String(), tags)
	if err == nil && !same {
		err = fault.New(fault.Invalid, "Invalid parameter: Tags Reason: Topic already exists with different tags")
	}
	return err
}

// TopicByARN returns a topic, or a NotFound fault.
func (s *Store) TopicByARN(ctx context.Context, arn notify.TopicARN) (t *notify.Topic, err error) {
	err = s.reading(ctx, arn.Scope, func(q querier, scope int64) error {
		t, err = findTopic(ctx, q, scope, arn.Name)
		return err
	})
	return t, err
}

// HasTopic reports, inside a slice, whether there is a topic.
func (s *Store) HasTopic(ctx context.Context, tx durable.Tx, arn notify.TopicARN) (bool, error) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, arn.Scope)
	if err != nil {
		return false, err
	}
	n, err := count(ctx, q, `SELECT count(*) FROM topics WHERE scope = @scope AND name = @name`,
		args{"scope": scope, "name": arn.Name})
	if err != nil {
		return false, fmt.Errorf("look for topic: %w", err)
	}
	return n > 0, nil
}

// Topics lists the topics of a scope by name, behind one.
func (s *Store) Topics(ctx context.Context, sc fleet.Scope, after string, limit int) (
	list []notify.TopicARN, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT name FROM topics WHERE scope = @scope AND name > @after ORDER BY name LIMIT @limit`,
			args{"scope": scope, "after": after, "limit": limit}, func(r scanner) (notify.TopicARN, error) {
				arn := notify.TopicARN{Scope: sc}
				return arn, r.Scan(&arn.Name)
			})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	return list, nil
}

// UpdateTopic stores what change makes of the policy and the attributes of a
// topic, or is NotFound.
func (s *Store) UpdateTopic(ctx context.Context, arn notify.TopicARN, change func(*notify.Topic) error) error {
	return s.writing(ctx, arn.Scope, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, topicRows, scope, arn.Name); err != nil {
			return err
		}
		t, err := findTopic(ctx, q, scope, arn.Name)
		if err != nil {
			return err
		}
		if err := change(t); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE topics SET policy = @policy, attributes = @attributes WHERE seq = @seq`,
			args{"seq": t.Seq, "policy": t.Policy, "attributes": toJSON(t.Attributes)}); err != nil {
			return fmt.Errorf("save topic: %w", err)
		}
		return nil
	})
}

// DeleteTopic deletes a topic with its subscriptions and tags. One that is not
// there is fine. What is on its way to the subscriptions goes nowhere any more.
func (s *Store) DeleteTopic(ctx context.Context, arn notify.TopicARN) error {
	return s.writing(ctx, arn.Scope, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, topicRows, scope, arn.Name); err != nil {
			return err
		}
		t, err := findTopic(ctx, q, scope, arn.Name)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, text := range []string{
			`DELETE FROM topic_subscriptions WHERE topic = @topic`, `DELETE FROM topics WHERE seq = @topic`,
		} {
			if _, err := q.exec(ctx, text, args{"topic": t.Seq}); err != nil {
				return fmt.Errorf("delete topic: %w", err)
			}
		}
		_, err = q.exec(ctx, `DELETE FROM topic_rates WHERE topic_arn = @arn`, args{"arn": arn.String()})
		return errors.Join(err, deleteTags(ctx, q, scope, arn.String()))
	})
}

// taggedTopic is a topic as a resource that carries tags.
func taggedTopic(arn notify.TopicARN) taggedResource {
	return taggedResource{rows: topicRows, name: arn.Name, arn: arn.String()}
}

// TagTopic gives a topic tags, in place of those that have their keys. One that
// is not there is a NotFound fault; the others are those of [fleet.MayTag].
func (s *Store) TagTopic(ctx context.Context, arn notify.TopicARN, tags []fleet.Tag) error {
	return s.putTags(ctx, arn.Scope, taggedTopic(arn), tags)
}

// UntagTopic takes the tags with some keys from a topic, or is NotFound. Keys
// that it does not have are fine.
func (s *Store) UntagTopic(ctx context.Context, arn notify.TopicARN, keys []string) error {
	return s.dropTags(ctx, arn.Scope, taggedTopic(arn), keys)
}

// TopicTags lists the tags of a topic by key, of which there are at most
// [fleet.MaxTags], or is NotFound.
func (s *Store) TopicTags(ctx context.Context, arn notify.TopicARN) (list []fleet.Tag, err error) {
	err = s.reading(ctx, arn.Scope, func(q querier, scope int64) error {
		r := taggedTopic(arn)
		if err := r.need(ctx, q, scope); err != nil {
			return err
		}
		list, err = tagsOf(ctx, q, scope, r.arn, "")
		return err
	})
	return list, err
}
