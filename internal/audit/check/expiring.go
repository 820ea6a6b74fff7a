package check

import (
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
)

// expiring judges the end of a certificate's validity. A certificate is valid
// up to and including its last instant (RFC 5280, section 4.1.2.5).
func expiring(now, notAfter time.Time, notice time.Duration) []audit.Violation {
	switch {
	case now.After(notAfter):
		return one("CERTIFICATE_PAST_EXPIRATION", "Certificate is past its expiration.",
			at("EXPIRATION_TIME", notAfter))
	case !notAfter.After(now.Add(notice)):
		return one("CERTIFICATE_APPROACHING_EXPIRATION", "Certificate is approaching its expiration.",
			at("EXPIRATION_TIME", notAfter))
	}
	return nil
}
