package iotapi_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// notes are the attributes of a thing or group.
type notes = map[string]string

// payload is attributes as a call gives them.
func payload(attributes notes, merge bool) *types.AttributePayload {
	return &types.AttributePayload{Attributes: attributes, Merge: merge}
}

func TestThings(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		const name = "pump:7_a-b"
		create := func(attributes notes) (*iot.CreateThingOutput, error) {
			return c.CreateThing(ctx, &iot.CreateThingInput{ThingName: new(name), AttributePayload: payload(attributes, false)})
		}
		made := must[*iot.CreateThingOutput](t)(create(notes{"site": "north", "empty": ""}))
		again, err := create(notes{"site": "north"})
		if err != nil || *again.ThingId != *made.ThingId {
			t.Errorf("got %v, %v for the same thing again, want the first one", again, err)
		}
		_, err = create(notes{"site": "south"})
		expect(t, err, exists)
		var e *types.ResourceAlreadyExistsException
		if !errors.As(err, &e) || *e.ResourceArn != *made.ThingArn {
			t.Errorf("got %v, want what is in the way", err)
		}
		wantThing := func(attributes notes, version int64) {
			t.Helper()
			out, err := c.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: new(name)})
			if err != nil || *out.ThingName != name || *out.DefaultClientId != name || *out.ThingId != *made.ThingId ||
				*out.ThingArn != "arn:aws:iot:us-east-1:000000000000:thing/"+name || out.ThingTypeName != nil ||
				!maps.Equal(out.Attributes, attributes) || out.Version != version {
				t.Errorf("got %+v, %v, want %v in version %d", out, err, attributes, version)
			}
		}
		wantThing(notes{"site": "north"}, 1)

		update := func(p *types.AttributePayload, expected *int64) error {
			_, err := c.UpdateThing(ctx, &iot.UpdateThingInput{
				ThingName: new(name), AttributePayload: p, ExpectedVersion: expected,
			})
			return err
		}
		expect(t, update(payload(notes{"line": "2"}, true), new(int64(1))), fine)
		wantThing(notes{"site": "north", "line": "2"}, 2)
		expect(t, update(payload(notes{"line": "3"}, false), nil), fine)
		wantThing(notes{"line": "3"}, 3)
		expect(t, update(payload(notes{"line": "4"}, false), new(int64(2))), versionConflict)
		expect(t, update(payload(notes{"a": "1", "b": "1", "c": "1"}, true), nil), invalid) // four attributes
		wantThing(notes{"line": "3"}, 3)

		remove := func(expected *int64) error {
			_, err := c.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: new(name), ExpectedVersion: expected})
			return err
		}
		expect(t, remove(new(int64(2))), versionConflict)
		expect(t, remove(new(int64(3))), fine)
		expect(t, remove(nil), fine) // what is gone
		expect(t, update(payload(nil, false), nil), notFound)
		_, err = c.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: new(name)})
		expect(t, err, notFound)
	})
}

func TestThingsAreListedByAttribute(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		for name, attributes := range map[string]notes{
			"a": {"color": "red"}, "b": {"color": "reddish"}, "c": {"color": "Red"}, "d": {"size": "1"},
			"e": {"color": "red", "size": "2"},
		} {
			_, err := c.CreateThing(t.Context(), &iot.CreateThingInput{ThingName: &name,
				AttributePayload: payload(attributes, false)})
			expect(t, err, fine)
		}
		for _, tt := range []struct {
			name   string
			in     iot.ListThingsInput
			things []string
		}{
			{"all", iot.ListThingsInput{}, []string{"a", "b", "c", "d", "e"}},
			{"by attribute", iot.ListThingsInput{AttributeName: new("size")}, []string{"d", "e"}},
			{"by value", iot.ListThingsInput{AttributeName: new("color"), AttributeValue: new("red")}, []string{"a", "e"}},
			{"by the beginning of a value", iot.ListThingsInput{
				AttributeName: new("color"), AttributeValue: new("red"), UsePrefixAttributeValue: true,
			}, []string{"a", "e", "b"}}, // by value, then by name
			{"by a value that none has", iot.ListThingsInput{AttributeName: new("size"), AttributeValue: new("3")}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got := all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
					tt.in.NextToken, tt.in.MaxResults = token, new(int32(2))
					out, err := c.ListThings(ctx, &tt.in)
					if err != nil {
						return nil, nil, err
					}
					var names []string
					for _, thing := range out.Things {
						if *thing.ThingArn != "arn:aws:iot:us-east-1:000000000000:thing/"+*thing.ThingName ||
							thing.Version != 1 || len(thing.Attributes) == 0 {
							t.Errorf("got %+v, want its ARN, version and attributes", thing)
						}
						names = append(names, *thing.ThingName)
					}
					return names, out.NextToken, nil
				})
				inOrder(t, "things", got, tt.things...)
			})
		}
		_, err := c.ListThings(t.Context(), &iot.ListThingsInput{AttributeValue: new("red")})
		expect(t, err, invalid)
	})
}
