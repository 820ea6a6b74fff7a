package revocation

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/crl"
)

const (
	// loadRows is how many entries are stored in one transaction.
	loadRows = 2000
	// sortedRows is how many entries are put in order before they are stored:
	// rows that are written in the order of their key touch few pages, and serial
	// numbers come in none.
	sortedRows = 250_000
)

// opener reads the same list again and again.
type opener func() (io.Reader, error)

// verified reads a list and finds who signed it, of those who known lists for the
// name of its issuer. The fault is Invalid.
func verified(open opener, known func(*crl.List) ([]fleet.Issuer, error), now time.Time) (
	*crl.List, *fleet.Issuer, error,
) {
	r, err := open()
	if err != nil {
		return nil, nil, err
	}
	l, err := crl.Read(r)
	if err != nil {
		return nil, nil, err
	}
	if err := l.Current(now); err != nil {
		return nil, nil, err
	}
	issuers, err := known(l)
	if err != nil {
		return nil, nil, err
	}
	issuer, err := signer(l, issuers)
	return l, issuer, err
}

// signer finds who of some issuers signed a list.
func signer(l *crl.List, issuers []fleet.Issuer) (*fleet.Issuer, error) {
	err := fault.New(fault.Invalid, "The revocation list is not acceptable: it is of another issuer, %.200q.", l.Issuer)
	for i := range issuers {
		if issuers[i].Subject != l.IssuerMatch {
			continue
		}
		c, parseErr := pki.ParseCertificate(issuers[i].PEM)
		if parseErr != nil {
			return nil, parseErr
		}
		verifyErr := l.Verify(c)
		if verifyErr == nil {
			return &issuers[i], nil
		}
		err = fault.From(verifyErr)
	}
	return nil, err
}

// loader stores the entries of lists.
type loader struct {
	store Store
	scope fleet.Scope
}

// load stores a list that was verified. Exists is one that is stored already,
// or older than what is.
func (ld loader) load(ctx context.Context, open opener, l *List) error {
	load, err := ld.store.BeginLoad(ctx, ld.scope)
	if err != nil {
		return err
	}
	r, err := open()
	if err != nil {
		return err
	}
	var list []crl.Entry
	for e, err := range crl.Entries(r) {
		if err != nil {
			return err
		}
		if list = append(list, *e); len(list) < sortedRows {
			continue
		}
		if err := ld.add(ctx, load, list); err != nil {
			return err
		}
		list = list[:0]
	}
	if err := ld.add(ctx, load, list); err != nil {
		return err
	}
	return ld.store.FinishLoad(ctx, ld.scope, load, l)
}

// add stores entries in the order of their serial numbers.
func (ld loader) add(ctx context.Context, load int64, list []crl.Entry) error {
	slices.SortFunc(list, func(a, b crl.Entry) int { return strings.Compare(a.Serial, b.Serial) })
	for part := range slices.Chunk(list, loadRows) {
		if err := ld.store.AddRevoked(ctx, load, part); err != nil {
			return fmt.Errorf("store revocations: %w", err)
		}
	}
	return nil
}

// newList is what is stored of a list.
func newList(l *crl.List, issuer *fleet.Issuer, url string) *List {
	return &List{
		IssuerKey: issuer.Key, URL: url, IssuerName: l.Issuer, Number: l.Number, ThisUpdate: l.ThisUpdate,
		NextUpdate: l.NextUpdate, Entries: l.Entries, Covers: l.Covers, Digest: l.Digest,
	}
}
