package gateway

import (
	"context"
	"crypto/x509"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// registered is the content of the event that a certificate was registered just
// in time. Source: AWS IoT, just-in-time registration.
type registered struct {
	CertificateID    string `json:"certificateId"`
	CAID             string `json:"caCertificateId"`
	Timestamp        int64  `json:"timestamp"`
	Status           string `json:"certificateStatus"`
	Account          string `json:"awsAccountId"`
	RegistrationTime int64  `json:"certificateRegistrationTimestamp"`
}

// registerJustInTime registers an unknown certificate that a CA of the scope has
// signed, if there is such. The device is refused all the same: its owner is to
// decide.
func (g *Gateway) registerJustInTime(ctx context.Context, scope fleet.Scope, id string, chain []*x509.Certificate) {
	if g.Registrar == nil {
		return
	}
	ca, err := g.Registrar.RegisterJustInTime(ctx, scope, chain)
	switch {
	case err == nil:
		g.Log.Info("a certificate was registered just in time", "certificate", id, "ca", ca)
		now := g.Now().UnixMilli()
		g.send(outgoing{scope, topicRegistered + ca, registered{
			CertificateID: id, CAID: ca, Timestamp: now, Status: string(fleet.PendingActivation), Account: scope.Account,
			RegistrationTime: now,
		}})
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Exists):
	default:
		g.Log.Warn("a certificate was not registered just in time", "certificate", id, "err", err)
	}
}
