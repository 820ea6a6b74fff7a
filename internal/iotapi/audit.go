package iotapi

import (
	"context"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// auditStore reads audits and what they found. What does not exist is a
// NotFound fault.
type auditStore interface {
	// AuditConfiguration is nil when nothing was set.
	AuditConfiguration(ctx context.Context, scope fleet.Scope) (*audit.Configuration, error)
	Audit(ctx context.Context, scope fleet.Scope, id string) (*audit.Task, error)
	// Audits lists audits, newest first.
	Audits(ctx context.Context, scope fleet.Scope, q audit.TaskQuery) ([]audit.Summary, error)
	Finding(ctx context.Context, scope fleet.Scope, id string) (audit.Finding, error)
	// Findings lists findings without their related resources, newest first, and
	// returns the position that the next page is behind, zero for none. A page may
	// be short and not be the last.
	Findings(ctx context.Context, scope fleet.Scope, q audit.FindingQuery) (
		list []audit.Finding, next audit.FindingPosition, err error)
	// RelatedResources lists those of one finding, behind a number of them.
	RelatedResources(ctx context.Context, scope fleet.Scope, id string, after, limit int) ([]audit.Resource, error)
}

func (a *API) auditOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.UpdateAccountAuditConfiguration, a.updateAccountAuditConfiguration),
		awswire.Op(wire.DescribeAccountAuditConfiguration, a.describeAccountAuditConfiguration),
		awswire.Op(wire.DeleteAccountAuditConfiguration, a.deleteAccountAuditConfiguration),
		awswire.Op(wire.StartOnDemandAuditTask, a.startOnDemandAuditTask),
		awswire.Op(wire.DescribeAuditTask, a.describeAuditTask),
		awswire.Op(wire.CancelAuditTask, a.cancelAuditTask),
		awswire.Op(wire.ListAuditTasks, a.listAuditTasks),
	}
}

func (a *API) updateAccountAuditConfiguration(ctx context.Context, in *wire.UpdateAccountAuditConfigurationRequest) (
	*wire.UpdateAccountAuditConfigurationResponse, error,
) {
	p := audit.Patch{
		RoleARN: opt.Value(in.RoleARN), Checks: map[string]audit.CheckConfiguration{},
		Notifications: map[string]audit.NotificationTarget{},
	}
	for kind, t := range in.AuditNotificationTargetConfigurations {
		p.Notifications[kind] = audit.NotificationTarget{
			TopicARN: opt.Value(t.TargetARN), RoleARN: opt.Value(t.RoleARN), Enabled: opt.Value(t.Enabled),
		}
	}
	for name, c := range in.AuditCheckConfigurations {
		// A client may leave out what is false; the AWS SDK for Go does.
		p.Checks[name] = audit.CheckConfiguration{Enabled: opt.Value(c.Enabled), Settings: c.Configuration}
	}
	return nil, a.Audits.Update(ctx, scope(ctx), p)
}

func (a *API) describeAccountAuditConfiguration(ctx context.Context, _ *wire.DescribeAccountAuditConfigurationRequest) (
	*wire.DescribeAccountAuditConfigurationResponse, error,
) {
	c, err := a.Store.AuditConfiguration(ctx, scope(ctx))
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeAccountAuditConfigurationResponse{
		AuditCheckConfigurations: map[string]wire.AuditCheckConfiguration{},
	}
	if c == nil {
		c = &audit.Configuration{}
	}
	out.RoleARN = opt.Text(c.RoleARN)
	for kind, t := range c.Notifications {
		if out.AuditNotificationTargetConfigurations == nil {
			out.AuditNotificationTargetConfigurations = map[string]wire.AuditNotificationTarget{}
		}
		out.AuditNotificationTargetConfigurations[kind] = wire.AuditNotificationTarget{
			TargetARN: opt.Text(t.TopicARN), RoleARN: opt.Text(t.RoleARN), Enabled: &t.Enabled,
		}
	}
	for _, check := range a.Audits.Checks {
		set := c.Checks[check.Name]
		out.AuditCheckConfigurations[check.Name] = wire.AuditCheckConfiguration{
			Enabled: &set.Enabled, Configuration: set.Settings,
		}
	}
	return out, nil
}

