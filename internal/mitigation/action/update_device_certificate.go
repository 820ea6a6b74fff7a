package action

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

var updateDeviceCertificate = mitigation.Kind{
	Type:  audit.UpdateDeviceCertificate,
	Doc:   "Deactivates the device certificate: it becomes INACTIVE and authenticates no longer.",
	Needs: mitigation.NeedsCertificate,
	Asks:  onResource("iot:UpdateCertificate", "cert"),
	Plan: func(_ *mitigation.Params, s *mitigation.Subject) ([]fleet.Change, *mitigation.Failure) {
		c := s.Certificate
		if c == nil {
			return nil, gone(s)
		}
		if c.Status == fleet.Inactive {
			return nil, nil
		}
		if err := c.SetStatus(fleet.Inactive); err != nil {
			return nil, &mitigation.Failure{Code: mitigation.InvalidState, Message: err.Error()}
		}
		return []fleet.Change{fleet.CertificateStatus{ID: c.ID, Seq: c.Seq, From: c.Status, To: fleet.Inactive}}, nil
	},
}
