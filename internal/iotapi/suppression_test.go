package iotapi_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/server"
)

type resource = types.ResourceIdentifier

func deviceResource(id string) *resource { return &resource{DeviceCertificateId: &id} }

func policyResource(name, version string) *resource {
	return &resource{PolicyVersionIdentifier: &types.PolicyVersionIdentifier{PolicyName: &name, PolicyVersionId: &version}}
}

// suppress creates a suppression without end.
func suppress(t *testing.T, c *iot.Client, check string, id *resource) {
	t.Helper()
	_, err := c.CreateAuditSuppression(t.Context(), &iot.CreateAuditSuppressionInput{
		CheckName: &check, ResourceIdentifier: id, SuppressIndefinitely: new(true),
	})
	if err != nil {
		t.Fatalf("suppress %s: %v", check, err)
	}
}

// suppressions lists what is suppressed, two a page.
func suppressions(t *testing.T, c *iot.Client, narrow func(*iot.ListAuditSuppressionsInput)) (list []string) {
	t.Helper()
	in := &iot.ListAuditSuppressionsInput{MaxResults: new(int32(2))}
	if narrow != nil {
		narrow(in)
	}
	pages := iot.NewListAuditSuppressionsPaginator(c, in)
	for pages.HasMorePages() {
		page := must[*iot.ListAuditSuppressionsOutput](t)(pages.NextPage(t.Context()))
		for _, s := range page.Suppressions {
			list = append(list, *s.CheckName+" "+
				resourceOf(&types.NonCompliantResource{ResourceIdentifier: s.ResourceIdentifier}))
		}
	}
	return list
}

func TestSuppressions(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		id := strings.Repeat("ab", 32)
		end := time.Now().Add(time.Hour).Truncate(time.Millisecond)
		create := &iot.CreateAuditSuppressionInput{
			CheckName: new(checkAge), ResourceIdentifier: deviceResource(id), ExpirationDate: &end,
			SuppressIndefinitely: new(false), Description: new("known: see ticket 7"), ClientRequestToken: new("token"),
		}
		describe := func(id *resource) (*iot.DescribeAuditSuppressionOutput, error) {
			return c.DescribeAuditSuppression(ctx, &iot.DescribeAuditSuppressionInput{
				CheckName: new(checkAge), ResourceIdentifier: id,
			})
		}
		for range 2 { // the same call again is fine
			_, err := c.CreateAuditSuppression(ctx, create)
			expect(t, err, fine)
		}
		create.ClientRequestToken = new("another")
		_, err := c.CreateAuditSuppression(ctx, create)
		expect(t, err, exists)
		create.ClientRequestToken, create.ResourceIdentifier = new("token"), deviceResource(strings.Repeat("cd", 32))
		_, err = c.CreateAuditSuppression(ctx, create)
		expect(t, err, exists)
		saying(t, err, "clientRequestToken")

		got := must[*iot.DescribeAuditSuppressionOutput](t)(describe(deviceResource(strings.ToUpper(id))))
		if *got.CheckName != checkAge || *got.ResourceIdentifier.DeviceCertificateId != id ||
			!got.ExpirationDate.Equal(end) || *got.SuppressIndefinitely || *got.Description != "known: see ticket 7" {
			t.Errorf("got %s, want what was created", words(t, got))
		}
		_, err = c.UpdateAuditSuppression(ctx, &iot.UpdateAuditSuppressionInput{
			CheckName: new(checkAge), ResourceIdentifier: deviceResource(id), SuppressIndefinitely: new(true),
		})
		expect(t, err, fine)
		got = must[*iot.DescribeAuditSuppressionOutput](t)(describe(deviceResource(id)))
		if got.ExpirationDate != nil || !*got.SuppressIndefinitely || *got.Description != "known: see ticket 7" {
			t.Errorf("got %s, want no end and the old description", words(t, got))
		}
		for range 2 {
			_, err = c.DeleteAuditSuppression(ctx, &iot.DeleteAuditSuppressionInput{
				CheckName: new(checkAge), ResourceIdentifier: deviceResource(id),
			})
			expect(t, err, fine)
		}
		_, err = describe(deviceResource(id))
		expect(t, err, notFound)
		_, err = c.UpdateAuditSuppression(ctx, &iot.UpdateAuditSuppressionInput{
			CheckName: new(checkAge), ResourceIdentifier: deviceResource(id), Description: new("x"),
		})
		expect(t, err, notFound)
	})
}

