package fleet_test

import (
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

var home = fleet.Scope{Account: "111111111111", Region: "eu-central-1"}

// newCA makes a CA that is valid around now.
func newCA(t *testing.T, name string) *fixture.CA {
	t.Helper()
	ca, err := fixture.NewCA(fixture.Template{
		CommonName: name, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func parse(t *testing.T, pem string) *pki.Certificate {
	t.Helper()
	c, err := pki.ParseCertificate(pem)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func device(t *testing.T, ca *fixture.CA, template fixture.Template) *pki.Certificate {
	t.Helper()
	leaf, err := ca.Issue(template)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, leaf.PEM)
}

// code is the code of a fault, "" without error.
func code(t *testing.T, err error) fault.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	f := fault.From(err)
	if f == nil {
		t.Fatalf("got %v, want a fault", err)
	}
	return f.Code
}

func TestNewCertificateKnowsItsKey(t *testing.T) {
	ca := newCA(t, "Fleet CA")
	for _, tt := range []struct {
		name     string
		template fixture.Template
		want     fleet.Key
	}{
		{"a Debian key", fixture.Template{Key: fixture.DebianKey()}, fleet.Key{
			Type: "RSA", Bits: 2048, DebianDigest: "b7ead9492dfd921fc4f9", BadkeysDigest: "31c152529eb033a010f8"}},
		{"a ROCA key", fixture.Template{Key: &fixture.ROCAKey(1).PublicKey}, fleet.Key{Type: "RSA", Bits: 2048, ROCA: true}},
		{"an EC key", fixture.Template{}, fleet.Key{Type: "EC", Bits: 256}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parsed := device(t, ca, tt.template)
			got, err := fleet.NewCertificate(parsed, fleet.Active, now)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.BadkeysDigest == "" {
				if got.Key.BadkeysDigest == "" || (got.Key.DebianDigest == "") != (tt.want.Type == "EC") {
					t.Errorf("got digests %q and %q, want those of the key", got.Key.DebianDigest, got.Key.BadkeysDigest)
				}
				got.Key.DebianDigest, got.Key.BadkeysDigest = "", ""
			}
			if got.Key != tt.want {
				t.Errorf("got %+v, want %+v", got.Key, tt.want)
			}
			if got.ID != parsed.ID || got.PEM != parsed.PEM || got.Mode != fleet.ModeSNIOnly || got.CustomerVersion != 1 ||
				got.Generation == "" || !got.NotAfter.Equal(parsed.NotAfter) || !got.Created.Equal(now) {
				t.Errorf("got %+v, want it to hold the certificate", got)
			}
		})
	}
}

func TestNewCertificateRefuses(t *testing.T) {
	ca := newCA(t, "Fleet CA")
	for _, tt := range []struct {
		name   string
		key    fixture.Template
		status fleet.Status
		want   fault.Code
	}{
		{"an active one is fine", fixture.Template{}, fleet.Active, ""},
		{"an inactive one is fine", fixture.Template{}, fleet.Inactive, ""},
		{"a revoked one is fine", fixture.Template{}, fleet.Revoked, ""},
		{"a transfer begins otherwise", fixture.Template{}, fleet.PendingTransfer, fault.Invalid},
		{"an activation begins otherwise", fixture.Template{}, fleet.PendingActivation, fault.Invalid},
		{"the deprecated state", fixture.Template{}, fleet.RegisterInactive, fault.Invalid},
		{"a broken key", fixture.Template{Key: fixture.CloseKey(1)}, fleet.Active, fault.CertificateInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fleet.NewCertificate(device(t, ca, tt.key), tt.status, now)
			if got := code(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSetStatus(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to fleet.Status
		want     fault.Code
	}{
		{"an active one is deactivated", fleet.Active, fleet.Inactive, ""},
		{"the same again is fine", fleet.Active, fleet.Active, ""},
		{"an inactive one is revoked", fleet.Inactive, fleet.Revoked, ""},
		{"a revoked one stays revoked", fleet.Revoked, fleet.Active, fault.CertificateState},
		{"a revoked one may be revoked again", fleet.Revoked, fleet.Revoked, ""},
		{"no update begins a transfer", fleet.Inactive, fleet.PendingTransfer, fault.Invalid},
		{"no update begins an activation", fleet.Inactive, fleet.PendingActivation, fault.Invalid},
		{"one in transfer is left alone", fleet.PendingTransfer, fleet.Inactive, fault.CertificateState},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := code(t, (&fleet.Certificate{Status: tt.from}).SetStatus(tt.to)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCertificateDeletable(t *testing.T) {
	both := fleet.Attached{Things: true, Policies: true}
	for _, tt := range []struct {
		name     string
		status   fleet.Status
		attached fleet.Attached
		force    bool
		want     fault.Code
	}{
		{"an inactive one with nothing attached", fleet.Inactive, fleet.Attached{}, false, ""},
		{"a revoked one", fleet.Revoked, fleet.Attached{}, false, ""},
		{"an active one, even by force", fleet.Active, fleet.Attached{}, true, fault.CertificateState},
		{"one with policies", fleet.Inactive, fleet.Attached{Policies: true}, false, fault.DeleteConflict},
		{"one with policies by force", fleet.Inactive, fleet.Attached{Policies: true}, true, ""},
		{"one with things, even by force", fleet.Inactive, both, true, fault.DeleteConflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &fleet.Certificate{ID: "c", Status: tt.status}
			if got := code(t, c.Deletable(home, tt.attached, tt.force)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
