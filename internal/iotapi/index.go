package iotapi

import (
	"context"
	"slices"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/fleetindex"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// indexStore is what the operations on fleet indexing need.
type indexStore interface {
	// Indexing returns the settings; with none made, everything is off.
	Indexing(ctx context.Context, scope fleet.Scope) (fleet.Indexing, error)
	// UpdateIndexing stores what change makes of the settings.
	UpdateIndexing(ctx context.Context, scope fleet.Scope, change func(*fleet.Indexing) error) error
	// SearchThings returns a page of the things that match, by name, and the
	// name that the next page is behind, "" when there is none. A page may be
	// short, or empty, and not be the last.
	SearchThings(ctx context.Context, scope fleet.Scope, s fleetindex.Search) ([]*fleetindex.Document, string, error)
	// SearchGroups is SearchThings for thing groups.
	SearchGroups(ctx context.Context, scope fleet.Scope, s fleetindex.Search) ([]*fleetindex.GroupDocument, string, error)
}

func (a *API) indexOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.SearchIndex, a.searchIndex).Noting("things and thing groups by what the registry holds; " +
			"a page can be short, or empty, and not be the last"),
		awswire.Op(wire.DescribeIndex, a.describeIndex),
		awswire.Op(wire.ListIndices, a.listIndices),
		awswire.Op(wire.GetIndexingConfiguration, a.getIndexingConfiguration),
		awswire.Op(wire.UpdateIndexingConfiguration, a.updateIndexingConfiguration).Refusing(
			"thingIndexingConfiguration.customFields", "thingIndexingConfiguration.filter",
			"thingGroupIndexingConfiguration.customFields",
		).Noting("modes that index shadows or violations are refused"),
	}
}

// Page sizes of searches: one that the caller does not limit, and the largest.
const (
	defaultSearchPage = 100
	maxSearchPage     = 500
)

func (a *API) searchIndex(ctx context.Context, in *wire.SearchIndexRequest) (*wire.SearchIndexResponse, error) {
	index := fleetindex.Things
	if in.IndexName != nil {
		index = *in.IndexName
	}
	i, err := a.openIndex(ctx, index)
	if err != nil {
		return nil, err
	}
	if err := fleetindex.CheckVersion(opt.Value(in.QueryVersion)); err != nil {
		return nil, err
	}
	search := fleetindex.Search{Limit: defaultSearchPage}
	if in.MaxResults != nil {
		search.Limit = min(*in.MaxResults, maxSearchPage)
	}
	// A token is for the index whose names it counts.
	binding := "SearchIndex " + index
	if err := a.Pages.Open(ctx, binding, in.NextToken, &search.After); err != nil {
		return nil, err
	}
	out, next := &wire.SearchIndexResponse{}, ""
	if index == fleetindex.Things {
		out.Things, next, err = a.searchThings(ctx, i, *in.QueryString, search)
	} else {
		out.ThingGroups, next, err = a.searchGroups(ctx, *in.QueryString, search)
	}
	if err != nil {
		return nil, err
	}
	out.NextToken, err = a.Pages.Next(ctx, binding, next != "", next)
	return out, err
}

// openIndex returns the settings under which an index exists. One that is not
// turned on is a NotFound fault, as is any other name.
func (a *API) openIndex(ctx context.Context, name string) (fleet.Indexing, error) {
	i, err := a.Store.Indexing(ctx, scope(ctx))
	if err != nil {
		return i, err
	}
	if slices.Contains(indexes(i), name) {
		return i, nil
	}
	if name == fleetindex.Things || name == fleetindex.ThingGroups {
		return i, fault.New(fault.NotFound, "the index %s does not exist: it is turned on by UpdateIndexingConfiguration",
			name)
	}
	return i, fault.New(fault.NotFound, "there is no index %q", name)
}

// indexes lists the indexes that are turned on, by name.
func indexes(i fleet.Indexing) (names []string) {
	if i.Groups != fleet.IndexOff {
		names = append(names, fleetindex.ThingGroups)
	}
	if i.Things != fleet.IndexOff {
		names = append(names, fleetindex.Things)
	}
	return names
}

func (a *API) searchThings(ctx context.Context, i fleet.Indexing, query string, s fleetindex.Search) (
	[]wire.ThingDocument, string, error,
) {
	q, err := thingQuery(query, i)
	if err != nil {
		return nil, "", err
	}
	s.Query = q
	list, next, err := a.Store.SearchThings(ctx, scope(ctx), s)
	out := make([]wire.ThingDocument, len(list))
	for n, d := range list {
		out[n] = wire.ThingDocument{
			ThingName: &d.Name, ThingID: &d.ID, ThingTypeName: opt.Text(d.Type), ThingGroupNames: d.Groups,
			Attributes: d.Attributes,
		}
		if i.Connectivity != fleet.IndexOff {
			out[n].Connectivity = connectivityOut(d.Connectivity)
		}
	}
	return out, next, err
}

// thingQuery reads a query about things, as they are indexed.
func thingQuery(query string, i fleet.Indexing) (*fleetindex.Query, error) {
	q, err := fleetindex.Parse(query)
	if err == nil {
		err = i.MayQuery(q.UsesConnectivity())
	}
	return q, err
}

func connectivityOut(c fleetindex.Connectivity) *wire.ThingConnectivity {
	out := &wire.ThingConnectivity{Connected: &c.Connected, DisconnectReason: opt.Text(c.Reason)}
	if c.At != 0 {
		out.Timestamp = &c.At
	}
	return out
}

func (a *API) searchGroups(ctx context.Context, query string, s fleetindex.Search) (
	out []wire.ThingGroupDocument, next string, err error,
) {
	if s.Query, err = fleetindex.ParseGroups(query); err != nil {
		return nil, "", err
	}
	list, next, err := a.Store.SearchGroups(ctx, scope(ctx), s)
	out = make([]wire.ThingGroupDocument, len(list))
	for n, d := range list {
		out[n] = wire.ThingGroupDocument{
			ThingGroupName: &d.Name, ThingGroupID: &d.ID, ThingGroupDescription: opt.Text(d.Description),
			Attributes: d.Attributes, ParentGroupNames: d.Parents,
		}
	}
	return out, next, err
}

func (a *API) describeIndex(ctx context.Context, in *wire.DescribeIndexRequest) (*wire.DescribeIndexResponse, error) {
	i, err := a.openIndex(ctx, *in.IndexName)
	if err != nil {
		return nil, err
	}
	schema := "REGISTRY"
	switch {
	case *in.IndexName == fleetindex.ThingGroups:
		schema = "THING_GROUPS"
	case i.Connectivity != fleet.IndexOff:
		schema = "REGISTRY_AND_CONNECTIVITY_STATUS"
	}
	return &wire.DescribeIndexResponse{IndexName: in.IndexName, IndexStatus: new("ACTIVE"), Schema: &schema}, nil
}

func (a *API) listIndices(ctx context.Context, in *wire.ListIndicesRequest) (*wire.ListIndicesResponse, error) {
	n, after := awswire.PageSize(in.MaxResults), ""
	if err := a.Pages.Open(ctx, "ListIndices", in.NextToken, &after); err != nil {
		return nil, err
	}
	i, err := a.Store.Indexing(ctx, scope(ctx))
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(indexes(i), func(name string) bool { return name <= after })
	names, more := awswire.CutPage(names, n)
	out := &wire.ListIndicesResponse{IndexNames: names}
	out.NextToken, err = a.Pages.Next(ctx, "ListIndices", more, last(names))
	return out, err
}
