package iotapi_test

import (
	"compress/gzip"
	"fmt"
	"iter"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

const (
	checkRevokedDevice = "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK"
	checkRevokedCA     = "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK"
	checkIntermediate  = "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"
	codeRevoked        = "CERTIFICATE_REVOKED_BY_ISSUER"
)

var revocationChecks = []string{checkRevokedDevice, checkRevokedCA, checkIntermediate}

// publisher is a host of revocation lists that counts who asks for them.
type publisher struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	asked map[string]int
}

func newPublisher(t testing.TB) *publisher {
	t.Helper()
	p := &publisher{files: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		h := p.files[r.URL.Path]
		p.mu.Unlock()
		if h == nil {
			h = http.NotFound
		}
		h(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) serve(path string, h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[path] = h
}

func (p *publisher) publish(path string, list []byte) {
	p.serve(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(list) })
}

func (p *publisher) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// callable are settings that let lists come from this machine.
func callable(t testing.TB, database string) config.Config {
	cfg := cordontest.Settings(t, database)
	cfg.OutgoingAllow = []string{"127.0.0.1/32"}
	return cfg
}

// revoking is a list that revokes serial numbers.
func revoking(t testing.TB, ca *fixture.CA, reason int, serials ...int64) []byte {
	t.Helper()
	return must[[]byte](t)(ca.CRL(fixture.Revocations{Entries: entries(reason, serials...)}))
}

func entries(reason int, serials ...int64) iter.Seq[fixture.Revoked] {
	return func(yield func(fixture.Revoked) bool) {
		for _, n := range serials {
			if !yield(fixture.Revoked{Serial: big.NewInt(n), Reason: reason}) {
				return
			}
		}
	}
}

// numbered is a certificate with a serial number that names a list.
func numbered(serial int64, points ...string) fixture.Template {
	return fixture.Template{
		CommonName: fmt.Sprintf("number %d", serial), Serial: big.NewInt(serial), CRLDistributionPoints: points,
	}
}

// registerIn registers an active CA in mode SNI_ONLY, perhaps with its chain.
func registerIn(t testing.TB, c *iot.Client, chain string) string {
	t.Helper()
	out, err := c.RegisterCACertificate(t.Context(), &iot.RegisterCACertificateInput{
		CaCertificate: &chain, CertificateMode: types.CertificateModeSniOnly, SetAsActive: true,
	})
	if err != nil {
		t.Fatalf("register CA certificate: %v", err)
	}
	return *out.CertificateId
}

func TestWhatIssuersRevokedIsFoundAndMitigated(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			c := cordontest.Start(t, callable(t, database), noOptions).IoT()
			p := newPublisher(t)
			root := newCA(t, fixture.Template{CommonName: "Root"})
			good := must[*fixture.CA](t)(root.Intermediate(numbered(11, p.URL+"/root.crl")))
			bad := must[*fixture.CA](t)(root.Intermediate(numbered(12, p.URL+"/root.crl")))
			gone := must[*fixture.CA](t)(root.Intermediate(numbered(13, p.URL+"/root.crl")))
			p.publish("/root.crl", revoking(t, root, 1, 12, 13))
			p.publish("/good.crl", revoking(t, good, 6, 1, 2, 77))
			registerIn(t, c, good.PEM+root.PEM)
			goneID := registerIn(t, c, gone.PEM)

			leaf := func(ca *fixture.CA, serial int64, points ...string) string {
				return must[*fixture.Leaf](t)(ca.Issue(numbered(serial, points...))).PEM
			}
			active := types.CertificateStatusActive
			revoked := registerPEM(t, c, leaf(good, 1, p.URL+"/good.crl"), active)
			registerPEM(t, c, leaf(good, 2, p.URL+"/good.crl"), types.CertificateStatusInactive)
			registerPEM(t, c, leaf(good, 3, "ldap://x/", p.URL+"/good.crl"), active)
			registerPEM(t, c, leaf(good, 77), active) // names no list
			below := []string{
				registerPEM(t, c, leaf(bad, 1)+bad.PEM, active), registerPEM(t, c, leaf(bad, 2), active),
			}
			thing(t, c, "pump", home.ARN("cert", below[1]))
			group(t, c, "quarantine", "")

			cordontest.Enable(t, c, revocationChecks...)
			id, done := cordontest.Audit(t, c, revocationChecks...)
			for check, want := range map[string][2]int64{
				checkRevokedDevice: {5, 1}, checkRevokedCA: {2, 1}, checkIntermediate: {2, 1},
			} {
				d := done.AuditDetails[check]
				if got := [2]int64{*d.TotalResourcesCount, *d.NonCompliantResourcesCount}; got != want || d.Message != nil ||
					d.CheckRunStatus != types.AuditCheckRunStatusCompletedNonCompliant {
					t.Errorf("%s: got %v of %+v (%s), want %v", check, got, d, aws.ToString(d.Message), want)
				}
			}
			found := cordontest.Findings(t, c, id)
			if len(found) != 3 {
				t.Fatalf("got %d findings, want 3", len(found))
			}
			var above types.AuditFinding
			for _, f := range found {
				r := f.NonCompliantResource
				switch *f.CheckName {
				case checkRevokedDevice:
					if *r.ResourceIdentifier.DeviceCertificateId != revoked || *f.ReasonForNonComplianceCode != codeRevoked ||
						f.Severity != types.AuditFindingSeverityMedium || r.AdditionalInfo["REVOCATION_TIME"] == "" {
						t.Errorf("got %+v", f)
					}
				case checkRevokedCA:
					if *r.ResourceIdentifier.CaCertificateId != goneID || *f.ReasonForNonComplianceCode != codeRevoked {
						t.Errorf("got %+v", f)
					}
				case checkIntermediate:
					above = f
				}
			}
			i := above.NonCompliantResource.ResourceIdentifier.IssuerCertificateIdentifier
			if above.NonCompliantResource.ResourceType != types.ResourceTypeIssuerCertificate ||
				*i.IssuerCertificateSubject != "CN=number 12" || *i.IssuerCertificateSerialNumber != "0c" ||
				len(*i.IssuerId) != 64 {
				t.Errorf("got %+v about %+v, want the intermediate CA", above, i)
			}
			shown, err := c.DescribeAuditFinding(t.Context(), &iot.DescribeAuditFindingInput{FindingId: above.FindingId})
			if err != nil || len(shown.Finding.RelatedResources) != 0 {
				t.Errorf("got %+v, %v, want related resources only where they are asked for", shown, err)
			}
			same(t, "related resources", relatedIDs(t, c, *above.FindingId), below)
			if p.count("/root.crl") != 1 || p.count("/good.crl") != 1 {
				t.Errorf("got %v, want each list fetched once", p.asked)
			}
			cordontest.Audit(t, c, revocationChecks...)
			if p.count("/root.crl") != 1 || p.count("/good.crl") != 1 {
				t.Errorf("got %v, want lists kept as long as they are valid", p.asked)
			}

			action(t, c, "deactivate", deactivate())
			action(t, c, "isolate", joining("quarantine"))
			out := mitigate(t, c, "revoked", aim(id), mapping{
				checkIntermediate: {"isolate", "deactivate"}, checkRevokedDevice: {"deactivate"},
			})
			if out.TaskStatus != types.AuditMitigationActionsTaskStatusCompleted {
				t.Errorf("got %s, want COMPLETED", out.TaskStatus)
			}
			for _, id := range append(below, revoked) {
				if got := status(t, c, id); got != types.CertificateStatusInactive {
					t.Errorf("%s: got %s, want INACTIVE", id, got)
				}
			}
			members, err := c.ListThingsInThingGroup(t.Context(), &iot.ListThingsInThingGroupInput{
				ThingGroupName: aws.String("quarantine"),
			})
			if err != nil || !slices.Equal(members.Things, []string{"pump"}) {
				t.Errorf("got %+v, %v, want the thing below the revoked CA", members, err)
			}
		})
	}
}

