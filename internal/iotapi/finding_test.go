package iotapi_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// findingIDs lists findings three at a time, in the order they come.
func findingIDs(t *testing.T, c *iot.Client, in iot.ListAuditFindingsInput) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		in.NextToken, in.MaxResults = token, new(int32(3))
		out, err := c.ListAuditFindings(ctx, &in)
		if err != nil {
			return nil, nil, err
		}
		var ids []string
		for _, f := range out.Findings {
			ids = append(ids, *f.FindingId)
		}
		return ids, out.NextToken, nil
	})
}

func TestListAuditFindings(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		expired := []string{register(t, c, in(-1)), register(t, c, in(-2)), register(t, c, in(-3)), register(t, c, in(5))}
		policy(t, c, "broad", broadPolicy)
		ca := registerCA(t, c, rocaCA(t), true)
		checks := []string{checkExpiring, checkBroad, checkLogging, checkCAKey}
		cordontest.Enable(t, c, checks...)
		start := time.Now().Add(-time.Second)
		first, _ := cordontest.Audit(t, c, checks...)
		second, _ := cordontest.Audit(t, c, checks...)

		newest := listed(t, c, second)
		both := slices.Concat(newest, listed(t, c, first))
		if len(newest) != 7 || len(both) != 14 {
			t.Fatalf("got %d and %d findings, want 7 of each audit", len(newest), len(both))
		}
		window := iot.ListAuditFindingsInput{StartTime: &start, EndTime: new(time.Now().Add(time.Minute))}
		with := func(in iot.ListAuditFindingsInput, check string, r *types.ResourceIdentifier) iot.ListAuditFindingsInput {
			in.ResourceIdentifier = r
			if check != "" {
				in.CheckName = &check
			}
			return in
		}
		of := iot.ListAuditFindingsInput{TaskId: &second}
		suppressed := func(in iot.ListAuditFindingsInput, v bool) iot.ListAuditFindingsInput {
			in.ListSuppressedFindings = v
			return in
		}
		about := func(ids []string, check, resource string) []string { return narrowed(t, c, ids, check, resource) }
		for _, tt := range []struct {
			name string
			in   iot.ListAuditFindingsInput
			want []string
		}{
			{"of an audit", of, newest},
			{"of a window, newest first", window, both},
			{"of an audit and check", with(of, checkExpiring, nil), about(newest, checkExpiring, "")},
			{"of a window and check", with(window, checkExpiring, nil), about(both, checkExpiring, "")},
			{"of a check that found nothing", with(of, checkAge, nil), nil},
			{"about a certificate", with(of, "", &types.ResourceIdentifier{DeviceCertificateId: &expired[1]}),
				about(newest, checkExpiring, expired[1])},
			{"about a certificate, in any audit", with(window, "", &types.ResourceIdentifier{DeviceCertificateId: &expired[3]}),
				about(both, checkExpiring, expired[3])},
			{"about a CA certificate", with(of, "", &types.ResourceIdentifier{CaCertificateId: &ca}),
				about(newest, checkCAKey, ca)},
			{"about a device certificate of that id", with(of, "", &types.ResourceIdentifier{DeviceCertificateId: &ca}), nil},
			{"about a policy version", with(of, checkBroad, version("broad", "1")), about(newest, checkBroad, "broad:1")},
			{"about another version", with(of, checkBroad, version("broad", "2")), nil},
			{"about the account", with(of, "", &types.ResourceIdentifier{Account: new(cordontest.Account)}),
				about(newest, checkLogging, "")},
			{"about an account with a check about another kind",
				with(of, checkBroad, &types.ResourceIdentifier{Account: new(cordontest.Account)}), nil},
			{"suppressed ones", suppressed(of, true), nil},
			{"of an audit that does not exist", iot.ListAuditFindingsInput{TaskId: new("0123456789abcdef")}, nil},
			{"of a window before", iot.ListAuditFindingsInput{
				StartTime: new(start.Add(-time.Hour)), EndTime: new(start.Add(-time.Minute))}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if got := findingIDs(t, c, tt.in); !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		}
	})
}

// listed are the ids of all findings of an audit, in the order they come.
func listed(t *testing.T, c *iot.Client, audit string) []string {
	t.Helper()
	var ids []string
	var last time.Time
	for i, f := range cordontest.Findings(t, c, audit) {
		if i > 0 && f.FindingTime.After(last) {
			t.Errorf("got a finding of %s behind one of %s, want the newest first", f.FindingTime, last)
		}
		ids, last = append(ids, *f.FindingId), *f.FindingTime
	}
	return ids
}

