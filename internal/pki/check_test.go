package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/pki/keyquality"
)

func ecKey(t *testing.T, curve elliptic.Curve) crypto.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

// rsaKey is a public key whose modulus has this many bits and no small factor
// that the tests would meet first.
func rsaKey(t *testing.T, bits uint, exponent int) *rsa.PublicKey {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	for n.SetBit(n, 0, 1); keyquality.Test(&rsa.PublicKey{N: n, E: 3}).SmallFactor; {
		n.Add(n, big.NewInt(2))
	}
	return &rsa.PublicKey{N: n, E: exponent}
}

func TestCheckDeviceByKey(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	even := rsaKey(t, 2048, 65537)
	even.N.Add(even.N, big.NewInt(1))
	for _, tt := range []struct {
		name string
		key  crypto.PublicKey
		want string // part of the refusal, "" for none
	}{
		{"RSA of 2048 bits", rsaKey(t, 2048, 65537), ""},
		{"RSA of 16384 bits", rsaKey(t, 16384, 65537), ""},
		{"RSA with exponent 3", rsaKey(t, 2048, 3), ""},
		{"P-256", ecKey(t, elliptic.P256()), ""},
		{"P-384", ecKey(t, elliptic.P384()), ""},
		{"P-521", ecKey(t, elliptic.P521()), ""},
		{"RSA of 2047 bits", rsaKey(t, 2047, 65537), "2047 bits"},
		{"RSA of 1024 bits", rsaKey(t, 1024, 65537), "1024 bits"},
		{"RSA of 16385 bits", rsaKey(t, 16385, 65537), "16385 bits"},
		{"RSA with an even modulus", even, "even"},
		{"RSA with exponent 1", rsaKey(t, 2048, 1), "exponent must be odd"},
		{"RSA with an even exponent", rsaKey(t, 2048, 65538), "exponent must be odd"},
		{"RSA with a huge exponent", rsaKey(t, 2048, 1<<32+1), "exponent is larger"},
		{"RSA with a small factor", fixture.SmallFactorKey(1), "small prime factor"},
		{"RSA with close primes", fixture.CloseKey(1), "too close"},
		{"P-224", ecKey(t, elliptic.P224()), "P-224"},
		{"Ed25519", edwards, "must be RSA, or EC"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, issue(t, ca, fixture.Template{CommonName: "d", Key: tt.key}))
			_, err := pki.CheckDevice(c)
			if tt.want != "" {
				wantFault(t, err, fault.CertificateInvalid, tt.want)
			} else if err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
		})
	}
}

func TestCheckDeviceByCertificate(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	nameless := newCA(t, fixture.Template{})
	reversed := fixture.Template{NotBefore: now, NotAfter: now.Add(-time.Second)}
	for _, tt := range []struct {
		name, text string
		want       string // part of the refusal, "" for none
	}{
		{"no subject", issue(t, ca, fixture.Template{}), ""},
		{"expired", issue(t, ca, fixture.Template{NotBefore: now.AddDate(-3, 0, 0), NotAfter: now.AddDate(-2, 0, 0)}), ""},
		{"not valid yet", issue(t, ca, fixture.Template{NotBefore: now.AddDate(0, 1, 0)}), ""},
		{"version 1", odd(t, "version1.pem"), ""},
		{"serial number 0", odd(t, "zero-serial.pem"), ""},
		{"signed with DSA and SHA-256", odd(t, "dsa-signed.pem"), ""},
		{"a CA certificate used by a device", ca.PEM, ""},
		{"a serial number of 21 bytes", odd(t, "long-serial.pem"), "serial number"},
		{"signed with SHA-1", odd(t, "sha1.pem"), "signature algorithm"},
		{"signed with SHA-224", odd(t, "sha224.pem"), "signature algorithm"},
		{"an RSA key that is for PSS only", odd(t, "pss-key.pem"), "must be RSA, or EC"},
		{"a DSA key", odd(t, "dsa-ca.pem"), "must be RSA, or EC"},
		{"no issuer", issue(t, nameless, fixture.Template{CommonName: "d"}), "no issuer"},
		{"a validity that ends before it begins", issue(t, ca, reversed), "ends before"},
		{"an endless key identifier", issue(t, ca, fixture.Template{
			Edit: func(c *x509.Certificate) { c.SubjectKeyId = make([]byte, 65) }}), "key identifiers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pki.CheckDevice(parse(t, tt.text))
			if tt.want != "" {
				wantFault(t, err, fault.CertificateInvalid, tt.want)
			} else if err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
		})
	}
}

