package fleetindex

import (
	"slices"
	"strconv"
)

// Document is a thing as queries see it.
type Document struct {
	Name, ID     string
	Type         string            // "" without a thing type
	Groups       []string          // the groups it is in itself
	Attributes   map[string]string // no value is ""
	Connectivity Connectivity
}

// Connectivity is how a thing is connected. The zero value is a thing that
// never was.
type Connectivity struct {
	Connected bool
	At        int64  // when that became so, in milliseconds since the epoch; 0 for never
	Reason    string // why it is not connected, "" while it is or never was
}

// GroupDocument is a thing group as queries see it.
type GroupDocument struct {
	Name, ID, Description string
	Parents               []string // all above it
	Attributes            map[string]string
}

// Matches reports whether a thing matches a query about things.
func (q *Query) Matches(d *Document) bool { return matches(q.Root, d.holds) }

// MatchesGroup reports whether a thing group matches a query about thing
// groups.
func (q *Query) MatchesGroup(d *GroupDocument) bool { return matches(q.Root, d.holds) }

func matches(n Node, holds func(*Term) bool) bool {
	switch n := n.(type) {
	case *Term:
		return holds(n)
	case Not:
		return !matches(n.Of, holds)
	case And:
		for _, part := range n {
			if !matches(part, holds) {
				return false
			}
		}
		return true
	case Or:
		for _, part := range n {
			if matches(part, holds) {
				return true
			}
		}
	}
	return false
}

// fits decides on one value of a term's field; "" is no value.
func (t *Term) fits(value string) bool {
	if value == "" {
		return false
	}
	value = Fold(value)
	if t.Range != nil {
		return t.Range.contains(value)
	}
	return t.Pattern.fits(value)
}

func (t *Term) fitsOne(values []string) bool { return slices.ContainsFunc(values, t.fits) }

// fitsAttribute decides on the attribute that the term looks at, or on all for
// a term without a field.
func (t *Term) fitsAttribute(values map[string]string) bool {
	if name, ok := t.Field.Attribute(); ok {
		return t.fits(values[name])
	}
	for _, v := range values {
		if t.fits(v) {
			return true
		}
	}
	return false
}

func (d *Document) holds(t *Term) bool {
	switch t.Field {
	case Any:
		return t.fits(d.Name) || t.fits(d.ID) || t.fits(d.Type) || t.fitsOne(d.Groups) || t.fitsAttribute(d.Attributes)
	case ThingName:
		return t.fits(d.Name)
	case ThingID:
		return t.fits(d.ID)
	case ThingTypeName:
		return t.fits(d.Type)
	case ThingGroupNames:
		return t.fitsOne(d.Groups)
	case Connected:
		return t.fits(strconv.FormatBool(d.Connectivity.Connected))
	case Timestamp:
		return d.Connectivity.At != 0 && t.fits(strconv.FormatInt(d.Connectivity.At, 10))
	case DisconnectReason:
		return t.fits(d.Connectivity.Reason)
	}
	return t.fitsAttribute(d.Attributes)
}

func (d *GroupDocument) holds(t *Term) bool {
	switch t.Field {
	case Any:
		return t.fits(d.Name) || t.fits(d.ID) || t.fits(d.Description) || t.fitsOne(d.Parents) ||
			t.fitsAttribute(d.Attributes)
	case GroupName:
		return t.fits(d.Name)
	case GroupID:
		return t.fits(d.ID)
	case GroupDescription:
		return t.fits(d.Description)
	case ParentGroupNames:
		return t.fitsOne(d.Parents)
	}
	return t.fitsAttribute(d.Attributes)
}
