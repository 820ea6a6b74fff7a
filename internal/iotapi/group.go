package iotapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// groupStore is what the operations on thing groups need.
type groupStore interface {
	// CreateGroup stores a new group below its parent, or returns the one of
	// that name when it is the same; a different one is Exists, a parent that
	// is not there Invalid, a dynamic group too many Limit.
	CreateGroup(ctx context.Context, scope fleet.Scope, g *fleet.Group, tags []fleet.Tag) (
		*fleet.Group, fleet.GroupWork, error)
	// Group returns a group and its ancestors from the root down, or NotFound.
	Group(ctx context.Context, scope fleet.Scope, name string) (g *fleet.Group, ancestors []string, err error)
	// UpdateGroup stores and returns what change makes of a static group, or is
	// NotFound.
	UpdateGroup(ctx context.Context, scope fleet.Scope, name string, change func(*fleet.Group) error) (*fleet.Group, error)
	// UpdateDynamicGroup does so with a dynamic group, whose members are found
	// anew where change says so.
	UpdateDynamicGroup(ctx context.Context, scope fleet.Scope, name string,
		change func(*fleet.Group) (anew bool, err error)) (*fleet.Group, fleet.GroupWork, error)
	// DeleteGroup removes a group; one that is not there is fine, one with
	// children or of another kind is Invalid.
	DeleteGroup(ctx context.Context, scope fleet.Scope, d fleet.GroupDeletion) (fleet.GroupWork, error)
	// Groups lists groups; a parent that is not there is NotFound.
	Groups(ctx context.Context, scope fleet.Scope, q fleet.GroupQuery) ([]fleet.GroupPosition, error)
	// Regroup makes a thing leave and join groups, all or nothing. What is not
	// there is NotFound, what the rules forbid Invalid.
	Regroup(ctx context.Context, scope fleet.Scope, r *fleet.Regrouping) error
	// GroupsOf lists the groups a thing is in itself by name, or is NotFound.
	GroupsOf(ctx context.Context, scope fleet.Scope, thing, after string, limit int) ([]string, error)
	// Members lists the things in a group by group and name, or is NotFound.
	Members(ctx context.Context, scope fleet.Scope, q fleet.MemberQuery) ([]fleet.MemberPosition, error)
}

func (a *API) groupOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateThingGroup, a.createThingGroup),
		awswire.Op(wire.DescribeThingGroup, a.describeThingGroup),
		awswire.Op(wire.UpdateThingGroup, a.updateThingGroup),
		awswire.Op(wire.DeleteThingGroup, a.deleteThingGroup),
		awswire.Op(wire.ListThingGroups, a.listThingGroups),
		awswire.Op(wire.CreateDynamicThingGroup, a.createDynamicThingGroup),
		awswire.Op(wire.UpdateDynamicThingGroup, a.updateDynamicThingGroup),
		awswire.Op(wire.DeleteDynamicThingGroup, a.deleteDynamicThingGroup),
		awswire.Op(wire.AddThingToThingGroup, a.addThingToThingGroup),
		awswire.Op(wire.RemoveThingFromThingGroup, a.removeThingFromThingGroup),
		awswire.Op(wire.UpdateThingGroupsForThing, a.updateThingGroupsForThing),
		awswire.Op(wire.ListThingGroupsForThing, a.listThingGroupsForThing),
		awswire.Op(wire.ListThingsInThingGroup, a.listThingsInThingGroup),
	}
}

func (a *API) createThingGroup(ctx context.Context, in *wire.CreateThingGroupRequest) (
	*wire.CreateThingGroupResponse, error,
) {
	given := groupUpdate(in.ThingGroupProperties)
	g, err := fleet.NewGroup(fleet.Group{
		Name: *in.ThingGroupName, ID: uuid.NewString(), Parent: opt.Value(in.ParentGroupName),
		Description: opt.Value(given.Description), Created: a.Now(),
	}, given.Attributes)
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
	return &wire.CreateThingGroupResponse{
		ThingGroupName: &g.Name, ThingGroupARN: new(scope(ctx).ARN("thinggroup", g.Name)), ThingGroupID: &g.ID,
	}, nil
}

// storeGroup stores a new group, and starts what finds the members of a dynamic
// one.
func (a *API) storeGroup(ctx context.Context, g *fleet.Group, labels []fleet.Tag) (*fleet.Group, error) {
	g, work, err := a.Store.CreateGroup(ctx, scope(ctx), g, labels)
	if err != nil {
		return nil, err
	}
	return g, a.start(ctx, work)
}

