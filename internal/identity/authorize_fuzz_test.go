package identity_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

// FuzzTheDecisionIsThatOfTheRules makes up situations and holds what is decided
// to what a reader of the rules decides. The seeds run with every test.
func FuzzTheDecisionIsThatOfTheRules(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, uint16(1500))
	}
	f.Fuzz(func(t *testing.T, seed uint64, many uint16) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		counts := map[string]int{}
		for range min(many, 2000) {
			s, keys := g.situation()
			subject := naive{keys: keys, account: home, arn: s.who.ARN, id: s.who.ID, role: "none"}
			if s.who.Session != nil {
				subject.role = s.who.Session.RoleARN
			} else {
				subject.role = ""
			}
			want := subject.decide(s)
			got := verdict(t, s)
			kind, _, _ := strings.Cut(strings.TrimSuffix(got, ":"), " ")
			kind = strings.TrimSuffix(kind, ":")
			if kind == "" {
				kind = "allow"
			}
			counts[kind]++
			if kind != want {
				t.Fatalf("got %q, want %s, for %s on %s by %s with %v\npolicies %s\nboundary %s\nsession %s %+v\nresource %s",
					got, want, s.ask.Action, s.ask.Resource, s.who.ARN, keys, s.policies, s.boundary, s.session,
					s.who.Session, s.resource)
			}
		}
		if many >= 1500 && (counts["allow"] < 100 || counts["deny"] < 100 || counts["no"] < 100) {
			t.Errorf("got %v: too few of one kind say anything", counts)
		}
	})
}

// generator makes situations up, small enough that much meets by chance.
type generator struct{ *rand.Rand }

func (g generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) some(most int, list ...string) []string {
	out := []string{}
	for range 1 + g.IntN(most) {
		out = append(out, g.one(list...))
	}
	return out
}

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

const aThing, bThing = "arn:aws:iot:r:" + home + ":thing/a", "arn:aws:iot:r:" + home + ":thing/ab"

func (g generator) situation() (situation, map[string][]string) {
	s := situation{call: fromOffice, ask: identity.Ask{
		Action:   g.one("iot:Aa", "iot:Ab", "IOT:B", "sns:Publish"),
		Resource: g.one("*", aThing, bThing, "arn:aws:iot:r:"+home+":thing/alice", topicARN, topicARN, farTopic),
	}}
	switch g.IntN(8) {
	case 0:
		s.who = root
	case 1, 2:
		s.who = nightly
	case 3:
		s.who = bounded(nightly, g.document(false))
	case 4:
		s.who, s.session = bounded(nightly, ""), []string{g.document(false)}
		s.who.Session.PolicyARNs = []string{"arn:aws:iam::" + home + ":policy/p"}
	default:
		s.who = alice
	}
	for range g.IntN(3) {
		s.policies = append(s.policies, g.document(false))
	}
	if g.chance(30) {
		s.boundary = g.document(false)
	}
	if g.chance(70) && strings.HasPrefix(s.ask.Resource, "arn:aws:sns:") {
		s.resource = g.document(true)
	}
	values := policy.Table{}
	for _, key := range []string{"iot:k", "iot:m"} {
		for range g.IntN(3) {
			values[key] = append(values[key], g.one("a", "b", "ab", "A", "1", "2.5", "true", aThing, "10.0.0.1",
				"2026-01-01T00:00:00Z", "YQ==", "alice"))
		}
	}
	s.ask.Values = values
	if g.chance(50) {
		s.tags = map[string]string{"t": g.one("pumps", "audit", "x")}
	}
	return s, g.keys(s, values)
}

// keys are the values of keys that a naive reader of the rules looks up.
func (g generator) keys(s situation, values policy.Table) map[string][]string {
	keys := map[string][]string{"aws:principaltag/team": {s.who.Tags["team"]}, "aws:principalaccount": {home}}
	if s.who.Kind == identity.KindRoot {
		delete(keys, "aws:principaltag/team")
	}
	if s.who.Kind == identity.KindUser {
		keys["aws:username"] = []string{s.who.Name}
	}
	for key, list := range values {
		keys[key] = list
	}
	if t, ok := s.tags["t"]; ok {
		keys["aws:resourcetag/t"] = []string{t}
	}
	return keys
}

