package iotapi_test

import (
	"cmp"
	"crypto/x509/pkix"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// material is what every scope registers alike, so that the ids of its
// certificates are equal everywhere.
type material struct {
	ca, otherCA, newCA                      *fixture.CA
	expired, expiring, spare, signed, alone string // PEM
	csr, offered, otherOffered              string
}

func newMaterial(t *testing.T) *material {
	t.Helper()
	m := &material{
		ca:      newCA(t, fixture.Template{CommonName: "home-CA"}),
		otherCA: newCA(t, fixture.Template{CommonName: "home-other-CA"}),
		newCA:   newCA(t, fixture.Template{CommonName: "home-new-CA"}),
	}
	for _, leaf := range []struct {
		pem  *string
		days int
	}{
		{&m.expired, -1}, {&m.expiring, 20}, {&m.spare, 400}, {&m.signed, 400}, {&m.alone, 400}, {&m.offered, 400},
		{&m.otherOffered, 400},
	} {
		*leaf.pem = must[*fixture.Leaf](t)(m.ca.Issue(in(leaf.days))).PEM
	}
	key, err := fixture.ECKey()
	if err != nil {
		t.Fatal(err)
	}
	m.csr = must[string](t)(fixture.Request(pkix.Name{CommonName: "home-csr"}, key))
	return m
}

// world is a scope with two of everything. Its names are those of every other
// world; its note is not.
type world struct {
	*material
	fleet.Scope
	c                              *iot.Client
	note                           string
	expiredID, expiringID, spareID string
	caID, otherCAID, offeredID     string
	audit, finding, code, actionID string
	caller                         string // the account whose roles calls name, "" is that of the scope
}

func (w *world) arn(kind, name string) *string { return new(w.ARN(kind, name)) }

// furnish builds a world in an empty scope.
func furnish(t *testing.T, c *iot.Client, scope fleet.Scope, m *material, note string) *world {
	t.Helper()
	w := &world{material: m, Scope: scope, c: c, note: note}
	w.registerAll(t)
	for _, name := range []string{"home-site", "home-lab", "home-spare"} {
		w.make(t, &iot.CreateThingGroupInput{ThingGroupName: &name, ThingGroupProperties: &types.ThingGroupProperties{
			ThingGroupDescription: &note,
		}})
	}
	group(t, c, "home-hall", "home-site")
	for _, name := range []string{"home-pump", "home-valve", "home-spare"} {
		w.make(t, &iot.CreateThingInput{ThingName: &name, AttributePayload: &types.AttributePayload{
			Attributes: map[string]string{"note": note},
		}})
	}
	join(t, c, "home-pump", "home-hall")
	join(t, c, "home-pump", "home-lab")
	join(t, c, "home-valve", "home-lab")
	for _, p := range [][2]string{{"home-pump", w.expiredID}, {"home-pump", w.expiringID}, {"home-valve", w.expiredID}} {
		w.make(t, &iot.AttachThingPrincipalInput{ThingName: &p[0], Principal: w.arn("cert", p[1])})
	}
	w.setPolicies(t)
	w.make(t, &iot.SetV2LoggingOptionsInput{RoleArn: w.role(), DefaultLogLevel: types.LogLevelInfo})
	w.make(t, &iot.SetLoggingOptionsInput{LoggingOptionsPayload: &types.LoggingOptionsPayload{
		RoleArn: w.role(), LogLevel: types.LogLevelInfo,
	}})
	w.mitigateAll(t)
	for _, p := range parts {
		p.furnish(t, w)
	}
	return w
}

// role is an ARN that says whose world it is. Nobody hands over a role of another
// account: it is in that of the caller.
func (w *world) role() *string {
	return new("arn:aws:iam::" + cmp.Or(w.caller, w.Account) + ":role/" + w.note)
}

// make makes a call that must succeed.
func (w *world) make(t *testing.T, in any) any {
	t.Helper()
	out, err := call(t, w.c, in)
	if err != nil {
		t.Fatalf("furnish %s: %v", w.note, err)
	}
	return out
}

func (w *world) registerAll(t *testing.T) {
	t.Helper()
	for _, ca := range []struct {
		ca     *fixture.CA
		id     *string
		active bool
	}{{w.ca, &w.caID, true}, {w.otherCA, &w.otherCAID, false}} {
		out := w.make(t, &iot.RegisterCACertificateInput{
			CaCertificate: &ca.ca.PEM, CertificateMode: types.CertificateModeSniOnly, SetAsActive: ca.active,
		})
		*ca.id = *out.(*iot.RegisterCACertificateOutput).CertificateId
	}
	for _, cert := range []struct {
		pem    string
		id     *string
		status types.CertificateStatus
	}{
		{w.expired, &w.expiredID, types.CertificateStatusActive},
		{w.expiring, &w.expiringID, types.CertificateStatusActive},
		{w.spare, &w.spareID, types.CertificateStatusInactive},
	} {
		out := w.make(t, &iot.RegisterCertificateInput{CertificatePem: &cert.pem, Status: cert.status})
		*cert.id = *out.(*iot.RegisterCertificateOutput).CertificateId
	}
	w.code = *w.make(t, &iot.GetRegistrationCodeInput{}).(*iot.GetRegistrationCodeOutput).RegistrationCode
}

func (w *world) setPolicies(t *testing.T) {
	t.Helper()
	for _, name := range []string{"home-broad", "home-narrow", "home-spare"} {
		policy(t, w.c, name, w.document())
	}
	policyVersion(t, w.c, "home-broad", narrowPolicy, false)
	policyVersion(t, w.c, "home-broad", w.document(), false)
	for _, at := range [][2]*string{
		{new("home-broad"), w.arn("cert", w.expiredID)}, {new("home-narrow"), w.arn("cert", w.expiredID)},
		{new("home-broad"), w.arn("thinggroup", "home-lab")}, {new("home-narrow"), w.arn("thinggroup", "home-lab")},
	} {
		w.make(t, &iot.AttachPolicyInput{PolicyName: at[0], Target: at[1]})
	}
}

// document is a policy that says whose world it is.
func (w *world) document() string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish",`+
		`"Resource":"arn:aws:iot:us-east-1:000000000000:topic/%s"}]}`, w.note)
}

