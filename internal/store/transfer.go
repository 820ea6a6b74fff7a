package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
)

const transferColumns = `t.n, t.certificate, s.account, t.to_account, t.state, t.message, t.reason, t.transferred_at,
	t.ended_at`

// transfers is a transfer with the account that it is from.
const transfers = ` FROM certificate_transfers t JOIN scopes s ON s.scope = t.from_scope`

func scanTransfer(more ...any) func(scanner) (*fleet.Transfer, error) {
	return func(r scanner) (*fleet.Transfer, error) {
		t := &fleet.Transfer{}
		var transferred int64
		var ended *int64
		err := r.Scan(append([]any{&t.N, &t.Certificate, &t.From, &t.To, &t.State, &t.Message, &t.Reason, &transferred,
			&ended}, more...)...)
		t.Transferred, t.Ended = fromMillis(transferred), fromNullMillis(ended)
		return t, err
	}
}

// TransferCertificate offers a certificate to another account, by the rule of
// [fleet.Certificate.Transferable]. Nothing is looked up in that account, for
// the answer would say what it has. A certificate that is not there is a
// NotFound fault.
func (s *Store) TransferCertificate(ctx context.Context, sc fleet.Scope, t *fleet.Transfer) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		c, err := lockCertificate(ctx, q, scope, t.Certificate)
		if err != nil {
			return err
		}
		attached, err := attachedTo(ctx, q, scope, c.ID)
		if err != nil {
			return err
		}
		if err := c.Transferable(attached); err != nil {
			return err
		}
		err = s.must(ctx, q, scope, fleet.CertificateStatus{ID: c.ID, Seq: c.Seq, From: c.Status, To: fleet.PendingTransfer})
		if err != nil {
			return err
		}
		if err := forgetTransfers(ctx, q, scope, c.ID); err != nil {
			return err
		}
		n, err := nextSeq(ctx, q, 1)
		if err != nil {
			return fmt.Errorf("number transfer: %w", err)
		}
		_, err = q.exec(ctx, `INSERT INTO certificate_transfers (n, certificate, from_scope, to_account, region, state,
				message, reason, transferred_at)
			VALUES (@n, @certificate, @scope, @to, @region, 'PENDING', @message, '', @now)`,
			args{
				"n": n[0], "certificate": c.ID, "scope": scope, "to": t.To, "region": sc.Region, "message": t.Message,
				"now": s.millis(),
			})
		if err != nil {
			return fmt.Errorf("store transfer: %w", err)
		}
		return nil
	})
}

// forgetTransfers removes the memory of the transfers of a certificate that a
// scope offered.
func forgetTransfers(ctx context.Context, q querier, scope int64, certificate string) error {
	_, err := q.exec(ctx, `DELETE FROM certificate_transfers
		WHERE from_scope = @scope AND certificate = @certificate AND state <> 'ACCEPTED'`,
		args{"scope": scope, "certificate": certificate})
	if err != nil {
		return fmt.Errorf("forget transfers: %w", err)
	}
	return nil
}

// CancelTransfer takes an offer back; the certificate becomes INACTIVE. A
// certificate that is not there is a NotFound fault, a transfer that has ended
// TransferCompleted.
func (s *Store) CancelTransfer(ctx context.Context, sc fleet.Scope, certificate string) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		c, err := lockCertificate(ctx, q, scope, certificate)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		missing := err
		last, err := lastTransfer(ctx, q, `t.from_scope = @scope AND t.certificate = @certificate`,
			args{"scope": scope, "certificate": certificate})
		switch {
		case err != nil:
			return err
		case last == nil && missing != nil:
			return missing
		case last == nil:
			return fault.New(fault.Invalid, "certificate %s is not being transferred", certificate)
		}
		return s.endTransfer(ctx, q, transferEnd{transfer: last, scope: scope, from: c, state: fleet.TransferCanceled})
	})
}

