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

// certificateID is a certificate id that can be told from others.
func certificateID(n int) string { return fmt.Sprintf("%064x", n) }

func testCertificate(n int) *fleet.Certificate {
	return &fleet.Certificate{
		ID: certificateID(n), Status: fleet.Inactive, Mode: fleet.ModeSNIOnly,
		Key:       fleet.Key{Type: "RSA", Bits: 2048, ROCA: true, DebianDigest: "aa", BadkeysDigest: "bb"},
		NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(time.Hour), Generation: "g", CustomerVersion: 1,
		Created: testNow, Modified: testNow, PEM: fmt.Sprintf("PEM %d", n),
	}
}

// register stores certificates numbered from 1.
func register(t *testing.T, s *Store, sc fleet.Scope, n int) {
	t.Helper()
	for i := range n {
		ok(t, s.RegisterCertificate(context.Background(), sc, testCertificate(i+1)))
	}
}

func TestCertificateComesBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for _, sc := range []fleet.Scope{here, there} {
			want := testCertificate(1)
			ok(t, s.RegisterCertificate(ctx, sc, want))
			got, err := s.Certificate(ctx, sc, want.ID)
			ok(t, err)
			if got.Seq == 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		_, err := s.Certificate(ctx, fleet.Scope{Account: here.Account, Region: "elsewhere"}, certificateID(1))
		wantFault(t, err, fault.NotFound, certificateID(1))
		err = s.RegisterCertificate(ctx, here, testCertificate(1))
		wantFault(t, err, fault.Exists, "already")
		if f := fault.From(err); f.ResourceID != certificateID(1) || f.ResourceARN != here.ARN("cert", certificateID(1)) {
			t.Errorf("got %q, %q, want the certificate named", f.ResourceID, f.ResourceARN)
		}
	})
}

func TestCertificatesInBulk(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		list := make([]fleet.Certificate, 500)
		for i := range list {
			list[i] = *testCertificate(i)
		}
		ok(t, s.RegisterCertificates(ctx, here, list))
		ok(t, s.RegisterCertificates(ctx, here, nil))
		got, err := s.Certificate(ctx, here, certificateID(499))
		ok(t, err)
		if !reflect.DeepEqual(got, &list[499]) {
			t.Errorf("got %+v, want %+v", got, list[499])
		}
		more := []fleet.Certificate{*testCertificate(1000), *testCertificate(499)}
		wantFault(t, s.RegisterCertificates(ctx, here, more), fault.Exists, "already")
		twice := []fleet.Certificate{*testCertificate(1000), *testCertificate(1000)}
		wantFault(t, s.RegisterCertificates(ctx, here, twice), fault.Exists, "already")
		_, err = s.Certificate(ctx, here, certificateID(1000))
		wantFault(t, err, fault.NotFound, "")
		ok(t, s.RegisterCertificates(ctx, there, more))
	})
}

func TestCertificatesArePaged(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, there, 2)
		register(t, s, here, 5)
		register(t, s, fleet.Scope{Account: here.Account, Region: "us-east-1"}, 2)
		signed := testCertificate(6)
		signed.CAID = "ca"
		ok(t, s.RegisterCertificates(ctx, here, []fleet.Certificate{*signed}))
		for _, tt := range []struct {
			name string
			page fleet.CertificatePage
			want string
		}{
			{"the newest come first", fleet.CertificatePage{}, "6 5 4 3 2 1"},
			{"the oldest come first when asked", fleet.CertificatePage{Ascending: true}, "1 2 3 4 5 6"},
			{"those of one CA", fleet.CertificatePage{CA: "ca"}, "6"},
			{"those of one CA, the oldest first", fleet.CertificatePage{CA: "ca", Ascending: true}, "6"},
			{"none of an unknown CA", fleet.CertificatePage{CA: "other"}, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				tt.page.Limit = 2
				var got []string
				for {
					list, err := s.Certificates(ctx, here, tt.page)
					ok(t, err)
					if len(list) == 0 {
						break
					}
					for _, c := range list {
						got = append(got, strings.TrimLeft(c.ID, "0"))
						tt.page.After = c.Seq
					}
				}
				if got := strings.Join(got, " "); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		}
	})
}

func TestCertificateStatus(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, here, 1)
		register(t, s, there, 1)
		id := certificateID(1)
		s.now = func() time.Time { return testNow.Add(time.Minute) }
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Active))
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Active))
		got, err := s.Certificate(ctx, here, id)
		ok(t, err)
		if got.Status != fleet.Active || got.CustomerVersion != 2 || !got.Modified.Equal(testNow.Add(time.Minute)) {
			t.Errorf("got %s, version %d of %s, want one change to ACTIVE", got.Status, got.CustomerVersion, got.Modified)
		}
		other, err := s.Certificate(ctx, there, id)
		ok(t, err)
		if other.Status != fleet.Inactive {
			t.Errorf("got %s in the other account, want it untouched", other.Status)
		}
		wantFault(t, s.SetCertificateStatus(ctx, here, id, fleet.PendingTransfer), fault.Invalid, "PENDING_TRANSFER")
		wantFault(t, s.SetCertificateStatus(ctx, here, certificateID(2), fleet.Active), fault.NotFound, "")
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Revoked))
		wantFault(t, s.SetCertificateStatus(ctx, here, id, fleet.Inactive), fault.CertificateState, "revoked")
	})
}

func TestDeleteCertificate(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, here, 2)
		register(t, s, there, 2)
		makePolicies(t, s, here, "p")
		makeThings(t, s, here, "t")
		id := certificateID(1)
		target := fleet.Target{Kind: fleet.TargetCertificate, Name: id}
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Active))
		wantFault(t, s.DeleteCertificate(ctx, here, id, true), fault.CertificateState, "deactivated")
		ok(t, s.SetCertificateStatus(ctx, here, id, fleet.Inactive))
		ok(t, s.AttachThing(ctx, here, fleet.Attachment{Thing: "t", Certificate: id, Type: fleet.NonExclusive}))
		wantFault(t, s.DeleteCertificate(ctx, here, id, true), fault.DeleteConflict, "Things must be detached")
		ok(t, s.DetachThing(ctx, here, "t", id))
		ok(t, s.AttachPolicy(ctx, here, "p", target))
		wantFault(t, s.DeleteCertificate(ctx, here, id, false), fault.DeleteConflict, "policies must be detached")
		ok(t, s.DeleteCertificate(ctx, here, id, true))
		wantFault(t, s.DeleteCertificate(ctx, here, id, true), fault.NotFound, id)
		targets, err := s.PolicyTargets(ctx, here, "p", fleet.TargetPage{Limit: 1})
		ok(t, err)
		if len(targets) != 0 {
			t.Errorf("got %v, want the policy to be detached", targets)
		}
		pems, err := count(ctx, s.read, `SELECT count(*) FROM certificate_pems`, nil)
		ok(t, err)
		if pems != 3 {
			t.Errorf("got %d PEMs, want those of the 3 certificates left", pems)
		}
		ok(t, s.RegisterCertificate(ctx, here, testCertificate(1))) // as if it had never been there
	})
}
