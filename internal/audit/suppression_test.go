package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

func TestTheEndOfASuppression(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	later, yes, no := now.Add(time.Hour), true, false
	text := "expected"
	for _, tt := range []struct {
		name    string
		change  SuppressionChange
		fresh   string // a part of the refusal to create, "" for none
		dated   string // the same for a change of one that has an end
		endless string // and of one that has none
	}{
		{"a date in the future is taken", SuppressionChange{Until: &later}, "", "", ""},
		{"no end is taken", SuppressionChange{Indefinitely: &yes}, "", "", ""},
		{"a date and no are taken", SuppressionChange{Until: &later, Indefinitely: &no}, "", "", ""},
		{"both are refused", SuppressionChange{Until: &later, Indefinitely: &yes}, "exclude", "exclude", "exclude"},
		{"neither is no suppression", SuppressionChange{Description: &text}, "either expirationDate", "", ""},
		{"no alone takes the end from nobody", SuppressionChange{Indefinitely: &no}, "either expirationDate", "",
			"expirationDate must be given"},
		{"now is not in the future", SuppressionChange{Until: &now}, "in the future", "in the future", "in the future"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewSuppression(SuppressionKey{Check: "FIRST", Key: "a"}, tt.change, "token", now)
			refused(t, err, tt.fresh)
			refused(t, (&Suppression{Expires: later}).Change(tt.change, now), tt.dated)
			refused(t, (&Suppression{}).Change(tt.change, now), tt.endless)
		})
	}
}

func refused(t *testing.T, err error, text string) {
	t.Helper()
	switch {
	case text == "" && err != nil:
		t.Errorf("got %v, want no refusal", err)
	case text != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), text)):
		t.Errorf("got %v, want an Invalid fault that says %q", err, text)
	}
}

func TestWhatAChangeOfASuppressionLeaves(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	end, empty, yes := now.Add(time.Hour), "", true
	s := &Suppression{Expires: end, Description: "old"}
	if err := s.Change(SuppressionChange{}, now); err != nil || !s.Expires.Equal(end) || s.Description != "old" {
		t.Errorf("nothing asked: got %+v, %v", s, err)
	}
	if err := s.Change(SuppressionChange{Description: &empty}, now); err != nil || !s.Expires.Equal(end) ||
		s.Description != "" {
		t.Errorf("no description: got %+v, %v", s, err)
	}
	if err := s.Change(SuppressionChange{Indefinitely: &yes}, now); err != nil || !s.Expires.IsZero() {
		t.Errorf("no end: got %+v, %v", s, err)
	}
}

func TestCallsThatRepeatASuppression(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	yes, text := true, "another"
	create := func(key, token string, c SuppressionChange) *Suppression {
		s, err := NewSuppression(SuppressionKey{Check: "FIRST", Key: key}, c, token, now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := create("a", "t", SuppressionChange{Indefinitely: &yes})
	for name, tt := range map[string]struct {
		s    *Suppression
		want string // a part of the refusal
	}{
		"the same call": {create("a", "t", SuppressionChange{Indefinitely: &yes}), ""},
		"another token": {create("a", "u", SuppressionChange{Indefinitely: &yes}), "suppressed already"},
		"another content": {create("a", "t", SuppressionChange{Indefinitely: &yes, Description: &text}),
			"clientRequestToken"},
		"the token of other": {create("b", "t", SuppressionChange{Indefinitely: &yes}), "clientRequestToken"},
	} {
		err := tt.s.Repeats(old)
		if tt.want == "" && err != nil ||
			tt.want != "" && (!fault.Is(err, fault.Exists) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// Suppressed findings are found and counted, but neither decide the verdict nor
// are part of the target of a mitigation. A resource counts once.
func TestTheVerdictOverSuppressedFindings(t *testing.T) {
	for _, tt := range []struct {
		name       string
		suppressed []string // ids of CA certificates
		want       CheckState
	}{
		{"none is suppressed", nil,
			CheckState{Status: CheckNonCompliant, NonCompliant: 2, Reasons: map[string]int64{"A": 2, "B": 2}}},
		{"one of two is suppressed", []string{"one"},
			CheckState{Status: CheckNonCompliant, NonCompliant: 2, Suppressed: 1, Reasons: map[string]int64{"A": 1, "B": 1}}},
		{"all are suppressed", []string{"one", "two"},
			CheckState{Status: CheckCompliant, NonCompliant: 2, Suppressed: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			twice := &Check{Name: "TWICE", CA: func(Env, *fleet.CACertificate) []Violation {
				return []Violation{{Code: "A"}, {Code: "B"}}
			}}
			task := &Task{
				ID: strings.Repeat("a", 32), Checks: []string{"TWICE"}, Pass: int(caPass),
				States: map[string]*CheckState{"TWICE": {Status: CheckInProgress}},
			}
			s := (&Engine{Checks: Checks{twice}, Now: time.Now}).newSlice(task)
			s.ca(&fleet.CACertificate{ID: "one", Seq: 1})
			s.ca(&fleet.CACertificate{ID: "two", Seq: 2})
			if got := strings.Join(s.suspects()["TWICE"], " "); got != "one two" {
				t.Errorf("got suspects %s, want each resource once", got)
			}
			set := map[string]bool{}
			for _, id := range tt.suppressed {
				set[id] = true
			}
			s.settle(map[string]map[string]bool{"TWICE": set})
			s.completePass()
			got := task.States["TWICE"]
			if got.Status != tt.want.Status || got.NonCompliant != tt.want.NonCompliant ||
				got.Suppressed != tt.want.Suppressed || got.Reasons["A"] != tt.want.Reasons["A"] ||
				got.Reasons["B"] != tt.want.Reasons["B"] {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			for _, f := range s.findings {
				if f.Suppressed != set[f.Resource.Key] {
					t.Errorf("finding %d about %s: got suppressed %t", f.N, f.Resource.Key, f.Suppressed)
				}
			}
		})
	}
}
