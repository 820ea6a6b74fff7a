package check

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/policy"
)

const verdictRole = "arn:aws:iam::123456789012:role/r"

// roleCase is a role of testdata/role_verdicts.txt, which says how it is
// written, with its verdicts by check.
type roleCase struct {
	name, reason string
	policies     [][]any // the statements of each
	boundary     []any   // nil for none
	used, beside []string
	want         map[string]string
}

func readRoleCases(t *testing.T) (cases []roleCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/role_verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n")[1:] {
		c := roleCase{want: map[string]string{}, policies: [][]any{{}}}
		for line := range strings.Lines(block) {
			c.read(t, strings.TrimSpace(line))
		}
		if c.name == "" || c.reason == "" || len(c.want) == 0 {
			t.Errorf("a case lacks its name, reason or verdict: %s", block)
		}
		cases = append(cases, c)
	}
	return cases
}

func (c *roleCase) read(t *testing.T, line string) {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case word == "#":
		c.reason += " " + rest
	case word == "=":
		check, codes, _ := strings.Cut(rest, " ")
		c.want[check] = codes
	case word == "used":
		c.used = strings.Fields(rest)
	case strings.HasPrefix(line, "granted before "):
		c.beside = strings.Fields(line)[2:]
	case c.name == "":
		c.name = line
	case line == "policy":
		c.policies = append(c.policies, []any{})
	case line == "boundary":
		c.boundary = []any{}
	case c.boundary != nil:
		c.boundary = append(c.boundary, readVerdictStatement(t, line))
	default:
		last := len(c.policies) - 1
		c.policies[last] = append(c.policies[last], readVerdictStatement(t, line))
	}
}

