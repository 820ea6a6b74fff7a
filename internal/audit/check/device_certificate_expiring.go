package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var expirationThreshold = audit.Option{
	Name: "CERT_EXPIRATION_THRESHOLD_IN_DAYS", Min: 30, Max: 3652, Default: 30,
}

var deviceCertificateExpiring = audit.Check{
	Name:     "DEVICE_CERTIFICATE_EXPIRING_CHECK",
	Doc:      "A device certificate has expired or will within the threshold, by default 30 days.",
	Severity: audit.Medium,
	Options:  []audit.Option{expirationThreshold},
	Actions:  onDeviceCertificates,
	Covers:   inUse,
	Certificate: func(env audit.Env, c *fleet.Certificate) []audit.Violation {
		return expiring(env.Now, c.NotAfter, env.Days(expirationThreshold))
	},
}
