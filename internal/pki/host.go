package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"time"
)

// hostBackdate lets devices whose clocks are behind by some hours, as those
// without a battery are, connect to a new server.
const hostBackdate = 24 * time.Hour

// Host is what the certificate of a server is about.
type Host struct {
	// Names are DNS names, the first of which may be "*": any one label.
	Names     []string
	Addresses []net.IP
}

// IssueHost issues the certificate of a TLS server for a key. It names no
// subject: those that verify it look at its names alone (RFC 6125, section
// 6.4.4).
func (a *Authority) IssueHost(h Host, key crypto.PublicKey, now, until time.Time) (*Certificate, error) {
	template, err := newTemplate(key, now)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{}
	template.NotBefore, template.NotAfter = now.Add(-hostBackdate).UTC().Truncate(time.Second), until.UTC()
	template.DNSNames, template.IPAddresses = h.Names, h.Addresses
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return create(template, a.certificate.parsed, key, a.key)
}

// SignDigest signs a SHA-256 digest as ecdsa-with-SHA256 (RFC 5758, section
// 3.2), the one way in which authorities that NewAuthority made sign.
func (a *Authority) SignDigest(digest []byte) ([]byte, error) {
	if _, ok := a.key.Public().(*ecdsa.PublicKey); !ok {
		return nil, errors.New("sign: the key of the CA is not one on an elliptic curve")
	}
	return a.key.Sign(rand.Reader, digest, crypto.SHA256)
}
