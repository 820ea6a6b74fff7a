package fleet

import (
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
)

// RegistersDevices reports whether a CA has the devices registered that show a
// certificate which it signed.
func (c *CACertificate) RegistersDevices(now time.Time) bool {
	return c.Status == Active && c.AutoRegistration == AutoRegistrationEnabled && c.RegistrationConfig == "" &&
		!now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// JustInTime is the certificate to be registered, PENDING_ACTIVATION, of a
// device that connected and is not known. The chain is what it showed: its own
// certificate and, where it likes, the one of its CA behind it, which tells two
// with one key apart. Of the CAs, which have its issuer's name, one must have
// signed it that registers devices, and both must be within their validity.
// Otherwise it is a NotFound fault; one that cannot be registered is
// CertificateInvalid, and one of which the CA is ambiguous CertificateConflict.
// Source: AWS IoT, just-in-time registration.
func JustInTime(chain []*pki.Certificate, cas []CACertificate, now time.Time) (*Certificate, error) {
	cas = slices.DeleteFunc(slices.Clone(cas), func(ca CACertificate) bool { return !ca.RegistersDevices(now) })
	if len(cas) == 0 || !chain[0].ValidAt(now) {
		return nil, fault.New(fault.NotFound, "no CA certificate registers certificate %s just in time", chain[0].ID)
	}
	var named *pki.Certificate
	for _, shown := range chain[1:] {
		if slices.ContainsFunc(cas, func(ca CACertificate) bool { return ca.ID == shown.ID }) {
			named = shown
		}
	}
	ca, err := IssuerOf(chain[0], named, cas)
	if fault.Is(err, fault.CertificateInvalid) {
		return nil, fault.New(fault.NotFound, "no CA certificate that registers devices signed certificate %s", chain[0].ID)
	}
	if err != nil {
		return nil, err
	}
	c, err := NewCertificate(chain[0], Inactive, now)
	if err != nil {
		return nil, err
	}
	c.Status, c.CAID, c.Mode = PendingActivation, ca.ID, ca.Mode
	return c, nil
}
