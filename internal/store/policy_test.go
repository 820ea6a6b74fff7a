package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

// broadDocument lets every device do everything.
const broadDocument = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`

func testDraft(t *testing.T, name, document string) *fleet.PolicyDraft {
	t.Helper()
	d, err := fleet.NewPolicyDraft(name, document, testNow)
	ok(t, err)
	return d
}

// makePolicies stores policies with the blank document.
func makePolicies(t *testing.T, s *Store, sc fleet.Scope, names ...string) {
	t.Helper()
	for _, name := range names {
		ok(t, s.CreatePolicy(context.Background(), sc, testDraft(t, name, policy.Blank), nil))
	}
}

// addVersions stores more versions of a policy.
func addVersions(t *testing.T, s *Store, sc fleet.Scope, name string, n int) {
	t.Helper()
	for range n {
		_, err := s.CreatePolicyVersion(context.Background(), sc, testDraft(t, name, policy.Blank), false)
		ok(t, err)
	}
}

// versions are the numbers of a policy's versions, the default in brackets.
func versions(t *testing.T, s *Store, sc fleet.Scope, name string) string {
	t.Helper()
	list, err := s.PolicyVersions(context.Background(), sc, name)
	ok(t, err)
	var texts []string
	for _, v := range list {
		text := fleet.VersionID(v.Version)
		if v.Default {
			text = "[" + text + "]"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func TestPolicyComesBackAsStored(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		d := testDraft(t, "p", broadDocument)
		ok(t, s.CreatePolicy(ctx, here, d, []fleet.Tag{{Key: "k", Value: "v"}}))
		ok(t, s.CreatePolicy(ctx, here, testDraft(t, "P", policy.Blank), nil))
		ok(t, s.CreatePolicy(ctx, there, testDraft(t, "p", policy.Blank), nil))
		err := s.CreatePolicy(ctx, here, d, nil)
		wantFault(t, err, fault.Exists, "name=p")
		if f := fault.From(err); f.ResourceID != "p" || f.ResourceARN != here.ARN("policy", "p") {
			t.Errorf("got %q, %q, want the policy named", f.ResourceID, f.ResourceARN)
		}
		p, v, err := s.PolicyVersion(ctx, here, "p", 0)
		ok(t, err)
		if p.Name != "p" || p.Default != 1 || p.Next != 2 || p.Generation != d.Generation || !p.Created.Equal(testNow) {
			t.Errorf("got %+v, want a policy with one version", p)
		}
		if v.Version != 1 || !v.Default || v.Document != broadDocument || !v.Created.Equal(testNow) {
			t.Errorf("got %+v, want version 1 as it was given", v)
		}
		_, v, err = s.PolicyVersion(ctx, there, "p", 1)
		ok(t, err)
		if v.Document != policy.Blank {
			t.Errorf("got %s in the other account, want its own document", v.Document)
		}
		_, _, err = s.PolicyVersion(ctx, here, "p", 2)
		wantFault(t, err, fault.NotFound, "version 2")
		_, _, err = s.PolicyVersion(ctx, there, "P", 0)
		wantFault(t, err, fault.NotFound, `"P"`)
		ok(t, s.reading(ctx, here, func(q querier, scope int64) error {
			same, err := sameTags(ctx, q, scope, here.ARN("policy", "p"), []fleet.Tag{{Key: "k", Value: "v"}})
			if !same {
				t.Error("got other tags, want those given")
			}
			return err
		}))
	})
}

func TestPolicyVersions(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makePolicies(t, s, here, "p")
		makePolicies(t, s, there, "p")
		addVersions(t, s, here, "p", 3)
		s.now = func() time.Time { return testNow.Add(time.Minute) }
		n, err := s.CreatePolicyVersion(ctx, here, testDraft(t, "p", broadDocument), true)
		ok(t, err)
		if got := versions(t, s, here, "p"); n != 5 || got != "[5] 4 3 2 1" {
			t.Errorf("got version %d of %s, want 5, in force", n, got)
		}
		_, err = s.CreatePolicyVersion(ctx, here, testDraft(t, "p", policy.Blank), true)
		wantFault(t, err, fault.VersionsLimit, "The policy p already has the maximum number of versions (5)")
		wantFault(t, s.DeletePolicyVersion(ctx, here, "p", 5), fault.Invalid, "default version")
		wantFault(t, s.DeletePolicyVersion(ctx, here, "p", 6), fault.NotFound, "version 6")
		wantFault(t, s.DeletePolicyVersion(ctx, here, "q", 1), fault.NotFound, `"q"`)
		wantFault(t, s.SetDefaultPolicyVersion(ctx, here, "p", 6), fault.NotFound, "version 6")
		wantFault(t, s.SetDefaultPolicyVersion(ctx, here, "q", 1), fault.NotFound, `"q"`)
		ok(t, s.SetDefaultPolicyVersion(ctx, here, "p", 3))
		s.now = func() time.Time { return testNow.Add(time.Hour) }
		ok(t, s.SetDefaultPolicyVersion(ctx, here, "p", 3)) // changes nothing
		p, _, err := s.PolicyVersion(ctx, here, "p", 0)
		ok(t, err)
		if p.Default != 3 || !p.Modified.Equal(testNow.Add(time.Minute)) {
			t.Errorf("got version %d in force, modified at %s, want 3 a minute later", p.Default, p.Modified)
		}
		ok(t, s.DeletePolicyVersion(ctx, here, "p", 5))
		if n, err = s.CreatePolicyVersion(ctx, here, testDraft(t, "p", policy.Blank), false); err != nil || n != 6 {
			t.Errorf("got version %d, %v after the fifth was deleted, want 6", n, err)
		}
		if got := versions(t, s, here, "p"); got != "6 4 [3] 2 1" {
			t.Errorf("got %s, want 6 4 [3] 2 1", got)
		}
		if got := versions(t, s, there, "p"); got != "[1]" {
			t.Errorf("got %s in the other account, want it untouched", got)
		}
		_, err = s.PolicyVersions(ctx, here, "q")
		wantFault(t, err, fault.NotFound, `"q"`)
	})
}

func TestDeletePolicy(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makePolicies(t, s, here, "p")
		makePolicies(t, s, there, "p")
		register(t, s, here, 1)
		target := fleet.Target{Kind: fleet.TargetCertificate, Name: certificateID(1)}
		addVersions(t, s, here, "p", 1)
		wantFault(t, s.DeletePolicy(ctx, here, "p"), fault.DeleteConflict, "versions")
		ok(t, s.DeletePolicyVersion(ctx, here, "p", 2))
		ok(t, s.AttachPolicy(ctx, here, "p", target))
		wantFault(t, s.DeletePolicy(ctx, here, "p"), fault.DeleteConflict, "detached")
		ok(t, s.DetachPolicy(ctx, here, "p", target))
		ok(t, s.DeletePolicy(ctx, here, "p"))
		wantFault(t, s.DeletePolicy(ctx, here, "p"), fault.NotFound, `"p"`)
		if got := versions(t, s, there, "p"); got != "[1]" {
			t.Errorf("got %s in the other account, want it untouched", got)
		}
		makePolicies(t, s, here, "p") // with nothing left of the old one
		if got := versions(t, s, here, "p"); got != "[1]" {
			t.Errorf("got %s, want one version", got)
		}
	})
}

func TestPoliciesArePaged(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makePolicies(t, s, there, "x")
		makePolicies(t, s, here, "b", "a", "C")
		for _, tt := range []struct {
			ascending bool
			want      string
		}{{false, "C a b"}, {true, "b a C"}} {
			page := fleet.PolicyPage{Ascending: tt.ascending, Limit: 2}
			var got []string
			for {
				list, err := s.Policies(context.Background(), here, page)
				ok(t, err)
				if len(list) == 0 {
					break
				}
				for _, p := range list {
					got = append(got, p.Name)
					page.After = p.Seq
				}
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("ascending %v: got %s, want %s", tt.ascending, got, tt.want)
			}
		}
	})
}

func TestPolicyVersionsAtOnceKeepTheLimit(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makePolicies(t, s, here, "p")
		drafts := make([]*fleet.PolicyDraft, 20)
		for i := range drafts {
			drafts[i] = testDraft(t, "p", policy.Blank)
		}
		done := together(t, len(drafts), func(i int) error {
			_, err := s.CreatePolicyVersion(context.Background(), here, drafts[i], i%2 == 0)
			return err
		}, fault.VersionsLimit)
		if got := strings.Fields(versions(t, s, here, "p")); done != 4 || len(got) != 5 {
			t.Errorf("got %d made and %v, want 4 and 5 versions", done, got)
		}
	})
}

func TestTheDefaultVersionIsNeverDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for round := range 10 {
			name := fmt.Sprintf("p%d", round)
			makePolicies(t, s, here, name)
			addVersions(t, s, here, name, 1)
			together(t, 2, func(i int) error {
				if i == 0 {
					return s.SetDefaultPolicyVersion(ctx, here, name, 2)
				}
				return s.DeletePolicyVersion(ctx, here, name, 2)
			}, fault.NotFound, fault.Invalid)
			if got := versions(t, s, here, name); got != "[1]" && got != "[2] 1" {
				t.Errorf("got %s, want a default that exists", got)
			}
		}
	})
}

func TestPolicyTargets(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		names := []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "last"}
		makePolicies(t, s, here, names...)
		makePolicies(t, s, there, "p0")
		register(t, s, here, 2)
		register(t, s, there, 1)
		makeGroups(t, s, here, "g")
		cert := fleet.Target{Kind: fleet.TargetCertificate, Name: certificateID(1)}
		group := fleet.Target{Kind: fleet.TargetGroup, Name: "g"}
		for _, name := range names[:10] {
			ok(t, s.AttachPolicy(ctx, here, name, cert))
		}
		ok(t, s.AttachPolicy(ctx, here, "p0", cert)) // again, at the limit
		wantFault(t, s.AttachPolicy(ctx, here, "last", cert), fault.Limit, "10")
		ok(t, s.AttachPolicy(ctx, here, "p0", group))
		ok(t, s.AttachPolicy(ctx, here, "last", group))
		wantFault(t, s.AttachPolicy(ctx, here, "p1", group), fault.Limit, "2")
		wantFault(t, s.AttachPolicy(ctx, here, "none", fleet.Target{Kind: fleet.TargetCertificate, Name: certificateID(2)}),
			fault.NotFound, `"none"`)
		wantFault(t, s.AttachPolicy(ctx, there, "p0", group), fault.NotFound, "thinggroup/g")
		wantFault(t, s.AttachPolicy(ctx, there, "last", cert), fault.NotFound, `"last"`)

		list, err := s.AttachedPolicies(ctx, here, cert, fleet.AttachedPage{After: "p7", Limit: 10})
		ok(t, err)
		if want := []string{"p8", "p9"}; !slices.Equal(list, want) {
			t.Errorf("got %v, want %v", list, want)
		}
		if list, err = s.AttachedPolicies(ctx, there, cert, fleet.AttachedPage{Limit: 10}); err != nil || len(list) > 0 {
			t.Errorf("got %v, %v in the other account, want none", list, err)
		}
		targets, err := s.PolicyTargets(ctx, here, "p0", fleet.TargetPage{Limit: 10})
		ok(t, err)
		if want := []fleet.Target{cert, group}; !slices.Equal(targets, want) {
			t.Errorf("got %v, want %v", targets, want)
		}
		if targets, err = s.PolicyTargets(ctx, here, "p0", fleet.TargetPage{After: cert.String(), Limit: 1}); err != nil ||
			!slices.Equal(targets, []fleet.Target{group}) {
			t.Errorf("got %v, %v, want what is behind the certificate", targets, err)
		}
		_, err = s.PolicyTargets(ctx, here, "none", fleet.TargetPage{Limit: 1})
		wantFault(t, err, fault.NotFound, `"none"`)
		_, err = s.AttachedPolicies(ctx, here, fleet.Target{Kind: fleet.TargetGroup, Name: "G"}, fleet.AttachedPage{Limit: 1})
		wantFault(t, err, fault.NotFound, "thinggroup/G")

		ok(t, s.DetachPolicy(ctx, there, "p0", cert))
		ok(t, s.DetachPolicy(ctx, here, "p0", cert))
		ok(t, s.DetachPolicy(ctx, here, "p0", cert))
		if targets, err = s.PolicyTargets(ctx, here, "p0", fleet.TargetPage{Limit: 10}); err != nil ||
			!slices.Equal(targets, []fleet.Target{group}) {
			t.Errorf("got %v, %v, want the group alone", targets, err)
		}
	})
}

func TestGroupsInheritPolicies(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		makeGroups(t, s, here, "root", "root/mid", "root/mid/leaf", "root/other")
		makePolicies(t, s, here, "a", "b", "c", "d")
		for policy, group := range map[string]string{"a": "leaf", "b": "root", "c": "mid", "d": "other"} {
			ok(t, s.AttachPolicy(ctx, here, policy, fleet.Target{Kind: fleet.TargetGroup, Name: group}))
		}
		ok(t, s.AttachPolicy(ctx, here, "a", fleet.Target{Kind: fleet.TargetGroup, Name: "root"}))
		for _, tt := range []struct {
			group string
			page  fleet.AttachedPage
			want  string
		}{
			{"leaf", fleet.AttachedPage{Limit: 10}, "a"},
			{"leaf", fleet.AttachedPage{Parents: true, Limit: 10}, "a b c"},
			{"leaf", fleet.AttachedPage{Parents: true, After: "a", Limit: 1}, "b"},
			{"mid", fleet.AttachedPage{Parents: true, Limit: 10}, "a b c"},
			{"root", fleet.AttachedPage{Parents: true, Limit: 10}, "a b"},
			{"other", fleet.AttachedPage{Parents: true, Limit: 10}, "a b d"},
		} {
			list, err := s.AttachedPolicies(ctx, here, fleet.Target{Kind: fleet.TargetGroup, Name: tt.group}, tt.page)
			ok(t, err)
			if got := strings.Join(list, " "); got != tt.want {
				t.Errorf("%s, %+v: got %s, want %s", tt.group, tt.page, got, tt.want)
			}
		}
	})
}

func TestAttachingPoliciesAtOnceKeepsTheLimit(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		makeGroups(t, s, here, "g")
		names := make([]string, 8)
		for i := range names {
			names[i] = fmt.Sprintf("p%d", i)
		}
		makePolicies(t, s, here, names...)
		done := together(t, len(names), func(i int) error {
			return s.AttachPolicy(context.Background(), here, names[i], fleet.Target{Kind: fleet.TargetGroup, Name: "g"})
		}, fault.Limit)
		if done != 2 {
			t.Errorf("got %d attached, want 2", done)
		}
	})
}

func TestAttachingPoliciesWhileAnEndIsDeleted(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		for round := range 10 {
			name, cert := fmt.Sprintf("p%d", round), testCertificate(round)
			makePolicies(t, s, here, name)
			ok(t, s.RegisterCertificate(ctx, here, cert))
			target := fleet.Target{Kind: fleet.TargetCertificate, Name: cert.ID}
			done := together(t, 3, func(i int) error {
				switch i {
				case 0:
					return s.AttachPolicy(ctx, here, name, target)
				case 1:
					return s.DeletePolicy(ctx, here, name)
				}
				return s.DeleteCertificate(ctx, here, cert.ID, false)
			}, fault.NotFound, fault.DeleteConflict)
			if done == 0 {
				t.Error("got nothing done, want one of the three at least")
			}
			ok(t, s.reading(ctx, here, func(q querier, scope int64) error {
				loose, err := count(ctx, q, `SELECT count(*) FROM policy_targets a WHERE a.scope = @scope
					AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.scope = @scope AND 'cert/' || c.id = a.target)`,
					args{"scope": scope})
				if loose != 0 {
					t.Errorf("got %d attachments without certificate, want none", loose)
				}
				return err
			}))
		}
	})
}
