package action

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
)

var enableIoTLogging = mitigation.Kind{
	Type:  audit.EnableIoTLogging,
	Doc:   "Sets the account's logging role and default level, and ends a general switch-off.",
	Needs: mitigation.NeedsLogging,
	Asks: func(_ fleet.Scope, p *mitigation.Params, _ *mitigation.Subject) []identity.Ask {
		return []identity.Ask{
			{Action: "iot:SetV2LoggingOptions"},
			identity.Pass(p.EnableIoTLogging.RoleARN),
		}
	},
	Plan: func(p *mitigation.Params, s *mitigation.Subject) ([]fleet.Change, *mitigation.Failure) {
		want := *s.Logging
		want.Configured, want.DisableAll = true, false
		want.Role, want.Level = p.EnableIoTLogging.RoleARN, p.EnableIoTLogging.Level
		if want == *s.Logging {
			return nil, nil
		}
		return []fleet.Change{fleet.Logging{From: *s.Logging, To: want}}, nil
	},
}
