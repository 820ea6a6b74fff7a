package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

func (a *API) mitigationActionOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateMitigationAction, a.createMitigationAction),
		awswire.Op(wire.DescribeMitigationAction, a.describeMitigationAction),
		awswire.Op(wire.UpdateMitigationAction, a.updateMitigationAction),
		awswire.Op(wire.DeleteMitigationAction, a.deleteMitigationAction),
		awswire.Op(wire.ListMitigationActions, a.listMitigationActions),
	}
}

func (a *API) createMitigationAction(ctx context.Context, in *wire.CreateMitigationActionRequest) (
	*wire.CreateMitigationActionResponse, error,
) {
	given, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	made, err := a.Mitigations.CreateAction(ctx, scope(ctx), mitigation.Action{
		Name: *in.ActionName, RoleARN: *in.RoleARN, Params: actionParams(in.ActionParams),
	}, given)
	if err != nil {
		return nil, err
	}
	arn := scope(ctx).ARN("mitigationaction", made.Name)
	return &wire.CreateMitigationActionResponse{ActionARN: &arn, ActionID: &made.ID}, nil
}

func (a *API) describeMitigationAction(ctx context.Context, in *wire.DescribeMitigationActionRequest) (
	*wire.DescribeMitigationActionResponse, error,
) {
	found, err := a.Store.MitigationAction(ctx, scope(ctx), *in.ActionName)
	if err != nil {
		return nil, err
	}
	arn := scope(ctx).ARN("mitigationaction", found.Name)
	return &wire.DescribeMitigationActionResponse{
		ActionName: &found.Name, ActionType: opt.Text(found.Type), ActionARN: &arn, ActionID: &found.ID,
		RoleARN: &found.RoleARN, ActionParams: paramsOut(found.Params),
		CreationDate: opt.Time(found.Created), LastModifiedDate: opt.Time(found.Modified),
	}, nil
}

func (a *API) updateMitigationAction(ctx context.Context, in *wire.UpdateMitigationActionRequest) (
	*wire.UpdateMitigationActionResponse, error,
) {
	patch := mitigation.ActionPatch{RoleARN: opt.Value(in.RoleARN)}
	if in.ActionParams != nil {
		p := actionParams(in.ActionParams)
		patch.Params = &p
	}
	changed, err := a.Mitigations.UpdateAction(ctx, scope(ctx), *in.ActionName, patch)
	if err != nil {
		return nil, err
	}
	arn := scope(ctx).ARN("mitigationaction", changed.Name)
	return &wire.UpdateMitigationActionResponse{ActionARN: &arn, ActionID: &changed.ID}, nil
}

func (a *API) deleteMitigationAction(ctx context.Context, in *wire.DeleteMitigationActionRequest) (
	*wire.DeleteMitigationActionResponse, error,
) {
	return nil, a.Store.DeleteMitigationAction(ctx, scope(ctx), *in.ActionName)
}

func (a *API) listMitigationActions(ctx context.Context, in *wire.ListMitigationActionsRequest) (
	*wire.ListMitigationActionsResponse, error,
) {
	n, after := awswire.PageSize(in.MaxResults), ""
	if err := a.Pages.Open(ctx, "ListMitigationActions", in.NextToken, &after); err != nil {
		return nil, err
	}
	list, err := a.Store.MitigationActions(ctx, scope(ctx), audit.ActionType(opt.Value(in.ActionType)), after, n+1)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListMitigationActionsResponse{ActionIdentifiers: []wire.MitigationActionIdentifier{}}
	for _, found := range list {
		arn := scope(ctx).ARN("mitigationaction", found.Name)
		out.ActionIdentifiers = append(out.ActionIdentifiers, wire.MitigationActionIdentifier{
			ActionName: &found.Name, ActionARN: &arn, CreationDate: opt.Time(found.Created),
		})
		after = found.Name
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListMitigationActions", more, after)
	return out, err
}

// actionParams reads the parameters of an action; what is not given is nil.
func actionParams(in *wire.MitigationActionParams) (p mitigation.Params) {
	if in == nil {
		return p
	}
	if d := in.UpdateDeviceCertificateParams; d != nil {
		p.UpdateDeviceCertificate = &mitigation.UpdateCertificate{Action: *d.Action}
	}
	if c := in.UpdateCACertificateParams; c != nil {
		p.UpdateCACertificate = &mitigation.UpdateCertificate{Action: *c.Action}
	}
	if g := in.AddThingsToThingGroupParams; g != nil {
		p.AddThingsToThingGroup = &mitigation.AddThings{
			Groups: g.ThingGroupNames, Override: opt.Value(g.OverrideDynamicGroups),
		}
	}
	if r := in.ReplaceDefaultPolicyVersionParams; r != nil {
		p.ReplaceDefaultPolicyVersion = &mitigation.ReplacePolicy{Template: *r.TemplateName}
	}
	if l := in.EnableIoTLoggingParams; l != nil {
		p.EnableIoTLogging = &mitigation.EnableLogging{RoleARN: *l.RoleARNForLogging, Level: *l.LogLevel}
	}
	if n := in.PublishFindingToSNSParams; n != nil {
		p.PublishFindingToSNS = &mitigation.PublishFinding{TopicARN: *n.TopicARN}
	}
	return p
}

func paramsOut(p mitigation.Params) *wire.MitigationActionParams {
	out := &wire.MitigationActionParams{}
	if d := p.UpdateDeviceCertificate; d != nil {
		out.UpdateDeviceCertificateParams = &wire.UpdateDeviceCertificateParams{Action: &d.Action}
	}
	if c := p.UpdateCACertificate; c != nil {
		out.UpdateCACertificateParams = &wire.UpdateCACertificateParams{Action: &c.Action}
	}
	if g := p.AddThingsToThingGroup; g != nil {
		out.AddThingsToThingGroupParams = &wire.AddThingsToThingGroupParams{ThingGroupNames: g.Groups}
		if g.Override {
			out.AddThingsToThingGroupParams.OverrideDynamicGroups = &g.Override
		}
	}
	if r := p.ReplaceDefaultPolicyVersion; r != nil {
		out.ReplaceDefaultPolicyVersionParams = &wire.ReplaceDefaultPolicyVersionParams{TemplateName: &r.Template}
	}
	if l := p.EnableIoTLogging; l != nil {
		out.EnableIoTLoggingParams = &wire.EnableIoTLoggingParams{RoleARNForLogging: &l.RoleARN, LogLevel: &l.Level}
	}
	if n := p.PublishFindingToSNS; n != nil {
		out.PublishFindingToSNSParams = &wire.PublishFindingToSnsParams{TopicARN: &n.TopicARN}
	}
	return out
}
