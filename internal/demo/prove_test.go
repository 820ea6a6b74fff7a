package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/policy"
)

// registered returns a fleet as if it had been registered.
func registered() *fleet {
	f := newFleet(MinDevices)
	for i := range f.devices {
		f.devices[i].certificate = "certificate of " + f.devices[i].thing
	}
	f.current.id, f.legacy.id = "current", "legacy"
	return f
}

// asItShouldBe is what is read back of a fleet that was mitigated.
func asItShouldBe(f *fleet) *observed {
	o := &observed{
		found: f.planted(), left: f.remaining(), status: "COMPLETED",
		succeeded:    int64(len(f.planted()) - len(f.remaining())),
		certificates: map[string]string{}, cas: map[string]string{"current": "ACTIVE", "legacy": "INACTIVE"},
		quarantined: things(f.with(weak, expired)), blank: []string{"building", "shadow-writer", "first-prototype"},
		unchanged: []string{"gateway", "sensor"}, logging: "WARN " + loggingRole,
	}
	for _, v := range f.devices {
		o.certificates[v.certificate] = "ACTIVE"
	}
	for _, v := range f.with(weak, expired) {
		o.certificates[v.certificate] = "INACTIVE"
	}
	for i := range f.devices {
		switch d := &f.devices[i]; {
		case d.condition == expired:
			o.refusedAtFirst = append(o.refusedAtFirst, d.thing)
		case d.keeps():
			o.heard = append(o.heard, d.thing)
		default:
			o.lost, o.refusedAgain = append(o.lost, d.thing), append(o.refusedAgain, d.thing)
		}
	}
	return o
}

func TestEveryDeviationFailsItsProof(t *testing.T) {
	sick, well := registered().with(expired)[0], registered().with(sound)[0]
	for _, tt := range []struct {
		name   string
		spoil  func(o *observed)
		claim  string // beginning, "" for none that fails
		detail string
	}{
		{"nothing is wrong", func(*observed) {}, "", ""},
		{"a fault was overlooked", func(o *observed) { o.found = o.found[1:] }, "The audit found", "1 missing"},
		{"a fault was invented", func(o *observed) { o.found = append(o.found, fault{loggingOff, "x"}) },
			"The audit found", "1 too many"},
		{"a fault was found twice", func(o *observed) { o.found = append(o.found, o.found[0]) },
			"The audit found", "some twice"},
		{"the task has failed", func(o *observed) { o.status = "FAILED" }, "The task", "FAILED"},
		{"a finding was not mitigated", func(o *observed) { o.failed = 1 }, "The task", "1 not"},
		{"too few were mitigated", func(o *observed) { o.succeeded-- }, "The task", "COMPLETED"},
		{"a bad certificate is still active", func(o *observed) { o.certificates[sick.certificate] = "ACTIVE" },
			"2 certificates", sick.certificate + " INACTIVE"},
		{"a good certificate was deactivated", func(o *observed) { o.certificates[well.certificate] = "INACTIVE" },
			"2 certificates", well.certificate + " ACTIVE"},
		{"a certificate has gone", func(o *observed) { delete(o.certificates, well.certificate) },
			"2 certificates", "1 missing"},
		{"a thing is not in quarantine", func(o *observed) { o.quarantined = nil }, "Their 2 things", "2 missing"},
		{"a wrong thing is in quarantine", func(o *observed) { o.quarantined = append(o.quarantined, well.thing) },
			"Their 2 things", well.thing},
		{"a policy still grants", func(o *observed) { o.blank = o.blank[1:] }, "3 policies", "building"},
		{"a good policy was changed", func(o *observed) { o.unchanged = o.unchanged[1:] }, "3 policies", "gateway"},
		{"the CA is still active", func(o *observed) { o.cas["legacy"] = "ACTIVE" }, "The CA", "legacy INACTIVE"},
		{"logging is off", func(o *observed) { o.logging = "switched off" }, "Logging", "switched off"},
		{"a fault is left", func(o *observed) { o.left = append(o.left, fault{loggingOff, account}) },
			"The second audit", loggingOff},
		{"an expired certificate was let in", func(o *observed) { o.refusedAtFirst = nil }, "1 devices with expired",
			"1 missing"},
		{"a device is still connected", func(o *observed) { o.lost = o.lost[1:] }, "4 connected devices", "1 missing"},
		{"a dropped device came back", func(o *observed) { o.refusedAgain = o.refusedAgain[1:] }, "4 connected devices",
			"1 missing"},
		{"a good device was dropped", func(o *observed) { o.lost = append(o.lost, well.thing) }, "4 connected devices",
			well.thing},
		{"a good device is not heard", func(o *observed) { o.heard = o.heard[1:] }, "The other 15", "1 missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := registered()
			o := asItShouldBe(f)
			tt.spoil(o)
			proofs := judge(f, o)
			failed := slices.DeleteFunc(slices.Clone(proofs), func(p proof) bool { return p.Holds })
			if tt.claim == "" {
				if len(failed) > 0 || len(proofs) != 11 {
					t.Errorf("got %+v failed of %d, want none of 11", failed, len(proofs))
				}
				return
			}
			if len(failed) != 1 || !strings.HasPrefix(failed[0].Claim, tt.claim) ||
				!strings.Contains(failed[0].Detail, tt.detail) {
				t.Errorf("got %+v, want %q to fail with %q", failed, tt.claim, tt.detail)
			}
		})
	}
}

func TestAFleetOfAnySizeHasEveryFault(t *testing.T) {
	for _, n := range []int{MinDevices, DefaultDevices, MaxDevices} {
		f := newFleet(n)
		total := 0
		for _, c := range []condition{sound, expiring, expired, weak} {
			k := len(f.with(c))
			if k == 0 || c == weak && k > maxWeak {
				t.Errorf("%d devices: got %d in condition %d", n, k, c)
			}
			total += k
		}
		if total != n {
			t.Errorf("got %d devices, want %d", total, n)
		}
		used := map[string]bool{}
		for _, v := range f.devices {
			used[v.policy] = true
		}
		if len(used) != len(policies) {
			t.Errorf("%d devices: got the policies %v, want all %d", n, used, len(policies))
		}
	}
}

func TestPoliciesOffendWhatTheyShould(t *testing.T) {
	for _, p := range policies {
		text, err := document(p.name)
		if err != nil {
			t.Fatal(err)
		}
		if grantsNothing(text) {
			t.Errorf("%s grants nothing", p.name)
		}
	}
	for text, want := range map[string]bool{
		policy.Blank: true, `{"Statement":[]}`: true, `{"Statement":[{}]}`: false, `{}`: false, `{"Statement":null}`: false,
		``: false,
	} {
		if got := grantsNothing(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
