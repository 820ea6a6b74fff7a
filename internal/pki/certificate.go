// Package pki holds keys and certificates as values: it parses what comes in,
// once, says whether AWS IoT would register it, verifies who signed it, and
// issues certificates from an account's own CA.
//
// It stores nothing, keeps no clock (time is an argument) and does no I/O.
// Every refusal is a fault whose text the caller may read; no text repeats what
// a PEM block contained.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

const (
	// MaxCertificatePEM is the longest text that AWS IoT takes for a
	// certificate, in bytes.
	MaxCertificatePEM = 65536
	// MaxRequestPEM is the longest text that AWS IoT takes for a signing
	// request, in bytes.
	MaxRequestPEM = 4096
	// MaxChain is the most certificates ParseChain takes.
	MaxChain = 10
)

const (
	certificateBlock = "CERTIFICATE"
	requestBlock     = "CERTIFICATE REQUEST"
	// oldRequestBlock is what some older tools still write (RFC 7468, section 7).
	oldRequestBlock = "NEW CERTIFICATE REQUEST"
)

// KeyType is the kind of a public key.
type KeyType string

// The key types that AWS IoT registers, and the one for all others.
const (
	RSA      KeyType = "RSA"
	EC       KeyType = "EC"
	OtherKey KeyType = "OTHER"
)

// Certificate is an X.509 certificate that could be read; whether it may be
// registered is for CheckDevice and CheckCA to say. It is immutable and safe
// for concurrent use. Texts in it are valid UTF-8 without NUL.
type Certificate struct {
	// ID is what AWS IoT calls certificateId: the SHA-256 of the DER form, 64
	// lower-case hex digits.
	ID  string
	DER []byte
	// PEM is the DER form as one block with LF line ends, however it came in.
	PEM string

	// Subject and Issuer are the names as RFC 2253 writes them, for reading.
	Subject, Issuer string
	// SubjectMatch and IssuerMatch stand for the names in comparisons and
	// indexes: 64 hex digits, the same for two names that RFC 5280, section
	// 7.1, calls equal.
	SubjectMatch, IssuerMatch string
	// CommonName is the subject's last CN, "" without one.
	CommonName string
	// SubjectKeyID and AuthorityKeyID are lower-case hex, "" when the
	// extension is missing.
	SubjectKeyID, AuthorityKeyID string
	// Serial is the serial number in lower-case hex, two digits a byte.
	Serial string

	NotBefore, NotAfter time.Time

	KeyType   KeyType
	PublicKey crypto.PublicKey
	// KeyBits is the length of the RSA modulus or of the curve's field, 0 for
	// other keys.
	KeyBits int
	// Curve is the name of the EC curve, such as "P-256".
	Curve string
	// SignatureAlgorithm is the name of the algorithm of the issuer's
	// signature, such as "SHA256-RSA" or "ECDSA-SHA384".
	SignatureAlgorithm string
	// IsCA is what the basic constraints say.
	IsCA bool
	// CRLDistributionPoints are the URLs of the extension, of any scheme.
	CRLDistributionPoints []string

	parsed *x509.Certificate
}

// X509 returns the certificate as the standard library parsed it. It must not
// be changed.
func (c *Certificate) X509() *x509.Certificate { return c.parsed }

// SerialText is the serial number as AWS prints it: bytes in hex, with colons
// between them.
func (c *Certificate) SerialText() string {
	var b strings.Builder
	for i := 0; i < len(c.Serial); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(c.Serial[i : i+2])
	}
	return b.String()
}

// ParseCertificate reads the PEM text of one certificate, with nothing but
// white space around it. The fault is CertificateInvalid.
func ParseCertificate(text string) (*Certificate, error) {
	chain, err := parseBlocks(text, 1)
	if err != nil {
		return nil, err
	}
	return chain[0], nil
}

// ParseChain reads the PEM text of one to MaxChain certificates, in their
// order. It does not verify that one signed the other. The fault is
// CertificateInvalid.
func ParseChain(text string) ([]*Certificate, error) {
	return parseBlocks(text, MaxChain)
}

// ParseDER reads a certificate in DER form, as TLS carries it. The fault is
// CertificateInvalid.
func ParseDER(der []byte) (*Certificate, error) {
	if err := checkLength(der); err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fault.New(fault.CertificateInvalid, "The certificate cannot be read: %s.", reason(err))
	}
	return newCertificate(parsed)
}

// OfParsed is [ParseDER] for a certificate that was read already, and is not
// changed any more.
func OfParsed(parsed *x509.Certificate) (*Certificate, error) {
	if err := checkLength(parsed.Raw); err != nil {
		return nil, err
	}
	return newCertificate(parsed)
}

