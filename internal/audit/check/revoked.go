package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// revoked judges a certificate by what is known of its revocation; nil is that
// it was not revoked.
func revoked(r *fleet.Revocation) []audit.Violation {
	if r == nil || r.Revoked.IsZero() {
		return nil
	}
	return one("CERTIFICATE_REVOKED_BY_ISSUER", "Certificate was revoked by its issuer and is still active.",
		at("REVOCATION_TIME", r.Revoked))
}
