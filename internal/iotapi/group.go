package iotapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// groupStore is what the operations on thing groups need.
type groupStore interface {
	// CreateGroup stores a new group below its parent, or returns the one of
	// that name when it is the same; a different one is Exists, a parent that
	// is not there Invalid.
	CreateGroup(ctx context.Context, scope fleet.Scope, g *fleet.Group, tags []fleet.Tag) (*fleet.Group, error)
	// Group returns a group and its ancestors from the root down, or NotFound.
	Group(ctx context.Context, scope fleet.Scope, name string) (g *fleet.Group, ancestors []string, err error)
	// UpdateGroup stores and returns what change makes of a group, or is
	// NotFound.
	UpdateGroup(ctx context.Context, scope fleet.Scope, name string, change func(*fleet.Group) error) (*fleet.Group, error)
	// DeleteGroup removes a group that allow does not refuse; one that is not
	// there is fine, one with children is Invalid.
	DeleteGroup(ctx context.Context, scope fleet.Scope, name string, allow func(*fleet.Group) error) error
	// Groups lists groups by name; a parent that is not there is NotFound.
	Groups(ctx context.Context, scope fleet.Scope, q fleet.GroupQuery) ([]string, error)
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
		awswire.Op(wire.AddThingToThingGroup, a.addThingToThingGroup).Refusing("overrideDynamicGroups"),
		awswire.Op(wire.RemoveThingFromThingGroup, a.removeThingFromThingGroup),
		awswire.Op(wire.UpdateThingGroupsForThing, a.updateThingGroupsForThing).Refusing("overrideDynamicGroups"),
		awswire.Op(wire.ListThingGroupsForThing, a.listThingGroupsForThing),
		awswire.Op(wire.ListThingsInThingGroup, a.listThingsInThingGroup),
	}
}

func (a *API) createThingGroup(ctx context.Context, in *wire.CreateThingGroupRequest) (
	*wire.CreateThingGroupResponse, error,
) {
	given := groupUpdate(in.ThingGroupProperties)
	g, err := fleet.NewGroup(fleet.Group{
		Name: *in.ThingGroupName, ID: uuid.NewString(), Parent: value(in.ParentGroupName),
		Description: value(given.Description), Created: a.Now(),
	}, given.Attributes)
	if err != nil {
		return nil, err
	}
	labels, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	if g, err = a.Store.CreateGroup(ctx, scope(ctx), g, labels); err != nil {
		return nil, err
	}
	return &wire.CreateThingGroupResponse{
		ThingGroupName: &g.Name, ThingGroupARN: new(scope(ctx).ARN("thinggroup", g.Name)), ThingGroupID: &g.ID,
	}, nil
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
	return &wire.DescribeThingGroupResponse{
		ThingGroupName: &g.Name, ThingGroupID: &g.ID, ThingGroupARN: new(scope(ctx).ARN("thinggroup", g.Name)),
		Version: &g.Version,
		ThingGroupProperties: &wire.ThingGroupProperties{
			ThingGroupDescription: text(g.Description),
			AttributePayload:      &wire.AttributePayload{Attributes: g.Attributes},
		},
		ThingGroupMetadata: &wire.ThingGroupMetadata{
			ParentGroupName: text(g.Parent), RootToParentThingGroups: groupsOut(scope(ctx), ancestors),
			CreationDate: moment(g.Created),
		},
	}, nil
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
	return nil, a.Store.DeleteGroup(ctx, scope(ctx), *in.ThingGroupName, func(g *fleet.Group) error {
		return g.Expect(in.ExpectedVersion)
	})
}

func (a *API) listThingGroups(ctx context.Context, in *wire.ListThingGroupsRequest) (
	*wire.ListThingGroupsResponse, error,
) {
	n := limit(in.MaxResults)
	q := fleet.GroupQuery{
		Parent: value(in.ParentGroup), Deep: in.ParentGroup == nil, Prefix: value(in.NamePrefixFilter), Limit: n + 1,
	}
	if in.Recursive != nil {
		q.Deep = *in.Recursive
	}
	if err := a.open(ctx, "ListThingGroups", in.NextToken, &q.After); err != nil {
		return nil, err
	}
	names, err := a.Store.Groups(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	names, more := cut(names, n)
	out := &wire.ListThingGroupsResponse{ThingGroups: groupsOut(scope(ctx), names)}
	out.NextToken, err = a.next(ctx, "ListThingGroups", more, last(names))
	return out, err
}

// last is the last item of a page, or the zero value when the page is empty.
func last[T any](page []T) (item T) {
	if len(page) > 0 {
		item = page[len(page)-1]
	}
	return item
}

func (a *API) addThingToThingGroup(ctx context.Context, in *wire.AddThingToThingGroupRequest) (
	*wire.AddThingToThingGroupResponse, error,
) {
	thing, group, err := member(scope(ctx), in.ThingName, in.ThingARN, in.ThingGroupName, in.ThingGroupARN)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.Regroup(ctx, scope(ctx), &fleet.Regrouping{Thing: thing, Join: []string{group}})
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
	})
}

func (a *API) listThingGroupsForThing(ctx context.Context, in *wire.ListThingGroupsForThingRequest) (
	*wire.ListThingGroupsForThingResponse, error,
) {
	n, after := limit(in.MaxResults), ""
	if err := a.open(ctx, "ListThingGroupsForThing", in.NextToken, &after); err != nil {
		return nil, err
	}
	names, err := a.Store.GroupsOf(ctx, scope(ctx), *in.ThingName, after, n+1)
	if err != nil {
		return nil, err
	}
	names, more := cut(names, n)
	out := &wire.ListThingGroupsForThingResponse{ThingGroups: groupsOut(scope(ctx), names)}
	out.NextToken, err = a.next(ctx, "ListThingGroupsForThing", more, last(names))
	return out, err
}

func (a *API) listThingsInThingGroup(ctx context.Context, in *wire.ListThingsInThingGroupRequest) (
	*wire.ListThingsInThingGroupResponse, error,
) {
	n := limit(in.MaxResults)
	q := fleet.MemberQuery{Group: *in.ThingGroupName, Deep: value(in.Recursive), Limit: n + 1}
	if err := a.open(ctx, "ListThingsInThingGroup", in.NextToken, &q.After); err != nil {
		return nil, err
	}
	list, err := a.Store.Members(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := cut(list, n)
	out := &wire.ListThingsInThingGroupResponse{Things: make([]string, len(list))}
	for i, m := range list {
		out.Things[i] = m.Thing
	}
	out.NextToken, err = a.next(ctx, "ListThingsInThingGroup", more, last(list))
	return out, err
}
