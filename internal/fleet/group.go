package fleet

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Group is a thing group. A static one stands in a tree and has the members
// that were put into it; a dynamic one stands alone and has those that its query
// matches. Parent, Depth, Place and the kind never change.
type Group struct {
	Name        string
	ID          string
	Parent      string // "" for a root
	Depth       int    // its distance from its topmost ancestor, counted from 1
	Place       Place
	Description string
	Attributes  map[string]string
	Dynamic     *Dynamic // nil for a static group
	Version     int64    // 1 for a new group, one more after each update
	Created     time.Time
}

// Place is where a group stands among all groups.
type Place struct {
	Seq  int64 // its number, which no other group ever gets
	Root int64 // the number of its topmost ancestor, its own if it has no parent
	// Path is the numbers from the root down to the group, in a form that
	// sorts a group before all that is below it, and those before the next one.
	Path string
}

// NewPlace is the place of a group with a number below a parent, nil for a root.
func NewPlace(seq int64, parent *Group) Place {
	step := fmt.Sprintf("%0*x", pathStep, seq)
	if parent == nil {
		return Place{Seq: seq, Root: seq, Path: step}
	}
	return Place{Seq: seq, Root: parent.Place.Root, Path: parent.Place.Path + step}
}

// Above is the numbers of the group's ancestors, from the root down.
func (p Place) Above() (numbers []int64) {
	for rest := p.Path; len(rest) > pathStep; rest = rest[pathStep:] {
		n, _ := strconv.ParseInt(rest[:pathStep], 16, 64) // written by NewPlace
		numbers = append(numbers, n)
	}
	return numbers
}

// pathStep is how many digits a number has in a path.
const pathStep = 16

// NewGroup returns a group in its first version that has no parent yet. Too
// many attributes are an Invalid fault.
func NewGroup(g Group, attributes AttributeUpdate) (*Group, error) {
	g.Version, g.Attributes, g.Depth = 1, nil, 1
	return &g, g.setAttributes(attributes)
}

// Under makes a new group a child of parent, which has some children already
// and may have most. A hierarchy that gets too deep or too wide is an Invalid
// fault, and so is a dynamic parent.
func (g *Group) Under(parent *Group, children, most int) error {
	switch {
	case parent.Dynamic != nil:
		return fault.New(fault.Invalid, "thing group %q is dynamic and cannot be a parent", parent.Name)
	case parent.Depth >= MaxGroupDepth:
		return fault.New(fault.Invalid, "thing group %q is at depth %d, and a hierarchy may have %d levels",
			parent.Name, parent.Depth, MaxGroupDepth)
	case children >= most:
		return fault.New(fault.Invalid, "thing group %q has %d child groups, which is the most",
			parent.Name, children)
	}
	g.Parent, g.Depth = parent.Name, parent.Depth+1
	return nil
}

// GroupUpdate is what an owner wants done to a group.
type GroupUpdate struct {
	Description *string // nil leaves it as it is
	Attributes  AttributeUpdate
}

// Update changes a group and makes that a new version. It returns a
// VersionConflict fault when the owner expects another version than this one,
// and an Invalid fault for too many attributes.
func (g *Group) Update(u GroupUpdate, expected *int64) error {
	if err := g.Expect(expected); err != nil {
		return err
	}
	if u.Description != nil {
		g.Description = *u.Description
	}
	g.Version++
	return g.setAttributes(u.Attributes)
}

// Expect returns a VersionConflict fault when the owner expects another version
// than this one; nil expects nothing.
func (g *Group) Expect(version *int64) error {
	return expect("thing group", g.Name, g.Version, version)
}

// NeedStatic returns an Invalid fault for a dynamic group.
func (g *Group) NeedStatic() error {
	if g.Dynamic != nil {
		return fault.New(fault.Invalid, "thing group %q is dynamic", g.Name)
	}
	return nil
}

// NeedDynamic returns an Invalid fault for a static group.
func (g *Group) NeedDynamic() error {
	if g.Dynamic == nil {
		return fault.New(fault.Invalid, "thing group %q is not dynamic", g.Name)
	}
	return nil
}

func (g *Group) setAttributes(u AttributeUpdate) error {
	g.Attributes = u.Apply(g.Attributes)
	if n := len(g.Attributes); n > MaxGroupAttributes {
		return fault.New(fault.Invalid, "thing group %q would have %d attributes; it may have %d",
			g.Name, n, MaxGroupAttributes)
	}
	return nil
}

// Same reports whether creating g over a group that exists changes nothing, so
// that the call may be repeated: all that its owner chose, but for the tags, is
// equal.
func (g *Group) Same(old *Group) bool {
	return g.Parent == old.Parent && g.Description == old.Description && maps.Equal(g.Attributes, old.Attributes) &&
		g.Dynamic.chosen() == old.Dynamic.chosen()
}

// GroupQuery asks for a page of thing groups: those below a parent in the order
// of their paths, all others by name.
type GroupQuery struct {
	Parent string // "" for no parent: with Deep all groups, without it the roots
	Deep   bool   // the children of children too
	Prefix string // of the name
	After  GroupPosition
	Limit  int
}

// GroupPosition is where a group stands in a list of groups; the zero value is
// before the first.
type GroupPosition struct {
	Name string `json:"n"`
	Path string `json:"p,omitempty"` // where the list is in that order
}

// MemberQuery asks for a page of the things in a group, by group and thing.
type MemberQuery struct {
	Group string
	Deep  bool // those in the groups below too
	After MemberPosition
	Limit int
}

// MemberPosition is where a thing stands among the things in groups.
type MemberPosition struct {
	Path  string `json:"p"` // of the group
	Thing string `json:"t"`
}
