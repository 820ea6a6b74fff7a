package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// thingStore is what the operations on things need.
type thingStore interface {
	// CreateThing stores a new thing, or returns the one of that name when it
	// is the same; a different one is Exists. A type that is not there is
	// NotFound, a deprecated one Invalid.
	CreateThing(ctx context.Context, scope fleet.Scope, t *fleet.Thing) (*fleet.Thing, error)
	// Thing returns a thing, or NotFound.
	Thing(ctx context.Context, scope fleet.Scope, name string) (*fleet.Thing, error)
	// UpdateThing stores what change makes of a thing, or is NotFound, as is
	// another type that is not there; a deprecated one is Invalid.
	UpdateThing(ctx context.Context, scope fleet.Scope, name string, change func(*fleet.Thing) error) error
	// DeleteThing removes a thing that allow does not refuse; one that is not
	// there is fine, one with principals is Invalid.
	DeleteThing(ctx context.Context, scope fleet.Scope, name string, allow func(*fleet.Thing) error) error
	// Things lists things in the order of the query.
	Things(ctx context.Context, scope fleet.Scope, q fleet.ThingQuery) ([]*fleet.Thing, error)
}

func (a *API) thingOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateThing, a.createThing).Refusing("billingGroupName"),
		awswire.Op(wire.DescribeThing, a.describeThing),
		awswire.Op(wire.UpdateThing, a.updateThing),
		awswire.Op(wire.DeleteThing, a.deleteThing),
		awswire.Op(wire.ListThings, a.listThings),
	}
}

func (a *API) createThing(ctx context.Context, in *wire.CreateThingRequest) (*wire.CreateThingResponse, error) {
	t, err := fleet.NewThing(fleet.Thing{
		Name: *in.ThingName, ID: fleet.NewThingID(), Type: opt.Value(in.ThingTypeName), Created: a.Now(),
	}, attributes(in.AttributePayload))
	if err != nil {
		return nil, err
	}
	if t, err = a.Store.CreateThing(ctx, scope(ctx), t); err != nil {
		return nil, err
	}
	return &wire.CreateThingResponse{
		ThingName: &t.Name, ThingARN: new(scope(ctx).ARN("thing", t.Name)), ThingID: &t.ID,
	}, nil
}

// attributes reads what shall become of a thing's or group's attributes.
func attributes(in *wire.AttributePayload) fleet.AttributeUpdate {
	if in == nil {
		return fleet.AttributeUpdate{}
	}
	return fleet.AttributeUpdate{Values: in.Attributes, Merge: opt.Value(in.Merge)}
}

func (a *API) describeThing(ctx context.Context, in *wire.DescribeThingRequest) (*wire.DescribeThingResponse, error) {
	t, err := a.Store.Thing(ctx, scope(ctx), *in.ThingName)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeThingResponse{
		DefaultClientID: &t.Name, ThingName: &t.Name, ThingID: &t.ID, ThingARN: new(scope(ctx).ARN("thing", t.Name)),
		ThingTypeName: opt.Text(t.Type), Attributes: t.Attributes, Version: &t.Version,
	}, nil
}

func (a *API) updateThing(ctx context.Context, in *wire.UpdateThingRequest) (*wire.UpdateThingResponse, error) {
	return nil, a.Store.UpdateThing(ctx, scope(ctx), *in.ThingName, func(t *fleet.Thing) error {
		return t.Update(fleet.ThingUpdate{
			Attributes: attributes(in.AttributePayload), Type: opt.Value(in.ThingTypeName),
			RemoveType: opt.Value(in.RemoveThingType),
		}, in.ExpectedVersion)
	})
}

func (a *API) deleteThing(ctx context.Context, in *wire.DeleteThingRequest) (*wire.DeleteThingResponse, error) {
	return nil, a.Store.DeleteThing(ctx, scope(ctx), *in.ThingName, func(t *fleet.Thing) error {
		return t.Expect(in.ExpectedVersion)
	})
}

func (a *API) listThings(ctx context.Context, in *wire.ListThingsRequest) (*wire.ListThingsResponse, error) {
	filter, err := thingFilter(in)
	if err != nil {
		return nil, err
	}
	n := awswire.PageSize(in.MaxResults)
	q := fleet.ThingQuery{Type: opt.Value(in.ThingTypeName), Filter: filter, Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListThings", in.NextToken, &q.After); err != nil {
		return nil, err
	}
	list, err := a.Store.Things(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListThingsResponse{Things: []wire.ThingAttribute{}}
	for _, t := range list {
		out.Things = append(out.Things, wire.ThingAttribute{
			ThingName: &t.Name, ThingTypeName: opt.Text(t.Type), ThingARN: new(scope(ctx).ARN("thing", t.Name)),
			Attributes: t.Attributes, Version: &t.Version,
		})
		q.After = q.Position(t)
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListThings", more, q.After)
	return out, err
}

// thingFilter reads which things are asked for: with a name alone, those that
// have the attribute.
func thingFilter(in *wire.ListThingsRequest) (fleet.AttributeFilter, error) {
	prefix := opt.Value(in.UsePrefixAttributeValue)
	switch {
	case in.AttributeName == nil && in.AttributeValue != nil:
		return fleet.AttributeFilter{}, fault.New(fault.Invalid, "attributeValue needs an attributeName")
	case in.AttributeValue == nil && prefix:
		return fleet.AttributeFilter{}, fault.New(fault.Invalid, "usePrefixAttributeValue needs an attributeValue")
	}
	return fleet.AttributeFilter{
		Name: opt.Value(in.AttributeName), Value: opt.Value(in.AttributeValue), Prefix: prefix || in.AttributeValue == nil,
	}, nil
}
