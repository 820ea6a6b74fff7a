package fleet

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
)

// The values of CACertificate.AutoRegistration.
const (
	AutoRegistrationEnabled  = "ENABLE"
	AutoRegistrationDisabled = "DISABLE"
)

// CACertificate is a registered certificate authority.
type CACertificate struct {
	Seq                int64
	ID                 string
	Status             Status
	Mode               Mode
	AutoRegistration   string // AutoRegistrationEnabled or AutoRegistrationDisabled
	RegistrationConfig string // JSON, or ""
	Subject            string // in the form that names are compared by
	SubjectKeyID       string
	Key                Key
	NotBefore          time.Time
	NotAfter           time.Time
	Generation         string
	CustomerVersion    int64
	Created            time.Time
	Modified           time.Time
	PEM                string

	// Provenance is set where a CA is registered: its own certificate is among
	// the issuers.
	Provenance *Provenance
	// Source and Revocation are set where an audit asks for them.
	Source     int64
	Revocation *Revocation
}

// NewCACertificate is a CA certificate to be registered, inactive, without
// automatic registration and in the mode given: checked, and its key tested.
// The fault is CertificateInvalid.
func NewCACertificate(c *pki.Certificate, mode Mode, now time.Time) (*CACertificate, error) {
	found, err := pki.CheckCA(c, now)
	if err != nil {
		return nil, err
	}
	from := NewProvenance(c)
	from.Issuers = []*Issuer{newIssuer(c, now)}
	return &CACertificate{
		ID: c.ID, Status: Inactive, Mode: mode, AutoRegistration: AutoRegistrationDisabled,
		Subject: c.SubjectMatch, SubjectKeyID: c.SubjectKeyID, Key: newKey(c, found),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Generation: newGeneration(), CustomerVersion: 1,
		Created: now, Modified: now, PEM: c.PEM, Provenance: from,
	}, nil
}

// CAUpdate is what an owner asks to change of a CA certificate: what is empty
// stays as it is.
type CAUpdate struct {
	Status           Status
	AutoRegistration string
}

// Deletable decides whether a CA certificate may be removed.
func (c *CACertificate) Deletable() error {
	if c.Status == Active {
		return fault.New(fault.CertificateState, "CA certificate must be deactivated (not ACTIVE) before deletion.")
	}
	return nil
}

// IssuerOf decides under which of an account's CA certificates of the issuer's
// name a device certificate is registered, as the AWS IoT API says for
// RegisterCertificate: the one that the caller names, else the only active one
// that fits. The device takes the CA's mode.
//
// The fault is CertificateInvalid when none signed the certificate or the one
// named is not registered, CertificateConflict when several fit, and
// CertificateState when the one that fits is not active.
func IssuerOf(c *pki.Certificate, named *pki.Certificate, registered []CACertificate) (*CACertificate, error) {
	var active, inactive []*pki.Certificate
	byID := make(map[string]*CACertificate, len(registered))
	for i := range registered {
		ca := &registered[i]
		if named != nil && ca.ID != named.ID {
			continue
		}
		parsed, err := pki.ParseCertificate(ca.PEM)
		if err != nil {
			return nil, err
		}
		byID[ca.ID] = ca
		if ca.Status == Active {
			active = append(active, parsed)
		} else {
			inactive = append(inactive, parsed)
		}
	}
	if named != nil && len(byID) == 0 {
		return nil, unregistered(c, named)
	}
	issuer, err := pki.FindIssuer(c, active)
	if err == nil {
		return byID[issuer.ID], nil
	}
	if issuer, inactiveErr := pki.FindIssuer(c, inactive); fault.Is(err, fault.CertificateInvalid) && inactiveErr == nil {
		return nil, fault.New(fault.CertificateState,
			"The CA certificate %s that signed the certificate is not ACTIVE.", issuer.ID)
	}
	return nil, err
}

// unregistered says why a CA certificate that the caller names is of no use:
// it did not sign the certificate at all, or it is not registered.
func unregistered(c, named *pki.Certificate) error {
	if err := pki.Issued(named, c); err != nil {
		return err
	}
	return fault.New(fault.CertificateInvalid, "The CA certificate is not registered.")
}

// CACertificatePage asks for CA certificates in order of registration.
type CACertificatePage struct {
	Ascending bool  // the oldest first, instead of the newest
	After     int64 // the Seq that the page is behind, 0 for the first page
	Limit     int
}

// NewRegistrationCode makes a code by which the owner of a CA proves to hold
// its key: 64 hex digits, as the AWS IoT API has them.
func NewRegistrationCode() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
