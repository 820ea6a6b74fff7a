package pki_test

import (
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// now is when the tests take place.
var now = time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)

// around gives a template a validity that contains now.
func around(t fixture.Template) fixture.Template {
	if t.NotBefore.IsZero() {
		t.NotBefore = now.AddDate(-1, 0, 0)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = now.AddDate(1, 0, 0)
	}
	return t
}

func newCA(t testing.TB, template fixture.Template) *fixture.CA {
	t.Helper()
	ca, err := fixture.NewCA(around(template))
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t testing.TB, ca *fixture.CA, template fixture.Template) string {
	t.Helper()
	leaf, err := ca.Issue(around(template))
	if err != nil {
		t.Fatal(err)
	}
	return leaf.PEM
}

func parse(t testing.TB, text string) *pki.Certificate {
	t.Helper()
	c, err := pki.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// odd returns a certificate made with openssl, of a kind that Go does not make.
func odd(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func newAuthority(t testing.TB) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(pkix.Name{CommonName: "Cordon IoT CA", OrganizationalUnit: []string{"123456789012"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantFault fails the test unless err is a fault of this code whose text has
// the part.
func wantFault(t *testing.T, err error, code fault.Code, part string) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("got %v, want a %s fault", err, code)
	}
	if !strings.Contains(err.Error(), part) {
		t.Errorf("got %q, want it to say %q", err, part)
	}
}
