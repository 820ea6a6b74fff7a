package check

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// Every check of the list has a file of its own, named after it, and exactly
// one rule.
func TestTheListAndTheFilesAgree(t *testing.T) {
	for _, c := range All {
		name := strings.ToLower(strings.TrimSuffix(c.Name, "_CHECK"))
		if _, err := os.Stat(name + ".go"); err != nil {
			t.Errorf("%s has no file %s.go", c.Name, name)
		}
		rules := 0
		for _, set := range []bool{c.Account != nil, c.CA != nil, c.Certificate != nil, c.Issuer != nil, c.Policy != nil,
			c.Client != nil, c.Pool != nil, c.RoleAlias != nil} {
			if set {
				rules++
			}
		}
		if rules != 1 {
			t.Errorf("%s: got %d rules, want 1", c.Name, rules)
		}
		published := c.Client != nil || c.Pool != nil || c.RoleAlias != nil
		if c.Doc == "" || c.Severity == "" || (len(c.Actions) == 0) != published {
			t.Errorf("%s lacks a doc, a severity or actions, or has some where findings can only be published", c.Name)
		}
	}
	if len(All) != 17 {
		t.Errorf("got %d checks, want the 17 of AWS", len(All))
	}
	if All.Named("LOGGING_DISABLED_CHECK") != &loggingDisabled || All.Named("NO_SUCH_CHECK") != nil {
		t.Error("checks are not found by name")
	}
}

// codes are the reason codes of violations, in order.
func codes(list []audit.Violation) string {
	var out []string
	for _, v := range list {
		out = append(out, v.Code)
	}
	return strings.Join(out, " ")
}

func env(option, days string) audit.Env {
	e := audit.Env{Now: now}
	if option == "" {
		return e
	}
	return e.WithSettings(map[string]string{option: days})
}

func TestCertificatesNearOrPastTheirEnd(t *testing.T) {
	const past, near = "CERTIFICATE_PAST_EXPIRATION", "CERTIFICATE_APPROACHING_EXPIRATION"
	for _, tt := range []struct {
		name     string
		notAfter time.Time
		days     string
		want     string
	}{
		{"far from its end passes", now.Add(31 * day), "", ""},
		{"at exactly the threshold is near", now.Add(30 * day), "", near},
		{"a millisecond beyond the threshold passes", now.Add(30*day + time.Millisecond), "", ""},
		{"ending this instant is not yet past", now, "", near},
		{"a millisecond ago is past", now.Add(-time.Millisecond), "", past},
		{"within the account's longer threshold is near", now.Add(300 * day), "365", near},
		{"an unreadable threshold counts as the default", now.Add(300 * day), "soon", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := env("CERT_EXPIRATION_THRESHOLD_IN_DAYS", tt.days)
			got := deviceCertificateExpiring.Certificate(e, &fleet.Certificate{NotAfter: tt.notAfter})
			if codes(got) != tt.want {
				t.Errorf("device: got %q, want %q", codes(got), tt.want)
			}
			if len(got) > 0 && got[0].Info["EXPIRATION_TIME"] == "" {
				t.Error("the finding does not say when it expires")
			}
			if tt.days != "" {
				return
			}
			if got := caCertificateExpiring.CA(e, &fleet.CACertificate{NotAfter: tt.notAfter}); codes(got) != tt.want {
				t.Errorf("CA: got %q, want %q", codes(got), tt.want)
			}
		})
	}
}

func TestTheThresholdOfCACertificatesIsFixed(t *testing.T) {
	c := &fleet.CACertificate{NotAfter: now.Add(100 * day)}
	if got := caCertificateExpiring.CA(env("CERT_EXPIRATION_THRESHOLD_IN_DAYS", "365"), c); got != nil {
		t.Errorf("got %q, want nothing", codes(got))
	}
}

