package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

const (
	home  = "111111111111"
	other = "222222222222"

	aliceARN   = "arn:aws:iam::" + home + ":user/staff/alice"
	roleARN    = "arn:aws:iam::" + home + ":role/auditor"
	sessionARN = "arn:aws:sts::" + home + ":assumed-role/auditor/nightly"
	topicARN   = "arn:aws:sns:eu-west-1:" + home + ":alarms"
	farTopic   = "arn:aws:sns:eu-west-1:" + other + ":alarms"
	thingARN   = "arn:aws:iot:eu-west-1:" + home + ":thing/pump-1"
)

// noon is when every call of these tests is made.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// statement is one statement of a policy, as JSON.
type statement map[string]any

// allow and deny make statements; actions and resources are apart by spaces.
func allow(actions, resources string) statement { return says("Allow", actions, resources) }
func deny(actions, resources string) statement  { return says("Deny", actions, resources) }

func says(effect, actions, resources string) statement {
	return statement{"Effect": effect, "Action": strings.Fields(actions), "Resource": strings.Fields(resources)}
}

// with returns the statement with an element of it replaced or added; "Not"
// elements take the place of the plain ones.
func (s statement) with(element string, value any) statement {
	s = maps.Clone(s)
	if plain, ok := strings.CutPrefix(element, "Not"); ok {
		delete(s, plain)
	}
	s[element] = value
	return s
}

// when adds a condition.
func (s statement) when(operator, key string, values ...string) statement {
	conditions := map[string]any{}
	if have, ok := s["Condition"].(map[string]any); ok {
		maps.Copy(conditions, have)
	}
	keys := map[string]any{}
	if have, ok := conditions[operator].(map[string]any); ok {
		maps.Copy(keys, have)
	}
	keys[key] = values
	conditions[operator] = keys
	return s.with("Condition", conditions)
}

// to adds whom the statement of a resource's policy is about.
func (s statement) to(kind string, who ...string) statement {
	return s.with("Principal", map[string]any{kind: who})
}

// document is a policy of some statements.
func document(statements ...statement) string { return versioned(policy.Version2012, statements...) }

