package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/mitigation"
	"github.com/cordon-iot/cordon/internal/policy"
)

// race is a rule and the callers that could break it together.
type race struct {
	rule    string
	callers int
	// call is what the i-th caller does. Those who lose hear one of some faults.
	call    func(t *testing.T, s *Store, i int) error
	lose    []fault.Code
	winners int // how many win
}

// Each of these is about one name, one number or one place that many ask for.
var onlySoMany = []race{
	{"a policy is made once", 20, func(t *testing.T, s *Store, _ int) error {
		d, err := fleet.NewPolicyDraft("p", policy.Blank, testNow)
		if err != nil {
			return err
		}
		return s.CreatePolicy(t.Context(), here, d, []fleet.Tag{{Key: "k", Value: "v"}})
	}, []fault.Code{fault.Exists}, 1},
	{"a certificate is registered once", 20, func(t *testing.T, s *Store, _ int) error {
		return s.RegisterCertificate(t.Context(), here, testCertificate(1))
	}, []fault.Code{fault.Exists}, 1},
	{"a CA is registered once", 20, func(t *testing.T, s *Store, _ int) error {
		return s.RegisterCACertificate(t.Context(), here, testCA(1, "s"), nil)
	}, []fault.Code{fault.Exists}, 1},
	{"a subject has so many CAs", 15, func(t *testing.T, s *Store, i int) error {
		return s.RegisterCACertificate(t.Context(), here, testCA(i+1, "s"), nil)
	}, []fault.Code{fault.Limit}, 10},
	{"an action is made with one meaning", 20, func(t *testing.T, s *Store, i int) error {
		return makeAction(t, s, "a", i)
	}, []fault.Code{fault.Exists}, 1},
	{"an account has so many actions", 110, func(t *testing.T, s *Store, i int) error {
		return makeAction(t, s, fmt.Sprint("a", i), 0)
	}, []fault.Code{fault.Limit}, 100},
	{"a schedule is made with one meaning", 20, func(t *testing.T, s *Store, i int) error {
		return makeSchedule(t, s, "s", i)
	}, []fault.Code{fault.Exists}, 1},
	{"an account has so many schedules", 12, func(t *testing.T, s *Store, i int) error {
		return makeSchedule(t, s, fmt.Sprint("s", i), 0)
	}, []fault.Code{fault.Limit}, 5},
	{"a role alias is made once", 20, func(t *testing.T, s *Store, _ int) error {
		return s.CreateRoleAlias(t.Context(), here, testAlias("a"), nil)
	}, []fault.Code{fault.Exists}, 1},
	{"an account is made once", 20, func(t *testing.T, s *Store, i int) error {
		return s.CreateAccount(t.Context(), identity.SealedKey{
			ID: fmt.Sprint("K", i), Sealed: []byte("s"), Account: identity.Account{ID: here.Account, Status: identity.Active},
		})
	}, []fault.Code{fault.Exists}, 1},
	{"a token starts one task", 20, func(t *testing.T, s *Store, i int) error {
		_, err := s.CreateMitigation(t.Context(), newTask(fmt.Sprint("t", i), "token", "h"), noPlan)
		return err
	}, []fault.Code{fault.TaskExists}, 1},
	{"so many tasks run", 20, func(t *testing.T, s *Store, i int) error {
		_, err := s.CreateMitigation(t.Context(), newTask(fmt.Sprint("t", i), fmt.Sprint(i), "h"), noPlan)
		return err
	}, []fault.Code{fault.Limit}, 10},
}

func makeAction(t *testing.T, s *Store, name string, i int) error {
	_, err := s.CreateMitigationAction(t.Context(), here, &mitigation.Action{
		Name: name, ID: "i", Type: audit.UpdateDeviceCertificate, RoleARN: fmt.Sprint("role", i), Created: testNow,
		Modified: testNow,
	}, nil)
	return err
}

func makeSchedule(t *testing.T, s *Store, name string, i int) error {
	return s.CreateSchedule(t.Context(), here, &audit.Schedule{
		Name: name, NextRun: testNow, Checks: []string{fmt.Sprint("C", i)},
	}, nil, func(*audit.Configuration) error { return nil })
}

func TestOfManyAtOnceOnlySoManyWin(t *testing.T) {
	for _, r := range onlySoMany {
		t.Run(r.rule, func(t *testing.T) {
			forEachDatabase(t, func(t *testing.T, s *Store) {
				if n := together(t, r.callers, func(i int) error { return r.call(t, s, i) }, r.lose...); n != r.winners {
					t.Errorf("got %d that won, want %d", n, r.winners)
				}
			})
		})
	}
}

