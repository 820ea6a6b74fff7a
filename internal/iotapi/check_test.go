package iotapi_test

import (
	"crypto/rsa"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// home is the first account and region.
var home = fleet.Scope{Account: cordontest.Account, Region: cordontest.Region}

// sick is a fleet with something for each check to find.
type sick struct {
	expired, expiring, roca, debian, old string // device certificates
	expiringCA, rocaCA                   string
}

func newSick(t *testing.T, cordon *cordontest.Cordon) sick {
	t.Helper()
	c := cordon.IoT()
	soon := in(20)
	soon.CommonName = "Soon CA"
	s := sick{
		expired:  register(t, c, in(-3)),
		expiring: register(t, c, in(29)),
		roca:     register(t, c, fixture.Template{Key: &fixture.ROCAKey(7).PublicKey}),
		debian:   register(t, c, fixture.Template{Key: fixture.DebianKey()}),
		old:      registerOld(t, cordon, time.Now().AddDate(0, 0, -400)),

		expiringCA: registerCA(t, c, newCA(t, soon), true),
		rocaCA:     registerCA(t, c, rocaCA(t), true),
	}
	register(t, c, in(31)) // far enough from its end
	registerPEM(t, c, issue(t, in(-3)), types.CertificateStatusInactive)
	registerPEM(t, c, issue(t, in(-3)), types.CertificateStatusRevoked)
	soon.CommonName = "Unused CA"
	registerCA(t, c, newCA(t, soon), false)
	registerCA(t, c, newCA(t, fixture.Template{CommonName: "Sound CA"}), true)
	policy(t, c, "narrow", narrowPolicy)
	policy(t, c, "broad", broadPolicy)
	policy(t, c, "misconfigured", misconfiguredPolicy)
	policy(t, c, "once-broad", broadPolicy)
	policyVersion(t, c, "once-broad", narrowPolicy, true)
	policy(t, c, "not-yet-broad", narrowPolicy)
	policyVersion(t, c, "not-yet-broad", broadPolicy, false)
	policy(t, c, "now-broad", narrowPolicy)
	policyVersion(t, c, "now-broad", broadPolicy, true)
	return s
}

func rocaCA(t *testing.T) *fixture.CA {
	t.Helper()
	key := fixture.ROCAKey(8)
	return must[*fixture.CA](t)(fixture.NewCAWithKey(fixture.Template{CommonName: "ROCA CA"}, key))
}

// registerOld stores a certificate as if it had been registered then.
func registerOld(t *testing.T, cordon *cordontest.Cordon, then time.Time) string {
	t.Helper()
	parsed := must[*pki.Certificate](t)(pki.ParseCertificate(issue(t, fixture.Template{})))
	c := must[*fleet.Certificate](t)(fleet.NewCertificate(parsed, fleet.Active, then))
	if err := cordon.Store().RegisterCertificates(t.Context(), home, []fleet.Certificate{*c}); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// finding is what must be found about a resource.
type finding struct {
	check, code string
	severity    types.AuditFindingSeverity
	kind        types.ResourceType
	resource    string
	info        string // the key in additionalInfo, "" for none
}

func (s sick) findings() []finding {
	const critical, medium, low = types.AuditFindingSeverityCritical, types.AuditFindingSeverityMedium,
		types.AuditFindingSeverityLow
	const device, ca, policy = types.ResourceTypeDeviceCertificate, types.ResourceTypeCaCertificate,
		types.ResourceTypeIotPolicy
	return []finding{
		{checkLogging, codeLoggingDisabled, low, types.ResourceTypeAccountSettings, cordontest.Account, ""},
		{checkCAExpiring, codeApproaching, medium, ca, s.expiringCA, "EXPIRATION_TIME"},
		{checkCAKey, codeROCA, critical, ca, s.rocaCA, ""},
		{checkExpiring, codePast, medium, device, s.expired, "EXPIRATION_TIME"},
		{checkExpiring, codeApproaching, medium, device, s.expiring, "EXPIRATION_TIME"},
		{checkKey, codeROCA, critical, device, s.roca, ""},
		{checkAge, "CERTIFICATE_PAST_AGE_THRESHOLD", low, device, s.old, "CREATION_TIME"},
		{checkBroad, codeBroad, critical, policy, "broad:1", ""},
		{checkBroad, codeBroad, critical, policy, "now-broad:2", ""},
		{checkMisconfigured, "POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT", medium, policy, "misconfigured:1", ""},
		{checkMisconfigured, "TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS", medium, policy, "misconfigured:1", ""},
	}
}

func TestEachCheckFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		s := newSick(t, cordon)
		cordontest.Enable(t, c, selfContained...)
		id, done := cordontest.Audit(t, c, selfContained...)
		wantFindings(t, c, id, s.findings())
		t.Run("resources are counted once", func(t *testing.T) {
			for check, want := range map[string][2]int64{
				checkLogging: {1, 1}, checkCAExpiring: {3, 1}, checkCAKey: {3, 1},
				checkExpiring: {6, 2}, checkKey: {6, 1}, checkAge: {6, 1},
				checkBroad: {6, 2}, checkMisconfigured: {6, 1},
			} {
				d := done.AuditDetails[check]
				if got := [2]int64{*d.TotalResourcesCount, *d.NonCompliantResourcesCount}; got != want || *d.CheckCompliant ||
					*d.SuppressedNonCompliantResourcesCount != 0 || d.ErrorCode != nil {
					t.Errorf("%s: got %v of %+v, want %v", check, got, d, want)
				}
			}
		})
		for check, d := range done.AuditDetails {
			untested := check == checkKey || check == checkCAKey
			if got := d.Message != nil && strings.Contains(*d.Message, "CVE-2008-0166 was not tested"); got != untested {
				t.Errorf("%s: got message %v, want what was not tested to be said by the key checks alone", check, d.Message)
			}
		}
	})
}

