package store

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// revocationFills are what audits read of revocations: lists whose entries are
// those of load 1, which is as long as all others together, two lists for each
// source, one of them the same for all, and the same of issuers.
var revocationFills = []fill{
	{1, `INSERT INTO revoked_serials (load, serial, reason, revoked_at) SELECT 1, 's' || i, 0, 1 FROM r`},
	{1, `INSERT INTO revoked_serials (load, serial, reason, revoked_at) SELECT 1 + i, 's' || i, 0, 1 FROM r`},
	{4, `INSERT INTO crl_source_lists (source, list) SELECT 10000000 + i, 10000001 FROM r`},
	{4, `INSERT INTO crl_source_lists (source, list) SELECT 10000000 + i, 10000000 + i FROM r WHERE i > 1`},
	{4, `INSERT INTO crl_source_issuers (source, issuer) SELECT 10000000 + i, 10000001 FROM r`},
	{4, `INSERT INTO crl_source_issuers (source, issuer) SELECT 10000000 + i, 10000000 + i FROM r WHERE i > 1`},
	{1, `INSERT INTO audit_issuers (audit, issuer, n, related) SELECT 10000001 + i % 4, 10000000 + i / 4, i, 1 FROM r`},
}

// revocationLinks connect what a filled store has with those.
var revocationLinks = []string{
	`UPDATE certificates SET serial = 's' || (CAST(substr(id, 57) AS BIGINT) - 10000000),
		source = 10000001 + seq % 1000`,
	`UPDATE ca_certificates SET serial = 's' || seq, source = seq`,
	`UPDATE issuers SET serial = 's' || seq, source = seq`,
	`UPDATE crls SET live = list - 10000000`,
}

// narrowTx is the transaction of a slice that only reads, by a narrow querier.
type narrowTx struct {
	durable.Tx
	n narrow
}

func (x narrowTx) Query(ctx context.Context, text string, list ...any) (durable.Rows, error) {
	return x.n.query(ctx, text, namedArgs(list))
}

// readTx is the transaction of a slice that only reads.
type readTx struct {
	durable.Tx
	q querier
}

func (x readTx) Query(ctx context.Context, text string, list ...any) (durable.Rows, error) {
	return x.q.query(ctx, text, namedArgs(list))
}

// namedArgs are the arguments of a statement as either driver takes them.
func namedArgs(list []any) args {
	a := args{}
	for _, v := range list {
		switch v := v.(type) {
		case sql.NamedArg:
			a[v.Name] = v.Value
		case pgx.StrictNamedArgs:
			a = args(v)
		}
	}
	return a
}

func TestRevocationsAreReadByIndex(t *testing.T) {
	long(t)
	ctx := context.Background()
	some := []int64{numbered + 3, numbered + 5, numbered + mid, numbered + mid + 1, numbered + 1999}
	forEachDatabase(t, func(t *testing.T, s *Store) {
		fillStore(t, s, planRows, fillsOf("certificates", "ca_certificates", "finding_resources", "crls", "crl_sources",
			"issuers"))
		for _, text := range revocationLinks {
			ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
				_, err := q.exec(ctx, text, nil)
				return err
			}))
		}
		fillStore(t, s, planRows, revocationFills)
		scope, err := s.scope(ctx, s.read, here)
		ok(t, err)
		first, _ := certificateRange(scope)
		for _, c := range []struct {
			name   string
			window int // how many rows a query may look at
			want   int // answers
			call   func(tx durable.Tx) (n int, err error)
		}{
			{"Sources", 0, 5, func(tx durable.Tx) (int, error) {
				m, err := s.Sources(ctx, tx, here, fromMillis(1), some)
				return len(m), err
			}},
			{"RevokedCertificates", 3000, 1000, func(tx durable.Tx) (int, error) {
				m, err := s.RevokedCertificates(ctx, tx, first+numbered+mid, first+numbered+mid+999)
				return len(m), err
			}},
			{"RevokedCAs", 0, 0, func(tx durable.Tx) (int, error) {
				m, err := s.RevokedCAs(ctx, tx, some)
				return len(m), err
			}},
			{"Issuers", 0, 5, func(tx durable.Tx) (int, error) {
				list, err := s.Issuers(ctx, tx, some)
				return len(list), err
			}},
			{"MetIssuers", 0, 5, func(tx durable.Tx) (int, error) {
				m, err := s.MetIssuers(ctx, tx, &audit.Task{Seq: numbered + 1}, some)
				return len(m), err
			}},
			{"RelatedIn", 0, 5, func(tx durable.Tx) (int, error) {
				list, err := s.RelatedIn(ctx, tx, audit.FindingRef{Audit: numbered + 1, N: 1}, 1000, 5)
				return len(list), err
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				n := 0
				got, err := c.call(narrowTx{n: narrow{s.read, t, s, c.window, &n}})
				ok(t, err)
				if n == 0 || got != c.want {
					t.Errorf("got %d answers of %d queries, want %d", got, n, c.want)
				}
			})
		}
		t.Run("writing", func(t *testing.T) { wantNarrowProvenance(t, s) })
		for text, a := range map[string]args{
			sweptUpTo: {"load": int64(1), "limit": sweptRows}, sweepSerials: {"load": int64(1), "last": "s1899"},
		} {
			wrong, plan, err := explain(ctx, s, text, a, sweptRows)
			if ok(t, err); len(wrong) > 0 {
				t.Errorf("got %s for %s of which the plan is\n%s", strings.Join(wrong, "; "), text, plan)
			}
		}
	})
}

// wantNarrowProvenance wants that what is known already is found by index while
// certificates are registered.
func wantNarrowProvenance(t *testing.T, s *Store) {
	t.Helper()
	issuer := testIssuer(7, fleet.Origin{Issuer: "root"})
	known := 0
	for _, wrap := range []func(q querier) querier{
		func(q querier) querier { return q },
		func(q querier) querier { return narrow{q, t, s, 0, &known} },
	} {
		ok(t, s.writing(context.Background(), here, func(ctx context.Context, q querier, scope int64) error {
			if err := rememberIssuers(ctx, wrap(q), scope, []*fleet.Issuer{issuer}); err != nil {
				return err
			}
			_, err := internOrigins(ctx, wrap(q), scope, []*fleet.Origin{issuer.Origin, {Issuer: "other"}})
			return err
		}))
	}
	if known != 2 {
		t.Errorf("got %d queries, want one for the issuer and one for both sources", known)
	}
}
