package check

import (
	"testing"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestRevokedCertificates(t *testing.T) {
	for _, tt := range []struct {
		name  string
		known *fleet.Revocation
		want  bool
	}{
		{"one of which nothing is listed passes", nil, false},
		{"one that is not revoked passes", &fleet.Revocation{}, false},
		{"one that was revoked does not", &fleet.Revocation{Revoked: now}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			device := revokedDeviceCertificate.Certificate(audit.Env{}, &fleet.Certificate{Revocation: tt.known})
			ca := revokedCACertificate.CA(audit.Env{}, &fleet.CACertificate{Revocation: tt.known})
			issuer := &fleet.Issuer{}
			if tt.known != nil {
				issuer.Revocation = *tt.known
			}
			above := intermediateCARevoked.Issuer(audit.Env{}, issuer)
			code, aboveCode := "", ""
			if tt.want {
				code, aboveCode = "CERTIFICATE_REVOKED_BY_ISSUER", "INTERMEDIATE_CA_REVOKED_BY_ISSUER"
			}
			if codes(device) != code || codes(ca) != code || codes(above) != aboveCode {
				t.Errorf("got %q, %q and %q, want %q twice and %q", codes(device), codes(ca), codes(above), code, aboveCode)
			}
			if tt.want && device[0].Info["REVOCATION_TIME"] == "" {
				t.Error("the finding does not say since when")
			}
		})
	}
}
