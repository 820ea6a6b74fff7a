package fleet

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestGroupPlace(t *testing.T) {
	for _, tt := range []struct {
		name     string
		parent   Group
		children int
		want     fault.Code
	}{
		{"a group goes below a root", Group{Name: "p", Root: "p", Depth: 1}, 0, ""},
		{"the seventh level is the last", Group{Name: "p", Root: "r", Depth: 6}, 0, ""},
		{"there is no eighth level", Group{Name: "p", Root: "r", Depth: 7}, 0, fault.Invalid},
		{"a group may have a hundredth child", Group{Name: "p", Root: "r", Depth: 2}, 99, ""},
		{"a group may not have another child", Group{Name: "p", Root: "r", Depth: 2}, 100, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := NewGroup(Group{Name: "g", Parent: "p"}, AttributeUpdate{})
			wantCode(t, err, "")
			if g.Root != "g" || g.Depth != 1 || g.Version != 1 {
				t.Errorf("got %+v, want a root in version 1", g)
			}
			wantCode(t, g.Under(&tt.parent, tt.children, 100), tt.want)
			if tt.want == "" && (g.Root != tt.parent.Root || g.Depth != tt.parent.Depth+1) {
				t.Errorf("got root %q and depth %d, want them from %+v", g.Root, g.Depth, tt.parent)
			}
		})
	}
}

func TestGroupUpdate(t *testing.T) {
	g, _ := NewGroup(Group{Name: "g", Description: "old"}, AttributeUpdate{})
	wantCode(t, g.Update(GroupUpdate{}, nil), "")
	if g.Description != "old" || g.Version != 2 {
		t.Errorf("got %q in version %d, want the old description in version 2", g.Description, g.Version)
	}
	wantCode(t, g.Update(GroupUpdate{Description: new("")}, new(int64(2))), "")
	if g.Description != "" || g.Version != 3 {
		t.Errorf("got %q in version %d, want no description in version 3", g.Description, g.Version)
	}
	wantCode(t, g.Update(GroupUpdate{}, new(int64(2))), fault.VersionConflict)
}

func TestSame(t *testing.T) {
	base := func() *Group {
		return &Group{Name: "g", ID: "1", Parent: "p", Description: "d", Attributes: map[string]string{"a": "b"}}
	}
	for _, tt := range []struct {
		name   string
		change func(*Group)
		want   bool
	}{
		{"what the owner did not choose does not count", func(g *Group) { g.ID, g.Version = "2", 7 }, true},
		{"another parent is another group", func(g *Group) { g.Parent = "" }, false},
		{"another description is another group", func(g *Group) { g.Description = "" }, false},
		{"other attributes are another group", func(g *Group) { g.Attributes = nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := base()
			tt.change(g)
			if got := g.Same(base()); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMayJoin(t *testing.T) {
	var ten []Membership
	for i := range MaxGroupsPerThing {
		name := fmt.Sprintf("g%d", i)
		ten = append(ten, Membership{Group: name, Root: name})
	}
	for _, tt := range []struct {
		name string
		in   []Membership
		need bool
		want fault.Code
	}{
		{"a thing in no group may join", nil, true, ""},
		{"a thing in nine groups may join", ten[:9], true, ""},
		{"a thing in ten groups may not", ten, false, fault.Invalid},
		{"a thing in the group need not", []Membership{{Group: "new", Root: "root"}}, false, ""},
		{"a thing in ten groups, this one too, need not", append(ten[:9:9], Membership{Group: "new"}), false, ""},
		{"a thing elsewhere in the hierarchy may not", []Membership{{Group: "old", Root: "root"}}, false, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			need, err := MayJoin(Membership{Thing: "t", Group: "new", Root: "root"}, tt.in)
			wantCode(t, err, tt.want)
			if need != tt.need {
				t.Errorf("got %v, want %v", need, tt.need)
			}
		})
	}
}

func TestRegrouping(t *testing.T) {
	groups := map[string]*Group{
		"a": {Name: "a", Root: "a"}, "a1": {Name: "a1", Root: "a"}, "b": {Name: "b", Root: "b"},
	}
	member := func(group string) Membership { return Membership{Thing: "t", Group: group, Root: groups[group].Root} }
	leave := func(group string) Change { return GroupMembership{Membership: member(group)} }
	join := func(group string) Change { return GroupMembership{Membership: member(group), To: true} }
	for _, tt := range []struct {
		name        string
		in          []Membership
		do          Regrouping
		leave, join []Change
		want        fault.Code
	}{
		{"nothing asked is nothing to do", []Membership{member("a")}, Regrouping{}, nil, nil, ""},
		{"what holds already is no change", []Membership{member("a")},
			Regrouping{Leave: []string{"b"}, Join: []string{"a"}}, nil, nil, ""},
		{"a group left makes room in its hierarchy", []Membership{member("a")},
			Regrouping{Leave: []string{"a"}, Join: []string{"a1"}}, []Change{leave("a")}, []Change{join("a1")}, ""},
		{"a group that stays does not", []Membership{member("a")},
			Regrouping{Join: []string{"b", "a1"}}, nil, nil, fault.Invalid},
		{"two groups of one hierarchy are refused together", nil,
			Regrouping{Join: []string{"a", "a1"}}, nil, nil, fault.Invalid},
		{"a group named twice counts once", []Membership{member("b")},
			Regrouping{Leave: []string{"b", "b"}, Join: []string{"a", "a"}}, []Change{leave("b")}, []Change{join("a")}, ""},
		{"a group in both lists is kept", []Membership{member("a")},
			Regrouping{Leave: []string{"a"}, Join: []string{"a"}}, nil, nil, ""},
		{"a group in both lists is joined", nil,
			Regrouping{Leave: []string{"a"}, Join: []string{"a"}}, nil, []Change{join("a")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.do.Thing = "t"
			left, joined, err := tt.do.Plan(tt.in, groups)
			wantCode(t, err, tt.want)
			if !reflect.DeepEqual(left, tt.leave) || !reflect.DeepEqual(joined, tt.join) {
				t.Errorf("got %v and %v, want %v and %v", left, joined, tt.leave, tt.join)
			}
		})
	}
}

func TestRegroupingNamesFewGroups(t *testing.T) {
	r := Regrouping{Leave: []string{"b", "a"}, Join: []string{"a"}}
	if got, err := r.Groups(); err != nil || !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("got %v, %v, want a and b", got, err)
	}
	for i := range MaxRegrouping {
		r.Join = append(r.Join, fmt.Sprintf("g%d", i))
	}
	_, err := r.Groups()
	wantCode(t, err, fault.Invalid)
}
