package iotapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

var invalidQuery = want{"InvalidQueryException", 400}

// search reads all pages of a search for things or thing groups.
func search(t *testing.T, c *iot.Client, in *iot.SearchIndexInput) (names []string) {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) (page []string, next *string, err error) {
		in.NextToken, in.MaxResults = token, new(int32(2))
		out, err := c.SearchIndex(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range out.Things {
			page = append(page, *d.ThingName)
		}
		for _, d := range out.ThingGroups {
			page = append(page, *d.ThingGroupName)
		}
		return page, out.NextToken, nil
	})
}

func TestNothingIsIndexedAtFirst(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		for _, index := range []*string{nil, new("AWS_Things"), new("AWS_ThingGroups"), new("AWS_Other")} {
			_, err := c.SearchIndex(ctx, &iot.SearchIndexInput{QueryString: new("*"), IndexName: index})
			expect(t, err, notFound)
			if index != nil {
				_, err = c.DescribeIndex(ctx, &iot.DescribeIndexInput{IndexName: index})
				expect(t, err, notFound)
			}
		}
		list := must[*iot.ListIndicesOutput](t)(c.ListIndices(ctx, &iot.ListIndicesInput{}))
		if len(list.IndexNames) != 0 {
			t.Errorf("got indexes %v, want none", list.IndexNames)
		}
		got := must[*iot.GetIndexingConfigurationOutput](t)(c.GetIndexingConfiguration(ctx,
			&iot.GetIndexingConfigurationInput{}))
		things, groups := got.ThingIndexingConfiguration, got.ThingGroupIndexingConfiguration
		if things.ThingIndexingMode != types.ThingIndexingModeOff || len(things.ManagedFields) != 0 ||
			things.ThingConnectivityIndexingMode != types.ThingConnectivityIndexingModeOff ||
			groups.ThingGroupIndexingMode != types.ThingGroupIndexingModeOff || len(groups.ManagedFields) != 0 {
			t.Errorf("got %s and %s, want everything off", words(t, things), words(t, groups))
		}
	})
}

func TestSearchIndex(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		_, err := c.UpdateIndexingConfiguration(ctx, indexAll())
		expect(t, err, fine)
		group(t, c, "Site", "")
		group(t, c, "Hall", "Site")
		_, err = c.CreateThingType(ctx, &iot.CreateThingTypeInput{ThingTypeName: new("Meter")})
		expect(t, err, fine)
		for name, attributes := range map[string]notes{
			"pump-1": {"temp": "75", "site": "North"}, "pump-2": {"temp": "100"}, "pump-3": {"temp": "hot"}, "valve": nil,
		} {
			in := &iot.CreateThingInput{ThingName: &name, AttributePayload: payload(attributes, false)}
			if name == "valve" {
				in.ThingTypeName = new("Meter")
			}
			_, err := c.CreateThing(ctx, in)
			expect(t, err, fine)
		}
		join(t, c, "pump-1", "Hall")
		for _, tt := range []struct {
			name, query string
			want        []string
		}{
			{"everything", `*`, []string{"pump-1", "pump-2", "pump-3", "valve"}},
			{"by name", `thingName:PUMP*`, []string{"pump-1", "pump-2", "pump-3"}},
			{"by type", `thingTypeName:meter`, []string{"valve"}},
			{"by group", `thingGroupNames:hall`, []string{"pump-1"}},
			{"by number", `attributes.temp:{75 TO 1000]`, []string{"pump-2"}},
			{"by any field", `north`, []string{"pump-1"}},
			{"by what is missing", `NOT attributes.temp:*`, []string{"valve"}},
			{"by connection", `connectivity.connected:false thingName:*2`, []string{"pump-2"}},
			{"nothing", `connectivity.connected:true`, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				inOrder(t, "things", search(t, c, &iot.SearchIndexInput{QueryString: &tt.query}), tt.want...)
			})
		}
		out := must[*iot.SearchIndexOutput](t)(c.SearchIndex(ctx, &iot.SearchIndexInput{
			IndexName: new("AWS_Things"), QueryString: new("pump-1"), QueryVersion: new("2017-09-30"),
			MaxResults: new(int32(100_000)),
		}))
		d := out.Things[0]
		if len(out.Things) != 1 || *d.ThingId == "" || d.Attributes["site"] != "North" || d.ThingTypeName != nil ||
			len(d.ThingGroupNames) != 1 || d.Connectivity == nil || *d.Connectivity.Connected ||
			d.Connectivity.Timestamp != nil {
			t.Errorf("got %s, want the thing as it is, never connected", words(t, out))
		}
		groups := new("AWS_ThingGroups")
		inOrder(t, "groups", search(t, c, &iot.SearchIndexInput{IndexName: groups, QueryString: new("*")}), "Hall", "Site")
		inOrder(t, "groups", search(t, c, &iot.SearchIndexInput{
			IndexName: groups, QueryString: new("parentGroupNames:site"),
		}), "Hall")
		// A change is found at once.
		_, err = c.UpdateThing(ctx, &iot.UpdateThingInput{ThingName: new("valve"),
			AttributePayload: payload(notes{"temp": "80"}, false)})
		expect(t, err, fine)
		inOrder(t, "things", search(t, c, &iot.SearchIndexInput{QueryString: new("attributes.temp>75")}), "pump-2", "valve")
	})
}

