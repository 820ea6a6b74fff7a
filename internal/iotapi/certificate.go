package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
	"github.com/cordon-iot/cordon/internal/pki"
)

// certificateStore is what the operations on device certificates need.
type certificateStore interface {
	// RegisterCertificate stores a new certificate. It is Exists when it is
	// registered in the scope, CertificateState or CertificateInvalid when the
	// CA that it names is not active or no longer registered.
	RegisterCertificate(ctx context.Context, scope fleet.Scope, c *fleet.Certificate) error
	// Certificate returns a certificate with its PEM, or NotFound.
	Certificate(ctx context.Context, scope fleet.Scope, id string) (*fleet.Certificate, error)
	// Certificates lists certificates without their PEM.
	Certificates(ctx context.Context, scope fleet.Scope, p fleet.CertificatePage) ([]*fleet.Certificate, error)
	// SetCertificateStatus applies fleet's rule for owners, or is NotFound.
	SetCertificateStatus(ctx context.Context, scope fleet.Scope, id string, to fleet.Status) error
	// DeleteCertificate applies fleet's rule, or is NotFound.
	DeleteCertificate(ctx context.Context, scope fleet.Scope, id string, force bool) error
}

// Authorities gives each account its own CA, which signs the certificates that
// are made here.
type Authorities interface {
	// Authority returns an account's CA, which is made on first use.
	Authority(ctx context.Context, account string) (*pki.Authority, error)
}

func (a *API) certificateOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.RegisterCertificateWithoutCA, a.registerCertificateWithoutCA),
		awswire.Op(wire.RegisterCertificate, a.registerCertificate),
		awswire.Op(wire.DescribeCertificate, a.describeCertificate),
		awswire.Op(wire.UpdateCertificate, a.updateCertificate),
		awswire.Op(wire.DeleteCertificate, a.deleteCertificate),
		awswire.Op(wire.ListCertificates, a.listCertificates),
		awswire.Op(wire.ListCertificatesByCA, a.listCertificatesByCA),
		awswire.Op(wire.CreateKeysAndCertificate, a.createKeysAndCertificate),
		awswire.Op(wire.CreateCertificateFromCsr, a.createCertificateFromCSR),
	}
}

func (a *API) registerCertificateWithoutCA(ctx context.Context, in *wire.RegisterCertificateWithoutCARequest) (
	*wire.RegisterCertificateWithoutCAResponse, error,
) {
	parsed, above, err := fleet.Chain(opt.Value(in.CertificatePEM), a.Now())
	if err != nil {
		return nil, err
	}
	c, err := fleet.NewCertificate(parsed, registrationStatus(in.Status), a.Now())
	if err != nil {
		return nil, err
	}
	c.Provenance.Issuers = above
	if err := a.Store.RegisterCertificate(ctx, scope(ctx), c); err != nil {
		return nil, err
	}
	return &wire.RegisterCertificateWithoutCAResponse{
		CertificateARN: new(scope(ctx).ARN("cert", c.ID)), CertificateID: &c.ID,
	}, nil
}

// registrationStatus is the state a certificate is registered in, INACTIVE
// when the caller does not say.
func registrationStatus(asked *string) fleet.Status {
	if asked == nil {
		return fleet.Inactive
	}
	return fleet.Status(*asked)
}

func (a *API) registerCertificate(ctx context.Context, in *wire.RegisterCertificateRequest) (
	*wire.RegisterCertificateResponse, error,
) {
	status := registrationStatus(in.Status)
	if opt.Value(in.SetAsActive) {
		if in.Status != nil && status != fleet.Active {
			return nil, fault.New(fault.Invalid, "setAsActive contradicts the status %s", status)
		}
		status = fleet.Active
	}
	parsed, above, err := fleet.Chain(opt.Value(in.CertificatePEM), a.Now())
	if err != nil {
		return nil, err
	}
	ca, err := a.issuer(ctx, parsed, in.CACertificatePEM)
	if err != nil {
		return nil, err
	}
	c, err := fleet.NewCertificate(parsed, status, a.Now())
	if err != nil {
		return nil, err
	}
	c.CAID, c.Mode = ca.ID, ca.Mode
	c.Provenance.Issuers = above
	if err := a.Store.RegisterCertificate(ctx, scope(ctx), c); err != nil {
		return nil, err
	}
	return &wire.RegisterCertificateResponse{
		CertificateARN: new(scope(ctx).ARN("cert", c.ID)), CertificateID: &c.ID,
	}, nil
}

