package store

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
)

func testPool(n int) *identity.Pool {
	return &identity.Pool{
		ID: fmt.Sprintf("eu-central-1:00000000-0000-4000-8000-%012d", n), Created: testNow,
		Settings: identity.PoolSettings{
			Name: "pool", AllowUnauthenticated: true, AllowClassic: new(false), DeveloperProvider: "login.example",
			LoginProviders: map[string]string{"graph.facebook.com": "1"}, Tags: map[string]string{"k": "v"},
			Providers: []identity.PoolProvider{{Name: "cognito-idp.eu-central-1.amazonaws.com/x", ServerSideCheck: new(true)}},
		},
		Roles: identity.PoolRoles{
			ByKind: map[string]string{identity.Authenticated: "arn:aws:iam::111111111111:role/a"},
			Mappings: map[string]identity.RoleMapping{"p": {Type: identity.MappingRules, Ambiguous: "Deny",
				Rules: []identity.MappingRule{
					{Claim: "c", Match: "Equals", Value: "v", RoleARN: "arn:aws:iam::111111111111:role/b"},
				}}},
		},
	}
}

func TestPoolsComeBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, want := context.Background(), testPool(1)
		ok(t, s.CreatePool(ctx, here, want))
		ok(t, s.CreatePool(ctx, there, testPool(2)))
		got, err := s.Pool(ctx, here, want.ID)
		ok(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		_, err = s.Pool(ctx, here, testPool(2).ID)
		wantFault(t, err, fault.NotFound, "not found")
		ok(t, s.UpdatePool(ctx, here, want.ID, func(p *identity.Pool) error { p.Settings.Name = "new"; return nil }))
		refusal := s.UpdatePool(ctx, here, want.ID, func(p *identity.Pool) error {
			p.Settings.Name = "refused"
			return fault.New(fault.Invalid, "no")
		})
		wantFault(t, refusal, fault.Invalid, "no")
		if got, err = s.Pool(ctx, here, want.ID); err != nil || got.Settings.Name != "new" {
			t.Errorf("got %+v, %v, want the new name", got, err)
		}
		wantFault(t, s.UpdatePool(ctx, there, want.ID, nil), fault.NotFound, "not found")
		wantFault(t, s.DeletePool(ctx, there, want.ID), fault.NotFound, "not found")
		ok(t, s.DeletePool(ctx, here, want.ID))
		wantFault(t, s.DeletePool(ctx, here, want.ID), fault.NotFound, "not found")
	})
}

func TestImportedPoolsAreAllStoredOrNone(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		few := *s.quotas
		few.IdentityPools = 3
		s.quotas = &few
		ctx := context.Background()
		ok(t, s.CreatePool(ctx, here, testPool(2)))
		imported := func(numbers ...int) (list []identity.Pool) {
			for _, n := range numbers {
				roles := identity.PoolRoles{ByKind: map[string]string{identity.Unauthenticated: fmt.Sprint("role ", n)}}
				list = append(list, *identity.ImportedPool(testPool(n).ID, roles, testNow))
			}
			return list
		}
		_, err := s.ImportPools(ctx, here, imported(2, 3, 4, 5))
		wantFault(t, err, fault.Limit, "3 identity pools")
		if p, err := s.Pool(ctx, here, testPool(2).ID); err != nil || p.Roles.ByKind[identity.Unauthenticated] != "" {
			t.Errorf("got %+v, %v after an import that failed, want the roles of before", p, err)
		}
		made, err := s.ImportPools(ctx, here, imported(1, 2, 3))
		ok(t, err)
		list, err := s.Pools(ctx, here, testPool(1).ID, 5)
		ok(t, err)
		if made != 2 || len(list) != 2 || list[0].ID != testPool(2).ID || list[0].Settings.Name != "pool" ||
			len(list[0].Roles.Mappings) != 0 || list[1].Roles.ByKind[identity.Unauthenticated] != "role 3" {
			t.Errorf("made %d, got %+v behind the first, want two made and the roles of the second replaced", made, list)
		}
		if page, err := s.Pools(ctx, here, "", 1); err != nil || len(page) != 1 || page[0].ID != testPool(1).ID {
			t.Errorf("got page %+v, %v, want the first pool", page, err)
		}
	})
}

