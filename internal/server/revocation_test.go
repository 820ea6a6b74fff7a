package server_test

import (
	"fmt"
	"iter"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

const (
	revoked      = "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK"
	intermediate = "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"
)

// publisher is a host of one revocation list that counts who asks for it.
type publisher struct {
	*httptest.Server
	list  []byte
	held  atomic.Bool // answers nobody
	asked atomic.Int64
	// came says that somebody was asking while it was held.
	came chan struct{}
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{came: make(chan struct{}, 1)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if p.held.Load() {
			p.came <- struct{}{}
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(p.list)
	}))
	t.Cleanup(p.Close)
	return p
}

// revoke makes the list one by which a CA revokes serial numbers.
func (p *publisher) revoke(t *testing.T, ca *fixture.CA, serials ...int64) {
	t.Helper()
	p.list = must[[]byte](t)(ca.CRL(fixture.Revocations{Entries: entries(serials)}))
}

func entries(serials []int64) iter.Seq[fixture.Revoked] {
	return func(yield func(fixture.Revoked) bool) {
		for _, n := range serials {
			if !yield(fixture.Revoked{Serial: big.NewInt(n), Reason: 1}) {
				return
			}
		}
	}
}

// must ends the test on an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// numbered is a certificate with a serial number that names lists.
func numbered(serial int64, points ...string) fixture.Template {
	return fixture.Template{
		CommonName: fmt.Sprintf("number %d", serial), Serial: big.NewInt(serial), CRLDistributionPoints: points,
	}
}

// registerCA registers an active CA in mode SNI_ONLY.
func registerCA(t *testing.T, c *iot.Client, chain string) {
	t.Helper()
	must[*iot.RegisterCACertificateOutput](t)(c.RegisterCACertificate(t.Context(), &iot.RegisterCACertificateInput{
		CaCertificate: &chain, CertificateMode: types.CertificateModeSniOnly, SetAsActive: true,
	}))
}

// registerLeaf registers an active device certificate, perhaps with its chain.
func registerLeaf(t *testing.T, c *iot.Client, chain string) (id string) {
	t.Helper()
	return *must[*iot.RegisterCertificateWithoutCAOutput](t)(c.RegisterCertificateWithoutCA(t.Context(),
		&iot.RegisterCertificateWithoutCAInput{CertificatePem: &chain, Status: types.CertificateStatusActive},
	)).CertificateId
}

// A process that dies while it waits for a revocation list has begun an audit,
// and no other one is needed: the next start asks once more.
func TestAnAuditThatWaitsForAListSurvivesACrash(t *testing.T) {
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			host := newPublisher(t)
			r := &rig{cfg: cordontest.Settings(t, database)}
			r.cfg.OutgoingAllow = []string{"127.0.0.0/8"}
			ca := must[*fixture.CA](t)(fixture.NewCA(fixture.Template{CommonName: "Issuer"}))
			host.revoke(t, ca, 1, 3)
			var ids []string
			within(t, r.cfg, server.Options{}, func(c *cordontest.Cordon) {
				registerCA(t, c.IoT(), ca.PEM)
				for serial := range int64(5) {
					leaf := must[*fixture.Leaf](t)(ca.Issue(numbered(serial+1, host.URL+"/slow.crl")))
					ids = append(ids, registerLeaf(t, c.IoT(), leaf.PEM))
				}
				cordontest.Enable(t, c.IoT(), revoked)
			})

			host.held.Store(true)
			p := start(t, r.cfg)
			started := must[*iot.StartOnDemandAuditTaskOutput](t)(p.iot().StartOnDemandAuditTask(t.Context(),
				&iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{revoked}}))
			<-host.came
			p.signal(t, syscall.SIGKILL)
			p.wantKilled(t)
			e := r.inspect(t)
			wantText(t, "audit", e.text(`SELECT status FROM audits`), "IN_PROGRESS")
			e.want(0, "findings at the kill", `SELECT count(*) FROM findings`)
			e.want(0, "lists at the kill", `SELECT count(*) FROM crls`)

			host.held.Store(false)
			p = start(t, r.cfg)
			done := cordontest.AwaitAudit(t, p.iot(), *started.TaskId)
			d := done.AuditDetails[revoked]
			if *d.TotalResourcesCount != 5 || *d.NonCompliantResourcesCount != 2 || d.Message != nil ||
				d.CheckRunStatus != types.AuditCheckRunStatusCompletedNonCompliant {
				t.Errorf("got %d of %d, %s and %q, want 2 of 5 revoked", *d.NonCompliantResourcesCount,
					*d.TotalResourcesCount, d.CheckRunStatus, aws.ToString(d.Message))
			}
			p.terminate(t)
			if got := host.asked.Load(); got != 2 {
				t.Errorf("got %d fetches, want that of the killed process and one more", got)
			}
			e = r.inspect(t)
			e.want(1, "audits", `SELECT count(*) FROM audits WHERE status = 'COMPLETED' AND findings = 2`)
			e.want(2, "findings", `SELECT count(*) FROM findings`)
			for _, id := range []string{ids[0], ids[2]} {
				e.want(1, "findings about "+id, `SELECT count(*) FROM findings WHERE resource = '`+id+`'`)
			}
			e.want(1, "lists", `SELECT count(*) FROM crls`)
			e.want(2, "entries of lists", `SELECT count(*) FROM revoked_serials`)
		})
	}
}

