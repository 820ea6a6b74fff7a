package crl

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/pki"
)

var signedAt = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

func newSigner(t testing.TB) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(pkix.Name{CommonName: "signer"}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func signed(t testing.TB, a *pki.Authority, number int64, r *Revoked) []byte {
	t.Helper()
	der, err := Sign(a, Head{Number: number, ThisUpdate: signedAt, NextUpdate: signedAt.Add(24 * time.Hour)}, r)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// entry is an entry of a list in a form to be compared.
type entry struct {
	serial string
	reason int
	at     time.Time
}

func revoke(t testing.TB, list []entry) *Revoked {
	t.Helper()
	r := &Revoked{}
	for _, e := range list {
		if err := r.Add(e.serial, e.at, byte(e.reason)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// manyEntries are entries whose list has a length of any number of digits.
func manyEntries(n int) (list []entry) {
	for i := range n {
		list = append(list, entry{fmt.Sprintf("%02x%038x", i%255+1, i), []int{0, OnHold}[i%2], signedAt})
	}
	return list
}

func TestSignedListsAreRead(t *testing.T) {
	a := newSigner(t)
	for _, tt := range []struct {
		name string
		list []entry
	}{
		{"an empty list", nil},
		{"a revoked certificate", []entry{{"40", 0, signedAt}}},
		{"a certificate on hold", []entry{{"40", OnHold, signedAt}}},
		{"a serial number with a high bit", []entry{{"ff00", 0, signedAt}}},
		{"the longest serial number", []entry{{"ffffffffffffffffffffffffffffffffffffffff", OnHold, signedAt}}},
		{"a serial number of nought", []entry{{"00", 0, signedAt}}},
		{"a time far ahead", []entry{{"01", 0, time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)}}},
		{"a list of two digits of length", manyEntries(3)},
		{"of three", manyEntries(20)},
		{"of four", manyEntries(2000)},
	} {
		t.Run(tt.name, func(t *testing.T) { wantSigned(t, a, tt.list) })
	}
}

// A list of very many has a length of five digits.
func TestASignedListOfVeryManyIsRead(t *testing.T) {
	long(t)
	wantSigned(t, newSigner(t), manyEntries(400_000))
}

// wantSigned holds that a list says what it should when it is signed, and when it
// is signed again.
func wantSigned(t *testing.T, a *pki.Authority, list []entry) {
	t.Helper()
	r := revoke(t, list)
	for number := range int64(2) {
		wantList(t, a, signed(t, a, 127+number, r), 127+number, list)
	}
}

// wantList holds that a list says what it should, by the standard library and by
// what reads lists here.
func wantList(t *testing.T, a *pki.Authority, der []byte, number int64, want []entry) {
	t.Helper()
	std, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := std.CheckSignatureFrom(a.Certificate().X509()); err != nil {
		t.Error(err)
	}
	if std.Number.Cmp(big.NewInt(number)) != 0 || !std.ThisUpdate.Equal(signedAt) ||
		!std.NextUpdate.Equal(signedAt.Add(24*time.Hour)) ||
		hex.EncodeToString(std.AuthorityKeyId) != a.Certificate().SubjectKeyID {
		t.Errorf("got number %v from %v to %v of %x", std.Number, std.ThisUpdate, std.NextUpdate, std.AuthorityKeyId)
	}
	var got []entry
	for _, e := range std.RevokedCertificateEntries {
		serial := hex.EncodeToString(e.SerialNumber.Bytes())
		if serial == "" {
			serial = "00"
		}
		got = append(got, entry{serial, e.ReasonCode, e.RevocationTime})
	}
	if !slices.Equal(got, want) {
		t.Errorf("crypto/x509 reads %d entries, want %d, or others", len(got), len(want))
	}

	l, err := Read(bytes.NewReader(der))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Verify(a.Certificate()); err != nil {
		t.Error(err)
	}
	if err := l.Current(signedAt); err != nil {
		t.Error(err)
	}
	if l.Covers != CoversUser || l.Partial || l.Entries != int64(len(want)) {
		t.Errorf("got a list of %d that covers %q, partial %v", l.Entries, l.Covers, l.Partial)
	}
	got = got[:0]
	for e, err := range Entries(bytes.NewReader(der)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{e.Serial, e.Reason, e.Revoked})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d entries, want %d, or others", len(got), len(want))
	}
}

func TestWhatIsNoSerialNumberIsNotListed(t *testing.T) {
	for _, serial := range []string{"", "4", "xy", "000000000000000000000000000000000000000000"} {
		if err := new(Revoked).Add(serial, signedAt, 0); err == nil {
			t.Errorf("%q: got no error", serial)
		}
	}
}

// BenchmarkSignMillion is the whole way of a list of a million: encoding, and
// then what is done again and again, signing.
func BenchmarkSignMillion(b *testing.B) {
	a := newSigner(b)
	list := manyEntries(1_000_000)
	r := &Revoked{}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r = revoke(b, list)
		}
	})
	b.Run("sign", func(b *testing.B) {
		b.ReportAllocs()
		var der []byte
		for b.Loop() {
			der = signed(b, a, 1, r)
		}
		b.SetBytes(int64(len(der)))
		list = nil
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-held")
		runtime.KeepAlive(der)
	})
}
