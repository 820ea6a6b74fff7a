package crl

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"iter"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func newCA(t testing.TB, name string) (*fixture.CA, *pki.Certificate) {
	t.Helper()
	ca, err := fixture.NewCA(fixture.Template{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	return ca, parsed(t, ca)
}

func parsed(t testing.TB, ca *fixture.CA) *pki.Certificate {
	t.Helper()
	c, err := pki.ParseCertificate(ca.PEM)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func list(t testing.TB, ca *fixture.CA, r fixture.Revocations) []byte {
	t.Helper()
	der, err := ca.CRL(r)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func serials(n ...int64) iter.Seq[fixture.Revoked] {
	return func(yield func(fixture.Revoked) bool) {
		for _, v := range n {
			if !yield(fixture.Revoked{Serial: big.NewInt(v), Reason: 1}) {
				return
			}
		}
	}
}

func entries(t testing.TB, der []byte) (list []string) {
	t.Helper()
	for e, err := range Entries(bytes.NewReader(der)) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s/%d", e.Serial, e.Reason))
	}
	return list
}

// What the standard library makes is read as the standard library reads it.
func TestAListIsReadAsItWasWritten(t *testing.T) {
	ca, issuer := newCA(t, "Issuer  CA")
	now := time.Now().UTC().Truncate(time.Second)
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(0x1234), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: big.NewInt(0x80), RevocationTime: now, ReasonCode: 6},
			{SerialNumber: big.NewInt(0), RevocationTime: time.Date(2051, 1, 1, 0, 0, 0, 0, time.UTC)},
			{SerialNumber: new(big.Int).Lsh(big.NewInt(1), 158), RevocationTime: now, ReasonCode: 1},
			{SerialNumber: new(big.Int).Lsh(big.NewInt(1), 170), RevocationTime: now},
			{SerialNumber: big.NewInt(9), RevocationTime: now, ReasonCode: removeFromCRL},
			{SerialNumber: big.NewInt(0x80), RevocationTime: now, ReasonCode: 6},
		},
	}, ca.Certificate, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Read(iotest.OneByteReader(bytes.NewReader(der)))
	if err != nil {
		t.Fatal(err)
	}
	if l.IssuerMatch != issuer.SubjectMatch || l.AuthorityKeyID != issuer.SubjectKeyID || l.Entries != 6 ||
		l.Number != strings.Repeat("0", 36)+"1234" || !l.NextUpdate.Equal(now.Add(time.Hour)) ||
		!l.ThisUpdate.Equal(now.Add(-time.Hour)) || l.Partial || l.Covers != CoversAll || len(l.Digest) != 64 {
		t.Errorf("got %+v", l)
	}
	if err := l.Verify(issuer); err != nil {
		t.Error(err)
	}
	want := []string{"80/6", "00/0", "40" + strings.Repeat("00", 19) + "/1", "80/6"}
	if got := entries(t, der); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for range Entries(bytes.NewReader(der)) {
		break // leaving early is no error
	}
}

func TestWhoMaySignAList(t *testing.T) {
	ca, issuer := newCA(t, "Issuer")
	_, namesake := newCA(t, "Issuer")
	_, other := newCA(t, "Other")
	without, err := fixture.NewCA(fixture.Template{CommonName: "Issuer", Edit: func(c *x509.Certificate) {
		c.KeyUsage = x509.KeyUsageCertSign
	}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Read(bytes.NewReader(list(t, ca, fixture.Revocations{})))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		issuer *pki.Certificate
		want   string
	}{
		{"its issuer", issuer, ""},
		{"one of the same name", namesake, "not signed with the key"},
		{"another", other, "names another issuer"},
		{"one whose key is not for lists", parsed(t, without), "does not allow the key"},
	} {
		wantRefusal(t, tt.name, l.Verify(tt.issuer), tt.want)
	}
}

func wantRefusal(t *testing.T, name string, err error, part string) {
	t.Helper()
	if part == "" && err == nil {
		return
	}
	if !fault.Is(err, fault.Invalid) || part == "" || !strings.Contains(err.Error(), part) {
		t.Errorf("%s: got %v, want an Invalid fault that says %q", name, err, part)
	}
}

func TestSignaturesByEveryAlgorithm(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	byRSA, err := fixture.NewCAWithKey(fixture.Template{CommonName: "RSA"}, key)
	if err != nil {
		t.Fatal(err)
	}
	byEC, _ := newCA(t, "EC")
	for _, tt := range []struct {
		ca        *fixture.CA
		algorithm x509.SignatureAlgorithm
	}{
		{byRSA, x509.SHA256WithRSA}, {byRSA, x509.SHA384WithRSA}, {byRSA, x509.SHA512WithRSA},
		{byRSA, x509.SHA256WithRSAPSS}, {byRSA, x509.SHA384WithRSAPSS}, {byRSA, x509.SHA512WithRSAPSS},
		{byEC, x509.ECDSAWithSHA256}, {byEC, x509.ECDSAWithSHA384}, {byEC, x509.ECDSAWithSHA512},
	} {
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now(), SignatureAlgorithm: tt.algorithm,
		}, tt.ca.Certificate, tt.ca.Key)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Read(bytes.NewReader(der))
		if err != nil {
			t.Fatalf("%s: %v", tt.algorithm, err)
		}
		if err := l.Verify(parsed(t, tt.ca)); err != nil {
			t.Errorf("%s: %v", tt.algorithm, err)
		}
		other := byRSA
		if tt.ca == byRSA {
			other = byEC
		}
		l.IssuerMatch = parsed(t, other).SubjectMatch
		wantRefusal(t, "another kind of key", l.Verify(parsed(t, other)), "not signed with the key")
	}
}