func TestSuppressionsThatAreRefused(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	id := strings.Repeat("ab", 32)
	other := resource{
		DeviceCertificateId: &id, CaCertificateId: &id, ClientId: new("c"), Account: new(cordontest.Account),
		CognitoIdentityPoolId: new("us-east-1:x"), IamRoleArn: new(cordontest.RoleARN), RoleAliasArn: new("arn:x"),
		DeviceCertificateArn:        new(certARN(id)),
		IssuerCertificateIdentifier: &types.IssuerCertificateIdentifier{IssuerId: &id},
		PolicyVersionIdentifier:     policyResource("p", "1").PolicyVersionIdentifier,
	}
	past := time.Now().Add(-time.Second)
	for _, tt := range []struct {
		name  string
		check string
		id    *resource
		until *time.Time
		ever  *bool
		text  string
	}{
		{"an unknown check", "MOON_CHECK", deviceResource(id), nil, new(true), `"MOON_CHECK"`},
		{"no member", checkAge, &resource{}, nil, new(true), "deviceCertificateId alone"},
		{"all members", checkAge, &other, nil, new(true), "deviceCertificateId alone; this one has: deviceCertificateId, ca"},
		{"a CA for a device", checkAge, &resource{CaCertificateId: &id}, nil, new(true), "deviceCertificateId alone"},
		{"a device by its ARN", checkAge, &resource{DeviceCertificateArn: new(certARN(id))}, nil, new(true),
			"has: deviceCertificateArn"},
		{"a device for a CA", checkCAKey, deviceResource(id), nil, new(true), "caCertificateId alone"},
		{"a device for a policy", checkBroad, deviceResource(id), nil, new(true), "policyVersionIdentifier alone"},
		{"a policy without version", checkBroad,
			&resource{PolicyVersionIdentifier: &types.PolicyVersionIdentifier{PolicyName: new("p")}}, nil, new(true),
			"policyName and policyVersionId"},
		{"a version with a zero before it", checkBroad, policyResource("p", "01"), nil, new(true), "policyVersionId"},
		{"an id with 0x before it", checkAge, deviceResource("0x" + id[2:]), nil, new(true), "0x"},
		{"a device for the account", checkLogging, deviceResource(id), nil, new(true), "account alone"},
		{"another account", checkLogging, &resource{Account: new("999999999999")}, nil, new(true), "account"},
		{"neither end nor none", checkAge, deviceResource(id), nil, nil, "expirationDate"},
		{"no end, denied", checkAge, deviceResource(id), nil, new(false), "expirationDate"},
		{"an end and none", checkAge, deviceResource(id), new(time.Now().Add(time.Hour)), new(true), "exclude each other"},
		{"an end in the past", checkAge, deviceResource(id), &past, nil, "in the future"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.CreateAuditSuppression(ctx, &iot.CreateAuditSuppressionInput{
				CheckName: &tt.check, ResourceIdentifier: tt.id, ExpirationDate: tt.until, SuppressIndefinitely: tt.ever,
			})
			expect(t, err, invalid)
			saying(t, err, tt.text)
			if len(tt.text) > 1 && (tt.until != nil || tt.ever == nil || !*tt.ever) {
				return // the key is right
			}
			_, err = c.DeleteAuditSuppression(ctx, &iot.DeleteAuditSuppressionInput{
				CheckName: &tt.check, ResourceIdentifier: tt.id,
			})
			expect(t, err, invalid)
			_, err = c.ListAuditSuppressions(ctx, &iot.ListAuditSuppressionsInput{
				CheckName: &tt.check, ResourceIdentifier: tt.id,
			})
			expect(t, err, invalid)
		})
	}
	if got := suppressions(t, c, nil); len(got) != 0 {
		t.Errorf("got %v after refusals, want none", got)
	}
	_, err := c.CreateAuditSuppression(ctx, &iot.CreateAuditSuppressionInput{
		CheckName: new(checkAge), ResourceIdentifier: deviceResource(id), SuppressIndefinitely: new(true),
		Description: new("no\nnew lines"),
	})
	expect(t, err, invalid)
	saying(t, err, "'description'")
}