func TestSearchIndexRefuses(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	ctx := t.Context()
	_, err := c.UpdateIndexingConfiguration(ctx, &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
			ThingIndexingMode: types.ThingIndexingModeRegistry,
		},
		ThingGroupIndexingConfiguration: indexAll().ThingGroupIndexingConfiguration,
	})
	expect(t, err, fine)
	for _, name := range []string{"a", "b", "c"} {
		_, err := c.CreateThing(ctx, &iot.CreateThingInput{ThingName: &name})
		expect(t, err, fine)
	}
	page := must[*iot.SearchIndexOutput](t)(c.SearchIndex(ctx, &iot.SearchIndexInput{
		QueryString: new("*"), MaxResults: new(int32(1)),
	}))
	groups := new("AWS_ThingGroups")
	for _, tt := range []struct {
		name string
		in   iot.SearchIndexInput
		want want
		text string
	}{
		{"a query that ends too early", iot.SearchIndexInput{QueryString: new("thingName:a AND")}, invalidQuery,
			"character 16: expected a term"},
		{"an unknown field", iot.SearchIndexInput{QueryString: new("a nme:b")}, invalidQuery, `character 3: "nme"`},
		{"shadows", iot.SearchIndexInput{QueryString: new("shadow.reported.a:1")}, invalidQuery, "shadows are not indexed"},
		{"a field of things in groups", iot.SearchIndexInput{IndexName: groups, QueryString: new("thingName:a")},
			invalidQuery, "thingGroupName"},
		{"connections that are not indexed", iot.SearchIndexInput{QueryString: new("NOT connectivity.connected:true")},
			invalidQuery, "thingConnectivityIndexingMode"},
		{"thirteen terms", iot.SearchIndexInput{QueryString: new(strings.Repeat("a ", 13))}, invalidQuery, "12 terms"},
		{"a NUL", iot.SearchIndexInput{QueryString: new("a\x00")}, invalid, "NUL"},
		{"a control character", iot.SearchIndexInput{QueryString: new("a\x1b")}, invalidQuery,
			"character 2: there is a control"},
		{"an empty query", iot.SearchIndexInput{QueryString: new("")}, invalid, "queryString"},
		{"a page of nothing", iot.SearchIndexInput{QueryString: new("*"), MaxResults: new(int32(0))}, invalid, "maxResults"},
		{"another version", iot.SearchIndexInput{QueryString: new("*"), QueryVersion: new("2016-03-23")}, invalid,
			"2017-09-30"},
		{"another index", iot.SearchIndexInput{QueryString: new("*"), IndexName: new("AWS_Devices")}, notFound,
			"AWS_Devices"},
		{"a token that is none", iot.SearchIndexInput{QueryString: new("*"), NextToken: new("abc")}, invalid, "page token"},
		{"a token of another index", iot.SearchIndexInput{
			QueryString: new("*"), NextToken: page.NextToken, IndexName: groups,
		}, invalid, "page token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.SearchIndex(ctx, &tt.in)
			expect(t, err, tt.want)
			saying(t, err, tt.text)
		})
	}
}

