package pki

import "crypto/x509"

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
