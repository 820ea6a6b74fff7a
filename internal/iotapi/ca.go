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

// caStore is what the operations on CA certificates need.
type caStore interface {
	// RegisterCACertificate stores a new CA certificate with its tags. It is
	// Exists when it is registered in the scope, Limit when its subject has too
	// many.
	RegisterCACertificate(ctx context.Context, scope fleet.Scope, c *fleet.CACertificate, tags []fleet.Tag) error
	// CACertificatesOfSubject returns the CA certificates of a subject, in the
	// form names are compared by: as many as one subject may have.
	CACertificatesOfSubject(ctx context.Context, scope fleet.Scope, subject string) ([]fleet.CACertificate, error)
	// CACertificate returns a CA certificate, or NotFound.
	CACertificate(ctx context.Context, scope fleet.Scope, id string) (*fleet.CACertificate, error)
	// CACertificates lists CA certificates.
	CACertificates(ctx context.Context, scope fleet.Scope, p fleet.CACertificatePage) ([]fleet.CACertificate, error)
	// UpdateCACertificate changes a CA certificate, or is NotFound.
	UpdateCACertificate(ctx context.Context, scope fleet.Scope, id string, u fleet.CAUpdate) error
	// DeleteCACertificate applies fleet's rule, or is NotFound.
	DeleteCACertificate(ctx context.Context, scope fleet.Scope, id string) error

	// RegistrationCode returns the scope's code, or "".
	RegistrationCode(ctx context.Context, scope fleet.Scope) (string, error)
	// NeedRegistrationCode returns the scope's code, which is the candidate
	// when there was none.
	NeedRegistrationCode(ctx context.Context, scope fleet.Scope, candidate string) (string, error)
	// DeleteRegistrationCode removes the scope's code, or is NotFound.
	DeleteRegistrationCode(ctx context.Context, scope fleet.Scope) error
}

func (a *API) caOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.GetRegistrationCode, a.getRegistrationCode),
		awswire.Op(wire.DeleteRegistrationCode, a.deleteRegistrationCode),
		awswire.Op(wire.RegisterCACertificate, a.registerCACertificate).Refusing("registrationConfig"),
		awswire.Op(wire.DescribeCACertificate, a.describeCACertificate),
		awswire.Op(wire.UpdateCACertificate, a.updateCACertificate).Refusing("registrationConfig"),
		awswire.Op(wire.DeleteCACertificate, a.deleteCACertificate),
		awswire.Op(wire.ListCACertificates, a.listCACertificates).Refusing("templateName"),
	}
}

func (a *API) getRegistrationCode(ctx context.Context, _ *wire.GetRegistrationCodeRequest) (
	*wire.GetRegistrationCodeResponse, error,
) {
	code, err := a.Store.NeedRegistrationCode(ctx, scope(ctx), fleet.NewRegistrationCode())
	if err != nil {
		return nil, err
	}
	return &wire.GetRegistrationCodeResponse{RegistrationCode: &code}, nil
}

func (a *API) deleteRegistrationCode(ctx context.Context, _ *wire.DeleteRegistrationCodeRequest) (
	*wire.DeleteRegistrationCodeResponse, error,
) {
	return nil, a.Store.DeleteRegistrationCode(ctx, scope(ctx))
}

func (a *API) registerCACertificate(ctx context.Context, in *wire.RegisterCACertificateRequest) (
	*wire.RegisterCACertificateResponse, error,
) {
	parsed, above, err := fleet.Chain(opt.Value(in.CACertificate), a.Now())
	if err != nil {
		return nil, err
	}
	mode := fleet.ModeDefault
	if in.CertificateMode != nil {
		mode = fleet.Mode(*in.CertificateMode)
	}
	c, err := fleet.NewCACertificate(parsed, mode, a.Now())
	if err != nil {
		return nil, err
	}
	if err := a.verifyRegistration(ctx, parsed, mode, in.VerificationCertificate); err != nil {
		return nil, err
	}
	c.Provenance.Issuers = append(c.Provenance.Issuers, above...)
	if opt.Value(in.SetAsActive) {
		c.Status = fleet.Active
	}
	if opt.Value(in.AllowAutoRegistration) {
		c.AutoRegistration = fleet.AutoRegistrationEnabled
	}
	given, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := a.Store.RegisterCACertificate(ctx, scope(ctx), c, given); err != nil {
		return nil, err
	}
	return &wire.RegisterCACertificateResponse{
		CertificateARN: new(scope(ctx).ARN("cacert", c.ID)), CertificateID: &c.ID,
	}, nil
}

