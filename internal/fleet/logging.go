package fleet

// LoggingOptions are the account's settings for logs. V1 is the older form; an
// empty role means that it was never set.
type LoggingOptions struct {
	V1Role  string `json:"v1Role,omitempty"`
	V1Level string `json:"v1Level,omitempty"`
	// Configured says that V2 was set at all.
	Configured bool   `json:"configured,omitempty"`
	Role       string `json:"role,omitempty"`
	Level      string `json:"level,omitempty"`
	DisableAll bool   `json:"disableAll,omitempty"`
	// Events are the event configurations as the owner gave them, in JSON.
	Events string `json:"events,omitempty"`
}

// LogDisabled is the level at which nothing is logged.
const LogDisabled = "DISABLED"

// Enabled reports whether either form logs anything.
func (l *LoggingOptions) Enabled() bool {
	v2 := l.Configured && l.Role != "" && !l.DisableAll && l.Level != LogDisabled && l.Level != ""
	v1 := l.V1Role != "" && l.V1Level != LogDisabled && l.V1Level != ""
	return v1 || v2
}
