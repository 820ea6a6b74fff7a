package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

const (
	iotAudit = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"
	readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"
)

// makeAccounts stores the accounts of both scopes.
func makeAccounts(t *testing.T, s *Store) {
	t.Helper()
	for _, account := range []string{here.Account, there.Account} {
		ok(t, s.CreateAccount(t.Context(), identity.SealedKey{
			ID: "AKIA" + account, Sealed: []byte("sealed"),
			Account: identity.Account{ID: account, Status: identity.Active, Created: testNow},
		}))
	}
}

func makeUser(t *testing.T, s *Store, account, path, name string) *identity.User {
	t.Helper()
	u := identity.NewUser(account, path, name, testNow)
	ok(t, s.CreateUser(t.Context(), u))
	return u
}

func testRole(path, name string) *identity.Role {
	role := identity.NewRole(here.Account, path, name, testNow)
	role.Trust = `{"Statement":[]}`
	return role
}

func makePolicy(t *testing.T, s *Store, account, name string) string {
	t.Helper()
	p := identity.NewManagedPolicy(account, "/", name, testNow)
	ok(t, s.CreateManagedPolicy(t.Context(), p, policy.Blank))
	return p.ARN()
}

func ownerOf(kind identity.OwnerKind, name string) identity.Owner {
	return identity.Owner{Kind: kind, Account: here.Account, Name: name}
}

func userKey(user, id string) identity.SealedKey {
	return identity.SealedKey{
		ID: id, Sealed: []byte("sealed"), Account: identity.Account{ID: here.Account}, User: &identity.User{Name: user},
	}
}

func TestNamesOfIdentities(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		u := makeUser(t, s, here.Account, "/team/", "Ada")
		makeUser(t, s, there.Account, "/", "ADA")
		wantFault(t, s.CreateUser(ctx, identity.NewUser(here.Account, "/", "aDa", testNow)), fault.Exists, "already exists")

		got, err := s.User(ctx, here.Account, "Ada")
		ok(t, err)
		if got.ID != u.ID || got.ARN() != "arn:aws:iam::111111111111:user/team/Ada" || !got.Created.Equal(testNow) {
			t.Errorf("got %+v, want %+v", got, u)
		}
		_, err = s.User(ctx, here.Account, "ada")
		wantFault(t, err, fault.NotFound, "The user with name ada cannot be found.")

		_, err = s.Role(ctx, here.Account, "Ada")
		wantFault(t, err, fault.NotFound, "The role with name Ada cannot be found.")
		role := testRole("/", "Ada") // a role may have the name of a user
		role.Tags = map[string]string{"k": "v"}
		ok(t, s.CreateRole(ctx, role))
		again, err := s.Role(ctx, here.Account, "Ada")
		ok(t, err)
		if again.Tags["k"] != "v" || again.MaxSession != 3600 || !again.LastUsed.IsZero() {
			t.Errorf("got %+v", again)
		}

		before := version(t, s, here.Account)
		wantFault(t, s.DeleteRole(ctx, here.Account, "r"), fault.NotFound, "role with name r")
		makeUser(t, s, there.Account, "/", "bob")
		if got := version(t, s, here.Account); got != before {
			t.Errorf("got version %d after nothing was changed, want %d", got, before)
		}
		wantFault(t, s.CreateUser(ctx, identity.NewUser("999999999999", "/", "ada", testNow)), fault.NotFound,
			"999999999999")
	})
}

func TestIdentitiesAreListedByPath(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		for _, at := range []string{"/ b", "/ C", "/a/ z", "/a/b/ y", "/ab/ x"} {
			path, name, _ := strings.Cut(at, " ")
			makeUser(t, s, here.Account, path, name)
		}
		makeUser(t, s, there.Account, "/a/", "other")
		for _, tt := range []struct{ prefix, want string }{
			{"/", "b C z y x"}, {"/a/", "z y"}, {"/a", "z y x"}, {"/c", ""},
		} {
			var names []string
			p := identity.EntityPage{Prefix: tt.prefix, Limit: 2}
			for {
				page, err := s.Users(ctx, here.Account, p)
				ok(t, err)
				for _, u := range page {
					names, p.After = append(names, u.Name), u.Place()
				}
				if len(page) < p.Limit {
					break
				}
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("below %s: got %q, want %q", tt.prefix, got, tt.want)
			}
		}
		wantLongPlaces(t, s)
	})
}

