package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// insertFindings stores findings, a kind at a time: most of what they say is
// the same in all of a kind.
func insertFindings(ctx context.Context, q querier, scope int64, list []audit.Finding) error {
	type kind struct{ check, code string }
	kinds, order := map[kind][]audit.Finding{}, []kind{}
	for i := range list {
		k := kind{list[i].Check, list[i].ReasonCode}
		if kinds[k] == nil {
			order = append(order, k)
		}
		kinds[k] = append(kinds[k], list[i])
	}
	for _, k := range order {
		if err := insertRows(ctx, q, "findings", findingValues(scope, kinds[k])); err != nil {
			return fmt.Errorf("store findings: %w", err)
		}
	}
	return insertRelated(ctx, q, list)
}

func findingValues(scope int64, list []audit.Finding) []column {
	type finding = audit.Finding
	return []column{
		{"audit", collect(list, func(f *finding) int64 { return f.Audit })},
		{"n", collect(list, func(f *finding) int64 { return f.N })},
		{"scope", repeat(scope, len(list))},
		{"check_name", collect(list, func(f *finding) string { return f.Check })},
		{"severity", collect(list, func(f *finding) string { return string(f.Severity) })},
		{"resource_type", collect(list, func(f *finding) string { return string(f.Resource.Type) })},
		{"resource", collect(list, func(f *finding) string { return f.Resource.Key })},
		{"resource_seq", collect(list, func(f *finding) int64 { return f.Resource.Seq })},
		{"info", collect(list, func(f *finding) string { return infoJSON(f.Resource.Info) })},
		{"reason_code", collect(list, func(f *finding) string { return f.ReasonCode })},
		{"reason", collect(list, func(f *finding) string { return f.Reason })},
		{"suppressed", collect(list, func(f *finding) bool { return f.Suppressed })},
		{"found_at", collect(list, func(f *finding) int64 { return f.Found.UnixMilli() })},
	}
}

// relatedRow is a resource that a finding is also about.
type relatedRow struct {
	audit.FindingRef
	k int64
	audit.Resource
}

func insertRelated(ctx context.Context, q querier, list []audit.Finding) error {
	var rows []relatedRow
	for i := range list {
		for k, r := range list[i].Related {
			rows = append(rows, relatedRow{list[i].FindingRef, int64(k + 1), r})
		}
	}
	return insertRelatedRows(ctx, q, rows)
}

func insertRelatedRows(ctx context.Context, q querier, rows []relatedRow) error {
	if len(rows) == 0 {
		return nil
	}
	err := insertRows(ctx, q, "finding_resources", []column{
		{"audit", collect(rows, func(r *relatedRow) int64 { return r.Audit })},
		{"n", collect(rows, func(r *relatedRow) int64 { return r.N })},
		{"k", collect(rows, func(r *relatedRow) int64 { return r.k })},
		{"resource_type", collect(rows, func(r *relatedRow) string { return string(r.Type) })},
		{"resource", collect(rows, func(r *relatedRow) string { return r.Key })},
		{"info", collect(rows, func(r *relatedRow) string { return infoJSON(r.Info) })},
		{"resource_seq", collect(rows, func(r *relatedRow) int64 { return r.Seq })},
	})
	if err != nil {
		return fmt.Errorf("store related resources: %w", err)
	}
	return nil
}

const findingColumns = `f.audit, f.n, a.id, a.finding_prefix, a.started_at, f.check_name, f.severity, f.resource_type,
	f.resource, f.info, f.reason_code, f.reason, f.suppressed, f.found_at`

func scanFinding(r scanner) (f audit.Finding, err error) {
	var prefix, info string
	var started, found int64
	if err := r.Scan(&f.Audit, &f.N, &f.TaskID, &prefix, &started, &f.Check, &f.Severity, &f.Resource.Type,
		&f.Resource.Key, &info, &f.ReasonCode, &f.Reason, &f.Suppressed, &found); err != nil {
		return f, err
	}
	f.ID = audit.FindingID(prefix, f.N)
	f.TaskStarted, f.Found = fromMillis(started), fromMillis(found)
	return f, fromInfoJSON(info, &f.Resource.Info)
}

