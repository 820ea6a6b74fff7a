package demo

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// audit enables the checks and runs the first audit.
func (d *demo) audit(ctx context.Context) error {
	d.screen.heading("Audit the fleet")
	enabled := map[string]types.AuditCheckConfiguration{}
	for _, check := range checks {
		enabled[check] = types.AuditCheckConfiguration{Enabled: true}
	}
	if err := d.makeRoles(ctx); err != nil {
		return err
	}
	_, err := d.client.UpdateAccountAuditConfiguration(ctx, &iot.UpdateAccountAuditConfigurationInput{
		RoleArn: aws.String(auditRole), AuditCheckConfigurations: enabled,
	})
	if err != nil {
		return err
	}
	d.report.Audit, err = d.runAudit(ctx, d.Devices, 2)
	if err != nil {
		return err
	}
	r := &d.report.Audit
	d.screen.line("%d checks, %s findings in %s.", len(r.Checks), count(r.Findings), r.Seconds)
	d.screen.findings(r.Checks, true)
	return nil
}

// auditAgain audits what mitigation has left.
func (d *demo) auditAgain(ctx context.Context) (err error) {
	d.screen.heading("Audit again")
	left := d.Devices - len(d.fleet.with(expired, weak))
	if d.report.AuditAfter, err = d.runAudit(ctx, left, 1); err != nil {
		return err
	}
	r := &d.report.AuditAfter
	d.screen.line("%s findings are left, in %s.", count(r.Findings), r.Seconds)
	d.screen.findings(r.Checks, false)
	return nil
}

// runAudit runs an audit to its end and reads its findings. How many
// certificates and CAs are in use says how long the bar is.
func (d *demo) runAudit(ctx context.Context, certificates, cas int) (auditReport, error) {
	began := time.Now()
	started, err := d.client.StartOnDemandAuditTask(ctx, &iot.StartOnDemandAuditTaskInput{TargetCheckNames: checks})
	if err != nil {
		return auditReport{}, err
	}
	var judged atomic.Int64
	b := bar{total: int64(3*certificates + 2*cas + 2*len(policies) + 1), unit: "verdicts", count: &judged}
	var ended *iot.DescribeAuditTaskOutput
	err = d.screen.progress(b, func() error {
		ended, err = d.awaitAudit(ctx, aws.ToString(started.TaskId), &judged)
		return err
	})
	if err != nil {
		return auditReport{}, err
	}
	r := auditReport{TaskID: aws.ToString(started.TaskId), Status: string(ended.TaskStatus), Seconds: since(began)}
	return r, d.readAudit(ctx, &r, ended.AuditDetails)
}

// awaitAudit follows an audit to its end.
func (d *demo) awaitAudit(ctx context.Context, id string, judged *atomic.Int64) (
	out *iot.DescribeAuditTaskOutput, err error,
) {
	return out, poll(ctx, func() (bool, error) {
		out, err = d.client.DescribeAuditTask(ctx, &iot.DescribeAuditTaskInput{TaskId: &id})
		if err != nil {
			return false, err
		}
		n := int64(0)
		for _, check := range out.AuditDetails {
			n += aws.ToInt64(check.TotalResourcesCount)
		}
		judged.Store(n)
		return out.TaskStatus != types.AuditTaskStatusInProgress, nil
	})
}

// readAudit reads what an audit that has ended found.
func (d *demo) readAudit(ctx context.Context, r *auditReport, details map[string]types.AuditCheckDetails) error {
	byName := map[string]*checkReport{}
	for name, check := range details {
		byName[name] = &checkReport{
			Check: name, Status: string(check.CheckRunStatus), Message: aws.ToString(check.Message),
			Resources:    aws.ToInt64(check.TotalResourcesCount),
			NonCompliant: aws.ToInt64(check.NonCompliantResourcesCount), Reasons: map[string]int{},
		}
		if check.CheckRunStatus == types.AuditCheckRunStatusFailed {
			return fmt.Errorf("%s has failed: %s", name, aws.ToString(check.Message))
		}
	}
	pages := iot.NewListAuditFindingsPaginator(d.client, &iot.ListAuditFindingsInput{
		TaskId: &r.TaskID, MaxResults: aws.Int32(pageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, f := range page.Findings {
			check := byName[aws.ToString(f.CheckName)]
			if check == nil {
				return fmt.Errorf("a finding names %q, which was not asked for", aws.ToString(f.CheckName))
			}
			check.Severity = string(f.Severity)
			check.Reasons[aws.ToString(f.ReasonForNonComplianceCode)]++
			r.found = append(r.found, fault{check.Check, resourceOf(f.NonCompliantResource)})
			r.Findings++
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(byName), bySeverity(byName)) {
		r.Checks = append(r.Checks, *byName[name])
	}
	return nil
}

// pageSize is the most that lists return at a time.
const pageSize = 250

// severities are in the order of the table; what has no findings has none.
var severities = []string{"CRITICAL", "HIGH", "MEDIUM", "LOW", ""}

func bySeverity(checks map[string]*checkReport) func(a, b string) int {
	rank := func(name string) int { return slices.Index(severities, checks[name].Severity) }
	return func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) }
}

// resourceOf names the resource of a finding as the fleet does.
func resourceOf(r *types.NonCompliantResource) string {
	if r == nil || r.ResourceIdentifier == nil {
		return ""
	}
	id := r.ResourceIdentifier
	policy := ""
	if id.PolicyVersionIdentifier != nil {
		policy = aws.ToString(id.PolicyVersionIdentifier.PolicyName)
	}
	return cmp.Or(aws.ToString(id.DeviceCertificateId), aws.ToString(id.CaCertificateId), policy,
		aws.ToString(id.Account))
}

// pollEvery is short because the bar follows it.
const pollEvery = 20 * time.Millisecond

// poll asks until the answer is that something is done.
func poll(ctx context.Context, ask func() (done bool, err error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if done, err := ask(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
