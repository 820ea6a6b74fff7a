package opt

import (
	"testing"
	"time"
)

func TestWhatIsMissingIsZeroAndBack(t *testing.T) {
	if Value[int](nil) != 0 || Value(new(7)) != 7 {
		t.Errorf("got %d and %d, want 0 and 7", Value[int](nil), Value(new(7)))
	}
	type word string
	if Text(word("")) != nil || *Text(word("a")) != "a" {
		t.Errorf("got %v and %v, want nil and a", Text(word("")), Text(word("a")))
	}
	now := time.Now()
	if Time(time.Time{}) != nil || !Time(now).Equal(now) {
		t.Errorf("got %v and %v, want nil and %v", Time(time.Time{}), Time(now), now)
	}
}