// wantLongPlaces holds that a list goes on behind something with a long path,
// whose place is its number.
func wantLongPlaces(t *testing.T, s *Store) {
	t.Helper()
	ctx, path := t.Context(), "/"+strings.Repeat("p", 500)+"/"
	for _, name := range []string{"l1", "l2", "l3"} {
		makeUser(t, s, here.Account, path, name)
	}
	all, err := s.Users(ctx, here.Account, identity.EntityPage{Prefix: path, Limit: 9})
	ok(t, err)
	place := all[1].Place()
	if place.Path != "" || place.Seq == 0 {
		t.Errorf("got place %+v, want a number alone", place)
	}
	rest, err := s.Users(ctx, here.Account, identity.EntityPage{Prefix: path, After: place, Limit: 9})
	ok(t, err)
	if len(rest) != 1 || rest[0].Name != "l3" {
		t.Errorf("got %d users behind l2, want l3", len(rest))
	}
	_, err = s.Users(ctx, there.Account, identity.EntityPage{Prefix: "/", After: place, Limit: 9})
	wantFault(t, err, fault.Invalid, "deleted")
}

// version is how often the identities of an account were changed.
func version(t *testing.T, s *Store, account string) int64 {
	t.Helper()
	n, err := count(t.Context(), s.read, `SELECT iam_version FROM accounts WHERE id = @id`, args{"id": account})
	ok(t, err)
	return n
}

func TestAKeyOfAUser(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		u := makeUser(t, s, here.Account, "/", "ada")
		makeUser(t, s, here.Account, "/", "bob")
		for _, id := range []string{"AKIA1", "AKIA2"} {
			ok(t, s.AddUserKey(ctx, userKey("ada", id)))
		}
		wantFault(t, s.AddUserKey(ctx, userKey("ada", "AKIA3")), fault.Limit, "AccessKeysPerUser: 2")
		wantFault(t, s.AddUserKey(ctx, userKey("eve", "AKIA3")), fault.NotFound, "eve")

		k, err := s.AccessKey(ctx, "AKIA1")
		ok(t, err)
		if k.User == nil || k.User.ID != u.ID || k.Status != identity.KeyActive {
			t.Fatalf("got %+v, want a key of ada", k)
		}
		before := version(t, s, here.Account)
		ok(t, s.SetKeyStatus(ctx, here.Account, "ada", "AKIA1", identity.KeyInactive))
		k, err = s.AccessKey(ctx, "AKIA1")
		ok(t, err)
		if k.Status != identity.KeyInactive || k.State <= before {
			t.Errorf("got %s at %d, want Inactive behind %d", k.Status, k.State, before)
		}
		for _, err := range []error{
			s.SetKeyStatus(ctx, here.Account, "bob", "AKIA1", identity.KeyActive),
			s.DeleteUserKey(ctx, here.Account, "bob", "AKIA1"),
			s.DeleteUserKey(ctx, here.Account, "ada", "AKIA"+here.Account), // the key of root
		} {
			wantFault(t, err, fault.NotFound, "The Access Key with id AKIA")
		}
		_, err = s.KeyUse(ctx, there.Account, "AKIA1")
		wantFault(t, err, fault.NotFound, "AKIA1")
		if use, err := s.KeyUse(ctx, here.Account, "AKIA1"); err != nil || use.User != "ada" || !use.At.IsZero() {
			t.Errorf("got %+v, %v, want a key of ada that was never used", use, err)
		}

		wantFault(t, s.DeleteUser(ctx, here.Account, "ada"), fault.DeleteConflict, "access keys")
		ok(t, s.ReplaceRootKey(ctx, identity.SealedKey{
			ID: "AKIAROOT", Sealed: []byte("s"), Account: identity.Account{ID: here.Account},
		}))
		list, err := s.UserKeys(ctx, here.Account, "ada")
		ok(t, err)
		if len(list) != 2 || list[0].ID != "AKIA1" || list[0].Status != identity.KeyInactive {
			t.Errorf("got %+v, want both keys after the root key was replaced", list)
		}
		for _, k := range list {
			ok(t, s.DeleteUserKey(ctx, here.Account, "ada", k.ID))
		}
		ok(t, s.DeleteUser(ctx, here.Account, "ada"))
	})
}

