package revocation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/crl"
)

// Service is what an account may do about revocation lists itself.
type Service struct {
	Store Store
	Now   func() time.Time
}

// ImportIssuer remembers the certificate of a CA that is not registered, in PEM
// form. The faults are CertificateInvalid, and Limit.
func (s *Service) ImportIssuer(ctx context.Context, sc fleet.Scope, pem string) (*fleet.Issuer, error) {
	c, err := pki.ParseCertificate(pem)
	if err != nil {
		return nil, err
	}
	i, err := fleet.NewIssuer(c, s.Now())
	if err != nil {
		return nil, err
	}
	return i, s.Store.ImportIssuer(ctx, sc, i)
}

// MaxParts is how many parts a list is imported in at most.
const MaxParts = 4096

// AddPart takes a part of a list that is imported, the first being 0.
func (s *Service) AddPart(ctx context.Context, sc fleet.Scope, id string, n int, data []byte) error {
	if n < 0 || n >= MaxParts {
		return fault.New(fault.Invalid, "partNumber must be from 0 to %d", MaxParts-1)
	}
	return s.Store.AddPart(ctx, sc, id, n, data)
}

// Import takes a list whose parts are there. It is verified as a whole before
// any of it counts, and then counts at once. A list that is refused is
// forgotten: Invalid, or Exists for one that is older than what is known.
func (s *Service) Import(ctx context.Context, sc fleet.Scope, id string) (*List, error) {
	l, err := s.take(ctx, sc, id)
	if f := fault.From(err); err == nil || f != nil && f.Code != fault.NotFound && f.Code != fault.Conflict {
		if dropErr := s.Store.DropUpload(ctx, sc, id); dropErr != nil {
			return nil, errors.Join(err, dropErr)
		}
	}
	return l, err
}

func (s *Service) take(ctx context.Context, sc fleet.Scope, id string) (*List, error) {
	open := func() (io.Reader, error) {
		r, err := s.Store.Upload(ctx, sc, id)
		if err != nil {
			return nil, err
		}
		return crl.Decode(r), nil
	}
	l, issuer, err := verified(open, func(l *crl.List) ([]fleet.Issuer, error) {
		issuers, err := s.Store.IssuersNamed(ctx, sc, l.IssuerMatch)
		if err == nil && len(issuers) == 0 {
			err = fault.New(fault.Invalid, "The certificate of the revocation list's issuer %.200q is not known: "+
				"import it, or register it as a CA, before the list.", l.Issuer)
		}
		return issuers, err
	}, s.Now())
	if err != nil {
		return nil, err
	}
	place := ""
	if l.Partial {
		// As if it had been fetched: it is about those who name this place alone.
		if len(l.Points) == 0 {
			return nil, fault.New(fault.Invalid, "The revocation list is about a part of the issuer's certificates "+
				"that no URL names, which is not supported.")
		}
		place = l.Points[0]
	}
	list := newList(l, issuer, place)
	if err := (loader{s.Store, sc}).load(ctx, open, list); err != nil {
		return nil, fmt.Errorf("import revocation list: %w", err)
	}
	return list, nil
}