func TestWhenAListIsCurrent(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		from, to time.Time
		want     string
	}{
		{"within its time", now.Add(-time.Hour), now.Add(time.Hour), ""},
		{"at its last instant", now.Add(-time.Hour), now, ""},
		{"a second later", now.Add(-time.Hour), now.Add(-time.Second), "expired"},
		{"a little before its time, as clocks differ", now.Add(skew), now.Add(time.Hour), ""},
		{"before its time", now.Add(skew + time.Second), now.Add(time.Hour), "not valid before"},
		{"without an end", now.Add(-time.Hour), time.Time{}, "when the next one is due"},
	} {
		wantRefusal(t, tt.name, (&List{ThisUpdate: tt.from, NextUpdate: tt.to}).Current(now), tt.want)
	}
}

func TestEveryByteOfAListCounts(t *testing.T) {
	ca, issuer := newCA(t, "Issuer")
	der := list(t, ca, fixture.Revocations{Entries: serials(1, 2, 3)})
	for i := range der {
		if _, err := Read(bytes.NewReader(der[:i])); !fault.Is(err, fault.Invalid) {
			t.Fatalf("cut off after %d bytes: got %v, want a refusal", i, err)
		}
		changed := slices.Clone(der)
		changed[i] ^= 0x04
		l, err := Read(bytes.NewReader(changed))
		if err == nil {
			err = l.Verify(issuer)
		}
		if err == nil {
			t.Errorf("byte %d changed: got a list that is believed", i)
		}
	}
	_, err := Read(bytes.NewReader(append(slices.Clone(der), 0)))
	wantRefusal(t, "a byte behind its end", err, "behind its end")
	_, err = Read(iotest.ErrReader(io.ErrNoProgress))
	if fault.From(err) != nil {
		t.Errorf("got the fault %v of a reader that fails, want its error", err)
	}
}

func point(parts ...byte) pkix.Extension {
	return extensionOf(28, true, append([]byte{tagSequence, byte(len(parts))}, parts...))
}

func extensionOf(last int, critical bool, value []byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, last}, Critical: critical, Value: value}
}

// from is the issuing distribution point of a URL.
func from(url string, more ...byte) pkix.Extension {
	name := append([]byte{0x86, byte(len(url))}, url...)
	name = append([]byte{0xa0, byte(len(name))}, name...)
	return point(append(append([]byte{0xa0, byte(len(name))}, name...), more...)...)
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	ca, _ := newCA(t, "Issuer")
	entry := func(x pkix.Extension) fixture.Revocations {
		return fixture.Revocations{Entries: func(yield func(fixture.Revoked) bool) {
			yield(fixture.Revoked{Serial: big.NewInt(1), Extensions: []pkix.Extension{x}})
		}}
	}
	whole := func(x pkix.Extension) fixture.Revocations {
		return fixture.Revocations{Extensions: []pkix.Extension{x}}
	}
	for _, tt := range []struct {
		name string
		r    fixture.Revocations
		want string
	}{
		{"a delta list", whole(extensionOf(27, true, []byte{2, 1, 1})), "delta"},
		{"a critical extension", whole(extensionOf(99, true, []byte{5, 0})), "critical extension that is not known"},
		{"an extension that is not critical", whole(extensionOf(99, false, []byte{5, 0})), ""},
		{"an indirect list", whole(point(0x84, 1, 0xff)), "indirect"},
		{"a list of some reasons", whole(point(0x83, 2, 0, 0x40)), "some reasons"},
		{"a list of attribute certificates", whole(point(0x85, 1, 0xff)), "not supported"},
		{"an entry of another issuer", entry(extensionOf(29, true, []byte{0x30, 0})), "indirect"},
		{"an entry with a critical extension", entry(extensionOf(99, true, []byte{5, 0})), "an entry of it"},
		{"an entry with another extension", entry(extensionOf(24, false, []byte{5, 0})), ""},
		{"a reason that is none", entry(extensionOf(21, false, []byte{5, 0})), "reason"},
	} {
		_, err := Read(bytes.NewReader(list(t, ca, tt.r)))
		wantRefusal(t, tt.name, err, tt.want)
	}
	negative := list(t, ca, fixture.Revocations{Entries: serials(5)})
	i := bytes.Index(negative, []byte{tagInteger, 1, 5})
	negative[i+2] = 0xfb
	_, err := Read(bytes.NewReader(negative))
	wantRefusal(t, "a negative serial number", err, "negative")
}

