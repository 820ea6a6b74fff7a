package crl

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // for the signatures
	_ "crypto/sha512" // for the signatures
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"

	"github.com/cordon-iot/cordon/internal/pki"
)

// algorithm is how a list is signed. It is one of those that certificates may
// be signed by here.
type algorithm struct {
	raw  []byte // the content of AlgorithmIdentifier
	hash crypto.Hash
	kind pki.KeyType
	pss  bool
}

// scheme is an algorithm by its object identifier.
type scheme struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
	kind pki.KeyType
}

var schemes = []scheme{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, crypto.SHA256, pki.RSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, crypto.SHA384, pki.RSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, crypto.SHA512, pki.RSA},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, crypto.SHA256, pki.EC},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, crypto.SHA384, pki.EC},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, crypto.SHA512, pki.EC},
}

var oidPSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}

// hashes are the hashes of RSASSA-PSS, with MGF1 over the same hash and a salt
// of its length, as crypto/x509 takes them.
var hashes = []struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
}

func parseAlgorithm(content []byte) (*algorithm, error) {
	unknown := refuse("its signature algorithm is not one of SHA256, SHA384 or SHA512 with RSA or ECDSA")
	raw := slices.Clone(content)
	_, _, parameters, err := next(raw)
	if err != nil {
		return nil, unknown
	}
	var id asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(raw, &id); err != nil {
		return nil, unknown
	}
	for _, s := range schemes {
		if s.id.Equal(id) {
			return &algorithm{raw: raw, hash: s.hash, kind: s.kind}, nil
		}
	}
	if !id.Equal(oidPSS) {
		return nil, unknown
	}
	for _, h := range hashes {
		want, err := pssParameters(h.id, h.hash.Size())
		if err != nil {
			return nil, err
		}
		if bytes.Equal(parameters, want) {
			return &algorithm{raw: raw, hash: h.hash, kind: pki.RSA, pss: true}, nil
		}
	}
	return nil, unknown
}

// pssParameters is RSASSA-PSS-params of RFC 4055 with the defaults left out.
func pssParameters(hash asn1.ObjectIdentifier, salt int) ([]byte, error) {
	digest := pkix.AlgorithmIdentifier{Algorithm: hash, Parameters: asn1.NullRawValue}
	inner, err := asn1.Marshal(digest)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		MGF  pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
		Salt int                      `asn1:"explicit,tag:2"`
	}{
		digest, pkix.AlgorithmIdentifier{
			Algorithm:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8},
			Parameters: asn1.RawValue{FullBytes: inner},
		}, salt,
	})
}

var errSignature = errors.New("the signature does not fit")

func (a *algorithm) verify(key crypto.PublicKey, digest, signature []byte) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if a.kind != pki.RSA {
			return errSignature
		}
		if a.pss {
			return rsa.VerifyPSS(k, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.VerifyPKCS1v15(k, a.hash, digest, signature)
	case *ecdsa.PublicKey:
		if a.kind == pki.EC && ecdsa.VerifyASN1(k, digest, signature) {
			return nil
		}
	}
	return errSignature
}
