package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/crl"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/revocation"
)

// testIssuer is a CA whose key identifier is its number.
func testIssuer(n int, o fleet.Origin) *fleet.Issuer {
	return &fleet.Issuer{
		ID: certificateID(n), Name: fmt.Sprintf("CN=%d", n), Subject: fmt.Sprintf("subject %d", n), SubjectKeyID: "aa",
		Key: fmt.Sprintf("key %d", n), Serial: "01", Origin: &o, Created: testNow, PEM: "PEM",
	}
}

func testList(n int, number string) *revocation.List {
	return &revocation.List{
		IssuerKey: fmt.Sprintf("key %d", n), IssuerName: "CN=x", Number: number, ThisUpdate: testNow,
		NextUpdate: testNow.Add(time.Hour), Entries: 2, Digest: number,
	}
}

// load stores a list with its entries.
func load(t *testing.T, s *Store, sc fleet.Scope, l *revocation.List, serials ...string) error {
	t.Helper()
	n, err := s.BeginLoad(context.Background(), sc)
	ok(t, err)
	var list []crl.Entry
	for _, serial := range serials {
		list = append(list, crl.Entry{Serial: serial, Reason: 1, Revoked: testNow})
	}
	ok(t, s.AddRevoked(context.Background(), n, list))
	ok(t, s.AddRevoked(context.Background(), n, list)) // once more, as after a lost answer
	return s.FinishLoad(context.Background(), sc, n, l)
}

// sweepAll sweeps until there is nothing left, and counts what stays.
func sweepAll(t *testing.T, s *Store) (serials, loads int64) {
	t.Helper()
	for more := true; more; {
		var err error
		more, err = s.SweepRevocations(context.Background())
		ok(t, err)
	}
	serials, err := count(context.Background(), s.read, `SELECT count(*) FROM revoked_serials`, nil)
	ok(t, err)
	loads, err = count(context.Background(), s.read, `SELECT count(*) FROM crl_loads`, nil)
	ok(t, err)
	return serials, loads
}

func TestAListReplacesTheOneBeforeAtOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		first := testList(1, "01")
		ok(t, load(t, s, here, first, "0a", "0b"))
		ok(t, load(t, s, there, testList(1, "01"), "0a"))
		second := testList(1, "02")
		ok(t, load(t, s, here, second, "0c"))
		if first.ID == 0 || first.ID != second.ID {
			t.Errorf("got the lists %d and %d, want one", first.ID, second.ID)
		}
		wantFault(t, load(t, s, here, testList(1, "01"), "0d"), fault.Exists, "newer revocation list")
		got, err := s.RevocationLists(ctx, here, []string{"key 1", "key 2"}, "")
		ok(t, err)
		if len(got) != 1 || got[0].Number != "02" || !got[0].NextUpdate.Equal(second.NextUpdate) {
			t.Errorf("got %+v, want the second list", got)
		}
		none, err := s.RevocationLists(ctx, here, []string{"key 1"}, "http://elsewhere/")
		ok(t, err)
		if len(none) != 0 {
			t.Errorf("got %+v of another place, want none", none)
		}
		// The old list is swept at once, the refused one when it was left for long.
		if serials, loads := sweepAll(t, s); serials != 3 || loads != 3 {
			t.Errorf("got %d serials of %d loads, want 3 of 3", serials, loads)
		}
		s.now = func() time.Time { return testNow.Add(2 * time.Hour) }
		if serials, loads := sweepAll(t, s); serials != 2 || loads != 2 {
			t.Errorf("got %d serials of %d loads, want those of two lists", serials, loads)
		}
	})
}

func TestALoadThatWasSweptIsNotGoneOnWith(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		n, err := s.BeginLoad(ctx, here)
		ok(t, err)
		s.now = func() time.Time { return testNow.Add(2 * time.Hour) }
		sweepAll(t, s)
		wantFault(t, s.AddRevoked(ctx, n, []crl.Entry{{Serial: "01"}}), fault.Conflict, "took too long")
		wantFault(t, s.FinishLoad(ctx, here, n, testList(1, "01")), fault.Conflict, "took too long")
		if serials, loads := sweepAll(t, s); serials != 0 || loads != 0 {
			t.Errorf("got %d serials of %d loads, want none", serials, loads)
		}
	})
}

func TestOriginsAreKeptOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		origin := func(n int) *fleet.Origin {
			return &fleet.Origin{Issuer: fmt.Sprintf("subject %d", n), KeyID: "aa", Points: []string{"http://x/"}}
		}
		list := make([]fleet.Certificate, 300)
		for i := range list {
			list[i] = *testCertificate(i)
			list[i].Provenance = &fleet.Provenance{Serial: fmt.Sprintf("%02x", i), Origin: origin(i % 3)}
		}
		ok(t, s.RegisterCertificates(ctx, here, list))
		ok(t, s.RegisterCertificates(ctx, there, list[:1]))
		ca := testIssuer(1, fleet.Origin{Issuer: "root"})
		for range 2 {
			ok(t, s.ImportIssuer(ctx, here, ca))
		}
		stale, err := s.StaleSources(ctx, here, testNow, 10)
		ok(t, err)
		if len(stale) != 4 || !slices.Equal(stale[0].Points, []string{"http://x/"}) || stale[0].KeyID != "aa" {
			t.Errorf("got %+v, want three origins and that of the issuer", stale)
		}
		issuers, err := s.IssuersNamed(ctx, here, "subject 1")
		ok(t, err)
		if len(issuers) != 1 || issuers[0].Origin.Issuer != "root" || !issuers[0].Signs(origin(1)) {
			t.Errorf("got %+v, want the issuer", issuers)
		}
		if other, err := s.IssuersNamed(ctx, there, "subject 1"); len(other) != 0 || err != nil {
			t.Errorf("got %+v, %v in another scope, want none", other, err)
		}
		var out []revocation.Outcome
		for _, o := range stale {
			out = append(out, revocation.Outcome{Source: o.ID, State: fleet.SourceTested, Issuers: []int64{issuers[0].Seq}})
		}
		ok(t, s.SaveOutcomes(ctx, here, testNow, out))
		out[0].State, out[0].Reason = fleet.SourceUntested, "late"
		ok(t, s.SaveOutcomes(ctx, here, testNow.Add(-time.Second), out[:1]))
		if left, err := s.StaleSources(ctx, here, testNow, 10); len(left) != 0 || err != nil {
			t.Errorf("got %+v, %v, want all looked at", left, err)
		}
		state, _, err := one(ctx, s.read, `SELECT state FROM crl_sources WHERE source = @source`,
			args{"source": stale[0].ID}, scalar[string])
		if state != string(fleet.SourceTested) || err != nil {
			t.Errorf("got %s, %v, want a newer look kept", state, err)
		}
	})
}

func TestAListComesInParts(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		parts := [][]byte{bytes.Repeat([]byte("a"), 70_000), []byte("b"), bytes.Repeat([]byte("c"), 70_000)}
		for _, n := range []int{2, 0, 1, 1} {
			ok(t, s.AddPart(ctx, here, "x", n, parts[n]))
		}
		ok(t, s.AddPart(ctx, there, "x", 0, []byte("there")))
		r, err := s.Upload(ctx, here, "x")
		ok(t, err)
		got, err := io.ReadAll(r)
		ok(t, err)
		if !bytes.Equal(got, bytes.Join(parts, nil)) {
			t.Errorf("got %d bytes, want the parts in their order", len(got))
		}
		ok(t, s.DropUpload(ctx, here, "x"))
		_, err = s.Upload(ctx, here, "x")
		wantFault(t, err, fault.NotFound, `"x"`)
		for i := range maxUploads {
			ok(t, s.AddPart(ctx, here, fmt.Sprint(i), 0, []byte("a")))
		}
		wantFault(t, s.AddPart(ctx, here, "more", 0, []byte("a")), fault.Limit, "being imported already")
		s.now = func() time.Time { return testNow.Add(2 * time.Hour) }
		sweepAll(t, s)
		ok(t, s.AddPart(ctx, here, "more", 0, []byte("a")))
	})
}

func TestCertificatesOfBeforeAreReadAgain(t *testing.T) {
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Old CA"})
	ok(t, err)
	leaf, err := ca.Issue(fixture.Template{CRLDistributionPoints: []string{"http://crl.example/"}})
	ok(t, err)
	parsed, err := pki.ParseCertificate(leaf.PEM)
	ok(t, err)
	const row = `INSERT INTO certificates (seq, scope, id, status, mode, ca_id, key_type, key_bits, roca, debian_digest,
		badkeys_digest, not_before, not_after, generation, customer_version, created_at, modified_at)
		VALUES (%d, 1, '%d', 'ACTIVE', 'DEFAULT', '', 'EC', 256, false, '', '', 1, 2, 'g', 1, 1, 1)`
	const seq = 1<<scopeShift + 1
	forEachUpgrade(t, 3, slices.Concat(scopesOfTests, []string{
		fmt.Sprintf(row, int64(seq), 1), fmt.Sprintf(row, int64(seq+1), 2),
		fmt.Sprintf(`INSERT INTO certificate_pems (seq, pem) VALUES (%d, '%s'), (%d, 'broken')`, int64(seq), leaf.PEM,
			int64(seq+1)),
		fmt.Sprintf(`INSERT INTO ca_certificates (seq, scope, id, status, mode, auto_registration, registration_config,
			subject, subject_key_id, key_type, key_bits, roca, debian_digest, badkeys_digest, not_before, not_after,
			generation, customer_version, created_at, modified_at, pem)
			VALUES (7, 1, '3', 'ACTIVE', 'DEFAULT', '', '', '', '', 'EC', 256, false, '', '', 1, 2, 'g', 1, 1, 1, '%s')`,
			ca.PEM),
	}), func(t *testing.T, s *Store) {
		ctx := context.Background()
		for more := true; more; {
			var err error
			more, err = s.ReadProvenance(ctx)
			ok(t, err)
		}
		for n, want := range map[int64]string{seq: parsed.Serial, seq + 1: ""} {
			got, _, err := one(ctx, s.read, `SELECT serial FROM certificates WHERE seq = @seq AND source <> 0`,
				args{"seq": n}, scalar[string])
			if got != want || err != nil {
				t.Errorf("got serial %q, %v, want %q", got, err, want)
			}
		}
		if list, err := s.IssuersNamed(ctx, here, parsed.IssuerMatch); len(list) != 1 || err != nil {
			t.Errorf("got %+v, %v, want the CA among the issuers", list, err)
		}
		stale, err := s.StaleSources(ctx, here, testNow, 10)
		if len(stale) != 2 || err != nil {
			t.Errorf("got %+v, %v, want the sources of the device and of the CA", stale, err)
		}
	})
}
