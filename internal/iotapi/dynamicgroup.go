package iotapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

func (a *API) createDynamicThingGroup(ctx context.Context, in *wire.CreateDynamicThingGroupRequest) (
	*wire.CreateDynamicThingGroupResponse, error,
) {
	if err := checkQuery(in.IndexName, in.QueryString, in.QueryVersion); err != nil {
		return nil, err
	}
	given := groupUpdate(in.ThingGroupProperties)
	g, err := fleet.NewDynamicGroup(fleet.Group{
		Name: *in.ThingGroupName, ID: uuid.NewString(), Description: opt.Value(given.Description), Created: a.Now(),
	}, fleet.Dynamic{Query: *in.QueryString, QueryVersion: fleetindex.Version}, given.Attributes)
	if err != nil {
		return nil, err
	}
	labels, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	if g, err = a.storeGroup(ctx, g, labels); err != nil {
		return nil, err
	}
	return &wire.CreateDynamicThingGroupResponse{
		ThingGroupName: &g.Name, ThingGroupARN: new(scope(ctx).ARN("thinggroup", g.Name)), ThingGroupID: &g.ID,
		IndexName: new(fleetindex.Things), QueryString: &g.Dynamic.Query, QueryVersion: &g.Dynamic.QueryVersion,
	}, nil
}

// checkQuery decides whether a query can choose the members of a group. An
// index other than that of things is a NotFound fault, an unknown version of the
// language Invalid, and a query that cannot be read InvalidQuery.
func checkQuery(index, query, version *string) error {
	if index != nil && *index != fleetindex.Things {
		return fault.New(fault.NotFound, "there is no index %.128q for dynamic thing groups; it is %s", *index,
			fleetindex.Things)
	}
	if err := fleetindex.CheckVersion(opt.Value(version)); err != nil {
		return err
	}
	if query == nil {
		return nil
	}
	_, err := fleetindex.Parse(*query)
	return err
}

func (a *API) updateDynamicThingGroup(ctx context.Context, in *wire.UpdateDynamicThingGroupRequest) (
	*wire.UpdateDynamicThingGroupResponse, error,
) {
	if err := checkQuery(in.IndexName, in.QueryString, in.QueryVersion); err != nil {
		return nil, err
	}
	update := fleet.DynamicUpdate{GroupUpdate: groupUpdate(in.ThingGroupProperties), Query: in.QueryString}
	g, work, err := a.Store.UpdateDynamicGroup(ctx, scope(ctx), *in.ThingGroupName,
		func(g *fleet.Group) (bool, error) { return g.UpdateDynamic(update, in.ExpectedVersion) })
	if err != nil {
		return nil, err
	}
	return &wire.UpdateDynamicThingGroupResponse{Version: &g.Version}, a.start(ctx, work)
}

func (a *API) deleteDynamicThingGroup(ctx context.Context, in *wire.DeleteDynamicThingGroupRequest) (
	*wire.DeleteDynamicThingGroupResponse, error,
) {
	return nil, a.deleteGroup(ctx, fleet.GroupDeletion{
		Name: *in.ThingGroupName, Dynamic: true, Expected: in.ExpectedVersion,
	})
}
