package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

func (a *API) findingOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.ListAuditFindings, a.listAuditFindings),
		awswire.Op(wire.DescribeAuditFinding, a.describeAuditFinding),
		awswire.Op(wire.ListRelatedResourcesForAuditFinding, a.listRelatedResourcesForAuditFinding),
	}
}

func (a *API) listAuditFindings(ctx context.Context, in *wire.ListAuditFindingsRequest) (
	*wire.ListAuditFindingsResponse, error,
) {
	byTask, byTime := in.TaskID != nil, in.StartTime != nil || in.EndTime != nil
	switch {
	case byTask == byTime:
		return nil, fault.New(fault.Invalid, "either taskId, or startTime and endTime, must be given, and not both")
	case byTime && (in.StartTime == nil || in.EndTime == nil):
		return nil, fault.New(fault.Invalid, "startTime and endTime must be given together")
	}
	n := awswire.PageSize(in.MaxResults)
	q := audit.FindingQuery{
		TaskID: opt.Value(in.TaskID), From: opt.Value(in.StartTime), To: opt.Value(in.EndTime),
		Check:      opt.Value(in.CheckName),
		Suppressed: in.ListSuppressedFindings, Limit: n,
	}
	if byTime {
		if err := a.window(q.From, q.To); err != nil {
			return nil, err
		}
	}
	if in.ResourceIdentifier != nil {
		r, err := resourceOf(scope(ctx), in.ResourceIdentifier)
		if err != nil {
			return nil, err
		}
		q.Resource = r
	}
	if err := a.Pages.Open(ctx, "ListAuditFindings", in.NextToken, &q.Before); err != nil {
		return nil, err
	}
	list, next, err := a.Store.Findings(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	out := &wire.ListAuditFindingsResponse{Findings: make([]wire.AuditFinding, len(list))}
	for i := range list {
		out.Findings[i] = *findingOut(&list[i])
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListAuditFindings", next.N != 0, next)
	return out, err
}

func (a *API) describeAuditFinding(ctx context.Context, in *wire.DescribeAuditFindingRequest) (
	*wire.DescribeAuditFindingResponse, error,
) {
	f, err := a.Store.Finding(ctx, scope(ctx), *in.FindingID)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeAuditFindingResponse{Finding: findingOut(&f)}, nil
}

func (a *API) listRelatedResourcesForAuditFinding(ctx context.Context,
	in *wire.ListRelatedResourcesForAuditFindingRequest,
) (
	*wire.ListRelatedResourcesForAuditFindingResponse, error,
) {
	cursor := struct {
		Finding string `json:"f"`
		After   int    `json:"a"`
	}{Finding: *in.FindingID}
	if err := a.Pages.Open(ctx, "ListRelatedResourcesForAuditFinding", in.NextToken, &cursor); err != nil {
		return nil, err
	}
	if cursor.Finding != *in.FindingID {
		return nil, fault.New(fault.Invalid, "nextToken belongs to another findingId")
	}
	n := awswire.PageSize(in.MaxResults)
	list, err := a.Store.RelatedResources(ctx, scope(ctx), *in.FindingID, cursor.After, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListRelatedResourcesForAuditFindingResponse{RelatedResources: relatedOut(list)}
	cursor.After += len(list)
	out.NextToken, err = a.Pages.Next(ctx, "ListRelatedResourcesForAuditFinding", more, cursor)
	return out, err
}

func findingOut(f *audit.Finding) *wire.AuditFinding {
	out := &wire.AuditFinding{
		FindingID: opt.Text(f.ID), TaskID: opt.Text(f.TaskID), CheckName: opt.Text(f.Check),
		TaskStartTime: opt.Time(f.TaskStarted),
		FindingTime:   opt.Time(f.Found), Severity: opt.Text(f.Severity), ReasonForNonCompliance: opt.Text(f.Reason),
		ReasonForNonComplianceCode: opt.Text(f.ReasonCode), IsSuppressed: &f.Suppressed,
		NonCompliantResource: &wire.NonCompliantResource{
			ResourceType: opt.Text(f.Resource.Type), ResourceIdentifier: identifier(f.Resource),
			AdditionalInfo: f.Resource.Info,
		},
	}
	if len(f.Related) > 0 {
		out.RelatedResources = relatedOut(f.Related)
	}
	return out
}

func relatedOut(list []audit.Resource) []wire.RelatedResource {
	out := make([]wire.RelatedResource, len(list))
	for i, r := range list {
		out[i] = wire.RelatedResource{
			ResourceType: opt.Text(r.Type), ResourceIdentifier: identifier(r), AdditionalInfo: r.Info,
		}
	}
	return out
}