func TestCheckDeviceBySignature(t *testing.T) {
	key, err := fixture.RSAKey()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := fixture.NewCAWithKey(around(fixture.Template{CommonName: "RSA CA"}), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, algorithm := range []x509.SignatureAlgorithm{
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	} {
		t.Run(algorithm.String(), func(t *testing.T) {
			c := parse(t, issue(t, ca, fixture.Template{CommonName: "d", SignatureAlgorithm: algorithm}))
			if _, err := pki.CheckDevice(c); err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
			if err := pki.Issued(parse(t, ca.PEM), c); err != nil {
				t.Errorf("got %v, want it verified", err)
			}
		})
	}
}

func TestCheckDeviceReturnsWhatTheKeyTestsFound(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	for _, tt := range []struct {
		name string
		key  *rsa.PublicKey
		want keyquality.Weaknesses
	}{
		{"a ROCA key is registered and known", &fixture.ROCAKey(1).PublicKey,
			keyquality.Weaknesses{ROCA: true}},
		{"a Debian key is registered", fixture.DebianKey(), keyquality.Weaknesses{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, issue(t, ca, fixture.Template{CommonName: "d", Key: tt.key}))
			got, err := pki.CheckDevice(c)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestCheckCA(t *testing.T) {
	edit := func(f func(*x509.Certificate)) string {
		return newCA(t, fixture.Template{CommonName: "Fleet CA", Edit: f}).PEM
	}
	root := newCA(t, fixture.Template{CommonName: "Root"})
	sub, err := root.Intermediate(around(fixture.Template{CommonName: "Sub"}))
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := root.Intermediate(around(fixture.Template{CommonName: "Root",
		Edit: func(c *x509.Certificate) { c.AuthorityKeyId = root.Certificate.SubjectKeyId }}))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := root.Intermediate(around(fixture.Template{CommonName: "Root",
		Edit: func(c *x509.Certificate) { c.SubjectKeyId = root.Certificate.SubjectKeyId }}))
	if err != nil {
		t.Fatal(err)
	}
	weak := issue(t, root, fixture.Template{CommonName: "Weak CA", Key: fixture.CloseKey(1),
		Edit: func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }})
	for _, tt := range []struct {
		name, text string
		want       string // part of the refusal, "" for none
	}{
		{"a root", root.PEM, ""},
		{"an intermediate", sub.PEM, ""},
		{"a new key under an old name, signed by the old key", renewed.PEM, ""},
		{"valid until this instant", newCA(t, fixture.Template{CommonName: "c", NotAfter: now}).PEM, ""},
		{"valid from this instant", newCA(t, fixture.Template{CommonName: "c", NotBefore: now}).PEM, ""},
		{"without key usage", edit(func(c *x509.Certificate) { c.KeyUsage = 0 }), ""},
		{"a second ago expired", newCA(t, fixture.Template{CommonName: "c", NotAfter: now.Add(-time.Second)}).PEM,
			"has expired"},
		{"valid from the next second", newCA(t, fixture.Template{CommonName: "c", NotBefore: now.Add(time.Second)}).PEM,
			"not valid yet"},
		{"a device certificate", issue(t, root, fixture.Template{CommonName: "d"}), "do not make it a CA"},
		{"without basic constraints", edit(func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = false, false }),
			"do not make it a CA"},
		{"version 1", odd(t, "version1-ca.pem"), "version 3"},
		{"a key usage without certificates", edit(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }),
			"key usage"},
		{"no subject", issue(t, root, fixture.Template{
			Edit: func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }}), "no subject"},
		{"a root that another key signed", forged.PEM, "has not signed itself"},
		{"a broken key", weak, "too close"},
		{"a DSA key", odd(t, "dsa-ca.pem"), "must be RSA, or EC"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pki.CheckCA(parse(t, tt.text), now)
			if tt.want != "" {
				wantFault(t, err, fault.CertificateInvalid, tt.want)
			} else if err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
		})
	}
}

func TestValidAt(t *testing.T) {
	ca := newCA(t, fixture.Template{Subject: &pkix.Name{CommonName: "c"}, NotBefore: now, NotAfter: now.Add(time.Hour)})
	c := parse(t, ca.PEM)
	for _, tt := range []struct {
		name string
		at   time.Time
		want bool
	}{
		{"before its start", now.Add(-time.Nanosecond), false},
		{"at its start", now, true},
		{"at its end", now.Add(time.Hour), true},
		{"after its end", now.Add(time.Hour + time.Nanosecond), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.ValidAt(tt.at); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
