package check

import (
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// caNotice is fixed: AWS lets nobody set it.
const caNotice = 30 * 24 * time.Hour

var caCertificateExpiring = audit.Check{
	Name:     "CA_CERTIFICATE_EXPIRING_CHECK",
	Doc:      "A CA certificate has expired or will within 30 days.",
	Severity: audit.Medium,
	Actions:  onCACertificates,
	CoversCA: caInUse,
	CA: func(env audit.Env, c *fleet.CACertificate) []audit.Violation {
		return expiring(env.Now, c.NotAfter, caNotice)
	},
}
