package iotapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// stage is a server that enforces roles, with a finding for every type of
// mitigation action.
type stage struct {
	*cordontest.Cordon
	c     *iot.Client
	iam   *iam.Client
	sns   *sns.Client
	topic string

	a, b, ca string            // certificates, and a CA certificate
	audit    string            // that found them
	found    map[string]string // findings by resource
	// between is what happens at a point of a task, once.
	between atomic.Pointer[event]
}

// event is something that happens at a place in the life of a task.
type event struct {
	kind, place string
	do          func()
}

// The documents of roles.
const (
	trustIoT = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"Service":"iot.amazonaws.com"}}}`
	trustOther = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"Service":"lambda.amazonaws.com"}}}`
	// trustActions is for mitigation actions of the account alone.
	trustActions = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"Service":"iot.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"` +
		cordontest.Account + `"},"ArnLike":{"aws:SourceArn":"arn:aws:iot:*:*:mitigationaction/*"}}}}`
	auditPolicy = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"
	everything  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
)

// newStage makes the server, and audits it as a role that may.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{}
	cfg := cordontest.Settings(t, "sqlite")
	cfg.Roles = "enforce"
	s.Cordon = cordontest.Start(t, cfg, server.Options{Hook: func(p durable.Point) {
		if e := s.between.Load(); e != nil && e.kind == p.ID.Kind && e.place == p.Place &&
			s.between.CompareAndSwap(e, nil) {
			e.do()
		}
	}})
	s.c = s.IoT()
	o := s.c.Options()
	s.iam = iam.New(iam.Options{Region: o.Region, BaseEndpoint: o.BaseEndpoint, Credentials: o.Credentials})
	s.sns = sns.New(sns.Options{Region: o.Region, BaseEndpoint: o.BaseEndpoint, Credentials: o.Credentials})
	s.topic = *must[*sns.CreateTopicOutput](t)(s.sns.CreateTopic(t.Context(),
		&sns.CreateTopicInput{Name: aws.String("findings")})).TopicArn
	s.a, s.b = register(t, s.c, in(-1)), register(t, s.c, in(-1))
	s.ca = registerCA(t, s.c, newCA(t, fixture.Template{
		NotBefore: time.Now().AddDate(-9, 0, 0), NotAfter: time.Now().AddDate(0, 0, 20), CommonName: "Soon",
	}), true)
	policy(t, s.c, "broad", broadPolicy)
	group(t, s.c, "quarantine", "")
	thing(t, s.c, "pump", certARN(s.a))
	thing(t, s.c, "valve", certARN(s.a))
	s.role(t, "CordonTest", trustIoT)
	s.attach(t, "CordonTest", auditPolicy)
	s.audit, s.found = audited(t, s.c, checkExpiring, checkCAExpiring, checkBroad, checkLogging)
	return s
}

// role makes a role with inline policies and returns its ARN.
func (s *stage) role(t *testing.T, name, trust string, documents ...string) string {
	t.Helper()
	out := must[*iam.CreateRoleOutput](t)(s.iam.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: &trust,
	}))
	for i, document := range documents {
		s.put(t, name, fmt.Sprint("p", i), document)
	}
	return *out.Role.Arn
}

// put gives a role an inline policy.
func (s *stage) put(t *testing.T, role, name, document string) {
	t.Helper()
	must[*iam.PutRolePolicyOutput](t)(s.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: &role, PolicyName: &name, PolicyDocument: &document,
	}))
}

// take takes the first inline policy from a role, while a task goes on.
func (s *stage) take(t *testing.T, role string) {
	_, err := s.iam.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{
		RoleName: &role, PolicyName: aws.String("p0"),
	})
	if err != nil {
		t.Errorf("delete policy: %v", err)
	}
}

func (s *stage) attach(t *testing.T, role, policy string) {
	t.Helper()
	must[*iam.AttachRolePolicyOutput](t)(s.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{
		RoleName: &role, PolicyArn: &policy,
	}))
}

// bounded makes a role with a permissions boundary.
func (s *stage) bounded(t *testing.T, name, boundary, document string) string {
	t.Helper()
	made := must[*iam.CreatePolicyOutput](t)(s.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{
		PolicyName: aws.String(name + "-boundary"), PolicyDocument: &boundary,
	}))
	out := must[*iam.CreateRoleOutput](t)(s.iam.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(trustIoT), PermissionsBoundary: made.Policy.Arn,
	}))
	s.put(t, name, "p0", document)
	return *out.Role.Arn
}

// guard gives the topic a policy.
func (s *stage) guard(t *testing.T, effect string) {
	t.Helper()
	must[*sns.SetTopicAttributesOutput](t)(s.sns.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{
		TopicArn: &s.topic, AttributeName: aws.String("Policy"), AttributeValue: aws.String(fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":{"Effect":%q,"Principal":"*","Action":"sns:Publish","Resource":%q}}`,
			effect, s.topic)),
	}))
}

// allowing is a policy that allows actions, each on a resource.
func allowing(asks ...string) string {
	var list []string
	for _, ask := range asks {
		action, resource, _ := strings.Cut(ask, " ")
		list = append(list, fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`
}

// denying is a policy that denies actions everywhere.
func denying(actions ...string) string {
	text, _ := json.Marshal(actions)
	return `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":` + string(text) + `,"Resource":"*"}}`
}

// state is all that the actions change.
func (s *stage) state(t *testing.T) string {
	t.Helper()
	version, _ := inForce(t, s.c, "broad")
	level := types.LogLevel("")
	log, err := s.c.GetV2LoggingOptions(t.Context(), &iot.GetV2LoggingOptionsInput{})
	if err == nil {
		level = log.DefaultLogLevel
	} else if outcome(err) != notConfigured {
		t.Fatal(err)
	}
	var messages int
	if err := s.Store().SQLite().QueryRowContext(t.Context(),
		`SELECT count(*) FROM topic_messages WHERE id LIKE 'execution/%'`).Scan(&messages); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("a %s, b %s, CA %s, policy %s, members %v, log %q, %d messages", status(t, s.c, s.a),
		status(t, s.c, s.b), statusOfCA(t, s.c, s.ca), version, membersOf(t, s.c, "quarantine"), level, messages)
}

// deed is a type of mitigation action that is applied to a finding.
type deed struct {
	name, check string
	params      types.MitigationActionParams
	finding     string
	asks        []string // what its role must be allowed
}

// deeds are all of them. The first four are made in one task, the others in
// another: a check has one list of actions.
func (s *stage) deeds() []deed {
	certificate := certARN(s.a)
	return []deed{
		{"deactivate", checkExpiring, deactivate(), s.a, []string{"iot:UpdateCertificate " + certificate}},
		{"deactivate-ca", checkCAExpiring, deactivateCA(), s.ca,
			[]string{"iot:UpdateCACertificate " + home.ARN("cacert", s.ca)}},
		{"blank", checkBroad, blanking(), "broad:1", []string{"iot:CreatePolicyVersion " + home.ARN("policy", "broad")}},
		{"log", checkLogging, logging(types.LogLevelWarn), cordontest.Account,
			[]string{"iot:SetV2LoggingOptions *", "iam:PassRole " + cordontest.RoleARN}},
		{"join", checkExpiring, joining("quarantine"), s.a, []string{
			"iot:ListPrincipalThings " + certificate, "iot:AddThingToThingGroup " + home.ARN("thinggroup", "quarantine"),
			"iot:AddThingToThingGroup " + home.ARN("thing", "pump"), "iot:AddThingToThingGroup " + home.ARN("thing", "valve"),
		}},
		{"publish", checkLogging, publishing(s.topic), cordontest.Account, []string{"sns:Publish " + s.topic}},
	}
}

const tasksOfDeeds = 2

// taskOf is the task that makes a deed.
func taskOf(way string, deed int) string { return fmt.Sprint(way, "-", deed/4) }

// act makes all deeds as a role, in tasks named after a way.
func (s *stage) act(t *testing.T, way, role string) {
	t.Helper()
	tasks := make([]mapping, tasksOfDeeds)
	for i, d := range s.deeds() {
		if tasks[i/4] == nil {
			tasks[i/4] = mapping{}
		}
		name := way + "-" + d.name
		must[*iot.CreateMitigationActionOutput](t)(s.c.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
			ActionName: &name, RoleArn: &role, ActionParams: &d.params,
		}))
		tasks[i/4][d.check] = []string{name}
	}
	for i, m := range tasks {
		mitigate(t, s.c, fmt.Sprint(way, "-", i), aim(s.audit), m)
	}
}

// wantRefused holds that every deed of a way was refused, with a message that
// says why of the first permission that it asks for.
func (s *stage) wantRefused(t *testing.T, way string, why func(action, resource string) string) {
	t.Helper()
	for i, d := range s.deeds() {
		finding := s.found[d.finding]
		inOrder(t, d.name, executions(t, s.c, taskOf(way, i), finding),
			way+"-"+d.name+" FAILED INSUFFICIENT_PERMISSIONS")
		action, resource, _ := strings.Cut(d.asks[0], " ")
		if got, want := message(t, s.c, taskOf(way, i), finding), why(action, resource); got != want {
			t.Errorf("%s: got %q, want %q", d.name, got, want)
		}
	}
}

// sentence says that a role is not authorized, with a reason that %s stands in
// for the action.
func sentence(role, reason string) func(action, resource string) string {
	return func(action, resource string) string {
		return "the role " + role + " is not authorized to perform: " + action + " on resource: " + resource + " " +
			strings.ReplaceAll(reason, "%s", action)
	}
}

// TestAnActionRunsAsItsRole makes every type of action as roles that may and
// may not.
func TestAnActionRunsAsItsRole(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	before := s.state(t)
	var all, actions []string
	for _, d := range s.deeds() {
		all = append(all, d.asks...)
		for _, ask := range d.asks {
			action, _, _ := strings.Cut(ask, " ")
			actions = append(actions, action)
		}
	}
	all = append(all, "iot:UpdateCertificate "+certARN(s.b), "iot:ListPrincipalThings "+certARN(s.b))
	permitted := allowing(all...)
	gone := "arn:aws:iam::" + cordontest.Account + ":role/gone"
	for _, tt := range []struct {
		way, role string
		why       func(role string) func(action, resource string) string
	}{
		{"bare", s.role(t, "bare", trustIoT), func(role string) func(string, string) string {
			return sentence(role, "because no identity-based policy allows the %s action")
		}},
		{"untrusting", s.role(t, "untrusting", trustOther, permitted), func(role string) func(string, string) string {
			return func(string, string) string { return "the role " + role + " does not trust iot.amazonaws.com" }
		}},
		{"gone", gone, func(role string) func(string, string) string {
			return func(string, string) string { return "the role " + role + " does not exist" }
		}},
		{"denied", s.role(t, "denied", trustIoT, everything, denying(actions...)),
			func(role string) func(string, string) string {
				return sentence(role, "with an explicit deny in an identity-based policy")
			}},
		{"bounded", s.bounded(t, "bounded", allowing("iot:Describe* *", "sns:ListTopics *"), permitted),
			func(role string) func(string, string) string {
				return sentence(role, "because no permissions boundary allows the %s action")
			}},
		{"elsewhere", s.role(t, "elsewhere", trustIoT, strings.ReplaceAll(strings.ReplaceAll(permitted,
			`"Resource":"*"`, `"Resource":"arn:aws:iot:us-east-1:`+cordontest.Account+`:logging"`), `"Resource":"arn:aws:`,
			`"Resource":"arn:aws:other-`)), func(role string) func(string, string) string {
			return sentence(role, "because no identity-based policy allows the %s action")
		}},
		{"overtaken", s.role(t, "overtaken", trustIoT, permitted), func(role string) func(string, string) string {
			return sentence(role, "because no identity-based policy allows the %s action")
		}},
	} {
		t.Run(tt.way, func(t *testing.T) {
			if tt.way == "overtaken" { // the role changes when the task is accepted and no slice has run
				s.between.Store(&event{"mitigation", "accepted", func() { s.take(t, tt.way) }})
			}
			s.act(t, tt.way, tt.role)
			s.wantRefused(t, tt.way, tt.why(tt.role))
			if got := s.state(t); got != before {
				t.Errorf("got %s, want it as before: %s", got, before)
			}
		})
	}
	t.Run("what a topic denies", func(t *testing.T) {
		role := s.role(t, "loud", trustIoT, permitted)
		s.guard(t, "Deny")
		must[*iot.CreateMitigationActionOutput](t)(s.c.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
			ActionName: aws.String("loud"), RoleArn: &role, ActionParams: new(publishing(s.topic)),
		}))
		mitigate(t, s.c, "loud", aim(s.audit), mapping{checkLogging: {"loud"}})
		want := sentence(role, "with an explicit deny in a resource-based policy")("sns:Publish", s.topic)
		if got := message(t, s.c, "loud", s.found[cordontest.Account]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := s.state(t); got != before {
			t.Errorf("got %s, want it as before: %s", got, before)
		}
		s.guard(t, "Allow")
	})
	t.Run("one of two resources", func(t *testing.T) { s.oneOfTwo(t, before) })
	t.Run("with every permission", func(t *testing.T) {
		s.act(t, "permitted", s.role(t, "permitted", trustActions, permitted))
		for i, d := range s.deeds() {
			inOrder(t, d.name, executions(t, s.c, taskOf("permitted", i), s.found[d.finding]),
				"permitted-"+d.name+" COMPLETED")
		}
		const want = `a INACTIVE, b INACTIVE, CA INACTIVE, policy 2, members [pump valve], log "WARN", 1 messages`
		if got := s.state(t); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// oneOfTwo acts as a role that is allowed one of two certificates, things and
// roles.
func (s *stage) oneOfTwo(t *testing.T, before string) {
	role := s.role(t, "partial", trustIoT, allowing(
		"iot:UpdateCertificate "+certARN(s.a), "iot:UpdateCACertificate "+home.ARN("cacert", "another"),
		"iot:CreatePolicyVersion "+home.ARN("policy", "another"), "iot:SetV2LoggingOptions *",
		"iam:PassRole "+cordontest.RoleARN+"2", "iot:ListPrincipalThings "+home.ARN("cert", "*"),
		"iot:AddThingToThingGroup "+home.ARN("thinggroup", "quarantine"),
		"iot:AddThingToThingGroup "+home.ARN("thing", "pump"), "sns:Publish "+s.topic+"2"))
	s.guard(t, "Deny") // else the topic would allow what the role is not
	defer s.guard(t, "Allow")
	s.act(t, "partial", role)
	no := sentence(role, "because no identity-based policy allows the %s action")
	denied := sentence(role, "with an explicit deny in a resource-based policy")
	for i, want := range []string{
		"", no("iot:UpdateCACertificate", home.ARN("cacert", s.ca)),
		no("iot:CreatePolicyVersion", home.ARN("policy", "broad")), no("iam:PassRole", cordontest.RoleARN),
		no("iot:AddThingToThingGroup", home.ARN("thing", "valve")), denied("sns:Publish", s.topic),
	} {
		d := s.deeds()[i]
		if got := message(t, s.c, taskOf("partial", i), s.found[d.finding]); got != want {
			t.Errorf("%s: got %q, want %q", d.name, got, want)
		}
	}
	if got := message(t, s.c, "partial-0", s.found[s.b]); got != no("iot:UpdateCertificate", certARN(s.b)) {
		t.Errorf("got %q for the other certificate, want it refused", got)
	}
	if got, want := s.state(t), strings.Replace(before, "a ACTIVE", "a INACTIVE", 1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