// meeting is two things that must not both be done.
type meeting struct {
	rule    string
	furnish func(t *testing.T, s *Store, name string, id int) error
	one     func(ctx context.Context, s *Store, name string, id int) error
	other   func(ctx context.Context, s *Store, name string, id int) error
	lose    []fault.Code
}

var meetings = []meeting{
	{"a certificate is transferred, or has a policy", func(t *testing.T, s *Store, name string, id int) error {
		makePolicies(t, s, here, name)
		return s.RegisterCertificate(t.Context(), here, testCertificate(id))
	}, transfer, func(ctx context.Context, s *Store, name string, id int) error {
		return s.AttachPolicy(ctx, here, name, fleet.Target{Kind: fleet.TargetCertificate, Name: certificateID(id)})
	}, []fault.Code{fault.Invalid, fault.TransferConflict}},
	{"a certificate is transferred, or has a thing", func(t *testing.T, s *Store, name string, id int) error {
		makeThings(t, s, here, name)
		return s.RegisterCertificate(t.Context(), here, testCertificate(id))
	}, transfer, func(ctx context.Context, s *Store, name string, id int) error {
		return s.AttachThing(ctx, here, fleet.Attachment{
			Thing: name, Certificate: certificateID(id), Type: fleet.NonExclusive,
		})
	}, []fault.Code{fault.Invalid, fault.TransferConflict}},
	{"a certificate is deleted, or active", func(t *testing.T, s *Store, _ string, id int) error {
		return s.RegisterCertificate(t.Context(), here, testCertificate(id))
	}, func(ctx context.Context, s *Store, _ string, id int) error {
		return s.DeleteCertificate(ctx, here, certificateID(id), false)
	}, func(ctx context.Context, s *Store, _ string, id int) error {
		return s.SetCertificateStatus(ctx, here, certificateID(id), fleet.Active)
	}, []fault.Code{fault.NotFound, fault.CertificateState}},
	{"a CA is deleted, or active", func(t *testing.T, s *Store, name string, id int) error {
		ca := testCA(id, name)
		ca.Status = fleet.Inactive
		return s.RegisterCACertificate(t.Context(), here, ca, nil)
	}, func(ctx context.Context, s *Store, _ string, id int) error {
		return s.DeleteCACertificate(ctx, here, certificateID(id))
	}, func(ctx context.Context, s *Store, _ string, id int) error {
		return s.UpdateCACertificate(ctx, here, certificateID(id), fleet.CAUpdate{Status: fleet.Active})
	}, []fault.Code{fault.NotFound, fault.CertificateState}},
	{"a group is deleted, or has a child", func(t *testing.T, s *Store, name string, _ int) error {
		makeGroups(t, s, here, name)
		return nil
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		_, err := s.DeleteGroup(ctx, here, fleet.GroupDeletion{Name: name})
		return err
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		g, err := fleet.NewGroup(fleet.Group{Name: "below " + name, ID: "i", Parent: name}, fleet.AttributeUpdate{})
		if err == nil {
			_, _, err = s.CreateGroup(ctx, here, g, nil)
		}
		return err
	}, []fault.Code{fault.Invalid}},
}

func transfer(ctx context.Context, s *Store, _ string, id int) error {
	return s.TransferCertificate(ctx, here, &fleet.Transfer{Certificate: certificateID(id), To: there.Account})
}

func TestOfTwoThatMeetOneWins(t *testing.T) {
	for _, m := range meetings {
		t.Run(m.rule, func(t *testing.T) {
			forEachDatabase(t, func(t *testing.T, s *Store) {
				for round := 1; round <= 8; round++ {
					name := fmt.Sprint("n", round)
					ok(t, m.furnish(t, s, name, round))
					calls := []func(context.Context, *Store, string, int) error{m.one, m.other}
					won := together(t, 2, func(i int) error { return calls[i](t.Context(), s, name, round) }, m.lose...)
					if won != 1 {
						t.Errorf("round %d: got %d that won, want 1", round, won)
					}
				}
			})
		})
	}
}

// Whoever asks for the registration code first, all hear one.
func TestARegistrationCodeIsTheSameForAll(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		codes := make([]string, 20)
		together(t, len(codes), func(i int) (err error) {
			codes[i], err = s.NeedRegistrationCode(t.Context(), here, fmt.Sprint("code ", i))
			return err
		})
		for _, code := range codes {
			if code == "" || code != codes[0] {
				t.Fatalf("got %q, want one code for all", codes)
			}
		}
	})
}
