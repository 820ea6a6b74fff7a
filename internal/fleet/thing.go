package fleet

import (
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Limits on things, groups, and what hangs on them. Sources: quotas of AWS IoT
// Core; the thing groups page of the AWS IoT Developer Guide.
const (
	MaxUntypedAttributes = 3
	MaxTypedAttributes   = 50
	MaxGroupAttributes   = 50
	MaxGroupsPerThing    = 10
	MaxGroupDepth        = 7
	MaxPoliciesPerCert   = 10
	MaxPoliciesPerGroup  = 2
)

// Thing is a device in the registry.
type Thing struct {
	Name       string
	ID         string
	Type       string // the name of its thing type, "" for none
	Attributes map[string]string
	Version    int64 // 1 for a new thing, one more after each update
	Created    time.Time
}

// NewThingID returns the id of a new thing: a UUID that begins with the time (RFC
// 9562, version 7), so that things which are made one after the other lie side
// by side in the index on their ids.
func NewThingID() string { return uuid.Must(uuid.NewV7()).String() }

// AttributeUpdate is what an owner wants done to the attributes of a thing or
// group. The zero value leaves them as they are.
type AttributeUpdate struct {
	// Values are the new attributes; nil leaves all as they are. An attribute
	// with the value "" is taken away.
	Values map[string]string
	// Merge keeps the attributes that Values does not name.
	Merge bool
}

// Apply returns what the update makes of some attributes. It is never nil, and
// no attribute in it is empty.
func (u AttributeUpdate) Apply(old map[string]string) map[string]string {
	out := map[string]string{}
	if u.Merge || u.Values == nil {
		maps.Copy(out, old)
	}
	maps.Copy(out, u.Values)
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

// NewThing returns a thing in its first version. Too many attributes are an
// Invalid fault.
func NewThing(t Thing, attributes AttributeUpdate) (*Thing, error) {
	t.Version, t.Attributes = 1, nil
	return &t, t.setAttributes(attributes)
}

// ThingUpdate is what an owner wants done to a thing.
type ThingUpdate struct {
	Attributes AttributeUpdate
	Type       string // "" leaves the type as it is
	RemoveType bool
}

// Update changes a thing and makes that a new version. It returns a
// VersionConflict fault when the owner expects another version than this one,
// and an Invalid fault for too many attributes, or a type that is both given
// and removed. Whether there is such a type is not asked.
func (t *Thing) Update(u ThingUpdate, expected *int64) error {
	if u.RemoveType && u.Type != "" {
		return fault.New(fault.Invalid, "thingTypeName and removeThingType cannot both be given")
	}
	if err := t.Expect(expected); err != nil {
		return err
	}
	if u.RemoveType {
		t.Type = ""
	} else if u.Type != "" {
		t.Type = u.Type
	}
	t.Version++
	return t.setAttributes(u.Attributes)
}

// Expect returns a VersionConflict fault when the owner expects another version
// than this one; nil expects nothing.
func (t *Thing) Expect(version *int64) error { return expect("thing", t.Name, t.Version, version) }

func (t *Thing) setAttributes(u AttributeUpdate) error {
	t.Attributes = u.Apply(t.Attributes)
	n := len(t.Attributes)
	if t.Type == "" && n > MaxUntypedAttributes {
		return fault.New(fault.Invalid, "thing %q would have %d attributes; without a thing type it may have %d",
			t.Name, n, MaxUntypedAttributes)
	}
	if n > MaxTypedAttributes {
		return fault.New(fault.Invalid, "thing %q would have %d attributes; it may have %d", t.Name, n,
			MaxTypedAttributes)
	}
	return nil
}

// Same reports whether creating t over a thing that exists changes nothing, so
// that the call may be repeated: all that its owner chose is equal.
func (t *Thing) Same(old *Thing) bool {
	return t.Type == old.Type && maps.Equal(t.Attributes, old.Attributes)
}

func expect(kind, name string, have int64, want *int64) error {
	if want == nil || *want == have {
		return nil
	}
	return fault.New(fault.VersionConflict, "%s %q is at version %d, not at the expected version %d",
		kind, name, have, *want)
}

// ThingQuery asks for a page of things: by name, or with a Prefix in the Filter
// by value and name.
type ThingQuery struct {
	Type   string // "" for all
	Filter AttributeFilter
	After  ThingPosition
	Limit  int
}

// ThingPosition is where a thing stands in a list of things. The zero value is
// before the first.
type ThingPosition struct {
	Value string `json:"v,omitempty"` // of the attribute that is asked for, where values order the list
	Thing string `json:"t"`
}

// Position is where a thing stands in the list that is asked for.
func (q *ThingQuery) Position(t *Thing) ThingPosition {
	p := ThingPosition{Thing: t.Name}
	if q.Filter.Name != "" && q.Filter.Prefix {
		p.Value = t.Attributes[q.Filter.Name]
	}
	return p
}

// AttributeFilter chooses things by one attribute. The zero value chooses all.
type AttributeFilter struct {
	Name  string // "" for all things
	Value string
	// Prefix chooses the values that begin with Value, so that with a Value of
	// "" all things that have the attribute are chosen.
	Prefix bool
}
