package store

import (
	"context"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

// someDetails are those of an account with one of everything.
func someDetails(account string) *identity.Details {
	doc := `{"Version":"2012-10-17","Statement":[]}`
	aws := "arn:aws:iam::aws:policy/job-function/NotHere"
	own := "arn:aws:iam::" + account + ":policy/limits/Bound"
	return &identity.Details{
		Users: []identity.UserDetail{{
			User: identity.User{
				Account: account, ID: "AIDA" + account, Name: "alice", Path: "/", Boundary: aws,
				Tags: map[string]string{"aws:x": "1"}, Created: testNow,
			},
			Groups:  []string{"Operators"},
			Holding: identity.Holding{Inline: []identity.InlinePolicy{{Name: "in", Document: doc}}, Attached: []string{own}},
		}},
		Groups: []identity.GroupDetail{{
			Group:   identity.Group{Account: account, ID: "AGPA" + account, Name: "Operators", Path: "/x/", Created: testNow},
			Holding: identity.Holding{Attached: []string{own, "arn:aws:iam::aws:policy/AdministratorAccess", aws}},
		}},
		Roles: []identity.RoleDetail{{
			Role: identity.Role{
				Account: account, ID: "AROA" + account, Name: "Audit", Path: "/", Trust: "{}", MaxSession: 3600, Created: testNow,
				LastUsed: testNow, LastUsedRegion: "eu-west-1",
			},
			Holding: identity.Holding{Inline: []identity.InlinePolicy{{Name: "a", Document: doc}, {Name: "b", Document: doc}}},
		}},
		Policies: []identity.PolicyDetail{
			{
				ManagedPolicy: identity.ManagedPolicy{
					Account: account, ID: "ANPA" + account, Name: "Bound", Path: "/limits/", Default: 3, Created: testNow,
					Updated: testNow,
				},
				Versions: []identity.PolicyVersion{
					{Number: 1, Document: doc, Created: testNow}, {Number: 3, Document: doc, Default: true, Created: testNow},
				},
			},
			{
				ManagedPolicy: identity.ManagedPolicy{
					Account: identity.AWSAccount, ID: "ANPAW" + account, Name: "NotHere", Path: "/job-function/", Default: 9,
					Created: testNow, Updated: testNow,
				},
				Versions: []identity.PolicyVersion{{Number: 9, Document: doc, Default: true, Created: testNow}},
			},
			{ // of the name of one that AWS manages
				ManagedPolicy: identity.ManagedPolicy{
					Account: account, ID: "ANPAX" + account, Name: "NotHere", Path: "/", Default: 1, Created: testNow,
					Updated: testNow,
				},
				Versions: []identity.PolicyVersion{{Number: 1, Document: `{}`, Default: true, Created: testNow}},
			},
		},
	}
}

// everything reads the details of an account, a page at a time.
func everything(t *testing.T, s *Store, account string) *identity.Details {
	t.Helper()
	got, p := &identity.Details{}, identity.DetailPage{Kinds: identity.DetailKinds, Limit: 2}
	for {
		d, next, err := s.AccountDetails(t.Context(), account, p)
		ok(t, err)
		got.Users, got.Groups = append(got.Users, d.Users...), append(got.Groups, d.Groups...)
		got.Roles, got.Policies = append(got.Roles, d.Roles...), append(got.Policies, d.Policies...)
		if next == nil {
			return got
		}
		if d.Len() == 0 || d.Len() > 2 {
			t.Fatalf("a page of %d, want one or two", d.Len())
		}
		p.After = *next
	}
}

func TestImportedIdentitiesAreWhatWasImported(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, account := t.Context(), "111111111111"
		for _, a := range []string{account, "222222222222"} {
			ok(t, s.CreateAccount(ctx, identity.SealedKey{
				ID: "AKIA" + a, Sealed: []byte("sealed"), Status: identity.KeyActive,
				Account: identity.Account{ID: a, Status: identity.Active, Created: testNow},
			}))
		}
		made, err := s.ImportDetails(ctx, account, someDetails(account))
		ok(t, err)
		if made != 6 {
			t.Errorf("got %d made, want 6", made)
		}
		t.Run("all of it is there, in pages", func(t *testing.T) {
			got := everything(t, s, account)
			if n := got.Len(); n != 7 { // and AdministratorAccess
				t.Errorf("got %d, want 7", n)
			}
			c := identity.NewComparison(someDetails(account))
			c.Have(got)
			if n := c.Missing().Len(); n != 0 || len(c.Differences) != 0 {
				t.Errorf("got %d missing, %v", n, c.Differences)
			}
			if n := everything(t, s, "222222222222").Len(); n != 0 {
				t.Errorf("got %d in another account", n)
			}
		})
		t.Run("once more changes nothing", func(t *testing.T) {
			before, err := s.AccessKey(ctx, "AKIA"+account)
			ok(t, err)
			made, err := s.ImportDetails(ctx, account, someDetails(account))
			ok(t, err)
			after, err := s.AccessKey(ctx, "AKIA"+account)
			ok(t, err)
			if made != 0 || before.State != after.State {
				t.Errorf("got %d made, state %d, want none and %d", made, after.State, before.State)
			}
		})
		t.Run("what differs refuses the whole", func(t *testing.T) {
			for name, change := range map[string]func(*identity.Details){
				"user alice: its set of groups":       func(d *identity.Details) { d.Users[0].Groups = nil },
				"user alice: the spelling":            func(d *identity.Details) { d.Users[0].Name = "Alice" },
				"user alice: its inline policy in":    func(d *identity.Details) { d.Users[0].Inline[0].Document = "{}" },
				"group operators: its set of":         func(d *identity.Details) { d.Groups[0].Attached = nil },
				"role audit: its trust policy":        func(d *identity.Details) { d.Roles[0].Trust = "[]" },
				"role audit: its number of inline":    func(d *identity.Details) { d.Roles[0].Inline = nil },
				"policy bound: its default version":   func(d *identity.Details) { d.Policies[0].Default = 1 },
				"policy bound: its version v1":        func(d *identity.Details) { d.Policies[0].Versions[0].Document = "{}" },
				"policy of AWS nothere: its id":       func(d *identity.Details) { d.Policies[1].ID = "ANPAOTHER" },
				"policy nothere: its number of versi": func(d *identity.Details) { d.Policies[2].Versions = nil },
			} {
				d := someDetails(account)
				d.Roles = append(d.Roles, identity.RoleDetail{Role: identity.Role{
					Account: account, ID: "AROANEW", Name: "New", Path: "/", Trust: "{}", Created: testNow,
				}})
				change(d)
				_, err := s.ImportDetails(ctx, account, d)
				if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), name) {
					t.Errorf("got %v, want a Conflict fault with %q", err, name)
				}
				if _, err := s.Role(ctx, account, "New"); !fault.Is(err, fault.NotFound) {
					t.Errorf("%s: got %v, want the role not made", name, err)
				}
			}
		})
		t.Run("what is new is added", func(t *testing.T) {
			d := someDetails(account)
			d.Groups = append(d.Groups, identity.GroupDetail{Group: identity.Group{
				Account: account, ID: "AGPANEW", Name: "New", Path: "/", Created: testNow,
			}})
			if made, err := s.ImportDetails(ctx, account, d); err != nil || made != 1 {
				t.Errorf("got %d, %v, want 1", made, err)
			}
		})
		t.Run("an id of another account is taken", func(t *testing.T) {
			d := someDetails("222222222222")
			d.Roles[0].ID = "AROA" + account
			_, err := s.ImportDetails(ctx, "222222222222", d)
			if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "role Audit: its id") {
				t.Errorf("got %v, want a Conflict fault", err)
			}
			if n := everything(t, s, "222222222222").Len(); n != 0 {
				t.Errorf("got %d, want nothing imported", n)
			}
		})
		t.Run("policies of one name are told apart", func(t *testing.T) {
			aws, own := "arn:aws:iam::aws:policy/job-function/NotHere", "arn:aws:iam::"+account+":policy/NotHere"
			got, err := managedDocuments(ctx, s.read, account, []string{aws, own, "arn:aws:iam::aws:policy/NotHere"})
			ok(t, err)
			if len(got) != 2 || got[own] != `{}` || got[aws] == "" || got[aws] == `{}` {
				t.Errorf("got %v", got)
			}
		})
		t.Run("a policy of AWS is not listed as the account's", func(t *testing.T) {
			list, err := s.ManagedPolicies(ctx, account, identity.EntityPage{Prefix: "/", Limit: 10})
			ok(t, err)
			if len(list) != 2 {
				t.Errorf("got %d policies, want 2", len(list))
			}
			p, err := s.ManagedPolicy(ctx, account, "arn:aws:iam::aws:policy/job-function/NotHere")
			ok(t, err)
			if p.Account != identity.AWSAccount || p.Attached != 1 || p.Bounds != 1 {
				t.Errorf("got %+v", p)
			}
			_, err = s.ManagedPolicy(ctx, "222222222222", "arn:aws:iam::aws:policy/job-function/NotHere")
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("in another account: got %v", err)
			}
		})
	})
}

// Two imports at once make everything once.
func TestImportsOfOneAccountComeOneBehindTheOther(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		account := "111111111111"
		ok(t, s.CreateAccount(t.Context(), identity.SealedKey{
			ID: "AKIA" + account, Sealed: []byte("sealed"), Status: identity.KeyActive,
			Account: identity.Account{ID: account, Status: identity.Active, Created: testNow},
		}))
		type outcome struct {
			made int
			err  error
		}
		done := make(chan outcome)
		for range 4 {
			go func() {
				made, err := s.ImportDetails(context.Background(), account, someDetails(account))
				done <- outcome{made, err}
			}()
		}
		total := 0
		for range 4 {
			o := <-done
			ok(t, o.err)
			total += o.made
		}
		if total != 6 {
			t.Errorf("got %d made, want 6", total)
		}
	})
}
