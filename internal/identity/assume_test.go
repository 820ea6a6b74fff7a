package identity

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// theRole is what the tests assume, and its account.
var theRole = Role{
	Account: testAccount, ID: "AROAAUDITORAUDITOR", Name: "Auditor", Path: "/ops/", MaxSession: 7200,
}

func TestAssumeRole(t *testing.T) {
	root := &Principal{Account: Account{ID: testAccount}, Kind: KindRoot, ARN: RootARN(testAccount)}
	user := &Principal{Account: Account{ID: testAccount}, Kind: KindUser, ARN: "arn:aws:iam::123456789012:user/alice"}
	chained := &Principal{
		Account: Account{ID: testAccount}, Kind: KindAssumedRole, ARN: "arn:aws:sts::123456789012:assumed-role/First/x",
		Session: &Session{
			Tags: map[string]string{"Team": "blue", "Site": "1"}, TransitiveTagKeys: []string{"Team"}, SourceIdentity: "alice",
		},
	}
	plain := &Principal{Account: Account{ID: testAccount}, Kind: KindAssumedRole, Session: &Session{}}
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`
	for _, tt := range []struct {
		name   string
		caller *Principal
		change func(*AssumeRequest)
		want   fault.Code // "" for a session
		text   string     // in the fault
	}{
		{"a user gets a session", user, func(*AssumeRequest) {}, "", ""},
		{"a session gets a session", plain, func(*AssumeRequest) {}, "", ""},
		{"root assumes no role", root, func(*AssumeRequest) {}, fault.Denied, "root"},
		{"a role that is not there is not told apart", user, func(in *AssumeRequest) { in.RoleARN += "x" }, fault.Denied, ""},
		{
			"a role is not found by another path", user,
			func(in *AssumeRequest) { in.RoleARN = "arn:aws:iam::123456789012:role/Auditor" }, fault.Denied, "",
		},
		{
			"a user is no role", user, func(in *AssumeRequest) { in.RoleARN = "arn:aws:iam::123456789012:user/ops/Auditor" },
			fault.Denied, "",
		},
		{"nor is what is no ARN", user, func(in *AssumeRequest) { in.RoleARN = "Auditor" }, fault.Denied, ""},
		{"the role's longest session is granted", user, func(in *AssumeRequest) { in.Duration = 2 * time.Hour }, "", ""},
		{
			"and no longer one", user, func(in *AssumeRequest) { in.Duration = 2*time.Hour + time.Second }, fault.Invalid,
			"MaxSessionDuration",
		},
		{"a chained session lasts an hour", plain, func(in *AssumeRequest) { in.Duration = time.Hour }, "", ""},
		{
			"and no longer", plain, func(in *AssumeRequest) { in.Duration = time.Hour + time.Second }, fault.Invalid,
			"role chaining",
		},
		{"a session policy is sealed in", user, func(in *AssumeRequest) { in.Policy = allow }, "", ""},
		{
			"one that is not evaluated is refused", user,
			func(in *AssumeRequest) { in.Policy = strings.Replace(allow, `"Resource"`, `"Principal"`, 1) },
			fault.MalformedPolicy, "",
		},
		{
			"a policy of the account bounds a session", user,
			func(in *AssumeRequest) { in.PolicyARNs = []string{"arn:aws:iam::123456789012:policy/Bound"} }, "", "",
		},
		{
			"one that is not there is refused", user,
			func(in *AssumeRequest) { in.PolicyARNs = []string{"arn:aws:iam::123456789012:policy/None"} }, fault.Invalid, "None",
		},
		{
			"more than ten are refused", user,
			func(in *AssumeRequest) {
				in.PolicyARNs = slices.Repeat([]string{"arn:aws:iam::123456789012:policy/Bound"}, 11)
			}, fault.Invalid, "10",
		},
		{
			"what does not fit into a token is refused", user, func(in *AssumeRequest) {
				in.Policy = allow[:len(allow)-2] + strings.Repeat(" ", MaxPacked) + "]}"
			}, fault.Invalid, "%",
		},
		{
			"tags differ by more than case", user,
			func(in *AssumeRequest) { in.Tags = []Tag{{"a", "1"}, {"A", "2"}} }, fault.Invalid, "",
		},
		{
			"tags of AWS are nobody's to give", user,
			func(in *AssumeRequest) { in.Tags = []Tag{{"aws:x", "1"}} }, fault.Invalid, "",
		},
		{
			"what is transitive is a tag", user,
			func(in *AssumeRequest) { in.TransitiveTagKeys = []string{"a"} }, fault.Invalid, "",
		},
		{
			"a transitive tag is not overridden", chained,
			func(in *AssumeRequest) { in.Tags = []Tag{{"team", "red"}} }, fault.Invalid, "",
		},
		{"a tag that is not transitive is", chained, func(in *AssumeRequest) { in.Tags = []Tag{{"Site", "2"}} }, "", ""},
		{
			"a source identity is not changed", chained,
			func(in *AssumeRequest) { in.SourceIdentity = "mallory" }, fault.Invalid, "",
		},
		{"but may be repeated", chained, func(in *AssumeRequest) { in.SourceIdentity = "alice" }, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newTestService(t)
			in := &AssumeRequest{RoleARN: theRole.ARN(), SessionName: "night"}
			tt.change(in)
			got, err := s.AssumeRole(t.Context(), tt.caller, in, func(context.Context) error { return nil })
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got.Session.RoleID != theRole.ID || got.Session.Policy != in.Policy || got.Account != testAccount {
					t.Errorf("got %+v", got)
				}
				return
			}
			if !fault.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %s with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestAChainedSessionCarriesOn(t *testing.T) {
	s, _ := newTestService(t)
	caller := &Principal{Account: Account{ID: testAccount}, Kind: KindAssumedRole, Session: &Session{
		Tags: map[string]string{"Team": "blue", "Site": "1"}, TransitiveTagKeys: []string{"Team"}, SourceIdentity: "alice",
	}}
	in := &AssumeRequest{
		RoleARN: theRole.ARN(), SessionName: "night", Tags: []Tag{{"Line", "7"}}, TransitiveTagKeys: []string{"line"},
	}
	actions := []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}
	if got := caller.AssumeActions(in); !slices.Equal(got, actions) {
		t.Errorf("got actions %v, want %v", got, actions)
	}
	got, err := s.AssumeRole(t.Context(), caller, in, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"Team": "blue", "Line": "7"}; !maps.Equal(got.Session.Tags, want) {
		t.Errorf("got tags %v, want %v", got.Session.Tags, want)
	}
	if want := []string{"Line", "Team"}; !slices.Equal(got.Session.TransitiveTagKeys, want) {
		t.Errorf("got transitive tags %v, want %v", got.Session.TransitiveTagKeys, want)
	}
	if got.Session.SourceIdentity != "alice" || !got.Session.Expires.Equal(testNow.Add(time.Hour)) {
		t.Errorf("got %+v", got.Session)
	}
}

func TestNobodyAssumesARoleWhoMayNot(t *testing.T) {
	s, _ := newTestService(t)
	denied := fault.New(fault.Denied, "no")
	_, err := s.AssumeRole(t.Context(), &Principal{Kind: KindUser}, &AssumeRequest{RoleARN: theRole.ARN()},
		func(context.Context) error { return denied })
	if !errors.Is(err, denied) {
		t.Errorf("got %v, want %v", err, denied)
	}
}
