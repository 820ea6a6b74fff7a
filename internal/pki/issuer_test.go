package pki_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func TestIssued(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	leaf := parse(t, issue(t, ca, fixture.Template{CommonName: "d"}))
	namesake := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	other := newCA(t, fixture.Template{CommonName: "Other CA"})
	crlOnly := newCA(t, fixture.Template{CommonName: "Fleet CA",
		Edit: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }})
	for _, tt := range []struct {
		name string
		ca   string
		leaf *pki.Certificate
		want string // part of the refusal, "" for none
	}{
		{"the CA that signed", ca.PEM, leaf, ""},
		{"a CA of the same name with another key", namesake.PEM, leaf, "not signed with the key"},
		{"a CA of another name", other.PEM, leaf, "another issuer"},
		{"a device certificate of the right name", issue(t, other, fixture.Template{CommonName: "Fleet CA"}), leaf,
			"does not allow"},
		{"a CA whose key may not sign certificates", crlOnly.PEM, leaf, "does not allow"},
		{"a DSA CA cannot be verified", odd(t, "dsa-ca.pem"), parse(t, odd(t, "dsa-signed.pem")), "not signed with the key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := pki.Issued(parse(t, tt.ca), tt.leaf)
			if tt.want != "" {
				wantFault(t, err, fault.CertificateInvalid, tt.want)
			} else if err != nil {
				t.Errorf("got %v, want it verified", err)
			}
		})
	}
}

func TestFindIssuer(t *testing.T) {
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	namesake := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	other := newCA(t, fixture.Template{CommonName: "Other CA"})
	renewal, err := fixture.NewCAWithKey(around(fixture.Template{CommonName: "Fleet CA"}), ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	// Some CAs leave the authority key identifier out; a forged one points at
	// the wrong CA.
	withAuthority := func(id []byte) *pki.Certificate {
		parent := *ca.Certificate
		parent.SubjectKeyId = id
		return parse(t, issue(t, &fixture.CA{Certificate: &parent, Key: ca.Key}, fixture.Template{CommonName: "d"}))
	}
	leaf := parse(t, issue(t, ca, fixture.Template{CommonName: "d"}))
	for _, tt := range []struct {
		name       string
		leaf       *pki.Certificate
		candidates []*fixture.CA
		code       fault.Code // "" if the issuer is ca
	}{
		{"the key decides between two of one name", leaf, []*fixture.CA{namesake, other, ca}, ""},
		{"the signature decides without a key identifier", withAuthority(nil), []*fixture.CA{namesake, ca}, ""},
		{"the signature decides against a wrong key identifier",
			withAuthority(namesake.Certificate.SubjectKeyId), []*fixture.CA{namesake, ca}, ""},
		{"the same certificate twice is one", leaf, []*fixture.CA{ca, ca}, ""},
		{"a CA and its renewal cannot be told apart", leaf, []*fixture.CA{ca, renewal}, fault.CertificateConflict},
		{"no candidate signed it", leaf, []*fixture.CA{namesake, other}, fault.CertificateInvalid},
		{"no candidate at all", leaf, nil, fault.CertificateInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var candidates []*pki.Certificate
			for _, c := range tt.candidates {
				candidates = append(candidates, parse(t, c.PEM))
			}
			got, err := pki.FindIssuer(tt.leaf, candidates)
			if tt.code != "" {
				wantFault(t, err, tt.code, "")
			} else if err != nil || got.PEM != ca.PEM {
				t.Errorf("got %v, %v, want the CA that signed", got, err)
			}
		})
	}
}

func TestVerifyRegistration(t *testing.T) {
	code := strings.Repeat("0123456789abcdef", 4)
	ca := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	namesake := newCA(t, fixture.Template{CommonName: "Fleet CA"})
	verification := func(ca *fixture.CA, code string) *pki.Certificate {
		t.Helper()
		text, err := ca.Verification(code)
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, text)
	}
	short := issue(t, ca, fixture.Template{CommonName: code, Key: rsaKey(t, 1024, 65537)})
	for _, tt := range []struct {
		name string
		cert *pki.Certificate
		code string
		want fault.Code // "" for none
	}{
		{"the code as common name, signed by the CA", verification(ca, code), code, ""},
		{"another code", verification(ca, code), strings.Repeat("f", 64), fault.RegistrationCode},
		{"the code in upper case", verification(ca, strings.ToUpper(code)), code, fault.RegistrationCode},
		{"no common name and no code", verification(ca, ""), "", fault.RegistrationCode},
		{"the code, signed by another key", verification(namesake, code), code, fault.CertificateInvalid},
		{"the code over a short key", parse(t, short), code, fault.CertificateInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := pki.VerifyRegistration(parse(t, ca.PEM), tt.cert, tt.code)
			if tt.want != "" {
				wantFault(t, err, tt.want, "")
			} else if err != nil {
				t.Errorf("got %v, want it verified", err)
			}
		})
	}
}