// below are numbers of the device certificates below a revoked CA, of which one
// has more things than a slice changes.
const (
	belowCerts = 11 * sliceRows / 10
	crowded    = belowCerts / 2
	crowd      = 12 * sliceRows / 10
)

// revokedCA is a database with an audit of a revoked intermediate CA: the
// device certificates below it are the related resources of its one finding.
func revokedCA(t *testing.T, database string) *rig {
	t.Helper()
	host := newPublisher(t)
	r := &rig{cfg: cordontest.Settings(t, database)}
	r.cfg.OutgoingAllow = []string{"127.0.0.0/8"}
	root := must[*fixture.CA](t)(fixture.NewCA(fixture.Template{CommonName: "Root"}))
	bad := must[*fixture.CA](t)(root.Intermediate(numbered(12, host.URL+"/root.crl")))
	host.revoke(t, root, 12)
	leaf := must[*fixture.Leaf](t)(bad.Issue(numbered(1)))
	within(t, r.cfg, server.Options{}, func(c *cordontest.Cordon) {
		client := c.IoT()
		registerCA(t, client, bad.PEM+root.PEM)
		from := fleet.NewProvenance(must[*pki.Certificate](t)(pki.ParseCertificate(leaf.PEM)))
		list := newFleet(1)[:belowCerts]
		for i := range list {
			list[i].Status, list[i].Provenance = fleet.Active, from
		}
		if err := c.Store().RegisterCertificates(t.Context(), scope, list); err != nil {
			t.Fatal(err)
		}
		plant(t, c, crowd)
		execute(t, c, `DELETE FROM group_members`)
		attach(t, c, list[crowded].ID, "")
		attach(t, c, list[crowded-1].ID, " WHERE name = 'thing-7'")
		attach(t, c, list[crowded+1].ID, " WHERE name IN ('thing-7', 'thing-9')")
		createAction(t, client, "isolate", types.MitigationActionParams{
			AddThingsToThingGroupParams: &types.AddThingsToThingGroupParams{ThingGroupNames: []string{"plant"}},
		})
		createAction(t, client, "deactivate", types.MitigationActionParams{
			UpdateDeviceCertificateParams: &types.UpdateDeviceCertificateParams{
				Action: types.DeviceCertificateUpdateActionDeactivate,
			},
		})
		cordontest.Enable(t, client, intermediate)
		r.audit, _ = cordontest.Audit(t, client, intermediate)
	})
	e := r.inspect(t)
	e.want(1, "findings", `SELECT count(*) FROM findings`)
	e.want(belowCerts, "related resources", `SELECT count(*) FROM finding_resources`)
	return r
}

// attach attaches things to a certificate.
func attach(t *testing.T, c *cordontest.Cordon, cert, things string) {
	t.Helper()
	execute(t, c, `INSERT INTO thing_principals (scope, certificate, thing, exclusive, created_at)
		SELECT scope, '`+cert+`', name, false, 1 FROM things`+things)
}

func createAction(t *testing.T, c *iot.Client, name string, params types.MitigationActionParams) {
	t.Helper()
	must[*iot.CreateMitigationActionOutput](t)(c.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
		ActionName: &name, RoleArn: aws.String(cordontest.RoleARN), ActionParams: &params,
	}))
}

