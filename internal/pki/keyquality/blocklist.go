package keyquality

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
	covers  map[string]bool
	loaded  []Loaded
	id      string
}

// Contains reports whether an RSA or EC public key is on the list. Keys of
// another type are not.
func (l *Blocklist) Contains(key crypto.PublicKey) bool {
	if l == nil {
		return false
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		return found(l.moduli, modulusRecord(k)) || found(l.numbers, numberRecord(k.N.Bytes()))
	case *ecdsa.PublicKey:
		x, ok := coordinateX(k)
		return ok && found(l.numbers, numberRecord(x))
	}
	return false
}

// Covers reports whether the list holds the weak keys of this key's type and
// size, so that not being on it means something.
func (l *Blocklist) Covers(key crypto.PublicKey) bool {
	return l != nil && l.covers[describe(key)]
}

// Report returns what each file contributed, in the order of loading.
func (l *Blocklist) Report() []Loaded {
	if l == nil {
		return nil
	}
	return slices.Clone(l.loaded)
}

// ID identifies the contents, independent of the order and split of the files:
// 32 hex digits, "" for a nil Blocklist. Keys tested against another ID can be
// told from those that need no second test.
func (l *Blocklist) ID() string {
	if l == nil {
		return ""
	}
	return l.id
}

// describe names the type and size of a key as Loaded.Keys does.
func describe(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Curve.Params().Name
	}
	return ""
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

func found(sorted []record, r record) bool {
	_, ok := slices.BinarySearchFunc(sorted, r, compareRecords)
	return ok
}

// seal sorts what was loaded and makes the list ready for use.
func (l *Blocklist) seal() {
	h := sha256.New()
	for _, table := range []*[]record{&l.moduli, &l.numbers} {
		slices.SortFunc(*table, compareRecords)
		// The copy gives back the spare half that growing has left.
		*table = append(make([]record, 0, len(*table)), slices.Compact(*table)...)
		fmt.Fprintf(h, "%d:", len(*table))
		for i := range *table {
			h.Write((*table)[i][:])
		}
	}
	l.id = hex.EncodeToString(h.Sum(nil)[:16])
}
