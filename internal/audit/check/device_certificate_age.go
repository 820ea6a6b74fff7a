package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var ageThreshold = audit.Option{
	Name: "CERT_AGE_THRESHOLD_IN_DAYS", Min: 30, Max: 3650, Default: 365,
}

var deviceCertificateAge = audit.Check{
	Name:     "DEVICE_CERTIFICATE_AGE_CHECK",
	Doc:      "A device certificate was registered at least the threshold ago, by default 365 days.",
	Severity: audit.Low,
	Options:  []audit.Option{ageThreshold},
	Actions:  onDeviceCertificates,
	Covers:   inUse,
	Certificate: func(env audit.Env, c *fleet.Certificate) []audit.Violation {
		if env.Now.Sub(c.Created) < env.Days(ageThreshold) {
			return nil
		}
		return one("CERTIFICATE_PAST_AGE_THRESHOLD", "Certificate has been active for longer than the age threshold.",
			at("CREATION_TIME", c.Created))
	},
}
