package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"
)

// messageKeyBits is the size of keys that sign messages: that of the
// certificates of Amazon SNS.
const messageKeyBits = 2048

// MessageSigner is a key that signs messages to endpoints, with its certificate.
// It is immutable and safe for concurrent use.
type MessageSigner struct {
	certificate *Certificate
	key         *rsa.PrivateKey
}

// NewMessageSigner makes an RSA key and issues its certificate, which signs
// nothing but messages. Finding the primes takes some tenths of a second of CPU
// time.
func (a *Authority) NewMessageSigner(name string, now, until time.Time) (*MessageSigner, error) {
	key, err := rsa.GenerateKey(rand.Reader, messageKeyBits)
	if err != nil {
		return nil, fmt.Errorf("generate key for messages: %w", err)
	}
	template, err := newTemplate(&key.PublicKey, now)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{Organization: []string{"Cordon"}, CommonName: name}
	template.NotBefore, template.NotAfter = now.Add(-hostBackdate).UTC().Truncate(time.Second), until.UTC()
	c, err := create(template, a.certificate.parsed, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &MessageSigner{certificate: c, key: key}, nil
}

// LoadMessageSigner puts a signer together again from its certificate's PEM text
// and what MarshalKey returned. The two must belong together.
func LoadMessageSigner(certificate string, key []byte) (*MessageSigner, error) {
	c, err := ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("read certificate for messages: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		// The parser's error could repeat parts of the key.
		return nil, errors.New("read key for messages: not a PKCS #8 private key")
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(c.PublicKey) {
		return nil, errors.New("read key for messages: it is not the key of the certificate")
	}
	return &MessageSigner{certificate: c, key: private}, nil
}

// Certificate returns the certificate by which signatures are verified.
func (s *MessageSigner) Certificate() *Certificate { return s.certificate }

// MarshalKey returns the private key as PKCS #8 DER (RFC 5958). It is a secret:
// the caller seals it before it is stored.
func (s *MessageSigner) MarshalKey() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return nil, fmt.Errorf("marshal key for messages: %w", err)
	}
	return der, nil
}

// Sign signs a text by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2),
// which is signature version 2 of Amazon SNS. The same text has always the same
// signature.
func (s *MessageSigner) Sign(text []byte) ([]byte, error) {
	digest := sha256.Sum256(text)
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	return signature, nil
}