func TestListsAboutAPartOfTheCertificates(t *testing.T) {
	ca, _ := newCA(t, "Issuer")
	const url = "http://crl.example/7"
	for _, tt := range []struct {
		name               string
		x                  pkix.Extension
		user, authorities  bool
		here, fromSomebody bool
	}{
		{"of one point", from(url), true, true, true, false},
		{"of one point, without CAs", from(url, 0x81, 1, 0xff), true, false, true, false},
		{"of CAs", point(0x82, 1, 0xff), false, true, true, true},
		{"of a relative name", point(0xa0, 2, 0xa1, 0), true, true, false, false},
		{"with switches that are off", point(0x81, 1, 0, 0x84, 1, 0), true, true, true, true},
	} {
		l, err := Read(bytes.NewReader(list(t, ca, fixture.Revocations{Extensions: []pkix.Extension{tt.x}})))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := [4]bool{l.About(false), l.About(true), l.From(url) == nil, l.From("http://elsewhere/") == nil}
		if want := [4]bool{tt.user, tt.authorities, tt.here, tt.fromSomebody}; got != want {
			t.Errorf("%s: got %v, want %v", tt.name, got, want)
		}
	}
}

func TestAnEndlessListIsRefused(t *testing.T) {
	_, err := Read(&repeat{entry: []byte{0}})
	wantRefusal(t, "endless zeros", err, "not the DER form")
	huge := bytes.NewReader([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	_, err = Read(io.MultiReader(huge, &repeat{entry: []byte{0x30}}))
	wantRefusal(t, "a length of four gigabytes", err, "larger than")
}

// It is the beginning of a list, and then entries without end.
func TestAListOfVeryManyTooManyIsRefused(t *testing.T) {
	long(t)
	ca, _ := newCA(t, "Issuer")
	der := list(t, ca, fixture.Revocations{Entries: serials(1)})
	i := bytes.Index(der, ca.Certificate.RawSubject) + len(ca.Certificate.RawSubject) + 2*15
	head := append([]byte{0x30, 0x84, 0x0f, 0xff, 0xff, 0x00, 0x30, 0x84, 0x0f, 0xff, 0xfe, 0x00}, der[8:i]...)
	head = append(head, 0x30, 0x84, 0x0f, 0xff, 0xfd, 0x00)
	entry := appendOf(0x30, appendOf(tagInteger, []byte{1}), appendOf(tagUTCTime, []byte("260101000000Z")))
	_, err := Read(io.MultiReader(bytes.NewReader(head), &repeat{entry: entry}))
	wantRefusal(t, "endless entries", err, "more than 8000000 entries")
}

func appendOf(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append([]byte{tag, byte(len(content))}, content...)
}

// repeat reads the same bytes for ever.
type repeat struct {
	entry []byte
	at    int
}

func (r *repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.entry[r.at%len(r.entry)]
		r.at++
	}
	return len(p), nil
}

func FuzzRead(f *testing.F) {
	ca, issuer := newCA(f, "Issuer")
	f.Add(list(f, ca, fixture.Revocations{Entries: serials(1, 2)}))
	f.Add(list(f, ca, fixture.Revocations{Extensions: []pkix.Extension{from("http://crl.example/")}}))
	f.Add([]byte{0x30, 0x84, 0xff})
	f.Fuzz(func(t *testing.T, der []byte) {
		l, err := Read(bytes.NewReader(der))
		if err != nil {
			if fault.From(err) == nil {
				t.Errorf("got %v, want a fault", err)
			}
			return
		}
		n := int64(0)
		for _, err := range Entries(bytes.NewReader(der)) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n > l.Entries {
			t.Errorf("got %d entries of %d", n, l.Entries)
		}
		theirs, err := x509.ParseRevocationList(der)
		if l.Verify(issuer) == nil && (err != nil || theirs.CheckSignatureFrom(issuer.X509()) != nil) {
			t.Errorf("the signature is believed, by the standard library it is not")
		}
	})
}

func BenchmarkReadAMillion(b *testing.B) {
	ca, _ := newCA(b, "Issuer")
	der := list(b, ca, fixture.Revocations{Entries: func(yield func(fixture.Revoked) bool) {
		base := new(big.Int).Lsh(big.NewInt(1), 126)
		for i := range int64(1_000_000) {
			if !yield(fixture.Revoked{Serial: new(big.Int).Add(base, big.NewInt(i*7919)), Reason: 1}) {
				return
			}
		}
	}})
	b.SetBytes(int64(len(der)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bytes.NewReader(der)); err != nil {
			b.Fatal(err)
		}
	}
}