func (g generator) document(ofResource bool) string {
	list := []statement{}
	for range g.IntN(4) {
		list = append(list, g.statement(ofResource))
	}
	if ofResource && len(list) == 0 {
		list = append(list, g.statement(true))
	}
	b, err := json.Marshal(map[string]any{
		"Version": g.one(policy.Version2012, policy.Version2012, policy.Version2008), "Statement": list,
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (g generator) statement(ofResource bool) statement {
	s := statement{"Effect": g.one("Allow", "Allow", "Allow", "Deny")}
	not := func(element string) string {
		if g.chance(15) {
			return "Not" + element
		}
		return element
	}
	s[not("Action")] = g.some(2, "*", "*:*", "iot:*", "iot:A?", "iot:a*", "IOT:Ab", "iot:b", "sns:*", "sns:publish",
		"iot:??")
	s[not("Resource")] = g.some(2, "*", "*", "arn:aws:iot:*", "arn:aws:sns:*", "arn:aws:iot:*:*:thing/*",
		"arn:aws:iot:r:*:*/a?", aThing, "arn:aws:iot:*:thing/a", topicARN, "arn:aws:sns:*:*:al?rms",
		"arn:aws:iot:r:"+home+":thing/${aws:username}", "arn:aws:iot:*:*:thing/${iot:k}*",
		"arn:aws:iot:*:*:thing/${iot:none, 'a'}", "arn:aws:iot:r:*:thing/${*}*", "arn:aws:*:?:*")
	for range g.IntN(3) {
		s = g.condition(s)
	}
	if !ofResource {
		return s
	}
	who := func() map[string]any {
		return map[string]any{"AWS": g.some(3, aliceARN, roleARN, sessionARN, home, other, alice.ID,
			"arn:aws:iam::"+home+":root", "arn:aws:iam::"+home+":user/bob")}
	}
	switch {
	case s["Effect"] == "Deny" && g.chance(30):
		s["NotPrincipal"] = map[string]any{"AWS": append(g.some(3, aliceARN, roleARN, sessionARN), home)}
	case g.chance(25):
		s["Principal"] = map[string]any{"AWS": "*"}
	default:
		s["Principal"] = who()
	}
	return s
}

func (g generator) condition(s statement) statement {
	key := g.one("iot:k", "iot:k", "IOT:M", "aws:username", "aws:PrincipalTag/team", "aws:ResourceTag/T", "iot:none")
	if g.chance(12) {
		return s.when("Null", key, g.one("true", "false"))
	}
	quantifier := g.one("", "", "ForAllValues:", "ForAnyValue:")
	suffix := g.one("", "", "IfExists")
	operator, values := "", []string(nil)
	switch g.IntN(7) {
	case 0, 1:
		operator = g.one("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase")
		values = g.some(3, "a", "A", "ab", "alice", "pumps", "${aws:username}", "${aws:PrincipalTag/team}", "${iot:m}", "a*")
	case 2:
		operator = g.one("StringLike", "StringNotLike")
		values = g.some(2, "a*", "?", "*", "p${*}", "${iot:none,'a'}*", "al?ce", "${aws:ResourceTag/t}")
	case 3:
		operator = "Numeric" + g.one("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
		values = g.some(2, "1", "2.5", "3")
	case 4:
		operator = "Date" + g.one("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
		values = g.some(2, "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z")
	case 5:
		operator, values = g.one("IpAddress", "NotIpAddress"), g.some(2, "10.0.0.0/8", "192.0.2.0/24")
	case 6:
		operator = g.one("ArnLike", "ArnNotLike", "ArnEquals", "ArnNotEquals")
		values = g.some(2, aThing, "arn:aws:iot:*", "arn:aws:*:*:*:thing/a*", "*", "arn:aws:iot:*:thing/a")
	}
	return s.when(quantifier+operator+suffix, key, values...)
}
