package fleet

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestThingTypeUpdate(t *testing.T) {
	old := TypeProperties{
		Description: "old", Searchable: []string{"a"}, Propagations: []Propagation{{UserProperty: "k", Thing: "a"}},
	}
	with := func(change func(*TypeProperties)) TypeProperties {
		p := old
		change(&p)
		return p
	}
	var many []Propagation
	for i := range MaxPropagations + 1 {
		many = append(many, Propagation{UserProperty: fmt.Sprint("k", i), Thing: "a"})
	}
	byConnection := []Propagation{{UserProperty: "k", Connection: "iot:ClientId"}}
	for _, tt := range []struct {
		name   string
		update TypeUpdate
		want   TypeProperties
		code   fault.Code
	}{
		{"the zero update changes nothing", TypeUpdate{}, old, ""},
		{"an empty description is one", TypeUpdate{Description: new("")},
			with(func(p *TypeProperties) { p.Description = "" }), ""},
		{"an empty list takes attributes away", TypeUpdate{Searchable: []string{}},
			with(func(p *TypeProperties) { p.Searchable = []string{} }), ""},
		{"three attributes", TypeUpdate{Searchable: []string{"a", "b", "A"}},
			with(func(p *TypeProperties) { p.Searchable = []string{"a", "b", "A"} }), ""},
		{"four attributes", TypeUpdate{Searchable: []string{"a", "b", "c", "d"}}, old, fault.Invalid},
		{"an attribute twice", TypeUpdate{Searchable: []string{"a", "b", "a"}}, old, fault.Invalid},
		{"propagation of the connection", TypeUpdate{Propagations: byConnection},
			with(func(p *TypeProperties) { p.Propagations = byConnection }), ""},
		{"as many propagations as there may be", TypeUpdate{Propagations: many[1:]},
			with(func(p *TypeProperties) { p.Propagations = many[1:] }), ""},
		{"one more", TypeUpdate{Propagations: many}, old, fault.Invalid},
		{"propagation without source", TypeUpdate{Propagations: []Propagation{{UserProperty: "k"}}}, old, fault.Invalid},
		{"propagation of both sources",
			TypeUpdate{Propagations: []Propagation{{UserProperty: "k", Thing: "a", Connection: "c"}}}, old, fault.Invalid},
		{"propagation without user property", TypeUpdate{Propagations: []Propagation{{Thing: "a"}}}, old, fault.Invalid},
		{"a user property twice",
			TypeUpdate{Propagations: []Propagation{{UserProperty: "k", Thing: "a"}, {UserProperty: "k", Thing: "b"}}}, old,
			fault.Invalid},
		{"nothing is done by halves", TypeUpdate{Description: new("new"), Searchable: []string{"a", "a"}}, old,
			fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := &ThingType{TypeProperties: old}
			wantCode(t, got.Update(tt.update), tt.code)
			if !reflect.DeepEqual(got.TypeProperties, tt.want) {
				t.Errorf("got %+v, want %+v", got.TypeProperties, tt.want)
			}
		})
	}
}

func TestThingTypeIsDeletable(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const wait = 5 * time.Minute
	for _, tt := range []struct {
		name       string
		deprecated time.Time
		inUse      bool
		code       fault.Code
	}{
		{"one that is not deprecated", time.Time{}, false, fault.Invalid},
		{"one that was deprecated right now", now, false, fault.Invalid},
		{"one that waits for another instant", now.Add(1 - wait), false, fault.Invalid},
		{"one that has waited", now.Add(-wait), false, ""},
		{"one that has waited and has things", now.Add(-wait), true, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantCode(t, (&ThingType{Name: "pump", Deprecated: tt.deprecated}).Deletable(now, wait, tt.inUse), tt.code)
		})
	}
	wantCode(t, (&ThingType{Deprecated: now}).Deletable(now, 0, false), "")
}

func TestDeprecationOfAThingType(t *testing.T) {
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	kind, err := NewThingType(ThingType{Name: "pump", Deprecated: first}, TypeUpdate{})
	wantCode(t, err, "")
	wantCode(t, kind.MayBeGiven(), "") // a new one is not deprecated
	kind.Deprecate(first)
	kind.Deprecate(first.Add(time.Hour))
	if !kind.Deprecated.Equal(first) {
		t.Errorf("got %s, want the first time", kind.Deprecated)
	}
	wantCode(t, kind.MayBeGiven(), fault.Invalid)
	kind.Revive()
	wantCode(t, kind.MayBeGiven(), "")
}