func checkLength(der []byte) error {
	if len(der) > MaxCertificatePEM {
		return fault.New(fault.CertificateInvalid, "The certificate is longer than %d bytes.", MaxCertificatePEM)
	}
	return nil
}

func parseBlocks(text string, most int) ([]*Certificate, error) {
	if len(text) > MaxCertificatePEM {
		return nil, fault.New(fault.CertificateInvalid,
			"The certificate is longer than %d characters.", MaxCertificatePEM)
	}
	var chain []*Certificate
	for rest := strings.TrimSpace(text); rest != "" || len(chain) == 0; {
		if len(chain) == most && most == 1 {
			return nil, fault.New(fault.CertificateInvalid, "The text holds more than one certificate; one is expected.")
		}
		if len(chain) == most {
			return nil, fault.New(fault.CertificateInvalid, "The chain has more than %d certificates.", most)
		}
		block, after, err := nextBlock(rest, certificateBlock)
		if err != nil {
			return nil, fault.New(fault.CertificateInvalid, "The certificate is not valid PEM: %s.", err)
		}
		c, err := ParseDER(block)
		if err != nil {
			return nil, err
		}
		chain, rest = append(chain, c), after
	}
	return chain, nil
}

// nextBlock decodes the PEM block that text begins with and returns what
// follows it, without the white space between. It is stricter than pem.Decode,
// which skips what it cannot read: what a caller sends is read whole or refused.
func nextBlock(text string, kinds ...string) (der []byte, rest string, err error) {
	const begin = "-----BEGIN "
	if !strings.HasPrefix(text, begin) {
		return nil, "", errors.New("it must begin with -----BEGIN " + kinds[0] + "-----")
	}
	end := len(text)
	if next := strings.Index(text[len(begin):], begin); next >= 0 {
		end = len(begin) + next
	}
	block, after := pem.Decode([]byte(text[:end]))
	switch {
	case block == nil:
		return nil, "", errors.New("a block is incomplete or its base64 is malformed")
	case !slices.Contains(kinds, block.Type):
		return nil, "", errors.New("a block is of another type than " + kinds[0])
	case len(block.Headers) > 0:
		return nil, "", errors.New("a block has headers")
	case len(strings.TrimSpace(string(after))) > 0:
		return nil, "", errors.New("there is other text after a block")
	}
	return block.Bytes, text[end:], nil
}

func newCertificate(p *x509.Certificate) (*Certificate, error) {
	id := sha256.Sum256(p.Raw)
	c := &Certificate{
		ID:                 hex.EncodeToString(id[:]),
		DER:                p.Raw,
		PEM:                string(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: p.Raw})),
		CommonName:         printable(p.Subject.CommonName),
		SubjectKeyID:       hex.EncodeToString(p.SubjectKeyId),
		AuthorityKeyID:     hex.EncodeToString(p.AuthorityKeyId),
		Serial:             serialHex(p.SerialNumber),
		NotBefore:          p.NotBefore,
		NotAfter:           p.NotAfter,
		PublicKey:          p.PublicKey,
		SignatureAlgorithm: p.SignatureAlgorithm.String(),
		IsCA:               p.BasicConstraintsValid && p.IsCA,
		parsed:             p,
	}
	c.Subject, c.SubjectMatch = names(p.RawSubject, p.Subject)
	c.Issuer, c.IssuerMatch = names(p.RawIssuer, p.Issuer)
	c.KeyType, c.KeyBits, c.Curve = describeKey(p.PublicKey)
	for _, url := range p.CRLDistributionPoints {
		c.CRLDistributionPoints = append(c.CRLDistributionPoints, printable(url))
	}
	for _, text := range append([]string{c.Subject, c.Issuer, c.CommonName}, c.CRLDistributionPoints...) {
		if strings.ContainsRune(text, 0) {
			return nil, fault.New(fault.CertificateInvalid, "The certificate holds a NUL character in a name or URL.")
		}
	}
	return c, nil
}

func describeKey(key crypto.PublicKey) (kind KeyType, bits int, curve string) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return RSA, k.N.BitLen(), ""
	case *ecdsa.PublicKey:
		return EC, k.Curve.Params().BitSize, k.Curve.Params().Name
	}
	return OtherKey, 0, ""
}

func serialHex(serial *big.Int) string {
	if serial.Sign() == 0 {
		return "00"
	}
	return hex.EncodeToString(serial.Bytes())
}

// reason makes the text of a parser's error fit for a caller: without the
// package's name, in one line, and cut where it repeats a value of any length.
func reason(err error) string {
	const most = 160
	text := strings.TrimPrefix(strings.ReplaceAll(printable(err.Error()), "\x00", "?"), "x509: ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
