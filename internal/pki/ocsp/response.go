package ocsp

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"

	"github.com/cordon-iot/cordon/internal/pki"
)

// Answers without a signature (RFC 6960, section 4.2.1).
var (
	Malformed     = unsigned(1)
	InternalError = unsigned(2)
	TryLater      = unsigned(3)
	// Unauthorized says that this responder does not know the issuer (RFC 5019,
	// section 2.2.3).
	Unauthorized = unsigned(6)
)

func unsigned(status byte) []byte { return []byte{0x30, 3, 0x0a, 1, status} }

// Status is the state of a certificate.
type Status int

// The states.
const (
	Good Status = iota
	Revoked
	Unknown // the issuer did not issue it
)

// Single is what is answered about one certificate.
type Single struct {
	ID     CertID
	Status Status
	// At and Reason are of a revoked one; a reason of 0 is not said.
	At     time.Time
	Reason int
}

// Response is what is to be signed.
type Response struct {
	Produced, ThisUpdate, NextUpdate time.Time
	Singles                          []Single
	Nonce                            []byte // that of the request, nil without one
}

type responseDER struct {
	Status asn1.Enumerated
	Bytes  responseBytes `asn1:"explicit,tag:0"`
}

type responseBytes struct {
	Type     asn1.ObjectIdentifier
	Response []byte
}

type basicResponse struct {
	Data      asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

type responseData struct {
	ResponderKey []byte    `asn1:"explicit,tag:2"`
	Produced     time.Time `asn1:"generalized"`
	Singles      []singleResponse
	Extensions   []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

type singleResponse struct {
	ID         asn1.RawValue
	Status     asn1.RawValue
	ThisUpdate time.Time `asn1:"generalized"`
	NextUpdate time.Time `asn1:"generalized,explicit,tag:0"`
}

type revokedWhy struct {
	At     time.Time       `asn1:"generalized"`
	Reason asn1.Enumerated `asn1:"explicit,tag:0"`
}

type revokedWhen struct {
	At time.Time `asn1:"generalized"`
}

var (
	oidBasic       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidECDSASHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// Sign makes the answer in DER form. The authority that issued the certificates
// signs it itself (RFC 6960, section 2.6), so that no other certificate is needed
// to verify it.
func Sign(a *pki.Authority, r Response) ([]byte, error) {
	_, key := a.Certificate().Hashes(crypto.SHA1)
	data := responseData{ResponderKey: key, Produced: seconds(r.Produced)}
	for i := range r.Singles {
		status, err := r.Singles[i].status()
		if err != nil {
			return nil, err
		}
		data.Singles = append(data.Singles, singleResponse{
			ID: r.Singles[i].ID.raw, Status: status, ThisUpdate: seconds(r.ThisUpdate), NextUpdate: seconds(r.NextUpdate),
		})
	}
	if r.Nonce != nil {
		value, err := asn1.Marshal(r.Nonce)
		if err != nil {
			return nil, fmt.Errorf("encode nonce: %w", err)
		}
		data.Extensions = []pkix.Extension{{Id: oidNonce, Value: value}}
	}
	tbs, err := asn1.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode state of certificates: %w", err)
	}
	digest := sha256.Sum256(tbs)
	signature, err := a.SignDigest(digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign state of certificates: %w", err)
	}
	basic, err := asn1.Marshal(basicResponse{
		asn1.RawValue{FullBytes: tbs}, pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA256},
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	if err != nil {
		return nil, fmt.Errorf("encode state of certificates: %w", err)
	}
	out, err := asn1.Marshal(responseDER{Bytes: responseBytes{oidBasic, basic}})
	if err != nil {
		return nil, fmt.Errorf("encode state of certificates: %w", err)
	}
	return out, nil
}

// status is CertStatus, a choice of three.
func (s *Single) status() (asn1.RawValue, error) {
	switch s.Status {
	case Good:
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0}, nil
	case Unknown:
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2}, nil
	}
	var why any = revokedWhen{seconds(s.At)}
	if s.Reason != 0 {
		why = revokedWhy{seconds(s.At), asn1.Enumerated(s.Reason)}
	}
	der, err := asn1.MarshalWithParams(why, "tag:1")
	if err != nil {
		return asn1.RawValue{}, fmt.Errorf("encode time of revocation: %w", err)
	}
	return asn1.RawValue{FullBytes: der}, nil
}

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
