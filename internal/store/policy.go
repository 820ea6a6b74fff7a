package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

// insertPolicyVersion stores a version with what the checks need to know of
// its document.
func insertPolicyVersion(ctx context.Context, q querier, scope int64, v *fleet.PolicyVersion,
	doc *policy.Document,
) error {
	found := policy.Analyze(doc)
	if found.Broad == nil {
		found.Broad = []string{}
	}
	_, err := q.exec(ctx, `INSERT INTO policy_versions (scope, policy, version, document, blank, broad_actions,
			deny_wildcards, deny_bypass, created_at)
		VALUES (@scope, @policy, @version, @document, @blank, @broad, @wildcards, @bypass, @created)`,
		args{
			"scope": scope, "policy": v.Policy, "version": v.Version, "document": v.Document, "blank": doc.IsBlank(),
			"broad": toJSON(found.Broad), "wildcards": found.DenyWildcards, "bypass": found.DenyBypass,
			"created": v.Created.UnixMilli(),
		})
	if err != nil {
		return fmt.Errorf("store policy version: %w", err)
	}
	return nil
}
