package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var revokedCACertificate = audit.Check{
	Name:       "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK",
	Doc:        "A CA certificate is active although its issuer has revoked it.",
	Severity:   audit.Critical,
	Actions:    onCACertificates,
	CoversCA:   caInUse,
	Revocation: true,
	CA: func(_ audit.Env, c *fleet.CACertificate) []audit.Violation {
		return revoked(c.Revocation)
	},
}
