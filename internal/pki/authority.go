package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// DeviceCommonName is the common name of certificates whose requester named no
// subject.
const DeviceCommonName = "Cordon IoT Certificate"

const (
	deviceKeyBits = 2048
	// backdate lets a device whose clock is a little behind use its
	// certificate at once.
	backdate = 5 * time.Minute
	// serialBytes leave 126 random bits once the number is made positive and of
	// full length: enough that no two serials of a CA meet.
	serialBytes = 16
	keyIDBytes  = 20
)

// endOfValidity is when certificates issued by AWS IoT itself expire, and ours.
var endOfValidity = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)

// Authority is an account's own CA: a certificate and its key. It is immutable
// and safe for concurrent use.
type Authority struct {
	certificate *Certificate
	key         crypto.Signer
	publication Publication
}

// NewAuthority makes a CA with a new key on P-256, which signs some fifty times
// faster than RSA does and which every TLS library since 2012 verifies. Its
// certificate is valid until the end of 2049. Subjects should tell the
// authorities of accounts apart.
func NewAuthority(subject pkix.Name, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate CA key: %w", err)
	}
	template, err := newTemplate(&key.PublicKey, now)
	if err != nil {
		return nil, err
	}
	template.Subject = subject
	template.IsCA = true
	template.MaxPathLenZero = true // it signs no CAs
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	c, err := create(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &Authority{certificate: c, key: key}, nil
}

// LoadAuthority puts a CA together again from its certificate's PEM text and
// what MarshalKey returned. The two must belong together.
func LoadAuthority(certificate string, key []byte) (*Authority, error) {
	c, err := ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("read CA certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		// The parser's error could repeat parts of the key.
		return nil, errors.New("read CA key: not a PKCS #8 private key")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("read CA key: not a key that signs")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(c.PublicKey) {
		return nil, errors.New("read CA key: it is not the key of the CA certificate")
	}
	return &Authority{certificate: c, key: signer}, nil
}

// Certificate returns the CA's own certificate.
func (a *Authority) Certificate() *Certificate { return a.certificate }

// MarshalKey returns the private key as PKCS #8 DER (RFC 5958). It is a secret:
// the caller seals it before it is stored.
func (a *Authority) MarshalKey() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("marshal CA key: %w", err)
	}
	return der, nil
}

// IssueFromCSR issues a device certificate for the key and subject of a
// request; extensions that it asks for are ignored. Asked twice, it issues two
// certificates, as CreateCertificateFromCsr of AWS IoT does.
func (a *Authority) IssueFromCSR(r *Request, now time.Time) (*Certificate, error) {
	template, err := newTemplate(r.PublicKey, now)
	if err != nil {
		return nil, err
	}
	a.publication.in(template)
	if !r.empty {
		template.RawSubject = r.rawSubject
	}
	return create(template, a.certificate.parsed, r.PublicKey, a.key)
}

// KeyPair is a device certificate with its keys.
type KeyPair struct {
	Certificate *Certificate
	// PublicKey is a "PUBLIC KEY" block, PrivateKey an "RSA PRIVATE KEY" block
	// (RFC 8017, PKCS #1), as AWS IoT returns them. The private key is a
	// secret that the caller hands on and keeps nowhere.
	PublicKey, PrivateKey string
}

// IssueKeyPair makes an RSA-2048 key and issues a device certificate for it.
// Finding the primes takes some tenths of a second of CPU time.
func (a *Authority) IssueKeyPair(now time.Time) (*KeyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, deviceKeyBits)
	if err != nil {
		return nil, fmt.Errorf("generate device key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("marshal device key: %w", err)
	}
	template, err := newTemplate(&key.PublicKey, now)
	if err != nil {
		return nil, err
	}
	a.publication.in(template)
	c, err := create(template, a.certificate.parsed, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	private := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return &KeyPair{
		Certificate: c,
		PublicKey:   string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		PrivateKey:  string(pem.EncodeToMemory(private)),
	}, nil
}

// newTemplate is a device certificate without subject of its own.
func newTemplate(key crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("marshal public key: %w", err)
	}
	keyID := sha256.Sum256(spki)
	return &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: DeviceCommonName},
		NotBefore:             now.Add(-backdate).UTC().Truncate(time.Second),
		NotAfter:              endOfValidity,
		SubjectKeyId:          keyID[:keyIDBytes],
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}, nil
}

func newSerial() *big.Int {
	var b [serialBytes]byte
	rand.Read(b[:])
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}

func create(template, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) (*Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	c, err := ParseDER(der)
	if err != nil {
		return nil, fmt.Errorf("read back certificate: %w", err)
	}
	return c, nil
}