func testReport(role string, at time.Time, namespaces ...string) *identity.AccessReport {
	r := &identity.AccessReport{Account: here.Account, RoleARN: role, Reported: at}
	for i, n := range namespaces {
		a := identity.ServiceAccess{Namespace: n, Name: "Service " + n}
		if i == 0 {
			a.Last, a.Entity, a.Region, a.Entities = at.Add(-time.Hour), role, "eu-central-1", 1
		}
		r.Services = append(r.Services, a)
	}
	return r
}

func TestWhatRolesHaveUsed(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx, tx := context.Background(), readTx{q: s.read}
		want := testReport("a", testNow, "dynamodb", "iam", "iot")
		ok(t, s.ImportAccessReport(ctx, testReport("a", testNow.Add(-time.Hour), "old", "s3")))
		ok(t, s.ImportAccessReport(ctx, want))
		ok(t, s.ImportAccessReport(ctx, want))
		ok(t, s.ImportAccessReport(ctx, testReport("b", testNow, "s3")))
		older := testReport("a", testNow.Add(-time.Millisecond), "s3")
		wantFault(t, s.ImportAccessReport(ctx, older), fault.Conflict, "later")
		got, err := s.AccessReport(ctx, here.Account, "a", "", 9)
		ok(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got, err = s.AccessReport(ctx, here.Account, "a", "dynamodb", 1); err != nil || len(got.Services) != 1 ||
			got.Services[0].Namespace != "iam" {
			t.Errorf("got %+v, %v, want the page behind dynamodb", got, err)
		}
		if got, err = s.AccessReport(ctx, there.Account, "a", "", 9); err != nil || got != nil {
			t.Errorf("got %+v, %v in another account, want nothing", got, err)
		}
		found, err := s.AccessReports(ctx, tx, here.Account, []string{"a", "b", "c"})
		ok(t, err)
		if len(found) != 2 || len(found["a"].Services) != 3 || !found["a"].Reported.Equal(testNow) ||
			!found["a"].Services[0].Last.Equal(want.Services[0].Last) || !found["a"].Services[1].Last.IsZero() {
			t.Errorf("got %+v, want the reports of both roles", found)
		}
		account := identity.Account{ID: here.Account}
		ok(t, s.CreateAccount(ctx, identity.SealedKey{ID: "AKIA1", Sealed: []byte("s"), Account: account}))
		role := &identity.Role{Account: here.Account, ID: "AROA1", Name: "deleted", Path: "/", Trust: "{}"}
		ok(t, s.CreateRole(ctx, role))
		ok(t, s.ImportAccessReport(ctx, testReport(role.ARN(), testNow, "s3")))
		ok(t, s.DeleteRole(ctx, here.Account, role.Name))
		if got, err = s.AccessReport(ctx, here.Account, role.ARN(), "", 9); err != nil || got != nil {
			t.Errorf("got %+v, %v of a role that was deleted, want nothing", got, err)
		}
		if found, err = s.AccessReports(ctx, tx, there.Account, []string{"a"}); err != nil || len(found) != 0 {
			t.Errorf("got %+v, %v in another account, want nothing", found, err)
		}
	})
}

func TestJobsForReportsAreKeptSevenDays(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		old := identity.NewAccessJob(here.Account, "a", testNow.Add(-identity.AccessJobRetention-time.Second))
		job := identity.NewAccessJob(here.Account, "a", testNow.Add(-identity.AccessJobRetention))
		ok(t, s.CreateAccessJob(ctx, old))
		ok(t, s.CreateAccessJob(ctx, job))
		if got, err := s.AccessJob(ctx, here.Account, job.ID); err != nil || got != job {
			t.Errorf("got %+v, %v, want %+v", got, err, job)
		}
		_, err := s.AccessJob(ctx, here.Account, old.ID)
		wantFault(t, err, fault.NotFound, "cannot be found")
		_, err = s.AccessJob(ctx, there.Account, job.ID)
		wantFault(t, err, fault.NotFound, "cannot be found")
		ok(t, s.CreateAccessJob(ctx, identity.NewAccessJob(here.Account, "a", testNow)))
		n, err := count(ctx, s.read, `SELECT count(*) FROM access_jobs`, nil)
		if err != nil || n != 2 {
			t.Errorf("got %d jobs, %v, want that the oldest is gone", n, err)
		}
	})
}

