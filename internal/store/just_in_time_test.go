package store

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// lifetime has certificates of tests valid for a while around the time in tests.
func lifetime(name string) fixture.Template {
	return fixture.Template{
		CommonName: name, NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.AddDate(1, 0, 0),
	}
}

func newTestCA(t *testing.T, name string) *fixture.CA {
	t.Helper()
	ca, err := fixture.NewCA(lifetime(name))
	ok(t, err)
	return ca
}

// issue signs the certificate of a device.
func issue(t *testing.T, ca *fixture.CA, template fixture.Template) *x509.Certificate {
	t.Helper()
	leaf, err := ca.Issue(template)
	ok(t, err)
	c, err := x509.ParseCertificate(leaf.DER)
	ok(t, err)
	return c
}

// trust registers a CA that registers devices, or what change makes of it.
func trust(t *testing.T, s *Store, ca *fixture.CA, change func(*fleet.CACertificate)) *fleet.CACertificate {
	t.Helper()
	parsed, err := pki.ParseCertificate(ca.PEM)
	ok(t, err)
	c, err := fleet.NewCACertificate(parsed, fleet.ModeDefault, testNow)
	ok(t, err)
	c.Status, c.AutoRegistration = fleet.Active, fleet.AutoRegistrationEnabled
	change(c)
	registerCA(t, s, here, c)
	return c
}

func asItIs(*fleet.CACertificate) {}

func TestADeviceOfACAIsRegisteredJustInTime(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeAccount(t, s, here.Account)
		ca := newTestCA(t, "CA")
		c := issue(t, ca, lifetime("device"))
		want := trust(t, s, ca, asItIs)
		f := openFeed(t, s)
		got, err := s.RegisterJustInTime(ctx, here, []*x509.Certificate{c, ca.Certificate})
		if ok(t, err); got != want.ID {
			t.Errorf("got CA %q, want %s", got, want.ID)
		}
		id := fmt.Sprintf("%x", sha256.Sum256(c.Raw))
		stored, err := s.Certificate(ctx, here, id)
		ok(t, err)
		if stored.Status != fleet.PendingActivation || stored.CAID != want.ID || stored.Mode != want.Mode {
			t.Errorf("got %+v, want one that waits for its activation, of the CA %s", stored, want.ID)
		}
		wantChanges(t, f, entry(fleet.RightCertificate, id))
		_, err = s.RegisterJustInTime(ctx, here, []*x509.Certificate{c})
		wantFault(t, err, fault.Exists, "")
		_, err = s.RegisterJustInTime(ctx, there, []*x509.Certificate{c})
		wantFault(t, err, fault.NotFound, "")
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Active))
		ok(t, s.DisableAccount(ctx, here.Account))
		_, err = s.RegisterJustInTime(ctx, here, []*x509.Certificate{issue(t, ca, lifetime("late"))})
		wantFault(t, err, fault.NotFound, "not enabled")
	})
}

func TestOthersAreNotRegisteredJustInTime(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeAccount(t, s, here.Account)
		past := lifetime("device")
		past.NotAfter = testNow.Add(-time.Minute)
		for _, tt := range []struct {
			name   string
			change func(*fleet.CACertificate) // nil: the CA is not registered
			device fixture.Template
		}{
			{"of a CA that is not registered", nil, lifetime("device")},
			{"of a CA that is not active", func(c *fleet.CACertificate) { c.Status = fleet.Inactive }, lifetime("device")},
			{"of a CA that does not register devices", func(c *fleet.CACertificate) {
				c.AutoRegistration = fleet.AutoRegistrationDisabled
			}, lifetime("device")},
			{"of a CA that has expired", func(c *fleet.CACertificate) {
				c.NotAfter = testNow.Add(-time.Minute)
			}, lifetime("device")},
			{"that has expired", asItIs, past},
		} {
			ca := newTestCA(t, tt.name)
			if tt.change != nil {
				trust(t, s, ca, tt.change)
			}
			_, err := s.RegisterJustInTime(t.Context(), here, []*x509.Certificate{issue(t, ca, tt.device), ca.Certificate})
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("a device %s: got %v, want it not found", tt.name, err)
			}
		}
		// The name of a CA is not its signature.
		trust(t, s, newTestCA(t, "forged"), asItIs)
		forger := newTestCA(t, "forged")
		_, err := s.RegisterJustInTime(t.Context(), here,
			[]*x509.Certificate{issue(t, forger, lifetime("device")), forger.Certificate})
		wantFault(t, err, fault.NotFound, "signed")
		_, err = s.RegisterJustInTime(t.Context(), here, nil)
		wantFault(t, err, fault.NotFound, "")
		none, err := count(t.Context(), s.read, `SELECT count(*) FROM certificates`, nil)
		if ok(t, err); none != 0 {
			t.Errorf("got %d certificates registered, want none", none)
		}
	})
}

// Of a CA certificate and its renewal, the one that the device shows is meant.
func TestADeviceNamesItsCAByShowingIt(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeAccount(t, s, here.Account)
		key, err := fixture.ECKey()
		ok(t, err)
		first, err := fixture.NewCAWithKey(lifetime("CA"), key)
		ok(t, err)
		second, err := fixture.NewCAWithKey(lifetime("CA"), key)
		ok(t, err)
		trust(t, s, first, asItIs)
		want := trust(t, s, second, asItIs)
		c := issue(t, first, lifetime("device"))
		_, err = s.RegisterJustInTime(t.Context(), here, []*x509.Certificate{c})
		wantFault(t, err, fault.CertificateConflict, "")
		got, err := s.RegisterJustInTime(t.Context(), here, []*x509.Certificate{c, second.Certificate})
		if ok(t, err); got != want.ID {
			t.Errorf("got CA %q, want %s", got, want.ID)
		}
	})
}
