package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func testCA(n int, subject string) *fleet.CACertificate {
	return &fleet.CACertificate{
		ID: certificateID(n), Status: fleet.Active, Mode: fleet.ModeDefault,
		AutoRegistration: fleet.AutoRegistrationDisabled, Subject: subject, SubjectKeyID: "ab",
		Key:       fleet.Key{Type: "EC", Bits: 256, BadkeysDigest: "bb"},
		NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(time.Hour), Generation: "g", CustomerVersion: 1,
		Created: testNow, Modified: testNow, PEM: fmt.Sprintf("PEM %d", n),
	}
}

func registerCA(t *testing.T, s *Store, sc fleet.Scope, c *fleet.CACertificate) {
	t.Helper()
	ok(t, s.RegisterCACertificate(context.Background(), sc, c, nil))
}

func TestCACertificateComesBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for _, sc := range []fleet.Scope{here, there} {
			want := testCA(1, "s")
			registerCA(t, s, sc, want)
			got, err := s.CACertificate(ctx, sc, want.ID)
			ok(t, err)
			if got.Seq == 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		err := s.RegisterCACertificate(ctx, here, testCA(1, "s"), nil)
		wantFault(t, err, fault.Exists, "already")
		if f := fault.From(err); f.ResourceID != certificateID(1) || f.ResourceARN != here.ARN("cacert", certificateID(1)) {
			t.Errorf("got %q, %q, want the CA certificate named", f.ResourceID, f.ResourceARN)
		}
		_, err = s.CACertificate(ctx, there, certificateID(2))
		wantFault(t, err, fault.NotFound, "")
	})
}

func TestCACertificatesOfOneSubject(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		registerCA(t, s, here, testCA(100, "other"))
		registerCA(t, s, there, testCA(1, "s"))
		done := together(t, 14, func(i int) error {
			return s.RegisterCACertificate(ctx, here, testCA(i, "s"), []fleet.Tag{{Key: "k", Value: "v"}})
		}, fault.Limit)
		list, err := s.CACertificatesOfSubject(ctx, here, "s")
		ok(t, err)
		if done != s.quotas.CAsPerSubject || len(list) != done {
			t.Errorf("got %d registered and %d listed, want %d", done, len(list), s.quotas.CAsPerSubject)
		}
		for _, c := range list {
			if c.Subject != "s" || c.PEM == "" {
				t.Errorf("got %+v, want one of the subject with its PEM", c)
			}
		}
	})
}

func TestUpdateAndDeleteCACertificate(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		id := certificateID(1)
		registerCA(t, s, here, testCA(1, "s"))
		registerCA(t, s, there, testCA(1, "s"))
		s.now = func() time.Time { return testNow.Add(time.Minute) }
		ok(t, s.UpdateCACertificate(ctx, here, id, fleet.CAUpdate{}))
		ok(t, s.UpdateCACertificate(ctx, here, id, fleet.CAUpdate{
			Status: fleet.Active, AutoRegistration: fleet.AutoRegistrationDisabled}))
		c, err := s.CACertificate(ctx, here, id)
		ok(t, err)
		if c.CustomerVersion != 1 || !c.Modified.Equal(testNow) {
			t.Errorf("got version %d of %s after updates to what is, want it untouched", c.CustomerVersion, c.Modified)
		}
		wantFault(t, s.DeleteCACertificate(ctx, here, id), fault.CertificateState, "deactivated")
		ok(t, s.UpdateCACertificate(ctx, here, id, fleet.CAUpdate{
			Status: fleet.Inactive, AutoRegistration: fleet.AutoRegistrationEnabled}))
		c, err = s.CACertificate(ctx, here, id)
		ok(t, err)
		if c.Status != fleet.Inactive || c.AutoRegistration != "ENABLE" || !c.Modified.Equal(testNow.Add(time.Minute)) {
			t.Errorf("got %+v, want both changes", c)
		}
		wantFault(t, s.UpdateCACertificate(ctx, here, certificateID(2), fleet.CAUpdate{}), fault.NotFound, "")
		ok(t, s.DeleteCACertificate(ctx, here, id))
		wantFault(t, s.DeleteCACertificate(ctx, here, id), fault.NotFound, "")
		if c, err = s.CACertificate(ctx, there, id); err != nil || c.Status != fleet.Active {
			t.Errorf("got %+v, %v in the other account, want it untouched", c, err)
		}
	})
}

func TestCACertificatesArePaged(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		registerCA(t, s, there, testCA(9, "s"))
		for n := range 3 {
			registerCA(t, s, here, testCA(n+1, "s"))
		}
		for _, tt := range []struct {
			ascending bool
			want      string
		}{{false, "3 2 1"}, {true, "1 2 3"}} {
			page := fleet.CACertificatePage{Ascending: tt.ascending, Limit: 2}
			var got []string
			for {
				list, err := s.CACertificates(context.Background(), here, page)
				ok(t, err)
				if len(list) == 0 {
					break
				}
				for _, c := range list {
					got = append(got, strings.TrimLeft(c.ID, "0"))
					page.After = c.Seq
				}
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("ascending %v: got %s, want %s", tt.ascending, got, tt.want)
			}
		}
	})
}

func TestCertificatesAreRegisteredUnderActiveCAs(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		registerCA(t, s, here, testCA(1, "s"))
		under := func(n int) *fleet.Certificate {
			c := testCertificate(n)
			c.CAID, c.Mode = certificateID(1), fleet.ModeDefault
			return c
		}
		ok(t, s.RegisterCertificate(ctx, here, under(1)))
		wantFault(t, s.RegisterCertificate(ctx, there, under(1)), fault.CertificateInvalid, "not registered")
		ok(t, s.UpdateCACertificate(ctx, here, certificateID(1), fleet.CAUpdate{Status: fleet.Inactive}))
		wantFault(t, s.RegisterCertificate(ctx, here, under(2)), fault.CertificateState, "not ACTIVE")
		ok(t, s.DeleteCACertificate(ctx, here, certificateID(1)))
		c, err := s.Certificate(ctx, here, certificateID(1))
		ok(t, err)
		if c.CAID != certificateID(1) {
			t.Errorf("got CA %q, want the one that it was registered under", c.CAID)
		}
	})
}

func TestRegistrationCode(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		if got, err := s.RegistrationCode(ctx, here); err != nil || got != "" {
			t.Errorf("got %q, %v, want none", got, err)
		}
		wantFault(t, s.DeleteRegistrationCode(ctx, here), fault.NotFound, "")
		codes := make([]string, 10)
		together(t, len(codes), func(i int) (err error) {
			codes[i], err = s.NeedRegistrationCode(ctx, here, fmt.Sprint("code ", i))
			return err
		})
		for _, code := range codes {
			if code == "" || code != codes[0] {
				t.Errorf("got the codes %q, want one for all", codes)
				break
			}
		}
		if got, err := s.NeedRegistrationCode(ctx, there, "theirs"); err != nil || got != "theirs" {
			t.Errorf("got %q, %v in the other account, want its own", got, err)
		}
		ok(t, s.DeleteRegistrationCode(ctx, here))
		if got, err := s.NeedRegistrationCode(ctx, here, "new"); err != nil || got != "new" {
			t.Errorf("got %q, %v, want the new one", got, err)
		}
	})
}
