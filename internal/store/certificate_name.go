package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
)

const (
	// namedRows is how many certificates with one name are looked at. Where there
	// are more, the name stands for none.
	namedRows = 1000
	// unnamedRows is how many certificates are read again in one transaction.
	unnamedRows = 500
	// namePrefix begins what is stored of a name, once it was looked for.
	namePrefix = "="
)

// storedName is what is stored of the name of a certificate: nothing where it is
// not known.
func storedName(c *fleet.Certificate) string {
	if c.Provenance == nil {
		return ""
	}
	return namePrefix + c.Provenance.Name
}

// CertificateNamed returns the id of the one ACTIVE certificate of a scope whose
// holder brokers call by a name (see [pki.Certificate.BrokerName]). It is ""
// when there is none or more than one, when over a thousand certificates have
// the name whatever their status, and as long as there are certificates in the
// scope whose names were not read yet.
func (s *Store) CertificateNamed(ctx context.Context, sc fleet.Scope, name string) (id string, err error) {
	if name == "" {
		return "", nil
	}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		first, last := certificateRange(scope)
		a := args{"name": namePrefix + name, "first": first, "last": last, "limit": namedRows + 1, "active": fleet.Active}
		_, unread, err := one(ctx, q, `SELECT seq FROM certificate_pems
			WHERE common_name = '' AND seq BETWEEN @first AND @last LIMIT 1`,
			args{"first": first, "last": last}, scalar[int64])
		if err != nil || unread {
			return err
		}
		// The rows are counted before their status is looked at.
		list, err := all(ctx, q, `SELECT CASE WHEN c.status = @active THEN c.id ELSE '' END FROM (
				SELECT seq FROM certificate_pems WHERE common_name = @name AND common_name > '='
				AND seq BETWEEN @first AND @last ORDER BY seq LIMIT @limit) p
			JOIN certificates c ON c.seq = p.seq`, a, scalar[string])
		if err == nil {
			id = onlyActive(list)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("find certificate by name: %w", err)
	}
	return id, nil
}

// onlyActive returns the one id that is not empty, or "".
func onlyActive(ids []string) (only string) {
	if len(ids) > namedRows {
		return ""
	}
	for _, id := range ids {
		if id != "" && only != "" {
			return ""
		}
		if id != "" {
			only = id
		}
	}
	return only
}

// unnamed is a certificate whose name was not read yet.
type unnamed struct {
	seq int64
	pem string
}

// ReadNames keeps the names of some certificates that were registered before
// names were kept, and reports whether there may be more. It may run on several
// nodes at once.
func (s *Store) ReadNames(ctx context.Context) (more bool, err error) {
	list, err := all(ctx, s.read, `SELECT seq, pem FROM certificate_pems WHERE common_name = '' ORDER BY seq LIMIT @limit`,
		args{"limit": unnamedRows}, func(r scanner) (u unnamed, err error) { return u, r.Scan(&u.seq, &u.pem) })
	if err != nil {
		return false, fmt.Errorf("find certificates without name: %w", err)
	}
	if len(list) == 0 {
		return false, nil
	}
	names := make([]string, len(list))
	for i, u := range list {
		names[i] = namePrefix
		// One that cannot be read has no name.
		if c, err := pki.ParseCertificate(u.pem); err == nil {
			names[i] += c.BrokerName()
		}
	}
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		for i, u := range list {
			if _, err := q.exec(ctx, `UPDATE certificate_pems SET common_name = @name
				WHERE seq = @seq AND common_name = ''`, args{"name": names[i], "seq": u.seq}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("keep names of certificates: %w", err)
	}
	return true, nil
}