// issuer finds the registered CA certificate that signed a certificate, among
// all or the one whose PEM the caller gave.
func (a *API) issuer(ctx context.Context, c *pki.Certificate, pem *string) (*fleet.CACertificate, error) {
	var named *pki.Certificate
	if pem != nil {
		var err error
		if named, err = pki.ParseCertificate(*pem); err != nil {
			return nil, err
		}
	}
	registered, err := a.Store.CACertificatesOfSubject(ctx, scope(ctx), c.IssuerMatch)
	if err != nil {
		return nil, err
	}
	return fleet.IssuerOf(c, named, registered)
}

func (a *API) createKeysAndCertificate(ctx context.Context, in *wire.CreateKeysAndCertificateRequest) (
	*wire.CreateKeysAndCertificateResponse, error,
) {
	authority, err := a.Authorities.Authority(ctx, scope(ctx).Account)
	if err != nil {
		return nil, err
	}
	pair, err := a.issueKeyPair(ctx, authority)
	if err != nil {
		return nil, err
	}
	if err := a.registerIssued(ctx, authority, pair.Certificate, opt.Value(in.SetAsActive)); err != nil {
		return nil, err
	}
	return &wire.CreateKeysAndCertificateResponse{
		CertificateARN: new(scope(ctx).ARN("cert", pair.Certificate.ID)), CertificateID: &pair.Certificate.ID,
		CertificatePEM: &pair.Certificate.PEM,
		KeyPair:        &wire.KeyPair{PublicKey: &pair.PublicKey, PrivateKey: &pair.PrivateKey},
	}, nil
}

