package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
)

// Origin is what a certificate says of who signed it, and of where that one
// publishes what it revoked: all of which revocation depends but the serial
// number. A million certificates of one CA have one origin.
type Origin struct {
	// Issuer stands for the name in comparisons, as in [pki.Certificate];
	// IssuerName is for reading.
	Issuer, IssuerName string
	KeyID              string // the authority key identifier, or ""
	CA                 bool   // the certificate is one of a CA
	Self               bool   // it claims to be signed with its own key
	Points             []string
}

// Provenance is what is kept of a certificate to know whether it was revoked, and
// to find it by name.
type Provenance struct {
	Serial  string // in the form of pki.Certificate
	Origin  *Origin
	Issuers []*Issuer // of the chain above it, to be remembered
	// Name is what brokers call the holder, or "" where it has no such name.
	Name string
}

// NewProvenance reads the provenance of a certificate.
func NewProvenance(c *pki.Certificate) *Provenance {
	return &Provenance{Serial: c.Serial, Origin: NewOrigin(c), Name: c.BrokerName()}
}

// maxPoints is how many distribution points of a certificate are looked at.
const maxPoints = 8

// NewOrigin reads the origin of a certificate.
func NewOrigin(c *pki.Certificate) *Origin {
	o := &Origin{CA: c.IsCA, Self: c.IsRoot(), Points: c.CRLDistributionPoints}
	if len(o.Points) > maxPoints {
		o.Points = o.Points[:maxPoints:maxPoints]
	}
	// A certificate that signed itself and names no list is like every other
	// such: nobody can revoke it.
	if !o.Self || len(o.Points) > 0 {
		o.Issuer, o.IssuerName, o.KeyID = c.IssuerMatch, c.Issuer, c.AuthorityKeyID
	}
	return o
}

// Digest is 64 hex digits that stand for an origin.
func (o *Origin) Digest() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // texts always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// SourceState says what is known about the certificates of an origin.
type SourceState string

// The states of a source: never looked at; revocations are known, or nobody
// publishes any; they are published and cannot be had.
const (
	SourceUnknown  SourceState = ""
	SourceTested   SourceState = "TESTED"
	SourceUntested SourceState = "UNTESTED"
)

// Revocation is what is known about whether the issuer of a certificate has
// revoked it. The zero value is "not revoked".
type Revocation struct {
	// Untested says why it is not known, "" when it is.
	Untested string
	// Revoked is when it was revoked, zero when it was not.
	Revoked time.Time
}

// Issuer is the certificate of a CA, registered or not, by which the
// certificates and the revocation lists that it signed are known.
type Issuer struct {
	Seq          int64
	ID           string
	Name         string // the subject, for reading
	Subject      string // in the form that names are compared by
	SubjectKeyID string
	// Key is 64 hex digits that stand for the subject and its public key: what
	// all certificates of one CA have in common.
	Key     string
	Serial  string
	Root    bool // it claims to be signed with its own key
	Origin  *Origin
	Created time.Time
	PEM     string
	Source  int64
	// Revocation is set where an audit reads it.
	Revocation Revocation
}

// NewIssuer is the certificate of an issuer to be remembered. It has to be that
// of a CA, and may have expired. The fault is CertificateInvalid.
func NewIssuer(c *pki.Certificate, now time.Time) (*Issuer, error) {
	if _, err := pki.CheckCA(c, c.NotBefore); err != nil {
		return nil, err
	}
	return newIssuer(c, now), nil
}

func newIssuer(c *pki.Certificate, now time.Time) *Issuer {
	return &Issuer{
		ID: c.ID, Name: c.Subject, Subject: c.SubjectMatch, SubjectKeyID: c.SubjectKeyID, Key: IssuerKey(c),
		Serial: c.Serial, Root: c.IsRoot(), Origin: NewOrigin(c), Created: now, PEM: c.PEM,
	}
}

// IssuerKey stands for the subject and the public key of a CA certificate.
func IssuerKey(c *pki.Certificate) string {
	sum := sha256.Sum256(append([]byte(c.SubjectMatch), c.X509().RawSubjectPublicKeyInfo...))
	return hex.EncodeToString(sum[:])
}

// Signs reports whether an issuer is one that certificates of an origin name.
func (i *Issuer) Signs(o *Origin) bool {
	return i.Subject == o.Issuer && (i.SubjectKeyID == "" || o.KeyID == "" || i.SubjectKeyID == o.KeyID)
}

// Chain reads the PEM text of a certificate, and behind it of those above it:
// each must have signed the one before. The faults are CertificateInvalid.
func Chain(text string, now time.Time) (first *pki.Certificate, above []*Issuer, err error) {
	list, err := pki.ParseChain(text)
	if err != nil {
		return nil, nil, err
	}
	for i, c := range list[1:] {
		if err := pki.Issued(c, list[i]); err != nil {
			return nil, nil, fault.New(fault.CertificateInvalid,
				"Certificate %d of the chain did not sign the one before it.", i+2)
		}
		issuer, err := NewIssuer(c, now)
		if err != nil {
			return nil, nil, err
		}
		above = append(above, issuer)
	}
	return list[0], above, nil
}
