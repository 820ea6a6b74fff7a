package store

import (
	"context"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Sources returns what was found out about sources of revocations since a
// time. Those that nobody has looked at since are not in the answer.
func (s *Store) Sources(ctx context.Context, tx durable.Tx, sc fleet.Scope, since time.Time, numbers []int64) (
	map[int64]*audit.Source, error,
) {
	q := s.slice(tx)
	scope, err := s.scope(ctx, q, sc)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]*audit.Source, len(numbers))
	a := args{"scope": scope, "since": since.UnixMilli()}
	list, err := all(ctx, q, `SELECT o.source, o.state, o.reason, o.chain,
			EXISTS (SELECT 1 FROM crl_source_lists l WHERE l.source = o.source) FROM crl_sources o
		WHERE o.scope = @scope AND o.checked_at >= @since AND `+q.dialect().in("o.source", "sources", a, numbers), a,
		func(r scanner) (o audit.Source, err error) {
			return o, r.Scan(&o.Number, &o.State, &o.Reason, &o.Chain, &o.Listed)
		})
	if err != nil {
		return nil, fmt.Errorf("read sources of revocations: %w", err)
	}
	for i := range list {
		out[list[i].Number] = &list[i]
	}
	a = args{}
	_, err = all(ctx, q, `SELECT source, issuer FROM crl_source_issuers WHERE `+
		q.dialect().in("source", "sources", a, numbers)+` ORDER BY source, issuer`, a,
		func(r scanner) (n int64, err error) {
			var issuer int64
			err = r.Scan(&n, &issuer)
			if o := out[n]; o != nil {
				o.Issuers = append(o.Issuers, issuer)
			}
			return n, err
		})
	if err != nil {
		return nil, fmt.Errorf("read issuers of sources: %w", err)
	}
	return out, nil
}

// revokedAt is when a list that decides about a row's source has revoked its
// serial number, NULL when none has. It is asked row by row, by the keys of all
// tables: a join could begin with a list of a million.
const revokedAt = `(SELECT r.revoked_at FROM crl_source_lists sl JOIN crls l ON l.list = sl.list
	JOIN revoked_serials r ON r.load = l.live AND r.serial = x.serial WHERE sl.source = x.source LIMIT 1)`

// RevokedCertificates returns when the device certificates of a range of
// numbers, of one scope, were revoked by their issuers. Those that were not are
// not in the answer.
func (s *Store) RevokedCertificates(ctx context.Context, tx durable.Tx, first, last int64) (
	map[int64]time.Time, error,
) {
	return revokedOf(ctx, s.slice(tx), "certificates", `x.seq >= @first AND x.seq <= @last`,
		args{"first": first, "last": last})
}

// RevokedCAs is RevokedCertificates for some registered CA certificates.
func (s *Store) RevokedCAs(ctx context.Context, tx durable.Tx, numbers []int64) (map[int64]time.Time, error) {
	q, a := s.slice(tx), args{}
	return revokedOf(ctx, q, "ca_certificates", q.dialect().in("x.seq", "seqs", a, numbers), a)
}

func revokedOf(ctx context.Context, q querier, table, which string, a args) (map[int64]time.Time, error) {
	out := map[int64]time.Time{}
	_, err := all(ctx, q, `SELECT seq, at FROM (SELECT x.seq, `+revokedAt+` AS at FROM `+table+` x WHERE `+which+`) found
		WHERE at IS NOT NULL`, a, func(r scanner) (seq int64, err error) {
		var at int64
		err = r.Scan(&seq, &at)
		out[seq] = fromMillis(at)
		return seq, err
	})
	if err != nil {
		return nil, fmt.Errorf("find revoked certificates: %w", err)
	}
	return out, nil
}

// Issuers returns the certificates of some issuers, with whether they were
// revoked.
func (s *Store) Issuers(ctx context.Context, tx durable.Tx, numbers []int64) ([]fleet.Issuer, error) {
	q, a := s.slice(tx), args{}
	list, err := all(ctx, q, selectIssuers+`WHERE `+q.dialect().in("i.seq", "seqs", a, numbers)+` ORDER BY i.seq`, a,
		scanIssuer)
	if err != nil {
		return nil, fmt.Errorf("read issuers: %w", err)
	}
	a = args{}
	revoked, err := revokedOf(ctx, q, "issuers", q.dialect().in("x.seq", "seqs", a, numbers), a)
	for i := range list {
		list[i].Revocation.Revoked = revoked[list[i].Seq]
	}
	return list, err
}

// MetIssuers returns which of some issuers an audit has met already.
func (s *Store) MetIssuers(ctx context.Context, tx durable.Tx, t *audit.Task, numbers []int64) (
	map[int64]*audit.MetIssuer, error,
) {
	q, a := s.slice(tx), args{"audit": t.Seq}
	list, err := all(ctx, q, `SELECT issuer, n, related FROM audit_issuers WHERE audit = @audit AND `+
		q.dialect().in("issuer", "issuers", a, numbers), a, func(r scanner) (m audit.MetIssuer, err error) {
		return m, r.Scan(&m.Issuer, &m.Finding, &m.Related)
	})
	if err != nil {
		return nil, fmt.Errorf("read issuers of an audit: %w", err)
	}
	out := make(map[int64]*audit.MetIssuer, len(list))
	for i := range list {
		out[list[i].Issuer] = &list[i]
	}
	return out, nil
}

// SaveMetIssuers stores which issuers an audit has met.
func (s *Store) SaveMetIssuers(ctx context.Context, tx durable.Tx, t *audit.Task, list []*audit.MetIssuer) error {
	q := s.slice(tx)
	for _, m := range list {
		_, err := q.exec(ctx, `INSERT INTO audit_issuers (audit, issuer, n, related)
			VALUES (@audit, @issuer, @n, @related)
			ON CONFLICT (audit, issuer) DO UPDATE SET n = excluded.n, related = excluded.related`,
			args{"audit": t.Seq, "issuer": m.Issuer, "n": m.Finding, "related": m.Related})
		if err != nil {
			return fmt.Errorf("store issuers of an audit: %w", err)
		}
	}
	return nil
}

// SaveRelated stores related resources of findings.
func (s *Store) SaveRelated(ctx context.Context, tx durable.Tx, list []audit.RelatedResource) error {
	rows := make([]relatedRow, len(list))
	for i, r := range list {
		rows[i] = relatedRow{r.FindingRef, r.K, r.Resource}
	}
	return insertRelatedRows(ctx, s.slice(tx), rows)
}

// RelatedIn lists the related resources of a finding behind the first ones.
func (s *Store) RelatedIn(ctx context.Context, tx durable.Tx, f audit.FindingRef, after int64, limit int) (
	[]audit.Resource, error,
) {
	list, err := related(ctx, s.slice(tx), f, int(after), limit)
	if err != nil {
		return nil, fmt.Errorf("list related resources: %w", err)
	}
	return list, nil
}
