package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// endless is the stored end of a suppression that has none.
const endless = math.MaxInt64

const suppressionColumns = `check_name, resource_type, resource, seq, expires_at, description, token, request_hash,
	created_at`

func scanSuppression(r scanner) (s audit.Suppression, err error) {
	var expires, created int64
	err = r.Scan(&s.Check, &s.Type, &s.Key, &s.Seq, &expires, &s.Description, &s.Token, &s.RequestHash, &created)
	s.Created = fromMillis(created)
	if expires != endless {
		s.Expires = fromMillis(expires)
	}
	return s, err
}

// expiry is how the end of a suppression is stored.
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return endless
	}
	return t.UnixMilli()
}

// CreateSuppression stores a new suppression; the same call again is fine. The
// faults are those of audit.Suppression.Repeats, and Limit.
func (s *Store) CreateSuppression(ctx context.Context, sc fleet.Scope, sup *audit.Suppression) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		old, err := all(ctx, q, `SELECT `+suppressionColumns+` FROM suppressions
			WHERE scope = @scope AND check_name = @check AND resource = @resource
			UNION SELECT `+suppressionColumns+` FROM suppressions WHERE scope = @scope AND token = @token`,
			args{"scope": scope, "check": sup.Check, "resource": sup.Key, "token": sup.Token}, scanSuppression)
		if err != nil {
			return fmt.Errorf("find suppression: %w", err)
		}
		repeated := false
		for i := range old {
			if expiry(old[i].Expires) <= s.millis() { // in nobody's way
				if err := deleteSuppression(ctx, q, scope, old[i].SuppressionKey); err != nil {
					return err
				}
				continue
			}
			if err := sup.Repeats(&old[i]); err != nil {
				return err
			}
			repeated = true
		}
		if repeated {
			return nil
		}
		return s.insertSuppression(ctx, q, scope, sup)
	})
}

// insertSuppression stores a suppression if the scope, which is locked, may
// have another.
func (s *Store) insertSuppression(ctx context.Context, q querier, scope int64, sup *audit.Suppression) error {
	have, err := count(ctx, q, `SELECT count(*) FROM suppressions WHERE scope = @scope AND expires_at > @now`,
		args{"scope": scope, "now": s.millis()})
	if err != nil {
		return fmt.Errorf("count suppressions: %w", err)
	}
	if have >= int64(s.quotas.Suppressions) {
		return fault.New(fault.Limit, "the account has %d suppressions, which is the most", have)
	}
	seq, err := nextSeq(ctx, q, 1)
	if err != nil {
		return fmt.Errorf("number suppression: %w", err)
	}
	if _, err := q.exec(ctx, `INSERT INTO suppressions (scope, check_name, resource, resource_type, seq, expires_at,
			description, token, request_hash, created_at)
		VALUES (@scope, @check, @resource, @type, @seq, @expires, @description, @token, @hash, @created)`,
		args{
			"scope": scope, "check": sup.Check, "resource": sup.Key, "type": string(sup.Type), "seq": seq[0],
			"expires": expiry(sup.Expires), "description": sup.Description, "token": sup.Token, "hash": sup.RequestHash,
			"created": sup.Created.UnixMilli(),
		}); err != nil {
		return fmt.Errorf("store suppression: %w", err)
	}
	return nil
}

// Suppression returns a suppression that has not expired, or a NotFound fault.
func (s *Store) Suppression(ctx context.Context, sc fleet.Scope, k audit.SuppressionKey) (
	sup *audit.Suppression, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		sup, err = s.findSuppression(ctx, q, scope, k)
		return err
	})
	return sup, err
}

func (s *Store) findSuppression(ctx context.Context, q querier, scope int64, k audit.SuppressionKey) (
	*audit.Suppression, error,
) {
	sup, ok, err := one(ctx, q, `SELECT `+suppressionColumns+` FROM suppressions
		WHERE scope = @scope AND check_name = @check AND resource = @resource AND expires_at > @now`,
		args{"scope": scope, "check": k.Check, "resource": k.Key, "now": s.millis()}, scanSuppression)
	if err != nil {
		return nil, fmt.Errorf("find suppression: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "findings of %s about this resource are not suppressed", k.Check)
	}
	return &sup, nil
}

// UpdateSuppression stores what change makes of a suppression, or returns a
// NotFound fault.
func (s *Store) UpdateSuppression(ctx context.Context, sc fleet.Scope, k audit.SuppressionKey,
	change func(*audit.Suppression) error,
) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return err
		}
		sup, err := s.findSuppression(ctx, q, scope, k)
		if err != nil {
			return err
		}
		if err := change(sup); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `UPDATE suppressions SET expires_at = @expires, description = @description
			WHERE scope = @scope AND check_name = @check AND resource = @resource`,
			args{
				"scope": scope, "check": k.Check, "resource": k.Key, "expires": expiry(sup.Expires),
				"description": sup.Description,
			}); err != nil {
			return fmt.Errorf("store suppression: %w", err)
		}
		return nil
	})
}

// DeleteSuppression removes a suppression; one that is not there is fine.
func (s *Store) DeleteSuppression(ctx context.Context, sc fleet.Scope, k audit.SuppressionKey) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		return deleteSuppression(ctx, q, scope, k)
	})
}

