package fleet_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestLoggingEnabled(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options fleet.LoggingOptions
		want    bool
	}{
		{"nothing was set", fleet.LoggingOptions{}, false},
		{"the newer form logs", fleet.LoggingOptions{Configured: true, Role: "r", Level: "INFO"}, true},
		{"the newer form is disabled as a whole",
			fleet.LoggingOptions{Configured: true, Role: "r", Level: "INFO", DisableAll: true}, false},
		{"the newer form is at level DISABLED", fleet.LoggingOptions{Configured: true, Role: "r", Level: "DISABLED"}, false},
		{"the older form logs", fleet.LoggingOptions{V1Role: "r", V1Level: "ERROR"}, true},
		{"the older form is at level DISABLED", fleet.LoggingOptions{V1Role: "r", V1Level: "DISABLED"}, false},
		{"the older form logs beside the disabled newer one",
			fleet.LoggingOptions{V1Role: "r", V1Level: "ERROR", Configured: true, DisableAll: true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.options.Enabled(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLoggingUpdate(t *testing.T) {
	before := fleet.LoggingOptions{V1Role: "old", Configured: true, Role: "r", Level: "INFO", DisableAll: true,
		Events: `[{"eventType":"E"}]`}
	event := func(types ...string) (list []fleet.LogEvent) {
		for _, t := range types {
			list = append(list, fleet.LogEvent{Type: t, Level: "WARN", Destination: "d"})
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		old    fleet.LoggingOptions
		update fleet.LoggingUpdate
		want   fleet.LoggingOptions
		code   fault.Code
	}{
		{"a first role and level", fleet.LoggingOptions{}, fleet.LoggingUpdate{Role: new("r"), Level: new("WARN")},
			fleet.LoggingOptions{Configured: true, Role: "r", Level: "WARN"}, ""},
		{"no role is needed to disable all logs", fleet.LoggingOptions{}, fleet.LoggingUpdate{DisableAll: true},
			fleet.LoggingOptions{Configured: true, DisableAll: true}, ""},
		{"a role is needed otherwise", fleet.LoggingOptions{}, fleet.LoggingUpdate{Level: new("WARN")},
			fleet.LoggingOptions{}, fault.Invalid},
		{"what is not given stays, but for disableAllLogs", before, fleet.LoggingUpdate{Level: new("ERROR")},
			fleet.LoggingOptions{V1Role: "old", Configured: true, Role: "r", Level: "ERROR", Events: before.Events}, ""},
		{"events are replaced", before, fleet.LoggingUpdate{Events: event("A")}, fleet.LoggingOptions{
			V1Role: "old", Configured: true, Role: "r", Level: "INFO",
			Events: `[{"eventType":"A","logLevel":"WARN","logDestination":"d"}]`}, ""},
		{"an empty list removes them", before, fleet.LoggingUpdate{Events: []fleet.LogEvent{}},
			fleet.LoggingOptions{V1Role: "old", Configured: true, Role: "r", Level: "INFO"}, ""},
		{"an event type stands once", before, fleet.LoggingUpdate{Events: event("A", "B", "A")}, before, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.old
			if err := got.Update(tt.update); code(t, err) != tt.code {
				t.Fatalf("got %v, want %q", err, tt.code)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestEventListIsWhatWasGiven(t *testing.T) {
	want := []fleet.LogEvent{{Type: "B", Level: "INFO"}, {Type: "A", Destination: "d"}}
	var l fleet.LoggingOptions
	if err := l.Update(fleet.LoggingUpdate{Role: new("r"), Events: want}); err != nil {
		t.Fatal(err)
	}
	if got, err := l.EventList(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := (&fleet.LoggingOptions{Events: "{"}).EventList(); err == nil {
		t.Errorf("got %+v for a damaged row, want an error", got)
	}
}

func TestTargetsOfLogs(t *testing.T) {
	for _, tt := range []struct {
		name         string
		kind, target string
		want         string
		code         fault.Code
	}{
		{"the default has no name", "DEFAULT", "", "", ""},
		{"the default with a name is refused", "DEFAULT", "x", "", fault.Invalid},
		{"a client needs a name", "CLIENT_ID", "", "", fault.Invalid},
		{"a client may have any", "CLIENT_ID", "a b/ü", "a b/ü", ""},
		{"a name is not endless", "PRINCIPAL_ID", strings.Repeat("a", 257), "", fault.Invalid},
		{"an address is written in one way", "SOURCE_IP", "2001:DB8:0::1", "2001:db8::1", ""},
		{"an address has no zone", "SOURCE_IP", "fe80::1%eth0", "", fault.Invalid},
		{"a range is no address", "SOURCE_IP", "10.0.0.0/8", "", fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fleet.ParseLogTarget(tt.kind, tt.target)
			if code(t, err) != tt.code || err == nil && got.Name != tt.want {
				t.Errorf("got %+v, %v, want %q, %q", got, err, tt.want, tt.code)
			}
		})
	}
}
