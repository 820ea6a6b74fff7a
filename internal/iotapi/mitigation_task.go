package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

// mitigationStore reads actions and tasks. What does not exist is a NotFound
// fault.
type mitigationStore interface {
	MitigationAction(ctx context.Context, scope fleet.Scope, name string) (*mitigation.Action, error)
	// MitigationActions lists actions by name, behind the one named.
	MitigationActions(ctx context.Context, scope fleet.Scope, t audit.ActionType, after string, limit int) (
		[]*mitigation.Action, error)
	// DeleteMitigationAction removes an action; one that is not there is fine.
	DeleteMitigationAction(ctx context.Context, scope fleet.Scope, name string) error
	Mitigation(ctx context.Context, scope fleet.Scope, id string) (*mitigation.Task, error)
	// Mitigations lists tasks, newest first.
	Mitigations(ctx context.Context, scope fleet.Scope, q mitigation.TaskQuery) ([]mitigation.Summary, error)
}

func (a *API) mitigationTaskOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.StartAuditMitigationActionsTask, a.startAuditMitigationActionsTask),
		awswire.Op(wire.DescribeAuditMitigationActionsTask, a.describeAuditMitigationActionsTask),
		awswire.Op(wire.CancelAuditMitigationActionsTask, a.cancelAuditMitigationActionsTask),
		awswire.Op(wire.ListAuditMitigationActionsTasks, a.listAuditMitigationActionsTasks),
		awswire.Op(wire.ListAuditMitigationActionsExecutions, a.listAuditMitigationActionsExecutions),
	}
}

func (a *API) startAuditMitigationActionsTask(ctx context.Context, in *wire.StartAuditMitigationActionsTaskRequest) (
	*wire.StartAuditMitigationActionsTaskResponse, error,
) {
	err := a.Mitigations.Start(ctx, mitigation.Task{
		Scope: scope(ctx), ID: *in.TaskID, Token: *in.ClientRequestToken, Mapping: in.AuditCheckToActionsMapping,
		Target: mitigation.Target{
			AuditTaskID: opt.Value(in.Target.AuditTaskID), FindingIDs: in.Target.FindingIDs,
			ReasonCodes: in.Target.AuditCheckToReasonCodeFilter,
		},
	})
	if err != nil {
		return nil, err
	}
	return &wire.StartAuditMitigationActionsTaskResponse{TaskID: in.TaskID}, nil
}

func (a *API) describeAuditMitigationActionsTask(ctx context.Context,
	in *wire.DescribeAuditMitigationActionsTaskRequest,
) (
	*wire.DescribeAuditMitigationActionsTaskResponse, error,
) {
	t, err := a.Store.Mitigation(ctx, scope(ctx), *in.TaskID)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeAuditMitigationActionsTaskResponse{
		TaskStatus: opt.Text(t.Status), StartTime: opt.Time(t.Started), EndTime: opt.Time(t.Ended),
		TaskStatistics: map[string]wire.TaskStatisticsForAuditCheck{},
		Target: &wire.AuditMitigationActionsTaskTarget{
			AuditTaskID: opt.Text(t.Target.AuditTaskID), FindingIDs: t.Target.FindingIDs,
			AuditCheckToReasonCodeFilter: t.Target.ReasonCodes,
		},
		AuditCheckToActionsMapping: t.Mapping,
	}
	for name, stat := range t.Stats {
		canceled := int64(0)
		if t.Status != mitigation.TaskInProgress {
			canceled = stat.Rest()
		}
		out.TaskStatistics[name] = wire.TaskStatisticsForAuditCheck{
			TotalFindingsCount: &stat.Total, SucceededFindingsCount: &stat.Succeeded, FailedFindingsCount: &stat.Failed,
			SkippedFindingsCount: &stat.Skipped, CanceledFindingsCount: &canceled,
		}
	}
	for i := range t.Actions {
		d := &t.Actions[i]
		out.ActionsDefinition = append(out.ActionsDefinition, wire.MitigationAction{
			Name: &d.Name, ID: &d.ID, RoleARN: &d.RoleARN, ActionParams: paramsOut(d.Params),
		})
	}
	return out, nil
}