// step is a crash of a process, and what is done by then of a finding's
// actions: the memberships made and the certificates deactivated.
type step struct {
	at              stop
	joined, retired int
}

// Two actions on the one finding take nine slices: the things of the first half of the
// certificates, as many things of the crowded one as a slice takes, the rest of
// them, the other certificates, the end of the action; the certificates that a
// slice takes, the rest of them, the end of the action; the end of the task. Each
// is killed from inside once or followed by a kill.
func TestTheMitigationOfARevokedCASurvivesOneCrashAfterTheOther(t *testing.T) {
	const kind = "mitigation"
	after, inside := stop{kind, "after", 1, killed}, stop{kind, "inside", 2, killed}
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			r := revokedCA(t, database)
			for i, s := range []step{
				{stop{kind, "inside", 1, killed}, 0, 0},
				{inside, 1, 0},
				{inside, sliceRows, 0},
				{after, crowd, 0},
				{after, crowd, 0},
				{stop{kind, "inside", 2, killed}, crowd, 0},
				{inside, crowd, sliceRows},
				{inside, crowd, belowCerts},
				{inside, crowd, belowCerts},
			} {
				t.Log("crash", i, s.at)
				p := launch(t, r.cfg, s.at)
				if i == 0 {
					p.awaitReady(t)
					r.startActions(t, p, intermediate, "isolate", "deactivate")
				}
				p.wantKilled(t)
				e := r.inspect(t)
				wantText(t, "task", e.text(`SELECT status FROM mitigation_tasks`), "IN_PROGRESS")
				e.want(s.joined, "members", `SELECT count(*) FROM group_members`)
				e.want(s.retired, "INACTIVE certificates", `SELECT count(*) FROM certificates
					WHERE status = 'INACTIVE' AND customer_version = 2`)
				e.want(s.joined+s.retired, "recorded changes", `SELECT count(*) FROM execution_changes`)
			}
			p := start(t, r.cfg)
			r.wantOneFinding(t, p, intermediate)
			p.terminate(t)
			e := r.inspect(t)
			wantText(t, "executions", e.groups(`SELECT CAST(action AS TEXT), status, count(*) FROM executions
				GROUP BY 1, 2 ORDER BY 1, 2`), "0 COMPLETED: 1, 1 COMPLETED: 1")
			wantText(t, "changes", e.groups(`SELECT kind, to_side, count(DISTINCT resource) FROM execution_changes
				GROUP BY 1, 2 ORDER BY 1, 2`),
				fmt.Sprintf("certificate-status INACTIVE: %d, thing-group-membership true: %d", belowCerts, crowd))
			wantText(t, "certificates", e.groups(`SELECT status, CAST(customer_version AS TEXT), count(*)
				FROM certificates GROUP BY 1, 2`), fmt.Sprintf("INACTIVE 2: %d", belowCerts))
			e.want(crowd, "things in the group", `SELECT count(DISTINCT thing) FROM group_members`)
			e.want(crowd+belowCerts, "recorded changes", `SELECT count(*) FROM execution_changes`)
		})
	}
}

// startActions starts a task for one check. The process may die before it
// answers.
func (r *rig) startActions(t *testing.T, p *process, check string, actions ...string) {
	t.Helper()
	_, err := p.iot().StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
		TaskId: aws.String(task), Target: &types.AuditMitigationActionsTaskTarget{AuditTaskId: &r.audit},
		AuditCheckToActionsMapping: map[string][]string{check: actions},
	})
	t.Logf("the call was answered with: %v", err)
}

// wantOneFinding waits for the end of the task and wants its one finding
// mitigated.
func (r *rig) wantOneFinding(t *testing.T, p *process, check string) {
	t.Helper()
	out := cordontest.AwaitMitigation(t, p.iot(), task)
	s := out.TaskStatistics[check]
	got := [...]int64{
		*s.TotalFindingsCount, *s.SucceededFindingsCount, *s.FailedFindingsCount,
		*s.SkippedFindingsCount, *s.CanceledFindingsCount,
	}
	want := [...]int64{1, 1, 0, 0, 0}
	if got != want || out.TaskStatus != types.AuditMitigationActionsTaskStatusCompleted {
		t.Errorf("got total, succeeded, failed, skipped, canceled %v and %s, want %v and COMPLETED",
			got, out.TaskStatus, want)
	}
}