func TestVersionsOfAManagedPolicy(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		arn := makePolicy(t, s, here.Account, "p")
		add := func(holds bool) (int, error) {
			v := identity.PolicyVersion{Document: fmt.Sprint("d", holds), Default: holds, Created: testNow}
			err := s.AddManagedVersion(ctx, here.Account, arn, &v)
			return v.Number, err
		}
		for i := range 4 {
			if n, err := add(i == 1); err != nil || n != i+2 {
				t.Fatalf("got version %d, %v, want %d", n, err, i+2)
			}
		}
		_, err := add(false)
		wantFault(t, err, fault.Limit, "up to 5 versions")
		wantFault(t, s.DeleteManagedVersion(ctx, here.Account, arn, 3), fault.DeleteConflict, "default version")
		wantFault(t, s.DeleteManagedVersion(ctx, here.Account, arn, 9), fault.NotFound, "version v9")
		wantFault(t, s.DeleteManagedPolicy(ctx, here.Account, arn), fault.DeleteConflict, "more than one version")
		ok(t, s.DeleteManagedVersion(ctx, here.Account, arn, 5))
		if n, err := add(false); err != nil || n != 6 {
			t.Errorf("got version %d, %v, want 6: a number is given once", n, err)
		}
		ok(t, s.SetDefaultManagedVersion(ctx, here.Account, arn, 1))
		list, err := s.ManagedVersions(ctx, here.Account, arn)
		ok(t, err)
		if len(list) != 5 || list[0].Number != 6 || !list[4].Default || list[2].Default {
			t.Errorf("got %+v, want 6 4 3 2 1 with 1 as default", list)
		}
		_, err = s.ManagedVersions(ctx, there.Account, arn)
		wantFault(t, err, fault.NotFound, arn)
		for _, n := range []int{2, 3, 4, 6} {
			ok(t, s.DeleteManagedVersion(ctx, here.Account, arn, n))
		}
		ok(t, s.DeleteManagedPolicy(ctx, here.Account, arn))
		_, err = s.ManagedPolicy(ctx, here.Account, arn)
		wantFault(t, err, fault.NotFound, arn)
	})
}

