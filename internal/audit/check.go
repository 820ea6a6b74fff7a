package audit

import (
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// Severity says how bad a finding is, equal to the wire value.
type Severity string

// The severities.
const (
	Critical Severity = "CRITICAL"
	High     Severity = "HIGH"
	Medium   Severity = "MEDIUM"
	Low      Severity = "LOW"
)

// ActionType is a kind of mitigation action, equal to the wire value. Checks
// name the ones that suit them.
type ActionType string

// The action types.
const (
	UpdateDeviceCertificate     ActionType = "UPDATE_DEVICE_CERTIFICATE"
	UpdateCACertificate         ActionType = "UPDATE_CA_CERTIFICATE"
	AddThingsToThingGroup       ActionType = "ADD_THINGS_TO_THING_GROUP"
	ReplaceDefaultPolicyVersion ActionType = "REPLACE_DEFAULT_POLICY_VERSION"
	EnableIoTLogging            ActionType = "ENABLE_IOT_LOGGING"
	PublishFindingToSNS         ActionType = "PUBLISH_FINDING_TO_SNS"
)

// Check is one audit check: a pure rule over one kind of resource. Exactly one
// of the rule functions is set. What a rule needs is stored beside the
// resource when it is registered, so a rule parses nothing.
type Check struct {
	Name     string
	Doc      string
	Severity Severity
	Options  []Option
	Actions  []ActionType

	// Covers is the population of a rule over certificates: only what it covers
	// is counted and judged. Nil covers all.
	Covers func(*fleet.Certificate) bool
	// CoversCA is the population of a rule over CA certificates.
	CoversCA func(*fleet.CACertificate) bool

	Account     func(Env, *fleet.LoggingOptions) []Violation
	CA          func(Env, *fleet.CACertificate) []Violation
	Certificate func(Env, *fleet.Certificate) []Violation
	Policy      func(Env, *fleet.PolicyVersion) []Violation
	// Issuer judges the intermediate CAs above the certificates that Covers
	// covers. Those certificates are the related resources of what it finds.
	Issuer func(Env, *fleet.Issuer) []Violation
	// Client judges the client ids that were connected in the window.
	Client func(Env, *fleet.Client) []Violation
	// Pool judges identity pools, and RoleAlias role aliases, by the roles that
	// they give.
	Pool      func(Env, *identity.Pool, Roles) Verdict
	RoleAlias func(Env, *fleet.RoleAlias, Roles) Verdict

	// Revocation says that the rule needs to know what issuers have revoked. It
	// is not asked about a resource of which that is not known: the resource
	// counts as untested.
	Revocation bool

	// Connections says that the rule needs to know what was seen of connections in
	// the window. The connections that show what it finds are the related
	// resources.
	Connections bool

	// Untested says what the check cannot test as Cordon is set up now, or "".
	Untested func(Env) string
}

// Option is a threshold that an account may set for a check: a number of days,
// as text.
type Option struct {
	Name              string
	Min, Max, Default int
}

// Parse reads a value an account gave.
func (o Option) Parse(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || strconv.Itoa(n) != value {
		return 0, fault.New(fault.Invalid, "%s must be a whole number of days", o.Name)
	}
	if n < o.Min || n > o.Max {
		return 0, fault.New(fault.Invalid, "%s must be from %d to %d days", o.Name, o.Min, o.Max)
	}
	return n, nil
}

// WeakKeys are the block lists of keys known to be weak. A nil list is not
// loaded.
type WeakKeys interface {
	// Weak reports whether the key is on a list.
	Weak(fleet.Key) bool
}

// Env is what a rule may know besides its resource.
type Env struct {
	Now      time.Time
	WeakKeys WeakKeys // nil when no list is loaded
	// WindowFrom is since when connections count.
	WindowFrom time.Time
	settings   map[string]string
}

// Days is the account's value of an option, or its default.
func (e Env) Days(o Option) time.Duration {
	days := o.Default
	if v, ok := e.settings[o.Name]; ok {
		if n, err := o.Parse(v); err == nil {
			days = n
		}
	}
	return time.Duration(days) * 24 * time.Hour
}

// WithSettings returns the environment with an account's values for one check.
func (e Env) WithSettings(settings map[string]string) Env {
	e.settings = settings
	return e
}

// Violation is one reason for which a resource does not comply.
type Violation struct {
	Code    string
	Text    string
	Info    map[string]string // additionalInfo
	Related []Resource
}

// kind is the kind of resource a check judges: the order of the passes.
type kind int

const (
	accountPass kind = iota
	caPass
	certificatePass
	policyPass
	clientPass
	poolPass
	roleAliasPass
	passes
)

func (c *Check) pass() kind {
	switch {
	case c.Account != nil:
		return accountPass
	case c.CA != nil:
		return caPass
	case c.Certificate != nil, c.Issuer != nil:
		return certificatePass
	case c.Client != nil:
		return clientPass
	case c.Pool != nil:
		return poolPass
	case c.RoleAlias != nil:
		return roleAliasPass
	}
	return policyPass
}

// Resource is the type of what the check judges: the one that its findings, and
// suppressions of them, are about.
func (c *Check) Resource() ResourceType {
	switch c.pass() {
	case accountPass:
		return AccountSettings
	case caPass:
		return CACertificate
	case certificatePass:
		if c.Issuer != nil {
			return IssuerCertificate
		}
		return DeviceCertificate
	case clientPass:
		return ClientID
	case poolPass:
		return CognitoIdentityPool
	case roleAliasPass:
		return RoleAlias
	}
	return IoTPolicy
}

// Supports reports whether a mitigation action of this type suits findings of
// the check. Every finding can be published.
func (c *Check) Supports(t ActionType) bool {
	if t == PublishFindingToSNS {
		return true
	}
	for _, a := range c.Actions {
		if a == t {
			return true
		}
	}
	return false
}

// Checks are the checks that are built, by name.
type Checks []*Check

// Named returns a check, or nil when there is none of this name.
func (c Checks) Named(name string) *Check {
	for _, check := range c {
		if check.Name == name {
			return check
		}
	}
	return nil
}
