package fleet

import (
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Limits on thing types. Sources: quotas of AWS IoT Core; MaxPropagations is
// our own, as many as a thing has attributes.
const (
	MaxSearchable   = 3
	MaxPropagations = MaxTypedAttributes
)

// ThingType is what things of one kind have in common.
type ThingType struct {
	Name string
	ID   string
	TypeProperties
	Created    time.Time
	Deprecated time.Time // zero for a type that new things may have
}

// TypeProperties are what the owner of a thing type says of it.
type TypeProperties struct {
	Description  string
	Searchable   []string // names of attributes
	Propagations []Propagation
}

// Propagation is what a message of a device is given as an MQTT 5 user
// property: either an attribute of the thing or one of the connection.
type Propagation struct {
	UserProperty string `json:"u"`
	Thing        string `json:"t,omitempty"`
	Connection   string `json:"c,omitempty"`
}

// TypeUpdate is what an owner wants done to a thing type. What is nil stays as
// it is.
type TypeUpdate struct {
	Description  *string
	Searchable   []string
	Propagations []Propagation
}

// NewThingType returns a thing type with some properties, which is not
// deprecated. The faults are those of Update.
func NewThingType(t ThingType, u TypeUpdate) (*ThingType, error) {
	t.TypeProperties, t.Deprecated = TypeProperties{}, time.Time{}
	return &t, t.Update(u)
}

// Update changes the properties of a thing type. More searchable attributes
// than MaxSearchable, more propagations than MaxPropagations, one of either
// twice, and a propagation without user property or without exactly one source
// are Invalid faults.
func (t *ThingType) Update(u TypeUpdate) error {
	if n := len(u.Searchable); n > MaxSearchable {
		return fault.New(fault.Invalid, "searchableAttributes names %d attributes, and a thing type may have %d",
			n, MaxSearchable)
	}
	if name, twice := repeated(u.Searchable); twice {
		return fault.New(fault.Invalid, "searchableAttributes names %.128q twice", name)
	}
	if err := checkPropagations(u.Propagations); err != nil {
		return err
	}
	if u.Description != nil {
		t.Description = *u.Description
	}
	if u.Searchable != nil {
		t.Searchable = u.Searchable
	}
	if u.Propagations != nil {
		t.Propagations = u.Propagations
	}
	return nil
}

func checkPropagations(list []Propagation) error {
	if n := len(list); n > MaxPropagations {
		return fault.New(fault.Invalid, "propagatingAttributes has %d items, and a thing type may have %d",
			n, MaxPropagations)
	}
	var keys []string
	for _, p := range list {
		switch {
		case p.UserProperty == "":
			return fault.New(fault.Invalid, "each of propagatingAttributes needs a userPropertyKey")
		case (p.Thing == "") == (p.Connection == ""):
			return fault.New(fault.Invalid, "the propagating attribute %.128q needs either a thingAttribute or a "+
				"connectionAttribute, not both", p.UserProperty)
		}
		keys = append(keys, p.UserProperty)
	}
	if key, twice := repeated(keys); twice {
		return fault.New(fault.Invalid, "propagatingAttributes has the userPropertyKey %.128q twice", key)
	}
	return nil
}

// repeated returns a text that is in a short list twice.
func repeated(list []string) (text string, twice bool) {
	for i, text := range list {
		if slices.Contains(list[:i], text) {
			return text, true
		}
	}
	return "", false
}

// Same reports whether creating t over a type that exists changes nothing, so
// that the call may be repeated: all that its owner chose, but for the tags, is
// equal.
func (t *ThingType) Same(old *ThingType) bool {
	return t.Description == old.Description && slices.Equal(t.Searchable, old.Searchable) &&
		slices.Equal(t.Propagations, old.Propagations)
}

// Deprecate keeps new things from having the type. One that is deprecated
// already keeps its date.
func (t *ThingType) Deprecate(now time.Time) {
	if t.Deprecated.IsZero() {
		t.Deprecated = now
	}
}

// Revive lets new things have the type again.
func (t *ThingType) Revive() { t.Deprecated = time.Time{} }

// MayBeGiven decides whether a thing may be given the type. It is an Invalid
// fault when it is deprecated.
func (t *ThingType) MayBeGiven() error {
	if !t.Deprecated.IsZero() {
		return fault.New(fault.Invalid, "thing type %q is deprecated, so no other thing can have it", t.Name)
	}
	return nil
}

// Deletable decides whether the type may be deleted now: it is deprecated for
// some time at least, and no thing has it. The fault is Invalid. Source: thing
// types page of the AWS IoT Developer Guide.
func (t *ThingType) Deletable(now time.Time, wait time.Duration, inUse bool) error {
	switch {
	case t.Deprecated.IsZero():
		return fault.New(fault.Invalid, "thing type %q is not deprecated; deprecate it before deleting it", t.Name)
	case now.Before(t.Deprecated.Add(wait)):
		return fault.New(fault.Invalid, "thing type %q was deprecated at %s and can be deleted %s later", t.Name,
			t.Deprecated.UTC().Format(time.RFC3339), wait)
	case inUse:
		return fault.New(fault.Invalid, "thing type %q has things; give them another type, or none, before deleting it",
			t.Name)
	}
	return nil
}

// TypeQuery asks for a page of thing types by name.
type TypeQuery struct {
	Prefix string // of the name
	After  string // the name the page is behind, "" for the first page
	Limit  int
}
