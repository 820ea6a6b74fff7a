// Package revocation finds out which certificates of a fleet their issuers have
// revoked: it fetches the lists that certificates name, takes those that are
// imported, and verifies all of them.
//
// A list is believed only if it was signed by an issuer that the account knows,
// is complete and is current; whatever else is had leaves the certificates
// untested, and says why. What one account has found is never used for another.
// The package knows neither SQL nor the wire, and judges no certificate: that
// is for the audit checks, by what is stored here.
package revocation

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/crl"
)

// Source is what certificates have in common of which revocation depends.
type Source struct {
	ID int64
	fleet.Origin
}

// List is a revocation list that was verified and stored.
type List struct {
	ID        int64
	IssuerKey string // fleet.Issuer.Key of who signed it
	URL       string // where it was had from, "" for one that was imported
	// IssuerName is for reading.
	IssuerName             string
	Number                 string // see crl.List
	ThisUpdate, NextUpdate time.Time
	Entries                int64
	Covers                 crl.Coverage
	Digest                 string
}

// Newer reports whether a list is newer than another one of its place.
func (l *List) Newer(than *List) bool {
	if l.Number != than.Number {
		return l.Number > than.Number
	}
	return l.ThisUpdate.After(than.ThisUpdate)
}

// About says of a list which one it is.
func (l *List) About() string {
	text := "of " + l.ThisUpdate.UTC().Format(time.RFC3339)
	if n := strings.TrimLeft(l.Number, "0"); n != "" {
		text = "number 0x" + n + ", " + text
	}
	return text
}

// Outcome is what was found out about a source.
type Outcome struct {
	Source int64
	State  fleet.SourceState
	Reason string // why it is untested
	Chain  string // why the CAs above it are not known
	// Lists are those that decide, Issuers the intermediate CAs above.
	Lists, Issuers []int64
}

// Store is what is needed of the database.
type Store interface {
	// StaleSources lists sources that were last looked at before a time.
	StaleSources(ctx context.Context, sc fleet.Scope, before time.Time, limit int) ([]Source, error)
	// ReadProvenance keeps what was not kept of certificates that were registered
	// by earlier versions, some at a time.
	ReadProvenance(ctx context.Context) (more bool, err error)
	// SaveOutcomes stores what was found at a time.
	SaveOutcomes(ctx context.Context, sc fleet.Scope, at time.Time, list []Outcome) error
	// IssuersNamed lists the known issuers of a subject.
	IssuersNamed(ctx context.Context, sc fleet.Scope, subject string) ([]fleet.Issuer, error)
	// RevocationLists lists those of some issuers, by their keys, that were
	// imported or had from a URL.
	RevocationLists(ctx context.Context, sc fleet.Scope, issuerKeys []string, url string) ([]List, error)

	// BeginLoad begins to store the entries of a list, AddRevoked stores some of
	// them and FinishLoad makes them those of the list, all at once. A newer list
	// of the same place stays, and is an Exists fault. What is never finished is
	// swept later.
	BeginLoad(ctx context.Context, sc fleet.Scope) (load int64, err error)
	AddRevoked(ctx context.Context, load int64, entries []crl.Entry) error
	FinishLoad(ctx context.Context, sc fleet.Scope, load int64, l *List) error

	// AddPart keeps a part of a list that is being imported, and Upload reads the
	// parts in their order; an Invalid fault says that one is missing. DropUpload
	// forgets them.
	AddPart(ctx context.Context, sc fleet.Scope, id string, n int, data []byte) error
	Upload(ctx context.Context, sc fleet.Scope, id string) (io.Reader, error)
	DropUpload(ctx context.Context, sc fleet.Scope, id string) error
	// ImportIssuer remembers the certificate of an issuer.
	ImportIssuer(ctx context.Context, sc fleet.Scope, i *fleet.Issuer) error
}