// relatedIDs lists the related certificates of a finding, one a page.
func relatedIDs(t testing.TB, c *iot.Client, finding string) (ids []string) {
	t.Helper()
	pages := iot.NewListRelatedResourcesForAuditFindingPaginator(c, &iot.ListRelatedResourcesForAuditFindingInput{
		FindingId: &finding, MaxResults: aws.Int32(1),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.RelatedResources {
			ids = append(ids, *r.ResourceIdentifier.DeviceCertificateId)
		}
	}
	return ids
}

// A list that cannot be had, or not be believed, is never read as "not
// revoked".
func TestListsThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, callable(t, "sqlite"), noOptions)
	p := newPublisher(t)
	ca := newCA(t, fixture.Template{CommonName: "Issuer"})
	namesake := newCA(t, fixture.Template{CommonName: "Issuer"})
	list := func(r fixture.Revocations) http.HandlerFunc {
		der := must[[]byte](t)(ca.CRL(r))
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(der) }
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for i, tt := range []struct {
		name  string
		serve http.HandlerFunc // nil for nothing
		point string           // "" for the publisher
		want  string           // in the message, "" for a list that is believed
	}{
		{"a good list", list(fixture.Revocations{}), "", ""},
		{"none", nil, "", "status 404"},
		{"one that has expired", list(fixture.Revocations{
			ThisUpdate: yesterday.Add(-time.Hour), NextUpdate: yesterday,
		}), "", "has expired"},
		{"one without an end", list(fixture.Revocations{Unbounded: true}), "", "when the next one is due"},
		{"one of the future", list(fixture.Revocations{ThisUpdate: time.Now().Add(time.Hour)}), "", "not valid before"},
		{"one that another signed", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(revoking(t, namesake, 1, 7))
		}, "", "not signed with the key"},
		{"no list", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "", "not the DER form"},
		{"one that is compressed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		}, "", "compressed"},
		{"one behind a redirect inwards", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(p.URL, "127.0.0.1", "127.0.0.2", 1), http.StatusFound)
		}, "", "loopback"},
		{"one that lies inside", nil, "http://169.254.169.254/latest", "link-local"},
		{"one in a directory", nil, "ldap://127.0.0.1/cn=crl", "LDAP"},
		{"one of a file", nil, "file:///etc/passwd", "none of its distribution points"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := cordon.IoTIn(fmt.Sprintf("test-%d", i))
			point := tt.point
			if point == "" {
				path := fmt.Sprintf("/%d.crl", i)
				point = p.URL + path
				if tt.serve != nil {
					p.serve(path, tt.serve)
				}
			}
			registerIn(t, c, ca.PEM)
			leaf := must[*fixture.Leaf](t)(ca.Issue(numbered(7, point)))
			id := registerPEM(t, c, leaf.PEM, types.CertificateStatusActive)
			cordontest.Enable(t, c, checkRevokedDevice)
			_, done := cordontest.Audit(t, c, checkRevokedDevice)
			d := done.AuditDetails[checkRevokedDevice]
			if tt.want == "" {
				if d.CheckRunStatus != types.AuditCheckRunStatusCompletedCompliant || d.Message != nil {
					t.Errorf("got %+v, want it to comply", d)
				}
				return
			}
			message := aws.ToString(d.Message)
			if d.CheckRunStatus != types.AuditCheckRunStatusFailed || !strings.Contains(message, tt.want) ||
				!strings.Contains(message, "1 of 1") || !strings.Contains(message, id) {
				t.Errorf("got %s and %q, want FAILED and %q", d.CheckRunStatus, message, tt.want)
			}
		})
	}
}