func (a *API) cancelAuditMitigationActionsTask(ctx context.Context, in *wire.CancelAuditMitigationActionsTaskRequest) (
	*wire.CancelAuditMitigationActionsTaskResponse, error,
) {
	return nil, a.Mitigations.Cancel(ctx, scope(ctx), *in.TaskID)
}

func (a *API) listAuditMitigationActionsTasks(ctx context.Context, in *wire.ListAuditMitigationActionsTasksRequest) (
	*wire.ListAuditMitigationActionsTasksResponse, error,
) {
	if err := a.window(*in.StartTime, *in.EndTime); err != nil {
		return nil, err
	}
	n := awswire.PageSize(in.MaxResults)
	q := mitigation.TaskQuery{
		From: *in.StartTime, To: *in.EndTime, AuditID: opt.Value(in.AuditTaskID), FindingID: opt.Value(in.FindingID),
		Status: mitigation.TaskStatus(opt.Value(in.TaskStatus)), Limit: n + 1,
	}
	if err := a.Pages.Open(ctx, "ListAuditMitigationActionsTasks", in.NextToken, &q.Before); err != nil {
		return nil, err
	}
	list, err := a.Store.Mitigations(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListAuditMitigationActionsTasksResponse{Tasks: []wire.AuditMitigationActionsTaskMetadata{}}
	for i := range list {
		out.Tasks = append(out.Tasks, wire.AuditMitigationActionsTaskMetadata{
			TaskID: &list[i].ID, StartTime: opt.Time(list[i].Started), TaskStatus: opt.Text(list[i].Status),
		})
		q.Before = list[i].Seq
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListAuditMitigationActionsTasks", more, q.Before)
	return out, err
}

func (a *API) listAuditMitigationActionsExecutions(ctx context.Context,
	in *wire.ListAuditMitigationActionsExecutionsRequest,
) (*wire.ListAuditMitigationActionsExecutionsResponse, error) {
	cursor := struct {
		Task    string `json:"t"`
		Finding string `json:"f"`
		Index   int    `json:"i"` // the first action of the page
	}{Task: *in.TaskID, Finding: *in.FindingID}
	if err := a.Pages.Open(ctx, "ListAuditMitigationActionsExecutions", in.NextToken, &cursor); err != nil {
		return nil, err
	}
	if cursor.Task != *in.TaskID || cursor.Finding != *in.FindingID {
		return nil, fault.New(fault.Invalid, "nextToken belongs to another taskId and findingId")
	}
	t, list, err := a.Mitigations.Executions(ctx, scope(ctx), *in.TaskID, *in.FindingID)
	if err != nil {
		return nil, err
	}
	// A finding has at most as many executions as a check may have actions.
	out := &wire.ListAuditMitigationActionsExecutionsResponse{
		ActionsExecutions: []wire.AuditMitigationActionExecutionMetadata{},
	}
	more := false
	for i := range list {
		e := &list[i]
		if e.Index < cursor.Index || in.ActionStatus != nil && *in.ActionStatus != string(e.Status) {
			continue
		}
		if len(out.ActionsExecutions) == awswire.PageSize(in.MaxResults) {
			more, cursor.Index = true, e.Index
			break
		}
		out.ActionsExecutions = append(out.ActionsExecutions, executionOut(t, in.FindingID, e))
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListAuditMitigationActionsExecutions", more, cursor)
	return out, err
}

func executionOut(t *mitigation.Task, finding *string,
	e *mitigation.Execution,
) wire.AuditMitigationActionExecutionMetadata {
	out := wire.AuditMitigationActionExecutionMetadata{
		TaskID: &t.ID, FindingID: finding, Status: opt.Text(e.Status),
		StartTime: opt.Time(e.Started), EndTime: opt.Time(e.Ended),
		ErrorCode: opt.Text(e.Code), Message: opt.Text(e.Message),
	}
	name := t.Mapping[e.Check][e.Index]
	out.ActionName = &name
	if d := t.Action(name); d != nil {
		out.ActionID = &d.ID
	}
	return out
}
