// Package ocsp reads requests for the state of certificates and writes signed
// answers (RFC 6960, with the nonces of RFC 8954 and the profile of RFC 5019).
//
// It knows the form alone: which certificates there are, and when what is to be
// signed, is for its caller to say. What comes from strangers is parsed whole or
// refused; nothing in it is trusted.
package ocsp

import (
	"crypto"
	_ "crypto/sha1" // for the hashes by which issuers are named
	_ "crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
)

const (
	// MaxRequest is the greatest size of a request in bytes: those of usual
	// clients have some hundred, signed ones some thousand.
	MaxRequest = 10 << 10
	// MaxCertificates is how many certificates a request may ask for.
	MaxCertificates = 16
	// maxNonce is the longest nonce (RFC 8954, section 2.1).
	maxNonce = 32
	// maxSerial is the longest serial number of a certificate (RFC 5280, section
	// 4.1.2.2).
	maxSerial = 20
)

// ErrMalformed is a request that cannot be read; the answer is [Malformed].
var ErrMalformed = errors.New("the request cannot be read")

// Request asks for the state of certificates.
type Request struct {
	Certificates []CertID
	Nonce        []byte // nil without one
}

// CertID names a certificate by its issuer and serial number.
type CertID struct {
	// Hash is what NameHash and KeyHash were made with, 0 for one that is not
	// known here. They are those of [pki.Certificate.Hashes].
	Hash              crypto.Hash
	NameHash, KeyHash []byte
	// Serial is in the form of [pki.Certificate], "" for one that no certificate
	// has.
	Serial string

	raw asn1.RawValue
}

// Key stands for all that a CertID says.
func (c *CertID) Key() string { return string(c.raw.FullBytes) }

type requestDER struct {
	TBS       tbsRequest
	Signature asn1.RawValue `asn1:"explicit,tag:0,optional"`
}

type tbsRequest struct {
	Version    int           `asn1:"explicit,tag:0,default:0,optional"`
	Requestor  asn1.RawValue `asn1:"explicit,tag:1,optional"`
	List       []singleRequest
	Extensions []pkix.Extension `asn1:"explicit,tag:2,optional"`
}

type singleRequest struct {
	ID         asn1.RawValue
	Extensions []pkix.Extension `asn1:"explicit,tag:0,optional"`
}

type certIDDER struct {
	Algorithm         pkix.AlgorithmIdentifier
	NameHash, KeyHash []byte
	Serial            *big.Int
}

var (
	oidNonce  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

// ParseRequest reads a request in DER form. A signature is not looked at, for
// anybody may ask (RFC 6960, section 4.1.2). The error is ErrMalformed.
func ParseRequest(der []byte) (*Request, error) {
	var in requestDER
	if len(der) > MaxRequest {
		return nil, ErrMalformed
	}
	rest, err := asn1.Unmarshal(der, &in)
	if err != nil || len(rest) > 0 || in.TBS.Version != 0 || len(in.TBS.List) == 0 ||
		len(in.TBS.List) > MaxCertificates {
		return nil, ErrMalformed
	}
	out := &Request{}
	for _, one := range in.TBS.List {
		id, err := parseCertID(one.ID)
		if err != nil || slices.ContainsFunc(one.Extensions, critical) {
			return nil, ErrMalformed
		}
		out.Certificates = append(out.Certificates, id)
	}
	for _, e := range in.TBS.Extensions {
		switch {
		case e.Id.Equal(oidNonce) && out.Nonce == nil:
			rest, err := asn1.Unmarshal(e.Value, &out.Nonce)
			if err != nil || len(rest) > 0 || len(out.Nonce) == 0 || len(out.Nonce) > maxNonce {
				return nil, ErrMalformed
			}
		case e.Critical || e.Id.Equal(oidNonce):
			return nil, ErrMalformed
		}
	}
	return out, nil
}

func critical(e pkix.Extension) bool { return e.Critical }

func parseCertID(raw asn1.RawValue) (CertID, error) {
	var in certIDDER
	if _, err := asn1.Unmarshal(raw.FullBytes, &in); err != nil {
		return CertID{}, ErrMalformed
	}
	id := CertID{NameHash: in.NameHash, KeyHash: in.KeyHash, raw: raw}
	switch {
	case in.Algorithm.Algorithm.Equal(oidSHA1):
		id.Hash = crypto.SHA1
	case in.Algorithm.Algorithm.Equal(oidSHA256):
		id.Hash = crypto.SHA256
	}
	switch number := in.Serial.Bytes(); {
	case in.Serial.Sign() == 0:
		id.Serial = "00"
	case in.Serial.Sign() > 0 && len(number) <= maxSerial:
		id.Serial = hex.EncodeToString(number)
	}
	return id, nil
}
