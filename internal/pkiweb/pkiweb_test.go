package pkiweb_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"golang.org/x/crypto/ocsp"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// publishedAt stands in the certificates of tests. What is asked for goes to the
// listener of the test.
const publishedAt = "http://pki.example.com"

func onEach(t *testing.T, test func(t *testing.T, c *cordontest.Cordon)) {
	t.Helper()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			cfg := cordontest.Settings(t, database)
			cfg.PKIURL = publishedAt
			test(t, cordontest.Start(t, cfg, server.Options{}))
		})
	}
}

// local is where a published URL is in a test.
func local(t testing.TB, c *cordontest.Cordon, urls []string) string {
	t.Helper()
	if len(urls) != 1 || !strings.HasPrefix(urls[0], publishedAt+"/pki/") {
		t.Fatalf("got the URLs %q in a certificate, want one below %s", urls, publishedAt)
	}
	return c.PKIURL() + strings.TrimPrefix(urls[0], publishedAt)
}

func do(t testing.TB, method, url string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, content
}

func get(t testing.TB, url string) []byte {
	t.Helper()
	res, content := do(t, http.MethodGet, url, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s: %s", url, res.Status, content)
	}
	return content
}

// issuerOf is the CA that a certificate says it is of.
func issuerOf(t testing.TB, c *cordontest.Cordon, leaf *x509.Certificate) *x509.Certificate {
	t.Helper()
	ca, err := x509.ParseCertificate(get(t, local(t, c, leaf.IssuingCertificateURL)))
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.CheckSignatureFrom(ca); err != nil {
		t.Fatal(err)
	}
	return ca
}

// listOf is the revocation list that a certificate names, verified.
func listOf(t testing.TB, c *cordontest.Cordon, leaf, ca *x509.Certificate) *x509.RevocationList {
	t.Helper()
	list, err := x509.ParseRevocationList(get(t, local(t, c, leaf.CRLDistributionPoints)))
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(ca); err != nil {
		t.Fatal(err)
	}
	return list
}

// listed says how a list has a certificate.
func listed(list *x509.RevocationList, leaf *x509.Certificate) string {
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
			return map[int]string{0: "revoked", 6: "on hold"}[e.ReasonCode]
		}
	}
	return ""
}

