package iotapi_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/server"
)

// meterProperties has every member that a thing type can have.
func meterProperties() *types.ThingTypeProperties {
	return &types.ThingTypeProperties{
		ThingTypeDescription: new("A meter, with spaces"), SearchableAttributes: []string{"site", "line"},
		Mqtt5Configuration: &types.Mqtt5Configuration{PropagatingAttributes: []types.PropagatingAttribute{
			{UserPropertyKey: new("iot:$site"), ThingAttribute: new("site")},
			{UserPropertyKey: new("client.id"), ConnectionAttribute: new("iot:ClientId")},
		}},
	}
}

func TestThingTypes(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx, name := cordon.IoT(), t.Context(), "meter:1_a-b"
		create := func(p *types.ThingTypeProperties, tags ...string) (*iot.CreateThingTypeOutput, error) {
			return c.CreateThingType(ctx, &iot.CreateThingTypeInput{
				ThingTypeName: &name, ThingTypeProperties: p, Tags: tagList(tags...),
			})
		}
		made := must[*iot.CreateThingTypeOutput](t)(create(meterProperties(), "team=red"))
		arn := "arn:aws:iot:us-east-1:000000000000:thingtype/" + name
		if *made.ThingTypeName != name || *made.ThingTypeArn != arn || *made.ThingTypeId == "" {
			t.Errorf("got %+v, want name, ARN and id", made)
		}
		again, err := create(meterProperties(), "team=red")
		if err != nil || *again.ThingTypeId != *made.ThingTypeId {
			t.Errorf("got %v, %v for the same again, want the first one", again, err)
		}
		for _, tags := range [][]string{{"team=blue"}, nil} {
			_, err = create(meterProperties(), tags...)
			expect(t, err, exists)
		}
		_, err = create(nil, "team=red")
		expect(t, err, exists)
		var e *types.ResourceAlreadyExistsException
		if !errors.As(err, &e) || *e.ResourceArn != arn || *e.ResourceId != name {
			t.Errorf("got %v, want what is in the way", err)
		}
		same(t, "tags", tagsOf(t, c, arn), []string{"team=red"})

		describe := func() *iot.DescribeThingTypeOutput {
			t.Helper()
			out, err := c.DescribeThingType(ctx, &iot.DescribeThingTypeInput{ThingTypeName: &name})
			if err != nil || *out.ThingTypeName != name || *out.ThingTypeArn != arn || *out.ThingTypeId != *made.ThingTypeId ||
				time.Since(*out.ThingTypeMetadata.CreationDate).Abs() > time.Hour {
				t.Fatalf("got %+v, %v, want the type", out, err)
			}
			return out
		}
		if got := describe(); !reflect.DeepEqual(got.ThingTypeProperties, meterProperties()) ||
			got.ThingTypeMetadata.Deprecated || got.ThingTypeMetadata.DeprecationDate != nil {
			t.Errorf("got %s, want what was given", words(t, got))
		}
		update := func(p *types.ThingTypeProperties) error {
			_, err := c.UpdateThingType(ctx, &iot.UpdateThingTypeInput{ThingTypeName: &name, ThingTypeProperties: p})
			return err
		}
		expect(t, update(nil), fine)
		expect(t, update(&types.ThingTypeProperties{ThingTypeDescription: new("new")}), fine)
		want := meterProperties()
		want.ThingTypeDescription = new("new")
		if got := describe(); !reflect.DeepEqual(got.ThingTypeProperties, want) {
			t.Errorf("got %s, want a new description alone", words(t, got))
		}
		expect(t, update(&types.ThingTypeProperties{Mqtt5Configuration: &types.Mqtt5Configuration{}}), fine)
		want.Mqtt5Configuration = nil
		if got := describe(); !reflect.DeepEqual(got.ThingTypeProperties, want) {
			t.Errorf("got %s, want nothing propagated", words(t, got))
		}
		name = "nothing"
		expect(t, update(want), notFound)
		_, err = c.DescribeThingType(ctx, &iot.DescribeThingTypeInput{ThingTypeName: &name})
		expect(t, err, notFound)
	})
}

