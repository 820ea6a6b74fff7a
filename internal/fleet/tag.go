package fleet

import (
	"slices"
	"strings"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Tag is a key and value that an owner put on a resource.
type Tag struct {
	Key, Value string
}

// MaxTags is how many tags a resource may carry. Source: tag restrictions of
// the AWS General Reference.
const MaxTags = 50

// reservedTag begins the keys that only AWS may give, however it is written.
const reservedTag = "aws:"

// CheckTags decides whether a new resource may carry these tags: no more than
// MaxTags, no key twice, and none that is reserved. The fault is Invalid.
// Source: tag restrictions of the AWS General Reference.
func CheckTags(list []Tag) error {
	if len(list) > MaxTags {
		return fault.New(fault.Invalid, "there are %d tags, and a resource may have %d", len(list), MaxTags)
	}
	seen := make(map[string]bool, len(list))
	for _, t := range list {
		if seen[t.Key] {
			return fault.New(fault.Invalid, "the tag key %.256q stands twice", t.Key)
		}
		if len(t.Key) >= len(reservedTag) && strings.EqualFold(t.Key[:len(reservedTag)], reservedTag) {
			return fault.New(fault.Invalid, "the tag key %.256q begins with %s, which is reserved", t.Key, reservedTag)
		}
		seen[t.Key] = true
	}
	return nil
}

// MayTag decides whether a resource with some tags may be given more, which
// stand in place of those with their keys. The faults are those of CheckTags,
// and Limit for more than MaxTags together.
func MayTag(have, more []Tag) error {
	if err := CheckTags(more); err != nil {
		return err
	}
	n := len(more)
	for _, t := range have {
		if !slices.ContainsFunc(more, func(m Tag) bool { return m.Key == t.Key }) {
			n++
		}
	}
	if n > MaxTags {
		return fault.New(fault.Limit, "the resource would have %d tags, and it may have %d", n, MaxTags)
	}
	return nil
}