func parseStatements(t *testing.T, statements []any) *policy.Document {
	t.Helper()
	text, err := json.Marshal(map[string]any{"Version": policy.Version2012, "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := policy.ParseIdentity(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// role is the role as the engine shows it to the checks.
func (c *roleCase) role(t *testing.T) *audit.Role {
	t.Helper()
	var documents []*policy.Document
	for _, statements := range c.policies {
		documents = append(documents, parseStatements(t, statements))
	}
	var boundary *policy.Document
	if c.boundary != nil {
		boundary = parseStatements(t, c.boundary)
	}
	role := &audit.Role{ARN: verdictRole, Grants: policy.AnalyzeRole(documents, boundary)}
	if c.used != nil {
		role.Used = &identity.AccessReport{Reported: now.Add(-day)}
		for _, s := range c.used {
			role.Used.Services = append(role.Used.Services, identity.ServiceAccess{Namespace: s, Last: now.Add(-2 * day)})
		}
		for _, s := range c.beside {
			role.Used.Services = append(role.Used.Services, identity.ServiceAccess{Namespace: s})
		}
	}
	return role
}

// short are the codes as the table writes them.
var short = map[string]string{
	"ALLOWS_ACCESS_TO_IOT_ADMIN_ACTIONS":                  "admin",
	"ALLOWS_ACCESS_TO_IOT_NON_THING_ADMIN_ACTIONS":        "other-admin",
	"ALLOWS_ACCESS_TO_IOT_THING_ADMIN_WRITE_ACTIONS":      "thing-write",
	"ALLOWS_BROAD_ACCESS_TO_IOT_THING_ADMIN_READ_ACTIONS": "thing-read",
	"ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS":       "data",
	"ALLOWS_ACCESS_TO_SECURITY_AUDITING_SERVICES":         "auditing",
	"ALLOWS_BROAD_ACCESS_TO_USED_SERVICES":                "used",
	"ALLOWS_ACCESS_TO_UNUSED_SERVICES":                    "unused",
}

// inShort is a verdict as the table writes it.
func inShort(t *testing.T, v audit.Verdict) string {
	t.Helper()
	var list []string
	for _, violation := range v.Violations {
		list = append(list, short[violation.Code])
		if len(violation.Related) != 1 || violation.Related[0].Type != audit.IAMRole ||
			violation.Related[0].Key != verdictRole {
			t.Errorf("%s: got related %+v, want the role", violation.Code, violation.Related)
		}
		if !strings.Contains(violation.Text, ": [") || strings.Contains(violation.Text, "[]") {
			t.Errorf("%s: got %q, want what is granted", violation.Code, violation.Text)
		}
	}
	switch {
	case list != nil:
		return strings.Join(list, " ")
	case v.Untested != "":
		return "untested"
	}
	return "compliant"
}

// judgeRole are the verdicts of the four checks on a role.
func judgeRole(t *testing.T, role *audit.Role) map[string]string {
	t.Helper()
	roles := audit.Roles{verdictRole: role}
	pool := &identity.Pool{Roles: identity.PoolRoles{ByKind: map[string]string{
		identity.Authenticated: verdictRole, identity.Unauthenticated: verdictRole,
	}}}
	alias, env := &fleet.RoleAlias{RoleARN: verdictRole}, audit.Env{Now: now}
	return map[string]string{
		"auth":   inShort(t, authenticatedCognitoRole.Pool(env, pool, roles)),
		"unauth": inShort(t, unauthenticatedCognitoRole.Pool(env, pool, roles)),
		"alias":  inShort(t, roleAliasOverlyPermissive.RoleAlias(env, alias, roles)),
		"unused": inShort(t, roleAliasUnusedServices.RoleAlias(env, alias, roles)),
	}
}

func TestVerdictsOnRoles(t *testing.T) {
	cases := readRoleCases(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for check, got := range judgeRole(t, c.role(t)) {
				want, ok := c.want[check]
				if !ok && c.used == nil && (check == "alias" || check == "unused") {
					want = "untested"
				} else if !ok {
					want = "compliant"
				}
				if got != want {
					t.Errorf("%s: got %q, want %q, because:%s", check, got, want, c.reason)
				}
			}
		})
	}
	if len(cases) < 60 {
		t.Errorf("got %d cases, want 60", len(cases))
	}
}

// A verdict is never better than what the documents really allow.
func TestVerdictsOnRolesHoldWhatIsAllowed(t *testing.T) {
	for _, c := range readRoleCases(t) {
		var documents []*policy.Compiled
		for _, statements := range c.policies {
			documents = append(documents, policy.NewCompiled(parseStatements(t, statements)))
		}
		role := c.role(t)
		for _, probe := range []struct {
			action, resource string
			reported         []string
		}{
			{"iot:CreateThing", "thing/a", role.Grants.ThingWrite},
			{"iot:CreateThing", "thing/a/b", role.Grants.ThingWrite},
			{"iot:DescribeThing", "thing/mine", role.Grants.ThingRead},
			{"iot:DescribeThing", "thing/MyThing", role.Grants.ThingRead},
			{"iot:DeleteConnection", "client/one", role.Grants.Admin},
			{"iot:CreatePolicy", "policy/any", role.Grants.Admin},
		} {
			q := policy.Request{Action: probe.action, Resource: "arn:aws:iot:us-east-1:123456789012:" + probe.resource}
			allowed := policy.Decide(q, documents...) == policy.Allowed
			if c.boundary != nil {
				allowed = allowed && policy.Decide(q, policy.NewCompiled(parseStatements(t, c.boundary))) == policy.Allowed
			}
			if allowed && !strings.Contains(strings.Join(probe.reported, " "), probe.action) {
				t.Errorf("%s: %s on %s is allowed and not reported: %v", c.name, probe.action, probe.resource, probe.reported)
			}
		}
	}
}

func TestWhatCountsAsUsed(t *testing.T) {
	role := func(reported, last time.Time) *audit.Role {
		c := roleCase{policies: [][]any{{readVerdictStatement(t, "Allow dynamodb:* on *")}}}
		r := c.role(t)
		r.Used = &identity.AccessReport{
			Reported: reported, Services: []identity.ServiceAccess{{Namespace: "dynamodb", Last: last}},
		}
		return r
	}
	year := 365 * day
	for _, tt := range []struct {
		name           string
		reported, last time.Time
		alias, unused  string
	}{
		{"used today", now, now, "used", "compliant"},
		{"used a year ago", now, now.Add(-year), "used", "compliant"},
		{"used longer than a year ago", now, now.Add(-year - time.Millisecond), "compliant", "unused"},
		{"never used", now, time.Time{}, "compliant", "unused"},
		{"a report of a year ago", now.Add(-year), now.Add(-year), "used", "compliant"},
		{"an older report", now.Add(-year - time.Millisecond), now.Add(-year - time.Millisecond), "untested", "untested"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judgeRole(t, role(tt.reported, tt.last))
			if got["alias"] != tt.alias || got["unused"] != tt.unused {
				t.Errorf("got %v, want %q and %q", got, tt.alias, tt.unused)
			}
		})
	}
}

