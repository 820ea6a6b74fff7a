// Package keyquality tests public keys for the ways in which keys in the field
// have turned out to be worthless.
//
// Two of the tests have reason codes of their own in AWS IoT Device Defender:
// ROCA (CVE-2017-15361), found by the fingerprint of the modulus, and the
// predictable keys of Debian's OpenSSL (CVE-2008-0166), found on blocklists
// that an operator loads, by digests that are kept beside the key. Two more, a small prime factor and primes too close
// to each other, make a key so weak that it is refused when it is registered.
//
// The package decides nothing about sizes, curves or certificates. It reads
// blocklists from io.Reader and does no other I/O.
package keyquality

import (
	"crypto"
	"crypto/rsa"

	"github.com/titanous/rocacheck"
)

// MaxRSABits bounds the modulus that Test looks at, and so what one test can
// cost. Package pki refuses longer keys before it asks.
const MaxRSABits = 16384

// Weaknesses is what Test found out about one key. The zero value is a key in
// which nothing was found.
type Weaknesses struct {
	// ROCA: the modulus carries the fingerprint of Infineon's RSA library
	// (CVE-2017-15361). About one sound modulus in 2^27 carries it by chance.
	ROCA bool
	// SmallFactor: a prime below 4,096 divides the modulus.
	SmallFactor bool
	// CloseFactors: Fermat's method splits the modulus within 100 rounds.
	CloseFactors bool
}

// Broken says why the key is refused at registration, in words for the owner
// of the key, or returns "" if it is not. ROCA keys are not refused: AWS IoT
// registers them and its audit reports them.
func (w Weaknesses) Broken() string {
	switch {
	case w.SmallFactor:
		return "its RSA modulus has a small prime factor"
	case w.CloseFactors:
		return "the primes of its RSA modulus are too close to each other"
	}
	return ""
}

// Test runs every test that needs nothing but the key: all of them for
// *rsa.PublicKey, none for anything else and for moduli over MaxRSABits.
// Whether a key is on a blocklist is for [Blocklist.Weak] to say.
func Test(key crypto.PublicKey) Weaknesses {
	k, ok := key.(*rsa.PublicKey)
	if !ok || !testable(k) {
		return Weaknesses{}
	}
	small := hasSmallFactor(k.N)
	return Weaknesses{
		ROCA:         rocacheck.IsWeak(k),
		SmallFactor:  small,
		CloseFactors: !small && hasCloseFactors(k.N),
	}
}

func testable(k *rsa.PublicKey) bool {
	return k.N != nil && k.N.Sign() > 0 && k.N.BitLen() <= MaxRSABits
}
