package fleet_test

import (
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

func TestParseVersionID(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64 // 0 when there cannot be one
	}{
		{"1", 1}, {"120", 120}, {"0", 0}, {"01", 0}, {"-1", 0}, {"", 0}, {"99999999999999999999", 0}, {"v1", 0},
	} {
		got, err := fleet.ParseVersionID("p", tt.text)
		if got != tt.want || (tt.want == 0) != fault.Is(err, fault.NotFound) {
			t.Errorf("%q: got %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
}

func TestNewPolicyDraft(t *testing.T) {
	d, err := fleet.NewPolicyDraft("p", policy.Blank, now)
	if err != nil || d.Text != policy.Blank || !d.Document.IsBlank() || d.Policy != "p" || d.Generation == "" {
		t.Errorf("got %+v, %v, want the blank document", d, err)
	}
	if _, err := fleet.NewPolicyDraft("p", "{", now); code(t, err) != fault.MalformedPolicy {
		t.Errorf("got %v, want a malformed policy", err)
	}
}

func TestPolicyRules(t *testing.T) {
	p := fleet.Policy{Name: "p", Default: 2, Versions: 5}
	if got := code(t, p.MayGrow()); got != fault.VersionsLimit {
		t.Errorf("a sixth version: got %q, want %q", got, fault.VersionsLimit)
	}
	if err := (&fleet.Policy{Versions: 4}).MayGrow(); err != nil {
		t.Errorf("a fifth version: got %v, want none", err)
	}
	if got := code(t, p.VersionDeletable(2)); got != fault.Invalid {
		t.Errorf("the default: got %q, want %q", got, fault.Invalid)
	}
	if err := p.VersionDeletable(1); err != nil {
		t.Errorf("another than the default: got %v, want none", err)
	}
	for _, tt := range []struct {
		name     string
		versions int
		attached bool
		want     fault.Code
	}{
		{"one that is not used", 1, false, ""},
		{"one that is attached", 1, true, fault.DeleteConflict},
		{"one with more versions", 2, false, fault.DeleteConflict},
	} {
		if got := code(t, (&fleet.Policy{Versions: tt.versions}).Deletable(tt.attached)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       string
		code       fault.Code
	}{
		{"a certificate", "arn:aws:iot:eu-central-1:111111111111:cert/ab", "cert/ab", ""},
		{"a thing group", "arn:aws:iot:eu-central-1:111111111111:thinggroup/a:b", "thinggroup/a:b", ""},
		{"a thing", "arn:aws:iot:eu-central-1:111111111111:thing/t", "", fault.Invalid},
		{"another account's certificate", "arn:aws:iot:eu-central-1:222222222222:cert/ab", "", fault.NotFound},
		{"a Cognito identity", "eu-central-1:0ccadf3c-9a0e-4d5c-8f2e-0e3f1c1e9b3a", "", fault.Unsupported},
		{"no name", "arn:aws:iot:eu-central-1:111111111111:cert/", "", fault.Invalid},
		{"another service", "arn:aws:iam::111111111111:role/r", "", fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fleet.ParseTarget(home, tt.text)
			if code(t, err) != tt.code {
				t.Fatalf("got %v, want %q", err, tt.code)
			}
			if err == nil && got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTargetMayCarry(t *testing.T) {
	for _, tt := range []struct {
		kind fleet.TargetKind
		most int
	}{{fleet.TargetCertificate, 10}, {fleet.TargetGroup, 2}} {
		target := fleet.Target{Kind: tt.kind, Name: "x"}
		if err := target.MayCarry(tt.most - 1); err != nil {
			t.Errorf("%s: got %v for policy %d, want none", tt.kind, err, tt.most)
		}
		if got := code(t, target.MayCarry(tt.most)); got != fault.Limit {
			t.Errorf("%s: got %q for policy %d, want %q", tt.kind, got, tt.most+1, fault.Limit)
		}
	}
}