func TestPoliciesOfARole(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		arn, foreign := makePolicy(t, s, here.Account, "p"), makePolicy(t, s, there.Account, "p")
		role := ownerOf(identity.OwnerRole, "r")
		bounded := testRole("/service-role/", "r")
		bounded.Boundary = arn
		ok(t, s.CreateRole(ctx, bounded))
		for _, missing := range []string{
			foreign, arn + "x", strings.ToUpper(arn), iotAudit + "x", "arn:aws:iam::aws:policy/x",
		} {
			wantFault(t, s.AttachManagedPolicy(ctx, role, missing), fault.NotFound, "does not exist or is not attachable")
		}
		for range 2 { // once more changes nothing
			ok(t, s.AttachManagedPolicy(ctx, role, arn))
			ok(t, s.AttachManagedPolicy(ctx, role, iotAudit))
		}
		for _, tt := range []struct {
			arn              string
			attached, bounds int
		}{{arn, 1, 1}, {iotAudit, 1, 0}, {readOnly, 0, 0}} {
			p, err := s.ManagedPolicy(ctx, here.Account, tt.arn)
			ok(t, err)
			if p.Attached != tt.attached || p.Bounds != tt.bounds {
				t.Errorf("got %d and %d uses of %s, want %d and %d", p.Attached, p.Bounds, tt.arn, tt.attached, tt.bounds)
			}
		}
		ok(t, s.PutInlinePolicy(ctx, role, identity.InlinePolicy{Name: "i", Document: strings.Repeat("x", 10_000)}))
		err := s.PutInlinePolicy(ctx, role, identity.InlinePolicy{Name: "j", Document: strings.Repeat("x", 241)})
		wantFault(t, err, fault.Limit, "Maximum policy size of 10240 bytes exceeded for role r")
		ok(t, s.PutInlinePolicy(ctx, role, identity.InlinePolicy{Name: "i", Document: strings.Repeat("x ", 5_120)}))
		err = s.PutInlinePolicy(ctx, role, identity.InlinePolicy{Name: "i", Document: strings.Repeat(" ", maxRawInline+1)})
		wantFault(t, err, fault.Limit, "Maximum policy size")

		wantFault(t, s.DeleteRole(ctx, here.Account, "r"), fault.DeleteConflict, "detach all policies")
		wantFault(t, s.DeleteManagedPolicy(ctx, here.Account, arn), fault.DeleteConflict, "attached to entities")
		ok(t, s.DetachManagedPolicy(ctx, role, arn))
		wantFault(t, s.DetachManagedPolicy(ctx, role, arn), fault.NotFound, arn)
		ok(t, s.DetachManagedPolicy(ctx, role, iotAudit))
		wantFault(t, s.DeleteRole(ctx, here.Account, "r"), fault.DeleteConflict, "delete policies")
		ok(t, s.DeleteInlinePolicy(ctx, role, "i"))
		wantFault(t, s.DeleteInlinePolicy(ctx, role, "i"), fault.NotFound, "The role policy with name i cannot be found.")
		wantFault(t, s.DeleteManagedPolicy(ctx, here.Account, arn), fault.DeleteConflict, "attached to entities")
		ok(t, s.DeleteRole(ctx, here.Account, "r"))
		ok(t, s.DeleteManagedPolicy(ctx, here.Account, arn))
	})
}

func TestGroupsOfAUser(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		makeUser(t, s, here.Account, "/", "ada")
		for i := range 11 {
			name := fmt.Sprint("g", i)
			ok(t, s.CreateUserGroup(ctx, identity.NewGroup(here.Account, "/", name, testNow)))
			err := s.AddUserToGroup(ctx, here.Account, name, "ada")
			if i < 10 {
				ok(t, err)
				ok(t, s.AddUserToGroup(ctx, here.Account, name, "ada"))
			} else {
				wantFault(t, err, fault.Limit, "GroupsPerUser: 10")
			}
		}
		wantFault(t, s.AddUserToGroup(ctx, here.Account, "g0", "eve"), fault.NotFound, "eve")
		names, err := s.GroupsOfUser(ctx, here.Account, "ada")
		ok(t, err)
		wantNames(t, names, strings.Fields("g0 g1 g2 g3 g4 g5 g6 g7 g8 g9"))
		wantFault(t, s.DeleteUser(ctx, here.Account, "ada"), fault.DeleteConflict, "from group")
	})
}