// start starts work on the members of a group.
func (a *API) start(ctx context.Context, work fleet.GroupWork) error {
	if work == "" {
		return nil
	}
	sc := scope(ctx)
	return a.Workflows.Start(durable.ID{
		Kind: fleet.GroupWorkKind, Account: sc.Account, Region: sc.Region, Name: string(work),
	})
}

// groupUpdate reads what shall become of a group.
func groupUpdate(in *wire.ThingGroupProperties) fleet.GroupUpdate {
	if in == nil {
		return fleet.GroupUpdate{}
	}
	return fleet.GroupUpdate{Description: in.ThingGroupDescription, Attributes: attributes(in.AttributePayload)}
}

func (a *API) describeThingGroup(ctx context.Context, in *wire.DescribeThingGroupRequest) (
	*wire.DescribeThingGroupResponse, error,
) {
	g, ancestors, err := a.Store.Group(ctx, scope(ctx), *in.ThingGroupName)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeThingGroupResponse{
		ThingGroupName: &g.Name, ThingGroupID: &g.ID, ThingGroupARN: new(scope(ctx).ARN("thinggroup", g.Name)),
		Version: &g.Version,
		ThingGroupProperties: &wire.ThingGroupProperties{
			ThingGroupDescription: opt.Text(g.Description),
			AttributePayload:      &wire.AttributePayload{Attributes: g.Attributes},
		},
		ThingGroupMetadata: &wire.ThingGroupMetadata{
			ParentGroupName: opt.Text(g.Parent), RootToParentThingGroups: groupsOut(scope(ctx), ancestors),
			CreationDate: opt.Time(g.Created),
		},
	}
	if d := g.Dynamic; d != nil {
		out.IndexName, out.QueryString, out.QueryVersion = new(fleetindex.Things), &d.Query, &d.QueryVersion
		out.Status = opt.Text(d.Status)
	}
	return out, nil
}

// groupsOut names groups on the wire.
func groupsOut(sc fleet.Scope, names []string) []wire.GroupNameAndArn {
	out := make([]wire.GroupNameAndArn, len(names))
	for i, name := range names {
		out[i] = wire.GroupNameAndArn{GroupName: &name, GroupARN: new(sc.ARN("thinggroup", name))}
	}
	return out
}

func (a *API) updateThingGroup(ctx context.Context, in *wire.UpdateThingGroupRequest) (
	*wire.UpdateThingGroupResponse, error,
) {
	g, err := a.Store.UpdateGroup(ctx, scope(ctx), *in.ThingGroupName, func(g *fleet.Group) error {
		if err := g.NeedStatic(); err != nil {
			return err
		}
		return g.Update(groupUpdate(in.ThingGroupProperties), in.ExpectedVersion)
	})
	if err != nil {
		return nil, err
	}
	return &wire.UpdateThingGroupResponse{Version: &g.Version}, nil
}

func (a *API) deleteThingGroup(ctx context.Context, in *wire.DeleteThingGroupRequest) (
	*wire.DeleteThingGroupResponse, error,
) {
	return nil, a.deleteGroup(ctx, fleet.GroupDeletion{Name: *in.ThingGroupName, Expected: in.ExpectedVersion})
}

// deleteGroup deletes a group, and starts what removes its members.
func (a *API) deleteGroup(ctx context.Context, d fleet.GroupDeletion) error {
	work, err := a.Store.DeleteGroup(ctx, scope(ctx), d)
	if err != nil {
		return err
	}
	return a.start(ctx, work)
}

func (a *API) listThingGroups(ctx context.Context, in *wire.ListThingGroupsRequest) (
	*wire.ListThingGroupsResponse, error,
) {
	n := awswire.PageSize(in.MaxResults)
	q := fleet.GroupQuery{
		Parent: opt.Value(in.ParentGroup), Deep: in.ParentGroup == nil, Prefix: opt.Value(in.NamePrefixFilter), Limit: n + 1,
	}
	if in.Recursive != nil {
		q.Deep = *in.Recursive
	}
	if err := a.Pages.Open(ctx, "ListThingGroups", in.NextToken, &q.After); err != nil {
		return nil, err
	}
	list, err := a.Store.Groups(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	names := make([]string, len(list))
	for i, g := range list {
		names[i] = g.Name
	}
	out := &wire.ListThingGroupsResponse{ThingGroups: groupsOut(scope(ctx), names)}
	out.NextToken, err = a.Pages.Next(ctx, "ListThingGroups", more, last(list))
	return out, err
}

// last is the last item of a page, or the zero value when the page is empty.
func last[T any](page []T) (item T) {
	if len(page) > 0 {
		item = page[len(page)-1]
	}
	return item
}