// identityRows are two accounts with roles: those of account 1 have policies of
// each kind.
var identityRows = []string{
	`INSERT INTO accounts (id, name, status, operator, created_at) VALUES ('111111111111', '', 'ACTIVE', TRUE, 1)`,
	`INSERT INTO accounts (id, name, status, operator, created_at) VALUES ('222222222222', '', 'ACTIVE', FALSE, 1)`,
	`INSERT INTO iam_roles (seq, account, id, name, folded, path, trust, description, max_session, boundary, tags,
		created_at) VALUES (1, '111111111111', 'AROA1', 'Device', 'device', '/fleet/', '{}', '', 3600,
		'arn:aws:iam::111111111111:policy/Bound', '{}', 1),
		(2, '111111111111', 'AROA2', 'Bare', 'bare', '/', '{}', '', 3600, '', '{}', 1),
		(3, '111111111111', 'AROA3', 'Strange', 'strange', '/', '{}', '', 3600, '', '{}', 1),
		(4, '222222222222', 'AROA4', 'Bare', 'bare', '/', '{}', '', 3600, '', '{}', 1)`,
	`INSERT INTO iam_inline_policies (owner_kind, owner_seq, name, document) VALUES ('role', 1, 'a', 'inline'),
		('user', 1, 'a', 'that of a user'), ('role', 4, 'a', 'of the other account')`,
	`INSERT INTO iam_policies (seq, account, id, name, folded, path, description, default_version, next_version, tags,
		created_at, updated_at) VALUES (7, '111111111111', 'ANPA7', 'Use', 'use', '/p/', '', 2, 3, '{}', 1, 1),
		(8, '111111111111', 'ANPA8', 'Bound', 'bound', '/', '', 1, 2, '{}', 1, 1)`,
	`INSERT INTO iam_policy_versions (policy_seq, version, document, created_at) VALUES (7, 1, 'old', 1),
		(7, 2, 'attached', 1), (8, 1, 'bound', 1)`,
	`INSERT INTO iam_attachments (owner_kind, owner_seq, policy_arn, account) VALUES
		('role', 1, 'arn:aws:iam::111111111111:policy/p/Use', '111111111111'),
		('role', 3, 'arn:aws:iam::aws:policy/NobodyKnowsThis', '111111111111'),
		('role', 2, 'arn:aws:iam::aws:policy/AdministratorAccess', '111111111111')`,
}

// roleFills are what audits read of roles: each has a policy of its own, one that
// is attached, and a report.
var roleFills = []fill{
	{0, `INSERT INTO accounts (id, name, status, operator, created_at) SELECT '111111111111', '', 'ACTIVE', FALSE, 1`},
	{4, `INSERT INTO iam_roles (seq, account, id, name, folded, path, trust, description, max_session, boundary, tags,
			created_at)
		SELECT 10000000 + i, '111111111111', 'AROA' || i, 'r' || (10000000 + i), 'r' || (10000000 + i), '/', '{}', '', 3600,
			'', '{}', 1 FROM r`},
	{4, `INSERT INTO iam_inline_policies (owner_kind, owner_seq, name, document)
		SELECT 'role', 10000000 + i, 'a', '{}' FROM r`},
	{4, `INSERT INTO iam_policies (seq, account, id, name, folded, path, description, default_version, next_version, tags,
			created_at, updated_at)
		SELECT 10000000 + i, '111111111111', 'ANPA' || i, 'p' || (10000000 + i), 'p' || (10000000 + i), '/', '', 1, 2, '{}',
			1, 1 FROM r`},
	{4, `INSERT INTO iam_policy_versions (policy_seq, version, document, created_at)
		SELECT 10000000 + i, 1, '{}', 1 FROM r`},
	{4, `INSERT INTO iam_attachments (owner_kind, owner_seq, policy_arn, account)
		SELECT 'role', 10000000 + i, 'arn:aws:iam::111111111111:policy/p' || (10000000 + i), '111111111111' FROM r`},
	{4, `INSERT INTO access_reports (account, role_arn, source, reported_at, stored_at)
		SELECT '111111111111', 'arn:aws:iam::111111111111:role/r' || (10000000 + i), 'IMPORT', 1, 1 FROM r`},
	{4, `INSERT INTO access_services (account, role_arn, namespace, name, entity, region, entities)
		SELECT '111111111111', 'arn:aws:iam::111111111111:role/r' || (10000000 + i), 'iot', '', '', '', 0 FROM r`},
}

