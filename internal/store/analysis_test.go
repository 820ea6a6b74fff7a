package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/cordon-iot/cordon/internal/policy"
)

// Policies that were stored under older rules have the verdicts of today's once
// the store is open, all of them, and are not looked at again.
func TestPoliciesOfBeforeAreAnalysedAgain(t *testing.T) {
	const versions = 2*analyzedAtOnce + 1
	const confined = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},` +
		`{"Effect":"Deny","Action":"iot:Connect","NotResource":"arn:aws:iot:us-east-1:111111111111:client/a"}]}`
	forEachUpgrade(t, 3, append(scopesOfTests,
		`INSERT INTO policies (seq, scope, name, default_version, next_version, generation, created_at, modified_at)
			VALUES (1, 1, 'p', 1, 9, 'g', 5, 5), (2, 2, 'p', 1, 9, 'g', 5, 5)`,
		fmt.Sprintf(`INSERT INTO policy_versions (scope, policy, version, document, blank, broad_actions, deny_wildcards,
				deny_bypass, created_at)
			WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < %d)
			SELECT 1, 'p', n, '%s', false, '["iot:Connect"]', true, true, 5 FROM i`, versions, confined),
		`INSERT INTO policy_versions (scope, policy, version, document, blank, broad_actions, deny_wildcards, deny_bypass,
			created_at) VALUES (2, 'p', 1, '`+broadDocument+`', false, '[]', true, true, 5),
				(2, 'p', 2, 'not readable', false, '[]', false, true, 5)`,
	), func(t *testing.T, s *Store) {
		ctx := context.Background()
		right := func(scope int64, broad string) int64 {
			n, err := count(ctx, s.read, `SELECT count(*) FROM policy_versions WHERE scope = @scope AND NOT deny_wildcards
				AND NOT deny_bypass AND (broad_actions = '[]') = (CAST(@broad AS TEXT) = '[]')`,
				args{"scope": scope, "broad": broad})
			ok(t, err)
			return n
		}
		if got := right(1, "[]"); got != versions {
			t.Errorf("got %d versions without findings, want %d", got, versions)
		}
		if got := right(2, "broad"); got != 1 {
			t.Errorf("got %d broad versions in the other scope, want 1", got)
		}
		done, err := count(ctx, s.read, `SELECT version FROM policy_analysis`, nil)
		ok(t, err)
		if done != policy.AnalysisVersion {
			t.Errorf("got rules %d on record, want %d", done, policy.AnalysisVersion)
		}
		ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
			_, err := q.exec(ctx, `UPDATE policy_versions SET deny_bypass = true WHERE scope = 2`, nil)
			return err
		}))
		ok(t, s.analyzeAgain(ctx))
		if got := right(2, "broad"); got != 0 {
			t.Error("got it analysed once more, want it left alone")
		}
	})
}
