package fleet

import (
	"encoding/json"
	"fmt"

	"github.com/cordon-iot/cordon/internal/fault"
)

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

// LogEvent is the owner's setting for one type of event.
type LogEvent struct {
	Type        string `json:"eventType"`
	Level       string `json:"logLevel,omitempty"`
	Destination string `json:"logDestination,omitempty"`
}

// EventList returns the event configurations in the order they were given. An
// error is that of a damaged row.
func (l *LoggingOptions) EventList() ([]LogEvent, error) {
	if l.Events == "" {
		return nil, nil
	}
	var list []LogEvent
	if err := json.Unmarshal([]byte(l.Events), &list); err != nil {
		return nil, fmt.Errorf("read event configurations: %w", err)
	}
	return list, nil
}

// LoggingUpdate is what an owner asks to change of the newer logging options:
// what is nil stays as it is.
type LoggingUpdate struct {
	Role, Level *string
	DisableAll  bool // false when not given: AWS IoT's default
	Events      []LogEvent
}

// Update makes the newer options what the owner asks. Logs need a role to be
// written with, unless they are all disabled; a type of event stands once in
// the list. The fault is Invalid.
func (l *LoggingOptions) Update(u LoggingUpdate) error {
	next := *l
	next.Configured, next.DisableAll = true, u.DisableAll
	if u.Role != nil {
		next.Role = *u.Role
	}
	if u.Level != nil {
		next.Level = *u.Level
	}
	if next.Role == "" && !next.DisableAll {
		return fault.New(fault.Invalid, "roleArn is needed unless disableAllLogs is true")
	}
	if u.Events != nil {
		events, err := encodeEvents(u.Events)
		if err != nil {
			return err
		}
		next.Events = events
	}
	*l = next
	return nil
}

func encodeEvents(list []LogEvent) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	seen := make(map[string]bool, len(list))
	for _, e := range list {
		if seen[e.Type] {
			return "", fault.New(fault.Invalid, "the event type %q stands twice in eventConfigurations", e.Type)
		}
		seen[e.Type] = true
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("store event configurations: %w", err)
	}
	return string(b), nil
}
