package fleet

import (
	"maps"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Limits on things, groups, and what hangs on them. Sources: quotas of AWS IoT
// Core; the thing groups page of the AWS IoT Developer Guide.
const (
	MaxUntypedAttributes = 3
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
	Attributes map[string]string
	Version    int64 // 1 for a new thing, one more after each update
	Created    time.Time
}

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

// Update changes the attributes of a thing and makes that a new version. It
// returns a VersionConflict fault when the owner expects another version than
// this one, and an Invalid fault for too many attributes.
func (t *Thing) Update(u AttributeUpdate, expected *int64) error {
	if err := t.Expect(expected); err != nil {
		return err
	}
	t.Version++
	return t.setAttributes(u)
}

// Expect returns a VersionConflict fault when the owner expects another version
// than this one; nil expects nothing.
func (t *Thing) Expect(version *int64) error { return expect("thing", t.Name, t.Version, version) }

func (t *Thing) setAttributes(u AttributeUpdate) error {
	t.Attributes = u.Apply(t.Attributes)
	if n := len(t.Attributes); n > MaxUntypedAttributes {
		return fault.New(fault.Invalid, "thing %q would have %d attributes; without a thing type it may have %d",
			t.Name, n, MaxUntypedAttributes)
	}
	return nil
}

// Same reports whether creating t over a thing that exists changes nothing, so
// that the call may be repeated: all that its owner chose is equal.
func (t *Thing) Same(old *Thing) bool { return maps.Equal(t.Attributes, old.Attributes) }

func expect(kind, name string, have int64, want *int64) error {
	if want == nil || *want == have {
		return nil
	}
	return fault.New(fault.VersionConflict, "%s %q is at version %d, not at the expected version %d",
		kind, name, have, *want)
}

// ThingQuery asks for a page of things by name.
type ThingQuery struct {
	Filter AttributeFilter
	After  string // the name the page is behind, "" for the first page
	Limit  int
}

// AttributeFilter chooses things by one attribute. The zero value chooses all.
type AttributeFilter struct {
	Name  string // "" for all things
	Value string
	// Prefix chooses the values that begin with Value, so that with a Value of
	// "" all things that have the attribute are chosen.
	Prefix bool
}
