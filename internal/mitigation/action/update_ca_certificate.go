package action

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

var updateCACertificate = mitigation.Kind{
	Type: audit.UpdateCACertificate,
	Doc: "Deactivates the CA certificate: no further certificate of it can be registered. " +
		"Those already registered keep working.",
	Needs: mitigation.NeedsCA,
	Asks:  onResource("iot:UpdateCACertificate", "cacert"),
	Plan: func(_ *mitigation.Params, s *mitigation.Subject) ([]fleet.Change, *mitigation.Failure) {
		c := s.CA
		if c == nil {
			return nil, gone(s)
		}
		if c.Status == fleet.Inactive {
			return nil, nil
		}
		return []fleet.Change{fleet.CACertificateStatus{ID: c.ID, From: c.Status, To: fleet.Inactive}}, nil
	},
}
