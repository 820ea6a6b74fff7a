package cordontest_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/awswire/conform"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// tutorialPolicy is what the walk of testdata/tutorial.sh needs, and no more.
// GetCallerIdentity needs nothing.
const tutorialPolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Resource":"*","Action":[
		"iot:UpdateAccountAuditConfiguration","iot:DescribeAccountAuditConfiguration",
		"iot:DeleteAccountAuditConfiguration","iot:StartOnDemandAuditTask","iot:DescribeAuditTask",
		"iot:ListAuditFindings","iot:StartAuditMitigationActionsTask","iot:DescribeAuditMitigationActionsTask",
		"iot:ListAuditMitigationActionsTasks","iot:ListAuditMitigationActionsExecutions",
		"iot:GetV2LoggingOptions","iot:SetV2LoggingOptions"]},
	{"Effect":"Allow","Resource":"arn:aws:iot:us-east-1:000000000000:mitigationaction/TutorialEnableLogging",
		"Action":["iot:CreateMitigationAction","iot:DeleteMitigationAction"]},
	{"Effect":"Allow","Resource":"arn:aws:iam::000000000000:role/Tutorial*",
		"Action":["iam:CreateRole","iam:DeleteRole","iam:TagRole","iam:PutRolePolicy","iam:DeleteRolePolicy"]},
	{"Effect":"Allow","Resource":"arn:aws:iam::000000000000:role/TutorialAudit",
		"Action":["iam:AttachRolePolicy","iam:DetachRolePolicy"],"Condition":{"ArnEquals":{
			"iam:PolicyARN":"arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"}}},
	{"Effect":"Allow","Resource":"arn:aws:iam::000000000000:role/Tutorial*","Action":"iam:PassRole",
		"Condition":{"StringEquals":{"iam:PassedToService":"iot.amazonaws.com"}}},
	{"Effect":"Allow","Resource":"arn:aws:sns:us-east-1:000000000000:TutorialNotifications",
		"Action":["sns:CreateTopic","sns:DeleteTopic"]}]}`

// newTutorial is an account that judges roles and has something of everything
// that lists tell of, but no audit yet, and whose logs are off.
func newTutorial(t *testing.T) *household {
	t.Helper()
	cfg := cordontest.Settings(t, "sqlite")
	cfg.Roles = "enforce"
	h := &household{
		T: t, Cordon: cordontest.Start(t, cfg, server.Options{}),
		facts: map[string]*conform.Facts{}, known: map[string]any{},
	}
	for _, s := range h.Services() {
		h.facts[s.SigningName] = factsOf(t, s)
	}
	h.identities()
	h.devices()
	h.do(root(h.Cordon), "sns", "CreateTopic", object{"Name": "home-topic"})
	h.do(root(h.Cordon), "iot", "CreateMitigationAction", object{
		"actionName": "home-action", "roleArn": h.known["rolearn"],
		"actionParams": object{"updateDeviceCertificateParams": object{"action": "DEACTIVATE"}},
	})
	h.do(root(h.Cordon), "cognito-identity", "CreateIdentityPool", object{
		"IdentityPoolName": "home", "AllowUnauthenticatedIdentities": false,
	})
	h.do(root(h.Cordon), "iot", "SetV2LoggingOptions", object{
		"roleArn": h.known["rolearn"], "defaultLogLevel": "DISABLED",
	})
	h.known["actionname"] = "home-action"
	return h
}

// reading are the operations that only tell, and requestID is what differs from
// one answer to the next.
var (
	reading   = regexp.MustCompile(`^(List|Describe|Get|Search)`)
	requestID = regexp.MustCompile(`<RequestId>.*?</RequestId>`)
)

// tells is what every list and description of every service tells.
func (h *household) tells() map[string]string {
	h.Helper()
	all := map[string]string{}
	for service, f := range h.facts {
		for _, op := range f.Served() {
			if !reading.MatchString(op.Name) {
				continue
			}
			a, err := f.Send(h.Context(), root(h.Cordon), op.Name, h.lately(f, op))
			if err != nil {
				h.Fatalf("%s: %v", op.Name, err)
			}
			all[service+" "+op.Name] = a.Code + requestID.ReplaceAllString(string(a.Body), "")
		}
	}
	return all
}

// lately is an input about what there is, and about the hour before and after now.
func (h *household) lately(f *conform.Facts, op *conform.Operation) object {
	h.Helper()
	input, now := f.Input(h.T, op.Name, h.known), time.Now().UTC()
	for name, at := range map[string]time.Time{"startTime": now.Add(-time.Hour), "endTime": now.Add(time.Hour)} {
		switch member, has := f.Shapes[op.Input].Members[name]; {
		case has && member.Location == "querystring":
			input[name] = at.Format(time.RFC3339)
		case has:
			input[name] = at.Unix()
		}
	}
	return input
}

// walked holds what a walk through the tutorial leaves: what was done is told
// by the lists of tasks and findings, from which nobody deletes, and the logs
// are off by their level. All else is as it was.
func (h *household) walked(before map[string]string) {
	h.Helper()
	var changed []string
	after := h.tells()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			changed = append(changed, name)
		}
	}
	want := []string{
		"iot GetV2LoggingOptions", "iot ListAuditFindings", "iot ListAuditMitigationActionsTasks", "iot ListAuditTasks",
	}
	if !slices.Equal(changed, want) {
		h.Errorf("got other answers of %q, want those of %q alone", changed, want)
		for _, name := range changed {
			h.Logf("%s: got %s, before %s", name, after[name], before[name])
		}
	}
	for name, member := range map[string]string{
		"iot ListAuditTasks": "tasks", "iot ListAuditMitigationActionsTasks": "tasks", "iot ListAuditFindings": "findings",
	} {
		var list map[string]any
		if err := json.Unmarshal([]byte(after[name]), &list); err != nil {
			h.Fatal(err)
		}
		if one, _ := list[member].([]any); len(one) != 1 {
			h.Errorf("%s: got %s, want what the walk did", name, after[name])
		}
	}
	if !strings.Contains(after["iot GetV2LoggingOptions"], `"DISABLED"`) {
		h.Errorf("got %s, want logs off", after["iot GetV2LoggingOptions"])
	}
	if len(after) < 70 {
		h.Errorf("got %d operations that tell something, want all", len(after))
	}
}

// walk runs a client with the credentials of a caller to its end.
func (h *household) walk(to conform.Endpoint, env []string, name string, args ...string) string {
	h.Helper()
	cmd := exec.CommandContext(h.Context(), name, args...)
	cmd.Env = append(append(os.Environ(), "AWS_ACCESS_KEY_ID="+to.Key.AccessKeyID, "ENDPOINT="+to.URL,
		"AWS_SECRET_ACCESS_KEY="+to.Key.SecretAccessKey, "AWS_DEFAULT_REGION="+to.Region, "AWS_PAGER=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_MAX_ATTEMPTS=1"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "\ndone\n") {
		h.Fatalf("%s: got %v, want it to come to its end\n%s", name, err, out)
	}
	for _, word := range []string{"Exception", "Failed", "An error occurred", "usage: "} {
		if strings.Contains(string(out), word) {
			h.Errorf("got %q in what %s printed, want none:\n%s", word, name, out)
		}
	}
	return string(out)
}

// TestTheTutorialRunsByTheCLI walks through the first steps of AWS IoT Device
// Defender as a user who may do just that.
func TestTheTutorialRunsByTheCLI(t *testing.T) {
	t.Parallel()
	cli := cordontest.CLI(t)
	h := newTutorial(t)
	user := h.user(root(h.Cordon), "learner", "")
	h.do(root(h.Cordon), "iam", "PutUserPolicy", object{
		"UserName": "learner", "PolicyName": "tutorial", "PolicyDocument": tutorialPolicy,
	})
	before := h.tells()
	out := h.walk(user, []string{"AWS=" + cli}, "sh", "testdata/tutorial.sh")
	h.walked(before)
	const learner = "arn:aws:iam::000000000000:user/learner"
	if want := `"Arn": "` + learner + `"`; !strings.Contains(out, want) {
		t.Errorf("got\n%s, want %s", out, want)
	}
	if got, want := h.called(learner), tutorialActions(t); !slices.Equal(got, want) {
		t.Errorf("got calls of %q, want each action that the policy allows, and no other: %q", got, want)
	}
}

// tutorialActions are the actions of tutorialPolicy that calls are named after,
// with the call that needs no permission.
func tutorialActions(t *testing.T) []string {
	t.Helper()
	var document struct{ Statement []struct{ Action any } }
	if err := json.Unmarshal([]byte(tutorialPolicy), &document); err != nil {
		t.Fatal(err)
	}
	list := []string{"sts:GetCallerIdentity"}
	for _, s := range document.Statement {
		many, _ := s.Action.([]any) // iam:PassRole, of which there is no call, stands alone
		for _, action := range many {
			list = append(list, action.(string))
		}
	}
	slices.Sort(list)
	return list
}

// called are the calls of a caller, as actions, that were recorded. None was
// refused.
func (h *household) called(arn string) []string {
	h.Helper()
	var page struct{ Records, NextToken string }
	err := json.Unmarshal([]byte(h.do(root(h.Cordon), "cordon", "ExportCallRecords", nil)), &page)
	if err != nil || page.NextToken != "" {
		h.Fatalf("got %v and more behind %q, want all records", err, page.NextToken)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(page.Records) {
		var record struct {
			EventSource, EventName, ErrorCode string

			UserIdentity struct{ ARN string }
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			h.Fatalf("%s: %v", line, err)
		}
		if record.UserIdentity.ARN != arn {
			continue
		}
		service, _, _ := strings.Cut(record.EventSource, ".")
		seen[service+":"+record.EventName] = true
		if record.ErrorCode != "" {
			h.Errorf("got %s, want no call refused", line)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// TestTheTutorialRunsByBoto3 walks the same way as root.
func TestTheTutorialRunsByBoto3(t *testing.T) {
	t.Parallel()
	python := cordontest.Python(t)
	h := newTutorial(t)
	before := h.tells()
	h.walk(root(h.Cordon), nil, python, "testdata/tutorial.py")
	h.walked(before)
}