func TestPartOfACheckThatCouldNotBeTested(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, callable(t, "sqlite"), noOptions)
	c, p := cordon.IoT(), newPublisher(t)
	ca := newCA(t, fixture.Template{CommonName: "Issuer"})
	registerIn(t, c, ca.PEM)
	p.publish("/a.crl", revoking(t, ca, 1, 1))
	for serial, path := range map[int64]string{1: "/a.crl", 2: "/b.crl"} {
		leaf := must[*fixture.Leaf](t)(ca.Issue(numbered(serial, p.URL+path)))
		registerPEM(t, c, leaf.PEM, types.CertificateStatusActive)
	}
	stranger := newCA(t, fixture.Template{CommonName: "Stranger"})
	leaf := must[*fixture.Leaf](t)(stranger.Issue(numbered(3)))
	registerPEM(t, c, leaf.PEM, types.CertificateStatusActive)
	cordontest.Enable(t, c, revocationChecks...)
	_, done := cordontest.Audit(t, c, revocationChecks...)
	d := done.AuditDetails[checkRevokedDevice]
	if d.CheckRunStatus != types.AuditCheckRunStatusCompletedNonCompliant ||
		!strings.Contains(aws.ToString(d.Message), "1 of 3") {
		t.Errorf("got %+v (%s), want a violation and what was not tested", d, aws.ToString(d.Message))
	}
	d = done.AuditDetails[checkIntermediate]
	if d.CheckRunStatus != types.AuditCheckRunStatusFailed || !strings.Contains(aws.ToString(d.Message), `"CN=Stranger"`) {
		t.Errorf("got %+v (%s), want the issuer that is not known to be named", d, aws.ToString(d.Message))
	}
}

