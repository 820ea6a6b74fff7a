package iotapi

import (
	"context"

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

func (a *API) registerCertificateWithoutCA(ctx context.Context, in *wire.RegisterCertificateWithoutCARequest) (
	*wire.RegisterCertificateWithoutCAResponse, error,
) {
	parsed, err := pki.ParseCertificate(value(in.CertificatePEM))
	if err != nil {
		return nil, err
	}
	c, err := a.register(ctx, parsed, registrationStatus(in.Status), nil)
	if err != nil {
		return nil, err
	}
	return &wire.RegisterCertificateWithoutCAResponse{
		CertificateARN: new(scope(ctx).ARN("cert", c.ID)), CertificateID: &c.ID,
	}, nil
}

// registrationStatus is the state a certificate is registered in when the
// caller does not say.
func registrationStatus(asked *string) fleet.Status {
	if asked == nil {
		return fleet.Inactive
	}
	return fleet.Status(*asked)
}

// register stores a certificate, under its CA if it has one.
func (a *API) register(ctx context.Context, parsed *pki.Certificate, status fleet.Status, ca *fleet.CACertificate) (
	*fleet.Certificate, error,
) {
	c, err := fleet.NewCertificate(parsed, status, a.Now())
	if err != nil {
		return nil, err
	}
	if ca != nil {
		c.CAID, c.Mode = ca.ID, ca.Mode
	}
	return c, a.Store.RegisterCertificate(ctx, scope(ctx), c)
}

func (a *API) registerCertificate(ctx context.Context, in *wire.RegisterCertificateRequest) (
	*wire.RegisterCertificateResponse, error,
) {
	status := registrationStatus(in.Status)
	if value(in.SetAsActive) {
		if in.Status != nil && status != fleet.Active {
			return nil, fault.New(fault.Invalid, "setAsActive contradicts the status %s", status)
		}
		status = fleet.Active
	}
	parsed, err := pki.ParseCertificate(value(in.CertificatePEM))
	if err != nil {
		return nil, err
	}
	var named *pki.Certificate
	if in.CACertificatePEM != nil {
		if named, err = pki.ParseCertificate(*in.CACertificatePEM); err != nil {
			return nil, err
		}
	}
	registered, err := a.Store.CACertificatesOfSubject(ctx, scope(ctx), parsed.IssuerMatch)
	if err != nil {
		return nil, err
	}
	ca, err := fleet.IssuerOf(parsed, named, registered)
	if err != nil {
		return nil, err
	}
	c, err := a.register(ctx, parsed, status, ca)
	if err != nil {
		return nil, err
	}
	return &wire.RegisterCertificateResponse{
		CertificateARN: new(scope(ctx).ARN("cert", c.ID)), CertificateID: &c.ID,
	}, nil
}

func (a *API) describeCertificate(ctx context.Context, in *wire.DescribeCertificateRequest) (
	*wire.DescribeCertificateResponse, error,
) {
	s := scope(ctx)
	c, err := a.Store.Certificate(ctx, s, value(in.CertificateID))
	if err != nil {
		return nil, err
	}
	return &wire.DescribeCertificateResponse{CertificateDescription: &wire.CertificateDescription{
		CertificateARN: new(s.ARN("cert", c.ID)), CertificateID: &c.ID, CACertificateID: text(c.CAID),
		Status: text(c.Status), CertificatePEM: &c.PEM, OwnedBy: &s.Account,
		CreationDate: &c.Created, LastModifiedDate: &c.Modified, CustomerVersion: new(int(c.CustomerVersion)),
		GenerationID: &c.Generation, CertificateMode: text(c.Mode),
		Validity: &wire.CertificateValidity{NotBefore: &c.NotBefore, NotAfter: &c.NotAfter},
	}}, nil
}

func (a *API) updateCertificate(ctx context.Context, in *wire.UpdateCertificateRequest) (
	*wire.UpdateCertificateResponse, error,
) {
	return nil, a.Store.SetCertificateStatus(ctx, scope(ctx), value(in.CertificateID), fleet.Status(value(in.NewStatus)))
}

func (a *API) deleteCertificate(ctx context.Context, in *wire.DeleteCertificateRequest) (
	*wire.DeleteCertificateResponse, error,
) {
	return nil, a.Store.DeleteCertificate(ctx, scope(ctx), value(in.CertificateID), value(in.ForceDelete))
}

func (a *API) listCertificates(ctx context.Context, in *wire.ListCertificatesRequest) (
	*wire.ListCertificatesResponse, error,
) {
	p := fleet.CertificatePage{Ascending: value(in.AscendingOrder), Limit: limit(in.PageSize)}
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
		CA: value(in.CACertificateID), Ascending: value(in.AscendingOrder), Limit: limit(in.PageSize),
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
	if err := a.open(ctx, operation, marker, &p.After); err != nil {
		return nil, nil, err
	}
	n := p.Limit
	p.Limit++
	list, err := a.Store.Certificates(ctx, scope(ctx), p)
	if err != nil {
		return nil, nil, err
	}
	list, more := cut(list, n)
	out := make([]wire.Certificate, len(list))
	for i, c := range list {
		out[i] = wire.Certificate{
			CertificateARN: new(scope(ctx).ARN("cert", c.ID)), CertificateID: &c.ID, Status: text(c.Status),
			CertificateMode: text(c.Mode), CreationDate: &c.Created,
		}
		p.After = c.Seq
	}
	next, err := a.next(ctx, operation, more, p.After)
	return out, next, err
}
