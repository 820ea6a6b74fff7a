package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var caCertificateKeyQuality = audit.Check{
	Name:     "CA_CERTIFICATE_KEY_QUALITY_CHECK",
	Doc:      "The key of a CA certificate is known to be weak (CVE-2017-15361, CVE-2008-0166).",
	Severity: audit.Critical,
	Actions:  onCACertificates,
	CoversCA: caInUse,
	CA: func(env audit.Env, c *fleet.CACertificate) []audit.Violation {
		return keyQuality(env, c.Key)
	},
	Untested: keyQualityUntested,
}
