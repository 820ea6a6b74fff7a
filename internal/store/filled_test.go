package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// numbered is what the names in a filled store end with: as many digits for
// every one, so that they sort as they count.
const numbered = 10_000_000

// filledName is the i-th name that begins with a prefix in a filled store.
func filledName(prefix string, i int) string { return fmt.Sprintf("%s%d", prefix, numbered+i) }

// filledCertificate is the id of the i-th certificate of a filled store.
func filledCertificate(i int) string { return filledName(strings.Repeat("0", 56), i) }

// filledAudit is the i-th audit of a filled store, filledPrefix how the ids of
// its findings begin.
func filledAudit(i int) string  { return filledPrefix(i) + strings.Repeat("0", 12) }
func filledPrefix(i int) string { return filledName(strings.Repeat("0", 12), i) }

// fill is one statement that fills a table: it selects of a column i with the
// numbers from 1 to its share of n.
type fill struct {
	share int // of n: one in so many
	text  string
}

// table is what a fill is for.
func (f fill) table() string { return strings.Fields(f.text)[2] }

// The fleet of a filled store: n things, all of them in the group "all" or,
// those with an even number, in one of the groups below it; n certificates that
// all have the policy p1; certificate 1 is the principal of every thing, and
// thing 1 has every certificate.
var fleetFills = []fill{
	{4, `INSERT INTO thing_types (scope, name, id, description, searchable, mqtt5, created_at)
		SELECT @scope, 'y' || (10000000 + i), 'i', '', '[]', '[]', 1 FROM r`},
	{1, `INSERT INTO things (scope, name, id, thing_type, attributes, version, created_at)
		SELECT @scope, 't' || (10000000 + i), 'i' || i, CASE WHEN i % 2 = 0 THEN 'y10000001' ELSE '' END,
			'{"site":"s' || (i % 100) || '"}', 1, 1 FROM r`},
	{1, `INSERT INTO thing_attributes (scope, thing, name, value, folded, thing_type)
		SELECT @scope, 't' || (10000000 + i), 'site', 's' || (i % 100), 's' || (i % 100),
			CASE WHEN i % 2 = 0 THEN 'y10000001' ELSE '' END FROM r`},
	{1, `INSERT INTO thing_connectivity (scope, thing, connected, changed_at, reason)
		SELECT @scope, 't' || (10000000 + i), i % 3 = 0, i, '' FROM r`},
	{0, `INSERT INTO thing_groups (scope, name, id, parent, seq, root, path, depth, description, attributes, version,
			created_at)
		SELECT @scope, 'all', 'i', NULL, 10000000, 10000000, hex(10000000), 0, '', '{}', 1, 1 FROM r`},
	{4, `INSERT INTO thing_groups (scope, name, id, parent, seq, root, path, depth, description, attributes, version,
			created_at)
		SELECT @scope, 'b' || (10000000 + i), 'i', 'all', 10000000 + i, 10000000,
			hex(10000000) || hex(10000000 + i), 1, '', '{}', 1, 1 FROM r`},
	{4, `INSERT INTO thing_groups (scope, name, id, parent, seq, root, path, depth, description, attributes, version,
			created_at)
		SELECT @scope, 'r' || (10000000 + i), 'i', NULL, 50000000 + i, 50000000 + i,
			hex(50000000 + i), 0, '', '{}', 1, 1 FROM r`},
	{1, `INSERT INTO group_members (scope, thing, root, thing_group, created_at)
		SELECT @scope, 't' || (10000000 + i), 10000000, CASE WHEN i % 2 = 0 THEN 10000000 + (i + 7) / 8 ELSE 10000000 END,
			1 FROM r`},
	{4, `INSERT INTO group_members (scope, thing, root, thing_group, created_at)
		SELECT @scope, 't' || (10000000 + i), 50000000 + i, 50000000 + i, 1 FROM r`},
	{1, `INSERT INTO certificates (seq, scope, id, status, mode, ca_id, key_type, key_bits, roca, debian_digest,
			badkeys_digest, not_before, not_after, generation, customer_version, created_at, modified_at, serial, issued_by)
		SELECT CAST(@first AS BIGINT) + 10000000 + i, @scope,
			'00000000000000000000000000000000000000000000000000000000' || (10000000 + i), 'ACTIVE', 'DEFAULT',
			CASE WHEN i % 2 = 0 THEN 'ca' ELSE '' END, 'EC', 256, FALSE, '', '', 1, 2, 'g', 1, 1, 1,
			's' || (10000000 + i), @scope FROM r`},
	{1, `INSERT INTO thing_principals (scope, certificate, thing, exclusive, created_at)
		SELECT @scope, '0000000000000000000000000000000000000000000000000000000010000001', 't' || (10000000 + i), FALSE, 1
		FROM r`},
	{1, `INSERT INTO thing_principals (scope, certificate, thing, exclusive, created_at)
		SELECT @scope, '00000000000000000000000000000000000000000000000000000000' || (10000000 + i), 't10000001', FALSE, 1
		FROM r WHERE i > 1`},
	{2, `INSERT INTO policies (seq, scope, name, default_version, next_version, generation, created_at, modified_at)
		SELECT 10000000 + i, @scope, 'p' || (10000000 + i), 1, 2, 'g', 1, 1 FROM r`},
	{2, `INSERT INTO policy_versions (scope, policy, version, document, blank, broad_actions, deny_wildcards,
			deny_bypass, created_at)
		SELECT @scope, 'p' || (10000000 + i), 1, '{}', FALSE, '[]', FALSE, FALSE, 1 FROM r`},
	{1, `INSERT INTO policy_targets (scope, policy, target, created_at)
		SELECT @scope, 'p10000001', 'cert/00000000000000000000000000000000000000000000000000000000' || (10000000 + i), 1
		FROM r`},
	{2, `INSERT INTO policy_targets (scope, policy, target, created_at)
		SELECT @scope, 'p' || (10000000 + i), 'cert/00000000000000000000000000000000000000000000000000000000' ||
			(10000000 + i), 1 FROM r WHERE i > 1`},
	{0, `INSERT INTO policy_targets (scope, policy, target, created_at)
		SELECT @scope, 'p10000002', 'thinggroup/all', 1 FROM r`},
}

