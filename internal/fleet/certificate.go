package fleet

import (
	"crypto/rand"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/keyquality"
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

// The modes: by the endpoint's default, or by the server name alone. AWS IoT
// gives the second to certificates that are registered without a CA.
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

	// Provenance and IssuedBy are set where a certificate is registered: IssuedBy
	// is the id of the CA of an account's own that has just signed it, or "".
	Provenance *Provenance
	IssuedBy   string
	// Source and Revocation are set where an audit asks for them.
	Source     int64
	Revocation *Revocation
	// Shared is when several clients were last seen to use it at once, set where
	// an audit asks for it; zero is never.
	Shared time.Time
}

// NewCertificate is a device certificate to be registered: checked, its key
// tested, and in the mode of one without CA. Only the states that AWS IoT
// documents for registration are accepted; the fault is Invalid for another
// one, CertificateInvalid for a certificate that is not acceptable.
func NewCertificate(c *pki.Certificate, status Status, now time.Time) (*Certificate, error) {
	switch status {
	case Active, Inactive, Revoked:
	default:
		return nil, fault.New(fault.Invalid, "a certificate cannot be registered as %s", status)
	}
	found, err := pki.CheckDevice(c)
	if err != nil {
		return nil, err
	}
	return &Certificate{
		ID: c.ID, Status: status, Mode: ModeSNIOnly, Key: newKey(c, found),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Generation: newGeneration(), CustomerVersion: 1,
		Created: now, Modified: now, PEM: c.PEM, Provenance: NewProvenance(c),
	}, nil
}

func newKey(c *pki.Certificate, found keyquality.Weaknesses) Key {
	k := Key{Type: string(c.KeyType), Bits: c.KeyBits, ROCA: found.ROCA}
	k.DebianDigest, k.BadkeysDigest = keyquality.Digests(c.PublicKey)
	return k
}

// newGeneration tells a resource from an earlier one of the same name.
func newGeneration() string { return rand.Text() }

// SetStatus decides whether the owner may move a certificate to a state. The
// state it has already is allowed.
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

// Attached is what hangs on a certificate.
type Attached struct {
	Things, Policies bool
}

// Deletable decides whether a certificate may be removed, given what is
// attached to it. Force drops the condition on policies.
func (c *Certificate) Deletable(scope Scope, a Attached, force bool) error {
	arn := scope.ARN("cert", c.ID)
	switch {
	case c.Status == PendingTransfer:
		return fault.New(fault.CertificateState,
			"Certificate is being transferred; cancel the transfer before deletion.")
	case c.Status == Active:
		return fault.New(fault.CertificateState,
			"Certificate must be deactivated (not ACTIVE) before deletion.")
	case a.Things:
		return fault.New(fault.DeleteConflict, "Things must be detached before deletion (arn: %s)", arn)
	case a.Policies && !force:
		return fault.New(fault.DeleteConflict, "Certificate policies must be detached before deletion (arn: %s)", arn)
	}
	return nil
}

// CertificatePage asks for certificates in order of registration.
type CertificatePage struct {
	CA        string // the registered CA that signed them, "" for all
	Ascending bool   // the oldest first, instead of the newest
	After     int64  // the Seq that the page is behind, 0 for the first page
	Limit     int
}
