package fleet

import (
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestMayAttach(t *testing.T) {
	shared, alone := &Attachment{Type: NonExclusive}, &Attachment{Type: Exclusive}
	for _, tt := range []struct {
		name       string
		ask        PrincipalType
		own, other *Attachment
		need       bool
		want       fault.Code
	}{
		{"a free certificate is attached", NonExclusive, nil, nil, true, ""},
		{"a free certificate is attached exclusively", Exclusive, nil, nil, true, ""},
		{"a shared certificate is shared more", NonExclusive, nil, shared, true, ""},
		{"a shared certificate cannot become exclusive to a further thing", Exclusive, nil, shared, false, fault.Invalid},
		{"an exclusive certificate is not shared", NonExclusive, nil, alone, false, fault.Invalid},
		{"an exclusive certificate does not move", Exclusive, nil, alone, false, fault.Invalid},
		{"attaching again is fine", NonExclusive, shared, shared, false, ""},
		{"attaching again exclusively is fine", Exclusive, alone, nil, false, ""},
		{"the type does not change by attaching again", Exclusive, shared, nil, false, fault.Invalid},
		{"an exclusive attachment does not become shared", NonExclusive, alone, nil, false, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			need, err := MayAttach(Attachment{Thing: "t", Certificate: "c", Type: tt.ask}, tt.own, tt.other)
			wantCode(t, err, tt.want)
			if need != tt.need {
				t.Errorf("got %v, want %v", need, tt.need)
			}
		})
	}
}
