package fleet

// Dynamic is what makes a thing group a dynamic one: its members are the things
// that a query matches. Where such a query names groups, static ones alone
// count, so that no dynamic group hangs on another.
type Dynamic struct {
	Query        string
	QueryVersion string
	Status       GroupStatus
}

// GroupStatus says how far the members of a dynamic group are found.
type GroupStatus string

// The states of a dynamic group.
const (
	GroupActive     GroupStatus = "ACTIVE"
	GroupBuilding   GroupStatus = "BUILDING"   // for the first time
	GroupRebuilding GroupStatus = "REBUILDING" // because its query changed
)

// chosen is what the owner of a group chose of it, the zero value for a static
// group.
func (d *Dynamic) chosen() (c Dynamic) {
	if d != nil {
		c.Query, c.QueryVersion = d.Query, d.QueryVersion
	}
	return c
}

// NewDynamicGroup returns a dynamic group in its first version. The faults are
// those of NewGroup.
func NewDynamicGroup(g Group, d Dynamic, attributes AttributeUpdate) (*Group, error) {
	d.Status = GroupBuilding
	g.Dynamic = &d
	return NewGroup(g, attributes)
}

// DynamicUpdate is what an owner wants done to a dynamic group.
type DynamicUpdate struct {
	GroupUpdate
	Query *string // nil leaves it as it is
}

// UpdateDynamic changes a dynamic group as Update does. With another query its
// members have to be found anew.
func (g *Group) UpdateDynamic(u DynamicUpdate, expected *int64) (anew bool, err error) {
	if err := g.NeedDynamic(); err != nil {
		return false, err
	}
	if err := g.Update(u.GroupUpdate, expected); err != nil {
		return false, err
	}
	old, d := g.Dynamic.chosen(), *g.Dynamic
	if u.Query != nil {
		d.Query = *u.Query
	}
	if anew = d.chosen() != old; anew && d.Status == GroupActive {
		d.Status = GroupRebuilding
	}
	g.Dynamic = &d
	return anew, nil
}

// Verdict says whether a dynamic group's query matches a thing.
type Verdict struct {
	Group   Membership
	Matches bool
}

// Judge decides which dynamic groups a thing leaves and joins, given all groups
// that it is in and verdicts on dynamic ones, the oldest first. A thing in
// MaxGroupsPerThing groups joins no other: the groups it is in stay, and of
// those it could join the oldest come first. Source: the dynamic thing groups
// page of the AWS IoT Developer Guide, which gives static groups priority.
func Judge(in []Membership, verdicts []Verdict) (leave, join []Membership) {
	member := make(map[int64]bool, len(in))
	for _, m := range in {
		member[m.Seq] = true
	}
	for _, v := range verdicts {
		if member[v.Group.Seq] && !v.Matches {
			leave = append(leave, v.Group)
		}
	}
	room := MaxGroupsPerThing - len(in) + len(leave)
	for _, v := range verdicts {
		if room > 0 && v.Matches && !member[v.Group.Seq] {
			join = append(join, v.Group)
			room--
		}
	}
	return leave, join
}

// GroupWorkKind is the kind of the workflows that do what is left to do about
// the members of groups.
const GroupWorkKind = "thing-group"

// GroupWork names such a workflow; "" is none.
type GroupWork string

// GroupDeletion is what an owner wants deleted.
type GroupDeletion struct {
	Name     string
	Dynamic  bool
	Expected *int64 // version, nil for any
}

// Allow decides whether this group is the one that is meant. Another kind of
// group is an Invalid fault, another version a VersionConflict.
func (d *GroupDeletion) Allow(g *Group) error {
	need := g.NeedStatic
	if d.Dynamic {
		need = g.NeedDynamic
	}
	if err := need(); err != nil {
		return err
	}
	return g.Expect(d.Expected)
}