func TestRolesAreReadByIndex(t *testing.T) {
	long(t)
	ctx := context.Background()
	var arns []string
	for i := range 5 {
		arns = append(arns, fmt.Sprintf("arn:aws:iam::111111111111:role/r%d", numbered+mid+i))
	}
	forEachDatabase(t, func(t *testing.T, s *Store) {
		fillStore(t, s, planRows, fillsOf("identity_pools", "role_aliases"))
		fillStore(t, s, planRows, roleFills)
		for _, c := range []struct {
			name string
			call func(tx durable.Tx) (n int, err error)
		}{
			{"PoolPage", func(tx durable.Tx) (int, error) {
				list, err := s.PoolPage(ctx, tx, here, filledName("eu-central-1:", mid), 5)
				return len(list), err
			}},
			{"RoleAliasPage", func(tx durable.Tx) (int, error) {
				list, err := s.RoleAliasPage(ctx, tx, here, filledName("a", mid), 5)
				return len(list), err
			}},
			{"RolePolicies", func(tx durable.Tx) (int, error) {
				found, err := s.RolePolicies(ctx, tx, here.Account, arns)
				for _, p := range found {
					if len(p.Documents) != 2 {
						t.Errorf("got %+v, want two documents", p)
					}
				}
				return len(found), err
			}},
			{"AccessReports", func(tx durable.Tx) (int, error) {
				found, err := s.AccessReports(ctx, tx, here.Account, arns)
				return len(found), err
			}},
		} {
			n := 0
			got, err := c.call(narrowTx{n: narrow{s.read, t, s, 0, &n}})
			ok(t, err)
			if n == 0 || got != 5 {
				t.Errorf("%s: got %d answers of %d queries, want 5", c.name, got, n)
			}
		}
	})
}

func TestPoliciesOfRoles(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		ok(t, s.write(ctx, func(ctx context.Context, q querier) error {
			for _, text := range identityRows {
				if _, err := q.exec(ctx, text, nil); err != nil {
					return err
				}
			}
			return nil
		}))
		found, err := s.RolePolicies(ctx, readTx{q: s.read}, here.Account, []string{
			"arn:aws:iam::111111111111:role/fleet/Device", "arn:aws:iam::111111111111:role/Bare",
			"arn:aws:iam::111111111111:role/Strange",
			"arn:aws:iam::111111111111:role/Device", "arn:aws:iam::111111111111:role/bare",
			"arn:aws:iam::222222222222:role/Bare", "arn:aws:iam::111111111111:user/Bare", "no ARN",
		})
		ok(t, err)
		administrator := identity.AWSPolicyVersion("arn:aws:iam::aws:policy/AdministratorAccess").Document
		want := map[string]*identity.RolePolicies{
			"arn:aws:iam::111111111111:role/fleet/Device": {Documents: []string{"inline", "attached"}, Boundary: new("bound")},
			"arn:aws:iam::111111111111:role/Bare":         {Documents: []string{administrator}},
			"arn:aws:iam::111111111111:role/Strange":      {Missing: "arn:aws:iam::aws:policy/NobodyKnowsThis"},
		}
		if !reflect.DeepEqual(found, want) {
			t.Errorf("got %+v, want %+v", found, want)
		}
		none, err := s.RolePolicies(ctx, readTx{q: s.read}, here.Account, []string{"no ARN"})
		if err != nil || len(none) != 0 {
			t.Errorf("got %v, %v, want nothing", none, err)
		}
	})
}
