package iotapi

import (
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

func TestThingFilter(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      wire.ListThingsRequest
		want    fleet.AttributeFilter
		refused bool
	}{
		{"nothing asked chooses all", wire.ListThingsRequest{}, fleet.AttributeFilter{Prefix: true}, false},
		{"a name chooses any value", wire.ListThingsRequest{AttributeName: new("color")},
			fleet.AttributeFilter{Name: "color", Prefix: true}, false},
		{"a value is the whole value", wire.ListThingsRequest{AttributeName: new("color"), AttributeValue: new("red")},
			fleet.AttributeFilter{Name: "color", Value: "red"}, false},
		{"an empty value is a value", wire.ListThingsRequest{AttributeName: new("color"), AttributeValue: new("")},
			fleet.AttributeFilter{Name: "color"}, false},
		{"a value may be a prefix", wire.ListThingsRequest{
			AttributeName: new("color"), AttributeValue: new("re"), UsePrefixAttributeValue: new(true),
		}, fleet.AttributeFilter{Name: "color", Value: "re", Prefix: true}, false},
		{"a value of no attribute", wire.ListThingsRequest{AttributeValue: new("red")}, fleet.AttributeFilter{}, true},
		{"a prefix of no value", wire.ListThingsRequest{AttributeName: new("color"), UsePrefixAttributeValue: new(true)},
			fleet.AttributeFilter{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := thingFilter(&tt.in)
			if got != tt.want || fault.Is(err, fault.Invalid) != tt.refused {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestAttributes(t *testing.T) {
	if got := attributes(nil); got.Values != nil || got.Merge {
		t.Errorf("got %+v, want no update", got)
	}
	if got := attributes(&wire.AttributePayload{Merge: new(true)}); got.Values != nil || !got.Merge {
		t.Errorf("got %+v, want a merge of nothing", got)
	}
	if got := attributes(&wire.AttributePayload{Attributes: map[string]string{}}); got.Values == nil || got.Merge {
		t.Errorf("got %+v, want all attributes replaced by none", got)
	}
}
