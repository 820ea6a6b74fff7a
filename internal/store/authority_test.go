package store

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/pki"
)

// issuer is a CA of an account's own, stored.
type issuer struct {
	*pki.Authority
	ca identity.IssuingCA
}

func newIssuer(t *testing.T, s *Store, account string) issuer {
	t.Helper()
	a, err := pki.NewAuthority(pkix.Name{CommonName: "CA of " + account}, testNow)
	ok(t, err)
	i := issuer{a, identity.IssuingCA{
		ID: a.Certificate().ID, Account: account, Keys: []string{"k" + account, "l" + account}, Certificate: a.Certificate(),
	}}
	ok(t, s.KeepAuthority(context.Background(), &i.ca))
	return i
}

// issue registers a new certificate of the CA.
func (i issuer) issue(t *testing.T, s *Store, sc fleet.Scope) *fleet.Certificate {
	t.Helper()
	c := i.certificate(t)
	c.IssuedBy = i.ca.ID
	ok(t, s.RegisterCertificate(context.Background(), sc, c))
	return c
}

func (i issuer) certificate(t *testing.T) *fleet.Certificate {
	t.Helper()
	pair, err := i.IssueKeyPair(testNow)
	ok(t, err)
	c, err := fleet.NewCertificate(pair.Certificate, fleet.Active, testNow)
	ok(t, err)
	return c
}

// withdrawnOf are the serial numbers and states of all that a CA's revocation
// list has, of those that are registered, page by page, and of those deleted.
func (i issuer) withdrawnOf(t *testing.T, s *Store) (registered, ended []string) {
	t.Helper()
	ctx := context.Background()
	text := func(list []fleet.Issued) (out []string) {
		for _, i := range list {
			out = append(out, i.Serial+" "+string(i.Status))
		}
		return out
	}
	for after := ""; ; {
		list, next, err := s.Withdrawn(ctx, i.ca.Seq, after, 2)
		ok(t, err)
		registered = append(registered, text(list)...)
		if next == "" {
			break
		}
		after = next
	}
	list, err := s.Ended(ctx, i.ca.Seq, "", 10)
	ok(t, err)
	return registered, text(list)
}

func wantTexts(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestACAIsStoredOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		first := newIssuer(t, s, here.Account)
		newIssuer(t, s, there.Account)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				again := first.ca
				again.Seq = 0
				if err := s.KeepAuthority(ctx, &again); err != nil || again.Seq != first.ca.Seq {
					t.Errorf("got %d, %v, want the number %d", again.Seq, err, first.ca.Seq)
				}
			})
		}
		all.Wait()
		for _, find := range []func() (*identity.IssuingCA, error){
			func() (*identity.IssuingCA, error) { return s.Authority(ctx, first.ca.ID) },
			func() (*identity.IssuingCA, error) { return s.AuthorityOfKey(ctx, "l"+here.Account) },
		} {
			got, err := find()
			ok(t, err)
			if got.Seq != first.ca.Seq || got.ID != first.ca.ID || got.Account != here.Account {
				t.Errorf("got %+v, want %+v", got, first.ca)
			}
		}
		_, err := s.Authority(ctx, strings.Repeat("0", 64))
		wantFault(t, err, fault.NotFound, "")
		_, err = s.AuthorityOfKey(ctx, "k")
		wantFault(t, err, fault.NotFound, "")
	})
}

func TestRevocationListsAreNumberedUpwards(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		i := newIssuer(t, s, here.Account)
		var mu sync.Mutex
		var all sync.WaitGroup
		var got []int64
		for range 8 {
			all.Go(func() {
				for range 5 {
					n, err := s.NextListNumber(context.Background(), i.ca.Seq)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					got = append(got, n)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		slices.Sort(got)
		for i, n := range got {
			if n != int64(i+1) {
				t.Fatalf("got the numbers %v, want each from 1 to 40 once", got)
			}
		}
	})
}

func TestTheStateOfIssuedCertificates(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		i, other := newIssuer(t, s, here.Account), newIssuer(t, s, there.Account)
		active, inactive, revoked := i.issue(t, s, here), i.issue(t, s, here), i.issue(t, s, here)
		held, ended := i.issue(t, s, here), i.issue(t, s, here)
		other.issue(t, s, there)
		ok(t, s.SetCertificateStatus(ctx, here, inactive.ID, fleet.Inactive))
		ok(t, s.SetCertificateStatus(ctx, here, revoked.ID, fleet.Revoked))
		ok(t, s.SetCertificateStatus(ctx, here, held.ID, fleet.Inactive))
		ok(t, s.SetCertificateStatus(ctx, here, ended.ID, fleet.Revoked))
		ok(t, s.DeleteCertificate(ctx, here, held.ID, false))
		ok(t, s.DeleteCertificate(ctx, here, ended.ID, false))

		serial := func(c *fleet.Certificate) string { return c.Provenance.Serial }
		registered, deleted := i.withdrawnOf(t, s)
		wantTexts(t, "registered", registered, serial(inactive)+" INACTIVE", serial(revoked)+" REVOKED")
		wantTexts(t, "deleted", deleted, serial(held)+" INACTIVE", serial(ended)+" REVOKED")
		for c, want := range map[*fleet.Certificate]fleet.Status{
			active: fleet.Active, inactive: fleet.Inactive, revoked: fleet.Revoked, held: fleet.Inactive, ended: fleet.Revoked,
		} {
			got, err := s.IssuedCertificate(ctx, i.ca.Seq, serial(c))
			ok(t, err)
			if got.Status != want || !got.Changed.Equal(testNow.Truncate(time.Millisecond)) {
				t.Errorf("got %s of %v, want %s", got.Status, got.Changed, want)
			}
			_, err = s.IssuedCertificate(ctx, other.ca.Seq, serial(c))
			wantFault(t, err, fault.NotFound, "")
		}
		registered, deleted = other.withdrawnOf(t, s)
		wantTexts(t, "of another account", append(registered, deleted...))

		got, err := s.AuthoritiesOf(ctx, here, []string{active.ID, ended.ID})
		ok(t, err)
		if !slices.Equal(got, []int64{i.ca.Seq}) {
			t.Errorf("got the CAs %v, want %d", got, i.ca.Seq)
		}
		got, err = s.AuthoritiesOf(ctx, there, []string{active.ID})
		ok(t, err)
		if len(got) > 0 {
			t.Errorf("got the CAs %v of what is registered elsewhere, want none", got)
		}
	})
}

