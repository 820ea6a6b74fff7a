package fleet

import (
	"maps"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Group is a static thing group. Root is its topmost ancestor, itself if it has
// no parent; Depth its distance from there, counted from 1. Parent, Root and
// Depth never change.
type Group struct {
	Name        string
	ID          string
	Parent      string // "" for a root
	Root        string
	Depth       int
	Description string
	Attributes  map[string]string
	Version     int64 // 1 for a new group, one more after each update
	Created     time.Time
}

// NewGroup returns a group in its first version that has no parent yet. Too
// many attributes are an Invalid fault.
func NewGroup(g Group, attributes AttributeUpdate) (*Group, error) {
	g.Version, g.Attributes = 1, nil
	g.Root, g.Depth = g.Name, 1
	return &g, g.setAttributes(attributes)
}

// Under makes a new group a child of parent, which has some children already
// and may have most. A hierarchy that gets too deep or too wide is an Invalid fault.
func (g *Group) Under(parent *Group, children, most int) error {
	switch {
	case parent.Depth >= MaxGroupDepth:
		return fault.New(fault.Invalid, "thing group %q is at depth %d, and a hierarchy may have %d levels",
			parent.Name, parent.Depth, MaxGroupDepth)
	case children >= most:
		return fault.New(fault.Invalid, "thing group %q has %d child groups, which is the most",
			parent.Name, children)
	}
	g.Parent, g.Root, g.Depth = parent.Name, parent.Root, parent.Depth+1
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
	return g.Parent == old.Parent && g.Description == old.Description && maps.Equal(g.Attributes, old.Attributes)
}

// Membership is that a thing is in a group.
type Membership struct {
	Thing, Group, Root string
}

// MayJoin decides whether a thing may join a group, given the groups it is in.
// It need not when it is in the group already. More than MaxGroupsPerThing
// groups, or two of one hierarchy, are an Invalid fault. Source: the thing
// groups page of the AWS IoT Developer Guide.
func MayJoin(m Membership, in []Membership) (need bool, err error) {
	for _, have := range in {
		if have.Group == m.Group {
			return false, nil
		}
		if have.Root == m.Root {
			return false, fault.New(fault.Invalid,
				"thing %s is in group %s, and a thing may be in one group of a hierarchy only", m.Thing, have.Group)
		}
	}
	if len(in) >= MaxGroupsPerThing {
		return false, fault.New(fault.Invalid, "thing %s is in %d groups, which is the most", m.Thing, MaxGroupsPerThing)
	}
	return true, nil
}

// Regrouping names the groups that a thing shall leave and then join.
type Regrouping struct {
	Thing string
	Leave []string
	Join  []string
}

// Groups returns the groups that are named, sorted and each once. More than
// MaxRegrouping are an Invalid fault.
func (r *Regrouping) Groups() ([]string, error) {
	names := slices.Concat(r.Leave, r.Join)
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > MaxRegrouping {
		return nil, fault.New(fault.Invalid, "%d thing groups are named, and one call may name %d", len(names), MaxRegrouping)
	}
	return names, nil
}

// MaxRegrouping is how many groups a regrouping may name. It is a limit of our
// own: with it, the groups are read by one statement.
const MaxRegrouping = 250

// Plan returns the changes that a regrouping comes to, given the groups the
// thing is in and all groups it names, by name. What holds already is no
// change. Leaving comes before joining: a group left makes room for another one
// of its hierarchy, and one named in both lists is where the thing ends up. The
// faults are those of MayJoin.
func (r *Regrouping) Plan(in []Membership, groups map[string]*Group) (leave, join []Change, err error) {
	stays := slices.Clone(in)
	for _, name := range r.Leave {
		at := slices.IndexFunc(stays, func(m Membership) bool { return m.Group == name })
		if at >= 0 && !slices.Contains(r.Join, name) {
			leave = append(leave, GroupMembership{Membership: stays[at]})
			stays = slices.Delete(stays, at, at+1)
		}
	}
	for _, name := range r.Join {
		m := Membership{Thing: r.Thing, Group: name, Root: groups[name].Root}
		need, err := MayJoin(m, stays)
		if err != nil {
			return nil, nil, err
		}
		if need {
			stays = append(stays, m)
			join = append(join, GroupMembership{Membership: m, To: true})
		}
	}
	return leave, join, nil
}

// GroupQuery asks for a page of thing groups by name.
type GroupQuery struct {
	Parent string // "" for no parent: with Deep all groups, without it the roots
	Deep   bool   // the children of children too
	Prefix string // of the name
	After  string // the name the page is behind, "" for the first page
	Limit  int
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
	Group string `json:"g"`
	Thing string `json:"t"`
}
