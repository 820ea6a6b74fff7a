// Package crl reads certificate revocation lists (RFC 5280, section 5): what a
// list says of itself, whether it may be believed, and which serial numbers
// stand in it.
//
// A list is read as a stream, an entry at a time, so that one of a million
// entries takes no more memory than an empty one. What is not understood is
// refused and never passed over: a list that leaves out what it revokes for
// reasons that are not known here would be read as "not revoked". Every refusal
// is an Invalid fault whose text the caller may read. The package stores
// nothing and keeps no clock.
package crl

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
)

const (
	// MaxSize is the greatest size of a list in bytes.
	MaxSize = 256 << 20
	// MaxEntries is how many certificates a list may name.
	MaxEntries = 8_000_000
	// skew is how far the clock of an issuer may be ahead.
	skew = 5 * time.Minute
)

// Coverage says which certificates of its issuer a list is about.
type Coverage string

// The coverages.
const (
	CoversAll  Coverage = ""
	CoversUser Coverage = "USER" // none of CAs
	CoversCA   Coverage = "CA"   // those of CAs alone
)

// List is what a revocation list says of itself.
type List struct {
	// Issuer is the name as RFC 2253 writes it, IssuerMatch what stands for it
	// in comparisons, as in [pki.Certificate].
	Issuer, IssuerMatch string
	// AuthorityKeyID is lower-case hex, "" when the extension is missing.
	AuthorityKeyID string
	// Number is the CRL number as 40 lower-case hex digits, which compare as the
	// numbers do, or "" when the extension is missing.
	Number                 string
	ThisUpdate, NextUpdate time.Time
	// Entries is how many certificates the list names.
	Entries int64
	Covers  Coverage
	// Points are the URLs that the list itself says it is had from. It then has
	// only those certificates that name one of them.
	Points []string
	// Partial says that the list is about a part of the issuer's certificates:
	// those of Points.
	Partial bool
	// Digest is the SHA-256 of the list in hex.
	Digest string

	algorithm *algorithm
	signed    []byte // the digest of what is signed
	signature []byte
}

// Entry is a certificate that was revoked.
type Entry struct {
	// Serial is the serial number in the form of [pki.Certificate].
	Serial string
	// Reason is the reason code of RFC 5280, section 5.3.1, 0 without one.
	// A certificate on hold (6) counts as revoked as long as it is listed.
	Reason  int
	Revoked time.Time
}

// removeFromCRL is a reason for which a certificate is not revoked.
const removeFromCRL = 8

// Read reads a list in DER form to its end. It believes nothing yet: Verify and
// Current have to follow before any entry is used.
func Read(r io.Reader) (*List, error) { return read(r, func(*Entry) error { return nil }) }

// Entries yields the entries of a list that Read has read. A serial number that
// stands in it twice is yielded twice. Serial numbers that no certificate can
// have here are left out.
func Entries(r io.Reader) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		left := false
		_, err := read(r, func(e *Entry) error {
			if e.Reason != removeFromCRL && e.Serial != "" && !yield(e, nil) {
				left = true
				return io.EOF
			}
			return nil
		})
		if err != nil && !left {
			yield(nil, err)
		}
	}
}

// Current refuses a list that is not valid at a time.
func (l *List) Current(now time.Time) error {
	switch {
	case l.NextUpdate.IsZero():
		return refuse("it does not say when the next one is due")
	case now.Add(skew).Before(l.ThisUpdate):
		return refuse("it is not valid before %s", l.ThisUpdate.Format(time.RFC3339))
	case now.After(l.NextUpdate):
		return refuse("it has expired: the next one was due on %s", l.NextUpdate.Format(time.RFC3339))
	}
	return nil
}

// Verify refuses a list that was not signed with the key of an issuer, who has
// to have the name of the list's issuer and to be allowed to sign lists.
func (l *List) Verify(issuer *pki.Certificate) error {
	switch {
	case l.IssuerMatch != issuer.SubjectMatch:
		return refuse("it names another issuer")
	case !issuer.MaySignLists():
		return refuse("the certificate of its issuer does not allow the key to sign revocation lists")
	case l.algorithm.verify(issuer.PublicKey, l.signed, l.signature) != nil:
		return refuse("it was not signed with the key of its issuer")
	}
	return nil
}