// wantFindings holds what an audit found, nothing more and nothing less.
func wantFindings(t *testing.T, c *iot.Client, audit string, list []finding) {
	t.Helper()
	found := byResource(t, c, audit)
	for _, w := range list {
		f, ok := found[w.code+" "+w.resource]
		delete(found, w.code+" "+w.resource)
		if !ok {
			t.Errorf("got no finding %+v", w)
			continue
		}
		got := finding{*f.CheckName, *f.ReasonForNonComplianceCode, f.Severity, f.NonCompliantResource.ResourceType,
			w.resource, ""}
		for key, value := range f.NonCompliantResource.AdditionalInfo {
			got.info = key
			if ms, err := strconv.ParseInt(value, 10, 64); err != nil || time.UnixMilli(ms).Year() < 2020 {
				t.Errorf("got %s %q, want milliseconds", key, value)
			}
		}
		if got != w {
			t.Errorf("got %+v, want %+v", got, w)
		}
		if f.ReasonForNonCompliance == nil || f.IsSuppressed == nil || *f.IsSuppressed || *f.TaskId != audit ||
			f.TaskStartTime == nil || f.FindingTime.Before(*f.TaskStartTime) || len(f.RelatedResources) != 0 {
			t.Errorf("got %+v, want a reason, its audit and times, not suppressed", f)
		}
	}
	for key := range found {
		t.Errorf("got a finding %s, want none", key)
	}
}

