package audit

import (
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestFindingIDs(t *testing.T) {
	const task = "0123456789abcdef0123456789abcdef"
	id := FindingID(FindingPrefix(task), 1_000_000)
	if want := "0123456789abcdef01230000000f4240"; id != want {
		t.Fatalf("got %s, want %s", id, want)
	}
	prefix, n, ok := ParseFindingID(id)
	if prefix != FindingPrefix(task) || n != 1_000_000 || !ok {
		t.Errorf("got %s, %d, %t", prefix, n, ok)
	}
	for name, id := range map[string]string{
		"too short":       strings.Repeat("0", 31),
		"too long":        strings.Repeat("1", 33),
		"upper case":      "0123456789ABCDEF01230000000f4240",
		"no number":       "0123456789abcdef0123-00000000001",
		"a sign":          "0123456789abcdef0123+00000000001",
		"number zero":     "0123456789abcdef0123000000000000",
		"another service": "432728eb-0000-0000-0000-00000000",
	} {
		if _, n, ok := ParseFindingID(id); ok {
			t.Errorf("%s: got %d, want none", name, n)
		}
	}
}

var (
	days   = Option{Name: "DAYS", Min: 30, Max: 90, Default: 30}
	first  = &Check{Name: "FIRST", Options: []Option{days}, Actions: []ActionType{UpdateDeviceCertificate}}
	second = &Check{Name: "SECOND"}
	known  = Checks{first, second}
)

func TestPatchesOfTheConfiguration(t *testing.T) {
	full := &Configuration{RoleARN: "role", Checks: map[string]CheckConfiguration{
		"FIRST": {Enabled: true, Settings: map[string]string{"DAYS": "40"}},
	}}
	for _, tt := range []struct {
		name  string
		have  *Configuration
		patch Patch
		want  string // a part of the refusal, "" for none
	}{
		{"the first needs a role", nil, Patch{Checks: map[string]CheckConfiguration{"FIRST": {Enabled: true}}},
			"roleArn must be given"},
		{"the first needs an enabled check", nil, Patch{RoleARN: "r", Checks: map[string]CheckConfiguration{
			"FIRST": {Enabled: false},
		}}, "enable at least one"},
		{"the first with both is taken", nil, Patch{RoleARN: "r", Checks: map[string]CheckConfiguration{
			"FIRST": {Enabled: true},
		}}, ""},
		{"an unknown check is refused by name", full, Patch{Checks: map[string]CheckConfiguration{"THIRD": {}}}, `"THIRD"`},
		{"a setting that the check has not is refused", full, Patch{Checks: map[string]CheckConfiguration{
			"SECOND": {Settings: map[string]string{"DAYS": "40"}},
		}}, "SECOND takes no configuration DAYS"},
		{"too few days are refused", full, Patch{Checks: map[string]CheckConfiguration{
			"FIRST": {Settings: map[string]string{"DAYS": "29"}},
		}}, "from 30 to 90"},
		{"too many days are refused", full, Patch{Checks: map[string]CheckConfiguration{
			"FIRST": {Settings: map[string]string{"DAYS": "91"}},
		}}, "from 30 to 90"},
		{"days that are no number are refused", full, Patch{Checks: map[string]CheckConfiguration{
			"FIRST": {Settings: map[string]string{"DAYS": "+40"}},
		}}, "whole number"},
		{"all checks of one that exists may be switched off", full, Patch{Checks: map[string]CheckConfiguration{
			"FIRST": {Enabled: false},
		}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.have.Apply(tt.patch, known)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case tt.want != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an Invalid fault that says %q", err, tt.want)
			}
		})
	}
}

func TestWhatAPatchDoesNotNameStays(t *testing.T) {
	have := &Configuration{RoleARN: "role", Checks: map[string]CheckConfiguration{
		"FIRST": {Enabled: true, Settings: map[string]string{"DAYS": "40"}},
	}}
	got, err := have.Apply(Patch{Checks: map[string]CheckConfiguration{"SECOND": {Enabled: true}}}, known)
	if err != nil {
		t.Fatal(err)
	}
	if got.RoleARN != "role" || !got.Enabled("FIRST") || !got.Enabled("SECOND") ||
		got.Checks["FIRST"].Settings["DAYS"] != "40" {
		t.Errorf("got %+v", got)
	}
	if have.Enabled("SECOND") {
		t.Error("the old configuration changed too")
	}
	got, err = have.Apply(Patch{Checks: map[string]CheckConfiguration{"FIRST": {Enabled: false}}}, known)
	if err != nil || got.Checks["FIRST"].Settings["DAYS"] != "40" {
		t.Errorf("switched off: got %+v, %v, want the setting kept", got, err)
	}
}

func TestActionsThatSuitACheck(t *testing.T) {
	for action, want := range map[ActionType]bool{
		UpdateDeviceCertificate: true, PublishFindingToSNS: true, EnableIoTLogging: false,
	} {
		if got := first.Supports(action); got != want {
			t.Errorf("%s: got %t, want %t", action, got, want)
		}
	}
}

// A resource is counted once, however many reasons there are, and makes a
// finding of each.
func TestTwoReasonsOfOneResource(t *testing.T) {
	task := &Task{
		Seq: 7, ID: strings.Repeat("a", 32), Checks: []string{"BOTH"}, Scope: fleet.Scope{Account: "1"},
		States: map[string]*CheckState{"BOTH": {Status: CheckInProgress}},
	}
	both := &Check{Name: "BOTH", Severity: High, Account: func(Env, *fleet.LoggingOptions) []Violation {
		return []Violation{{Code: "A"}, {Code: "B"}}
	}}
	s := (&Engine{Checks: Checks{both}, Now: task.Started.Local}).newSlice(task)
	s.account(&fleet.LoggingOptions{})
	s.settle(nil)
	s.completePass()
	state := task.States["BOTH"]
	if state.Total != 1 || state.NonCompliant != 1 || state.Reasons["A"] != 1 || state.Reasons["B"] != 1 {
		t.Errorf("got %+v", state)
	}
	if state.Status != CheckNonCompliant || len(s.findings) != 2 || s.findings[1].N != 2 {
		t.Errorf("got %s and %+v", state.Status, s.findings)
	}
}

func TestWhatACancelLeaves(t *testing.T) {
	task := &Task{States: map[string]*CheckState{"DONE": {Status: CheckCompliant}, "OPEN": {Status: CheckInProgress}}}
	task.Cancel(task.Started)
	if task.Status != TaskCanceled || task.States["DONE"].Status != CheckCompliant ||
		task.States["OPEN"].Status != CheckCanceled {
		t.Errorf("got %s, %s, %s", task.Status, task.States["DONE"].Status, task.States["OPEN"].Status)
	}
}
