package keyquality

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Kind names the format of a blocklist file.
type Kind string

// The formats that Load reads.
const (
	// OpenSSLBlacklist is the text format of Debian's package
	// openssl-blacklist, described in its manual page openssl-vulnkey(1): a
	// line for each RSA key, the last 20 hex digits of the SHA-1 of what
	// "openssl rsa -modulus" prints.
	OpenSSLBlacklist Kind = "openssl-blacklist"
	// Badkeys is blocklist.dat of the badkeys project, described in its
	// docs/BLOCKLISTFORMAT.md: sorted blocks of 16 bytes, 15 of the SHA-256 of
	// one number of the key and one that says which list the key is from.
	Badkeys Kind = "badkeys"
)

// recordSize is how much is kept of a hash. At 80 bits, the chance that any of
// a million sound keys meets one of four million entries is 3 in 10^12.
const recordSize = 10

type record [recordSize]byte

func (r record) String() string { return hex.EncodeToString(r[:]) }

func compareRecords(a, b record) int { return bytes.Compare(a[:], b[:]) }

// Loaded says what one file contributed to a Blocklist.
type Loaded struct {
	// Name is the name the file was given with.
	Name string
	Kind Kind
	// Keys says which keys the file covers, such as "RSA 2048".
	Keys []string
	// Entries counts the keys taken over.
	Entries int
	// Other counts the keys left out: published private keys of other origin
	// than CVE-2008-0166.
	Other int
}

// Blocklist holds the keys that Debian's OpenSSL is known to have made
// (CVE-2008-0166), 10 bytes each. It is immutable and safe for concurrent use.
// A nil Blocklist is an empty one.
type Blocklist struct {
	moduli  []record // tail of SHA-1 over "Modulus=…\n"
	numbers []record // head of SHA-256 over the number's bytes
	loaded  []Loaded
}

// Digests returns what blocklists are searched for, as 20 hex digits each: of
// the modulus as an [OpenSSLBlacklist] has it, and of the number that stands
// for the key in a [Badkeys] list. Either is "" for a key that such lists do
// not hold: EC keys the first, keys that are neither RSA nor EC both. Kept
// beside a key, they let a list that is loaded later cover it.
func Digests(key crypto.PublicKey) (openssl, badkeys string) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if testable(k) {
			return modulusRecord(k).String(), numberRecord(k.N.Bytes()).String()
		}
	case *ecdsa.PublicKey:
		if x, ok := coordinateX(k); ok {
			return "", numberRecord(x).String()
		}
	}
	return "", ""
}

// Weak reports whether a key is on the list, by its Digests.
func (l *Blocklist) Weak(openssl, badkeys string) bool {
	return l != nil && (found(l.moduli, openssl) || found(l.numbers, badkeys))
}

// Report returns what each file contributed, in the order of loading.
func (l *Blocklist) Report() []Loaded {
	if l == nil {
		return nil
	}
	return slices.Clone(l.loaded)
}

// modulusRecord is the entry of an RSA key in OpenSSLBlacklist.
func modulusRecord(k *rsa.PublicKey) record {
	sum := sha1.Sum([]byte("Modulus=" + strings.ToUpper(k.N.Text(16)) + "\n"))
	return record(sum[sha1.Size-recordSize:])
}

// numberRecord is the entry of a key in Badkeys: of the modulus for RSA, of the
// x coordinate for EC, big-endian without leading zeros.
func numberRecord(number []byte) record {
	sum := sha256.Sum256(bytes.TrimLeft(number, "\x00"))
	return record(sum[:recordSize])
}

// coordinateX returns the x coordinate of an EC key; ok is false for a key
// that is no point of its curve.
func coordinateX(k *ecdsa.PublicKey) (x []byte, ok bool) {
	point, err := k.Bytes()
	if err != nil {
		return nil, false
	}
	// An uncompressed point is 0x04, x, y.
	return point[1 : 1+len(point)/2], true
}

// found reports whether a digest, as Digests returns it, is in a table.
func found(sorted []record, digest string) bool {
	var r record
	if len(digest) != hex.EncodedLen(recordSize) {
		return false
	}
	if _, err := hex.Decode(r[:], []byte(digest)); err != nil {
		return false
	}
	_, ok := slices.BinarySearchFunc(sorted, r, compareRecords)
	return ok
}

// seal sorts what was loaded and makes the list ready for use.
func (l *Blocklist) seal() {
	for _, table := range []*[]record{&l.moduli, &l.numbers} {
		slices.SortFunc(*table, compareRecords)
		// The copy gives back the spare half that growing has left.
		*table = append(make([]record, 0, len(*table)), slices.Compact(*table)...)
	}
}
