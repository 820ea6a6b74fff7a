package cordontest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// RoleARN is a role for calls that need one.
const RoleARN = "arn:aws:iam::000000000000:role/CordonTest"

// Enable switches checks on, in [Account].
func Enable(t testing.TB, c *iot.Client, checks ...string) {
	t.Helper()
	EnableIn(t, c, Account, checks...)
}

// EnableIn switches checks on, in the account of the client.
func EnableIn(t testing.TB, c *iot.Client, account string, checks ...string) {
	t.Helper()
	m := map[string]types.AuditCheckConfiguration{}
	for _, name := range checks {
		m[name] = types.AuditCheckConfiguration{Enabled: true}
	}
	_, err := c.UpdateAccountAuditConfiguration(t.Context(), &iot.UpdateAccountAuditConfigurationInput{
		RoleArn: aws.String(strings.Replace(RoleARN, Account, account, 1)), AuditCheckConfigurations: m,
	})
	if err != nil {
		t.Fatalf("enable checks: %v", err)
	}
}

// Audit runs an audit to its end and returns its id and what it says.
func Audit(t testing.TB, c *iot.Client, checks ...string) (string, *iot.DescribeAuditTaskOutput) {
	t.Helper()
	out, err := c.StartOnDemandAuditTask(t.Context(), &iot.StartOnDemandAuditTaskInput{TargetCheckNames: checks})
	if err != nil {
		t.Fatalf("start audit: %v", err)
	}
	return *out.TaskId, AwaitAudit(t, c, *out.TaskId)
}

// AwaitAudit waits until an audit has ended.
func AwaitAudit(t testing.TB, c *iot.Client, id string) *iot.DescribeAuditTaskOutput {
	t.Helper()
	return await(t, "audit "+id, func(ctx context.Context) (*iot.DescribeAuditTaskOutput, bool, error) {
		out, err := c.DescribeAuditTask(ctx, &iot.DescribeAuditTaskInput{TaskId: &id})
		return out, err == nil && out.TaskStatus != types.AuditTaskStatusInProgress, err
	})
}

// AwaitMitigation waits until a mitigation task has ended.
func AwaitMitigation(t testing.TB, c *iot.Client, id string) *iot.DescribeAuditMitigationActionsTaskOutput {
	t.Helper()
	return await(t, "mitigation task "+id,
		func(ctx context.Context) (*iot.DescribeAuditMitigationActionsTaskOutput, bool, error) {
			out, err := c.DescribeAuditMitigationActionsTask(ctx, &iot.DescribeAuditMitigationActionsTaskInput{TaskId: &id})
			return out, err == nil && out.TaskStatus != types.AuditMitigationActionsTaskStatusInProgress, err
		})
}

// AwaitGroup waits until the members of a dynamic group are found.
func AwaitGroup(t testing.TB, c *iot.Client, name string) *iot.DescribeThingGroupOutput {
	t.Helper()
	return await(t, "dynamic group "+name, func(ctx context.Context) (*iot.DescribeThingGroupOutput, bool, error) {
		out, err := c.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: &name})
		return out, err == nil && out.Status == types.DynamicGroupStatusActive, err
	})
}

// await asks until it is answered that something is done.
func await[T any](t testing.TB, what string, ask func(context.Context) (T, bool, error)) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Deadline)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		out, done, err := ask(ctx)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if done {
			return out
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not end within %s", what, Deadline)
		}
	}
}

// Findings lists all findings of an audit.
func Findings(t testing.TB, c *iot.Client, audit string) []types.AuditFinding {
	t.Helper()
	var list []types.AuditFinding
	pages := iot.NewListAuditFindingsPaginator(c, &iot.ListAuditFindingsInput{
		TaskId: &audit, MaxResults: aws.Int32(250),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatalf("list findings: %v", err)
		}
		list = append(list, page.Findings...)
	}
	return list
}
