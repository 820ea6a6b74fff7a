package fleet_test

import (
	"fmt"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// tagsFrom are n tags whose keys count from a number.
func tagsFrom(from, n int) []fleet.Tag {
	list := make([]fleet.Tag, n)
	for i := range list {
		list[i] = fleet.Tag{Key: fmt.Sprintf("k%d", from+i), Value: "v"}
	}
	return list
}

func TestMayTag(t *testing.T) {
	for _, tt := range []struct {
		name       string
		have, more []fleet.Tag
		code       fault.Code
	}{
		{"nothing more", tagsFrom(0, 50), nil, ""},
		{"the last one", tagsFrom(0, 49), tagsFrom(49, 1), ""},
		{"one too many", tagsFrom(0, 50), tagsFrom(50, 1), fault.Limit},
		{"all of them again", tagsFrom(0, 50), tagsFrom(0, 50), ""},
		{"some again and one too many", tagsFrom(0, 50), tagsFrom(49, 2), fault.Limit},
		{"too many in one call", nil, tagsFrom(0, 51), fault.Invalid},
		{"a key twice", nil, []fleet.Tag{{Key: "a"}, {Key: "a", Value: "1"}}, fault.Invalid},
		{"keys that differ in case", nil, []fleet.Tag{{Key: "a"}, {Key: "A"}}, ""},
		{"a reserved key", nil, []fleet.Tag{{Key: "aws:cloudformation:stack-name"}}, fault.Invalid},
		{"a reserved key in another case", nil, []fleet.Tag{{Key: "AwS:x"}}, fault.Invalid},
		{"the reserved word alone", nil, []fleet.Tag{{Key: "aws"}}, ""},
		{"the reserved word in the middle", nil, []fleet.Tag{{Key: "my-aws:x"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := code(t, fleet.MayTag(tt.have, tt.more)); got != tt.code {
				t.Errorf("got %q, want %q", got, tt.code)
			}
		})
	}
}