// Finding returns a finding with its first related resources, or a NotFound
// fault.
func (s *Store) Finding(ctx context.Context, sc fleet.Scope, id string) (f audit.Finding, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		if f, err = findFinding(ctx, q, scope, id); err != nil {
			return err
		}
		if f.Resource.Type == audit.IssuerCertificate {
			return nil // AWS lists what is related to these by a call of its own only
		}
		f.Related, err = related(ctx, q, f.FindingRef, 0, audit.MaxRelated)
		return err
	})
	return f, err
}

func findFinding(ctx context.Context, q querier, scope int64, id string) (audit.Finding, error) {
	prefix, n, valid := audit.ParseFindingID(id)
	f, ok, err := one(ctx, q, `SELECT `+findingColumns+` FROM audits a JOIN findings f ON f.audit = a.seq
		WHERE a.scope = @scope AND a.finding_prefix = @prefix AND f.n = @n`,
		args{"scope": scope, "prefix": prefix, "n": n}, scanFinding)
	if err != nil {
		return f, fmt.Errorf("find finding: %w", err)
	}
	if !ok || !valid {
		return f, fault.New(fault.NotFound, "there is no finding %q", id)
	}
	return f, nil
}

// RelatedResources lists what else a finding is about, behind the k-th, or
// returns a NotFound fault.
func (s *Store) RelatedResources(ctx context.Context, sc fleet.Scope, id string, after, limit int) (
	list []audit.Resource, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		f, err := findFinding(ctx, q, scope, id)
		if err != nil {
			return err
		}
		list, err = related(ctx, q, f.FindingRef, after, limit)
		return err
	})
	return list, err
}

func related(ctx context.Context, q querier, ref audit.FindingRef, after, limit int) ([]audit.Resource, error) {
	return all(ctx, q, `SELECT resource_type, resource, info, resource_seq FROM finding_resources
		WHERE audit = @audit AND n = @n AND k > @after ORDER BY k LIMIT @limit`,
		args{"audit": ref.Audit, "n": ref.N, "after": after, "limit": limit},
		func(r scanner) (res audit.Resource, err error) {
			var info string
			if err := r.Scan(&res.Type, &res.Key, &info, &res.Seq); err != nil {
				return res, err
			}
			return res, fromInfoJSON(info, &res.Info)
		})
}

// Findings lists findings.
func (s *Store) Findings(ctx context.Context, sc fleet.Scope, f audit.FindingQuery) (list []audit.Finding, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a := args{
			"scope": scope, "check": f.Check, "type": string(f.Resource.Type), "key": f.Resource.Key,
			"any": f.Suppressed == nil, "suppressed": f.Suppressed != nil && *f.Suppressed, "limit": f.Limit,
		}
		where := ` WHERE f.scope = @scope AND f.found_at BETWEEN @from AND @to`
		order := ` ORDER BY f.found_at DESC, f.audit DESC, f.n DESC`
		if f.TaskID != "" {
			where, order = ` WHERE a.scope = @scope AND a.id = @task`, ` ORDER BY f.n DESC`
			a["task"] = f.TaskID
		} else {
			a["from"], a["to"] = f.From.UnixMilli(), f.To.UnixMilli()
		}
		where += ` AND (@check = '' OR f.check_name = @check) AND (@key = '' OR f.resource_type = @type AND f.resource = @key)
			AND (@any OR f.suppressed = @suppressed)`
		if f.Before.N != 0 {
			where += beforeFinding(f, a)
		}
		list, err = all(ctx, q, `SELECT `+findingColumns+` FROM audits a JOIN findings f ON f.audit = a.seq`+
			where+order+` LIMIT @limit`, a, scanFinding)
		return err
	})
	return list, err
}

func beforeFinding(f audit.FindingQuery, a args) string {
	a["n"] = f.Before.N
	if f.TaskID != "" {
		return ` AND f.n < @n`
	}
	a["audit"], a["found"] = f.Before.Audit, f.Before.Found.UnixMilli()
	return ` AND (f.found_at, f.audit, f.n) < (@found, @audit, @n)`
}
