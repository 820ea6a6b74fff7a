package pki

import (
	"crypto"
	"crypto/x509"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki/keyquality"
)

// Request is a PKCS #10 signing request (RFC 2986) whose key is acceptable and
// whose signature proves that the requester holds the private key.
type Request struct {
	PublicKey crypto.PublicKey

	rawSubject []byte
	empty      bool
}

// ParseCSR reads the PEM text of one signing request, with nothing but white
// space around it, verifies its signature, and applies the rules of CheckDevice
// to its key. The fault is Invalid, the only one of these that the AWS IoT API
// knows for CreateCertificateFromCsr.
func ParseCSR(text string) (*Request, error) {
	if len(text) > MaxRequestPEM {
		return nil, fault.New(fault.Invalid,
			"The certificate signing request is longer than %d characters.", MaxRequestPEM)
	}
	der, rest, err := nextBlock(strings.TrimSpace(text), requestBlock, oldRequestBlock)
	if err != nil {
		return nil, fault.New(fault.Invalid, "The certificate signing request is not valid PEM: %s.", err)
	}
	if rest != "" {
		return nil, fault.New(fault.Invalid, "The text holds more than one certificate signing request.")
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fault.New(fault.Invalid, "The certificate signing request cannot be read: %s.", reason(err))
	}
	defect := keyDefect(r.PublicKey)
	switch {
	case defect != "":
	case !signatures[r.SignatureAlgorithm] || r.SignatureAlgorithm == x509.DSAWithSHA256:
		defect = "its signature algorithm is not one of SHA256, SHA384 or SHA512 with RSA or ECDSA"
	case r.CheckSignature() != nil:
		defect = "it is not signed with its own key"
	default:
		defect = keyquality.Test(r.PublicKey).Broken()
	}
	if defect != "" {
		return nil, fault.New(fault.Invalid, "The certificate signing request is not acceptable: %s.", defect)
	}
	return &Request{PublicKey: r.PublicKey, rawSubject: r.RawSubject, empty: len(r.Subject.Names) == 0}, nil
}
