package fleet

import (
	"slices"
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
		{"a group goes below a root", Group{Name: "p", Depth: 1}, 0, ""},
		{"the seventh level is the last", Group{Name: "p", Depth: 6}, 0, ""},
		{"there is no eighth level", Group{Name: "p", Depth: 7}, 0, fault.Invalid},
		{"a group may have a hundredth child", Group{Name: "p", Depth: 2}, 99, ""},
		{"a group may not have another child", Group{Name: "p", Depth: 2}, 100, fault.Invalid},
		{"a dynamic group may not have a child", Group{Name: "p", Depth: 1, Dynamic: &Dynamic{Query: "*"}}, 0,
			fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := NewGroup(Group{Name: "g", Parent: "p"}, AttributeUpdate{})
			wantCode(t, err, "")
			if g.Depth != 1 || g.Version != 1 {
				t.Errorf("got %+v, want a root in version 1", g)
			}
			wantCode(t, g.Under(&tt.parent, tt.children, 100), tt.want)
			if tt.want == "" && (g.Parent != "p" || g.Depth != tt.parent.Depth+1) {
				t.Errorf("got %q at depth %d, want p and one more than %d", g.Parent, g.Depth, tt.parent.Depth)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	root := &Group{Place: NewPlace(7, nil)}
	child := &Group{Place: NewPlace(9, root)}
	grandchild := &Group{Place: NewPlace(30, child)}
	late := &Group{Place: NewPlace(16, nil)}
	if p := grandchild.Place; p.Seq != 30 || p.Root != 7 {
		t.Errorf("got number %d below root %d, want 30 below 7", p.Seq, p.Root)
	}
	if p := root.Place; p.Seq != 7 || p.Root != 7 {
		t.Errorf("got number %d below root %d, want 7 to be its own root", p.Seq, p.Root)
	}
	if got := grandchild.Place.Above(); !slices.Equal(got, []int64{7, 9}) || len(root.Place.Above()) != 0 {
		t.Errorf("got %v above the grandchild and %v above the root, want 7 and 9, and none", got, root.Place.Above())
	}
	for _, order := range [][2]*Group{{root, child}, {child, grandchild}, {grandchild, late}} {
		if order[0].Place.Path >= order[1].Place.Path {
			t.Errorf("got %q before %q, want the other order", order[1].Place.Path, order[0].Place.Path)
		}
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
		{"a dynamic group is another one than a static", func(g *Group) { g.Dynamic = &Dynamic{Query: "*"} }, false},
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