// An audit that waits for a list holds nothing: it can be looked at, canceled,
// and is taken up by the next start.
func TestAnAuditWaitsForAList(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			cfg, p := callable(t, database), newPublisher(t)
			cordon := cordontest.Start(t, cfg, noOptions)
			c := cordon.IoT()
			ca := newCA(t, fixture.Template{CommonName: "Issuer"})
			registerIn(t, c, ca.PEM)
			leaf := must[*fixture.Leaf](t)(ca.Issue(numbered(1, p.URL+"/slow.crl")))
			registerPEM(t, c, leaf.PEM, types.CertificateStatusActive)
			asked := make(chan struct{}, 10)
			p.serve("/slow.crl", func(_ http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				<-r.Context().Done()
			})
			cordontest.Enable(t, c, checkRevokedDevice, checkExpiring)
			start := func() string {
				out, err := c.StartOnDemandAuditTask(t.Context(), &iot.StartOnDemandAuditTaskInput{
					TargetCheckNames: []string{checkRevokedDevice, checkExpiring},
				})
				if err != nil {
					t.Fatal(err)
				}
				return *out.TaskId
			}
			id := start()
			<-asked
			out, err := c.DescribeAuditTask(t.Context(), &iot.DescribeAuditTaskInput{TaskId: &id})
			if err != nil || out.AuditDetails[checkRevokedDevice].CheckRunStatus !=
				types.AuditCheckRunStatusWaitingForDataCollection {
				t.Errorf("got %+v, %v, want the check to wait", out, err)
			}
			if _, err := c.CancelAuditTask(t.Context(), &iot.CancelAuditTaskInput{TaskId: &id}); err != nil {
				t.Error(err)
			}
			id = start()
			if err := cordon.Stop(); err != nil {
				t.Fatal(err)
			}
			p.publish("/slow.crl", revoking(t, ca, 1, 1))
			c = cordontest.Start(t, cfg, noOptions).IoT()
			done := cordontest.AwaitAudit(t, c, id)
			if got := done.AuditDetails[checkRevokedDevice]; *got.NonCompliantResourcesCount != 1 {
				t.Errorf("got %+v, want the revoked certificate", got)
			}
		})
	}
}