func TestListAuditSuppressions(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	c := cordon.IoT()
	a, b := strings.Repeat("aa", 32), strings.Repeat("bb", 32)
	suppress(t, c, checkKey, deviceResource(b))
	for hours, s := range []struct{ check, id string }{{checkAge, b}, {checkAge, a}, {checkExpiring, b}} {
		_, err := c.CreateAuditSuppression(t.Context(), &iot.CreateAuditSuppressionInput{
			CheckName: &s.check, ResourceIdentifier: deviceResource(s.id),
			ExpirationDate: new(time.Now().Add(time.Duration(hours+1) * time.Hour)),
		})
		expect(t, err, fine)
	}
	ageB, ageA, expiringB, keyB := checkAge+" "+b, checkAge+" "+a, checkExpiring+" "+b, checkKey+" "+b
	inOrder(t, "all", suppressions(t, c, nil), ageB, ageA, expiringB, keyB)
	inOrder(t, "ascending", suppressions(t, c, func(in *iot.ListAuditSuppressionsInput) {
		in.AscendingOrder = true
	}), ageB, ageA, expiringB, keyB)
	// The SDK cannot say false.
	got := raw(t, cordon, "POST", "/audit/suppressions/list", `{"ascendingOrder":false}`).body
	inOrder(t, "from the last end", regexp.MustCompile(`[A-Z_]+_CHECK`).FindAllString(string(got), -1),
		checkKey, checkExpiring, checkAge, checkAge)
	inOrder(t, "of a check", suppressions(t, c, func(in *iot.ListAuditSuppressionsInput) {
		in.CheckName = new(checkAge)
	}), ageB, ageA)
	inOrder(t, "of a resource", suppressions(t, c, func(in *iot.ListAuditSuppressionsInput) {
		in.ResourceIdentifier = deviceResource(b)
	}), ageB, expiringB, keyB)
	inOrder(t, "of a resource by id and ARN", suppressions(t, c, func(in *iot.ListAuditSuppressionsInput) {
		in.ResourceIdentifier = &resource{DeviceCertificateId: &b, DeviceCertificateArn: new(certARN(b))}
	}), ageB, expiringB, keyB)
	inOrder(t, "of both", suppressions(t, c, func(in *iot.ListAuditSuppressionsInput) {
		in.CheckName, in.ResourceIdentifier = new(checkExpiring), deviceResource(b)
	}), expiringB)
}

// verdict is what an audit says about a check.
type verdict struct {
	status                          types.AuditCheckRunStatus
	total, nonCompliant, suppressed int64
}

func verdictOf(out *iot.DescribeAuditTaskOutput, check string) verdict {
	d := out.AuditDetails[check]
	return verdict{d.CheckRunStatus, *d.TotalResourcesCount, *d.NonCompliantResourcesCount,
		*d.SuppressedNonCompliantResourcesCount}
}

const (
	compliant    = types.AuditCheckRunStatusCompletedCompliant
	nonCompliant = types.AuditCheckRunStatusCompletedNonCompliant
)

