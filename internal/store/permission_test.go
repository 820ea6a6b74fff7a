package store

import (
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/policy"
)

// grantedPolicies is what a granted policy is found by, and the beginning of its document.
func grantedPolicies(g *identity.Grants) (list []string) {
	for _, p := range g.Policies {
		list = append(list, string(p.Owner)+" "+p.Name+" "+p.Document[:min(len(p.Document), 1)])
	}
	slices.Sort(list)
	return list
}

func TestGrants(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		u := makeUser(t, s, here.Account, "/team/", "ada")
		far := makeUser(t, s, there.Account, "/team/", "ada")
		group := identity.NewGroup(here.Account, "/", "all", testNow)
		ok(t, s.CreateUserGroup(ctx, group))
		ok(t, s.AddUserToGroup(ctx, here.Account, "all", "ada"))
		own := makePolicy(t, s, here.Account, "Own")
		limit := makePolicy(t, s, here.Account, "Limit")
		for _, o := range []identity.Owner{ownerOf(identity.OwnerUser, "ada"), ownerOf(identity.OwnerGroup, "all")} {
			ok(t, s.PutInlinePolicy(ctx, o, identity.InlinePolicy{Name: "in", Document: policy.Blank}))
		}
		ok(t, s.AttachManagedPolicy(ctx, ownerOf(identity.OwnerUser, "ada"), own))
		ok(t, s.AttachManagedPolicy(ctx, ownerOf(identity.OwnerGroup, "all"), readOnly))

		byID := identity.Grantee{Kind: identity.OwnerUser, Account: here.Account, ID: u.ID, Session: []string{limit, "arn:x"}}
		g, err := s.Grants(ctx, nil, byID)
		ok(t, err)
		want := "group ReadOnlyAccess {, group in {, user Own {, user in {"
		if got := strings.Join(grantedPolicies(g), ", "); got != want || g.User.ID != u.ID || g.Boundary != nil ||
			len(g.Session) != 1 {
			t.Errorf("got %s with %+v, want %s", got, g, want)
		}
		byARN := identity.Grantee{Kind: identity.OwnerUser, Account: here.Account, ARN: u.ARN()}
		g, err = s.Grants(ctx, nil, byARN)
		ok(t, err)
		if g == nil || g.User.ID != u.ID {
			t.Errorf("got %+v by ARN", g)
		}
		for name, of := range map[string]identity.Grantee{
			"another case": {Kind: identity.OwnerUser, Account: here.Account, ARN: strings.Replace(u.ARN(), "ada",
				"ADA", 1)},
			"another path": {Kind: identity.OwnerUser, Account: here.Account, ARN: strings.Replace(u.ARN(), "team/", "",
				1)},
			"another account":    {Kind: identity.OwnerUser, Account: there.Account, ID: u.ID},
			"another's account":  {Kind: identity.OwnerUser, Account: here.Account, ARN: far.ARN()},
			"another kind":       {Kind: identity.OwnerRole, Account: here.Account, ID: u.ID},
			"another kind's ARN": {Kind: identity.OwnerRole, Account: here.Account, ARN: u.ARN()},
		} {
			if g, err := s.Grants(ctx, nil, of); g != nil || err != nil {
				t.Errorf("got %+v, %v for %s, want nothing", g, err, name)
			}
		}
	})
}

func TestGrantsOfARole(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		makeAccounts(t, s)
		role := testRole("/service-role/", "Audit")
		role.Boundary, role.Tags = makePolicy(t, s, here.Account, "Limit"), map[string]string{"use": "iot"}
		ok(t, s.CreateRole(ctx, role))
		ok(t, s.AttachManagedPolicy(ctx, ownerOf(identity.OwnerRole, "Audit"), iotAudit))
		g, err := s.Grants(ctx, nil, identity.Grantee{Kind: identity.OwnerRole, Account: here.Account, ARN: role.ARN()})
		ok(t, err)
		if g == nil || g.Boundary == nil || *g.Boundary != policy.Blank || g.Role.Trust != role.Trust ||
			len(g.Documents()) != 1 {
			t.Fatalf("got %+v", g)
		}
		tags, err := s.ResourceTags(ctx, nil, role.ARN())
		ok(t, err)
		if tags["use"] != "iot" {
			t.Errorf("got tags %v", tags)
		}
		for _, arn := range []string{"*", "arn:aws:iam::111111111111:role/Audit", "arn:aws:iot:x:y:thing/z", ""} {
			if tags, err := s.ResourceTags(ctx, nil, arn); len(tags) > 0 || err != nil {
				t.Errorf("got %v, %v for %q, want no tags", tags, err, arn)
			}
		}
		topic := makeTopic(t, s, here, "told")
		ok(t, s.UpdateTopic(ctx, topic.ARN, func(t *notify.Topic) error { t.Policy = "{}"; return nil }))
		for arn, want := range map[string]string{
			topic.ARN.String(): "{}", topic.ARN.String() + "2": "", "arn:aws:sns:eu-west-1:111111111111:none": "", "*": "",
		} {
			for _, tx := range []durable.Tx{nil, readTx{q: s.read}} {
				if text, err := s.ResourcePolicy(ctx, tx, arn); text != want || err != nil {
					t.Errorf("got %q, %v of %s, want %q", text, err, arn, want)
				}
			}
		}
	})
}
