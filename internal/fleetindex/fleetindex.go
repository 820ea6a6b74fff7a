// Package fleetindex is the query language of fleet indexing: it reads a query,
// and says whether a thing or a thing group matches it.
//
// A query is conditions on fields that are joined by AND (also by standing side
// by side), OR and NOT (also written as a hyphen), and grouped in parentheses;
// NOT binds tightest and OR loosest. A condition is field:term, where the term
// may have the wildcards * and ?; field:"a phrase"; field:[low TO high], with
// braces for bounds that are left out; or field<value and its like. A term
// without a field looks at every field of the registry. Values are compared
// without regard to case; names of fields and of attributes with it. Source: the
// query syntax page of the AWS IoT Developer Guide.
//
// The package holds rules only. Where the fleet is kept, a query is a condition
// of the database: package store makes one from the tree of a [Query].
package fleetindex

import (
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Version is the one version of the language.
const Version = "2017-09-30"

// Names of the indexes.
const (
	Things      = "AWS_Things"
	ThingGroups = "AWS_ThingGroups"
)

// Limits on a query. MaxDepth is one of our own: it bounds how deep parentheses
// nest. Sources: the query syntax page of the AWS IoT Developer Guide; the
// fleet indexing quotas of the AWS General Reference.
const (
	MaxLength        = 1000 // characters
	MaxTerms         = 12
	MaxLeadingLength = 100 // characters of a query in which a term begins with a wildcard
	MaxDepth         = 20
)

// Query is a query that was read. It does not change.
type Query struct {
	Root Node
}

// Node is a part of a query: an [And], an [Or], a [Not] or a [*Term].
type Node interface{ node() }

// And matches what all its parts match. It has two at least.
type And []Node

// Or matches what one of its parts matches. It has two at least.
type Or []Node

// Not matches what its part does not match.
type Not struct{ Of Node }

// Term is a condition on one field. It holds when a value of the field fits,
// and not for a field without values.
type Term struct {
	Field Field
	// Pattern is what a value looks like, unless there is a Range.
	Pattern Pattern
	Range   *Range
}

func (And) node()   {}
func (Or) node()    {}
func (Not) node()   {}
func (*Term) node() {}

// Range is between which bounds a value lies. A bound that is nil is open.
type Range struct {
	Low, High *Bound
	// Numeric compares values as numbers, and leaves out those that are none.
	// Otherwise they are compared byte by byte.
	Numeric bool
}

// Bound is one end of a range.
type Bound struct {
	Text      string  // in lower case
	Number    float64 // for a numeric range
	Inclusive bool
}

// Field is what a condition looks at, as it is written in a query.
type Field string

// The fields of things and of thing groups, next to the attributes of either.
const (
	Any              Field = "" // every field of the registry: names, ids, types, groups, attributes
	ThingName        Field = "thingName"
	ThingID          Field = "thingId"
	ThingTypeName    Field = "thingTypeName"
	ThingGroupNames  Field = "thingGroupNames" // the groups a thing is in itself
	Connected        Field = "connectivity.connected"
	Timestamp        Field = "connectivity.timestamp" // milliseconds since the epoch
	DisconnectReason Field = "connectivity.disconnectReason"

	GroupName        Field = "thingGroupName"
	GroupID          Field = "thingGroupId"
	GroupDescription Field = "thingGroupDescription"
	ParentGroupNames Field = "parentGroupNames" // all above a group
)

const attributes = "attributes."

// Attribute returns the name of the attribute that the field is, if it is one.
func (f Field) Attribute() (name string, ok bool) { return strings.CutPrefix(string(f), attributes) }

// connectivity says whether the field tells of a thing's connection.
func (f Field) connectivity() bool { return f == Connected || f == Timestamp || f == DisconnectReason }

// Uses reports whether a condition looks at the field itself; a term without a
// field does not.
func (q *Query) Uses(f Field) bool {
	return anyTerm(q.Root, func(t *Term) bool { return t.Field == f })
}

// UsesConnectivity reports whether a condition looks at the connections of
// things.
func (q *Query) UsesConnectivity() bool {
	return anyTerm(q.Root, func(t *Term) bool { return t.Field.connectivity() })
}

// Terms returns how many conditions the query has.
func (q *Query) Terms() (n int) {
	anyTerm(q.Root, func(*Term) bool { n++; return false })
	return n
}

func anyTerm(n Node, is func(*Term) bool) bool {
	var parts []Node
	switch n := n.(type) {
	case *Term:
		return is(n)
	case Not:
		return anyTerm(n.Of, is)
	case And:
		parts = n
	case Or:
		parts = n
	}
	for _, part := range parts {
		if anyTerm(part, is) {
			return true
		}
	}
	return false
}

// catalog says which fields an index has: it returns the field of a name, or
// what is wrong with it.
type catalog func(name string) (f Field, wrong string)

// What a query may look at in each index.
const (
	thingFields = "thingName, thingId, thingTypeName, thingGroupNames, attributes.<name>, connectivity.connected, " +
		"connectivity.timestamp and connectivity.disconnectReason"
	groupFields = "thingGroupName, thingGroupId, thingGroupDescription, parentGroupNames and attributes.<name>"
)

func thingField(name string) (Field, string) {
	switch f := Field(name); f {
	case ThingName, ThingID, ThingTypeName, ThingGroupNames, Connected, Timestamp, DisconnectReason:
		return f, ""
	}
	for prefix, wrong := range map[string]string{
		"shadow":         "device shadows are not indexed",
		"deviceDefender": "violations of Device Defender are not indexed",
		"connectivity":   "of connectivity, connected, timestamp and disconnectReason are indexed",
		"registry":       "the version of a thing is not indexed",
	} {
		if name == prefix || strings.HasPrefix(name, prefix+".") {
			return "", wrong
		}
	}
	return attributeField(name, thingFields)
}

func groupField(name string) (Field, string) {
	switch f := Field(name); f {
	case GroupName, GroupID, GroupDescription, ParentGroupNames:
		return f, ""
	}
	return attributeField(name, groupFields)
}

func attributeField(name, fields string) (Field, string) {
	if a, ok := Field(name).Attribute(); ok && a != "" {
		return Field(name), ""
	}
	return "", "there is no such field; the fields are " + fields
}

// Parse reads a query about things. What is wrong with it is an InvalidQuery
// fault that says where.
func Parse(text string) (*Query, error) { return parse(text, thingField) }

// ParseGroups reads a query about thing groups. What is wrong with it is an
// InvalidQuery fault that says where.
func ParseGroups(text string) (*Query, error) { return parse(text, groupField) }

// CheckVersion decides whether a version of the language is known; "" is the
// one there is. The fault is Invalid.
func CheckVersion(version string) error {
	if version == "" || version == Version {
		return nil
	}
	return fault.New(fault.Invalid, "queryVersion %.64q is not known; it is %s", version, Version)
}