// lastTransfer returns the newest transfer that a condition holds for, or nil.
func lastTransfer(ctx context.Context, q querier, condition string, a args) (*fleet.Transfer, error) {
	t, ok, err := one(ctx, q, `SELECT `+transferColumns+transfers+` WHERE `+condition+` ORDER BY t.n DESC LIMIT 1`, a,
		scanTransfer())
	if err != nil {
		return nil, fmt.Errorf("find transfer: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return t, nil
}

// transferEnd is how a transfer ends.
type transferEnd struct {
	transfer *fleet.Transfer
	scope    int64              // that offered the certificate
	from     *fleet.Certificate // there, locked; nil when it is gone
	state    fleet.TransferState
	reason   string
}

// endTransfer ends a transfer that waits, or returns a TransferCompleted fault.
// The certificate is INACTIVE then.
func (s *Store) endTransfer(ctx context.Context, q querier, e transferEnd) error {
	n, err := q.exec(ctx, `UPDATE certificate_transfers SET state = @state, reason = @reason, ended_at = @now
		WHERE n = @n AND state = 'PENDING'`,
		args{"state": string(e.state), "reason": e.reason, "now": s.millis(), "n": e.transfer.N})
	if err != nil {
		return fmt.Errorf("end transfer: %w", err)
	}
	if n == 0 || e.from == nil {
		return fault.New(fault.TransferCompleted, "the transfer of certificate %s has ended", e.transfer.Certificate)
	}
	return s.must(ctx, q, e.scope, fleet.CertificateStatus{
		ID: e.from.ID, Seq: e.from.Seq, From: fleet.PendingTransfer, To: fleet.Inactive,
	})
}

// RejectTransfer refuses a certificate that another account offers to this one.
// Without an offer it is a NotFound fault, with one that has ended
// TransferCompleted.
func (s *Store) RejectTransfer(ctx context.Context, sc fleet.Scope, certificate, reason string) error {
	return s.write(ctx, func(ctx context.Context, q querier) error {
		end, err := lockOffer(ctx, q, sc, certificate)
		if err != nil {
			return err
		}
		end.state, end.reason = fleet.TransferRejected, reason
		return s.endTransfer(ctx, q, end)
	})
}

// lockOffer finds the oldest offer of a certificate to an account, or the last
// that has ended, and locks the certificate.
func lockOffer(ctx context.Context, q querier, sc fleet.Scope, certificate string) (e transferEnd, err error) {
	a := args{"account": sc.Account, "region": sc.Region, "certificate": certificate}
	const mine = `t.to_account = @account AND t.region = @region AND t.certificate = @certificate`
	var ok bool
	e.transfer, ok, err = one(ctx, q, `SELECT `+transferColumns+`, t.from_scope`+transfers+` WHERE `+mine+`
		AND t.state = 'PENDING' ORDER BY t.n LIMIT 1`, a, scanTransfer(&e.scope))
	if err != nil {
		return e, fmt.Errorf("find offered certificate: %w", err)
	}
	if !ok {
		if e.transfer, err = lastTransfer(ctx, q, mine, a); err == nil && e.transfer == nil {
			err = noCertificate(certificate)
		}
		return e, err
	}
	e.from, err = lockCertificate(ctx, q, e.scope, certificate)
	if fault.Is(err, fault.NotFound) {
		return e, nil // accepted by another call at this moment
	}
	return e, err
}

// AcceptTransfer takes a certificate that another account offers to this one
// into this one's registry, ACTIVE or INACTIVE. Without an offer it is a
// NotFound fault, with one that has ended TransferCompleted; a certificate that
// is registered here already is Invalid.
func (s *Store) AcceptTransfer(ctx context.Context, sc fleet.Scope, certificate string, active bool) error {
	return s.writing(ctx, sc, func(ctx context.Context, q querier, scope int64) error {
		end, err := lockOffer(ctx, q, sc, certificate)
		if err != nil {
			return err
		}
		end.state = fleet.TransferAccepted
		if err := s.endTransfer(ctx, q, end); err != nil {
			return err
		}
		c, err := readCertificate(ctx, q, end.scope, certificate)
		if err != nil {
			return err
		}
		if c.IssuedBy, err = issuerOfNumber(ctx, q, c.Seq); err != nil {
			return err
		}
		if _, err := q.exec(ctx, `DELETE FROM certificates WHERE seq = @seq`, args{"seq": c.Seq}); err != nil {
			return fmt.Errorf("take transferred certificate away: %w", err)
		}
		parsed, err := pki.ParseCertificate(c.PEM)
		if err != nil {
			return fmt.Errorf("read transferred certificate: %w", err)
		}
		c.Provenance = fleet.NewProvenance(parsed)
		if c.CAID, err = caOf(ctx, q, scope, c.CAID); err != nil {
			return err
		}
		if active {
			c.Status = fleet.Active
		}
		first, _ := certificateRange(scope)
		c.Seq = first + end.transfer.N
		err = insertNumbered(ctx, q, scope, []fleet.Certificate{*c})
		if fault.Is(err, fault.Exists) {
			return fault.New(fault.Invalid, "certificate %s is registered in this account already; reject its transfer",
				certificate)
		}
		if err != nil {
			return err
		}
		if err := noteRights(ctx, q, end.scope, fleet.RightCertificate, certificate); err != nil {
			return err
		}
		return noteRights(ctx, q, scope, fleet.RightCertificate, certificate)
	})
}

// caOf returns the id of a CA if it is registered in a scope, else "".
func caOf(ctx context.Context, q querier, scope int64, id string) (string, error) {
	n, err := count(ctx, q, `SELECT count(*) FROM ca_certificates WHERE scope = @scope AND id = @id`,
		args{"scope": scope, "id": id})
	if err != nil {
		return "", fmt.Errorf("find CA certificate: %w", err)
	}
	if n == 0 {
		return "", nil
	}
	return id, nil
}

// TransferOf returns the last transfer of a certificate that concerns the
// account that has it, or is offered it; nil if there was none.
func (s *Store) TransferOf(ctx context.Context, sc fleet.Scope, certificate string) (last *fleet.Transfer, err error) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		a := args{"account": sc.Account, "region": sc.Region, "certificate": certificate}
		in, err := lastTransfer(ctx, q, `t.to_account = @account AND t.region = @region AND t.certificate = @certificate
			AND t.state IN ('PENDING', 'ACCEPTED')`, a)
		if err != nil {
			return err
		}
		out, err := lastTransfer(ctx, q, `t.from_scope = @scope AND t.certificate = @certificate`,
			args{"scope": scope, "certificate": certificate})
		if last = in; in == nil || out != nil && out.N > in.N {
			last = out
		}
		return err
	})
	return last, err
}