func TestSuppressedFindingsAreKeptAndDecideNothing(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		s := newSick(t, cordon)
		cordontest.Enable(t, c, selfContained...)
		before, _ := cordontest.Audit(t, c, selfContained...)
		for check, id := range map[string]*resource{
			checkExpiring:      deviceResource(s.expired),
			checkCAExpiring:    {CaCertificateId: &s.expiringCA},
			checkLogging:       {Account: new(cordontest.Account)},
			checkBroad:         policyResource("broad", "1"),
			checkMisconfigured: policyResource("misconfigured", "1"),
			checkAge:           deviceResource(s.expired), // of another check
		} {
			suppress(t, c, check, id)
		}
		policyVersion(t, c, "misconfigured", narrowPolicy, false)
		id, done := cordontest.Audit(t, c, selfContained...)
		for check, want := range map[string]verdict{
			checkExpiring:      {nonCompliant, 6, 2, 1},
			checkCAExpiring:    {compliant, 3, 1, 1},
			checkLogging:       {compliant, 1, 1, 1},
			checkBroad:         {nonCompliant, 6, 2, 1},
			checkMisconfigured: {compliant, 6, 1, 1}, // two findings about one resource
			checkKey:           {nonCompliant, 6, 1, 0},
			checkAge:           {nonCompliant, 6, 1, 0},
		} {
			complies := *done.AuditDetails[check].CheckCompliant
			if got := verdictOf(done, check); got != want || complies != (want.status == compliant) {
				t.Errorf("%s: got %+v, want %+v", check, got, want)
			}
		}
		if got := *done.TaskStatistics.CompliantChecks; got != 3 {
			t.Errorf("got %d compliant checks, want 3", got)
		}
		all := byResource(t, c, id)
		marked := map[string]bool{
			codePast + " " + s.expired: true, codeApproaching + " " + s.expiringCA: true,
			codeLoggingDisabled + " " + cordontest.Account: true, codeBroad + " broad:1": true,
			"POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT misconfigured:1":       true,
			"TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS misconfigured:1": true,
		}
		if len(all) != len(s.findings()) {
			t.Errorf("got %d findings, want %d: suppressed ones are found too", len(all), len(s.findings()))
		}
		for about, f := range all {
			if *f.IsSuppressed != marked[about] {
				t.Errorf("%s: got suppressed %t", about, *f.IsSuppressed)
			}
		}
		for suppressed, want := range map[bool]int{true: len(marked), false: len(all) - len(marked)} {
			body := fmt.Sprintf(`{"taskId":%q,"listSuppressedFindings":%t}`, id, suppressed) // the SDK cannot say false
			text := string(raw(t, cordon, "POST", "/audit/findings", body).body)
			got, other := fmt.Sprintf(`"isSuppressed":%t`, suppressed), fmt.Sprintf(`"isSuppressed":%t`, !suppressed)
			if n := strings.Count(text, got); n != want || strings.Contains(text, other) {
				t.Errorf("suppressed %t: got %d findings in %s, want %d", suppressed, n, text, want)
			}
		}
		for about, f := range byResource(t, c, before) {
			if *f.IsSuppressed {
				t.Errorf("%s: got it suppressed in an audit of before", about)
			}
		}
		wantUntouched(t, c, id, s, all)
		policyVersion(t, c, "broad", broadPolicy, true)
		_, done = cordontest.Audit(t, c, checkBroad)
		if got, want := verdictOf(done, checkBroad), (verdict{nonCompliant, 6, 2, 0}); got != want {
			t.Errorf("got %+v, want %+v: a later version of the policy is not meant", got, want)
		}
	})
}

// wantUntouched mitigates an audit whose finding about the expired certificate
// is suppressed.
func wantUntouched(t *testing.T, c *iot.Client, audit string, s sick, found map[string]types.AuditFinding) {
	t.Helper()
	action(t, c, "off", deactivate())
	m := mapping{checkExpiring: {"off"}}
	done := mitigate(t, c, "all", aim(audit), m)
	if got, want := statistics(done, checkExpiring), (counts{1, 1, 0, 0, 0}); got != want {
		t.Errorf("got %v, want %v: a suppressed finding is no target", got, want)
	}
	for id, want := range map[string]types.CertificateStatus{
		s.expired: types.CertificateStatusActive, s.expiring: types.CertificateStatusInactive,
	} {
		if got := status(t, c, id); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	finding := *found[codePast+" "+s.expired].FindingId
	if got := executions(t, c, "all", finding); len(got) != 0 {
		t.Errorf("got executions %v on a suppressed finding", got)
	}
	_, err := c.StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
		TaskId: new("one"), Target: aimAtFinding(finding), AuditCheckToActionsMapping: m,
	})
	expect(t, err, invalid)
	saying(t, err, "suppressed")
}