func TestThingTypesAreDeprecatedAndDeleted(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx, name := cordon.IoT(), t.Context(), new("meter")
		must[*iot.CreateThingTypeOutput](t)(c.CreateThingType(ctx, &iot.CreateThingTypeInput{ThingTypeName: name}))
		make := func(thing string) error {
			_, err := c.CreateThing(ctx, &iot.CreateThingInput{ThingName: &thing, ThingTypeName: name})
			return err
		}
		deprecate := func(undo bool) error {
			_, err := c.DeprecateThingType(ctx, &iot.DeprecateThingTypeInput{ThingTypeName: name, UndoDeprecate: undo})
			return err
		}
		remove := func() error {
			_, err := c.DeleteThingType(ctx, &iot.DeleteThingTypeInput{ThingTypeName: name})
			return err
		}
		expect(t, make("a"), fine)
		expect(t, remove(), invalid)
		expect(t, deprecate(false), fine)
		expect(t, deprecate(false), fine)
		out := must[*iot.DescribeThingTypeOutput](t)(c.DescribeThingType(ctx,
			&iot.DescribeThingTypeInput{ThingTypeName: name}))
		if m := out.ThingTypeMetadata; !m.Deprecated || time.Since(*m.DeprecationDate).Abs() > time.Hour {
			t.Errorf("got %s, want it deprecated now", words(t, m))
		}
		expect(t, make("b"), invalid)
		expect(t, make("a"), fine) // it is one already
		expect(t, deprecate(true), fine)
		expect(t, deprecate(true), fine)
		expect(t, make("b"), fine)
		expect(t, deprecate(false), fine)
		err := remove()
		expect(t, err, invalid)
		saying(t, err, "5m0s")
		name = new("nothing")
		expect(t, deprecate(false), notFound)
		expect(t, remove(), notFound)
		expect(t, make("c"), notFound)
	})
}

// Who is not bound to the numbers of AWS need not wait.
func TestThingTypesAreDeletedAtOnceByDefault(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{Quotas: quota.Default}).IoT()
	name := new("meter")
	for range 2 {
		must[*iot.CreateThingTypeOutput](t)(c.CreateThingType(t.Context(), &iot.CreateThingTypeInput{ThingTypeName: name}))
		must[*iot.CreateThingOutput](t)(c.CreateThing(t.Context(),
			&iot.CreateThingInput{ThingName: new("a"), ThingTypeName: name}))
		for _, tt := range []struct {
			in   any
			want want
		}{
			{&iot.DeprecateThingTypeInput{ThingTypeName: name}, fine},
			{&iot.DeleteThingTypeInput{ThingTypeName: name}, invalid}, // a thing has it
			{&iot.DeleteThingInput{ThingName: new("a")}, fine},
			{&iot.DeleteThingTypeInput{ThingTypeName: name}, fine},
			{&iot.DeleteThingTypeInput{ThingTypeName: name}, notFound},
		} {
			_, err := call(t, c, tt.in)
			expect(t, err, tt.want)
		}
	}
}

