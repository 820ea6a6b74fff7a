package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
)

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
	have, err := all(ctx, q, `SELECT key, value FROM tags WHERE scope = @scope AND arn = @arn`,
		args{"scope": scope, "arn": arn}, func(r scanner) (t fleet.Tag, err error) { return t, r.Scan(&t.Key, &t.Value) })
	if err != nil {
		return false, fmt.Errorf("read tags: %w", err)
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
