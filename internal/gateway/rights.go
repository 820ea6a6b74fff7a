package gateway

import (
	"maps"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

// The actions that are decided about. Source: AWS IoT Core policy actions.
const (
	actionConnect       = "iot:Connect"
	actionPublish       = "iot:Publish"
	actionRetainPublish = "iot:RetainPublish"
	actionSubscribe     = "iot:Subscribe"
	actionReceive       = "iot:Receive"
)

// rights is what a connection may do, as of one reading of the registry. It is
// never changed, but replaced as a whole.
type rights struct {
	policies []*policy.Compiled
	values   policy.Table
	now      func() time.Time

	thing  *fleet.Thing // or nil
	groups []string
	refs   []fleet.PolicyRef
}

// allows reports whether something may be done to a resource now.
func (r *rights) allows(action, resource string) bool {
	return policy.Decide(policy.Request{Action: action, Resource: resource, Values: r}, r.policies...) == policy.Allowed
}

// allowsConnect is allows for iot:Connect, about which alone it can be asked
// how a connection is.
func (r *rights) allowsConnect(resource string, attributes []string) bool {
	q := policy.Request{Action: actionConnect, Resource: resource, Values: connecting{r, attributes}}
	return policy.Decide(q, r.policies...) == policy.Allowed
}

// The folded keys of the time of a request.
var (
	keyCurrentTime       = policy.FoldKey("aws:CurrentTime")
	keyEpochTime         = policy.FoldKey("aws:EpochTime")
	keyConnectAttributes = policy.FoldKey("iot:ConnectAttributes")
)

// Lookup implements [policy.Values]. The time is that of the packet in hand,
// not of the connection.
func (r *rights) Lookup(key string) []string {
	if key == keyCurrentTime || key == keyEpochTime {
		return (&fleet.Connection{Time: r.now()}).Values().Lookup(key)
	}
	return r.values.Lookup(key)
}

// connecting are the values of an iot:Connect.
type connecting struct {
	*rights
	attributes []string
}

// Lookup implements [policy.Values].
func (c connecting) Lookup(key string) []string {
	if key == keyConnectAttributes {
		return c.attributes
	}
	return c.rights.Lookup(key)
}

// The values of iot:ConnectAttributes. Source: AWS IoT Core, connect policy
// examples.
const (
	attributeLastWill   = "LastWill"
	attributePersistent = "PersistentConnect"
)

// places are where a session with these rights is found, besides those that
// follow from who it is.
func (r *rights) places(scope fleet.Scope) []place {
	list := make([]place, 0, 1+len(r.groups)+len(r.refs))
	if r.thing != nil {
		list = append(list, place{scope, fleet.RightThing, r.thing.Name})
	}
	for _, name := range r.groups {
		list = append(list, place{scope, fleet.RightGroup, name})
	}
	for _, ref := range r.refs {
		list = append(list, place{scope, fleet.RightPolicy, ref.Name})
	}
	return list
}

// same reports whether a reading of the registry comes to the same rights.
func (r *rights) same(d *fleet.Device) bool {
	return r != nil && slices.Equal(r.refs, d.Policies) && slices.Equal(r.groups, d.Groups) && sameThing(r.thing, d.Thing)
}

// sameThing reports whether two things have the same values.
func sameThing(a, b *fleet.Thing) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Name == b.Name && a.Type == b.Type && maps.Equal(a.Attributes, b.Attributes)
}