func TestThingTypesThatAreNotAccepted(t *testing.T) {
	t.Parallel()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT()
	must[*iot.CreateThingTypeOutput](t)(c.CreateThingType(t.Context(), &iot.CreateThingTypeInput{ThingTypeName: new("t")}))
	type properties = types.ThingTypeProperties
	propagating := func(list ...types.PropagatingAttribute) properties {
		return properties{Mqtt5Configuration: &types.Mqtt5Configuration{PropagatingAttributes: list}}
	}
	for _, tt := range []struct {
		name string
		p    properties
		text string
	}{
		{"four searchable attributes", properties{SearchableAttributes: []string{"a", "b", "c", "d"}},
			"searchableAttributes"},
		{"one of them twice", properties{SearchableAttributes: []string{"a", "a"}}, "searchableAttributes"},
		{"one with a space", properties{SearchableAttributes: []string{"a b"}}, "searchableAttributes"},
		{"a description too long", properties{ThingTypeDescription: new(strings.Repeat("d", 2029))},
			"thingTypeDescription"},
		{"a description of two lines", properties{ThingTypeDescription: new("a\nb")}, "thingTypeDescription"},
		{"nothing propagated", propagating(types.PropagatingAttribute{UserPropertyKey: new("k")}), "thingAttribute"},
		{"a propagation without key", propagating(types.PropagatingAttribute{ThingAttribute: new("a")}),
			"userPropertyKey"},
		{"two sources", propagating(types.PropagatingAttribute{
			UserPropertyKey: new("k"), ThingAttribute: new("a"), ConnectionAttribute: new("c"),
		}), "connectionAttribute"},
		{"a key of other characters", propagating(types.PropagatingAttribute{
			UserPropertyKey: new("k-1"), ThingAttribute: new("a"),
		}), "userPropertyKey"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []any{
				&iot.CreateThingTypeInput{ThingTypeName: new("u"), ThingTypeProperties: &tt.p},
				&iot.UpdateThingTypeInput{ThingTypeName: new("t"), ThingTypeProperties: &tt.p},
			} {
				_, err := call(t, c, in)
				expect(t, err, invalid)
				saying(t, err, tt.text)
			}
		})
	}
	_, err := c.CreateThingType(t.Context(), &iot.CreateThingTypeInput{ThingTypeName: new("u"), Tags: tagList("aws:a=1")})
	expect(t, err, invalid)
	out := must[*iot.ListThingTypesOutput](t)(c.ListThingTypes(t.Context(), &iot.ListThingTypesInput{}))
	if len(out.ThingTypes) != 1 || out.ThingTypes[0].ThingTypeProperties.ThingTypeDescription != nil {
		t.Errorf("got %s after refusals, want the type of before", words(t, out))
	}
}

func TestThingTypesAreListed(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		var names []string
		for i := range 30 {
			names = append(names, fmt.Sprintf("meter-%02d", i))
			must[*iot.CreateThingTypeOutput](t)(c.CreateThingType(t.Context(),
				&iot.CreateThingTypeInput{ThingTypeName: &names[i], ThingTypeProperties: meterProperties()}))
		}
		for _, tt := range []struct {
			name string
			in   iot.ListThingTypesInput
			want []string
		}{
			{"all", iot.ListThingTypesInput{}, names},
			{"all, by sevens", iot.ListThingTypesInput{MaxResults: new(int32(7))}, names},
			{"by name", iot.ListThingTypesInput{ThingTypeName: &names[3]}, names[3:4]},
			{"by the beginning of a name", iot.ListThingTypesInput{
				ThingTypeName: new("meter-1"), MaxResults: new(int32(3)),
			}, names[10:20]},
			{"a name that none has", iot.ListThingTypesInput{ThingTypeName: new("valve")}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got := all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
					tt.in.NextToken = token
					out, err := c.ListThingTypes(ctx, &tt.in)
					if err != nil {
						return nil, nil, err
					}
					var page []string
					for _, kind := range out.ThingTypes {
						if *kind.ThingTypeArn != "arn:aws:iot:us-east-1:000000000000:thingtype/"+*kind.ThingTypeName ||
							kind.ThingTypeMetadata.CreationDate == nil ||
							!reflect.DeepEqual(kind.ThingTypeProperties, meterProperties()) {
							t.Errorf("got %s, want all of the type", words(t, kind))
						}
						page = append(page, *kind.ThingTypeName)
					}
					return page, out.NextToken, nil
				})
				inOrder(t, "types", got, tt.want...)
			})
		}
	})
}

