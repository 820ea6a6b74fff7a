package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/pki"
)

// KeepAuthority stores the CA of an account and sets its Seq. One that is known
// stays as it is.
func (s *Store) KeepAuthority(ctx context.Context, a *identity.IssuingCA) error {
	known, err := s.authority(ctx, s.read, `id = @id`, args{"id": a.ID})
	if err == nil && known != nil {
		a.Seq = known.Seq
		return nil
	}
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, q querier) error {
		seq, err := nextSeq(ctx, q, 1)
		if err != nil {
			return fmt.Errorf("number CA: %w", err)
		}
		_, err = q.exec(ctx, `INSERT INTO authorities (ca, id, account, list_number) VALUES (@ca, @id, @account, 0)
			ON CONFLICT (id) DO NOTHING`, args{"ca": seq[0], "id": a.ID, "account": a.Account})
		if err != nil {
			return fmt.Errorf("store CA: %w", err)
		}
		stored, err := s.authority(ctx, q, `id = @id`, args{"id": a.ID})
		if err != nil || stored == nil {
			return fmt.Errorf("read CA back: %w", err)
		}
		a.Seq = stored.Seq
		err = insertNewRows(ctx, q, "authority_keys", []column{{"hash", a.Keys}, {"ca", repeat(a.Seq, len(a.Keys))}})
		if err != nil {
			return fmt.Errorf("store keys of CA: %w", err)
		}
		return nil
	})
}

// Authority returns the CA with an id, or a NotFound fault.
func (s *Store) Authority(ctx context.Context, id string) (*identity.IssuingCA, error) {
	return s.found(s.authority(ctx, s.read, `id = @id`, args{"id": id}))
}

// AuthorityOfKey returns the CA of which one of the Keys is a hash, or a
// NotFound fault.
func (s *Store) AuthorityOfKey(ctx context.Context, hash string) (*identity.IssuingCA, error) {
	return s.found(s.authority(ctx, s.read, `ca = (SELECT k.ca FROM authority_keys k WHERE k.hash = @hash)`,
		args{"hash": hash}))
}

func (s *Store) found(a *identity.IssuingCA, err error) (*identity.IssuingCA, error) {
	if err == nil && a == nil {
		err = fault.New(fault.NotFound, "there is no such CA")
	}
	return a, err
}

