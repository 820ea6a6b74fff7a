package pki

import (
	"crypto"
	_ "crypto/sha1" // by which OCSP names issuers (RFC 6960, section 4.1.1)
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// Where what is to be known of a CA is served, behind the address that others
// reach the server at.
const (
	PublicationPath = "/pki/"
	ResponderPath   = PublicationPath + "ocsp"
	ListSuffix      = ".crl"
	IssuerSuffix    = ".crt"
)

// Publication is where an authority publishes, as URLs; "" is nowhere. What it
// issues names them for as long as it is valid.
type Publication struct {
	List      string // its revocation list (RFC 5280, section 4.2.1.13)
	Responder string // OCSP (section 4.2.2.1)
	Issuer    string // its certificate (section 4.2.2.1)
}

// Publishing returns the same authority, which from now on names in what it
// issues where it publishes: below base, which is scheme, host and port. Of an
// empty base it names nothing.
func (a *Authority) Publishing(base string) *Authority {
	out := *a
	out.publication = Publication{}
	if base != "" {
		of := base + PublicationPath + a.certificate.ID
		out.publication = Publication{List: of + ListSuffix, Responder: base + ResponderPath, Issuer: of + IssuerSuffix}
	}
	return &out
}

// Publication is what certificates that this authority issues name.
func (a *Authority) Publication() Publication { return a.publication }

func (p Publication) in(template *x509.Certificate) {
	if p == (Publication{}) {
		return
	}
	template.CRLDistributionPoints = []string{p.List}
	template.OCSPServer = []string{p.Responder}
	template.IssuingCertificateURL = []string{p.Issuer}
}

// Hashes are those of the subject and of the bits of the public key, by which
// OCSP names the issuer of a certificate (RFC 6960, section 4.1.1).
func (c *Certificate) Hashes(h crypto.Hash) (name, key []byte) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.parsed.RawSubjectPublicKeyInfo, &info); err != nil {
		panic(err) // crypto/x509 has parsed it
	}
	of := func(b []byte) []byte {
		sum := h.New()
		sum.Write(b) // never fails
		return sum.Sum(nil)
	}
	return of(c.parsed.RawSubject), of(info.Key.RightAlign())
}
