package fleet

import "time"

// Issued is a certificate that the own CA of an account signed, wherever it is
// registered now.
type Issued struct {
	Serial string // as in pki.Certificate
	// Status is that of the certificate; of one that was deleted it is Revoked
	// when it was that, else Inactive.
	Status   Status
	Changed  time.Time // when it was last changed, or was deleted
	NotAfter time.Time
}
