package fleet

import (
	"encoding/json"
	"fmt"
	"net/netip"

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

// LogTargetType is what a level of logs is for, equal to the wire value.
type LogTargetType string

// The types of targets.
const (
	LogDefault   LogTargetType = "DEFAULT"
	LogGroup     LogTargetType = "THING_GROUP"
	LogClientID  LogTargetType = "CLIENT_ID"
	LogSourceIP  LogTargetType = "SOURCE_IP"
	LogPrincipal LogTargetType = "PRINCIPAL_ID"
)

// LogTarget is what a level of logs is for: everything, or one name of a type.
type LogTarget struct {
	Type LogTargetType `json:"t"`
	Name string        `json:"n"` // "" for the default
}

// maxLogTarget is how many bytes the name of a target has at most. It is a
// limit of our own.
const maxLogTarget = 256

// ParseLogTarget reads a target. The default has no name, every other has one,
// and that of a source is an IP address. The fault is Invalid.
func ParseLogTarget(kind, name string) (LogTarget, error) {
	t := LogTarget{Type: LogTargetType(kind), Name: name}
	switch {
	case t.Type == LogDefault && name != "":
		return t, fault.New(fault.Invalid, "a target of type DEFAULT has no targetName")
	case t.Type != LogDefault && name == "":
		return t, fault.New(fault.Invalid, "targetName must be given for a target of type %s", kind)
	case len(name) > maxLogTarget:
		return t, fault.New(fault.Invalid, "targetName must have at most %d bytes", maxLogTarget)
	case t.Type == LogSourceIP:
		ip, err := netip.ParseAddr(name)
		if err != nil || ip.Zone() != "" {
			return t, fault.New(fault.Invalid, "targetName %.64q is not an IP address", name)
		}
		t.Name = ip.String()
	}
	return t, nil
}

// LogLevel is the level of logs for one target.
type LogLevel struct {
	LogTarget
	Level string
}

// LogLevelPage asks for levels: the default first, the others by type and name.
type LogLevelPage struct {
	Type  LogTargetType // "" for all
	After LogTarget     // the target that the page is behind, zero for the first page
	Limit int
}

// SetDefault makes a level that of everything without a level of its own.
// Options that were never made are a NotConfigured fault.
func (l *LoggingOptions) SetDefault(level string) error {
	if err := l.Need(); err != nil {
		return err
	}
	l.Level = level
	return nil
}

// Need returns a NotConfigured fault for options of the newer form that were
// never made.
func (l *LoggingOptions) Need() error {
	if !l.Configured {
		return fault.New(fault.NotConfigured, "The logging options of this account are not configured")
	}
	return nil
}
