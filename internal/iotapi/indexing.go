package iotapi

import (
	"context"
	"slices"

	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// The fields that the indexes have without being asked to, by the names of the
// configuration, which are not all those of queries.
var (
	registryFields = fields("String", "registry.thingGroupNames", "registry.thingTypeName", "thingId", "thingName")
	statusFields   = slices.Concat(fields("Boolean", "connectivity.connected"),
		fields("String", "connectivity.disconnectReason"), fields("Number", "connectivity.timestamp"))
	groupFields = fields("String", "description", "parentGroupNames", "thingGroupId", "thingGroupName")
)

func fields(kind string, names ...string) (list []wire.Field) {
	for _, name := range names {
		list = append(list, wire.Field{Name: &name, Type: &kind})
	}
	return list
}

func (a *API) getIndexingConfiguration(ctx context.Context, _ *wire.GetIndexingConfigurationRequest) (
	*wire.GetIndexingConfigurationResponse, error,
) {
	i, err := a.Store.Indexing(ctx, scope(ctx))
	if err != nil {
		return nil, err
	}
	things := &wire.ThingIndexingConfiguration{
		ThingIndexingMode: opt.Text(i.Things), ThingConnectivityIndexingMode: opt.Text(i.Connectivity),
		DeviceDefenderIndexingMode: new("OFF"), NamedShadowIndexingMode: new("OFF"),
	}
	if i.Things != fleet.IndexOff {
		things.ManagedFields = registryFields
	}
	if i.Connectivity != fleet.IndexOff {
		things.ManagedFields = slices.Concat(statusFields, registryFields)
	}
	groups := &wire.ThingGroupIndexingConfiguration{ThingGroupIndexingMode: opt.Text(i.Groups)}
	if i.Groups != fleet.IndexOff {
		groups.ManagedFields = groupFields
	}
	return &wire.GetIndexingConfigurationResponse{
		ThingIndexingConfiguration: things, ThingGroupIndexingConfiguration: groups,
	}, nil
}

func (a *API) updateIndexingConfiguration(ctx context.Context, in *wire.UpdateIndexingConfigurationRequest) (
	*wire.UpdateIndexingConfigurationResponse, error,
) {
	things, groups := in.ThingIndexingConfiguration, in.ThingGroupIndexingConfiguration
	if things != nil {
		if err := checkThingIndexing(things); err != nil {
			return nil, err
		}
	}
	if groups != nil {
		if err := checkManaged("thingGroupIndexingConfiguration", groups.ManagedFields, groupFields); err != nil {
			return nil, err
		}
	}
	return nil, a.Store.UpdateIndexing(ctx, scope(ctx), func(i *fleet.Indexing) error {
		if things != nil {
			i.Things, i.Connectivity = fleet.IndexingMode(*things.ThingIndexingMode), fleet.IndexOff
			if mode := things.ThingConnectivityIndexingMode; mode != nil {
				i.Connectivity = fleet.IndexingMode(*mode)
			}
		}
		if groups != nil {
			i.Groups = fleet.IndexingMode(*groups.ThingGroupIndexingMode)
		}
		return i.Check()
	})
}

// checkThingIndexing refuses modes for what is not indexed.
func checkThingIndexing(c *wire.ThingIndexingConfiguration) error {
	const member = "thingIndexingConfiguration."
	switch {
	case *c.ThingIndexingMode == "REGISTRY_AND_SHADOW":
		return fault.New(fault.Unsupported, "%sthingIndexingMode REGISTRY_AND_SHADOW is not supported by this Cordon: "+
			"it keeps no device shadows", member)
	case opt.Value(c.NamedShadowIndexingMode) == "ON":
		return fault.New(fault.Unsupported, "%snamedShadowIndexingMode ON is not supported by this Cordon: "+
			"it keeps no device shadows", member)
	case opt.Value(c.DeviceDefenderIndexingMode) == "VIOLATIONS":
		return fault.New(fault.Unsupported, "%sdeviceDefenderIndexingMode VIOLATIONS is not supported by this Cordon: "+
			"it detects no violations", member)
	}
	return checkManaged("thingIndexingConfiguration", c.ManagedFields, slices.Concat(statusFields, registryFields))
}

// checkManaged refuses fields that are said to be managed and are not: nothing
// that a caller gives is dropped.
func checkManaged(of string, given, managed []wire.Field) error {
	for _, g := range given {
		if !slices.ContainsFunc(managed, func(m wire.Field) bool {
			return opt.Value(g.Name) == *m.Name && opt.Value(g.Type) == *m.Type
		}) {
			return fault.New(fault.Invalid, "%s.managedFields: %.128q of type %.16q is no managed field of this Cordon", of,
				opt.Value(g.Name), opt.Value(g.Type))
		}
	}
	return nil
}
