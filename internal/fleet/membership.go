package fleet

import (
	"slices"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Membership is that a thing is in a group. Seq and Root are those of the
// group's place.
type Membership struct {
	Thing, Group string
	Seq, Root    int64
	Dynamic      bool
}

// MembershipIn is that of a thing in a group.
func MembershipIn(thing string, g *Group) Membership {
	return Membership{
		Thing: thing, Group: g.Name, Seq: g.Place.Seq, Root: g.Place.Root, Dynamic: g.Dynamic != nil,
	}
}

// Join decides what it takes that a thing joins a static group, given the
// groups it is in: nothing when it is there already. More than
// MaxGroupsPerThing groups, or two of one hierarchy, are an Invalid fault, and
// so is a dynamic group, which chooses its members itself. With override, a
// thing that is in too many groups leaves the dynamic one that was made last.
// Source: the thing groups page of the AWS IoT Developer Guide.
func Join(m Membership, in []Membership, override bool) ([]Change, error) {
	if m.Dynamic {
		return nil, fault.New(fault.Invalid, "thing group %q is dynamic: its query chooses its things", m.Group)
	}
	for _, have := range in {
		if have.Seq == m.Seq {
			return nil, nil
		}
		if have.Root == m.Root {
			return nil, fault.New(fault.Invalid,
				"thing %s is in group %s, and a thing may be in one group of a hierarchy only", m.Thing, have.Group)
		}
	}
	joined := GroupMembership{Membership: m, To: true}
	if len(in) < MaxGroupsPerThing {
		return []Change{joined}, nil
	}
	var last *Membership
	for i := range in {
		if in[i].Dynamic && (last == nil || in[i].Seq > last.Seq) {
			last = &in[i]
		}
	}
	switch {
	case last == nil:
		return nil, fault.New(fault.Invalid, "thing %s is in %d groups, which is the most", m.Thing, MaxGroupsPerThing)
	case !override:
		return nil, fault.New(fault.Invalid, "thing %s is in %d groups, which is the most; "+
			"with overrideDynamicGroups it would leave the dynamic group %q", m.Thing, MaxGroupsPerThing, last.Group)
	}
	return []Change{GroupMembership{Membership: *last}, joined}, nil
}

// After returns the groups a thing is in after some changes, given those it is
// in before them.
func After(in []Membership, changes []Change) []Membership {
	out := slices.Clone(in)
	for _, c := range changes {
		switch m := c.(GroupMembership); {
		case m.To:
			out = append(out, m.Membership)
		default:
			out = slices.DeleteFunc(out, func(have Membership) bool { return have.Seq == m.Seq })
		}
	}
	return out
}

// Regrouping names the groups that a thing shall leave and then join.
type Regrouping struct {
	Thing string
	Leave []string
	Join  []string
	// Override has the thing leave dynamic groups to make room.
	Override bool
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
// faults are those of Join; to leave a dynamic group is an Invalid one too.
func (r *Regrouping) Plan(in []Membership, groups map[string]*Group) (changes []Change, err error) {
	for _, name := range r.Leave {
		m := MembershipIn(r.Thing, groups[name])
		if m.Dynamic {
			return nil, fault.New(fault.Invalid, "thing group %q is dynamic: its query chooses its things", name)
		}
		stays := slices.Contains(r.Join, name) || !slices.Contains(After(in, changes), m)
		if !stays {
			changes = append(changes, GroupMembership{Membership: m})
		}
	}
	for _, name := range r.Join {
		more, err := Join(MembershipIn(r.Thing, groups[name]), After(in, changes), r.Override)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, nil
}
