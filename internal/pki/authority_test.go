package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

var endOf2049 = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)

func TestNewAuthorityCanBeRegisteredLikeAnyCA(t *testing.T) {
	c := newAuthority(t).Certificate()
	if _, err := pki.CheckCA(c, now); err != nil {
		t.Errorf("got %v, want it accepted", err)
	}
	if !c.NotAfter.Equal(endOf2049) || c.Subject != "CN=Cordon IoT CA,OU=123456789012" {
		t.Errorf("got %q until %v", c.Subject, c.NotAfter)
	}
}

func TestLoadAuthorityIssuesAsBefore(t *testing.T) {
	a := newAuthority(t)
	key, err := a.MarshalKey()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := pki.LoadAuthority(a.Certificate().PEM, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := loaded.IssueFromCSR(request(t, pkix.Name{CommonName: "d"}), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.Issued(a.Certificate(), c); err != nil {
		t.Errorf("got %v, want a certificate of the first authority", err)
	}
}

func TestLoadAuthorityRefuses(t *testing.T) {
	a := newAuthority(t)
	otherKey, err := newAuthority(t).MarshalKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, certificate string
		key               []byte
		want              string
	}{
		{"the key of another CA", a.Certificate().PEM, otherKey, "not the key of"},
		{"what is no key", a.Certificate().PEM, []byte("hello"), "PKCS #8"},
		{"what is no certificate", "hello", otherKey, "read CA certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := pki.LoadAuthority(tt.certificate, tt.key); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
		})
	}
}

func requestText(t *testing.T, subject pkix.Name, key crypto.Signer) string {
	t.Helper()
	text, err := fixture.Request(subject, key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func request(t *testing.T, subject pkix.Name) *pki.Request {
	t.Helper()
	key, err := fixture.ECKey()
	if err != nil {
		t.Fatal(err)
	}
	r, err := pki.ParseCSR(requestText(t, subject, key))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestIssueFromCSR(t *testing.T) {
	a := newAuthority(t)
	r := request(t, pkix.Name{CommonName: "pump-1", Organization: []string{"Pumps"}})
	c, err := a.IssueFromCSR(r, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.IssueFromCSR(r, now)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID == c.ID {
		t.Error("got one certificate for two calls, want two")
	}
	if c.Subject != "CN=pump-1,O=Pumps" || c.IsCA || !c.NotAfter.Equal(endOf2049) || !c.ValidAt(now) {
		t.Errorf("got %q, CA %v, %v to %v", c.Subject, c.IsCA, c.NotBefore, c.NotAfter)
	}
	if !r.PublicKey.(*ecdsa.PublicKey).Equal(c.PublicKey) {
		t.Error("got another key than the request's")
	}
	if err := pki.Issued(a.Certificate(), c); err != nil {
		t.Errorf("got %v, want it signed by the authority", err)
	}
	if _, err := pki.CheckDevice(c); err != nil {
		t.Errorf("got %v, want it accepted", err)
	}
	nameless, err := a.IssueFromCSR(request(t, pkix.Name{}), now)
	if err != nil {
		t.Fatal(err)
	}
	if nameless.CommonName != pki.DeviceCommonName {
		t.Errorf("got common name %q, want %q", nameless.CommonName, pki.DeviceCommonName)
	}
}

func TestIssueKeyPair(t *testing.T) {
	a := newAuthority(t)
	pair, err := a.IssueKeyPair(now)
	if err != nil {
		t.Fatal(err)
	}
	c := pair.Certificate
	if c.KeyType != pki.RSA || c.KeyBits != 2048 || c.CommonName != pki.DeviceCommonName || !c.NotAfter.Equal(endOf2049) {
		t.Errorf("got %s %d %q until %v", c.KeyType, c.KeyBits, c.CommonName, c.NotAfter)
	}
	if serial, _ := new(big.Int).SetString(c.Serial, 16); serial.BitLen() < 120 || serial.BitLen() > 127 {
		t.Errorf("got a serial of %d bits, want 128 or a little less", serial.BitLen())
	}
	private, _ := pem.Decode([]byte(pair.PrivateKey))
	if private == nil || private.Type != "RSA PRIVATE KEY" {
		t.Fatal("got no RSA PRIVATE KEY block")
	}
	key, err := x509.ParsePKCS1PrivateKey(private.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := pem.Decode([]byte(pair.PublicKey))
	if public == nil || public.Type != "PUBLIC KEY" {
		t.Fatal("got no PUBLIC KEY block")
	}
	parsed, err := x509.ParsePKIXPublicKey(public.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(c.PublicKey) || !key.PublicKey.Equal(parsed) {
		t.Error("got three keys that do not belong together")
	}
	if err := pki.Issued(a.Certificate(), c); err != nil {
		t.Errorf("got %v, want it signed by the authority", err)
	}
}

func TestParseCSR(t *testing.T) {
	key, err := fixture.ECKey()
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := requestText(t, pkix.Name{CommonName: "d"}, key)
	block, _ := pem.Decode([]byte(good))
	block.Bytes[len(block.Bytes)-1] ^= 1
	forged := string(pem.EncodeToMemory(block))
	for _, tt := range []struct {
		name, text string
		want       string // part of the refusal, "" for none
	}{
		{"a request", "\n" + good + "\n", ""},
		{"a request under the old label", odd(t, "new-request.csr"), ""},
		{"a ROCA key is left to the audit", requestText(t, pkix.Name{CommonName: "d"}, fixture.ROCAKey(1)), ""},
		{"nothing", "", "must begin with"},
		{"a certificate", newCA(t, fixture.Template{CommonName: "c"}).PEM, "another type"},
		{"two requests", good + good, "more than one"},
		{"a text over the limit", good + strings.Repeat("\n", pki.MaxRequestPEM), "longer than 4096"},
		{"what is no request", "-----BEGIN CERTIFICATE REQUEST-----\naGVsbG8=\n-----END CERTIFICATE REQUEST-----",
			"cannot be read"},
		{"a signature by another key", forged, "not signed with its own key"},
		{"a curve that is not accepted", requestText(t, pkix.Name{CommonName: "d"}, p224), "P-224"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pki.ParseCSR(tt.text)
			if tt.want != "" {
				wantFault(t, err, fault.Invalid, tt.want)
			} else if err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
		})
	}
}

func BenchmarkIssue(b *testing.B) {
	a := newAuthority(b)
	key, err := fixture.ECKey()
	if err != nil {
		b.Fatal(err)
	}
	text, err := fixture.Request(pkix.Name{CommonName: "d"}, key)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("CSR", func(b *testing.B) {
		for b.Loop() {
			r, err := pki.ParseCSR(text)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := a.IssueFromCSR(r, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("key pair", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.IssueKeyPair(now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