// awaitListed waits for a list that has a certificate in a way.
func awaitListed(t testing.TB, c *cordontest.Cordon, leaf, ca *x509.Certificate, want string) *x509.RevocationList {
	t.Helper()
	begun := time.Now()
	for {
		list := listOf(t, c, leaf, ca)
		if got := listed(list, leaf); got == want {
			t.Logf("listed as %q after %s", want, time.Since(begun).Round(time.Millisecond))
			return list
		} else if time.Since(begun) > cordontest.Deadline {
			t.Fatalf("got the certificate listed as %q, want %q", got, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// asked is the answer about a certificate by POST, and the same by GET.
func asked(t testing.TB, c *cordontest.Cordon, leaf, ca *x509.Certificate) *ocsp.Response {
	t.Helper()
	request, err := ocsp.CreateRequest(leaf, ca, &ocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	at := local(t, c, leaf.OCSPServer)
	_, posted := do(t, http.MethodPost, at, request, "Content-Type", "application/ocsp-request")
	got := get(t, at+"/"+url.PathEscape(base64.StdEncoding.EncodeToString(request)))
	if !bytes.Equal(got, posted) {
		t.Error("got two answers by POST and GET, want one that is kept")
	}
	out, err := ocsp.ParseResponseForCert(got, leaf, ca)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatIsPublishedFollowsTheStateOfACertificate(t *testing.T) {
	onEach(t, func(t *testing.T, c *cordontest.Cordon) {
		api := c.IoT()
		d, other := cordontest.NewDevice(t, api), cordontest.NewDevice(t, api)
		leaf := d.Certificate.Leaf
		ca := issuerOf(t, c, leaf)
		first := listOf(t, c, leaf, ca)
		if n := len(first.RevokedCertificateEntries); n > 0 {
			t.Errorf("got %d certificates listed of an account whose are all ACTIVE", n)
		}
		number := first.Number
		for _, step := range []struct {
			name   string
			do     func()
			list   string
			status int
			reason int
		}{
			{"INACTIVE", func() { d.SetStatus(t, api, types.CertificateStatusInactive) }, "on hold", ocsp.Revoked, 6},
			{"ACTIVE", func() { d.SetStatus(t, api, types.CertificateStatusActive) }, "", ocsp.Good, 0},
			{"REVOKED", func() { d.SetStatus(t, api, types.CertificateStatusRevoked) }, "revoked", ocsp.Revoked, 0},
			{"deleted", func() {
				_, err := api.DeleteCertificate(t.Context(), &iot.DeleteCertificateInput{CertificateId: &d.ID})
				if err != nil {
					t.Fatal(err)
				}
			}, "revoked", ocsp.Revoked, 0},
		} {
			step.do()
			got := asked(t, c, leaf, ca)
			if got.Status != step.status || got.RevocationReason != step.reason {
				t.Errorf("%s: OCSP says %d for reason %d, want %d and %d", step.name, got.Status, got.RevocationReason,
					step.status, step.reason)
			}
			list := awaitListed(t, c, leaf, ca, step.list)
			if list.Number.Cmp(number) < 0 {
				t.Errorf("%s: got the number %v after %v", step.name, list.Number, number)
			}
			number = list.Number
			if got := listed(list, other.Certificate.Leaf); got != "" {
				t.Errorf("%s: got another certificate that is %s", step.name, got)
			}
		}
	})
}

func TestACreatedCertificateNamesWhereItIsPublished(t *testing.T) {
	c := func() *cordontest.Cordon {
		cfg := cordontest.Settings(t, "sqlite")
		cfg.PKIURL = publishedAt
		return cordontest.Start(t, cfg, server.Options{})
	}()
	out, err := c.IoT().CreateKeysAndCertificate(t.Context(), &iot.CreateKeysAndCertificateInput{SetAsActive: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range []*x509.Certificate{
		parse(t, *out.CertificatePem), cordontest.NewDevice(t, c.IoT()).Certificate.Leaf,
	} {
		ca := issuerOf(t, c, leaf)
		listOf(t, c, leaf, ca)
		if got := asked(t, c, leaf, ca).Status; got != ocsp.Good {
			t.Errorf("got the state %d, want good", got)
		}
	}
	plain := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	leaf := cordontest.NewDevice(t, plain.IoT()).Certificate.Leaf
	if all := slices.Concat(leaf.CRLDistributionPoints, leaf.OCSPServer, leaf.IssuingCertificateURL); len(all) > 0 {
		t.Errorf("got the URLs %q without a place of publication", all)
	}
}

func parse(t testing.TB, text string) *x509.Certificate {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		t.Fatal("not PEM")
	}
	path := filepath.Join(t.TempDir(), "c")
	write(t, path, []byte(text))
	out, err := exec.Command(cordontest.OpenSSL(t), "x509", "-in", path, "-outform", "der").Output()
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(out)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherAccountsCopyChangesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, c *cordontest.Cordon) {
		d := cordontest.NewDevice(t, c.IoT())
		leaf := d.Certificate.Leaf
		ca := issuerOf(t, c, leaf)
		guest := c.NewAccount(t, "222222222222")
		got, err := c.IoT().DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &d.ID})
		if err != nil {
			t.Fatal(err)
		}
		_, err = guest.RegisterCertificateWithoutCA(t.Context(), &iot.RegisterCertificateWithoutCAInput{
			CertificatePem: got.CertificateDescription.CertificatePem, Status: types.CertificateStatusRevoked,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := asked(t, c, leaf, ca).Status; got != ocsp.Good {
			t.Errorf("got the state %d, want good", got)
		}
		// A change that does show says that the other one has been seen.
		second := cordontest.NewDevice(t, c.IoT())
		second.SetStatus(t, c.IoT(), types.CertificateStatusInactive)
		list := awaitListed(t, c, second.Certificate.Leaf, ca, "on hold")
		if got := listed(list, leaf); got != "" {
			t.Errorf("got a certificate listed as %q because another account revoked its copy", got)
		}
	})
}

func TestOpenSSLReadsWhatIsPublished(t *testing.T) {
	openssl := cordontest.OpenSSL(t)
	cfg := cordontest.Settings(t, "sqlite")
	cfg.PKIURL = publishedAt
	c := cordontest.Start(t, cfg, server.Options{})
	api := c.IoT()
	good, held := cordontest.NewDevice(t, api), cordontest.NewDevice(t, api)
	ca := issuerOf(t, c, good.Certificate.Leaf)
	held.SetStatus(t, api, types.CertificateStatusInactive)
	awaitListed(t, c, held.Certificate.Leaf, ca, "on hold")

	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	base := strings.TrimSuffix(local(t, c, good.Certificate.Leaf.CRLDistributionPoints), ".crl")
	write(t, path("ca.pem"), get(t, base+".pem"))
	write(t, path("crl.pem"), get(t, base+".crl.pem"))
	write(t, path("crl.der"), get(t, base+".crl"))
	for name, d := range map[string]*cordontest.Device{"good.pem": good, "held.pem": held} {
		out, err := api.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: aws.String(d.ID)})
		if err != nil {
			t.Fatal(err)
		}
		write(t, path(name), []byte(*out.CertificateDescription.CertificatePem))
	}
	responder := local(t, c, good.Certificate.Leaf.OCSPServer)
	query := func(more ...string) []string {
		return append([]string{"ocsp", "-issuer", "ca.pem", "-CAfile", "ca.pem", "-url", responder}, more...)
	}
	for _, tt := range []struct {
		name string
		args []string
		ok   bool
		want string
	}{
		{"a list is verified", []string{"crl", "-inform", "DER", "-in", "crl.der", "-noout", "-CAfile", "ca.pem", "-verify"},
			true, "verify OK"},
		{"a list says what it is about", []string{"crl", "-in", "crl.pem", "-noout", "-text"}, true,
			"Only User Certificates"},
		{"a good certificate passes", []string{"verify", "-x509_strict", "-crl_check", "-CAfile", "ca.pem",
			"-CRLfile", "crl.pem", "good.pem"}, true, "OK"},
		{"one on hold does not", []string{"verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "held.pem"},
			false, "certificate revoked"},
		{"OCSP with a nonce", query("-cert", "good.pem"), true, "Response verify OK"},
		{"OCSP says good", query("-cert", "good.pem"), true, "good.pem: good"},
		{"OCSP says on hold", query("-sha256", "-cert", "held.pem", "-no_nonce"), true, "certificateHold"},
		{"OCSP of two at once", query("-cert", "good.pem", "-cert", "held.pem"), true, "held.pem: revoked"},
		{"OCSP of what was never issued", query("-serial", "0x1234"), true, "0x1234: unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), openssl, tt.args...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if (err == nil) != tt.ok || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), "WARNING") {
				t.Errorf("got %v: %s\nwant %q", err, out, tt.want)
			}
		})
	}
}

func TestOnlyReadingIsAnswered(t *testing.T) {
	cfg := cordontest.Settings(t, "sqlite")
	cfg.PKIURL = publishedAt
	c := cordontest.Start(t, cfg, server.Options{})
	leaf := cordontest.NewDevice(t, c.IoT()).Certificate.Leaf
	list := strings.TrimPrefix(leaf.CRLDistributionPoints[0], publishedAt)
	id := strings.TrimSuffix(strings.TrimPrefix(list, "/pki/"), ".crl")
	none := "/pki/" + strings.Repeat("0", 64)
	for _, tt := range []struct {
		name, method, path string
		status             int
		media              string
	}{
		{"the index", "GET", "/pki/", 200, "text/plain; charset=utf-8"},
		{"the root of the gateway", "GET", "/pki/gateway.pem", 200, "application/x-pem-file"},
		{"the root of the gateway in DER", "HEAD", "/pki/gateway.crt", 200, "application/pkix-cert"},
		{"a CA", "GET", "/pki/" + id + ".crt", 200, "application/pkix-cert"},
		{"a list", "GET", list, 200, "application/pkix-crl"},
		{"a list in PEM", "GET", list + ".pem", 200, "application/x-pem-file"},
		{"the head of a list", "HEAD", list, 200, "application/pkix-crl"},
		{"the gateway's CA has no list", "GET", "/pki/gateway.crl", 404, ""},
		{"a CA that is not there", "GET", none + ".crt", 404, ""},
		{"a list that is not there", "GET", none + ".crl", 404, ""},
		{"an id in capitals", "GET", "/pki/" + strings.ToUpper(id) + ".crl", 404, ""},
		{"a key", "GET", "/pki/" + id + ".key", 404, ""},
		{"a way out", "GET", "/pki/..%2f..%2fmaster-key", 404, ""},
		{"elsewhere", "GET", "/", 404, ""},
		{"writing a list", "PUT", list, 405, ""},
		{"deleting a list", "DELETE", list, 405, ""},
		{"posting to a list", "POST", list, 405, ""},
		{"putting to OCSP", "PUT", "/pki/ocsp", 405, ""},
		{"a request that is none", "GET", "/pki/ocsp/AAAA", 200, "application/ocsp-response"},
		{"a request of nothing", "GET", "/pki/ocsp", 200, "application/ocsp-response"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := do(t, tt.method, c.PKIURL()+tt.path, nil)
			if res.StatusCode != tt.status || tt.media != "" && res.Header.Get("Content-Type") != tt.media {
				t.Errorf("got %s of %s, want %d of %s", res.Status, res.Header.Get("Content-Type"), tt.status, tt.media)
			}
			if tt.path == "/pki/" && strings.Contains(string(body), id) {
				t.Error("the index names the CA of an account")
			}
		})
	}
	res, body := do(t, "POST", c.PKIURL()+"/pki/ocsp", bytes.Repeat([]byte{0x30}, 11<<10))
	if res.StatusCode != 200 || !bytes.Equal(body, []byte{0x30, 3, 10, 1, 1}) {
		t.Errorf("got %s and % x, want a refusal of what is too long", res.Status, body)
	}
	res, _ = do(t, "GET", c.PKIURL()+list, nil)
	res, body = do(t, "GET", c.PKIURL()+list, nil, "If-None-Match", res.Header.Get("ETag"))
	if res.StatusCode != http.StatusNotModified || len(body) > 0 {
		t.Errorf("got %s, want a list that was not modified", res.Status)
	}
}

func TestNodesPublishTheSame(t *testing.T) {
	cfg := cordontest.Settings(t, "postgres")
	cfg.PKIURL = publishedAt
	one, two := cordontest.Start(t, cfg, server.Options{}), cordontest.Start(t, cfg, server.Options{})
	if a, b := get(t, one.PKIURL()+"/pki/gateway.pem"), get(t, two.PKIURL()+"/pki/gateway.pem"); !bytes.Equal(a, b) {
		t.Error("got two roots of the gateway")
	}
	d := cordontest.NewDevice(t, one.IoT())
	leaf := d.Certificate.Leaf
	ca := issuerOf(t, two, leaf)
	first := listOf(t, two, leaf, ca)
	second := listOf(t, one, leaf, ca)
	if second.Number.Cmp(first.Number) <= 0 {
		t.Errorf("got the number %v of a list after %v", second.Number, first.Number)
	}
	d.SetStatus(t, one.IoT(), types.CertificateStatusInactive)
	awaitListed(t, two, leaf, ca, "on hold")
	awaitListed(t, one, leaf, ca, "on hold")
	if got := asked(t, two, leaf, ca); got.Status != ocsp.Revoked {
		t.Errorf("got the state %d at the other node, want revoked", got.Status)
	}
}

func TestAnAuditDoesNotFetchTheAccountsOwnList(t *testing.T) {
	const revoked = "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK"
	cfg := cordontest.Settings(t, "sqlite")
	cfg.PKIURL = "http://127.0.0.1:1" // where nobody answers, and audits may not call
	c := cordontest.Start(t, cfg, server.Options{})
	cordontest.NewDevice(t, c.IoT())
	cordontest.Enable(t, c.IoT(), revoked)
	_, out := cordontest.Audit(t, c.IoT(), revoked)
	got := out.AuditDetails[revoked]
	if got.CheckRunStatus != types.AuditCheckRunStatusCompletedCompliant {
		t.Errorf("got %s: %s, want COMPLETED_COMPLIANT", got.CheckRunStatus, aws.ToString(got.Message))
	}
}
