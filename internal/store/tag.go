package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// tagged is what carries tags: where the resources of a kind are, by the kind
// as it stands in their ARNs. Who deletes one locks or deletes its row first,
// and then its tags.
var tagged = map[string]rowset{
	"cacert":           caRows,
	"mitigationaction": actionRows,
	"policy":           policyRows,
	roleAliasKind:      roleAliasRows,
	scheduleKind:       scheduleRows,
	"thinggroup":       groupRows,
	"thingtype":        typeRows,
}

// taggedResource is a resource that carries tags.
type taggedResource struct {
	rows      rowset
	name, arn string
}

// taggable reads which resource an ARN names. One of a kind that has no tags is
// an Invalid fault; the others are those of [fleet.Scope.ParseARN].
func taggable(sc fleet.Scope, arn string) (r taggedResource, err error) {
	kind, name, err := sc.ParseARN(arn)
	if err != nil {
		return r, err
	}
	rows, ok := tagged[kind]
	if !ok {
		return r, fault.New(fault.Invalid, "resourceArn %q is of a kind that has no tags", arn)
	}
	return taggedResource{rows: rows, name: name, arn: arn}, nil
}

// need returns a NotFound fault when the resource is not there.
func (r taggedResource) need(ctx context.Context, q querier, scope int64) error {
	n, err := count(ctx, q, `SELECT count(*) FROM `+r.rows.table+` WHERE scope = @scope AND `+r.rows.column+` = @name`,
		args{"scope": scope, "name": r.name})
	if err != nil {
		return fmt.Errorf("find resource of tags: %w", err)
	}
	if n == 0 {
		return fault.New(fault.NotFound, "there is no resource %q", r.arn)
	}
	return nil
}

// TagResource gives a resource tags, in place of those that have their keys.
// One that is not there is a NotFound fault; the others are those of
// [fleet.MayTag], and Invalid for what has no tags.
func (s *Store) TagResource(ctx context.Context, sc fleet.Scope, arn string, tags []fleet.Tag) error {
	r, err := taggable(sc, arn)
	if err != nil {
		return err
	}
	return s.putTags(ctx, sc, r, tags)
}

func (s *Store) putTags(ctx context.Context, sc fleet.Scope, r taggedResource, tags []fleet.Tag) error {
	return s.retag(ctx, sc, r, func(have []fleet.Tag) (drop []string, put []fleet.Tag, err error) {
		for _, t := range tags {
			drop = append(drop, t.Key)
		}
		return drop, tags, fleet.MayTag(have, tags)
	})
}

// UntagResource takes the tags with some keys from a resource. Keys that it
// does not have are fine. A resource that is not there is a NotFound fault,
// what has no tags Invalid.
func (s *Store) UntagResource(ctx context.Context, sc fleet.Scope, arn string, keys []string) error {
	r, err := taggable(sc, arn)
	if err != nil {
		return err
	}
	return s.dropTags(ctx, sc, r, keys)
}

func (s *Store) dropTags(ctx context.Context, sc fleet.Scope, r taggedResource, keys []string) error {
	return s.retag(ctx, sc, r, func([]fleet.Tag) ([]string, []fleet.Tag, error) { return keys, nil, nil })
}

// retag takes tags from a resource and puts others on it, as change says given
// those that it has. Nobody deletes or tags it in between.
func (s *Store) retag(ctx context.Context, sc fleet.Scope, r taggedResource,
	change func(have []fleet.Tag) (drop []string, put []fleet.Tag, err error),
) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockRows(ctx, q, r.rows, scope, r.name); err != nil {
			return fmt.Errorf("lock resource of tags: %w", err)
		}
		if err := r.need(ctx, q, scope); err != nil {
			return err
		}
		have, err := tagsOf(ctx, q, scope, r.arn, "")
		if err != nil {
			return err
		}
		drop, put, err := change(have)
		if err != nil {
			return err
		}
		var gone []string // no more than a resource has, however many are named
		for _, t := range have {
			if slices.Contains(drop, t.Key) {
				gone = append(gone, t.Key)
			}
		}
		if len(gone) > 0 {
			a := args{"scope": scope, "arn": r.arn}
			if _, err := q.exec(ctx, `DELETE FROM tags WHERE scope = @scope AND arn = @arn AND `+
				q.dialect().in("key", "keys", a, gone), a); err != nil {
				return fmt.Errorf("delete tags: %w", err)
			}
		}
		return setTags(ctx, q, scope, r.arn, put)
	})
}

// Tags lists the tags of a resource by key. One that is not there is a NotFound
// fault, what has no tags Invalid.
func (s *Store) Tags(ctx context.Context, sc fleet.Scope, arn, after string, limit int) (list []fleet.Tag, err error) {
	r, err := taggable(sc, arn)
	if err != nil {
		return nil, err
	}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if err := r.need(ctx, q, scope); err != nil {
			return err
		}
		list, err = tagsOf(ctx, q, scope, arn, after)
		return err
	})
	return list[:min(limit, len(list))], err
}

// tagsOf reads all tags of a resource behind a key.
func tagsOf(ctx context.Context, q querier, scope int64, arn, after string) ([]fleet.Tag, error) {
	list, err := all(ctx, q, `SELECT key, value FROM tags WHERE scope = @scope AND arn = @arn AND key > @after
		ORDER BY key`, args{"scope": scope, "arn": arn, "after": after},
		func(r scanner) (t fleet.Tag, err error) { return t, r.Scan(&t.Key, &t.Value) })
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	return list, nil
}

// setTags stores the tags of a resource that has none yet.
func setTags(ctx context.Context, q querier, scope int64, arn string, tags []fleet.Tag) error {
	err := insertRows(ctx, q, "tags", []column{
		{"scope", repeat(scope, len(tags))},
		{"arn", repeat(arn, len(tags))},
		{"key", collect(tags, func(t *fleet.Tag) string { return t.Key })},
		{"value", collect(tags, func(t *fleet.Tag) string { return t.Value })},
	})
	if err != nil {
		return fmt.Errorf("store tags: %w", err)
	}
	return nil
}

// sameTags reports whether a resource has exactly these tags.
func sameTags(ctx context.Context, q querier, scope int64, arn string, tags []fleet.Tag) (bool, error) {
	have, err := tagsOf(ctx, q, scope, arn, "")
	if err != nil {
		return false, err
	}
	want := map[fleet.Tag]bool{}
	for _, t := range tags {
		want[t] = true
	}
	for _, t := range have {
		if !want[t] {
			return false, nil
		}
	}
	return len(have) == len(tags), nil
}

func deleteTags(ctx context.Context, q querier, scope int64, arn string) error {
	if _, err := q.exec(ctx, `DELETE FROM tags WHERE scope = @scope AND arn = @arn`,
		args{"scope": scope, "arn": arn}); err != nil {
		return fmt.Errorf("delete tags: %w", err)
	}
	return nil
}
