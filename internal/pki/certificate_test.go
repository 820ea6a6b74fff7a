package pki_test

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/pki/keyquality"
)

func TestParseCertificateReadsEachField(t *testing.T) {
	ca := newCA(t, fixture.Template{Subject: &pkix.Name{Organization: []string{"Pumps, Inc."}, CommonName: "Fleet CA"}})
	text := issue(t, ca, fixture.Template{
		CommonName: "pump-1", Serial: big.NewInt(0x0a1b2c),
		CRLDistributionPoints: []string{"http://crl.example.com/1.crl", "ldap://example.com/cn=1"},
	})
	c := parse(t, text)
	block, _ := pem.Decode([]byte(text))
	sum := sha256.Sum256(block.Bytes)
	for _, tt := range []struct{ name, got, want string }{
		{"ID", c.ID, hex.EncodeToString(sum[:])},
		{"PEM", c.PEM, text},
		{"Subject", c.Subject, "CN=pump-1"},
		{"Issuer", c.Issuer, `CN=Fleet CA,O=Pumps\, Inc.`},
		{"CommonName", c.CommonName, "pump-1"},
		{"Serial", c.Serial, "0a1b2c"},
		{"SerialText", c.SerialText(), "0a:1b:2c"},
		{"AuthorityKeyID", c.AuthorityKeyID, hex.EncodeToString(ca.Certificate.SubjectKeyId)},
		{"KeyType", string(c.KeyType), "EC"},
		{"Curve", c.Curve, "P-256"},
		{"SignatureAlgorithm", c.SignatureAlgorithm, "ECDSA-SHA256"},
		{"CRLDistributionPoints", strings.Join(c.CRLDistributionPoints, " "),
			"http://crl.example.com/1.crl ldap://example.com/cn=1"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	if c.KeyBits != 256 || c.IsCA || !c.NotBefore.Equal(now.AddDate(-1, 0, 0)) || !c.NotAfter.Equal(now.AddDate(1, 0, 0)) {
		t.Errorf("got %d bits, CA %v, %v to %v", c.KeyBits, c.IsCA, c.NotBefore, c.NotAfter)
	}
	if c := parse(t, ca.PEM); !c.IsCA || c.SubjectKeyID == "" {
		t.Errorf("got CA %v with key id %q, want a CA with one", c.IsCA, c.SubjectKeyID)
	}
}

func TestParseCertificateDescribesKeys(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	c := parse(t, issue(t, ca, fixture.Template{CommonName: "d", Key: fixture.DebianKey()}))
	if c.KeyType != pki.RSA || c.KeyBits != 2048 || c.Curve != "" {
		t.Errorf("got %s %d %q, want RSA 2048", c.KeyType, c.KeyBits, c.Curve)
	}
	c = parse(t, odd(t, "dsa-ca.pem"))
	if c.KeyType != pki.OtherKey || c.KeyBits != 0 {
		t.Errorf("got %s %d, want another key of no length", c.KeyType, c.KeyBits)
	}
	if c := parse(t, odd(t, "zero-serial.pem")); c.Serial != "00" || c.SerialText() != "00" {
		t.Errorf("got serial %q, want 00", c.Serial)
	}
}

func TestParseCertificateTakesWhatIsOneCertificate(t *testing.T) {
	text := issue(t, newCA(t, fixture.Template{CommonName: "Fleet CA"}), fixture.Template{CommonName: "d"})
	for _, tt := range []struct{ name, text string }{
		{"white space around it", "\n \t" + text + "\r\n\n "},
		{"Windows line ends", strings.ReplaceAll(text, "\n", "\r\n")},
		{"no line end after it", strings.TrimSpace(text)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, tt.text).PEM; got != text {
				t.Errorf("got %q, want the canonical form", got)
			}
		})
	}
}

func TestParseCertificateRefusesTheRest(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	text := issue(t, ca, fixture.Template{CommonName: "secretname"})
	middle := strings.Split(text, "\n")[3]
	block, _ := pem.Decode([]byte(text))
	withHeaders := string(pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: block.Bytes}))
	trailing := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: append(slices.Clone(block.Bytes), 0)}))
	nul := issue(t, ca, fixture.Template{Subject: &pkix.Name{CommonName: "good.example\x00.evil.example"}})
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "must begin with"},
		{"white space", " \n", "must begin with"},
		{"no PEM", "hello", "must begin with"},
		{"text before it", "subject=CN\n" + text, "must begin with"},
		{"text after it", text + "hello", "other text"},
		{"two certificates", text + ca.PEM, "more than one certificate"},
		{"a broken certificate before a good one", strings.Replace(text, middle, "!!!", 1) + ca.PEM, "incomplete"},
		{"a cut certificate", text[:len(text)-30], "incomplete"},
		{"another type of block", strings.ReplaceAll(text, "CERTIFICATE", "X509 CRL"), "another type"},
		{"a trusted certificate of openssl", strings.ReplaceAll(text, "CERTIFICATE", "TRUSTED CERTIFICATE"), "another type"},
		{"a block with headers", withHeaders, "headers"},
		{"bytes after the certificate", trailing, "trailing data"},
		{"an empty block", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "cannot be read"},
		{"a text over the limit", text + strings.Repeat(" ", pki.MaxCertificatePEM), "longer than 65536"},
		{"a negative serial number", odd(t, "negative-serial.pem"), "negative serial"},
		{"a NUL in a name", nul, "NUL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := pki.ParseCertificate(tt.text)
			if c != nil {
				t.Error("got a certificate, want none")
			}
			wantFault(t, err, fault.CertificateInvalid, tt.want)
			if strings.Contains(err.Error(), middle) || strings.Contains(err.Error(), "secretname") {
				t.Errorf("got %q, want nothing of what was sent", err)
			}
		})
	}
}

