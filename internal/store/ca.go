package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fleet"
)

const caColumns = `seq, id, status, mode, auto_registration, registration_config, subject, subject_key_id, key_type,
	key_bits, roca, debian_digest, badkeys_digest, not_before, not_after, generation, customer_version, created_at,
	modified_at, pem`

func scanCA(r scanner) (c fleet.CACertificate, err error) {
	var notBefore, notAfter, created, modified int64
	err = r.Scan(&c.Seq, &c.ID, &c.Status, &c.Mode, &c.AutoRegistration, &c.RegistrationConfig, &c.Subject,
		&c.SubjectKeyID, &c.Key.Type, &c.Key.Bits, &c.Key.ROCA, &c.Key.DebianDigest, &c.Key.BadkeysDigest,
		&notBefore, &notAfter, &c.Generation, &c.CustomerVersion, &created, &modified, &c.PEM)
	c.NotBefore, c.NotAfter = fromMillis(notBefore), fromMillis(notAfter)
	c.Created, c.Modified = fromMillis(created), fromMillis(modified)
	return c, err
}

// CACertificatesOfSubject returns the CA certificates of a subject, in the form
// names are compared by: at most [fleet.MaxCAsPerSubject].
func (s *Store) CACertificatesOfSubject(ctx context.Context, sc fleet.Scope, subject string) (
	list []fleet.CACertificate, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+caColumns+` FROM ca_certificates WHERE scope = @scope AND subject = @subject
			ORDER BY seq LIMIT @limit`,
			args{"scope": scope, "subject": subject, "limit": fleet.MaxCAsPerSubject}, scanCA)
		if err != nil {
			return fmt.Errorf("find CA certificates by subject: %w", err)
		}
		return nil
	})
	return list, err
}