func TestOldCertificates(t *testing.T) {
	for _, tt := range []struct {
		name string
		age  time.Duration
		days string
		want string
	}{
		{"younger than a year passes", 365*day - time.Millisecond, "", ""},
		{"a year old does not", 365 * day, "", "CERTIFICATE_PAST_AGE_THRESHOLD"},
		{"the account's threshold counts", 31 * day, "31", "CERTIFICATE_PAST_AGE_THRESHOLD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &fleet.Certificate{Created: now.Add(-tt.age)}
			if got := codes(deviceCertificateAge.Certificate(env("CERT_AGE_THRESHOLD_IN_DAYS", tt.days), c)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// listed is a list of one weak key.
type listed string

func (l listed) Weak(k fleet.Key) bool { return k.DebianDigest == string(l) }

func TestWeakKeys(t *testing.T) {
	for _, tt := range []struct {
		name string
		key  fleet.Key
		list audit.WeakKeys
		want string
	}{
		{"a sound key passes", fleet.Key{DebianDigest: "b"}, listed("a"), ""},
		{"a ROCA key does not", fleet.Key{ROCA: true}, nil, codeROCA},
		{"a listed key does not", fleet.Key{DebianDigest: "a"}, listed("a"), codeDebian},
		{"without a list a listed key passes", fleet.Key{DebianDigest: "a"}, nil, ""},
		{"both are two reasons", fleet.Key{ROCA: true, DebianDigest: "a"}, listed("a"), codeROCA + " " + codeDebian},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := audit.Env{Now: now, WeakKeys: tt.list}
			device := deviceCertificateKeyQuality.Certificate(e, &fleet.Certificate{Key: tt.key})
			ca := caCertificateKeyQuality.CA(e, &fleet.CACertificate{Key: tt.key})
			if codes(device) != tt.want || codes(ca) != tt.want {
				t.Errorf("got %q and %q, want %q", codes(device), codes(ca), tt.want)
			}
		})
	}
}

func TestACheckSaysWhatItCannotTest(t *testing.T) {
	for _, c := range []*audit.Check{&deviceCertificateKeyQuality, &caCertificateKeyQuality} {
		if got := c.Untested(audit.Env{}); !strings.Contains(got, "CVE-2008-0166 was not tested") {
			t.Errorf("%s without a list: got %q", c.Name, got)
		}
		if got := c.Untested(audit.Env{WeakKeys: listed("")}); got != "" {
			t.Errorf("%s with a list: got %q, want nothing", c.Name, got)
		}
	}
}

func TestOnlyCertificatesInUseAreJudged(t *testing.T) {
	for status, want := range map[fleet.Status]bool{
		fleet.Active: true, fleet.PendingTransfer: true, fleet.Inactive: false, fleet.Revoked: false,
		fleet.PendingActivation: false, fleet.RegisterInactive: false,
	} {
		if got := inUse(&fleet.Certificate{Status: status}); got != want {
			t.Errorf("%s: got %t, want %t", status, got, want)
		}
	}
	if caInUse(&fleet.CACertificate{Status: fleet.Inactive}) || !caInUse(&fleet.CACertificate{Status: fleet.Active}) {
		t.Error("CA certificates in use are not those that are ACTIVE")
	}
}

func TestPolicies(t *testing.T) {
	version := &fleet.PolicyVersion{Broad: []string{"iot:Connect", "iot:Publish"}}
	broad := policyOverlyPermissive.Policy(audit.Env{}, version)
	const text = "Policy allows broad access to IoT data plane actions: [iot:Connect, iot:Publish]."
	if len(broad) != 1 || broad[0].Text != text {
		t.Errorf("got %+v", broad)
	}
	if got := policyOverlyPermissive.Policy(audit.Env{}, &fleet.PolicyVersion{DenyBypass: true}); got != nil {
		t.Errorf("got %q, want nothing", codes(got))
	}
	version = &fleet.PolicyVersion{DenyWildcards: true, DenyBypass: true}
	both := policyPotentialMisconfiguration.Policy(audit.Env{}, version)
	want := "POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS"
	if codes(both) != want {
		t.Errorf("got %q, want %q", codes(both), want)
	}
	if got := policyPotentialMisconfiguration.Policy(audit.Env{}, &fleet.PolicyVersion{Broad: []string{"x"}}); got != nil {
		t.Errorf("got %q, want nothing", codes(got))
	}
}

func TestLogging(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts fleet.LoggingOptions
		want string
	}{
		{"never set is disabled", fleet.LoggingOptions{}, "LOGGING_DISABLED"},
		{"V2 with role and level logs", fleet.LoggingOptions{Configured: true, Role: "r", Level: "INFO"}, ""},
		{"V2 without a role does not", fleet.LoggingOptions{Configured: true, Level: "INFO"}, "LOGGING_DISABLED"},
		{"V2 at level DISABLED does not", fleet.LoggingOptions{Configured: true, Role: "r", Level: "DISABLED"},
			"LOGGING_DISABLED"},
		{"V2 switched off does not", fleet.LoggingOptions{Configured: true, Role: "r", Level: "INFO", DisableAll: true},
			"LOGGING_DISABLED"},
		{"V1 alone logs", fleet.LoggingOptions{V1Role: "r", V1Level: "ERROR"}, ""},
		{"V1 at level DISABLED does not", fleet.LoggingOptions{V1Role: "r", V1Level: "DISABLED"}, "LOGGING_DISABLED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := codes(loggingDisabled.Account(audit.Env{}, &tt.opts)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