func TestThingsOfAType(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		for _, kind := range []string{"meter", "valve"} {
			must[*iot.CreateThingTypeOutput](t)(c.CreateThingType(ctx, &iot.CreateThingTypeInput{ThingTypeName: &kind}))
		}
		many := notes{}
		for i := range 50 {
			many[fmt.Sprintf("k%d", i)] = "v"
		}
		must[*iot.CreateThingOutput](t)(c.CreateThing(ctx, &iot.CreateThingInput{
			ThingName: new("a"), ThingTypeName: new("meter"), AttributePayload: payload(many, false),
		}))
		_, err := c.CreateThing(ctx, &iot.CreateThingInput{
			ThingName: new("a"), ThingTypeName: new("valve"), AttributePayload: payload(many, false),
		})
		expect(t, err, exists)
		version := int64(1)
		update := func(in iot.UpdateThingInput, want want) {
			t.Helper()
			in.ThingName, in.ExpectedVersion = new("a"), &version
			_, err := c.UpdateThing(ctx, &in)
			expect(t, err, want)
			if want == fine {
				version++
			}
		}
		typeOf := func(want string) {
			t.Helper()
			out := must[*iot.DescribeThingOutput](t)(c.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: new("a")}))
			if got := out.ThingTypeName; want == "" && got != nil || want != "" && (got == nil || *got != want) {
				t.Errorf("got %s, want type %q", words(t, out), want)
			}
		}
		typeOf("meter")
		update(iot.UpdateThingInput{AttributePayload: payload(notes{"more": "1"}, true)}, invalid) // fifty-one
		update(iot.UpdateThingInput{ThingTypeName: new("valve"), RemoveThingType: true}, invalid)
		update(iot.UpdateThingInput{ThingTypeName: new("none")}, notFound)
		update(iot.UpdateThingInput{RemoveThingType: true}, invalid) // with fifty attributes
		update(iot.UpdateThingInput{ThingTypeName: new("valve")}, fine)
		typeOf("valve")
		update(iot.UpdateThingInput{RemoveThingType: true, AttributePayload: payload(notes{"k": "v"}, false)}, fine)
		typeOf("")
		_, err = c.UpdateThing(ctx, &iot.UpdateThingInput{
			ThingName: new("a"), ThingTypeName: new("valve"), ExpectedVersion: new(int64(1)),
		})
		expect(t, err, versionConflict)
		typeOf("")
	})
}

func TestThingsAreListedByTypeAndAttribute(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		must[*iot.CreateThingTypeOutput](t)(c.CreateThingType(t.Context(),
			&iot.CreateThingTypeInput{ThingTypeName: new("meter")}))
		for i := range 12 {
			in := &iot.CreateThingInput{
				ThingName: new(fmt.Sprintf("%02d", i)), AttributePayload: payload(notes{"site": fmt.Sprint("s", i%4)}, false),
			}
			if i < 8 {
				in.ThingTypeName = new("meter")
			}
			must[*iot.CreateThingOutput](t)(c.CreateThing(t.Context(), in))
		}
		for _, tt := range []struct {
			name string
			in   iot.ListThingsInput
			want string
		}{
			{"by type", iot.ListThingsInput{ThingTypeName: new("meter")}, "00 01 02 03 04 05 06 07"},
			{"by type and value", iot.ListThingsInput{
				ThingTypeName: new("meter"), AttributeName: new("site"), AttributeValue: new("s1"),
			}, "01 05"},
			{"by type and attribute", iot.ListThingsInput{ThingTypeName: new("meter"), AttributeName: new("site")},
				"00 04 01 05 02 06 03 07"},
			{"by the beginning of a value", iot.ListThingsInput{
				AttributeName: new("site"), AttributeValue: new("s"), UsePrefixAttributeValue: true,
			}, "00 04 08 01 05 09 02 06 10 03 07 11"},
			{"by a type that is not there", iot.ListThingsInput{ThingTypeName: new("valve")}, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				tt.in.MaxResults = new(int32(3))
				got := all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
					tt.in.NextToken = token
					out, err := c.ListThings(ctx, &tt.in)
					if err != nil {
						return nil, nil, err
					}
					var page []string
					for _, thing := range out.Things {
						if typed := *thing.ThingName < "08"; typed != (thing.ThingTypeName != nil) {
							t.Errorf("got %s, want a type: %v", words(t, thing), typed)
						}
						page = append(page, *thing.ThingName)
					}
					return page, out.NextToken, nil
				})
				inOrder(t, "things", got, strings.Fields(tt.want)...)
			})
		}
	})
}