func (s *Store) authority(ctx context.Context, q querier, which string, a args) (*identity.IssuingCA, error) {
	found, ok, err := one(ctx, q, `SELECT ca, id, account FROM authorities WHERE `+which, a,
		func(r scanner) (a identity.IssuingCA, err error) { return a, r.Scan(&a.Seq, &a.ID, &a.Account) })
	if err != nil {
		return nil, fmt.Errorf("find CA: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return &found, nil
}

// NextListNumber counts the revocation lists of a CA: no two that are signed, on
// any node, have one number.
func (s *Store) NextListNumber(ctx context.Context, ca int64) (number int64, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		number, _, err = one(ctx, q, `UPDATE authorities SET list_number = list_number + 1 WHERE ca = @ca
			RETURNING list_number`, args{"ca": ca}, scalar[int64])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("number revocation list: %w", err)
	}
	return number, nil
}

// withdrawnTo is the last serial number of the next certificates of a CA.
const withdrawnTo = `SELECT COALESCE(max(serial), '') FROM (SELECT serial FROM certificates
	WHERE issued_by = @ca AND issued_by > 0 AND serial > @after ORDER BY serial LIMIT @limit) part`

// Withdrawn lists those of the next certificates of a CA, in the order of their
// serial numbers, that are not ACTIVE and not yet at their end. It looks at so
// many as limit says; next is behind which to go on, "" at the end.
func (s *Store) Withdrawn(ctx context.Context, ca int64, after string, limit int) (
	list []fleet.Issued, next string, err error,
) {
	a := args{"ca": ca, "after": after, "limit": limit}
	next, _, err = one(ctx, s.read, withdrawnTo, a, scalar[string])
	if err != nil || next == "" {
		return nil, "", err
	}
	list, err = all(ctx, s.read, `SELECT serial, status, modified_at, not_after FROM certificates
		WHERE issued_by = @ca AND issued_by > 0 AND serial > @after AND serial <= @last AND status <> 'ACTIVE'
			AND not_after >= @now ORDER BY serial`,
		args{"ca": ca, "after": after, "last": next, "now": s.millis()}, scanIssued)
	if err != nil {
		return nil, "", fmt.Errorf("list withdrawn certificates: %w", err)
	}
	return list, next, nil
}

func scanIssued(r scanner) (i fleet.Issued, err error) {
	var changed, until int64
	err = r.Scan(&i.Serial, &i.Status, &changed, &until)
	i.Changed, i.NotAfter = fromMillis(changed), fromMillis(until)
	return i, err
}

// Ended lists the certificates of a CA that were deleted before their end,
// behind a serial number.
func (s *Store) Ended(ctx context.Context, ca int64, after string, limit int) ([]fleet.Issued, error) {
	list, err := all(ctx, s.read, `SELECT serial, status, ended_at, not_after FROM ended_certificates
		WHERE ca = @ca AND serial > @after ORDER BY serial LIMIT @limit`,
		args{"ca": ca, "after": after, "limit": limit}, scanIssued)
	if err != nil {
		return nil, fmt.Errorf("list deleted certificates: %w", err)
	}
	return list, nil
}

// IssuedCertificate returns the certificate of a CA with a serial number, or a
// NotFound fault.
func (s *Store) IssuedCertificate(ctx context.Context, ca int64, serial string) (*fleet.Issued, error) {
	i, ok, err := one(ctx, s.read, `SELECT serial, status, modified_at, not_after FROM certificates
			WHERE issued_by = @ca AND issued_by > 0 AND serial = @serial
		UNION ALL SELECT serial, status, ended_at, not_after FROM ended_certificates
			WHERE ca = @ca AND serial = @serial`, args{"ca": ca, "serial": serial}, scanIssued)
	if err != nil {
		return nil, fmt.Errorf("find issued certificate: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "the CA did not issue a certificate with this serial number")
	}
	return &i, nil
}

// AuthoritiesOf returns the numbers of the CAs that signed certificates, by
// their ids, which are registered in a scope or were deleted.
func (s *Store) AuthoritiesOf(ctx context.Context, sc fleet.Scope, ids []string) (list []int64, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a := args{"scope": scope}
		in := q.dialect().in("id", "ids", a, ids)
		list, err = all(ctx, q, `SELECT issued_by FROM certificates WHERE scope = @scope AND issued_by > 0 AND `+in+`
			UNION ALL SELECT ca FROM ended_certificates WHERE `+in, a, scalar[int64])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find CAs of certificates: %w", err)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// authoritiesNamed returns the numbers of the CAs that certificates to be stored
// were signed by, 0 for any that is not Cordon's own.
func authoritiesNamed(ctx context.Context, q querier, list []fleet.Certificate) ([]int64, error) {
	out, known := make([]int64, len(list)), map[string]int64{"": 0}
	for i := range list {
		id := list[i].IssuedBy
		n, ok := known[id]
		if !ok {
			var err error
			if n, _, err = one(ctx, q, `SELECT ca FROM authorities WHERE id = @id`, args{"id": id}, scalar[int64]); err != nil {
				return nil, fmt.Errorf("find CA of certificate: %w", err)
			}
			if n == 0 {
				return nil, fmt.Errorf("the CA %s of a certificate is not stored", id)
			}
			known[id] = n
		}
		out[i] = n
	}
	return out, nil
}

// issuerOfNumber returns the id of the CA that signed a certificate, "" for any
// that is not Cordon's own.
func issuerOfNumber(ctx context.Context, q querier, seq int64) (string, error) {
	id, _, err := one(ctx, q, `SELECT a.id FROM certificates c JOIN authorities a ON a.ca = c.issued_by
		WHERE c.seq = @seq`, args{"seq": seq}, scalar[string])
	if err != nil {
		return "", fmt.Errorf("find CA of certificate: %w", err)
	}
	return id, nil
}

// endIssued remembers a certificate that is being deleted, if a CA of Cordon's
// own signed it.
func (s *Store) endIssued(ctx context.Context, q querier, c *fleet.Certificate) error {
	status := fleet.Inactive
	if c.Status == fleet.Revoked {
		status = fleet.Revoked
	}
	_, err := q.exec(ctx, `INSERT INTO ended_certificates (ca, serial, id, status, ended_at, not_after)
		SELECT issued_by, serial, id, CAST(@status AS TEXT), CAST(@now AS BIGINT), not_after FROM certificates
		WHERE seq = @seq AND issued_by > 0 ON CONFLICT (ca, serial) DO NOTHING`,
		args{"seq": c.Seq, "status": string(status), "now": s.millis()})
	if err != nil {
		return fmt.Errorf("remember deleted certificate: %w", err)
	}
	return nil
}

// unissued is a certificate of which it is not known yet whether a CA of
// Cordon's own signed it.
type unissued struct {
	seq     int64
	account string
	pem     string
}

// ReadIssuers finds out which CAs of Cordon's own signed certificates that were
// registered before that was kept, of some at a time, and reports whether there
// may be more. It may run on several nodes at once. An account's own CA is what
// own returns, its Seq set; nil where it has none.
func (s *Store) ReadIssuers(ctx context.Context, own func(ctx context.Context, account string) (
	*identity.IssuingCA, error),
) (more bool, err error) {
	list, err := all(ctx, s.read, `SELECT c.seq, s.account, p.pem FROM certificates c
		JOIN scopes s ON s.scope = c.scope JOIN certificate_pems p ON p.seq = c.seq
		WHERE c.issued_by = -1 ORDER BY c.seq LIMIT @limit`, args{"limit": provenanceRows},
		func(r scanner) (u unissued, err error) { return u, r.Scan(&u.seq, &u.account, &u.pem) })
	if err != nil {
		return false, fmt.Errorf("find certificates whose CA is not known: %w", err)
	}
	found, cas := map[int64][]int64{}, map[string]*identity.IssuingCA{} // by CA, by account
	for _, u := range list {
		ca, known := cas[u.account]
		if !known {
			if ca, err = own(ctx, u.account); err != nil {
				return false, err
			}
			cas[u.account] = ca
		}
		var n int64
		if c, err := pki.ParseCertificate(u.pem); err == nil && ca != nil && pki.Issued(ca.Certificate, c) == nil {
			n = ca.Seq
		}
		found[n] = append(found[n], u.seq)
	}
	for ca, seqs := range found {
		if err := s.setIssuer(ctx, ca, seqs); err != nil {
			return false, err
		}
	}
	return len(list) > 0, nil
}

// setIssuer keeps which CA signed certificates, 0 for none of Cordon's own. Of
// two that are the same, in two regions of an account, the first counts.
func (s *Store) setIssuer(ctx context.Context, ca int64, seqs []int64) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		parts := [][]int64{seqs}
		if ca != 0 { // one after the other, so that each sees those before it
			parts = slices.Collect(slices.Chunk(seqs, 1))
		}
		for _, part := range parts {
			a := args{"ca": ca}
			in := q.dialect().in("seq", "seqs", a, part)
			_, err := q.exec(ctx, `UPDATE certificates SET issued_by = CASE WHEN EXISTS (SELECT 1 FROM certificates o
						WHERE o.issued_by = @ca AND o.issued_by > 0 AND o.serial = certificates.serial)
					THEN 0 ELSE CAST(@ca AS BIGINT) END
				WHERE issued_by = -1 AND `+in, a)
			if err != nil {
				return fmt.Errorf("keep CA of certificates: %w", err)
			}
		}
		return nil
	})
}
