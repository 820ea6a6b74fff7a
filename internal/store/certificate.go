package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// RegisterCertificate stores a new certificate and gives it its Seq. When it
// names a CA, that one must still be registered and active. One that is
// registered already is an Exists fault.
func (s *Store) RegisterCertificate(ctx context.Context, sc fleet.Scope, c *fleet.Certificate) error {
	err := s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := activeCA(ctx, q, scope, c.CAID); err != nil {
			return err
		}
		return registerCertificate(ctx, q, scope, c)
	})
	if f := fault.From(err); f != nil && f.Code == fault.Exists {
		f.ResourceID, f.ResourceARN = c.ID, sc.ARN("cert", c.ID)
	}
	return err
}

func registerCertificate(ctx context.Context, q querier, scope int64, c *fleet.Certificate) error {
	list := []fleet.Certificate{*c}
	if err := insertCertificates(ctx, q, scope, list); err != nil {
		return err
	}
	c.Seq = list[0].Seq
	return noteRights(ctx, q, scope, fleet.RightCertificate, c.ID)
}

// activeCA makes sure that a CA certificate is registered and active; without
// an id there is nothing to do. A deactivation at the same time comes after
// the registration, so nothing is locked.
func activeCA(ctx context.Context, q querier, scope int64, id string) error {
	if id == "" {
		return nil
	}
	status, ok, err := one(ctx, q, `SELECT status FROM ca_certificates WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": id}, scalar[fleet.Status])
	switch {
	case err != nil:
		return fmt.Errorf("find CA certificate: %w", err)
	case !ok:
		return fault.New(fault.CertificateInvalid, "The CA certificate is not registered.")
	case status != fleet.Active:
		return fault.New(fault.CertificateState, "The CA certificate %s is not ACTIVE.", id)
	}
	return nil
}

// RegisterCertificates stores many new certificates at once and gives each its
// Seq. When one of them is registered already, or is twice in the list, none
// is stored and the fault is Exists.
func (s *Store) RegisterCertificates(ctx context.Context, sc fleet.Scope, list []fleet.Certificate) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := insertCertificates(ctx, q, scope, list); err != nil {
			return err
		}
		ids := collect(list, func(c *fleet.Certificate) string { return c.ID })
		return noteRights(ctx, q, scope, fleet.RightCertificate, ids...)
	})
}

// insertCertificates numbers and stores new certificates, which gateways are to
// be told of.
func insertCertificates(ctx context.Context, q querier, scope int64, list []fleet.Certificate) error {
	if len(list) == 0 {
		return nil
	}
	numbers, err := nextSeq(ctx, q, len(list))
	if err != nil {
		return fmt.Errorf("number certificates: %w", err)
	}
	first, _ := certificateRange(scope)
	for i := range list {
		list[i].Seq = first + numbers[i]
	}
	return insertNumbered(ctx, q, scope, list)
}

// insertNumbered stores new certificates that have a Seq already.
func insertNumbered(ctx context.Context, q querier, scope int64, list []fleet.Certificate) error {
	seqs := collect(list, func(c *fleet.Certificate) int64 { return c.Seq })
	from := collect(list, func(c *fleet.Certificate) *fleet.Provenance { return c.Provenance })
	provenance, err := keepProvenance(ctx, q, scope, from)
	if err != nil {
		return err
	}
	issued, err := authoritiesNamed(ctx, q, list)
	if err != nil {
		return err
	}
	values := append(certificateValues(scope, seqs, list), append(provenance, column{"issued_by", issued})...)
	err = insertRows(ctx, q, "certificates", values)
	if err == nil {
		err = insertRows(ctx, q, "certificate_pems", []column{
			{"seq", seqs}, {"pem", collect(list, func(c *fleet.Certificate) string { return c.PEM })},
			{"common_name", collect(list, storedName)},
		})
	}
	if err != nil && q.dialect().unique(err) {
		return fault.New(fault.Exists, "The certificate is already provisioned or registered")
	}
	if err != nil {
		return fmt.Errorf("store certificates: %w", err)
	}
	return nil
}

func certificateValues(scope int64, seqs []int64, list []fleet.Certificate) []column {
	type cert = fleet.Certificate
	return []column{
		{"seq", seqs},
		{"scope", repeat(scope, len(list))},
		{"id", collect(list, func(c *cert) string { return c.ID })},
		{"status", collect(list, func(c *cert) string { return string(c.Status) })},
		{"mode", collect(list, func(c *cert) string { return string(c.Mode) })},
		{"ca_id", collect(list, func(c *cert) string { return c.CAID })},
		{"key_type", collect(list, func(c *cert) string { return c.Key.Type })},
		{"key_bits", collect(list, func(c *cert) int64 { return int64(c.Key.Bits) })},
		{"roca", collect(list, func(c *cert) bool { return c.Key.ROCA })},
		{"debian_digest", collect(list, func(c *cert) string { return c.Key.DebianDigest })},
		{"badkeys_digest", collect(list, func(c *cert) string { return c.Key.BadkeysDigest })},
		{"not_before", collect(list, func(c *cert) int64 { return c.NotBefore.UnixMilli() })},
		{"not_after", collect(list, func(c *cert) int64 { return c.NotAfter.UnixMilli() })},
		{"generation", collect(list, func(c *cert) string { return c.Generation })},
		{"customer_version", collect(list, func(c *cert) int64 { return c.CustomerVersion })},
		{"created_at", collect(list, func(c *cert) int64 { return c.Created.UnixMilli() })},
		{"modified_at", collect(list, func(c *cert) int64 { return c.Modified.UnixMilli() })},
	}
}

const certificateColumns = `c.seq, c.id, c.status, c.mode, c.ca_id, c.key_type, c.key_bits, c.roca, c.debian_digest,
	c.badkeys_digest, c.not_before, c.not_after, c.generation, c.customer_version, c.created_at, c.modified_at`

// scanCertificate reads certificateColumns and what more is given.
func scanCertificate(more ...any) func(scanner) (*fleet.Certificate, error) {
	return func(r scanner) (*fleet.Certificate, error) {
		c := &fleet.Certificate{}
		var notBefore, notAfter, created, modified int64
		err := r.Scan(append([]any{&c.Seq, &c.ID, &c.Status, &c.Mode, &c.CAID, &c.Key.Type, &c.Key.Bits, &c.Key.ROCA,
			&c.Key.DebianDigest, &c.Key.BadkeysDigest, &notBefore, &notAfter, &c.Generation, &c.CustomerVersion,
			&created, &modified}, more...)...)
		c.NotBefore, c.NotAfter = fromMillis(notBefore), fromMillis(notAfter)
		c.Created, c.Modified = fromMillis(created), fromMillis(modified)
		return c, err
	}
}

// Certificate returns a certificate with its PEM, or a NotFound fault.
func (s *Store) Certificate(ctx context.Context, sc fleet.Scope, id string) (c *fleet.Certificate, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		c, err = readCertificate(ctx, q, scope, id)
		return err
	})
	return c, err
}

func readCertificate(ctx context.Context, q querier, scope int64, id string) (*fleet.Certificate, error) {
	var pem string
	c, ok, err := one(ctx, q, `SELECT `+certificateColumns+`, p.pem FROM certificates c
		JOIN certificate_pems p ON p.seq = c.seq WHERE c.scope = @scope AND c.id = @id`,
		args{"scope": scope, "id": id}, scanCertificate(&pem))
	if err != nil {
		return nil, fmt.Errorf("find certificate: %w", err)
	}
	if !ok {
		return nil, noCertificate(id)
	}
	c.PEM = pem
	return c, nil
}

// lockCertificate reads a certificate without its PEM and keeps it from others
// until the transaction ends.
func lockCertificate(ctx context.Context, q querier, scope int64, id string) (*fleet.Certificate, error) {
	if err := lockRows(ctx, q, certificateRows, scope, id); err != nil {
		return nil, fmt.Errorf("lock certificate: %w", err)
	}
	c, ok, err := one(ctx, q, `SELECT `+certificateColumns+` FROM certificates c WHERE c.scope = @scope AND c.id = @id`,
		args{"scope": scope, "id": id}, scanCertificate())
	if err != nil {
		return nil, fmt.Errorf("find certificate: %w", err)
	}
	if !ok {
		return nil, noCertificate(id)
	}
	return c, nil
}

func noCertificate(id string) error {
	return fault.New(fault.NotFound, "there is no certificate %q", id)
}

// Certificates lists a page of certificates without their PEM. All of an
// account has those among them that another account offers to it.
func (s *Store) Certificates(ctx context.Context, sc fleet.Scope, p fleet.CertificatePage) (
	list []*fleet.Certificate, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		first, last := certificateRange(scope)
		in := numberRange{first, first, last}
		if p.After != 0 && p.Ascending {
			in.first = p.After + 1
		} else if p.After != 0 {
			in.last = p.After - 1
		}
		a := args{"first": in.first, "last": in.last, "limit": p.Limit}
		text := `SELECT ` + certificateColumns + ` FROM certificates c WHERE c.seq BETWEEN @first AND @last`
		if p.CA != "" {
			text += ` AND c.scope = @scope AND c.ca_id = @ca AND c.ca_id <> ''`
			a["scope"], a["ca"] = scope, p.CA
		}
		order := ` ORDER BY c.seq DESC LIMIT @limit`
		if p.Ascending {
			order = ` ORDER BY c.seq LIMIT @limit`
		}
		var offered []*fleet.Certificate
		if p.CA == "" { // before its own: one that is accepted meanwhile is not missed
			if offered, err = offeredPage(ctx, q, sc, in, p); err != nil {
				return err
			}
		}
		list, err = all(ctx, q, text+order, a, scanCertificate())
		list = mergeOffered(list, offered, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	return list, nil
}

// SetCertificateStatus moves a certificate to a state, by the rule of
// [fleet.Certificate.SetStatus]; the state it has already changes nothing. A
// certificate that is not there is a NotFound fault.
func (s *Store) SetCertificateStatus(ctx context.Context, sc fleet.Scope, id string, to fleet.Status) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		c, err := lockCertificate(ctx, q, scope, id)
		if err != nil {
			return err
		}
		if err := c.SetStatus(to); err != nil || c.Status == to {
			return err
		}
		return s.must(ctx, q, scope, fleet.CertificateStatus{ID: id, Seq: c.Seq, From: c.Status, To: to})
	})
}

// errOvertaken says that a change did not hold although what it changes was
// locked.
var errOvertaken = errors.New("the old side of a change does not hold under its lock")

// must makes a change true whose old side was read under a lock.
func (s *Store) must(ctx context.Context, q querier, scope int64, c fleet.Change) error {
	refused, err := s.apply(ctx, q, scope, []fleet.Change{c})
	if err == nil && len(refused) > 0 {
		err = errOvertaken
	}
	return err
}

// DeleteCertificate removes a certificate by the rule of
// [fleet.Certificate.Deletable], with force together with the attachments of
// its policies. A certificate that is not there is a NotFound fault.
func (s *Store) DeleteCertificate(ctx context.Context, sc fleet.Scope, id string, force bool) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		c, err := lockCertificate(ctx, q, scope, id)
		if err != nil {
			return err
		}
		attached, err := attachedTo(ctx, q, scope, id)
		if err != nil {
			return err
		}
		if err := c.Deletable(sc, attached, force); err != nil {
			return err
		}
		target := fleet.Target{Kind: fleet.TargetCertificate, Name: id}
		if err := detachAll(ctx, q, scope, target); err != nil {
			return err
		}
		if err := forgetTransfers(ctx, q, scope, id); err != nil {
			return err
		}
		if err := s.endIssued(ctx, q, c); err != nil {
			return err
		}
		_, err = q.exec(ctx, `DELETE FROM certificates WHERE scope = @scope AND id = @id`, args{"scope": scope, "id": id})
		if err != nil && q.dialect().reference(err) {
			// A thing was attached since we looked: the key refers to it.
			return c.Deletable(sc, fleet.Attached{Things: true}, force)
		}
		if err != nil {
			return fmt.Errorf("delete certificate: %w", err)
		}
		return noteRights(ctx, q, scope, fleet.RightCertificate, id)
	})
}

func attachedTo(ctx context.Context, q querier, scope int64, id string) (a fleet.Attached, err error) {
	target := fleet.Target{Kind: fleet.TargetCertificate, Name: id}
	a, _, err = one(ctx, q, `SELECT
			EXISTS (SELECT 1 FROM thing_principals WHERE scope = @scope AND certificate = @id),
			EXISTS (SELECT 1 FROM policy_targets WHERE scope = @scope AND target = @target)`,
		args{"scope": scope, "id": id, "target": target.String()},
		func(r scanner) (a fleet.Attached, err error) { return a, r.Scan(&a.Things, &a.Policies) })
	if err != nil {
		return a, fmt.Errorf("find what is attached to certificate: %w", err)
	}
	return a, nil
}