func versioned(version string, statements ...statement) string {
	b, err := json.Marshal(map[string]any{"Version": version, "Statement": append([]statement{}, statements...)})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// situation is all that a decision depends on.
type situation struct {
	who      identity.Principal
	policies []string
	boundary string
	session  []string // documents of policies that bound the session, by ARN
	resource string   // the policy of the resource
	tags     map[string]string
	call     identity.Call
	ask      identity.Ask
}

// shelf is a store that holds the policies of one situation.
type shelf struct {
	situation
	reads  atomic.Int64 // of grants
	tagged atomic.Int64 // reads of tags
	err    error
}

func (s *shelf) Grants(_ context.Context, _ durable.Tx, of identity.Grantee) (*identity.Grants, error) {
	s.reads.Add(1)
	if s.err != nil {
		return nil, s.err
	}
	g := &identity.Grants{Session: s.session}
	if of.ARN != "" {
		if s.resource == "" {
			return nil, nil
		}
		g.Role = &identity.Role{Account: of.Account, Path: "/", Name: "auditor", ID: "AROAAUDITORAUDITOR1", Trust: s.resource}
	}
	for _, text := range s.policies {
		g.Policies = append(g.Policies, identity.GrantedPolicy{Document: text})
	}
	if s.boundary != "" {
		g.Boundary = &s.boundary
	}
	return g, nil
}

func (s *shelf) ResourcePolicy(context.Context, durable.Tx, string) (string, error) {
	return s.resource, s.err
}

func (s *shelf) ResourceTags(context.Context, durable.Tx, string) (map[string]string, error) {
	s.tagged.Add(1)
	return s.tags, s.err
}

func (s *shelf) service() *identity.Service {
	return &identity.Service{Policies: s, Now: func() time.Time { return noon }}
}

// verdict is "" for a call that is allowed, and else which layer denied it or did
// not allow it.
func verdict(t testing.TB, s situation) string {
	t.Helper()
	err := (&shelf{situation: s}).service().Authorize(t.Context(), s.who, s.call, []identity.Ask{s.ask})
	if err == nil {
		return ""
	}
	if !fault.Is(err, fault.Denied) {
		t.Fatalf("got %v, want a decision", err)
	}
	text := err.Error()
	if _, layer, ok := strings.Cut(text, " with an explicit deny in a"); ok {
		return "deny: " + strings.TrimPrefix(strings.TrimPrefix(layer, "n"), " ")
	}
	_, layer, _ := strings.Cut(text, " because no ")
	layer, _, _ = strings.Cut(layer, " allows the ")
	return "no " + layer
}

// Whom the cases are about.
var (
	homeAccount = identity.Account{ID: home, Status: identity.Active}
	root        = identity.Principal{
		Account: homeAccount, Kind: identity.KindRoot, ARN: "arn:aws:iam::" + home + ":root", ID: home,
	}
	alice = identity.Principal{
		Account: homeAccount, Kind: identity.KindUser, ARN: aliceARN, ID: "AIDAALICEALICEALICE", Name: "alice",
		Tags: map[string]string{"team": "pumps", "Level": "7"},
	}
	nightly = identity.Principal{
		Account: homeAccount, Kind: identity.KindAssumedRole, ARN: sessionARN, ID: "AROAAUDITORAUDITOR1:nightly",
		Name: "auditor", Tags: map[string]string{"team": "audit"},
		Session: &identity.Session{
			RoleARN: roleARN, RoleID: "AROAAUDITORAUDITOR1", RoleName: "auditor", Name: "nightly",
			Issued: noon.Add(-time.Hour), Expires: noon.Add(time.Hour), SourceIdentity: "carol",
		},
	}
	fromOffice = identity.Call{Region: "eu-west-1", SourceIP: "198.51.100.7", UserAgent: "aws-cli/2.1", Secure: true}
)

// bounded is a session with a policy of its own, or with policies by ARN.
func bounded(p identity.Principal, document string, arns ...string) identity.Principal {
	s := *p.Session
	s.Policy, s.PolicyARNs = document, arns
	p.Session = &s
	return p
}

func TestAuthorize(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range authorizations {
		if seen[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			if got := verdict(t, c.situation()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if len(seen) < 150 {
		t.Errorf("got %d cases, want 150", len(seen))
	}
}

func TestARefusalIsInTheWordsOfAWS(t *testing.T) {
	for _, tt := range []struct {
		name string
		situation
		want string
	}{
		{"what nothing allows", situation{who: alice, ask: identity.Ask{Action: "iot:ListThings"}},
			"User: " + aliceARN + " is not authorized to perform: iot:ListThings on resource: * " +
				"because no identity-based policy allows the iot:ListThings action"},
		{"what is denied", situation{
			who: nightly, policies: []string{document(allow("*", "*"), deny("iot:*", "*"))},
			ask: identity.Ask{Action: "iot:DescribeThing", Resource: thingARN},
		}, "User: " + sessionARN + " is not authorized to perform: iot:DescribeThing on resource: " + thingARN +
			" with an explicit deny in an identity-based policy"},
		{"what is denied beyond it", situation{
			who: alice, policies: []string{document(allow("*", "*"))}, boundary: document(deny("iot:*", "*")),
			ask: identity.Ask{Action: "iot:DescribeThing", Resource: thingARN},
		}, "User: " + aliceARN + " is not authorized to perform: iot:DescribeThing on resource: " + thingARN +
			" with an explicit deny in a permissions boundary"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{situation: tt.situation}
			err := s.service().Authorize(t.Context(), tt.who, tt.call, []identity.Ask{tt.ask})
			if err == nil || err.Error() != tt.want || !fault.Is(err, fault.Denied) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestEveryPermissionIsNeeded(t *testing.T) {
	s := &shelf{situation: situation{policies: []string{document(allow("iot:A iot:B", "*"))}}}
	err := s.service().Authorize(t.Context(), alice, fromOffice,
		[]identity.Ask{{Action: "iot:A"}, {Action: "iot:B"}, {Action: "iot:C"}})
	if err == nil || !strings.Contains(err.Error(), "iot:C") {
		t.Errorf("got %v, want a refusal of iot:C", err)
	}
	err = s.service().Authorize(t.Context(), alice, fromOffice, make([]identity.Ask, 1001))
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v for 1001 permissions, want Invalid", err)
	}
}

// What cannot be found out is not decided, and the call does not go on.
func TestWhatCannotBeReadIsNotAllowed(t *testing.T) {
	broken := errors.New("the disk is gone")
	tagged := document(allow("*", "*").when("StringEquals", "aws:ResourceTag/a", "b"))
	for _, tt := range []struct {
		name string
		situation
		err error
	}{
		{"policies", situation{who: alice}, broken},
		{"a policy that is no policy", situation{who: alice, policies: []string{`{}`}}, nil},
		{"one beside a good one", situation{who: alice, policies: []string{document(allow("*", "*")), `{`}}, nil},
		{"a boundary that is no policy", situation{
			who: alice, policies: []string{document(allow("*", "*"))}, boundary: `[]`,
		}, nil},
		{"a session policy that is no policy", situation{
			who: bounded(nightly, `x`), policies: []string{document(allow("*", "*"))},
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{situation: tt.situation, err: tt.err}
			err := s.service().Authorize(t.Context(), tt.who, fromOffice, []identity.Ask{{Action: "iot:A"}})
			if err == nil || fault.From(err) != nil {
				t.Errorf("got %v, want an internal error", err)
			}
		})
	}
	t.Run("tags", func(t *testing.T) {
		s := &shelf{situation: situation{policies: []string{tagged}}}
		service := s.service()
		if err := service.Authorize(t.Context(), alice, fromOffice, []identity.Ask{{Action: "iot:A"}}); err == nil {
			t.Fatal("got no refusal without the tag")
		}
		s.err = broken
		err := service.Authorize(t.Context(), alice, fromOffice, []identity.Ask{{Action: "iot:A"}})
		if !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	})
}

func TestPoliciesAreReadOnceForEachState(t *testing.T) {
	s := &shelf{situation: situation{policies: []string{document(allow("iot:*", "*"))}}}
	service := s.service()
	may := func(p identity.Principal) bool {
		return service.Authorize(t.Context(), p, fromOffice, []identity.Ask{{Action: "iot:ListThings"}}) == nil
	}
	p := alice
	for range 3 {
		if !may(p) {
			t.Fatal("got a refusal of what is allowed")
		}
	}
	if n := s.reads.Load(); n != 1 {
		t.Errorf("got %d reads in one state, want 1", n)
	}
	s.policies = nil
	p.State++
	if may(p) {
		t.Error("got what was allowed in the state before")
	}
	session := bounded(nightly, document(allow("iot:ListThings", "*")))
	s.policies = []string{document(allow("iot:*", "*"))}
	if !may(session) || may(bounded(nightly, document(allow("iot:ListTopicRules", "*")))) || !may(nightly) {
		t.Error("got the rights of a session for another of the same role")
	}
	if s.tagged.Load() != 0 {
		t.Error("tags were read that no policy asks for")
	}
	if root := s.reads.Load(); may(rootOf(p)) && s.reads.Load() != root {
		t.Error("policies were read for root")
	}
}

func rootOf(p identity.Principal) identity.Principal {
	return identity.Principal{Account: p.Account, Kind: identity.KindRoot, ARN: identity.RootARN(p.Account.ID)}
}

// An error is not remembered.
func TestPoliciesAreReadAgainAfterAnError(t *testing.T) {
	s := &shelf{situation: situation{policies: []string{document(allow("*", "*"))}}, err: errors.New("busy")}
	service := s.service()
	ask := []identity.Ask{{Action: "iot:ListThings"}}
	if err := service.Authorize(t.Context(), alice, fromOffice, ask); err == nil {
		t.Fatal("got an answer without policies")
	}
	s.err = nil
	if err := service.Authorize(t.Context(), alice, fromOffice, ask); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}
