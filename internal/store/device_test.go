package store

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

func makeAccount(t *testing.T, s *Store, id string) {
	t.Helper()
	ok(t, s.CreateAccount(context.Background(), identity.SealedKey{
		ID: "K" + id, Sealed: []byte("s"), Account: identity.Account{ID: id, Status: identity.Active, Created: testNow},
	}))
}

// deviceText is what is expected of a device: its certificate, thing, groups and
// policies.
func deviceText(d fleet.Device) string {
	if d.Certificate == nil {
		return "none"
	}
	thing := ""
	if d.Thing != nil {
		thing = d.Thing.Name
	}
	var policies []string
	for _, p := range d.Policies {
		policies = append(policies, fmt.Sprintf("%s:%d", p.Name, p.Version))
	}
	return fmt.Sprintf("%.4s|%s|%s|%s", d.Certificate.ID[60:], thing, strings.Join(d.Groups, " "),
		strings.Join(policies, " "))
}

func TestDevices(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		furnishPolicies(t, s) // of certificate 1 and the thing "pump"
		makeAccount(t, s, here.Account)
		register(t, s, there, 1)
		attachThing(t, s, 1, fleet.NonExclusive, "pump", "idle")
		attachThing(t, s, 2, fleet.Exclusive, "pump")
		groups := "leaf mid root second third"
		refs := []fleet.DeviceRef{
			{Certificate: certificateID(1), ClientID: "pump"}, {Certificate: certificateID(1), ClientID: "idle"},
			{Certificate: certificateID(1), ClientID: "a\"'/\\é"}, {Certificate: certificateID(2), ClientID: "idle"},
			{Certificate: certificateID(3), ClientID: "pump"}, {Certificate: certificateID(1), ClientID: "pump"}, {},
		}
		wants := []string{
			"0001|pump|" + groups + "|leaf:2 mid:1 own:1 root:1 second:1 shared:1", "0001|idle||own:1 shared:1",
			"0001|||own:1 shared:1", "0002|pump|" + groups + "|leaf:2 mid:1 root:1 second:1 shared:1 stranger:1", "none",
			"0001|pump|" + groups + "|leaf:2 mid:1 own:1 root:1 second:1 shared:1", "none",
		}
		list, err := s.Devices(ctx, here, refs)
		ok(t, err)
		if len(list) != len(wants) {
			t.Fatalf("got %d devices, want %d", len(list), len(wants))
		}
		for i, want := range wants {
			if got := deviceText(list[i]); got != want || list[i].AccountDisabled {
				t.Errorf("%+v: got %s, disabled %t, want %s", refs[i], got, list[i].AccountDisabled, want)
			}
		}
		bars, err := s.Bars(ctx, here, refs)
		ok(t, err)
		for i := range bars {
			want := fleet.Device{Certificate: list[i].Certificate}
			if !reflect.DeepEqual(bars[i], want) {
				t.Errorf("%+v: got %+v, want its certificate alone", refs[i], bars[i])
			}
		}
		stored, err := s.Certificate(ctx, here, certificateID(1))
		ok(t, err)
		stored.PEM = ""
		if *list[0].Certificate != *stored {
			t.Errorf("got %+v, want %+v", list[0].Certificate, stored)
		}
		pump, err := s.Thing(ctx, here, "pump")
		ok(t, err)
		if got := list[0].Thing; !got.Same(pump) || got.ID != pump.ID || got.Version != pump.Version {
			t.Errorf("got %+v, want %+v", got, pump)
		}
		list, err = s.Devices(ctx, there, refs[:1])
		ok(t, err)
		if got := deviceText(list[0]); got != "0001|||" || !list[0].AccountDisabled {
			t.Errorf("got %s, disabled %t, of an account that is not there", got, list[0].AccountDisabled)
		}
		list, err = s.Devices(ctx, fleet.Scope{Account: here.Account, Region: "nowhere"}, refs[:1])
		if ok(t, err); deviceText(list[0]) != "none" {
			t.Errorf("got %+v in a scope that has nothing", list[0])
		}
		ok(t, s.DisableAccount(ctx, here.Account))
		list, err = s.Devices(ctx, here, refs[:1])
		ok(t, err)
		bars, err = s.Bars(ctx, here, refs[:1])
		if ok(t, err); !list[0].AccountDisabled || !bars[0].AccountDisabled {
			t.Error("got an account that may connect, want it disabled")
		}
	})
}