// narrowed keeps the findings of a check, and of a resource unless that is "".
func narrowed(t *testing.T, c *iot.Client, ids []string, check, resource string) []string {
	t.Helper()
	var kept []string
	for _, id := range ids {
		out, err := c.DescribeAuditFinding(t.Context(), &iot.DescribeAuditFindingInput{FindingId: &id})
		if err != nil {
			t.Fatal(err)
		}
		f := out.Finding
		if *f.FindingId == id && *f.CheckName == check && (resource == "" || resourceOf(f.NonCompliantResource) == resource) {
			kept = append(kept, id)
		}
	}
	return kept
}

func version(name, id string) *types.ResourceIdentifier {
	return &types.ResourceIdentifier{PolicyVersionIdentifier: &types.PolicyVersionIdentifier{
		PolicyName: &name, PolicyVersionId: &id,
	}}
}

func TestListAuditFindingsRefuses(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	now := time.Now()
	for _, tt := range []struct {
		name string
		in   iot.ListAuditFindingsInput
		want want
	}{
		{"neither an audit nor a window", iot.ListAuditFindingsInput{}, invalid},
		{"a check alone", iot.ListAuditFindingsInput{CheckName: new(checkLogging)}, invalid},
		{"both an audit and a window", iot.ListAuditFindingsInput{TaskId: new("a"), StartTime: &now, EndTime: &now}, invalid},
		{"half a window", iot.ListAuditFindingsInput{StartTime: &now}, invalid},
		{"the other half", iot.ListAuditFindingsInput{EndTime: &now}, invalid},
		{"a window that ends first", iot.ListAuditFindingsInput{StartTime: &now, EndTime: new(now.Add(-time.Hour))}, invalid},
		{"a window of long ago", iot.ListAuditFindingsInput{StartTime: new(now.AddDate(0, 0, -91)), EndTime: &now}, invalid},
		{"a window that is just kept", iot.ListAuditFindingsInput{StartTime: new(now.AddDate(0, 0, -89)), EndTime: &now},
			fine},
		{"two resources", iot.ListAuditFindingsInput{TaskId: new("a"), ResourceIdentifier: &types.ResourceIdentifier{
			Account: new(cordontest.Account), ClientId: new("c"),
		}}, invalid},
		{"no resource", iot.ListAuditFindingsInput{TaskId: new("a"), ResourceIdentifier: &types.ResourceIdentifier{}},
			invalid},
		{"a policy without version", iot.ListAuditFindingsInput{TaskId: new("a"),
			ResourceIdentifier: &types.ResourceIdentifier{
				PolicyVersionIdentifier: &types.PolicyVersionIdentifier{PolicyName: new("p")},
			}}, invalid},
		{"a page of none", iot.ListAuditFindingsInput{TaskId: new("a"), MaxResults: new(int32(0))}, invalid},
		{"a page too large", iot.ListAuditFindingsInput{TaskId: new("a"), MaxResults: new(int32(251))}, invalid},
		{"a token of nobody", iot.ListAuditFindingsInput{TaskId: new("a"), NextToken: new("QUJD")}, invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.ListAuditFindings(ctx, &tt.in)
			expect(t, err, tt.want)
		})
	}
	for _, id := range []string{"0123456789abcdef0123456789abcdef", "nothing-of-ours"} {
		_, err := c.DescribeAuditFinding(ctx, &iot.DescribeAuditFindingInput{FindingId: &id})
		expect(t, err, notFound)
		_, err = c.ListRelatedResourcesForAuditFinding(ctx, &iot.ListRelatedResourcesForAuditFindingInput{FindingId: &id})
		expect(t, err, notFound)
	}
}

func TestAFindingWithoutRelatedResourcesListsNone(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cordontest.Enable(t, c, checkLogging)
		id, _ := cordontest.Audit(t, c, checkLogging)
		out, err := c.ListRelatedResourcesForAuditFinding(t.Context(), &iot.ListRelatedResourcesForAuditFindingInput{
			FindingId: cordontest.Findings(t, c, id)[0].FindingId, MaxResults: new(int32(1)),
		})
		if err != nil || len(out.RelatedResources) != 0 || out.NextToken != nil {
			t.Errorf("got %+v, %v, want none", out, err)
		}
	})
}
