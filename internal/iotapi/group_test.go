package iotapi

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/pagetoken"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// testScope is the account and region of the caller in testContext.
var testScope = fleet.Scope{Account: "111111111111", Region: "eu-central-1"}

func testContext() context.Context {
	return awswire.WithCaller(context.Background(), awswire.Caller{Account: testScope.Account, Region: testScope.Region})
}

// fakeRegistry remembers what a list was asked for and answers with its pages.
type fakeRegistry struct {
	Store
	groupQueries []fleet.GroupQuery
	names        []string
	attachments  []fleet.Attachment
	queries      []fleet.AttachmentQuery
}

func (f *fakeRegistry) Groups(_ context.Context, _ fleet.Scope, q fleet.GroupQuery) (
	list []fleet.GroupPosition, err error,
) {
	f.groupQueries = append(f.groupQueries, q)
	for _, name := range f.names {
		if name > q.After.Name && len(list) < q.Limit {
			list = append(list, fleet.GroupPosition{Name: name})
		}
	}
	return list, nil
}

func (f *fakeRegistry) ThingsOfPrincipal(_ context.Context, _ fleet.Scope, q fleet.AttachmentQuery) (
	[]fleet.Attachment, error,
) {
	f.queries = append(f.queries, q)
	return f.attachments[:min(q.Limit, len(f.attachments))], nil
}

func fakeAPI(t *testing.T, f *fakeRegistry) *API {
	t.Helper()
	tokens, err := pagetoken.New(make([]byte, pagetoken.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return &API{Config: Config{Store: f, Pages: awswire.Pages{Sealer: tokens}}}
}

func TestGroupsAreRecursiveUnlessAParentIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   wire.ListThingGroupsRequest
		want fleet.GroupQuery
	}{
		{"all groups", wire.ListThingGroupsRequest{}, fleet.GroupQuery{Deep: true, Limit: 26}},
		{"the roots when asked", wire.ListThingGroupsRequest{Recursive: new(false)}, fleet.GroupQuery{Limit: 26}},
		{"the children of a parent", wire.ListThingGroupsRequest{ParentGroup: new("p")},
			fleet.GroupQuery{Parent: "p", Limit: 26}},
		{"all below a parent when asked", wire.ListThingGroupsRequest{ParentGroup: new("p"), Recursive: new(true)},
			fleet.GroupQuery{Parent: "p", Deep: true, Limit: 26}},
		{"the rest", wire.ListThingGroupsRequest{NamePrefixFilter: new("x"), MaxResults: new(7)},
			fleet.GroupQuery{Deep: true, Prefix: "x", Limit: 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeRegistry{}
			if _, err := fakeAPI(t, f).listThingGroups(testContext(), &tt.in); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(f.groupQueries, []fleet.GroupQuery{tt.want}) {
				t.Errorf("got %+v, want %+v", f.groupQueries, tt.want)
			}
		})
	}
}

func TestGroupsArePagedByToken(t *testing.T) {
	f := &fakeRegistry{names: []string{"a", "b", "c", "d"}}
	a := fakeAPI(t, f)
	var got []string
	in := wire.ListThingGroupsRequest{MaxResults: new(2)}
	for pages := 1; ; pages++ {
		out, err := a.listThingGroups(testContext(), &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range out.ThingGroups {
			if *g.GroupARN != testScope.ARN("thinggroup", *g.GroupName) {
				t.Errorf("got ARN %q for group %q", *g.GroupARN, *g.GroupName)
			}
			got = append(got, *g.GroupName)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			if pages != 2 { // a full last page has no token
				t.Errorf("got %d pages, want 2", pages)
			}
			break
		}
	}
	if !reflect.DeepEqual(got, f.names) {
		t.Errorf("got %v, want %v", got, f.names)
	}
}

func TestReference(t *testing.T) {
	mine, yours := testScope, fleet.Scope{Account: "222222222222", Region: testScope.Region}
	for _, tt := range []struct {
		name      string
		given     *string
		arn       *string
		want      string
		wantFault fault.Code
	}{
		{"a name", new("pump"), nil, "pump", ""},
		{"an ARN", nil, new(mine.ARN("thing", "pump")), "pump", ""},
		{"both", new("pump"), new(mine.ARN("thing", "pump")), "pump", ""},
		{"a name with colons", nil, new(mine.ARN("thing", "a:b:c")), "a:b:c", ""},
		{"neither", nil, nil, "", fault.Invalid},
		{"two different ones", new("valve"), new(mine.ARN("thing", "pump")), "", fault.Invalid},
		{"another kind", nil, new(mine.ARN("thinggroup", "pump")), "", fault.Invalid},
		{"another account's", nil, new(yours.ARN("thing", "pump")), "", fault.NotFound},
		{"no ARN", nil, new("pump"), "", fault.Invalid},
		{"an ARN that is too long", nil, new(mine.ARN("thing", strings.Repeat("x", 300))), "", fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := reference{"thing", "thingName", tt.given, "thingArn", tt.arn}.resolve(mine)
			if got != tt.want || (err == nil) != (tt.wantFault == "") || err != nil && !fault.Is(err, tt.wantFault) {
				t.Errorf("got %q, %v, want %q, %q", got, err, tt.want, tt.wantFault)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("got a text of %d bytes", len(err.Error()))
			}
		})
	}
}
