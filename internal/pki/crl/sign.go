package crl

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/cordon-iot/cordon/internal/pki"
)

// OnHold is the reason certificateHold: the certificate may become valid again
// (RFC 5280, section 5.3.1).
const OnHold = 6

// Revoked are the entries of a list to be signed, in encoded form: some 50 bytes
// for each. They may be signed any number of times, one after the other. The zero
// value is empty.
type Revoked struct {
	der   []byte
	count int
}

// Len is how many entries there are.
func (r *Revoked) Len() int { return r.count }

// Add appends a certificate by its serial number, in the form of
// [pki.Certificate]; a reason of 0 is not said. The same number must not be added
// twice.
func (r *Revoked) Add(serial string, at time.Time, reason byte) error {
	var number [maxSerial]byte
	if len(serial) == 0 || len(serial) > 2*maxSerial {
		return fmt.Errorf("revoke certificate: %q is not a serial number", serial)
	}
	n, err := hex.Decode(number[:], []byte(serial))
	if err != nil {
		return fmt.Errorf("revoke certificate: %q is not a serial number", serial)
	}
	if r.count == MaxEntries {
		return fmt.Errorf("revoke certificate: a list has at most %d", MaxEntries)
	}
	var room [64]byte
	content := appendSerial(room[:0], number[:n])
	content = appendTime(content, at)
	if reason != 0 {
		content = append(content, 0x30, 12, 0x30, 10, tagObject, 3, 0x55, 0x1d, 21, tagOctets, 3, tagEnumerated, 1, reason)
	}
	r.der = append(appendHeader(r.der, tagSequence, len(content)), content...)
	r.count++
	return nil
}

// Head is what a list says of itself.
type Head struct {
	Number                 int64 // greater than that of every list before
	ThisUpdate, NextUpdate time.Time
}

// ecdsaSHA256 is the AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758, section
// 3.2).
var ecdsaSHA256 = []byte{tagSequence, 10, tagObject, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}

// Sign makes a list in DER form (RFC 5280, section 5.1) that an authority signs.
// It is complete, and about end-entity certificates: it says so in an issuing
// distribution point, without naming a place, so that it decides about
// certificates that name one and about those that do not. The entries lie in the
// list from then on, so that they are not kept twice.
func Sign(a *pki.Authority, h Head, r *Revoked) ([]byte, error) {
	extensions, err := h.extensions(a.Certificate())
	if err != nil {
		return nil, err
	}
	head := append([]byte{tagInteger, 1, 1}, ecdsaSHA256...)
	head = append(head, a.Certificate().X509().RawSubject...)
	head = appendTime(appendTime(head, h.ThisUpdate), h.NextUpdate)
	if r.count > 0 { // an empty list is left out (section 5.1.2.6)
		head = appendHeader(head, tagSequence, len(r.der))
	}
	signed := len(head) + len(r.der) + len(extensions)
	head = append(appendHeader(nil, tagSequence, signed), head...)

	digest := sha256.New()
	for _, part := range [][]byte{head, r.der, extensions} {
		digest.Write(part) // never fails
	}
	signature, err := a.SignDigest(digest.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("sign revocation list: %w", err)
	}
	tail := append(appendHeader(ecdsaSHA256[:len(ecdsaSHA256):len(ecdsaSHA256)], tagBitString, len(signature)+1), 0)
	tail = append(tail, signature...)
	size := len(head) + len(r.der) + len(extensions) + len(tail)
	if size > MaxSize-16 {
		return nil, errors.New("sign revocation list: it is too large")
	}
	out := appendHeader(make([]byte, 0, size+16), tagSequence, size)
	out = append(out, head...)
	from := len(out)
	out = append(out, r.der...)
	r.der = out[from:len(out):len(out)]
	return append(append(out, extensions...), tail...), nil
}

// extensions are those of the list (RFC 5280, section 5.2), with their tag.
func (h Head) extensions(issuer *pki.Certificate) ([]byte, error) {
	type value struct {
		ID       asn1.ObjectIdentifier
		Critical bool `asn1:"optional"`
		Value    []byte
	}
	key, err := hex.DecodeString(issuer.SubjectKeyID)
	if err != nil {
		return nil, fmt.Errorf("read key identifier of CA: %w", err)
	}
	number, err := asn1.Marshal(big.NewInt(h.Number))
	if err != nil {
		return nil, fmt.Errorf("encode number of revocation list: %w", err)
	}
	keyID := append(appendHeader(nil, 0x80, len(key)), key...)
	list, err := asn1.Marshal([]value{
		{asn1.ObjectIdentifier{2, 5, 29, 35}, false, append(appendHeader(nil, tagSequence, len(keyID)), keyID...)},
		{asn1.ObjectIdentifier{2, 5, 29, 20}, false, number},
		{asn1.ObjectIdentifier{2, 5, 29, 28}, true, []byte{tagSequence, 3, 0x81, 1, 0xff}}, // onlyContainsUserCerts
	})
	if err != nil {
		return nil, fmt.Errorf("encode extensions of revocation list: %w", err)
	}
	return append(appendHeader(nil, tagExtensions, len(list)), list...), nil
}

func appendHeader(out []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(out, tag, byte(n))
	case n < 1<<8:
		return append(out, tag, 0x81, byte(n))
	case n < 1<<16:
		return append(out, tag, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		return append(out, tag, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, tag, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// appendSerial writes a positive number in the fewest bytes.
func appendSerial(out, number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	if number[0] >= 0x80 {
		out = append(appendHeader(out, tagInteger, len(number)+1), 0)
	} else {
		out = appendHeader(out, tagInteger, len(number))
	}
	return append(out, number...)
}

// appendTime writes a moment in the form that its year asks for (RFC 5280,
// section 5.1.2.4).
func appendTime(out []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year >= 1950 && year < 2050 {
		out = appendHeader(out, tagUTCTime, 13)
	} else {
		out = appendDigits(appendHeader(out, tagTime, 15), year/100)
	}
	for _, v := range [...]int{year % 100, int(month), day, hour, minute, second} {
		out = appendDigits(out, v)
	}
	return append(out, 'Z')
}

// appendDigits writes a number below 100.
func appendDigits(out []byte, v int) []byte { return append(out, '0'+byte(v/10), '0'+byte(v%10)) }
