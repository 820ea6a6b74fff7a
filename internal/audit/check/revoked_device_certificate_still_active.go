package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var revokedDeviceCertificate = audit.Check{
	Name:       "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK",
	Doc:        "A device certificate is in use although its issuer has revoked it.",
	Severity:   audit.Medium,
	Actions:    onDeviceCertificates,
	Covers:     inUse,
	Revocation: true,
	Certificate: func(_ audit.Env, c *fleet.Certificate) []audit.Violation {
		return revoked(c.Revocation)
	},
}
