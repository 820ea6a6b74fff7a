package fleet

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

// inGroups is a thing's membership in as many groups as there are letters: d
// is a dynamic one, s a static one, made in this order with the numbers 1, 2, 3
// and so on.
func inGroups(kinds string) (in []Membership) {
	for i, kind := range kinds {
		n := int64(i + 1)
		in = append(in, Membership{Thing: "t", Group: fmt.Sprintf("g%d", n), Seq: n, Root: n, Dynamic: kind == 'd'})
	}
	return in
}

func TestJoin(t *testing.T) {
	wanted := Membership{Thing: "t", Group: "new", Seq: 100, Root: 90}
	join := []Change{GroupMembership{Membership: wanted, To: true}}
	// evicting is leaving the n-th group that the thing is in, and joining.
	evicting := func(n int64) []Change {
		left := Membership{Thing: "t", Group: fmt.Sprintf("g%d", n), Seq: n, Root: n, Dynamic: true}
		return append([]Change{GroupMembership{Membership: left}}, join...)
	}
	for _, tt := range []struct {
		name     string
		in       []Membership
		override bool
		changes  []Change
		want     fault.Code
	}{
		{"a thing in no group may join", nil, false, join, ""},
		{"a thing in nine groups may join", inGroups("sssssssss"), false, join, ""},
		{"a thing in ten static groups may not", inGroups("ssssssssss"), false, nil, fault.Invalid},
		{"nor by overriding", inGroups("ssssssssss"), true, nil, fault.Invalid},
		{"dynamic groups count", inGroups("sssssssssd"), false, nil, fault.Invalid},
		{"overriding costs a dynamic group", inGroups("ssssssdsss"), true, evicting(7), ""},
		{"overriding costs the dynamic group that was made last", inGroups("ddssssdsss"), true, evicting(7), ""},
		{"overriding costs nothing where there is room", inGroups("dssssssss"), true, join, ""},
		{"a thing in the group need not join", []Membership{wanted}, false, nil, ""},
		{"a thing in ten groups, this one too, need not", append(inGroups("sssssssss"), wanted), false, nil, ""},
		{"a thing elsewhere in the hierarchy may not", []Membership{{Group: "old", Seq: 91, Root: 90}}, false, nil,
			fault.Invalid},
		{"a group of the same name that is gone does not count", []Membership{{Group: "new", Seq: 5, Root: 5}}, false,
			join, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changes, err := Join(wanted, tt.in, tt.override)
			wantCode(t, err, tt.want)
			if !reflect.DeepEqual(changes, tt.changes) {
				t.Errorf("got %v, want %v", changes, tt.changes)
			}
		})
	}
	_, err := Join(Membership{Thing: "t", Group: "new", Seq: 100, Root: 100, Dynamic: true}, nil, true)
	wantCode(t, err, fault.Invalid)
}

func TestRegrouping(t *testing.T) {
	groups := map[string]*Group{
		"a": {Name: "a", Place: Place{Seq: 1001, Root: 1001}}, "a1": {Name: "a1", Place: Place{Seq: 1002, Root: 1001}},
		"b": {Name: "b", Place: Place{Seq: 1003, Root: 1003}},
		"d": {Name: "d", Place: Place{Seq: 1004, Root: 1004}, Dynamic: &Dynamic{Query: "*"}},
	}
	member := func(group string) Membership { return MembershipIn("t", groups[group]) }
	leave := func(group string) Change { return GroupMembership{Membership: member(group)} }
	join := func(group string) Change { return GroupMembership{Membership: member(group), To: true} }
	for _, tt := range []struct {
		name    string
		in      []Membership
		do      Regrouping
		changes []Change
		want    fault.Code
	}{
		{"nothing asked is nothing to do", []Membership{member("a")}, Regrouping{}, nil, ""},
		{"what holds already is no change", []Membership{member("a")},
			Regrouping{Leave: []string{"b"}, Join: []string{"a"}}, nil, ""},
		{"a group left makes room in its hierarchy", []Membership{member("a")},
			Regrouping{Leave: []string{"a"}, Join: []string{"a1"}}, []Change{leave("a"), join("a1")}, ""},
		{"a group that stays does not", []Membership{member("a")},
			Regrouping{Join: []string{"b", "a1"}}, nil, fault.Invalid},
		{"two groups of one hierarchy are refused together", nil,
			Regrouping{Join: []string{"a", "a1"}}, nil, fault.Invalid},
		{"a group named twice counts once", []Membership{member("b")},
			Regrouping{Leave: []string{"b", "b"}, Join: []string{"a", "a"}}, []Change{leave("b"), join("a")}, ""},
		{"a group in both lists is kept", []Membership{member("a")},
			Regrouping{Leave: []string{"a"}, Join: []string{"a"}}, nil, ""},
		{"a group in both lists is joined", nil,
			Regrouping{Leave: []string{"a"}, Join: []string{"a"}}, []Change{join("a")}, ""},
		{"a dynamic group is not joined", nil, Regrouping{Join: []string{"d"}, Override: true}, nil, fault.Invalid},
		{"nor left", []Membership{member("d")}, Regrouping{Leave: []string{"d"}}, nil, fault.Invalid},
		{"overriding costs one dynamic group for each that is too many", append(inGroups("dsssssss"), member("d")),
			Regrouping{Join: []string{"a", "b"}, Override: true}, []Change{join("a"), leave("d"), join("b")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.do.Thing = "t"
			changes, err := tt.do.Plan(tt.in, groups)
			wantCode(t, err, tt.want)
			if !reflect.DeepEqual(changes, tt.changes) {
				t.Errorf("got %v, want %v", changes, tt.changes)
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
