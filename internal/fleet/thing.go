package fleet

import (
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Limits on things and groups.
const (
	MaxUntypedAttributes = 3
	MaxGroupsPerThing    = 10
	MaxGroupDepth        = 7
	MaxPoliciesPerCert   = 10
	MaxPoliciesPerGroup  = 2
)

// Thing is a device in the registry.
type Thing struct {
	Name       string
	ID         string
	Attributes map[string]string
	Version    int64
	Created    time.Time
}

// Group is a static thing group. Root is its topmost ancestor, Depth its
// distance from there, counted from 1; neither ever changes.
type Group struct {
	Name        string
	ID          string
	Parent      string
	Root        string
	Depth       int
	Description string
	Attributes  map[string]string
	Version     int64
	Created     time.Time
}

// Membership is that a thing is in a group.
type Membership struct {
	Thing, Group, Root string
}

// MayJoin decides whether a thing may join a group, given the groups it is in.
// It need not when it is in the group already.
func MayJoin(m Membership, in []Membership) (need bool, err error) {
	for _, have := range in {
		if have.Group == m.Group {
			return false, nil
		}
		if have.Root == m.Root {
			return false, fault.New(fault.Invalid,
				"thing %s is in group %s, and a thing may be in one group of a hierarchy only", m.Thing, have.Group)
		}
	}
	if len(in) >= MaxGroupsPerThing {
		return false, fault.New(fault.Invalid, "thing %s is in %d groups, which is the most", m.Thing, MaxGroupsPerThing)
	}
	return true, nil
}
