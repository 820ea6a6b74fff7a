package check

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/audit"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/policy"
)

// verdictCase is a document of testdata/policy_verdicts.txt, which says how it
// is written, with its verdicts.
type verdictCase struct {
	name, reason string
	statements   []any
	want         []string
}

func readVerdicts(t *testing.T) (cases []verdictCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/policy_verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	for _, block := range blocks[1:] { // the first says how to read the others
		c := verdictCase{statements: []any{}}
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "# "):
				c.reason += line[1:]
			case strings.HasPrefix(line, "= "):
				c.want = append(c.want, line[2:])
			case c.name == "":
				c.name = line
			default:
				c.statements = append(c.statements, readVerdictStatement(t, line))
			}
		}
		if c.name == "" || c.reason == "" || len(c.want) == 0 {
			t.Errorf("a case lacks its name, reason or verdict: %s", block)
		}
		cases = append(cases, c)
	}
	return cases
}

// readVerdictStatement reads "Allow [not] actions on [not] resources [if JSON]".
func readVerdictStatement(t *testing.T, line string) map[string]any {
	t.Helper()
	line, condition, conditional := strings.Cut(line, " if ")
	effect, rest, _ := strings.Cut(line, " ")
	actions, resources, ok := strings.Cut(rest, " on ")
	if !ok {
		t.Fatalf("%q has no resource", line)
	}
	s := map[string]any{"Effect": effect}
	put := func(name, text string) {
		text, not := strings.CutPrefix(text, "not ")
		if not {
			name = "Not" + name
		}
		s[name] = readVerdictList(text)
	}
	put("Action", actions)
	put("Resource", resources)
	if conditional {
		s["Condition"] = json.RawMessage(condition)
	}
	return s
}

// readVerdictList reads one value, or a list in brackets.
func readVerdictList(text string) any {
	full := func(r string) string {
		if strings.Contains(r, "/") && !strings.HasPrefix(r, "arn:") {
			return "arn:aws:iot:us-east-1:123456789012:" + r
		}
		return r
	}
	if !strings.HasPrefix(text, "[") {
		return full(text)
	}
	list := []string{}
	for _, r := range strings.Fields(strings.Trim(text, "[]")) {
		list = append(list, full(r))
	}
	return list
}

// verdictsOf are the verdicts of both checks on a document, as the table
// writes them.
func verdictsOf(doc *policy.Document) (list []string) {
	found := policy.Analyze(doc)
	v := &fleet.PolicyVersion{Broad: found.Broad, DenyWildcards: found.DenyWildcards, DenyBypass: found.DenyBypass}
	for _, violation := range policyOverlyPermissive.Policy(audit.Env{}, v) {
		_, actions, _ := strings.Cut(violation.Text, "[")
		list = append(list, "broad "+strings.ReplaceAll(strings.TrimRight(actions, "]."), ",", ""))
	}
	for _, violation := range policyPotentialMisconfiguration.Policy(audit.Env{}, v) {
		list = append(list, map[string]string{
			"POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT":       "wildcards in a deny",
			"TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS": "a deny got around",
		}[violation.Code])
	}
	if list == nil {
		return []string{"compliant"}
	}
	return list
}

func TestVerdictsOnPolicies(t *testing.T) {
	cases := readVerdicts(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(map[string]any{"Version": policy.Version2012, "Statement": c.statements})
			if err != nil {
				t.Fatal(err)
			}
			doc, err := policy.Parse(string(text))
			if err != nil {
				if c.want[0] != "refused" {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			got := verdictsOf(doc)
			if strings.Join(got, "; ") != strings.Join(c.want, "; ") {
				t.Errorf("%s\ngot %q, want %q, because:%s", text, got, c.want, c.reason)
			}
			probeVerdict(t, doc, got[0])
		})
	}
	if len(cases) < 150 {
		t.Errorf("got %d cases, want 150", len(cases))
	}
}

// strangers are names that no document mentions: who may do something
// with both may do it with all.
var strangers = []string{"stranger-q7", "another-z9"}

// probeVerdict holds the verdict against what the document really allows: a
// device that is attached to nothing and may use two strangers' resources has
// broad access.
func probeVerdict(t *testing.T, doc *policy.Document, broad string) {
	t.Helper()
	compiled := policy.NewCompiled(doc)
	for action, pattern := range map[string]string{
		"iot:Connect": "client/NAME", "iot:Publish": "topic/$aws/things/NAME/shadow/update",
		"iot:RetainPublish": "topic/$aws/things/NAME/shadow/update", "iot:GetThingShadow": "thing/NAME",
		"iot:Subscribe": "topicfilter/$aws/things/NAME/shadow/update", "iot:UpdateJobExecution": "thing/NAME",
	} {
		allowed := 0
		for _, name := range strangers {
			values := policy.Table{}
			values.Set("iot:Connection.Thing.IsAttached", "false")
			values.Set("iot:ClientId", "device")
			if action == "iot:Connect" {
				values.Set("iot:ClientId", name)
			}
			q := policy.Request{Action: action, Values: values,
				Resource: "arn:aws:iot:us-east-1:123456789012:" + strings.ReplaceAll(pattern, "NAME", name)}
			if policy.Decide(q, compiled) == policy.Allowed {
				allowed++
			}
		}
		reported := strings.Contains(broad+" ", " "+action+" ")
		if allowed == len(strangers) && !reported {
			t.Errorf("%s is allowed with any name and is not reported: %s", action, broad)
		}
	}
}