func TestDebianWeakKeysAreFoundByABlocklist(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			cfg := cordontest.Settings(t, database)
			file := filepath.Join(t.TempDir(), fixture.DebianBlacklistName)
			if err := os.WriteFile(file, []byte(fixture.DebianBlacklist), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg.WeakKeyBlocklist = []string{file}
			c := cordontest.Start(t, cfg, noOptions).IoT()
			weak := register(t, c, fixture.Template{Key: fixture.DebianKey()})
			sound := must[*rsa.PrivateKey](t)(fixture.RSAKey())
			register(t, c, fixture.Template{Key: &sound.PublicKey})
			cordontest.Enable(t, c, checkKey, checkCAKey)
			id, done := cordontest.Audit(t, c, checkKey, checkCAKey)
			wantFindings(t, c, id, []finding{
				{checkKey, codeDebian, types.AuditFindingSeverityCritical, types.ResourceTypeDeviceCertificate, weak, ""},
			})
			d := done.AuditDetails[checkKey]
			if *d.TotalResourcesCount != 2 || *d.NonCompliantResourcesCount != 1 || d.Message != nil {
				t.Errorf("got %+v, want one of two and nothing untested", d)
			}
			none := done.AuditDetails[checkCAKey]
			if none.CheckRunStatus != types.AuditCheckRunStatusCompletedCompliant || !*none.CheckCompliant ||
				*none.TotalResourcesCount != 0 {
				t.Errorf("got %+v, want no CA certificate to comply", none)
			}
		})
	}
}

func TestThresholdsMoveWhatIsFound(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		register(t, c, in(50))
		old := registerOld(t, cordon, time.Now().AddDate(0, 0, -40))
		for _, tt := range []struct {
			name, notice, age string
			want              []string
		}{
			{"thresholds that nothing reaches", "49", "41", nil},
			{"a longer notice", "51", "41", []string{codeApproaching}},
			{"a lower age", "49", "40", []string{"CERTIFICATE_PAST_AGE_THRESHOLD"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				expect(t, configure(t.Context(), c, cordontest.RoleARN, map[string]types.AuditCheckConfiguration{
					checkExpiring: enabled(map[string]string{"CERT_EXPIRATION_THRESHOLD_IN_DAYS": tt.notice}),
					checkAge:      enabled(map[string]string{"CERT_AGE_THRESHOLD_IN_DAYS": tt.age}),
				}), fine)
				id, _ := cordontest.Audit(t, c, checkExpiring, checkAge)
				var codes []string
				for _, f := range cordontest.Findings(t, c, id) {
					codes = append(codes, *f.ReasonForNonComplianceCode)
				}
				same(t, "reasons", codes, tt.want)
			})
		}
		if got := status(t, c, old); got != types.CertificateStatusActive {
			t.Errorf("got %s after audits alone, want ACTIVE", got)
		}
	})
}

func TestLoggingOptionsComply(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		cordontest.Enable(t, c, checkLogging)
		v1 := func(level types.LogLevel) error {
			_, err := c.SetLoggingOptions(ctx, &iot.SetLoggingOptionsInput{LoggingOptionsPayload: &types.LoggingOptionsPayload{
				RoleArn: new(cordontest.RoleARN), LogLevel: level,
			}})
			return err
		}
		v2 := func(level types.LogLevel, off bool) error {
			_, err := c.SetV2LoggingOptions(ctx, &iot.SetV2LoggingOptionsInput{
				RoleArn: new(cordontest.RoleARN), DefaultLogLevel: level, DisableAllLogs: off,
			})
			return err
		}
		for _, tt := range []struct {
			name string
			set  func() error
			want bool
		}{
			{"nothing set", func() error { return nil }, false},
			{"V2 at level DISABLED", func() error { return v2(types.LogLevelDisabled, false) }, false},
			{"V2 at a level", func() error { return v2(types.LogLevelError, false) }, true},
			{"V2 switched off", func() error { return v2(types.LogLevelError, true) }, false},
			{"V1 at level DISABLED", func() error { return v1(types.LogLevelDisabled) }, false},
			{"V1 at a level", func() error { return v1(types.LogLevelWarn) }, true},
		} {
			expect(t, tt.set(), fine)
			_, done := cordontest.Audit(t, c, checkLogging)
			if got := *done.AuditDetails[checkLogging].CheckCompliant; got != tt.want {
				t.Errorf("%s: got compliant %t, want %t", tt.name, got, tt.want)
			}
		}
	})
}