// Each of these is about one name or number that many ask for.
var identityRaces = []race{
	{"a role is made once, whatever its case", 20, func(t *testing.T, s *Store, i int) error {
		return s.CreateRole(t.Context(), testRole("/", []string{"role", "ROLE"}[i%2]))
	}, []fault.Code{fault.Exists}, 1},
	{"a user has so many keys", 10, func(t *testing.T, s *Store, i int) error {
		return s.AddUserKey(t.Context(), userKey("ada", fmt.Sprint("AKIA", i)))
	}, []fault.Code{fault.Limit}, 2},
	{"a role has so many policies", 14, func(t *testing.T, s *Store, i int) error {
		return s.AttachManagedPolicy(t.Context(), ownerOf(identity.OwnerRole, "r"), identity.AWSPolicies()[i])
	}, []fault.Code{fault.Limit}, 10},
	{"a policy has so many versions", 10, func(t *testing.T, s *Store, i int) error {
		return s.AddManagedVersion(t.Context(), here.Account, "arn:aws:iam::111111111111:policy/p",
			&identity.PolicyVersion{Document: "d", Default: i%2 == 0, Created: testNow})
	}, []fault.Code{fault.Limit}, 4},
}

// Of these one must lose: what is deleted is not attached to anything.
var identityMeetings = []meeting{
	{"a role is deleted, or has a policy", func(t *testing.T, s *Store, name string, _ int) error {
		return s.CreateRole(t.Context(), testRole("/", name))
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		return s.DeleteRole(ctx, here.Account, name)
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		return s.AttachManagedPolicy(ctx, ownerOf(identity.OwnerRole, name), readOnly)
	}, []fault.Code{fault.NotFound, fault.DeleteConflict}},
	{"a policy is deleted, or attached", func(t *testing.T, s *Store, name string, _ int) error {
		makePolicy(t, s, here.Account, name)
		return nil
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		return s.DeleteManagedPolicy(ctx, here.Account, "arn:aws:iam::111111111111:policy/"+name)
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		return s.AttachManagedPolicy(ctx, ownerOf(identity.OwnerUser, "ada"), "arn:aws:iam::111111111111:policy/"+name)
	}, []fault.Code{fault.NotFound, fault.DeleteConflict}},
	{"a user is deleted, or has a key", func(t *testing.T, s *Store, name string, _ int) error {
		makeUser(t, s, here.Account, "/", name)
		return nil
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		return s.DeleteUser(ctx, here.Account, name)
	}, func(ctx context.Context, s *Store, name string, _ int) error {
		return s.AddUserKey(ctx, userKey(name, "AKIA"+name))
	}, []fault.Code{fault.NotFound, fault.DeleteConflict}},
}

func TestIdentitiesThatManyChangeAtOnce(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeAccounts(t, s)
		makeUser(t, s, here.Account, "/", "ada")
		ok(t, s.CreateRole(t.Context(), testRole("/", "r")))
		makePolicy(t, s, here.Account, "p")
		for _, r := range identityRaces {
			if n := together(t, r.callers, func(i int) error { return r.call(t, s, i) }, r.lose...); n != r.winners {
				t.Errorf("%s: got %d that won, want %d", r.rule, n, r.winners)
			}
		}
		for _, m := range identityMeetings {
			for round := range 6 {
				name := fmt.Sprint("n", round)
				ok(t, m.furnish(t, s, name, round))
				calls := []func(context.Context, *Store, string, int) error{m.one, m.other}
				won := together(t, 2, func(i int) error { return calls[i](t.Context(), s, name, round) }, m.lose...)
				if won != 1 {
					t.Errorf("%s: got %d that won, want 1", m.rule, won)
				}
			}
		}
	})
}

func TestKeysOfBeforeAreThoseOfRoot(t *testing.T) {
	forEachUpgrade(t, 19, []string{
		`INSERT INTO accounts (id, name, status, operator, created_at) VALUES ('111111111111', '', 'ACTIVE', TRUE, 5)`,
		`INSERT INTO access_keys (id, account, secret, created_at) VALUES ('AKIA1', '111111111111', 's', 5)`,
	}, func(t *testing.T, s *Store) {
		k, err := s.AccessKey(t.Context(), "AKIA1")
		ok(t, err)
		if k.User != nil || k.Status != identity.KeyActive || k.State != 0 {
			t.Errorf("got %+v, want an active key of root", k)
		}
		makeUser(t, s, here.Account, "/", "ada")
	})
}