// What a statement finds is what the rule says of all attachments.
func TestDevicesStandForThingsByTheRule(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		names := []string{"a", "b", "c", "d"}
		makeThings(t, s, here, names...)
		register(t, s, here, 12)
		random := rand.New(rand.NewPCG(1, 2))
		var refs []fleet.DeviceRef
		var wants []string
		shared := map[string]bool{} // certificates that stand for one thing or another
		for n := 1; n <= 12; n++ {
			for _, thing := range names {
				if random.IntN(2) == 0 {
					kind := []fleet.PrincipalType{fleet.Exclusive, fleet.NonExclusive}[random.IntN(2)]
					// Some are refused: the certificate has another one.
					_ = s.AttachThing(ctx, here, fleet.Attachment{Thing: thing, Certificate: certificateID(n), Type: kind})
				}
			}
			attached, err := s.ThingsOfPrincipal(ctx, here, fleet.AttachmentQuery{Of: certificateID(n), Limit: 10})
			ok(t, err)
			shared[certificateID(n)] = slices.ContainsFunc(attached, func(a fleet.Attachment) bool {
				return a.Type == fleet.NonExclusive
			})
			for _, client := range append(names, "", "x") {
				refs = append(refs, fleet.DeviceRef{Certificate: certificateID(n), ClientID: client})
				wants = append(wants, fleet.StandsFor(attached, client))
			}
		}
		list, err := s.Devices(ctx, here, refs)
		ok(t, err)
		for i, want := range wants {
			got := ""
			if list[i].Thing != nil {
				got = list[i].Thing.Name
			}
			if got != want {
				t.Errorf("%+v: got %q, want %q", refs[i], got, want)
			}
			if want := !shared[refs[i].Certificate]; list[i].AnyClient != want {
				t.Errorf("%+v: got %t, want %t, for being the same under any client id", refs[i], list[i].AnyClient, want)
			}
		}
	})
}

func TestPolicyDocuments(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makePolicies(t, s, here, "p", "q")
		makePolicies(t, s, there, "p")
		_, err := s.CreatePolicyVersion(ctx, here, testDraft(t, "p", broadDocument), true)
		ok(t, err)
		p, _, err := s.PolicyVersion(ctx, here, "p", 0)
		ok(t, err)
		q, _, err := s.PolicyVersion(ctx, here, "q", 0)
		ok(t, err)
		refs := []fleet.PolicyRef{
			{Name: "p", Seq: p.Seq, Version: 1}, {Name: "p", Seq: p.Seq, Version: 2}, {Name: "q", Seq: q.Seq, Version: 1},
			{Name: "p", Seq: p.Seq, Version: 3}, {Name: "q", Seq: p.Seq, Version: 1}, {Name: "r", Seq: q.Seq, Version: 1},
		}
		list, err := s.PolicyDocuments(ctx, here, refs)
		ok(t, err)
		got := map[string]bool{}
		for _, v := range list {
			got[fmt.Sprintln(v.Policy, v.Seq == p.Seq, v.Version, v.Default, v.Document)] = true
		}
		for _, want := range []string{
			fmt.Sprintln("p", true, 1, false, policy.Blank), fmt.Sprintln("p", true, 2, true, broadDocument),
			fmt.Sprintln("q", false, 1, true, policy.Blank),
		} {
			if !got[want] || len(list) != 3 {
				t.Errorf("got %v, want %q among three", got, want)
			}
		}
		list, err = s.PolicyDocuments(ctx, here, nil)
		if ok(t, err); len(list) > 0 {
			t.Errorf("got %v for nothing", list)
		}
	})
}

// BenchmarkDevices reads what a connection needs, of a certificate that is
// attached to one thing, with a group two levels deep and three policies.
func BenchmarkDevices(b *testing.B) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const n = 10_000
	for _, f := range fleetFills {
		if f.table() == "group_members" && f.share > 1 {
			continue // one group is enough
		}
		if err := fillOne(s, n, f); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		i = i%(n/2-1) + 1
		list, err := s.Devices(ctx, here, []fleet.DeviceRef{{Certificate: filledCertificate(i), ClientID: "t10000001"}})
		if err != nil || list[0].Thing == nil || len(list[0].Policies) == 0 {
			b.Fatalf("got %+v, %v", list, err)
		}
	}
}
