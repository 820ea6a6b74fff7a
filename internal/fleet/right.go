package fleet

import "time"

// RightKind says what a change that may take rights from devices was made to,
// as it is stored.
type RightKind string

// The kinds, with what their names are.
const (
	// RightCertificate is about ids of device certificates: status, transfer,
	// registration and deletion, their policies and their things.
	RightCertificate RightKind = "certificate"
	// RightPolicy is about names of policies: another default version.
	RightPolicy RightKind = "policy"
	// RightThing is about names of things: attributes, type, groups, deletion.
	RightThing RightKind = "thing"
	// RightGroup is about names of thing groups: their policies, deletion.
	RightGroup RightKind = "group"
	// RightAccount is about the account as a whole: enabled, disabled. It has no
	// names, and its scope no region.
	RightAccount RightKind = "account"
	// RightClient is about client ids of which a connection is to end, for the
	// reason in Order.
	RightClient RightKind = "client"
)

// RightChange is an entry of the feed that tells gateways whose rights to look
// at again. It says where to look, not what is there: the reader finds out, and
// may see an entry twice.
type RightChange struct {
	Seq   int64 // in the order of writing, not of commits
	Scope Scope
	Kind  RightKind
	Names []string
	Order *ClientOrder // of a RightClient
}

// ClientOrder says why and how connections of a client id end.
type ClientOrder struct {
	// Node and Session name the connection that took the client id over, and
	// Claim orders such connections: one with a lower claim ends. They are zero
	// in an order of the owner.
	Node    string `json:"node,omitempty"`
	Session string `json:"session,omitempty"`
	Claim   int64  `json:"claim,omitempty"`
	// CleanSession ends the stored session too; PreventWill keeps the will from
	// being sent. Source: AWS IoT data plane, DeleteConnection.
	CleanSession bool `json:"cleanSession,omitempty"`
	PreventWill  bool `json:"preventWill,omitempty"`
}

// DeviceRef names who connects: what is presented, under which client id.
type DeviceRef struct {
	Certificate, ClientID string
}

// Device is what decides about a connection, read at one time.
type Device struct {
	// Certificate is nil when none is registered under the id in this scope.
	Certificate *Certificate
	// AccountDisabled says that the whole account may not connect.
	AccountDisabled bool
	// Thing is what the certificate stands for by the rule of [StandsFor], or nil.
	Thing *Thing
	// AnyClient says that all this holds under every client id: the certificate has
	// no thing, or one that it is attached to exclusively.
	AnyClient bool
	// Groups are those of the thing and all their ancestors, by name.
	Groups []string
	// Policies are the versions in force, by name: those of the certificate and
	// of the groups.
	Policies []PolicyRef
}

// Bar is why a device may not connect whatever its policies say, in words.
type Bar string

// What bars a device.
const (
	Unbarred     Bar = ""
	BarAccount   Bar = "the account is disabled"
	BarUnknown   Bar = "the certificate is not registered"
	BarStatus    Bar = "the certificate is not ACTIVE"
	BarOutOfTime Bar = "the certificate is not within its validity"
)

// Bar says what bars the device at a time, or [Unbarred].
func (d *Device) Bar(now time.Time) Bar {
	switch c := d.Certificate; {
	case d.AccountDisabled:
		return BarAccount
	case c == nil:
		return BarUnknown
	case c.Status != Active:
		return BarStatus
	case now.Before(c.NotBefore), !now.Before(c.NotAfter):
		return BarOutOfTime
	}
	return Unbarred
}

// PolicyRef names a version of a policy so that it is never another one: Seq is
// the number of the policy, which a later one of the same name does not have.
type PolicyRef struct {
	Name    string
	Seq     int64
	Version int64
}