func (a *API) deleteAccountAuditConfiguration(ctx context.Context, in *wire.DeleteAccountAuditConfigurationRequest) (
	*wire.DeleteAccountAuditConfigurationResponse, error,
) {
	return nil, a.Audits.Delete(ctx, scope(ctx), opt.Value(in.DeleteScheduledAudits))
}

func (a *API) startOnDemandAuditTask(ctx context.Context, in *wire.StartOnDemandAuditTaskRequest) (
	*wire.StartOnDemandAuditTaskResponse, error,
) {
	id, err := a.Audits.Start(ctx, scope(ctx), in.TargetCheckNames)
	if err != nil {
		return nil, err
	}
	return &wire.StartOnDemandAuditTaskResponse{TaskID: &id}, nil
}

func (a *API) cancelAuditTask(ctx context.Context, in *wire.CancelAuditTaskRequest) (
	*wire.CancelAuditTaskResponse, error,
) {
	return nil, a.Audits.Cancel(ctx, scope(ctx), *in.TaskID)
}

func (a *API) describeAuditTask(ctx context.Context, in *wire.DescribeAuditTaskRequest) (
	*wire.DescribeAuditTaskResponse, error,
) {
	t, err := a.Store.Audit(ctx, scope(ctx), *in.TaskID)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeAuditTaskResponse{
		TaskStatus: opt.Text(t.Status), TaskType: opt.Text(t.Type), TaskStartTime: opt.Time(t.Started),
		ScheduledAuditName: opt.Text(t.ScheduledName), TaskStatistics: auditStatistics(t),
		AuditDetails: map[string]wire.AuditCheckDetails{},
	}
	for name, state := range t.States {
		compliant := state.Status == audit.CheckCompliant
		out.AuditDetails[name] = wire.AuditCheckDetails{
			CheckRunStatus: opt.Text(state.Status), CheckCompliant: &compliant,
			TotalResourcesCount: &state.Total, NonCompliantResourcesCount: &state.NonCompliant,
			SuppressedNonCompliantResourcesCount: &state.Suppressed,
			ErrorCode:                            opt.Text(state.ErrorCode), Message: opt.Text(state.Message),
		}
	}
	return out, nil
}

func auditStatistics(t *audit.Task) *wire.TaskStatistics {
	counts := map[audit.CheckStatus]*int{}
	count := func(s audit.CheckStatus) *int {
		counts[s] = new(int)
		return counts[s]
	}
	total := len(t.States)
	out := &wire.TaskStatistics{
		TotalChecks: &total, InProgressChecks: count(audit.CheckInProgress),
		WaitingForDataCollectionChecks: count(audit.CheckWaiting), CompliantChecks: count(audit.CheckCompliant),
		NonCompliantChecks: count(audit.CheckNonCompliant), FailedChecks: count(audit.CheckFailed),
		CanceledChecks: count(audit.CheckCanceled),
	}
	for _, state := range t.States {
		*counts[state.Status]++
	}
	return out
}

func (a *API) listAuditTasks(ctx context.Context, in *wire.ListAuditTasksRequest) (
	*wire.ListAuditTasksResponse, error,
) {
	if err := a.window(*in.StartTime, *in.EndTime); err != nil {
		return nil, err
	}
	n := awswire.PageSize(in.MaxResults)
	q := audit.TaskQuery{
		From: *in.StartTime, To: *in.EndTime, Type: audit.TaskType(opt.Value(in.TaskType)),
		Status: audit.TaskStatus(opt.Value(in.TaskStatus)), Limit: n + 1,
	}
	if err := a.Pages.Open(ctx, "ListAuditTasks", in.NextToken, &q.Before); err != nil {
		return nil, err
	}
	list, err := a.Store.Audits(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListAuditTasksResponse{Tasks: []wire.AuditTaskMetadata{}}
	for _, t := range list {
		out.Tasks = append(out.Tasks, wire.AuditTaskMetadata{
			TaskID: opt.Text(t.ID), TaskStatus: opt.Text(t.Status), TaskType: opt.Text(t.Type),
		})
		q.Before = t.Seq
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListAuditTasks", more, q.Before)
	return out, err
}

// window refuses one that ends before it begins, or begins before what is
// kept.
func (a *API) window(from, to time.Time) error {
	if from.After(to) {
		return fault.New(fault.Invalid, "startTime is after endTime")
	}
	if from.Before(a.Now().Add(-audit.Retention)) {
		return fault.New(fault.Invalid, "startTime is more than 90 days ago")
	}
	return nil
}