// verifyRegistration makes sure that the caller holds the CA's key, which is
// shown by a verification certificate in mode DEFAULT and not at all in mode
// SNI_ONLY.
func (a *API) verifyRegistration(ctx context.Context, ca *pki.Certificate, mode fleet.Mode, pem *string) error {
	if mode == fleet.ModeSNIOnly {
		if pem != nil {
			return fault.New(fault.Invalid, "verificationCertificate must be empty in certificate mode SNI_ONLY")
		}
		return nil
	}
	if pem == nil {
		return fault.New(fault.Invalid, "verificationCertificate is needed in certificate mode DEFAULT")
	}
	verification, err := pki.ParseCertificate(*pem)
	if err != nil {
		return err
	}
	code, err := a.Store.RegistrationCode(ctx, scope(ctx))
	if err != nil {
		return err
	}
	return pki.VerifyRegistration(ca, verification, code)
}

func (a *API) describeCACertificate(ctx context.Context, in *wire.DescribeCACertificateRequest) (
	*wire.DescribeCACertificateResponse, error,
) {
	s := scope(ctx)
	c, err := a.Store.CACertificate(ctx, s, opt.Value(in.CertificateID))
	if err != nil {
		return nil, err
	}
	return &wire.DescribeCACertificateResponse{CertificateDescription: &wire.CACertificateDescription{
		CertificateARN: new(s.ARN("cacert", c.ID)), CertificateID: &c.ID, Status: opt.Text(c.Status), CertificatePEM: &c.PEM,
		OwnedBy: &s.Account, CreationDate: &c.Created, LastModifiedDate: &c.Modified,
		AutoRegistrationStatus: &c.AutoRegistration, CustomerVersion: new(int(c.CustomerVersion)),
		GenerationID: &c.Generation, CertificateMode: opt.Text(c.Mode),
		Validity: &wire.CertificateValidity{NotBefore: &c.NotBefore, NotAfter: &c.NotAfter},
	}}, nil
}

func (a *API) updateCACertificate(ctx context.Context, in *wire.UpdateCACertificateRequest) (
	*wire.UpdateCACertificateResponse, error,
) {
	u := fleet.CAUpdate{
		Status: fleet.Status(opt.Value(in.NewStatus)), AutoRegistration: opt.Value(in.NewAutoRegistrationStatus),
	}
	if opt.Value(in.RemoveAutoRegistration) {
		if u.AutoRegistration == fleet.AutoRegistrationEnabled {
			return nil, fault.New(fault.Invalid, "removeAutoRegistration contradicts the newAutoRegistrationStatus ENABLE")
		}
		u.AutoRegistration = fleet.AutoRegistrationDisabled
	}
	return nil, a.Store.UpdateCACertificate(ctx, scope(ctx), opt.Value(in.CertificateID), u)
}

func (a *API) deleteCACertificate(ctx context.Context, in *wire.DeleteCACertificateRequest) (
	*wire.DeleteCACertificateResponse, error,
) {
	return nil, a.Store.DeleteCACertificate(ctx, scope(ctx), opt.Value(in.CertificateID))
}

func (a *API) listCACertificates(ctx context.Context, in *wire.ListCACertificatesRequest) (
	*wire.ListCACertificatesResponse, error,
) {
	n := awswire.PageSize(in.PageSize)
	p := fleet.CACertificatePage{Ascending: opt.Value(in.AscendingOrder), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListCACertificates", in.Marker, &p.After); err != nil {
		return nil, err
	}
	list, err := a.Store.CACertificates(ctx, scope(ctx), p)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListCACertificatesResponse{Certificates: make([]wire.CACertificate, len(list))}
	for i, c := range list {
		out.Certificates[i] = wire.CACertificate{
			CertificateARN: new(scope(ctx).ARN("cacert", c.ID)), CertificateID: &c.ID, Status: opt.Text(c.Status),
			CreationDate: &c.Created,
		}
		p.After = c.Seq
	}
	out.NextMarker, err = a.Pages.Next(ctx, "ListCACertificates", more, p.After)
	return out, err
}
