package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// named is a certificate with a name and a status.
func named(n int, name string, status fleet.Status) *fleet.Certificate {
	c := testCertificate(n)
	c.Status, c.Provenance = status, &fleet.Provenance{Name: name}
	return c
}

func TestANameStandsForTheOneActiveCertificateThatHasIt(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for _, c := range []*fleet.Certificate{
			named(1, "alone", fleet.Active), named(2, "renewed", fleet.Inactive), named(3, "renewed", fleet.Active),
			named(4, "twice", fleet.Active), named(5, "twice", fleet.Active), named(6, "revoked", fleet.Revoked),
			named(7, "", fleet.Active), named(8, "Case", fleet.Active),
		} {
			ok(t, s.RegisterCertificate(ctx, here, c))
		}
		ok(t, s.RegisterCertificate(ctx, there, named(9, "revoked", fleet.Active)))
		for _, tt := range []struct{ name, want string }{
			{"alone", certificateID(1)}, {"renewed", certificateID(3)}, {"twice", ""}, {"revoked", ""}, {"", ""},
			{"case", ""}, {"Case", certificateID(8)}, {"=alone", ""}, {"unknown", ""}, {"%", ""},
		} {
			if got, err := s.CertificateNamed(ctx, here, tt.name); got != tt.want || err != nil {
				t.Errorf("got %q, %v for the name %q, want %q", got, err, tt.name, tt.want)
			}
		}
		if got, err := s.CertificateNamed(ctx, there, "revoked"); got != certificateID(9) || err != nil {
			t.Errorf("got %q, %v in the other account, want its own certificate", got, err)
		}
		ok(t, s.SetCertificateStatus(ctx, here, certificateID(1), fleet.Inactive))
		if got, err := s.CertificateNamed(ctx, here, "alone"); got != "" || err != nil {
			t.Errorf("got %q, %v for the name of a certificate that was deactivated, want none", got, err)
		}
	})
}

func TestANameOfMoreThanAThousandCertificatesStandsForNone(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		list := make([]fleet.Certificate, namedRows)
		for i := range list {
			list[i] = *named(i+1, "line 3", fleet.Inactive)
		}
		list[500].Status = fleet.Active
		ok(t, s.RegisterCertificates(ctx, here, list))
		if got, err := s.CertificateNamed(ctx, here, "line 3"); got != list[500].ID || err != nil {
			t.Errorf("got %q, %v of a thousand certificates, want the active one", got, err)
		}
		ok(t, s.RegisterCertificate(ctx, here, named(namedRows+1, "line 3", fleet.Inactive)))
		if got, err := s.CertificateNamed(ctx, here, "line 3"); got != "" || err != nil {
			t.Errorf("got %q, %v of more, want none", got, err)
		}
	})
}

func TestNamesOfBeforeAreReadBeforeAnyCounts(t *testing.T) {
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Old CA"})
	ok(t, err)
	leaf, err := ca.Issue(fixture.Template{CommonName: "pump's"})
	ok(t, err)
	const row = `INSERT INTO certificates (seq, scope, id, status, mode, ca_id, key_type, key_bits, roca, debian_digest,
		badkeys_digest, not_before, not_after, generation, customer_version, created_at, modified_at)
		VALUES (%d, 1, '%d', 'ACTIVE', 'DEFAULT', '', 'EC', 256, false, '', '', 1, 2, 'g', 1, 1, 1)`
	const seq = 1<<scopeShift + 1
	forEachUpgrade(t, 14, slices.Concat(scopesOfTests, []string{
		fmt.Sprintf(row, int64(seq), 1), fmt.Sprintf(row, int64(seq+1), 2),
		fmt.Sprintf(`INSERT INTO certificate_pems (seq, pem) VALUES (%d, '%s'), (%d, 'broken')`, int64(seq), leaf.PEM,
			int64(seq+1)),
	}), func(t *testing.T, s *Store) {
		ctx := context.Background()
		ok(t, s.RegisterCertificate(ctx, there, named(3, "elsewhere", fleet.Active)))
		for name, want := range map[string]string{"pump's": "", "elsewhere": ""} {
			if got, err := s.CertificateNamed(ctx, here, name); got != want || err != nil {
				t.Errorf("got %q, %v for the name %q before names were read, want none", got, err, name)
			}
		}
		if got, err := s.CertificateNamed(ctx, there, "elsewhere"); got != certificateID(3) || err != nil {
			t.Errorf("got %q, %v in an account where all names are known, want its certificate", got, err)
		}
		for more := true; more; {
			more, err = s.ReadNames(ctx)
			ok(t, err)
		}
		if got, err := s.CertificateNamed(ctx, here, "pump's"); got != "1" || err != nil {
			t.Errorf("got %q, %v once names were read, want the certificate", got, err)
		}
	})
}

func TestNamesAreFoundByIndex(t *testing.T) {
	long(t)
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		fillStore(t, s, planRows, fleetFills)
		fillStore(t, s, planRows, []fill{
			{1, `INSERT INTO certificate_pems (seq, pem, common_name)
				SELECT CAST(@first AS BIGINT) + 10000000 + i, 'pem', '=' || (i / 4) FROM r`},
			{4, `INSERT INTO hook_tokens (hash, scope, id, name, created_at)
				SELECT 'h' || i, @scope, 'h' || (10000000 + i), '', 1 FROM r`},
		})
		wantNarrow(t, s, 0, func() {
			for _, name := range []string{"7", "1999", "none"} {
				_, err := s.CertificateNamed(ctx, here, name)
				ok(t, err)
			}
		})
		wantNarrow(t, s, 0, func() {
			for _, hash := range []string{"h7", "none"} {
				_, _, err := s.HookScope(ctx, hash)
				ok(t, err)
			}
		})
	})
}
