package store

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func scanAttachment(r scanner) (a fleet.Attachment, err error) {
	var exclusive bool
	err = r.Scan(&a.Thing, &a.Certificate, &exclusive)
	a.Type = fleet.NonExclusive
	if exclusive {
		a.Type = fleet.Exclusive
	}
	return a, err
}

// lockPair keeps a thing and a certificate, and what is attached to each other
// among them, as they are until the transaction ends. One that is not there is
// a NotFound fault.
func lockPair(ctx context.Context, q querier, scope int64, thing, certificate string) error {
	if err := lockRows(ctx, q, thingRows, scope, thing); err != nil {
		return fmt.Errorf("lock thing: %w", err)
	}
	if err := lockRows(ctx, q, certificateRows, scope, certificate); err != nil {
		return fmt.Errorf("lock certificate: %w", err)
	}
	if err := needThing(ctx, q, scope, thing); err != nil {
		return err
	}
	return needPrincipal(ctx, q, scope, certificate)
}

// needPrincipal returns a NotFound fault when there is no such certificate.
func needPrincipal(ctx context.Context, q querier, scope int64, certificate string) error {
	n, err := count(ctx, q, `SELECT count(*) FROM certificates WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": certificate})
	if err != nil {
		return fmt.Errorf("find certificate: %w", err)
	}
	if n == 0 {
		return noCertificate(certificate)
	}
	return nil
}

// notMoving returns an Invalid fault for a certificate that is being
// transferred: what is attached to it would stay behind.
func notMoving(ctx context.Context, q querier, scope int64, certificate string) error {
	n, err := count(ctx, q, `SELECT count(*) FROM certificates WHERE scope = @scope AND id = @id AND status = @moving`,
		args{"scope": scope, "id": certificate, "moving": string(fleet.PendingTransfer)})
	if err != nil {
		return fmt.Errorf("find certificate: %w", err)
	}
	if n > 0 {
		return fault.New(fault.Invalid, "certificate %s is being transferred to another account", certificate)
	}
	return nil
}

// AttachThing attaches a certificate to a thing; one that is attached so
// already is fine. What is not there is a NotFound fault; the others are those
// of fleet.MayAttach.
func (s *Store) AttachThing(ctx context.Context, sc fleet.Scope, at fleet.Attachment) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockPair(ctx, q, scope, at.Thing, at.Certificate); err != nil {
			return err
		}
		if err := notMoving(ctx, q, scope, at.Certificate); err != nil {
			return err
		}
		own, err := attachmentWhere(ctx, q, scope, at, "thing = @thing")
		if err != nil {
			return err
		}
		other, err := attachmentWhere(ctx, q, scope, at, "thing <> @thing")
		if err != nil {
			return err
		}
		if need, err := fleet.MayAttach(at, own, other); !need || err != nil {
			return err
		}
		_, err = q.exec(ctx, `INSERT INTO thing_principals (scope, certificate, thing, exclusive, created_at)
			VALUES (@scope, @certificate, @thing, @exclusive, @now)`,
			args{
				"scope": scope, "certificate": at.Certificate, "thing": at.Thing,
				"exclusive": at.Type == fleet.Exclusive, "now": s.millis(),
			})
		if err != nil {
			return fmt.Errorf("attach principal: %w", err)
		}
		return noteRights(ctx, q, scope, fleet.RightCertificate, at.Certificate)
	})
}

// attachmentWhere returns one attachment of a certificate to the thing, or to
// another, or nil.
func attachmentWhere(ctx context.Context, q querier, scope int64, at fleet.Attachment, condition string) (
	*fleet.Attachment, error,
) {
	found, ok, err := one(ctx, q, `SELECT thing, certificate, exclusive FROM thing_principals
		WHERE scope = @scope AND certificate = @certificate AND `+condition+` LIMIT 1`,
		args{"scope": scope, "certificate": at.Certificate, "thing": at.Thing}, scanAttachment)
	if err != nil {
		return nil, fmt.Errorf("find attachment: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return &found, nil
}

// DetachThing takes a certificate from a thing; one that is not attached is
// fine. A thing or certificate that is not there is a NotFound fault.
func (s *Store) DetachThing(ctx context.Context, sc fleet.Scope, thing, certificate string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		if err := lockPair(ctx, q, scope, thing, certificate); err != nil {
			return err
		}
		n, err := q.exec(ctx, `DELETE FROM thing_principals
			WHERE scope = @scope AND certificate = @certificate AND thing = @thing`,
			args{"scope": scope, "certificate": certificate, "thing": thing})
		if err != nil {
			return fmt.Errorf("detach principal: %w", err)
		}
		if n == 0 {
			return nil
		}
		return noteRights(ctx, q, scope, fleet.RightCertificate, certificate)
	})
}

// PrincipalsOf lists the certificates of a thing by id, or returns a NotFound
// fault.
func (s *Store) PrincipalsOf(ctx context.Context, sc fleet.Scope, aq fleet.AttachmentQuery) (
	[]fleet.Attachment, error,
) {
	return s.attachments(ctx, sc, aq, attachmentSide{of: "thing", by: "certificate", need: needThing})
}

// ThingsOfPrincipal lists the things of a certificate by name, or returns a
// NotFound fault.
func (s *Store) ThingsOfPrincipal(ctx context.Context, sc fleet.Scope, aq fleet.AttachmentQuery) (
	[]fleet.Attachment, error,
) {
	return s.attachments(ctx, sc, aq, attachmentSide{of: "certificate", by: "thing", need: needPrincipal})
}

// attachmentSide is the side from which attachments are listed.
type attachmentSide struct {
	of, by string // columns
	need   func(ctx context.Context, q querier, scope int64, key string) error
}

func (s *Store) attachments(ctx context.Context, sc fleet.Scope, aq fleet.AttachmentQuery, side attachmentSide) (
	list []fleet.Attachment, err error,
) {
	kind := ``
	switch aq.Type {
	case fleet.Exclusive:
		kind = ` AND exclusive`
	case fleet.NonExclusive:
		kind = ` AND NOT exclusive`
	}
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		list, err = all(ctx, q, `SELECT thing, certificate, exclusive FROM thing_principals
			WHERE scope = @scope AND `+side.of+` = @of AND `+side.by+` > @after
`+kind+` ORDER BY `+side.by+` LIMIT @limit`,
			args{"scope": scope, "of": aq.Of, "after": aq.After, "limit": aq.Limit}, scanAttachment)
		if err == nil && len(list) == 0 {
			err = side.need(ctx, q, scope, aq.Of)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list attachments: %w", err)
	}
	return list, nil
}
