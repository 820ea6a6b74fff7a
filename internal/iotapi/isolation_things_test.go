package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// typePart has thing types, one of them deprecated, and things of a type.
var typePart = part{
	furnish: func(t *testing.T, w *world) {
		for _, name := range []string{"home-meter", "home-old"} {
			w.make(t, &iot.CreateThingTypeInput{ThingTypeName: &name, ThingTypeProperties: w.typeProperties()})
		}
		w.make(t, &iot.DeprecateThingTypeInput{ThingTypeName: new("home-old")})
		for _, name := range []string{"home-meter-1", "home-meter-2"} {
			w.make(t, &iot.CreateThingInput{
				ThingName: &name, ThingTypeName: new("home-meter"),
				AttributePayload: &types.AttributePayload{Attributes: map[string]string{"of": w.note, "kind": "meter"}},
			})
		}
	},
	reads: func(w *world) []attempt {
		kind, of := new("home-meter"), new("kind")
		return []attempt{
			{&iot.DescribeThingTypeInput{ThingTypeName: kind}, notFound, fine},
			{&iot.ListThingTypesInput{}, fine, fine},
			{&iot.ListThingsInput{ThingTypeName: kind}, fine, fine},
			{&iot.ListThingsInput{AttributeName: of, AttributeValue: new("meter")}, fine, fine},
			{&iot.ListThingsInput{ThingTypeName: kind, AttributeName: of}, fine, fine},
		}
	},
	writes: func(w *world) []attempt {
		kind := new("home-meter")
		return []attempt{
			{&iot.UpdateThingTypeInput{ThingTypeName: kind, ThingTypeProperties: &types.ThingTypeProperties{
				ThingTypeDescription: new("changed"),
			}}, notFound, fine},
			{&iot.UpdateThingInput{ThingName: new("home-pump"), ThingTypeName: kind}, notFound, fine},
			{&iot.CreateThingInput{ThingName: new("home-new-meter"), ThingTypeName: kind}, notFound, fine},
			{&iot.DeprecateThingTypeInput{ThingTypeName: kind}, notFound, fine},
			{&iot.DeleteThingTypeInput{ThingTypeName: new("home-old")}, notFound, invalid}, // not for five minutes
			{&iot.CreateThingTypeInput{ThingTypeName: new("home-newer")}, fine, fine},
		}
	},
}

// typeProperties are those of a thing type that says whose world it is.
func (w *world) typeProperties() *types.ThingTypeProperties {
	return &types.ThingTypeProperties{ThingTypeDescription: &w.note, SearchableAttributes: []string{"of"}}
}
