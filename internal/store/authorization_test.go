package store

import (
	"context"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

// attachThing attaches a certificate to things.
func attachThing(t *testing.T, s *Store, n int, kind fleet.PrincipalType, things ...string) {
	t.Helper()
	for _, thing := range things {
		ok(t, s.AttachThing(context.Background(), here, fleet.Attachment{
			Thing: thing, Certificate: certificateID(n), Type: kind,
		}))
	}
}

func TestStandsFor(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		register(t, s, here, 3)
		makeThings(t, s, here, "a", "b", "c", "d")
		attachThing(t, s, 1, fleet.Exclusive, "b")
		attachThing(t, s, 2, fleet.NonExclusive, "a", "b", "c")
		for _, tt := range []struct {
			name   string
			cert   int
			client string
			want   string
		}{
			{"an exclusive thing, whatever the client is called", 1, "a", "b"},
			{"an exclusive thing, when nothing is known of the client", 1, "", "b"},
			{"the thing that is called like the client", 2, "c", "c"},
			{"the first thing, when it is called like the client", 2, "a", "a"},
			{"a thing that is not attached", 2, "d", ""},
			{"a thing that is not there", 2, "x", ""},
			{"a client that is not known", 2, "", ""},
			{"a certificate without things", 3, "a", ""},
		} {
			got, err := s.StandsFor(ctx, here, certificateID(tt.cert), tt.client)
			ok(t, err)
			name := ""
			if got != nil {
				name = got.Name
			}
			if name != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, name, tt.want)
			}
		}
		_, err := s.StandsFor(ctx, there, certificateID(1), "b")
		wantFault(t, err, fault.NotFound, certificateID(1))
	})
}

// furnishPolicies makes a certificate 1, a thing "pump" in three groups, and
// policies on all of them and on others.
func furnishPolicies(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	register(t, s, here, 2)
	makeThings(t, s, here, "pump", "idle")
	makeGroups(t, s, here, "root", "root/mid", "root/mid/leaf", "root/other", "second", "third")
	join(t, s, here, "pump", "leaf", "second", "third")
	makePolicies(t, s, here, "own", "shared", "root", "mid", "leaf", "other", "second", "stranger", "loose")
	for policy, targets := range map[string][]string{
		"own": {"cert/" + certificateID(1)}, "stranger": {"cert/" + certificateID(2)}, "root": {"thinggroup/root"},
		"shared": {"cert/" + certificateID(1), "thinggroup/root", "thinggroup/third"}, "mid": {"thinggroup/mid"},
		"leaf": {"thinggroup/leaf"}, "other": {"thinggroup/other"}, "second": {"thinggroup/second"},
	} {
		for _, target := range targets {
			kind, name, _ := strings.Cut(target, "/")
			ok(t, s.AttachPolicy(ctx, here, policy, fleet.Target{Kind: fleet.TargetKind(kind), Name: name}))
		}
	}
	_, err := s.CreatePolicyVersion(ctx, here, testDraft(t, "leaf", broadDocument), true)
	ok(t, err)
	_, err = s.CreatePolicyVersion(ctx, here, testDraft(t, "leaf", policy.Blank), false)
	ok(t, err)
}

func effective(t *testing.T, s *Store, h fleet.Holders) string {
	t.Helper()
	list, err := s.EffectivePolicies(context.Background(), here, h)
	ok(t, err)
	var names []string
	for _, v := range list {
		names = append(names, v.Policy)
		number, document := int64(1), policy.Blank
		if v.Policy == "leaf" {
			number, document = 2, broadDocument
		}
		if v.Version != number || v.Document != document || !v.Default || v.Seq == 0 {
			t.Errorf("got %+v, want the version in force, %d", v, number)
		}
	}
	return strings.Join(names, " ")
}

func TestEffectivePolicies(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		furnishPolicies(t, s)
		for _, tt := range []struct {
			name string
			h    fleet.Holders
			want string
		}{
			{"a certificate alone", fleet.Holders{Certificate: certificateID(1)}, "own shared"},
			{"a certificate and its thing", fleet.Holders{Certificate: certificateID(1), Thing: "pump"},
				"leaf mid own root second shared"},
			{"a thing in no group", fleet.Holders{Certificate: certificateID(1), Thing: "idle"}, "own shared"},
			{"a thing alone", fleet.Holders{Thing: "pump"}, "leaf mid root second shared"},
			{"a group with its parents, not its children", fleet.Holders{Group: "mid"}, "mid root shared"},
			{"a group without parents", fleet.Holders{Group: "second"}, "second"},
			{"nothing", fleet.Holders{}, ""},
		} {
			if got := effective(t, s, tt.h); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
		for text, h := range map[string]fleet.Holders{
			certificateID(3): {Certificate: certificateID(3)}, `"moon"`: {Certificate: certificateID(1), Thing: "moon"},
			"thinggroup/moon": {Group: "moon"},
		} {
			_, err := s.EffectivePolicies(context.Background(), here, h)
			wantFault(t, err, fault.NotFound, text)
		}
		_, err := s.EffectivePolicies(context.Background(), there, fleet.Holders{Thing: "pump"})
		wantFault(t, err, fault.NotFound, `"pump"`)
	})
}
