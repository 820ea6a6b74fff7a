package fleet

import (
	"reflect"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestJudge(t *testing.T) {
	// verdicts are on the dynamic groups of these numbers.
	verdicts := func(matches bool, numbers ...int64) (list []Verdict) {
		for _, n := range numbers {
			list = append(list, Verdict{Membership{Seq: n, Root: n, Dynamic: true}, matches})
		}
		return list
	}
	for _, tt := range []struct {
		name        string
		in          []Membership
		verdicts    []Verdict
		leave, join []int64
	}{
		{"nothing judged is nothing to do", inGroups("sd"), nil, nil, nil},
		{"a match is joined", inGroups("s"), verdicts(true, 20), nil, []int64{20}},
		{"a match that the thing is in stays", inGroups("sd"), verdicts(true, 2), nil, nil},
		{"what no longer matches is left", inGroups("sd"), verdicts(false, 2, 20), []int64{2}, nil},
		{"a group that is not judged stays", inGroups("dd"), verdicts(false, 1), []int64{1}, nil},
		{"a thing in ten groups joins no other", inGroups("ssssssssss"), verdicts(true, 20), nil, nil},
		{"a thing in nine joins the oldest of two", inGroups("sssssssss"), verdicts(true, 20, 21), nil, []int64{20}},
		{"a place that becomes free is taken", inGroups("sssssssssd"),
			append(verdicts(false, 10), verdicts(true, 20, 21)...), []int64{10}, []int64{20}},
		{"an older group takes no place from a younger", inGroups("sssssssssd"), verdicts(true, 9, 10), nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leave, join := Judge(tt.in, tt.verdicts)
			if got := numbersOf(leave); !reflect.DeepEqual(got, tt.leave) {
				t.Errorf("got %v left, want %v", got, tt.leave)
			}
			if got := numbersOf(join); !reflect.DeepEqual(got, tt.join) {
				t.Errorf("got %v joined, want %v", got, tt.join)
			}
		})
	}
}

func numbersOf(list []Membership) (numbers []int64) {
	for _, m := range list {
		numbers = append(numbers, m.Seq)
	}
	return numbers
}

func TestUpdateDynamicGroup(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status GroupStatus
		update DynamicUpdate
		anew   bool
		want   GroupStatus
	}{
		{"a description leaves the members", GroupActive, DynamicUpdate{GroupUpdate: GroupUpdate{Description: new("x")}},
			false, GroupActive},
		{"the same query leaves the members", GroupActive, DynamicUpdate{Query: new("a:b")}, false, GroupActive},
		{"another query finds them anew", GroupActive, DynamicUpdate{Query: new("a:c")}, true, GroupRebuilding},
		{"another query while they are found first", GroupBuilding, DynamicUpdate{Query: new("a:c")}, true, GroupBuilding},
		{"another query while they are found again", GroupRebuilding, DynamicUpdate{Query: new("a:c")}, true,
			GroupRebuilding},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := NewDynamicGroup(Group{Name: "g"}, Dynamic{Query: "a:b", QueryVersion: "v"}, AttributeUpdate{})
			wantCode(t, err, "")
			before := g.Dynamic
			before.Status = tt.status
			anew, err := g.UpdateDynamic(tt.update, new(int64(1)))
			wantCode(t, err, "")
			if anew != tt.anew || g.Dynamic.Status != tt.want || g.Version != 2 {
				t.Errorf("got %v, %s in version %d, want %v, %s in version 2", anew, g.Dynamic.Status, g.Version, tt.anew, tt.want)
			}
			if before.Status != tt.status {
				t.Error("the group of before was changed")
			}
		})
	}
	static, _ := NewGroup(Group{Name: "g"}, AttributeUpdate{})
	_, err := static.UpdateDynamic(DynamicUpdate{}, nil)
	wantCode(t, err, fault.Invalid)
}
