package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var deviceCertificateShared = audit.Check{
	Name:        "DEVICE_CERTIFICATE_SHARED_CHECK",
	Doc:         "Several devices connect with one certificate, as far as was seen in the window of the audit.",
	Severity:    audit.Critical,
	Actions:     onDeviceCertificates,
	Covers:      inUse,
	Connections: true,
	Certificate: func(env audit.Env, c *fleet.Certificate) []audit.Violation {
		if c.Shared.IsZero() || c.Shared.Before(env.WindowFrom) {
			return nil
		}
		return one("CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES", "Certificate shared by one or more devices.", nil)
	},
}
