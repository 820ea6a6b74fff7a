package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// detachAll removes all policies from a target.
func detachAll(ctx context.Context, q querier, scope int64, t fleet.Target) error {
	if _, err := q.exec(ctx, `DELETE FROM policy_targets WHERE scope = @scope AND target = @target`,
		args{"scope": scope, "target": t.String()}); err != nil {
		return fmt.Errorf("detach policies: %w", err)
	}
	return nil
}
