// Package opt turns members of requests and answers, which are pointers because
// they may be missing, into values and back.
package opt

import "time"

// Value is what a member points to, or the zero value where it is missing.
func Value[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

// Text is the member for a string that may be missing: "" is left out.
func Text[T ~string](v T) *string {
	if v == "" {
		return nil
	}
	s := string(v)
	return &s
}

// Time is the member for a time that may be missing: the zero time is left out.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
