package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

func (a *API) addThingToThingGroup(ctx context.Context, in *wire.AddThingToThingGroupRequest) (
	*wire.AddThingToThingGroupResponse, error,
) {
	thing, group, err := member(scope(ctx), in.ThingName, in.ThingARN, in.ThingGroupName, in.ThingGroupARN)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.Regroup(ctx, scope(ctx), &fleet.Regrouping{
		Thing: thing, Join: []string{group}, Override: opt.Value(in.OverrideDynamicGroups),
	})
}

func (a *API) removeThingFromThingGroup(ctx context.Context, in *wire.RemoveThingFromThingGroupRequest) (
	*wire.RemoveThingFromThingGroupResponse, error,
) {
	thing, group, err := member(scope(ctx), in.ThingName, in.ThingARN, in.ThingGroupName, in.ThingGroupARN)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.Regroup(ctx, scope(ctx), &fleet.Regrouping{Thing: thing, Leave: []string{group}})
}

// member reads a thing and a group that are each given by name, ARN or both.
func member(sc fleet.Scope, thingName, thingARN, groupName, groupARN *string) (thing, group string, err error) {
	if thing, err = (reference{"thing", "thingName", thingName, "thingArn", thingARN}).resolve(sc); err != nil {
		return "", "", err
	}
	group, err = (reference{"thinggroup", "thingGroupName", groupName, "thingGroupArn", groupARN}).resolve(sc)
	return thing, group, err
}

// reference is a resource that a request names, its ARN gives, or both.
type reference struct {
	kind       string // in its ARN
	nameMember string
	name       *string
	arnMember  string
	arn        *string
}

// resolve returns the name of what is meant. Neither, or two that do not agree,
// are an Invalid fault; an ARN of another account or region is a NotFound one.
func (r reference) resolve(sc fleet.Scope) (string, error) {
	if r.arn == nil {
		if r.name == nil {
			return "", fault.New(fault.Invalid, "either %s or %s must be given", r.nameMember, r.arnMember)
		}
		return *r.name, nil
	}
	kind, name, err := sc.ParseARN(*r.arn)
	if err != nil {
		return "", err
	}
	if kind != r.kind {
		return "", fault.New(fault.Invalid, "%s is the ARN of another kind of resource", r.arnMember)
	}
	if r.name != nil && *r.name != name {
		return "", fault.New(fault.Invalid, "%s and %s name different resources", r.nameMember, r.arnMember)
	}
	return name, nil
}

func (a *API) updateThingGroupsForThing(ctx context.Context, in *wire.UpdateThingGroupsForThingRequest) (
	*wire.UpdateThingGroupsForThingResponse, error,
) {
	if in.ThingName == nil {
		return nil, fault.New(fault.Invalid, "thingName must be given")
	}
	return nil, a.Store.Regroup(ctx, scope(ctx), &fleet.Regrouping{
		Thing: *in.ThingName, Leave: in.ThingGroupsToRemove, Join: in.ThingGroupsToAdd,
		Override: opt.Value(in.OverrideDynamicGroups),
	})
}

func (a *API) listThingGroupsForThing(ctx context.Context, in *wire.ListThingGroupsForThingRequest) (
	*wire.ListThingGroupsForThingResponse, error,
) {
	n, after := awswire.PageSize(in.MaxResults), ""
	if err := a.Pages.Open(ctx, "ListThingGroupsForThing", in.NextToken, &after); err != nil {
		return nil, err
	}
	names, err := a.Store.GroupsOf(ctx, scope(ctx), *in.ThingName, after, n+1)
	if err != nil {
		return nil, err
	}
	names, more := awswire.CutPage(names, n)
	out := &wire.ListThingGroupsForThingResponse{ThingGroups: groupsOut(scope(ctx), names)}
	out.NextToken, err = a.Pages.Next(ctx, "ListThingGroupsForThing", more, last(names))
	return out, err
}

func (a *API) listThingsInThingGroup(ctx context.Context, in *wire.ListThingsInThingGroupRequest) (
	*wire.ListThingsInThingGroupResponse, error,
) {
	n := awswire.PageSize(in.MaxResults)
	q := fleet.MemberQuery{Group: *in.ThingGroupName, Deep: opt.Value(in.Recursive), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListThingsInThingGroup", in.NextToken, &q.After); err != nil {
		return nil, err
	}
	list, err := a.Store.Members(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListThingsInThingGroupResponse{Things: make([]string, len(list))}
	for i, m := range list {
		out.Things[i] = m.Thing
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListThingsInThingGroup", more, last(list))
	return out, err
}
