package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/cordon-iot/cordon/internal/fault"
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
// names are compared by: as many as one subject may have.
func (s *Store) CACertificatesOfSubject(ctx context.Context, sc fleet.Scope, subject string) (
	list []fleet.CACertificate, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+caColumns+` FROM ca_certificates WHERE scope = @scope AND subject = @subject
			ORDER BY seq LIMIT @limit`,
			args{"scope": scope, "subject": subject, "limit": s.quotas.CAsPerSubject}, scanCA)
		if err != nil {
			return fmt.Errorf("find CA certificates by subject: %w", err)
		}
		return nil
	})
	return list, err
}

// RegisterCACertificate stores a new CA certificate with its tags and gives it
// its Seq. It is an Exists fault when it is registered in the scope, and a Limit
// fault when the subject has as many as it may.
func (s *Store) RegisterCACertificate(ctx context.Context, sc fleet.Scope, c *fleet.CACertificate,
	tags []fleet.Tag,
) error {
	arn := sc.ARN("cacert", c.ID)
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockScope(ctx, q, scope); err != nil {
			return fmt.Errorf("lock scope: %w", err)
		}
		ids, err := all(ctx, q, `SELECT id FROM ca_certificates WHERE scope = @scope AND subject = @subject`,
			args{"scope": scope, "subject": c.Subject}, scalar[string])
		if err != nil {
			return fmt.Errorf("find CA certificates by subject: %w", err)
		}
		if slices.Contains(ids, c.ID) {
			f := fault.New(fault.Exists, "The CA certificate is already registered")
			f.ResourceID, f.ResourceARN = c.ID, arn
			return f
		}
		if len(ids) >= s.quotas.CAsPerSubject {
			return fault.New(fault.Limit, "%d CA certificates with this subject are registered, which is the most",
				s.quotas.CAsPerSubject)
		}
		if err := insertCA(ctx, q, scope, c); err != nil {
			return fmt.Errorf("store CA certificate: %w", err)
		}
		return setTags(ctx, q, scope, arn, tags)
	})
}

func insertCA(ctx context.Context, q querier, scope int64, c *fleet.CACertificate) error {
	seq, err := nextSeq(ctx, q, 1)
	if err != nil {
		return err
	}
	c.Seq = seq[0]
	provenance, err := keepProvenance(ctx, q, scope, []*fleet.Provenance{c.Provenance})
	if err != nil {
		return err
	}
	_, err = q.exec(ctx, `INSERT INTO ca_certificates (serial, source, scope, `+caColumns+`)
		VALUES (@serial, @source, @scope, @seq, @id, @status, @mode,
			@auto, @config, @subject, @keyid, @type, @bits, @roca, @debian, @badkeys, @notbefore, @notafter, @generation,
			@version, @created, @modified, @pem)`,
		args{
			"scope": scope, "seq": c.Seq, "id": c.ID, "status": string(c.Status), "mode": string(c.Mode),
			"auto": c.AutoRegistration, "config": c.RegistrationConfig, "subject": c.Subject, "keyid": c.SubjectKeyID,
			"type": c.Key.Type, "bits": c.Key.Bits, "roca": c.Key.ROCA, "debian": c.Key.DebianDigest,
			"badkeys": c.Key.BadkeysDigest, "notbefore": c.NotBefore.UnixMilli(), "notafter": c.NotAfter.UnixMilli(),
			"generation": c.Generation, "version": c.CustomerVersion, "created": c.Created.UnixMilli(),
			"modified": c.Modified.UnixMilli(), "pem": c.PEM, "serial": provenance[0].at(0),
			"source": provenance[1].at(0),
		})
	return err
}

// CACertificate returns a CA certificate, or a NotFound fault.
func (s *Store) CACertificate(ctx context.Context, sc fleet.Scope, id string) (c *fleet.CACertificate, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		c, err = findCA(ctx, q, scope, id)
		return err
	})
	return c, err
}

func findCA(ctx context.Context, q querier, scope int64, id string) (*fleet.CACertificate, error) {
	c, ok, err := one(ctx, q, `SELECT `+caColumns+` FROM ca_certificates WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": id}, scanCA)
	if err != nil {
		return nil, fmt.Errorf("find CA certificate: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no CA certificate %q", id)
	}
	return &c, nil
}

// lockCA reads a CA certificate and keeps it from others until the transaction
// ends.
func lockCA(ctx context.Context, q querier, scope int64, id string) (*fleet.CACertificate, error) {
	if err := lockRows(ctx, q, caRows, scope, id); err != nil {
		return nil, fmt.Errorf("lock CA certificate: %w", err)
	}
	return findCA(ctx, q, scope, id)
}

// CACertificates lists a page of CA certificates.
func (s *Store) CACertificates(ctx context.Context, sc fleet.Scope, p fleet.CACertificatePage) (
	list []fleet.CACertificate, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT `+caColumns+` FROM ca_certificates WHERE scope = @scope AND `+
			bySeq("seq", p.Ascending), args{"scope": scope, "after": p.After, "limit": p.Limit}, scanCA)
		return err
	})
	return list, err
}

// bySeq ends a statement that lists rows by their number, behind @after: 0 is
// the first page in either direction.
func bySeq(column string, ascending bool) string {
	if ascending {
		return column + ` > @after ORDER BY ` + column + ` LIMIT @limit`
	}
	return column + ` < CASE WHEN @after = 0 THEN ` + strconv.Itoa(math.MaxInt64) + ` ELSE @after END
		ORDER BY ` + column + ` DESC LIMIT @limit`
}

// UpdateCACertificate changes a CA certificate; what it is already changes
// nothing. One that is not there is a NotFound fault.
func (s *Store) UpdateCACertificate(ctx context.Context, sc fleet.Scope, id string, u fleet.CAUpdate) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		c, err := lockCA(ctx, q, scope, id)
		if err != nil {
			return err
		}
		if u.Status != "" && u.Status != c.Status {
			if err := s.must(ctx, q, scope, fleet.CACertificateStatus{ID: id, From: c.Status, To: u.Status}); err != nil {
				return err
			}
		}
		if u.AutoRegistration == "" || u.AutoRegistration == c.AutoRegistration {
			return nil
		}
		if _, err = q.exec(ctx, `UPDATE ca_certificates SET auto_registration = @auto, modified_at = @now,
			customer_version = customer_version + 1 WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": id, "auto": u.AutoRegistration, "now": s.millis()}); err != nil {
			return fmt.Errorf("update CA certificate: %w", err)
		}
		return nil
	})
}

// DeleteCACertificate removes a CA certificate that is not active. The device
// certificates that were registered under it stay and keep its id. One that is
// not there is a NotFound fault.
func (s *Store) DeleteCACertificate(ctx context.Context, sc fleet.Scope, id string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		c, err := lockCA(ctx, q, scope, id)
		if err != nil {
			return err
		}
		if err := c.Deletable(); err != nil {
			return err
		}
		if err := deleteTags(ctx, q, scope, sc.ARN("cacert", id)); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `DELETE FROM ca_certificates WHERE scope = @scope AND id = @id`,
			args{"scope": scope, "id": id}); err != nil {
			return fmt.Errorf("delete CA certificate: %w", err)
		}
		return nil
	})
}