// From refuses a list that was had from a URL but is, by its own words, from
// elsewhere and about other certificates.
func (l *List) From(url string) error {
	if l.Partial && !slices.Contains(l.Points, url) {
		return refuse("it is for certificates that name another distribution point")
	}
	return nil
}

// About reports whether the list is about certificates of CAs, or of others.
func (l *List) About(ca bool) bool {
	return l.Covers == CoversAll || (l.Covers == CoversCA) == ca
}

func refuse(format string, args ...any) error {
	return fault.New(fault.Invalid, "The revocation list is not acceptable: "+format+".", args...)
}

// read walks through a list and hands its entries on.
func read(r io.Reader, each func(*Entry) error) (*List, error) {
	whole := sha256.New()
	w := newWalker(io.TeeReader(r, whole))
	l := &List{}
	if err := w.list(l, each); err != nil {
		return nil, err
	}
	l.Digest = hex.EncodeToString(whole.Sum(nil))
	return l, nil
}

// list reads CertificateList.
func (w *walker) list(l *List, each func(*Entry) error) error {
	end, err := w.open(tagSequence)
	if err != nil {
		return err
	}
	w.recording = true
	if err := w.toBeSigned(l, each); err != nil {
		return err
	}
	w.recording = false
	l.signed = w.hash.Sum(nil)
	outer, err := w.element(tagSequence, maxHeader)
	if err != nil {
		return err
	}
	if string(outer) != string(l.algorithm.raw) {
		return refuse("it names two algorithms for its signature")
	}
	bits, err := w.element(tagBitString, maxHeader)
	if err != nil {
		return err
	}
	if len(bits) < 2 || bits[0] != 0 {
		return refuse("it has no signature")
	}
	l.signature = slices.Clone(bits[1:])
	if w.at != end {
		return refuse("there is something behind its signature")
	}
	return w.end()
}

// toBeSigned reads TBSCertList.
func (w *walker) toBeSigned(l *List, each func(*Entry) error) error {
	end, err := w.open(tagSequence)
	if err != nil {
		return err
	}
	if err := w.head(l); err != nil {
		return err
	}
	if w.at < end && w.next() == tagSequence {
		if err := w.entries(l, each); err != nil {
			return err
		}
	}
	if w.at < end {
		content, err := w.element(tagExtensions, maxExtensions)
		if err != nil {
			return err
		}
		if err := l.extensions(content); err != nil {
			return err
		}
	}
	if w.at != end {
		return refuse("its parts do not fit together")
	}
	return nil
}

// head reads what stands before the entries.
func (w *walker) head(l *List) error {
	if w.next() == tagInteger {
		if version, err := w.element(tagInteger, 1); err != nil || len(version) != 1 || version[0] != 1 {
			return refuse("it is of an unknown version")
		}
	}
	id, err := w.element(tagSequence, maxHeader)
	if err != nil {
		return err
	}
	if l.algorithm, err = parseAlgorithm(id); err != nil {
		return err
	}
	w.startHash(l.algorithm.hash)
	name, err := w.whole(tagSequence, maxHeader)
	if err != nil {
		return err
	}
	if l.Issuer, l.IssuerMatch, err = pki.ReadName(name); err != nil {
		return refuse("the name of its issuer cannot be read")
	}
	if l.ThisUpdate, err = w.time(); err != nil {
		return err
	}
	if tag := w.next(); tag == tagUTCTime || tag == tagTime {
		l.NextUpdate, err = w.time()
	}
	return err
}

func (w *walker) entries(l *List, each func(*Entry) error) error {
	end, err := w.open(tagSequence)
	if err != nil {
		return err
	}
	for w.at < end {
		content, err := w.element(tagSequence, maxEntry)
		if err != nil {
			return err
		}
		if l.Entries++; l.Entries > MaxEntries {
			return refuse("it has more than %d entries", MaxEntries)
		}
		e, err := parseEntry(content)
		if err != nil {
			return err
		}
		if err := each(e); err != nil {
			return err
		}
	}
	if w.at != end {
		return refuse("its parts do not fit together")
	}
	return nil
}

// startHash begins to digest what is signed, with what was read of it already.
func (w *walker) startHash(h crypto.Hash) {
	w.hash = h.New()
	w.hash.Write(w.recorded) // never fails
	w.recorded = nil
}
