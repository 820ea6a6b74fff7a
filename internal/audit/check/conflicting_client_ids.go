package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var conflictingClientIDs = audit.Check{
	Name:        "CONFLICTING_CLIENT_IDS_CHECK",
	Doc:         "Several devices connect with one client id and displace each other, as far as was seen.",
	Severity:    audit.High,
	Connections: true,
	Client: func(env audit.Env, c *fleet.Client) []audit.Violation {
		if c.Conflict.IsZero() || c.Conflict.Before(env.WindowFrom) {
			return nil
		}
		return one("DUPLICATE_CLIENT_ID_ACROSS_CONNECTIONS", "Client ID used by connections that displaced each other.", nil)
	},
}