// issueKeyPair waits for its turn: finding primes keeps a processor busy, so
// half of them at most do it and the others are left for other calls.
func (a *API) issueKeyPair(ctx context.Context, authority *pki.Authority) (*pki.KeyPair, error) {
	select {
	case a.keyMaking <- struct{}{}:
		defer func() { <-a.keyMaking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return authority.IssueKeyPair(a.Now())
}

func (a *API) createCertificateFromCSR(ctx context.Context, in *wire.CreateCertificateFromCsrRequest) (
	*wire.CreateCertificateFromCsrResponse, error,
) {
	request, err := pki.ParseCSR(opt.Value(in.CertificateSigningRequest))
	if err != nil {
		return nil, err
	}
	authority, err := a.Authorities.Authority(ctx, scope(ctx).Account)
	if err != nil {
		return nil, err
	}
	c, err := authority.IssueFromCSR(request, a.Now())
	if err != nil {
		return nil, err
	}
	if err := a.registerIssued(ctx, authority, c, opt.Value(in.SetAsActive)); err != nil {
		return nil, err
	}
	return &wire.CreateCertificateFromCsrResponse{
		CertificateARN: new(scope(ctx).ARN("cert", c.ID)), CertificateID: &c.ID, CertificatePEM: &c.PEM,
	}, nil
}

// registerIssued stores a certificate that the account's own CA signed.
func (a *API) registerIssued(ctx context.Context, by *pki.Authority, issued *pki.Certificate, active bool) error {
	status := fleet.Inactive
	if active {
		status = fleet.Active
	}
	c, err := fleet.NewCertificate(issued, status, a.Now())
	if err != nil {
		return err
	}
	c.Mode, c.IssuedBy = fleet.ModeDefault, by.Certificate().ID
	return a.Store.RegisterCertificate(ctx, scope(ctx), c)
}

func (a *API) describeCertificate(ctx context.Context, in *wire.DescribeCertificateRequest) (
	*wire.DescribeCertificateResponse, error,
) {
	s := scope(ctx)
	c, err := a.Store.Certificate(ctx, s, opt.Value(in.CertificateID))
	if fault.Is(err, fault.NotFound) {
		c, err = a.Store.OfferedCertificate(ctx, s, opt.Value(in.CertificateID))
	}
	if err != nil {
		return nil, err
	}
	transfer, err := a.Store.TransferOf(ctx, s, c.ID)
	if err != nil {
		return nil, err
	}
	owner, before := owners(s.Account, transfer)
	return &wire.DescribeCertificateResponse{CertificateDescription: &wire.CertificateDescription{
		CertificateARN: new(s.ARN("cert", c.ID)), CertificateID: &c.ID, CACertificateID: opt.Text(c.CAID),
		Status: opt.Text(c.Status), CertificatePEM: &c.PEM, OwnedBy: &owner,
		PreviousOwnedBy: opt.Text(before), TransferData: transferData(transfer),
		CreationDate: &c.Created, LastModifiedDate: &c.Modified, CustomerVersion: new(int(c.CustomerVersion)),
		GenerationID: &c.Generation, CertificateMode: opt.Text(c.Mode),
		Validity: &wire.CertificateValidity{NotBefore: &c.NotBefore, NotAfter: &c.NotAfter},
	}}, nil
}

func (a *API) updateCertificate(ctx context.Context, in *wire.UpdateCertificateRequest) (
	*wire.UpdateCertificateResponse, error,
) {
	return nil, a.Store.SetCertificateStatus(ctx, scope(ctx), opt.Value(in.CertificateID),
		fleet.Status(opt.Value(in.NewStatus)))
}

func (a *API) deleteCertificate(ctx context.Context, in *wire.DeleteCertificateRequest) (
	*wire.DeleteCertificateResponse, error,
) {
	return nil, a.Store.DeleteCertificate(ctx, scope(ctx), opt.Value(in.CertificateID), opt.Value(in.ForceDelete))
}

func (a *API) listCertificates(ctx context.Context, in *wire.ListCertificatesRequest) (
	*wire.ListCertificatesResponse, error,
) {
	p := fleet.CertificatePage{Ascending: opt.Value(in.AscendingOrder), Limit: awswire.PageSize(in.PageSize)}
	list, next, err := a.certificates(ctx, "ListCertificates", in.Marker, p)
	if err != nil {
		return nil, err
	}
	return &wire.ListCertificatesResponse{Certificates: list, NextMarker: next}, nil
}

func (a *API) listCertificatesByCA(ctx context.Context, in *wire.ListCertificatesByCARequest) (
	*wire.ListCertificatesByCAResponse, error,
) {
	p := fleet.CertificatePage{
		CA: opt.Value(in.CACertificateID), Ascending: opt.Value(in.AscendingOrder), Limit: awswire.PageSize(in.PageSize),
	}
	list, next, err := a.certificates(ctx, "ListCertificatesByCA", in.Marker, p)
	if err != nil {
		return nil, err
	}
	return &wire.ListCertificatesByCAResponse{Certificates: list, NextMarker: next}, nil
}

// certificates reads a page of certificates for an operation.
func (a *API) certificates(ctx context.Context, operation string, marker *string, p fleet.CertificatePage) (
	[]wire.Certificate, *string, error,
) {
	if err := a.Pages.Open(ctx, operation, marker, &p.After); err != nil {
		return nil, nil, err
	}
	n := p.Limit
	p.Limit++
	list, err := a.Store.Certificates(ctx, scope(ctx), p)
	if err != nil {
		return nil, nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := make([]wire.Certificate, len(list))
	for i, c := range list {
		out[i] = wire.Certificate{
			CertificateARN: new(scope(ctx).ARN("cert", c.ID)), CertificateID: &c.ID, Status: opt.Text(c.Status),
			CertificateMode: opt.Text(c.Mode), CreationDate: &c.Created,
		}
		p.After = c.Seq
	}
	next, err := a.Pages.Next(ctx, operation, more, p.After)
	return out, next, err
}
