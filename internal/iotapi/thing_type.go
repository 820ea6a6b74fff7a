package iotapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// typeStore is what the operations on thing types need.
type typeStore interface {
	// CreateThingType stores a new type, or returns the one of that name when
	// it is the same; a different one is Exists.
	CreateThingType(ctx context.Context, scope fleet.Scope, t *fleet.ThingType, tags []fleet.Tag) (
		*fleet.ThingType, error)
	// ThingType returns a type, or NotFound.
	ThingType(ctx context.Context, scope fleet.Scope, name string) (*fleet.ThingType, error)
	// UpdateThingType stores what change makes of a type, or is NotFound.
	UpdateThingType(ctx context.Context, scope fleet.Scope, name string, change func(*fleet.ThingType) error) error
	// DeleteThingType removes a type, or is NotFound. One that is in use, or
	// not deprecated for long enough, is Invalid.
	DeleteThingType(ctx context.Context, scope fleet.Scope, name string) error
	// ThingTypes lists types by name.
	ThingTypes(ctx context.Context, scope fleet.Scope, q fleet.TypeQuery) ([]*fleet.ThingType, error)
}

func (a *API) typeOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.CreateThingType, a.createThingType),
		awswire.Op(wire.DescribeThingType, a.describeThingType),
		awswire.Op(wire.UpdateThingType, a.updateThingType),
		awswire.Op(wire.DeprecateThingType, a.deprecateThingType),
		awswire.Op(wire.DeleteThingType, a.deleteThingType),
		awswire.Op(wire.ListThingTypes, a.listThingTypes),
	}
}

func (a *API) createThingType(ctx context.Context, in *wire.CreateThingTypeRequest) (
	*wire.CreateThingTypeResponse, error,
) {
	t, err := fleet.NewThingType(fleet.ThingType{Name: *in.ThingTypeName, ID: uuid.NewString(), Created: a.Now()},
		typeUpdate(in.ThingTypeProperties))
	if err != nil {
		return nil, err
	}
	labels, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	if t, err = a.Store.CreateThingType(ctx, scope(ctx), t, labels); err != nil {
		return nil, err
	}
	return &wire.CreateThingTypeResponse{
		ThingTypeName: &t.Name, ThingTypeARN: new(scope(ctx).ARN("thingtype", t.Name)), ThingTypeID: &t.ID,
	}, nil
}

// typeUpdate reads what shall become of a thing type.
func typeUpdate(in *wire.ThingTypeProperties) fleet.TypeUpdate {
	if in == nil {
		return fleet.TypeUpdate{}
	}
	u := fleet.TypeUpdate{Description: in.ThingTypeDescription, Searchable: in.SearchableAttributes}
	if in.MQTT5Configuration == nil {
		return u
	}
	u.Propagations = []fleet.Propagation{} // a configuration without any takes them away
	for _, p := range in.MQTT5Configuration.PropagatingAttributes {
		u.Propagations = append(u.Propagations, fleet.Propagation{
			UserProperty: opt.Value(p.UserPropertyKey), Thing: opt.Value(p.ThingAttribute),
			Connection: opt.Value(p.ConnectionAttribute),
		})
	}
	return u
}

// typeOut is what the owner of a thing type said of it, on the wire.
func typeOut(t *fleet.ThingType) *wire.ThingTypeProperties {
	out := &wire.ThingTypeProperties{
		ThingTypeDescription: opt.Text(t.Description), SearchableAttributes: t.Searchable,
	}
	if len(t.Propagations) == 0 {
		return out
	}
	out.MQTT5Configuration = &wire.Mqtt5Configuration{}
	for _, p := range t.Propagations {
		out.MQTT5Configuration.PropagatingAttributes = append(out.MQTT5Configuration.PropagatingAttributes,
			wire.PropagatingAttribute{
				UserPropertyKey: &p.UserProperty, ThingAttribute: opt.Text(p.Thing), ConnectionAttribute: opt.Text(p.Connection),
			})
	}
	return out
}

func typeMetadata(t *fleet.ThingType) *wire.ThingTypeMetadata {
	return &wire.ThingTypeMetadata{
		Deprecated: new(!t.Deprecated.IsZero()), DeprecationDate: opt.Time(t.Deprecated), CreationDate: opt.Time(t.Created),
	}
}

func (a *API) describeThingType(ctx context.Context, in *wire.DescribeThingTypeRequest) (
	*wire.DescribeThingTypeResponse, error,
) {
	t, err := a.Store.ThingType(ctx, scope(ctx), *in.ThingTypeName)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeThingTypeResponse{
		ThingTypeName: &t.Name, ThingTypeID: &t.ID, ThingTypeARN: new(scope(ctx).ARN("thingtype", t.Name)),
		ThingTypeProperties: typeOut(t), ThingTypeMetadata: typeMetadata(t),
	}, nil
}

func (a *API) updateThingType(ctx context.Context, in *wire.UpdateThingTypeRequest) (
	*wire.UpdateThingTypeResponse, error,
) {
	return nil, a.Store.UpdateThingType(ctx, scope(ctx), *in.ThingTypeName, func(t *fleet.ThingType) error {
		return t.Update(typeUpdate(in.ThingTypeProperties))
	})
}

func (a *API) deprecateThingType(ctx context.Context, in *wire.DeprecateThingTypeRequest) (
	*wire.DeprecateThingTypeResponse, error,
) {
	return nil, a.Store.UpdateThingType(ctx, scope(ctx), *in.ThingTypeName, func(t *fleet.ThingType) error {
		if opt.Value(in.UndoDeprecate) {
			t.Revive()
		} else {
			t.Deprecate(a.Now())
		}
		return nil
	})
}

func (a *API) deleteThingType(ctx context.Context, in *wire.DeleteThingTypeRequest) (
	*wire.DeleteThingTypeResponse, error,
) {
	return nil, a.Store.DeleteThingType(ctx, scope(ctx), *in.ThingTypeName)
}

func (a *API) listThingTypes(ctx context.Context, in *wire.ListThingTypesRequest) (
	*wire.ListThingTypesResponse, error,
) {
	n := awswire.PageSize(in.MaxResults)
	q := fleet.TypeQuery{Prefix: opt.Value(in.ThingTypeName), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListThingTypes", in.NextToken, &q.After); err != nil {
		return nil, err
	}
	list, err := a.Store.ThingTypes(ctx, scope(ctx), q)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListThingTypesResponse{ThingTypes: []wire.ThingTypeDefinition{}}
	for _, t := range list {
		out.ThingTypes = append(out.ThingTypes, wire.ThingTypeDefinition{
			ThingTypeName: &t.Name, ThingTypeARN: new(scope(ctx).ARN("thingtype", t.Name)),
			ThingTypeProperties: typeOut(t), ThingTypeMetadata: typeMetadata(t),
		})
		q.After = t.Name
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListThingTypes", more, q.After)
	return out, err
}