// OfferedCertificate returns a certificate, with its PEM, that another account
// offers to this one, or a NotFound fault.
func (s *Store) OfferedCertificate(ctx context.Context, sc fleet.Scope, certificate string) (
	c *fleet.Certificate, err error,
) {
	err = s.reading(ctx, sc, func(q querier, _ int64) error {
		from, ok, err := one(ctx, q, `SELECT from_scope FROM certificate_transfers WHERE to_account = @account
			AND region = @region AND certificate = @certificate AND state = 'PENDING' ORDER BY n LIMIT 1`,
			args{"account": sc.Account, "region": sc.Region, "certificate": certificate}, scalar[int64])
		if err != nil {
			return fmt.Errorf("find offered certificate: %w", err)
		}
		if !ok {
			return noCertificate(certificate)
		}
		c, err = readCertificate(ctx, q, from, certificate)
		return err
	})
	return c, err
}

// numberRange is the part of a scope's certificates that a page is read from.
type numberRange struct{ base, first, last int64 }

// offeredPage is what a page of an account's certificates has of those that are
// offered to it. Their Seq is where they will be once they are accepted.
func offeredPage(ctx context.Context, q querier, sc fleet.Scope, in numberRange, p fleet.CertificatePage) (
	[]*fleet.Certificate, error,
) {
	order := `t.n DESC`
	if p.Ascending {
		order = `t.n`
	}
	var n int64
	return all(ctx, q, `SELECT `+certificateColumns+`, t.n FROM certificate_transfers t
		JOIN certificates c ON c.scope = t.from_scope AND c.id = t.certificate
		WHERE t.to_account = @account AND t.region = @region AND t.state = 'PENDING' AND t.n BETWEEN @first AND @last
		ORDER BY `+order+` LIMIT @limit`,
		args{
			"account": sc.Account, "region": sc.Region, "limit": p.Limit, "first": in.first - in.base,
			"last": in.last - in.base,
		},
		func(r scanner) (*fleet.Certificate, error) {
			c, err := scanCertificate(&n)(r)
			c.Seq = in.base + n
			return c, err
		})
}

// mergeOffered puts certificates that are offered among those that an account
// has. One that was accepted between the two reads is in both.
func mergeOffered(own, offered []*fleet.Certificate, p fleet.CertificatePage) []*fleet.Certificate {
	if len(offered) == 0 {
		return own
	}
	list := append(own, offered...)
	slices.SortStableFunc(list, func(a, b *fleet.Certificate) int {
		if p.Ascending {
			return cmp.Compare(a.Seq, b.Seq)
		}
		return cmp.Compare(b.Seq, a.Seq)
	})
	list = slices.CompactFunc(list, func(a, b *fleet.Certificate) bool { return a.Seq == b.Seq })
	return list[:min(len(list), p.Limit)]
}

// OutgoingTransfers lists the transfers that an account offered and that wait
// for an answer.
func (s *Store) OutgoingTransfers(ctx context.Context, sc fleet.Scope, p fleet.TransferPage) (
	list []*fleet.Transfer, err error,
) {
	err = s.reading(ctx, sc, func(q querier, scope int64) error {
		var created int64
		scan := scanTransfer(&created)
		list, err = all(ctx, q, `SELECT `+transferColumns+`, c.created_at`+transfers+`
			JOIN certificates c ON c.scope = t.from_scope AND c.id = t.certificate
			WHERE t.from_scope = @scope AND t.state = 'PENDING' AND `+bySeq("t.n", p.Ascending),
			args{"scope": scope, "after": p.After, "limit": p.Limit}, func(r scanner) (*fleet.Transfer, error) {
				t, err := scan(r)
				t.Created = fromMillis(created)
				return t, err
			})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list transfers: %w", err)
	}
	return list, nil
}
