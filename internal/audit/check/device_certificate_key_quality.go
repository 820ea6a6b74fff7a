package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var deviceCertificateKeyQuality = audit.Check{
	Name:     "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK",
	Doc:      "The key of a device certificate is known to be weak (CVE-2017-15361, CVE-2008-0166).",
	Severity: audit.Critical,
	Actions:  onDeviceCertificates,
	Covers:   inUse,
	Certificate: func(env audit.Env, c *fleet.Certificate) []audit.Violation {
		return keyQuality(env, c.Key)
	},
	Untested: keyQualityUntested,
}
