package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var intermediateCARevoked = audit.Check{
	Name:       "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK",
	Doc:        "Device certificates are in use below an intermediate CA that its own issuer has revoked.",
	Severity:   audit.Critical,
	Actions:    onDeviceCertificates,
	Covers:     inUse,
	Revocation: true,
	Issuer: func(_ audit.Env, i *fleet.Issuer) []audit.Violation {
		if i.Revocation.Revoked.IsZero() {
			return nil
		}
		return one("INTERMEDIATE_CA_REVOKED_BY_ISSUER",
			"Intermediate CA was revoked by its issuer, and device certificates below it are active.",
			at("REVOCATION_TIME", i.Revocation.Revoked))
	},
}