func TestACopyInAnotherAccountDecidesNothing(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		i := newIssuer(t, s, here.Account)
		c := i.issue(t, s, here)
		copied := *c
		copied.IssuedBy, copied.Status = "", fleet.Revoked
		ok(t, s.RegisterCertificate(ctx, there, &copied))
		registered, _ := i.withdrawnOf(t, s)
		wantTexts(t, "registered", registered)
	})
}

func TestATransferredCertificateStaysThatOfItsCA(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		i := newIssuer(t, s, here.Account)
		c := i.issue(t, s, here)
		ok(t, s.SetCertificateStatus(ctx, here, c.ID, fleet.Inactive))
		ok(t, s.TransferCertificate(ctx, here, &fleet.Transfer{Certificate: c.ID, To: there.Account}))
		registered, _ := i.withdrawnOf(t, s)
		wantTexts(t, "offered", registered, c.Provenance.Serial+" PENDING_TRANSFER")

		ok(t, s.AcceptTransfer(ctx, there, c.ID, true))
		registered, _ = i.withdrawnOf(t, s)
		wantTexts(t, "accepted", registered)
		got, err := s.AuthoritiesOf(ctx, there, []string{c.ID})
		ok(t, err)
		if !slices.Equal(got, []int64{i.ca.Seq}) {
			t.Errorf("got the CAs %v, want %d", got, i.ca.Seq)
		}
		ok(t, s.SetCertificateStatus(ctx, there, c.ID, fleet.Revoked))
		registered, _ = i.withdrawnOf(t, s)
		wantTexts(t, "revoked by its new owner", registered, c.Provenance.Serial+" REVOKED")
	})
}

func TestACertificateOfACAThatIsNotStoredIsNotRegistered(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		i := newIssuer(t, s, here.Account)
		c := i.certificate(t)
		c.IssuedBy = strings.Repeat("0", 64)
		if err := s.RegisterCertificate(context.Background(), here, c); err == nil {
			t.Error("got no error")
		}
	})
}

func TestCertificatesOfBeforeAreFoundToBeIssued(t *testing.T) {
	authority, err := pki.NewAuthority(pkix.Name{CommonName: "CA"}, testNow)
	ok(t, err)
	i := issuer{Authority: authority}
	issued, twice, foreign := i.certificate(t), i.certificate(t), issuer{Authority: otherAuthority(t)}.certificate(t)
	row := func(seq, scope int64, c *fleet.Certificate, pem string) []string {
		seq += scope << scopeShift
		return []string{fmt.Sprintf(`INSERT INTO certificates (seq, scope, id, status, mode, ca_id, key_type, key_bits, roca,
				debian_digest, badkeys_digest, not_before, not_after, generation, customer_version, created_at, modified_at,
				serial, source)
			VALUES (%d, %d, '%s', 'INACTIVE', 'DEFAULT', '', 'RSA', 2048, FALSE, '', '', 1, 4000000000000, 'g', 1, 1, 1,
				'%s', 1)`, seq, scope, c.ID, c.Provenance.Serial),
			fmt.Sprintf(`INSERT INTO certificate_pems (seq, pem) VALUES (%d, '%s')`, seq, pem)}
	}
	forEachUpgrade(t, 14, slices.Concat(scopesOfTests, []string{
		`INSERT INTO scopes (account, region) VALUES ('` + here.Account + `', 'eu-west-1')`,
	},
		row(1, 1, issued, issued.PEM), row(2, 1, twice, twice.PEM), row(3, 1, foreign, foreign.PEM),
		row(4, 1, &fleet.Certificate{ID: "unreadable", Provenance: &fleet.Provenance{}}, "nothing"),
		row(5, 3, twice, twice.PEM), // the same in another region
		row(6, 2, issued, issued.PEM),
	), func(t *testing.T, s *Store) {
		i := i
		i.ca = identity.IssuingCA{ID: authority.Certificate().ID, Account: here.Account, Certificate: authority.Certificate()}
		ctx := context.Background()
		ok(t, s.KeepAuthority(ctx, &i.ca))
		own := func(_ context.Context, account string) (*identity.IssuingCA, error) {
			if account == here.Account {
				return &i.ca, nil
			}
			return nil, nil
		}
		for more := true; more; {
			var err error
			more, err = s.ReadIssuers(ctx, own)
			ok(t, err)
		}
		registered, _ := i.withdrawnOf(t, s)
		wantTexts(t, "issued", registered, issued.Provenance.Serial+" INACTIVE", twice.Provenance.Serial+" INACTIVE")
		n, err := count(ctx, s.read, `SELECT count(*) FROM certificates WHERE issued_by > 0 AND seq < 2199023255552`, nil)
		ok(t, err)
		if n != 2 {
			t.Errorf("got %d certificates of the first region, want both that were issued", n)
		}
	})
}

func otherAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(pkix.Name{CommonName: "CA"}, testNow)
	ok(t, err)
	return a
}