// What is suppressed while an audit runs is so for the next one.
func TestASuppressionDuringAnAudit(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			cordon, gate := cordontest.StartHeld(t, database, "audit")
			c := cordon.IoT()
			kept, dropped := register(t, c, in(-1)), register(t, c, in(-2))
			cordontest.Enable(t, c, checkLogging, checkExpiring)
			suppress(t, c, checkExpiring, deviceResource(dropped))
			start := must[*iot.StartOnDemandAuditTaskOutput](t)(c.StartOnDemandAuditTask(t.Context(),
				&iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{checkLogging, checkExpiring}}))
			gate.Await(t, *start.TaskId) // the certificates have not been judged yet
			suppress(t, c, checkExpiring, deviceResource(kept))
			gate.Open()
			done := cordontest.AwaitAudit(t, c, *start.TaskId)
			if got, want := verdictOf(done, checkExpiring), (verdict{nonCompliant, 2, 2, 1}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			_, done = cordontest.Audit(t, c, checkExpiring)
			if got, want := verdictOf(done, checkExpiring), (verdict{compliant, 2, 2, 2}); got != want {
				t.Errorf("the next audit: got %+v, want %+v", got, want)
			}
			_, err := c.DeleteAuditSuppression(t.Context(), &iot.DeleteAuditSuppressionInput{
				CheckName: new(checkExpiring), ResourceIdentifier: deviceResource(kept),
			})
			expect(t, err, fine)
			_, done = cordontest.Audit(t, c, checkExpiring)
			if got, want := verdictOf(done, checkExpiring), (verdict{nonCompliant, 2, 2, 1}); got != want {
				t.Errorf("the audit after its deletion: got %+v, want %+v", got, want)
			}
		})
	}
}

func TestASuppressionThatExpires(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{Now: now}).IoT()
	id := register(t, c, in(-1))
	cordontest.Enable(t, c, checkExpiring)
	create := func() error {
		_, err := c.CreateAuditSuppression(t.Context(), &iot.CreateAuditSuppressionInput{
			CheckName: new(checkExpiring), ResourceIdentifier: deviceResource(id), ExpirationDate: new(now().Add(time.Minute)),
			ClientRequestToken: new("token"),
		})
		return err
	}
	expect(t, create(), fine)
	_, done := cordontest.Audit(t, c, checkExpiring)
	if got, want := verdictOf(done, checkExpiring), (verdict{compliant, 1, 1, 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	ahead.Store(int64(2 * time.Minute)) // signatures are good for five
	if got := suppressions(t, c, nil); len(got) != 0 {
		t.Errorf("got %v, want what has expired to be gone", got)
	}
	_, err := c.DescribeAuditSuppression(t.Context(), &iot.DescribeAuditSuppressionInput{
		CheckName: new(checkExpiring), ResourceIdentifier: deviceResource(id),
	})
	expect(t, err, notFound)
	_, done = cordontest.Audit(t, c, checkExpiring)
	if got, want := verdictOf(done, checkExpiring), (verdict{nonCompliant, 1, 1, 0}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	expect(t, create(), fine) // key and token are free again
}

func TestSuppressionsAreCounted(t *testing.T) {
	t.Parallel()
	profile := *quota.AWS
	profile.Suppressions = 3
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{Quotas: &profile}).IoT()
	errs := make(chan error)
	for i := range 6 {
		go func() {
			_, err := c.CreateAuditSuppression(context.Background(), &iot.CreateAuditSuppressionInput{
				CheckName: new(checkBroad), ResourceIdentifier: policyResource(fmt.Sprint(i), "1"), SuppressIndefinitely: new(true),
			})
			errs <- err
		}()
	}
	got := map[want]int{}
	for range 6 {
		got[outcome(<-errs)]++
	}
	if want := (map[want]int{fine: 3, limitExceeded: 3}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