// What else a filled store has: everything that is listed, many of each.
var otherFills = []fill{
	{4, `INSERT INTO ended_certificates (ca, serial, id, status, ended_at, not_after)
		SELECT @scope, 'e' || (10000000 + i), 'e' || i, 'INACTIVE', 1, 2 FROM r`},
	{4, `INSERT INTO ca_certificates (seq, scope, id, status, mode, auto_registration, registration_config, subject,
			subject_key_id, key_type, key_bits, roca, debian_digest, badkeys_digest, not_before, not_after, generation,
			customer_version, created_at, modified_at, pem)
		SELECT 10000000 + i, @scope, 'c' || (10000000 + i), 'ACTIVE', 'DEFAULT', 'DISABLE', '', 's' || (i / 3), 'k', 'RSA',
			2048, FALSE, '', '', 1, 2, 'g', 1, 1, 1, 'p' FROM r`},
	{4, `INSERT INTO certificate_transfers (n, certificate, from_scope, to_account, region, state, message, reason,
			transferred_at)
		SELECT 20000000 + i, '00000000000000000000000000000000000000000000000000000000' || (10000000 + i), @scope,
			CASE WHEN i % 2 = 0 THEN '222222222222' ELSE '111111111111' END, 'eu-central-1', 'PENDING', '', '', 1 FROM r`},
	{4, `INSERT INTO audits (seq, scope, id, finding_prefix, type, status, scheduled_name, checks, progress, pass,
			position, findings, started_at, ended_at)
		SELECT 10000000 + i, @scope, '000000000000' || (10000000 + i) || '000000000000', '000000000000' || (10000000 + i),
			CASE WHEN i % 2 = 0 THEN 'SCHEDULED_AUDIT_TASK' ELSE 'ON_DEMAND_AUDIT_TASK' END,
			CASE WHEN i % 1000 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, '', '[]', '{}', 0, 0, 0, i, i FROM r`},
	{1, `INSERT INTO findings (audit, n, scope, check_name, severity, resource_type, resource, resource_seq, info,
			reason_code, reason, suppressed, found_at)
		SELECT 10000000 + a, i, @scope, CASE WHEN i % 1000 = 0 THEN 'RARE' ELSE 'OFTEN' END, 'LOW', 'DEVICE_CERTIFICATE',
			'00000000000000000000000000000000000000000000000000000000' || (10000000 + i), i, '{}', 'R', 'r',
			i % 1000 = 1, a * 1000000 + i FROM r,
			(SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) audits`},
	{4, `INSERT INTO finding_resources (audit, n, k, resource_type, resource, info)
		SELECT 10000001, 1, i, 'DEVICE_CERTIFICATE', 'x' || i, '{}' FROM r`},
	{4, `INSERT INTO mitigation_actions (scope, name, id, type, role_arn, params, created_at, modified_at)
		SELECT @scope, 'm' || (10000000 + i), 'i',
			CASE WHEN i % 1000 = 0 THEN 'ENABLE_IOT_LOGGING' ELSE 'UPDATE_DEVICE_CERTIFICATE' END, '', '{}', 1, 1 FROM r`},
	{4, `INSERT INTO mitigation_tasks (seq, scope, id, token, request_hash, status, target, mapping, actions, stats,
			at_audit, at_n, cursor, started_at, ended_at, message)
		SELECT 10000000 + i, @scope, 'k' || (10000000 + i), 'k' || i, '', CASE WHEN i % 1000 = 0 THEN 'FAILED' ELSE
			'COMPLETED' END, '{}', '{}', '[]', '{}', 0, 0, '', i, i, '' FROM r`},
	{4, `INSERT INTO mitigation_targets (task, audit, n) SELECT 10000000 + i, 10000000 + i, 0 FROM r`},
	{4, `INSERT INTO mitigation_targets (task, audit, n) SELECT 10000000 + i, 10000001, i FROM r WHERE i > 1`},
	{4, `INSERT INTO mitigation_targets (task, audit, n) SELECT 10000000 + i, 10000001, i + 1 FROM r WHERE i > 1`},
	{1, `INSERT INTO executions (task, audit, n, action, status, error_code, message, started_at)
		SELECT 10000001, 10000001, i, 0, 'COMPLETED', '', '', 1 FROM r`},
	{4, `INSERT INTO execution_changes (task, audit, n, action, k, kind, resource, from_side, to_side)
		SELECT 10000001, 10000001, 1, 0, i, 'k', 'r', 'f', 't' FROM r`},
	{2, `INSERT INTO suppressions (seq, scope, check_name, resource, resource_type, expires_at, description, token,
			request_hash, created_at)
		SELECT 10000000 + i, @scope, CASE WHEN i % 1000 = 0 THEN 'RARE' ELSE 'OFTEN' END, 'u' || i, 'ACCOUNT_SETTINGS',
			9223372036854775807, '', 'k' || i, '', 1 FROM r`},
	{4, `INSERT INTO suppressions (seq, scope, check_name, resource, resource_type, expires_at, description, token,
			request_hash, created_at)
		SELECT 30000000 + i, @scope, 'C' || i, 'u1', 'ACCOUNT_SETTINGS', 9000000000000 + i, '', 'l' || i, '', 1 FROM r`},
	{4, `INSERT INTO role_aliases (scope, name, role_arn, seconds, created_at, modified_at)
		SELECT @scope, 'a' || (10000000 + i), 'r', 900, 1, 1 FROM r`},
	{4, `INSERT INTO identity_pools (scope, id, settings, roles, created_at)
		SELECT @scope, 'eu-central-1:' || (10000000 + i), '{}', '{}', 1 FROM r`},
	{4, `INSERT INTO hook_tokens (hash, scope, id, name, created_at)
		SELECT 'h' || i, @scope, 'h' || (10000000 + i), '', 1 FROM r`},
	{4, `INSERT INTO topics (seq, scope, name, policy, attributes, ended, created_at)
		SELECT 10000000 + i, @scope, 'n' || (10000000 + i), '', '{}', 0, 1 FROM r`},
	{8, `INSERT INTO topic_subscriptions (seq, scope, topic, id, protocol, endpoint, state, guarded, settings, created_at)
		SELECT 10000000 + i, @scope, 10000001, 'u' || i, 'https', 'e' || i, 'CONFIRMED', FALSE, '{}', 1 FROM r`},
	{8, `INSERT INTO topic_subscriptions (seq, scope, topic, id, protocol, endpoint, state, guarded, settings, created_at)
		SELECT 20000000 + i, @scope, 10000000 + i, 'v' || i, 'https', 'e', 'CONFIRMED', FALSE, '{}', 1 FROM r WHERE i > 1`},
	{2, `INSERT INTO topic_messages (seq, scope, id, topic_arn, role_arn, subject, structure, attributes, body, state,
			reason, created_at)
		SELECT 10000000 + i, @scope, 'm' || i, 'arn', '', '', '', '{}', 'b', CASE WHEN i % 2 = 0 THEN 'PENDING' ELSE 'SENT'
			END, '', i FROM r`},
	{2, `INSERT INTO topic_deliveries (seq, scope, kind, message, subscription, state, attempt, next_at, error, created_at)
		SELECT 10000000 + i, @scope, 'MESSAGE', 10000001, 10000000 + i % 10, CASE WHEN i % 3 = 0 THEN 'WAITING' WHEN i % 3 = 1
			THEN 'DEAD' ELSE 'DELIVERED' END, 1, i, '', 1 FROM r`},
	{4, `INSERT INTO logging_levels (scope, target_type, target_name, level)
		SELECT @scope, CASE WHEN i % 1000 = 0 THEN 'CLIENT_ID' ELSE 'THING_GROUP' END, 'l' || (10000000 + i), 'INFO'
		FROM r`},
	{0, `INSERT INTO logging_options (scope, v1_role, v1_level, v2_configured, v2_role, v2_level, v2_disabled,
			event_configurations) SELECT @scope, '', '', TRUE, 'r', 'INFO', FALSE, '{}' FROM r`},
	{4, `INSERT INTO scheduled_audits (scope, name, frequency, day_of_month, day_of_week, checks, created_at, time_of_day,
			next_run)
		SELECT @scope, 's' || (10000000 + i), 'DAILY', '', '', '[]', 1, 0, i FROM r`},
	{400, `INSERT INTO tags (scope, arn, key, value)
		SELECT @scope, 'arn:aws:iot:eu-central-1:111111111111:policy/p10000001', 'k' || i, '' FROM r`},
	{1, `INSERT INTO call_batches (chain, number, lines, first_at, last_at, previous, names, digest, seal, body, marks)
		SELECT 'n10000001', i, 1, i, i, 'p', '', 'd', 's', 'b', 'm' FROM r`},
	{4, `INSERT INTO call_batches (chain, number, lines, first_at, last_at, previous, names, digest, seal)
		SELECT 'n' || (20000000 + i), 1, 1, i, i, 'p', '', 'd', 's' FROM r`},
	{4, `INSERT INTO call_chains (chain, number, seal, named)
		SELECT 'n' || (20000000 + i), 1, 's', CASE WHEN i % 100 = 0 THEN 0 ELSE 1 END FROM r`},
	{800, `INSERT INTO call_loose (node, lines) SELECT 'n10000001', 'l' FROM r`},
	{4, `INSERT INTO accounts (id, name, status, operator, created_at)
		SELECT '0000' || (10000000 + i), '', 'ENABLED', FALSE, 1 FROM r`},
	{0, `INSERT INTO accounts (id, name, status, operator, created_at)
		SELECT '111111111111', '', 'ACTIVE', FALSE, 1 FROM r`},
	{4, `INSERT INTO iam_users (seq, account, id, name, folded, path, boundary, tags, created_at)
		SELECT 10000000 + i, '111111111111', 'AIDA' || i, 'u' || (10000000 + i), 'u' || (10000000 + i),
			'/' || (i % 4) || '/', '', '', 1 FROM r`},
	{4, `INSERT INTO iam_groups (seq, account, id, name, folded, path, created_at)
		SELECT 20000000 + i, '111111111111', 'AGPA' || i, 'g' || (10000000 + i), 'g' || (10000000 + i),
			'/' || (i % 4) || '/', 1 FROM r`},
	{4, `INSERT INTO iam_group_members (user_seq, group_seq)
		SELECT 10000000 + i, 20000000 + i FROM r`},
	{4, `INSERT INTO iam_roles (seq, account, id, name, folded, path, trust, description, max_session, boundary, tags,
			created_at)
		SELECT 30000000 + i, '111111111111', 'AROA' || i, 'r' || (10000000 + i), 'r' || (10000000 + i),
			'/' || (i % 4) || '/', '', '', 3600, '', '', 1 FROM r`},
	{4, `INSERT INTO iam_policies (seq, account, id, name, folded, path, description, default_version, next_version,
			attached, bounds, tags, created_at, updated_at)
		SELECT 40000000 + i, '111111111111', 'ANPA' || i, 'p' || (10000000 + i), 'p' || (10000000 + i),
			'/' || (i % 4) || '/', '', 1, 2, CASE WHEN i % 40 = 0 THEN 1 ELSE 0 END, CASE WHEN i % 50 = 0 THEN 1 ELSE 0 END,
			'', 1, 1 FROM r`},
	{4, `INSERT INTO iam_policy_versions (policy_seq, version, document, created_at)
		SELECT 40000000 + i, 1, '{}', 1 FROM r`},
	{4, `INSERT INTO iam_inline_policies (owner_kind, owner_seq, name, document)
		SELECT 'role', 30000000 + i, 'i', '{}' FROM r`},
	{4, `INSERT INTO iam_attachments (owner_kind, owner_seq, policy_arn, account)
		SELECT 'role', 30000000 + i, 'arn:aws:iam::111111111111:policy/0/p' || (10000000 + i), '111111111111' FROM r`},
	{4, `INSERT INTO access_keys (id, account, user_seq, secret, created_at)
		SELECT 'AKIA' || i, '111111111111', 10000000 + i, 'x', 1 FROM r`},
	{4, `INSERT INTO crls (list, scope, issuer_key, url, issuer_name, number, this_update, next_update, entries, covers,
			digest, live, stored_at)
		SELECT 10000000 + i, @scope, 'k' || (i / 2), CASE WHEN i % 2 = 0 THEN 'u' ELSE '' END, '', '', 1, 2, 0, '', '', 0, 1
		FROM r`},
	{4, `INSERT INTO crl_sources (source, scope, digest, issuer, issuer_name, key_id, ca, self, points, state, reason,
			chain, checked_at)
		SELECT 10000000 + i, @scope, 'd' || i, '', '', '', FALSE, FALSE, '[]', '', '', '', i FROM r`},
	{4, `INSERT INTO issuers (seq, scope, id, subject, name, subject_key_id, key, serial, source, root, pem, created_at)
		SELECT 10000000 + i, @scope, 'i' || i, 's' || (i / 3), '', '', '', '', 0, FALSE, '', 1 FROM r`},
	{0, `INSERT INTO imports (scope, id, source, created_at) SELECT @scope, 'import', 's', 1 FROM r`},
	{4, `INSERT INTO import_batches (scope, import, n, digest, accepted, unchanged, refusals)
		SELECT @scope, 'import', i, 'd', 1, 1, '[]' FROM r`},
}

