package fleet

import (
	"fmt"
	"maps"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestAttributeUpdate(t *testing.T) {
	old := map[string]string{"color": "red", "size": "xl"}
	for _, tt := range []struct {
		name   string
		update AttributeUpdate
		want   map[string]string
	}{
		{"the zero update changes nothing", AttributeUpdate{}, old},
		{"merging no values changes nothing", AttributeUpdate{Merge: true}, old},
		{"values replace all", AttributeUpdate{Values: map[string]string{"weight": "1"}}, map[string]string{"weight": "1"}},
		{"an empty map replaces all by none", AttributeUpdate{Values: map[string]string{}}, map[string]string{}},
		{
			"merged values keep the others", AttributeUpdate{Values: map[string]string{"size": "s", "weight": "1"}, Merge: true},
			map[string]string{"color": "red", "size": "s", "weight": "1"},
		},
		{
			"merging an empty value takes the attribute away",
			AttributeUpdate{Values: map[string]string{"size": ""}, Merge: true}, map[string]string{"color": "red"},
		},
		{
			"an empty value that replaces is no attribute",
			AttributeUpdate{Values: map[string]string{"size": "", "weight": "1"}}, map[string]string{"weight": "1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.update.Apply(old)
			if got == nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if len(old) != 2 {
				t.Errorf("the old attributes became %v", old)
			}
		})
	}
}

func TestThingVersions(t *testing.T) {
	thing, err := NewThing(Thing{Name: "pump"}, AttributeUpdate{Values: numbered(3)})
	if err != nil || thing.Version != 1 || len(thing.Attributes) != 3 {
		t.Fatalf("got %+v, %v, want version 1 with 3 attributes", thing, err)
	}
	if err := thing.Update(ThingUpdate{}, new(int64(1))); err != nil || thing.Version != 2 {
		t.Errorf("got version %d, %v, want 2", thing.Version, err)
	}
	wantCode(t, thing.Update(ThingUpdate{}, new(int64(1))), fault.VersionConflict)
	wantCode(t, thing.Expect(new(int64(0))), fault.VersionConflict)
	if err := thing.Expect(nil); err != nil || thing.Version != 2 {
		t.Errorf("got version %d, %v, want 2", thing.Version, err)
	}
}

func TestAttributeLimits(t *testing.T) {
	more := AttributeUpdate{Values: map[string]string{"more": "1"}, Merge: true}
	for kind, most := range map[string]int{"": MaxUntypedAttributes, "pump": MaxTypedAttributes} {
		_, err := NewThing(Thing{Name: "pump", Type: kind}, AttributeUpdate{Values: numbered(most + 1)})
		wantCode(t, err, fault.Invalid)
		thing, err := NewThing(Thing{Name: "pump", Type: kind}, AttributeUpdate{Values: numbered(most)})
		wantCode(t, err, "")
		wantCode(t, thing.Update(ThingUpdate{Attributes: more}, nil), fault.Invalid)
	}
	_, err := NewGroup(Group{Name: "pumps"}, AttributeUpdate{Values: numbered(51)})
	wantCode(t, err, fault.Invalid)
	group, err := NewGroup(Group{Name: "pumps"}, AttributeUpdate{Values: numbered(50)})
	wantCode(t, err, "")
	wantCode(t, group.Update(GroupUpdate{Attributes: more}, nil), fault.Invalid)
}

func TestTypeOfAThing(t *testing.T) {
	few, many := AttributeUpdate{Values: numbered(3)}, AttributeUpdate{Values: numbered(4)}
	for _, tt := range []struct {
		name     string
		have     int // attributes of the thing, which is a pump
		update   ThingUpdate
		wantType string
		code     fault.Code
	}{
		{"nothing said keeps the type", 4, ThingUpdate{}, "pump", ""},
		{"another type takes its place", 4, ThingUpdate{Type: "valve"}, "valve", ""},
		{"a type is removed", 3, ThingUpdate{RemoveType: true}, "", ""},
		{"more attributes than a thing without a type has keep it", 4, ThingUpdate{RemoveType: true}, "", fault.Invalid},
		{"attributes go with the type", 4, ThingUpdate{RemoveType: true, Attributes: few}, "", ""},
		{"attributes do not come as the type goes", 3, ThingUpdate{RemoveType: true, Attributes: many}, "", fault.Invalid},
		{"a type is not given and removed", 3, ThingUpdate{RemoveType: true, Type: "pump"}, "", fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			thing, err := NewThing(Thing{Name: "p", Type: "pump"}, AttributeUpdate{Values: numbered(tt.have)})
			wantCode(t, err, "")
			err = thing.Update(tt.update, nil)
			wantCode(t, err, tt.code)
			if err == nil && thing.Type != tt.wantType {
				t.Errorf("got type %q, want %q", thing.Type, tt.wantType)
			}
		})
	}
	thing := &Thing{Name: "p", Type: "pump"}
	if thing.Same(&Thing{Name: "p"}) || !thing.Same(&Thing{Name: "p", Type: "pump", ID: "another"}) {
		t.Error("got things that differ by type as the same, or not those that differ by id")
	}
}

// numbered makes n attributes.
func numbered(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("a%d", i)] = "v"
	}
	return out
}

// wantCode checks the code of a fault; "" wants none.
func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	var got fault.Code
	if f := fault.From(err); f != nil {
		got = f.Code
	}
	if got != want || (err == nil) != (want == "") {
		t.Errorf("got %v, want code %q", err, want)
	}
}
