package demo

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// Names of the mitigation actions and of the task that applies them.
const (
	isolate       = "isolate"
	deactivate    = "deactivate"
	retireCA      = "retire-ca"
	blankPolicy   = "blank-policy"
	enableLogging = "enable-logging"

	mitigationTask = "clean-up"
)

// loggingLevel is what the demo has logged.
const loggingLevel = types.LogLevelWarn

// actions are the mitigation actions, one of each type.
var actions = []struct {
	name   string
	params types.MitigationActionParams
}{
	{isolate, types.MitigationActionParams{AddThingsToThingGroupParams: &types.AddThingsToThingGroupParams{
		ThingGroupNames: []string{quarantine},
	}}},
	{deactivate, types.MitigationActionParams{UpdateDeviceCertificateParams: &types.UpdateDeviceCertificateParams{
		Action: types.DeviceCertificateUpdateActionDeactivate,
	}}},
	{retireCA, types.MitigationActionParams{UpdateCACertificateParams: &types.UpdateCACertificateParams{
		Action: types.CACertificateUpdateActionDeactivate,
	}}},
	{blankPolicy, types.MitigationActionParams{ReplaceDefaultPolicyVersionParams: &types.ReplaceDefaultPolicyVersionParams{
		TemplateName: types.PolicyTemplateNameBlankPolicy,
	}}},
	{enableLogging, types.MitigationActionParams{EnableIoTLoggingParams: &types.EnableIoTLoggingParams{
		RoleArnForLogging: aws.String(loggingRole), LogLevel: loggingLevel,
	}}},
}

// response is what is done about the findings of a check, in this order.
var response = map[string][]string{
	certExpiring:  {isolate, deactivate},
	keyQuality:    {isolate, deactivate},
	caExpiring:    {retireCA},
	permissive:    {blankPolicy},
	misconfigured: {blankPolicy},
	loggingOff:    {enableLogging},
}

// mitigate applies the actions to the audit's findings in one task. A
// certificate that has not expired yet still works: the filter leaves it out.
func (d *demo) mitigate(ctx context.Context) error {
	d.screen.heading("Mitigate with one StartAuditMitigationActionsTask")
	began := time.Now()
	for _, a := range actions {
		_, err := d.client.CreateMitigationAction(ctx, &iot.CreateMitigationActionInput{
			ActionName: &a.name, RoleArn: aws.String(mitigationRole), ActionParams: &a.params,
		})
		if err != nil {
			return err
		}
	}
	started := time.Now()
	_, err := d.client.StartAuditMitigationActionsTask(ctx, &iot.StartAuditMitigationActionsTaskInput{
		TaskId: aws.String(mitigationTask),
		Target: &types.AuditMitigationActionsTaskTarget{
			AuditTaskId: &d.report.Audit.TaskID, AuditCheckToReasonCodeFilter: filter(d.report.Audit.Checks),
		},
		AuditCheckToActionsMapping: response,
	})
	if err != nil {
		return err
	}
	var settled atomic.Int64
	var ended *iot.DescribeAuditMitigationActionsTaskOutput
	b := bar{total: int64(d.report.Audit.Findings), unit: "findings", count: &settled, note: func() string {
		return count(int(d.swarm.up.Load())) + " devices connected"
	}}
	err = d.screen.progress(b, func() error {
		ended, err = d.awaitMitigation(ctx, &settled)
		return err
	})
	if err != nil {
		return err
	}
	d.report.Mitigation = mitigationOf(ended, d.report.Audit.Checks)
	d.report.Mitigation.Seconds = since(began)
	d.screen.mitigation(&d.report.Mitigation)
	d.screen.note("Left out by the task's filter: %s certificates that expire soon. They still work; renew them.",
		count(len(d.fleet.with(expiring))))
	return d.settled(ctx, started)
}

// filter names the reasons that are acted on: all that were found but that a
// certificate expires soon.
func filter(checks []checkReport) map[string][]string {
	codes := map[string][]string{}
	for _, check := range checks {
		for code := range check.Reasons {
			if check.Check != certExpiring || code == pastExpiration {
				codes[check.Check] = append(codes[check.Check], code)
			}
		}
		slices.Sort(codes[check.Check])
	}
	return codes
}

// awaitMitigation follows the task to its end.
func (d *demo) awaitMitigation(ctx context.Context, settled *atomic.Int64) (
	out *iot.DescribeAuditMitigationActionsTaskOutput, err error,
) {
	return out, poll(ctx, func() (bool, error) {
		out, err = d.client.DescribeAuditMitigationActionsTask(ctx, &iot.DescribeAuditMitigationActionsTaskInput{
			TaskId: aws.String(mitigationTask),
		})
		if err != nil {
			return false, err
		}
		n := int64(0)
		for _, s := range out.TaskStatistics {
			n += aws.ToInt64(s.SucceededFindingsCount) + aws.ToInt64(s.FailedFindingsCount) +
				aws.ToInt64(s.SkippedFindingsCount) + aws.ToInt64(s.CanceledFindingsCount)
		}
		settled.Store(n)
		return out.TaskStatus != types.AuditMitigationActionsTaskStatusInProgress, nil
	})
}

// mitigationOf turns the description of the task into figures, in the order of
// the audit's table.
func mitigationOf(out *iot.DescribeAuditMitigationActionsTaskOutput, order []checkReport) mitigationReport {
	r := mitigationReport{TaskID: mitigationTask, Status: string(out.TaskStatus)}
	for _, check := range order {
		s, found := out.TaskStatistics[check.Check]
		if !found {
			continue
		}
		c := mitigatedReport{
			Check: check.Check, Actions: response[check.Check],
			Total: aws.ToInt64(s.TotalFindingsCount), Succeeded: aws.ToInt64(s.SucceededFindingsCount),
			Failed: aws.ToInt64(s.FailedFindingsCount), Skipped: aws.ToInt64(s.SkippedFindingsCount),
			Canceled: aws.ToInt64(s.CanceledFindingsCount),
		}
		r.Checks = append(r.Checks, c)
		r.Succeeded += c.Succeeded
		r.Failed += c.Failed + c.Canceled
	}
	return r
}
