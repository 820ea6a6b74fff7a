package check

import (
	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var loggingDisabled = audit.Check{
	Name:     "LOGGING_DISABLED_CHECK",
	Doc:      "The account logs nothing, by either form of the logging options.",
	Severity: audit.Low,
	Actions:  []audit.ActionType{audit.EnableIoTLogging},
	Account: func(_ audit.Env, l *fleet.LoggingOptions) []audit.Violation {
		if l.Enabled() {
			return nil
		}
		return one("LOGGING_DISABLED", "AWS IoT logging is disabled for this account.", nil)
	},
}
