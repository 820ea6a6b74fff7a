// Package keyquality tests public keys for the ways in which keys in the field
// have turned out to be worthless.
//
// Two of the tests have reason codes of their own in AWS IoT Device Defender:
// ROCA (CVE-2017-15361), found by the fingerprint of the modulus, and the
// predictable keys of Debian's OpenSSL (CVE-2008-0166), found on blocklists
// that an operator loads. Two more, a small prime factor and primes too close
// to each other, make a key so weak that it is refused when it is registered.
//
// The package decides nothing about sizes, curves or certificates. It reads
// blocklists from io.Reader and does no other I/O.
package keyquality

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"

	"github.com/titanous/rocacheck"
)

// MaxRSABits bounds the modulus that Test looks at, and so what one test can
// cost. Package pki refuses longer keys before it asks.
const MaxRSABits = 16384

// Weaknesses is what Test found out about one key. The zero value is a key in
// which nothing was found and that no blocklist covers.
type Weaknesses struct {
	// ROCA: the modulus carries the fingerprint of Infineon's RSA library
	// (CVE-2017-15361). About one sound modulus in 2^27 carries it by chance.
	ROCA bool
	// DebianWeak: the key is on a loaded blocklist of keys that Debian's
	// OpenSSL made without randomness (CVE-2008-0166).
	DebianWeak bool
	// DebianTested: the loaded blocklists cover keys of this kind and size.
	// While it is false, DebianWeak false says nothing.
	DebianTested bool
	// SmallFactor: a prime below 4,096 divides the modulus.
	SmallFactor bool
	// CloseFactors: Fermat's method splits the modulus within 100 rounds.
	CloseFactors bool
}

// Broken says why the key is refused at registration, in words for the owner
// of the key, or returns "" if it is not. ROCA and Debian keys are not refused:
// AWS IoT registers them and its audit reports them.
func (w Weaknesses) Broken() string {
	switch {
	case w.SmallFactor:
		return "its RSA modulus has a small prime factor"
	case w.CloseFactors:
		return "the primes of its RSA modulus are too close to each other"
	}
	return ""
}

// Test runs every test that applies to a key: all of them for *rsa.PublicKey,
// the blocklists alone for *ecdsa.PublicKey, none for anything else and for
// moduli over MaxRSABits. The list may be nil.
func Test(key crypto.PublicKey, list *Blocklist) Weaknesses {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N == nil || k.N.Sign() <= 0 || k.N.BitLen() > MaxRSABits {
			return Weaknesses{}
		}
		small := hasSmallFactor(k.N)
		return Weaknesses{
			ROCA:         rocacheck.IsWeak(k),
			DebianWeak:   list.Contains(k),
			DebianTested: list.Covers(k),
			SmallFactor:  small,
			CloseFactors: !small && hasCloseFactors(k.N),
		}
	case *ecdsa.PublicKey:
		return Weaknesses{DebianWeak: list.Contains(k), DebianTested: list.Covers(k)}
	}
	return Weaknesses{}
}
