package query

import (
	"encoding/base64"
	"strconv"
	"time"
)

// Bool reads true or false.
func (v *Value) Bool() *bool {
	switch text, ok := v.scalar("true or false"); {
	case !ok:
	case text == "true", text == "false":
		return new(text == "true")
	default:
		v.fail("must be true or false")
	}
	return nil
}

// Int reads a 32-bit integer.
func (v *Value) Int() *int {
	if n := v.integer(32); n != nil {
		return new(int(*n))
	}
	return nil
}

// Long reads a 64-bit integer.
func (v *Value) Long() *int64 { return v.integer(64) }

func (v *Value) integer(bits int) *int64 {
	text, ok := v.scalar("an integer")
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		v.fail("must be an integer of " + strconv.Itoa(bits) + " bits")
		return nil
	}
	return &n
}

// Time reads a time in the form of RFC 3339, to the millisecond.
func (v *Value) Time() *time.Time {
	text, ok := v.scalar("a time")
	if !ok {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1 {
		v.fail("must be a time such as 2026-01-02T03:04:05Z")
		return nil
	}
	return new(t.UTC().Truncate(time.Millisecond))
}

// Blob reads bytes in standard base64 (RFC 4648, section 4).
func (v *Value) Blob() []byte {
	text, ok := v.scalar("base64")
	if !ok {
		return nil
	}
	blob, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		v.fail("must be base64")
		return nil
	}
	return blob
}
