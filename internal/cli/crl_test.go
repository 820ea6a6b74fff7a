package cli

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	cordon "github.com/cordon-iot/cordon/internal/server"
)

// crlFile writes a file for an import and returns its path.
func crlFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImportsOfRevocationLists(t *testing.T) {
	s := cordontest.Start(t, cordontest.Settings(t, "sqlite"), cordon.Options{})
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Factory CA"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := fixture.NewCA(fixture.Template{CommonName: "Factory CA"})
	if err != nil {
		t.Fatal(err)
	}
	list := func(ca *fixture.CA, number, entries int64, r fixture.Revocations) []byte {
		r.Number = big.NewInt(number)
		r.Entries = func(yield func(fixture.Revoked) bool) {
			for i := range entries {
				if !yield(fixture.Revoked{Serial: big.NewInt(i + 1), Reason: 1}) {
					return
				}
			}
		}
		der, err := ca.CRL(r)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	armored := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}) }
	yesterday := time.Now().Add(-24 * time.Hour)
	first := list(ca, 3, 2, fixture.Revocations{})
	unsigned := bytes.Clone(first)
	unsigned[len(unsigned)-1] ^= 1
	leaf, err := ca.Issue(fixture.Template{Edit: func(c *x509.Certificate) {}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		content []byte
		want    string // in the output, or in the complaint where it begins with "!"
	}{
		{"a list whose issuer is not known", first, "!is not known: import it"},
		{"the issuer and the list in one file", append(armored(first), ca.PEM...), "number 0x3: 2 entries"},
		{"the same list again", first, "number 0x3: 2 entries"},
		{"an older list", list(ca, 2, 1, fixture.Revocations{}), "!newer revocation list"},
		{"a newer one of several parts", list(ca, 4, 40_000, fixture.Revocations{}), "number 0x4: 40000 entries"},
		{"one that has expired", list(ca, 5, 1, fixture.Revocations{
			ThisUpdate: yesterday.Add(-time.Hour), NextUpdate: yesterday,
		}), "!has expired"},
		{"one that another signed", list(other, 5, 1, fixture.Revocations{}), "!not signed with the key"},
		{"one whose signature is broken", unsigned, "!not signed with the key"},
		{"one that is cut off", first[:len(first)-9], "!cut off"},
		{"PEM that is cut off", armored(first)[:100], "!nor a complete PEM block"},
		{"no list at all", []byte("hello"), "!no revocation list and no certificate"},
		{"nothing", nil, "!empty"},
		{"a key", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "!neither a revocation list"},
		{"the certificate of a device", []byte(leaf.PEM), "!CertificateValidationException"},
		{"a CA in DER form", ca.Certificate.Raw, "Took the certificate of \"CN=Factory CA\""},
	} {
		code, stdout, stderr := run(t, Process{Env: environment(
			"AWS_ACCESS_KEY_ID", cordontest.RootID, "AWS_SECRET_ACCESS_KEY", cordontest.RootToken,
		)}, "crl", "import", "--endpoint", s.URL(), crlFile(t, tt.content))
		complaint, refused := strings.CutPrefix(tt.want, "!")
		if refused && (code == ok || !strings.Contains(stderr, complaint)) ||
			!refused && (code != ok || !strings.Contains(stdout, tt.want)) {
			t.Errorf("%s: got exit code %d, %q, %q; want %q", tt.name, code, stdout, stderr, tt.want)
		}
	}
	_, stdout, _ := run(t, Process{Env: environment(
		"AWS_ACCESS_KEY_ID", cordontest.RootID, "AWS_SECRET_ACCESS_KEY", cordontest.RootToken,
	)}, "crl", "list", "--endpoint", s.URL())
	if !strings.Contains(stdout, "0x4") || !strings.Contains(stdout, "40000") || !strings.Contains(stdout, "Factory CA") {
		t.Errorf("got %q, want the list that is known", stdout)
	}
}