func TestRolesOfPools(t *testing.T) {
	const good, bad, gone = "arn:aws:iam::123456789012:role/good", "arn:aws:iam::123456789012:role/bad",
		"arn:aws:iam::123456789012:role/gone"
	grants := func(line string) *policy.Role {
		return policy.AnalyzeRole([]*policy.Document{parseStatements(t, []any{readVerdictStatement(t, line)})}, nil)
	}
	roles := audit.Roles{
		good: {ARN: good, Grants: grants("Allow iot:Publish on topic/mine")},
		bad:  {ARN: bad, Grants: grants("Allow iot:CreateThing on *")},
		gone: {ARN: gone, Unknown: "its role does not exist"},
	}
	rules := func(arns ...string) identity.RoleMapping {
		m := identity.RoleMapping{Type: identity.MappingRules}
		for _, arn := range arns {
			m.Rules = append(m.Rules, identity.MappingRule{RoleARN: arn})
		}
		return m
	}
	for _, tt := range []struct {
		name     string
		role     string
		mappings map[string]identity.RoleMapping
		want     string
		untested string
		related  string
	}{
		{"no role is outside", "", nil, "outside", "", ""},
		{"a role that grants little complies", good, nil, "compliant", "", ""},
		{"a role that is gone is untested", gone, nil, "untested", "does not exist", ""},
		{"every rule of a mapping counts", good, map[string]identity.RoleMapping{"p": rules(good, bad)},
			codeThingWrite, "", bad},
		{"a mapping alone counts", "", map[string]identity.RoleMapping{"p": rules(bad)}, codeThingWrite, "", bad},
		{"what is found stands before what is not known", gone, map[string]identity.RoleMapping{"p": rules(bad)},
			codeThingWrite, "does not exist", bad},
		{"one gone of two is untested", good, map[string]identity.RoleMapping{"p": rules(gone)}, "untested",
			"does not exist", ""},
		{"a role that the token names is untested", good,
			map[string]identity.RoleMapping{"idp.example": {Type: identity.MappingToken}}, "untested", "idp.example", ""},
		{"all roles that break a rule are related", bad, map[string]identity.RoleMapping{"p": rules(bad, good)},
			codeThingWrite, "", bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &identity.Pool{Roles: identity.PoolRoles{ByKind: map[string]string{}, Mappings: tt.mappings}}
			if tt.role != "" {
				p.Roles.ByKind[identity.Authenticated] = tt.role
			}
			v := authenticatedCognitoRole.Pool(audit.Env{}, p, roles)
			got, related := "compliant", ""
			switch {
			case v.Outside:
				got = "outside"
			case len(v.Violations) > 0:
				got, related = codes(v.Violations), v.Violations[0].Related[0].Key
			case v.Untested != "":
				got = "untested"
			}
			if got != tt.want || !strings.Contains(v.Untested, tt.untested) || related != tt.related {
				t.Errorf("got %s, untested %q, related %q; want %s, %q, %q", got, v.Untested, related, tt.want, tt.untested,
					tt.related)
			}
			if v := unauthenticatedCognitoRole.Pool(audit.Env{}, p, roles); !v.Outside {
				t.Errorf("got %+v for a pool without an unauthenticated role, want that it is outside", v)
			}
		})
	}
}

func TestLongListsAreCutInTexts(t *testing.T) {
	doc := parseStatements(t, []any{readVerdictStatement(t, "Allow iot:* on *")})
	all := policy.AnalyzeRole([]*policy.Document{doc}, nil)
	v := violations(restricted, []*audit.Role{{ARN: verdictRole, Grants: all}})
	if len(v) != 4 || !strings.HasSuffix(v[1].Text, "more].") || len(v[1].Text) > 1000 {
		t.Errorf("got %+v, want a text of the first actions and how many more there are", v)
	}
}
