package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki/keyquality"
)

const (
	minRSABits = 2048
	maxRSABits = keyquality.MaxRSABits
	// maxExponent is the largest public exponent that crypto/rsa verifies
	// with. A device with a larger one could never connect.
	maxExponent = 1<<31 - 1
	// maxSerialBytes is what RFC 5280, section 4.1.2.2, allows.
	maxSerialBytes = 20
	// maxKeyIDBytes leaves room for any hash; the extension has no limit.
	maxKeyIDBytes = 64
)

// signatures are the algorithms that AWS IoT accepts for the signature of a
// certificate. DSA with SHA-256 is among them: such a certificate can be
// registered without CA, but no CA here can have signed it, for DSA keys are not
// accepted for CAs.
var signatures = map[x509.SignatureAlgorithm]bool{
	x509.SHA256WithRSA: true, x509.SHA384WithRSA: true, x509.SHA512WithRSA: true,
	x509.SHA256WithRSAPSS: true, x509.SHA384WithRSAPSS: true, x509.SHA512WithRSAPSS: true,
	x509.ECDSAWithSHA256: true, x509.ECDSAWithSHA384: true, x509.ECDSAWithSHA512: true,
	x509.DSAWithSHA256: true,
}

// CheckDevice says whether a certificate may be registered for a device, and
// returns what the tests of its key found, to be stored beside it: an audit
// reads that and tests nothing again.
//
// Keys are RSA of 2,048 to 16,384 bits or EC on P-256, P-384 or P-521,
// signatures SHA-2 with RSA (PKCS #1 v1.5 or PSS), with ECDSA, or SHA-256 with
// DSA. X.509 version 1 is fine, as is a certificate that has expired: reporting
// those is the audit's work. The fault is CertificateInvalid.
func CheckDevice(c *Certificate) (keyquality.Weaknesses, error) {
	if text := c.defect(); text != "" {
		return keyquality.Weaknesses{}, refuse("The certificate", text)
	}
	w := keyquality.Test(c.PublicKey)
	if text := w.Broken(); text != "" {
		return keyquality.Weaknesses{}, refuse("The certificate", text)
	}
	return w, nil
}

// CheckCA says whether a certificate may be registered as a CA at this time,
// and returns what the tests of its key found, as CheckDevice does. Beyond what
// CheckDevice asks, it must be of version 3, be a CA by its basic constraints,
// be allowed to sign certificates if it restricts what its key is for, have a
// subject, be within its validity, and, if it is a root, have signed itself.
// The fault is CertificateInvalid.
func CheckCA(c *Certificate, now time.Time) (keyquality.Weaknesses, error) {
	w, err := CheckDevice(c)
	if err != nil {
		return w, err
	}
	if text := c.caDefect(now); text != "" {
		return keyquality.Weaknesses{}, refuse("The CA certificate", text)
	}
	return w, nil
}

// ValidAt reports whether the time lies within the certificate's validity, ends
// included (RFC 5280, section 4.1.2.5).
func (c *Certificate) ValidAt(now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// defect says what every certificate is refused for, in words that follow
// "is not acceptable: ", or returns "".
func (c *Certificate) defect() string {
	if text := keyDefect(c.PublicKey); text != "" {
		return text
	}
	switch {
	case !signatures[c.parsed.SignatureAlgorithm]:
		return "its signature algorithm is not one of SHA256, SHA384 or SHA512 with RSA or ECDSA, or SHA256 with DSA"
	case len(c.Serial) > 2*maxSerialBytes:
		return fmt.Sprintf("its serial number has more than %d bytes", maxSerialBytes)
	case max(len(c.SubjectKeyID), len(c.AuthorityKeyID)) > 2*maxKeyIDBytes:
		return fmt.Sprintf("one of its key identifiers has more than %d bytes", maxKeyIDBytes)
	case c.Issuer == "":
		return "it names no issuer"
	case c.NotAfter.Before(c.NotBefore):
		return "its validity ends before it begins"
	}
	return ""
}

func (c *Certificate) caDefect(now time.Time) string {
	switch {
	case c.parsed.Version != 3:
		return "it is not of X.509 version 3"
	case !c.IsCA:
		return "its basic constraints do not make it a CA"
	case !c.maySign():
		return "its key usage does not allow it to sign certificates"
	case c.Subject == "":
		return "it has no subject"
	case now.Before(c.NotBefore):
		return "it is not valid yet"
	case now.After(c.NotAfter):
		return "it has expired"
	case c.IsRoot() && c.signed(c) != nil:
		return "it names itself as its issuer but has not signed itself"
	}
	return ""
}

// maySign reports whether the key usage, where there is one, lets the key sign
// certificates.
func (c *Certificate) maySign() bool {
	return c.parsed.KeyUsage == 0 || c.parsed.KeyUsage&x509.KeyUsageCertSign != 0
}

// MaySignLists reports whether the key is of a kind that is accepted and its
// usage, where there is one, lets it sign revocation lists (RFC 5280, section
// 6.3.3 (f)).
func (c *Certificate) MaySignLists() bool {
	return c.IsCA && keyDefect(c.PublicKey) == "" &&
		(c.parsed.KeyUsage == 0 || c.parsed.KeyUsage&x509.KeyUsageCRLSign != 0)
}

// IsRoot reports whether the certificate claims to be signed by its own key: a
// CA that changed its key signs the new one with the old and then names two
// keys.
func (c *Certificate) IsRoot() bool {
	return c.SubjectMatch == c.IssuerMatch && (c.AuthorityKeyID == "" || c.AuthorityKeyID == c.SubjectKeyID)
}

// keyDefect says in the same words why a key is not accepted by its kind and
// size, or returns "". It is cheap for any key, however long.
func keyDefect(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return rsaDefect(k)
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return ""
		}
		return "its key is on " + k.Curve.Params().Name + "; EC keys must be on P-256, P-384 or P-521"
	}
	return "its key must be RSA, or EC on P-256, P-384 or P-521"
}

func rsaDefect(k *rsa.PublicKey) string {
	switch bits := k.N.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return fmt.Sprintf("its RSA key has %d bits; it must have %d to %d", bits, minRSABits, maxRSABits)
	case k.N.Bit(0) == 0:
		return "its RSA modulus is even"
	case k.E < 3 || k.E%2 == 0:
		return "its RSA exponent must be odd and at least 3"
	case k.E > maxExponent:
		return "its RSA exponent is larger than 2^31-1"
	}
	return ""
}

func refuse(what, text string) error {
	return fault.New(fault.CertificateInvalid, "%s is not acceptable: %s.", what, text)
}