func TestUpdateIndexingConfigurationRefuses(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	ctx := t.Context()
	const on = types.ThingIndexingModeRegistry
	field := func(name string, kind types.FieldType) []types.Field { return []types.Field{{Name: &name, Type: kind}} }
	for _, tt := range []struct {
		name   string
		things *types.ThingIndexingConfiguration
		text   string
	}{
		{"shadows", &types.ThingIndexingConfiguration{ThingIndexingMode: types.ThingIndexingModeRegistryAndShadow},
			"REGISTRY_AND_SHADOW"},
		{"named shadows", &types.ThingIndexingConfiguration{
			ThingIndexingMode: on, NamedShadowIndexingMode: types.NamedShadowIndexingModeOn,
		}, "namedShadowIndexingMode"},
		{"violations", &types.ThingIndexingConfiguration{
			ThingIndexingMode: on, DeviceDefenderIndexingMode: types.DeviceDefenderIndexingModeViolations,
		}, "deviceDefenderIndexingMode"},
		{"connections of no things", &types.ThingIndexingConfiguration{
			ThingIndexingMode:             types.ThingIndexingModeOff,
			ThingConnectivityIndexingMode: types.ThingConnectivityIndexingModeStatus,
		}, "thingConnectivityIndexingMode"},
		{"an unknown mode", &types.ThingIndexingConfiguration{ThingIndexingMode: "ALL"}, "thingIndexingMode"},
		{"fields of one's own", &types.ThingIndexingConfiguration{
			ThingIndexingMode: on, CustomFields: field("attributes.temp", types.FieldTypeNumber),
		}, "customFields"},
		{"places", &types.ThingIndexingConfiguration{
			ThingIndexingMode: on, Filter: &types.IndexingFilter{NamedShadowNames: []string{"a"}},
		}, "filter"},
		{"a managed field that is none", &types.ThingIndexingConfiguration{
			ThingIndexingMode: on, ManagedFields: field("registry.version", types.FieldTypeNumber),
		}, "registry.version"},
		{"a managed field of another type", &types.ThingIndexingConfiguration{
			ThingIndexingMode: on, ManagedFields: field("thingName", types.FieldTypeNumber),
		}, "thingName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := indexAll()
			in.ThingIndexingConfiguration = tt.things
			_, err := c.UpdateIndexingConfiguration(ctx, in)
			expect(t, err, invalid)
			saying(t, err, tt.text)
		})
	}
	if list := must[*iot.ListIndicesOutput](t)(c.ListIndices(ctx, &iot.ListIndicesInput{})); len(list.IndexNames) != 0 {
		t.Errorf("got indexes %v after refusals, want none", list.IndexNames)
	}
	// What is read may be given back.
	_, err := c.UpdateIndexingConfiguration(ctx, indexAll())
	expect(t, err, fine)
	got := must[*iot.GetIndexingConfigurationOutput](t)(c.GetIndexingConfiguration(ctx,
		&iot.GetIndexingConfigurationInput{}))
	_, err = c.UpdateIndexingConfiguration(ctx, &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration:      got.ThingIndexingConfiguration,
		ThingGroupIndexingConfiguration: got.ThingGroupIndexingConfiguration,
	})
	expect(t, err, fine)
	// What is not given stays.
	_, err = c.UpdateIndexingConfiguration(ctx, &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{ThingIndexingMode: types.ThingIndexingModeOff},
	})
	expect(t, err, fine)
	list := must[*iot.ListIndicesOutput](t)(c.ListIndices(ctx, &iot.ListIndicesInput{}))
	inOrder(t, "indexes", list.IndexNames, "AWS_ThingGroups")
}
