package fleet

import (
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Status is the state of a certificate in the registry, equal to the wire
// value.
type Status string

// The states. A certificate authority is Active or Inactive only.
const (
	Active            Status = "ACTIVE"
	Inactive          Status = "INACTIVE"
	Revoked           Status = "REVOKED"
	PendingTransfer   Status = "PENDING_TRANSFER"
	RegisterInactive  Status = "REGISTER_INACTIVE"
	PendingActivation Status = "PENDING_ACTIVATION"
)

// Mode says how a certificate's account is found when a device connects.
type Mode string

// The modes: by the endpoint's default, or by the server name alone.
const (
	ModeDefault Mode = "DEFAULT"
	ModeSNIOnly Mode = "SNI_ONLY"
)

// Key is what the registry knows of a public key: enough for every check, so
// that an audit parses nothing.
type Key struct {
	Type string // RSA or EC
	Bits int
	// ROCA says that the key has the structure of CVE-2017-15361.
	ROCA bool
	// DebianDigest and BadkeysDigest are what block lists of weak keys are
	// searched for; empty for keys that no list covers.
	DebianDigest, BadkeysDigest string
}

// Certificate is a registered device certificate. Audits read it without its
// PEM.
type Certificate struct {
	Seq             int64 // position in the scope, in order of registration
	ID              string
	Status          Status
	Mode            Mode
	CAID            string // the registered CA that signed it, or ""
	Key             Key
	NotBefore       time.Time
	NotAfter        time.Time
	Generation      string
	CustomerVersion int64
	Created         time.Time
	Modified        time.Time
	PEM             string
}

// CACertificate is a registered certificate authority.
type CACertificate struct {
	Seq                int64
	ID                 string
	Status             Status
	Mode               Mode
	AutoRegistration   string // ENABLE or DISABLE
	RegistrationConfig string // JSON, or ""
	Subject            string
	SubjectKeyID       string
	Key                Key
	NotBefore          time.Time
	NotAfter           time.Time
	Generation         string
	CustomerVersion    int64
	Created            time.Time
	Modified           time.Time
	PEM                string
}

// Limits on certificates.
const (
	MaxCAsPerSubject = 10
)

// SetStatus decides whether the owner may move a certificate to a state.
func (c *Certificate) SetStatus(to Status) error {
	switch to {
	case PendingTransfer, PendingActivation:
		return fault.New(fault.Invalid, "a certificate cannot be set to %s by an update", to)
	}
	if c.Status == Revoked && to != Revoked {
		return fault.New(fault.CertificateState, "certificate %s is revoked and stays so", c.ID)
	}
	if c.Status == PendingTransfer {
		return fault.New(fault.CertificateState, "certificate %s is being transferred", c.ID)
	}
	return nil
}

// Deletable decides whether a certificate may be removed, given what is
// attached to it. Force drops the condition on policies.
func (c *Certificate) Deletable(scope Scope, things, policies, force bool) error {
	arn := scope.ARN("cert", c.ID)
	switch {
	case c.Status == Active:
		return fault.New(fault.CertificateState,
			"Certificate must be deactivated (not ACTIVE) before deletion.")
	case things:
		return fault.New(fault.DeleteConflict, "Things must be detached before deletion (arn: %s)", arn)
	case policies && !force:
		return fault.New(fault.DeleteConflict, "Certificate policies must be detached before deletion (arn: %s)", arn)
	}
	return nil
}