func TestParseChain(t *testing.T) {
	root := newCA(t, fixture.Template{CommonName: "Root"})
	sub, err := root.Intermediate(around(fixture.Template{CommonName: "Sub"}))
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, sub, fixture.Template{CommonName: "d"})
	chain, err := pki.ParseChain(leaf + "\n\n" + sub.PEM + root.PEM)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range chain {
		got = append(got, c.CommonName)
	}
	if want := []string{"d", "Sub", "Root"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	_, err = pki.ParseChain(strings.Repeat(leaf, pki.MaxChain+1))
	wantFault(t, err, fault.CertificateInvalid, "more than 10")
	_, err = pki.ParseChain(leaf + "and\n" + root.PEM)
	wantFault(t, err, fault.CertificateInvalid, "other text")
	_, err = pki.ParseChain("")
	wantFault(t, err, fault.CertificateInvalid, "must begin with")
}

func TestNames(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	multi := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "second"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "first"},
		{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: "x"},
	}}
	for _, tt := range []struct {
		name    string
		subject pkix.Name
		want    string
	}{
		{"the order of the certificate is kept, reversed", multi, "1.2.3=#130178,O=first,CN=second"},
		{"special characters are escaped", pkix.Name{CommonName: `a+b,"c"\<d>;`}, `CN=a\+b\,\"c\"\\\<d\>\;`},
		{"control characters are replaced", pkix.Name{CommonName: "a\x1b[31mb\nc"}, "CN=a\uFFFD[31mb\uFFFDc"},
		{"an empty name is empty", pkix.Name{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, issue(t, ca, fixture.Template{Subject: &tt.subject})).Subject; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("case, spaces and string types do not tell names apart", func(t *testing.T) {
		one := parse(t, issue(t, ca, fixture.Template{Subject: &pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("Fleet  ca")}},
		}}}))
		if ca := parse(t, ca.PEM); one.SubjectMatch != ca.SubjectMatch {
			t.Errorf("got %q and %q apart, want them equal", one.Subject, ca.Subject)
		}
		other := parse(t, issue(t, ca, fixture.Template{CommonName: "Fleet CB"}))
		if one.SubjectMatch == other.SubjectMatch {
			t.Errorf("got %q and %q equal, want them apart", one.Subject, other.Subject)
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	ca := newCA(f, fixture.Template{CommonName: "Fleet CA"})
	seeds := []string{
		ca.PEM,
		issue(f, ca, fixture.Template{CommonName: "d", CRLDistributionPoints: []string{"http://example.com/crl"}}),
		issue(f, ca, fixture.Template{CommonName: "d", Key: fixture.SmallFactorKey(1)}),
	}
	for _, name := range []string{
		"version1.pem", "negative-serial.pem", "long-serial.pem", "zero-serial.pem", "dsa-ca.pem", "dsa-signed.pem",
		"sha1.pem", "pss-key.pem",
	} {
		seeds = append(seeds, odd(f, name))
	}
	for _, seed := range seeds {
		block, _ := pem.Decode([]byte(seed))
		f.Add(seed)
		f.Add(string(block.Bytes))
	}
	f.Add("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
	issuer := parse(f, ca.PEM)
	f.Fuzz(func(t *testing.T, text string) {
		checkParsed(t, issuer, text)
		// The base64 around it keeps the fuzzer from ever changing DER.
		checkParsed(t, issuer, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(text)})))
	})
}

func checkParsed(t *testing.T, issuer *pki.Certificate, text string) {
	t.Helper()
	c, err := pki.ParseCertificate(text)
	if err != nil {
		if !fault.Is(err, fault.CertificateInvalid) || !storable(err.Error()) {
			t.Errorf("got %v, want a fault with a clean text", err)
		}
		return
	}
	for _, text := range append(c.CRLDistributionPoints, c.Subject, c.Issuer, c.CommonName) {
		if !storable(text) {
			t.Errorf("got %q, want text that can be stored", text)
		}
	}
	again, err := pki.ParseCertificate(c.PEM)
	if err != nil || again.ID != c.ID {
		t.Errorf("got %v, want the canonical PEM to be the same certificate", err)
	}
	if _, err := pki.CheckCA(c, now); err == nil && c.KeyBits > keyquality.MaxRSABits {
		t.Error("got an overlong key accepted")
	}
	if err := pki.Issued(issuer, c); err != nil && fault.From(err) == nil {
		t.Errorf("got %v, want a fault", err)
	}
}

func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

func BenchmarkParseCertificate(b *testing.B) {
	ca := newCA(b, fixture.Template{CommonName: "Fleet CA"})
	rsaKey, err := fixture.RSAKey()
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{
		"RSA-2048": issue(b, ca, fixture.Template{CommonName: "d", Key: &rsaKey.PublicKey}),
		"P-256":    issue(b, ca, fixture.Template{CommonName: "d"}),
	} {
		c, issuer := parse(b, text), parse(b, ca.PEM)
		b.Run(name+"/parse", func(b *testing.B) {
			for b.Loop() {
				parse(b, text)
			}
		})
		b.Run(name+"/check", func(b *testing.B) {
			for b.Loop() {
				if _, err := pki.CheckDevice(c); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/issued", func(b *testing.B) {
			for b.Loop() {
				if err := pki.Issued(issuer, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
