package store

import (
	"context"
	"fmt"
	"math"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
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

// WholeFindings reads all of some findings inside a slice, with the related
// resources that are shown with them. Those that are not there are left out.
func (s *Store) WholeFindings(ctx context.Context, tx durable.Tx, list []audit.FindingRef) (
	map[audit.FindingRef]*audit.Finding, error,
) {
	of := map[int64][]int64{}
	for _, ref := range list {
		of[ref.Audit] = append(of[ref.Audit], ref.N)
	}
	q, out := s.slice(tx), make(map[audit.FindingRef]*audit.Finding, len(list))
	for seq, numbers := range of {
		a := args{"audit": seq}
		found, err := all(ctx, q, `SELECT `+findingColumns+` FROM audits a JOIN findings f ON f.audit = a.seq
			WHERE a.seq = @audit AND `+q.dialect().in("f.n", "numbers", a, numbers), a, scanFinding)
		if err != nil {
			return nil, fmt.Errorf("read findings: %w", err)
		}
		for i := range found {
			out[found[i].FindingRef] = &found[i]
		}
		if err := addRelated(ctx, q, seq, numbers, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// addRelated adds the first related resources to findings of an audit, but for
// those of which AWS lists them by a call of their own only.
func addRelated(ctx context.Context, q querier, seq int64, numbers []int64, to map[audit.FindingRef]*audit.Finding,
) error {
	a := args{"audit": seq, "most": audit.MaxRelated}
	rows, err := all(ctx, q, `SELECT n, resource_type, resource, info FROM finding_resources
		WHERE audit = @audit AND k <= @most AND `+q.dialect().in("n", "numbers", a, numbers)+` ORDER BY n, k`, a,
		func(r scanner) (row relatedRow, err error) {
			var info string
			if err := r.Scan(&row.N, &row.Type, &row.Key, &info); err != nil {
				return row, err
			}
			return row, fromInfoJSON(info, &row.Info)
		})
	if err != nil {
		return fmt.Errorf("read related resources: %w", err)
	}
	for _, row := range rows {
		f := to[audit.FindingRef{Audit: seq, N: row.N}]
		if f != nil && f.Resource.Type != audit.IssuerCertificate {
			f.Related = append(f.Related, row.Resource)
		}
	}
	return nil
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

const (
	// findingWindow is how many findings a list with a filter looks at at once.
	findingWindow = 2000
	// findingEffort is how many findings one page of such a list looks at.
	findingEffort = 100_000
)

// Findings returns a page of findings, the newest first, and the position that
// the next page is behind, zero when there is none. A page that asks for some
// findings among very many can be short, even empty, and not be the last: it
// ends after some effort.
func (s *Store) Findings(ctx context.Context, sc fleet.Scope, f audit.FindingQuery) (
	list []audit.Finding, next audit.FindingPosition, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		l := &findingList{ctx: ctx, q: q, scope: scope, query: f}
		found, err := l.start()
		if err != nil || !found {
			return err
		}
		next, err = l.run()
		list = l.found
		return err
	})
	if err != nil {
		return nil, next, fmt.Errorf("list findings: %w", err)
	}
	return list, next, nil
}

// findingList finds the findings of one page.
type findingList struct {
	ctx   context.Context
	q     querier
	scope int64
	query audit.FindingQuery
	audit int64                 // the number of the audit whose findings are listed, 0 for a window
	last  audit.FindingPosition // what is looked at next is behind it
	found []audit.Finding
}

// start finds where the list begins. It is false when there is no such audit.
func (l *findingList) start() (bool, error) {
	l.last = l.query.Before
	if l.query.TaskID != "" {
		var last int64
		_, ok, err := one(l.ctx, l.q, `SELECT a.seq, (SELECT coalesce(max(f.n), 0) FROM findings f WHERE f.audit = a.seq)
			FROM audits a WHERE a.scope = @scope AND a.id = @task`, args{"scope": l.scope, "task": l.query.TaskID},
			func(r scanner) (bool, error) { return true, r.Scan(&l.audit, &last) })
		if l.last.N == 0 {
			l.last.N = last + 1
		}
		return ok, err
	}
	if l.last.N == 0 {
		l.last.Audit, l.last.N, l.last.Found = math.MaxInt64, math.MaxInt64, l.query.To
	}
	return true, nil
}

// run looks at window after window until the page is full.
func (l *findingList) run() (next audit.FindingPosition, err error) {
	f := l.query
	filtered := f.Check != "" || f.Resource.Key != "" || f.Suppressed != nil
	for effort := 0; effort < findingEffort; effort += findingWindow {
		end, more := audit.FindingPosition{}, false
		if filtered {
			if end, more, err = l.end(); err != nil {
				return end, err
			}
		}
		if err := l.read(end, more); err != nil {
			return end, err
		}
		if len(l.found) > f.Limit {
			l.found = l.found[:f.Limit]
			last := &l.found[f.Limit-1]
			return audit.FindingPosition{FindingRef: last.FindingRef, Found: last.Found}, nil
		}
		if l.last = end; !more {
			return audit.FindingPosition{}, nil
		}
	}
	return l.last, nil
}

// end is the last of the next findingWindow findings; more is false when there
// are not so many.
func (l *findingList) end() (end audit.FindingPosition, more bool, err error) {
	if l.audit != 0 { // whose findings are numbered without gaps
		end.Audit, end.N = l.audit, l.last.N-findingWindow
		return end, end.N > 1, nil
	}
	where, order, a := l.from()
	a["skip"] = findingWindow - 1
	return one(l.ctx, l.q, `SELECT f.audit, f.n, f.found_at FROM findings f`+where+order+` LIMIT 1 OFFSET @skip`, a,
		func(r scanner) (p audit.FindingPosition, err error) {
			var found int64
			err = r.Scan(&p.Audit, &p.N, &found)
			p.Found = fromMillis(found)
			return p, err
		})
}

// from chooses the findings behind the last one, and says how they are ordered.
func (l *findingList) from() (where, order string, a args) {
	if l.audit != 0 {
		return ` WHERE f.audit = @audit AND f.n < @n`, ` ORDER BY f.n DESC`, args{"audit": l.audit, "n": l.last.N}
	}
	return ` WHERE f.scope = @scope AND f.found_at >= @from AND (f.found_at, f.audit, f.n) < (@found, @audit, @n)`,
		` ORDER BY f.found_at DESC, f.audit DESC, f.n DESC`, args{
			"scope": l.scope, "from": l.query.From.UnixMilli(), "found": l.last.Found.UnixMilli(), "audit": l.last.Audit,
			"n": l.last.N,
		}
}

// read adds the findings that are asked for, up to one more than the page has,
// behind the last one and no further than an end.
func (l *findingList) read(end audit.FindingPosition, ends bool) error {
	where, order, a := l.from()
	if ends && l.audit != 0 {
		where += ` AND f.n >= @endn`
		a["endn"] = end.N
	} else if ends {
		where += ` AND (f.found_at, f.audit, f.n) >= (@endfound, @endaudit, @endn)`
		a["endfound"], a["endaudit"], a["endn"] = end.Found.UnixMilli(), end.Audit, end.N
	}
	if l.query.Check != "" {
		where += ` AND f.check_name = @check`
		a["check"] = l.query.Check
	}
	if r := l.query.Resource; r.Key != "" {
		where += ` AND f.resource_type = @type AND f.resource = @key`
		a["type"], a["key"] = string(r.Type), r.Key
	}
	if l.query.Suppressed != nil {
		where += ` AND f.suppressed = @suppressed`
		a["suppressed"] = *l.query.Suppressed
	}
	a["limit"] = l.query.Limit + 1 - len(l.found)
	page, err := all(l.ctx, l.q, `SELECT `+findingColumns+` FROM findings f JOIN audits a ON a.seq = f.audit`+where+order+
		` LIMIT @limit`, a, scanFinding)
	l.found = append(l.found, page...)
	return err
}
