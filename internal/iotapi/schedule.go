package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// scheduleStore reads and deletes scheduled audits. What does not exist is a
// NotFound fault.
type scheduleStore interface {
	Schedule(ctx context.Context, scope fleet.Scope, name string) (*audit.Schedule, error)
	// Schedules lists schedules by name, behind the one named.
	Schedules(ctx context.Context, scope fleet.Scope, after string, limit int) ([]*audit.Schedule, error)
	DeleteSchedule(ctx context.Context, scope fleet.Scope, name string) error
}

func (a *API) scheduleOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateScheduledAudit, a.createScheduledAudit),
		awswire.Op(wire.DescribeScheduledAudit, a.describeScheduledAudit),
		awswire.Op(wire.UpdateScheduledAudit, a.updateScheduledAudit),
		awswire.Op(wire.DeleteScheduledAudit, a.deleteScheduledAudit),
		awswire.Op(wire.ListScheduledAudits, a.listScheduledAudits),
	}
}

func scheduleARN(ctx context.Context, name string) *string {
	return new(scope(ctx).ARN("scheduledaudit", name))
}

func (a *API) createScheduledAudit(ctx context.Context, in *wire.CreateScheduledAuditRequest) (
	*wire.CreateScheduledAuditResponse, error,
) {
	given, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	sch := audit.Schedule{Name: *in.ScheduledAuditName, Checks: in.TargetCheckNames}
	sch.Recurrence = recurrence(in.Frequency, in.DayOfMonth, in.DayOfWeek)
	if err := a.Audits.CreateSchedule(ctx, scope(ctx), sch, given); err != nil {
		return nil, err
	}
	return &wire.CreateScheduledAuditResponse{ScheduledAuditARN: scheduleARN(ctx, sch.Name)}, nil
}

func recurrence(frequency, dayOfMonth, dayOfWeek *string) audit.Recurrence {
	return audit.Recurrence{
		Frequency: audit.Frequency(opt.Value(frequency)), DayOfMonth: opt.Value(dayOfMonth), DayOfWeek: opt.Value(dayOfWeek),
	}
}

func (a *API) describeScheduledAudit(ctx context.Context, in *wire.DescribeScheduledAuditRequest) (
	*wire.DescribeScheduledAuditResponse, error,
) {
	sch, err := a.Store.Schedule(ctx, scope(ctx), *in.ScheduledAuditName)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeScheduledAuditResponse{
		Frequency: opt.Text(sch.Frequency), DayOfMonth: opt.Text(sch.DayOfMonth), DayOfWeek: opt.Text(sch.DayOfWeek),
		TargetCheckNames: sch.Checks, ScheduledAuditName: &sch.Name, ScheduledAuditARN: scheduleARN(ctx, sch.Name),
	}, nil
}

func (a *API) updateScheduledAudit(ctx context.Context, in *wire.UpdateScheduledAuditRequest) (
	*wire.UpdateScheduledAuditResponse, error,
) {
	if in.TargetCheckNames != nil && len(in.TargetCheckNames) == 0 {
		return nil, fault.New(fault.Invalid, "targetCheckNames must name at least one check")
	}
	p := audit.SchedulePatch{
		Recurrence: recurrence(in.Frequency, in.DayOfMonth, in.DayOfWeek), Checks: in.TargetCheckNames,
	}
	if err := a.Audits.UpdateSchedule(ctx, scope(ctx), *in.ScheduledAuditName, p); err != nil {
		return nil, err
	}
	return &wire.UpdateScheduledAuditResponse{ScheduledAuditARN: scheduleARN(ctx, *in.ScheduledAuditName)}, nil
}

func (a *API) deleteScheduledAudit(ctx context.Context, in *wire.DeleteScheduledAuditRequest) (
	*wire.DeleteScheduledAuditResponse, error,
) {
	return nil, a.Store.DeleteSchedule(ctx, scope(ctx), *in.ScheduledAuditName)
}

func (a *API) listScheduledAudits(ctx context.Context, in *wire.ListScheduledAuditsRequest) (
	*wire.ListScheduledAuditsResponse, error,
) {
	n, after := awswire.PageSize(in.MaxResults), ""
	if err := a.Pages.Open(ctx, "ListScheduledAudits", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.Schedules(ctx, scope(ctx), after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListScheduledAuditsResponse{ScheduledAudits: []wire.ScheduledAuditMetadata{}}
	for _, sch := range list {
		out.ScheduledAudits = append(out.ScheduledAudits, wire.ScheduledAuditMetadata{
			ScheduledAuditName: &sch.Name, ScheduledAuditARN: scheduleARN(ctx, sch.Name),
			Frequency: opt.Text(sch.Frequency), DayOfMonth: opt.Text(sch.DayOfMonth), DayOfWeek: opt.Text(sch.DayOfWeek),
		})
		after = sch.Name
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListScheduledAudits", more, after)
	return out, err
}
