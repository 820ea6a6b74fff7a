package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/policy"
)

// analyzedAtOnce is how many documents are analysed again in one transaction.
const analyzedAtOnce = 200

// broadJSON is the stored form of a list of actions.
func broadJSON(actions []string) string {
	if actions == nil {
		return "[]"
	}
	return toJSON(actions)
}

// storedDocument is the document of a version of a policy, by its key.
type storedDocument struct {
	scope    int64
	policy   string
	version  int64
	document string
}

// analyzeAgain brings the stored verdicts on policies up to the rules of this
// program. Most starts find that they are. Killed before its end, it begins
// again with the next start.
func (s *Store) analyzeAgain(ctx context.Context) error {
	done, err := count(ctx, s.read, `SELECT version FROM policy_analysis`, nil)
	if err != nil || done >= policy.AnalysisVersion {
		return err
	}
	at := storedDocument{}
	for {
		list, err := all(ctx, s.read, `SELECT scope, policy, version, document FROM policy_versions
			WHERE (scope, policy, version) > (@scope, @policy, @version)
			ORDER BY scope, policy, version LIMIT @limit`,
			args{"scope": at.scope, "policy": at.policy, "version": at.version, "limit": analyzedAtOnce},
			func(r scanner) (d storedDocument, err error) {
				return d, r.Scan(&d.scope, &d.policy, &d.version, &d.document)
			})
		if err != nil {
			return fmt.Errorf("read policies to analyse: %w", err)
		}
		if len(list) == 0 {
			break
		}
		err = s.write(ctx, func(ctx context.Context, q querier) error { return s.storeAnalyses(ctx, q, list) })
		if err != nil {
			return fmt.Errorf("analyse policies: %w", err)
		}
		at = list[len(list)-1]
	}
	return s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := q.exec(ctx, `UPDATE policy_analysis SET version = @version WHERE version < @version`,
			args{"version": policy.AnalysisVersion})
		return err
	})
}

// storeAnalyses stores new verdicts where the documents are still these. One
// that cannot be read any more keeps its old ones.
func (s *Store) storeAnalyses(ctx context.Context, q querier, list []storedDocument) error {
	for _, d := range list {
		doc, err := policy.Parse(d.document)
		if err != nil {
			s.log.Warn("a stored policy cannot be read", "scope", d.scope, "policy", d.policy, "version", d.version, "err", err)
			continue
		}
		found := policy.Analyze(doc)
		if _, err := q.exec(ctx, `UPDATE policy_versions
			SET broad_actions = @broad, deny_wildcards = @wildcards, deny_bypass = @bypass
			WHERE scope = @scope AND policy = @policy AND version = @version AND document = @document`,
			args{
				"scope": d.scope, "policy": d.policy, "version": d.version, "document": d.document,
				"broad": broadJSON(found.Broad), "wildcards": found.DenyWildcards, "bypass": found.DenyBypass,
			}); err != nil {
			return err
		}
	}
	return nil
}