// hexOf is a number in a fill as it stands in the path of a group.
var hexOf = regexp.MustCompile(`hex\(([^)]*)\)`)

// fillsOf are the fills of some tables: filling everything takes long.
func fillsOf(tables ...string) (list []fill) {
	for _, f := range slices.Concat(fleetFills, otherFills) {
		if slices.Contains(tables, strings.Fields(f.text)[2]) {
			list = append(list, f)
		}
	}
	return list
}

// fillStore fills the tables of a scope, of which there is nothing yet, by
// statements. Another scope has nothing. What they refer to is not looked for.
func fillStore(t *testing.T, s *Store, n int, fills []fill) {
	t.Helper()
	defer pastStore(t, s)()
	for _, f := range fills {
		if err := fillOne(s, n, f); err != nil {
			t.Fatalf("%v of %s", err, f.text)
		}
	}
	if s.pool != nil {
		_, err := s.pool.Exec(context.Background(), `VACUUM ANALYZE`)
		ok(t, err)
	}
}

// fillOne fills one table.
func fillOne(s *Store, n int, f fill) error {
	fill := func(ctx context.Context, q querier, scope int64) error {
		a := args{"n": 1}
		if f.share > 0 {
			a["n"] = n / f.share
		}
		if strings.Contains(f.text, "@scope") {
			a["scope"] = scope
		}
		if strings.Contains(f.text, "@first") {
			a["first"], _ = certificateRange(scope)
		}
		if s.pool != nil {
			if _, err := q.exec(ctx, `SET LOCAL session_replication_role = replica`, nil); err != nil {
				return err
			}
		}
		hex := `printf('%016x', $1)`
		if s.pool != nil {
			hex = `lpad(to_hex(CAST($1 AS BIGINT)), 16, '0')`
		}
		into, selects, _ := strings.Cut(hexOf.ReplaceAllString(f.text, hex), "SELECT")
		_, err := q.exec(ctx, into+`WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < @n)
			SELECT`+selects, a)
		return err
	}
	if inCalls.MatchString(f.text) {
		return s.calls.write(context.Background(), func(ctx context.Context, q querier) error { return fill(ctx, q, 0) })
	}
	return s.writing(context.Background(), here, fill)
}

// inCalls finds the tables that SQLite has in a database of their own.
var inCalls = regexp.MustCompile(`\bcall_(batches|chains|purge|taken)\b`)