func (w *world) mitigateAll(t *testing.T) {
	t.Helper()
	w.make(t, &iot.UpdateAccountAuditConfigurationInput{
		RoleArn:                  w.role(),
		AuditCheckConfigurations: map[string]types.AuditCheckConfiguration{checkExpiring: {Enabled: true}},
	})
	for range 2 {
		w.audit, _ = cordontest.Audit(t, w.c, checkExpiring)
	}
	for _, f := range cordontest.Findings(t, w.c, w.audit) {
		if resourceOf(f.NonCompliantResource) == w.expiredID {
			w.finding = *f.FindingId
		}
	}
	for name, p := range map[string]types.MitigationActionParams{
		"home-deactivate": deactivate(), "home-join": joining("home-lab"),
	} {
		out := w.make(t, &iot.CreateMitigationActionInput{ActionName: &name, RoleArn: w.role(), ActionParams: &p})
		w.actionID = *out.(*iot.CreateMitigationActionOutput).ActionId
	}
	for _, id := range []string{"home-task", "home-task-2"} {
		w.make(t, &iot.StartAuditMitigationActionsTaskInput{
			TaskId: &id, ClientRequestToken: &id, Target: aimAtFinding(w.finding),
			AuditCheckToActionsMapping: mapping{checkExpiring: {"home-deactivate", "home-join"}},
		})
		cordontest.AwaitMitigation(t, w.c, id)
	}
}

// secrets are what nobody outside of the world may learn.
func (w *world) secrets() []string {
	return []string{
		w.note, w.audit, w.finding, w.code, w.actionID, ":" + w.Region + ":" + w.Account + ":",
	}
}

// names are what somebody in an empty scope may not learn either.
func (w *world) names() []string {
	return []string{"home-", w.expiredID, w.expiringID, w.spareID, w.offeredID, w.caID, w.otherCAID}
}

// window is the time of the test.
func window() (from, to *time.Time) {
	return new(time.Now().Add(-time.Hour)), new(time.Now().Add(time.Hour))
}
