package pki

import (
	"errors"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Issued verifies that a CA signed a certificate: the names match, the CA may
// sign, and the signature is by its key. It looks at no validity period and no
// status. The fault is CertificateInvalid.
func Issued(ca, c *Certificate) error {
	switch {
	case c.IssuerMatch != ca.SubjectMatch:
		return fault.New(fault.CertificateInvalid, "The certificate names another issuer than the CA certificate's subject.")
	case !ca.IsCA || !ca.maySign():
		return fault.New(fault.CertificateInvalid, "The CA certificate does not allow its key to sign certificates.")
	case ca.signed(c) != nil:
		return fault.New(fault.CertificateInvalid, "The certificate was not signed with the key of the CA certificate.")
	}
	return nil
}

// FindIssuer returns the one of the candidates that issued a certificate. CAs
// of one subject are told apart by their keys: those that the certificate's
// authority key identifier names are tried first.
//
// No candidate that fits is a CertificateInvalid fault. Several with the same
// key, such as a CA certificate and its renewal, are CertificateConflict, as the
// AWS IoT API says for RegisterCertificate: the caller must name one.
func FindIssuer(c *Certificate, candidates []*Certificate) (*Certificate, error) {
	var issuer *Certificate
	try := func(ca *Certificate) error {
		if Issued(ca, c) != nil || (issuer != nil && issuer.ID == ca.ID) {
			return nil
		}
		if issuer != nil {
			return fault.New(fault.CertificateConflict,
				"More than one registered CA certificate with the same subject and key fits; pass the CA certificate.")
		}
		issuer = ca
		return nil
	}
	for _, named := range []bool{true, false} {
		for _, ca := range candidates {
			if (c.AuthorityKeyID != "" && c.AuthorityKeyID == ca.SubjectKeyID) != named {
				continue
			}
			if err := try(ca); err != nil {
				return nil, err
			}
		}
		if issuer != nil {
			return issuer, nil
		}
	}
	return nil, fault.New(fault.CertificateInvalid, "The certificate was not signed by a registered CA certificate.")
}

// VerifyRegistration applies the rule of RegisterCACertificate: the
// verification certificate carries the registration code as its common name,
// else the fault is RegistrationCode; and the CA signed it, else the fault is
// CertificateInvalid. It proves that the caller holds the CA's key now, because
// the code was made for this registration.
func VerifyRegistration(ca, verification *Certificate, code string) error {
	if code == "" || verification.CommonName != code {
		return fault.New(fault.RegistrationCode,
			"The common name of the verification certificate is not the registration code.")
	}
	if text := verification.defect(); text != "" {
		return refuse("The verification certificate", text)
	}
	return Issued(ca, verification)
}

var errKey = errors.New("the key is not acceptable")

// signed verifies the signature alone. The key's size is bounded first, and
// with it what the work can cost.
func (c *Certificate) signed(other *Certificate) error {
	if keyDefect(c.PublicKey) != "" || !signatures[other.parsed.SignatureAlgorithm] {
		return errKey
	}
	return c.parsed.CheckSignature(other.parsed.SignatureAlgorithm, other.parsed.RawTBSCertificate,
		other.parsed.Signature)
}