func deleteSuppression(ctx context.Context, q querier, scope int64, k audit.SuppressionKey) error {
	if _, err := q.exec(ctx, `DELETE FROM suppressions
		WHERE scope = @scope AND check_name = @check AND resource = @resource`,
		args{"scope": scope, "check": k.Check, "resource": k.Key}); err != nil {
		return fmt.Errorf("delete suppression: %w", err)
	}
	return nil
}

// Suppressions lists the suppressions that have not expired by their ends.
func (s *Store) Suppressions(ctx context.Context, sc fleet.Scope, sq audit.SuppressionQuery) (
	list []audit.Suppression, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		text, a := suppressionPage(sq, s.millis())
		a["scope"] = scope
		list, err = all(ctx, q, text, a, scanSuppression)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list suppressions: %w", err)
	}
	return list, nil
}

// suppressionPage is the statement for a page, but for the scope.
func suppressionPage(sq audit.SuppressionQuery, now int64) (string, args) {
	a := args{"limit": sq.Limit, "end": int64(endless), "seq": int64(endless)}
	text := `SELECT ` + suppressionColumns + ` FROM suppressions WHERE scope = @scope`
	if sq.Check != "" {
		text += ` AND check_name = @check`
		a["check"] = sq.Check
	}
	if sq.Key != "" {
		text += ` AND resource = @resource AND resource_type = @type`
		a["resource"], a["type"] = sq.Key, string(sq.Type)
	}
	if sq.After.Seq != 0 {
		a["end"], a["seq"] = expiry(sq.After.Expires), sq.After.Seq
	}
	if sq.Descending {
		a["now"] = now
		return text + ` AND (expires_at, seq) < (@end, @seq) AND expires_at > @now
			ORDER BY expires_at DESC, seq DESC LIMIT @limit`, a
	}
	if sq.After.Seq == 0 || a["end"].(int64) < now {
		a["end"], a["seq"] = now, int64(endless) // what has expired is not listed
	}
	if sq.Check != "" && sq.Key != "" {
		// There is one at most. The sums keep the planner from looking for it by its end.
		return text + ` AND (expires_at + 0, seq + 0) > (@end, @seq) LIMIT @limit`, a
	}
	return text + ` AND (expires_at, seq) > (@end, @seq) ORDER BY expires_at, seq LIMIT @limit`, a
}

// Suppressed returns those resources about which the findings of a check were
// suppressed when the audit began: what was created later is for later audits.
// A suppression that is deleted meanwhile is not looked for any more.
func (s *Store) Suppressed(ctx context.Context, tx durable.Tx, t *audit.Task, check string, resources []string) (
	map[string]bool, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, t.Scope)
	if err != nil {
		return nil, err
	}
	return suppressedIn(ctx, q, scope, suppressedQuery{check: check, started: t.Started.UnixMilli(), resources: resources})
}

// suppressedQuery asks which resources were suppressed for a check at a time.
type suppressedQuery struct {
	check     string
	started   int64
	resources []string
}

const (
	someSuppressed = `SELECT 1 FROM suppressions WHERE scope = @scope AND check_name = @check
		AND expires_at > @started ORDER BY expires_at LIMIT 1`
	// suppressedText is continued by the resources. The sum keeps the planner
	// from looking at all suppressions by their ends.
	suppressedText = `SELECT resource FROM suppressions WHERE scope = @scope AND check_name = @check
		AND created_at <= @started AND expires_at + 0 > @started AND `
)

func suppressedIn(ctx context.Context, q querier, scope int64, sq suppressedQuery) (map[string]bool, error) {
	a := args{"scope": scope, "check": sq.check, "started": sq.started}
	some, err := count(ctx, q, someSuppressed, a)
	if err != nil || some == 0 { // most accounts have none
		return nil, err
	}
	found, err := all(ctx, q, suppressedText+q.dialect().in("resource", "resources", a, sq.resources), a, scalar[string])
	if err != nil {
		return nil, fmt.Errorf("find suppressions: %w", err)
	}
	set := make(map[string]bool, len(found))
	for _, key := range found {
		set[key] = true
	}
	return set, nil
}

// purgeRows is how many rows one transaction of a purge deletes at most.
const purgeRows = 1000

// PurgeSuppressions deletes suppressions that have expired, in small
// transactions. Those that an audit in progress still needs are left.
func (s *Store) PurgeSuppressions(ctx context.Context) error {
	for {
		var n int64
		err := s.write(ctx, func(ctx context.Context, q querier) (err error) {
			n, err = q.exec(ctx, `DELETE FROM suppressions WHERE seq IN (
				SELECT e.seq FROM suppressions e WHERE e.expires_at <= @now AND e.expires_at < 9223372036854775807
					AND NOT EXISTS (SELECT 1 FROM audits a WHERE a.scope = e.scope AND a.status = 'IN_PROGRESS'
						AND a.started_at < e.expires_at)
				ORDER BY e.expires_at LIMIT @limit)`, args{"now": s.millis(), "limit": purgeRows})
			return err
		})
		if err != nil {
			return fmt.Errorf("purge suppressions: %w", err)
		}
		if n < purgeRows {
			return nil
		}
	}
}
