package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
)

// provenanceRows is how many certificates are read again in one transaction,
// and sweptRows how many revocations are removed.
const provenanceRows, sweptRows = 500, 1000

// unreadable is the source of certificates that cannot be read.
const unreadable = -1

// unread is a certificate whose provenance is not known yet.
type unread struct {
	seq, scope int64
	pem        string
	from       *fleet.Provenance // nil for one that cannot be read
}

func scanUnread(r scanner) (u unread, err error) { return u, r.Scan(&u.seq, &u.scope, &u.pem) }

// ReadProvenance keeps what is to be known of certificates to tell whether they
// were revoked, of some that were registered before that was kept, and reports
// whether there may be more. It may run on several nodes at once.
func (s *Store) ReadProvenance(ctx context.Context) (more bool, err error) {
	for table, text := range map[string]string{
		"certificates": `SELECT c.seq, c.scope, p.pem FROM certificates c JOIN certificate_pems p ON p.seq = c.seq
			WHERE c.source = 0 ORDER BY c.seq LIMIT @limit`,
		"ca_certificates": `SELECT seq, scope, pem FROM ca_certificates WHERE source = 0 ORDER BY seq LIMIT @limit`,
	} {
		list, err := all(ctx, s.read, text, args{"limit": provenanceRows}, scanUnread)
		if err != nil {
			return false, fmt.Errorf("find certificates to be read: %w", err)
		}
		if len(list) == 0 {
			continue
		}
		more = true
		if err := s.keepRead(ctx, table, list); err != nil {
			return false, err
		}
	}
	return more, nil
}

// keepRead reads certificates and stores what they say.
func (s *Store) keepRead(ctx context.Context, table string, list []unread) error {
	scopes := map[int64][]unread{}
	for _, u := range list {
		c, err := pki.ParseCertificate(u.pem)
		if err != nil {
			scopes[u.scope] = append(scopes[u.scope], u)
			continue
		}
		p := fleet.NewProvenance(c)
		if table == "ca_certificates" {
			if issuer, err := fleet.NewIssuer(c, s.now()); err == nil {
				p.Issuers = []*fleet.Issuer{issuer}
			}
		}
		u.from = p
		scopes[u.scope] = append(scopes[u.scope], u)
	}
	for _, part := range scopes {
		err := s.write(ctx, func(ctx context.Context, q querier) error {
			return setProvenance(ctx, q, table, part)
		})
		if err != nil {
			return fmt.Errorf("keep provenance of certificates: %w", err)
		}
	}
	return nil
}

// setProvenance stores what certificates of one scope say.
func setProvenance(ctx context.Context, q querier, table string, list []unread) error {
	cols, err := keepProvenance(ctx, q, list[0].scope, collect(list, func(u *unread) *fleet.Provenance { return u.from }))
	if err != nil {
		return err
	}
	for i, u := range list {
		source := cols[1].at(i).(int64)
		if source == 0 {
			source = unreadable
		}
		_, err := q.exec(ctx, `UPDATE `+table+` SET serial = @serial, source = @source WHERE seq = @seq AND source = 0`,
			args{"seq": u.seq, "serial": cols[0].at(i), "source": source})
		if err != nil {
			return err
		}
	}
	return nil
}

// leftAfter is how long a load of revocations or an import may do nothing before
// it is taken for one that nobody finishes, in milliseconds.
const leftAfter = 3600 * 1000

// SweepRevocations removes some of what is left of revocation lists that were
// replaced or never finished, and reports whether there may be more. It may run
// on several nodes at once.
func (s *Store) SweepRevocations(ctx context.Context) (more bool, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		a := args{"left": s.millis() - leftAfter}
		load, ok, err := one(ctx, q, `SELECT load FROM crl_loads
			WHERE state <> 'LIVE' AND (state = 'DEAD' OR beat_at < @left) ORDER BY beat_at, load LIMIT 1`, a, scalar[int64])
		if err != nil {
			return fmt.Errorf("find revocations to be swept: %w", err)
		}
		if ok {
			more = true
			return sweepLoad(ctx, q, load)
		}
		upload, ok, err := one(ctx, q, `SELECT upload FROM crl_uploads WHERE beat_at < @left ORDER BY beat_at, upload
			LIMIT 1`, a, scalar[int64])
		if err != nil {
			return fmt.Errorf("find imports to be swept: %w", err)
		}
		if !ok {
			return nil
		}
		more = true
		return dropUpload(ctx, q, upload)
	})
	return more, err
}

// The entries of a load are removed in the order of their keys: sweptUpTo is the
// last of the next ones.
const (
	sweptUpTo = `SELECT COALESCE(max(serial), '') FROM
		(SELECT serial FROM revoked_serials WHERE load = @load ORDER BY serial LIMIT @limit) part`
	sweepSerials = `DELETE FROM revoked_serials WHERE load = @load AND serial <= @last`
)

func sweepLoad(ctx context.Context, q querier, load int64) error {
	// One that its writer takes up again after this finds out that it is dead.
	if _, err := q.exec(ctx, `UPDATE crl_loads SET state = 'DEAD' WHERE load = @load AND state <> 'LIVE'`,
		args{"load": load}); err != nil {
		return fmt.Errorf("end load: %w", err)
	}
	last, _, err := one(ctx, q, sweptUpTo, args{"load": load, "limit": sweptRows}, scalar[string])
	if err != nil {
		return fmt.Errorf("find revocations to be swept: %w", err)
	}
	n, err := q.exec(ctx, sweepSerials, args{"load": load, "last": last})
	if err == nil && n == 0 {
		_, err = q.exec(ctx, `DELETE FROM crl_loads WHERE load = @load AND state = 'DEAD'`, args{"load": load})
	}
	if err != nil {
		return fmt.Errorf("sweep revocations: %w", err)
	}
	return nil
}
