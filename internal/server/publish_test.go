package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/identity"
	"github.com/cordon-iot/cordon/internal/server"
)

// topics is a client of the topics at a URL.
func topics(url string) *sns.Client {
	return sns.New(sns.Options{
		BaseEndpoint: &url, Region: cordontest.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(cordontest.RootID, cordontest.RootToken, ""),
	})
}

// telling makes an action that publishes findings to a topic.
func telling(t *testing.T, c *iot.Client, name, topic string) {
	t.Helper()
	_, err := c.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
		ActionName: &name, RoleArn: aws.String(cordontest.RoleARN), ActionParams: &types.MitigationActionParams{
			PublishFindingToSnsParams: &types.PublishFindingToSnsParams{TopicArn: &topic},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A process is killed in the middle of a task that publishes: no finding is
// published twice, and none is lost.
func TestFindingsArePublishedOnceAcrossACrash(t *testing.T) {
	t.Parallel()
	r := auditedFleet(t, "sqlite", small)
	r.cfg.TopicRate = 0
	p := launch(t, r.cfg, stop{"mitigation", "inside", 2, killed})
	p.awaitReady(t)
	topic, err := topics(p.url).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("findings")})
	if err != nil {
		t.Fatal(err)
	}
	telling(t, p.iot(), "tell", *topic.TopicArn)
	in := r.mitigation()
	in.AuditCheckToActionsMapping = map[string][]string{expiring: {"tell"}}
	_, err = p.iot().StartAuditMitigationActionsTask(t.Context(), in)
	t.Logf("the call was answered with: %v", err)
	p.wantKilled(t)
	e := r.inspect(t)
	e.want(r.executionsAfter(1), "messages of the first slice", `SELECT count(*) FROM topic_messages`)

	p = start(t, r.cfg)
	out := cordontest.AwaitMitigation(t, p.iot(), task)
	if out.TaskStatus != types.AuditMitigationActionsTaskStatusCompleted {
		t.Errorf("got a task that is %s, want COMPLETED", out.TaskStatus)
	}
	p.terminate(t)
	e = r.inspect(t)
	e.want(r.expired(), "messages", `SELECT count(*) FROM topic_messages`)
	e.want(r.expired(), "ids of messages", `SELECT count(DISTINCT id) FROM topic_messages`)
	e.want(r.expired(), "findings that a message tells of", `SELECT count(DISTINCT body ->> 'findingId')
		FROM topic_messages`)
	e.want(r.expired(), "executions that name their message", `SELECT count(*) FROM execution_changes c
		JOIN topic_messages m ON m.id = c.to_side WHERE c.kind = 'topic-message' AND c.from_side = ''`)
	wantText(t, "executions", e.groups(`SELECT status, error_code, count(*) FROM executions GROUP BY 1, 2`),
		fmt.Sprintf("COMPLETED: %d", r.expired()))
}

// inbox is what a subscribed endpoint got.
type inbox struct {
	url  string
	gets chan map[string]any
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{gets: make(chan map[string]any, 100)}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m map[string]any
		body, _ := io.ReadAll(r.Body)
		if json.Unmarshal(body, &m) == nil {
			b.gets <- m
		}
	}))
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

// next is the next message of a type.
func (b *inbox) next(t *testing.T, kind string) map[string]any {
	t.Helper()
	select {
	case m := <-b.gets:
		if m["Type"] != kind {
			t.Fatalf("got %v, want a %s", m, kind)
		}
		return m
	case <-time.After(cordontest.Deadline):
		t.Fatalf("got nothing, want a %s", kind)
	}
	return nil
}

// subscribed makes a topic that an inbox is subscribed to.
func (b *inbox) subscribed(t *testing.T, c *sns.Client, name string) string {
	t.Helper()
	topic, err := c.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("http"), Endpoint: &b.url,
	}); err != nil {
		t.Fatal(err)
	}
	asked := b.next(t, "SubscriptionConfirmation")
	if _, err := c.ConfirmSubscription(t.Context(), &sns.ConfirmSubscriptionInput{
		TopicArn: topic.TopicArn, Token: aws.String(asked["Token"].(string)),
	}); err != nil {
		t.Fatal(err)
	}
	return *topic.TopicArn
}

func TestATopicHearsOfAnAuditAndOfItsFindings(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			cfg := cordontest.Settings(t, database)
			cfg.OutgoingAllow, cfg.Roles = []string{"127.0.0.1/32"}, "enforce"
			c := cordontest.Start(t, cfg, server.Options{})
			client, b := c.IoT(), newInbox(t)
			topic := b.subscribed(t, topics(c.URL()), "audits")
			permit(t, c, identity.NewRole(cordontest.Account, "/", "CordonTest", time.Now()), "*", "*")
			cordontest.Enable(t, client, logging)
			role := identity.NewRole(cordontest.Account, "/", "Tells", time.Now())
			_, err := client.UpdateAccountAuditConfiguration(t.Context(), &iot.UpdateAccountAuditConfigurationInput{
				AuditNotificationTargetConfigurations: map[string]types.AuditNotificationTarget{"SNS": {
					TargetArn: &topic, RoleArn: aws.String(role.ARN()), Enabled: true,
				}},
			})
			if err != nil {
				t.Fatal(err)
			}
			cordontest.Audit(t, client, logging) // nobody hears of it: the role is not there
			cordontest.Await(t, "message to be refused", func() bool {
				b, err := c.Store().Backlog(t.Context(), 1)
				return err == nil && b.Pending == 0
			})
			permit(t, c, role, "sns:Publish", topic)
			id, _ := cordontest.Audit(t, client, logging)
			found, err := client.ListAuditFindings(t.Context(), &iot.ListAuditFindingsInput{TaskId: &id})
			if err != nil || len(found.Findings) != 1 {
				t.Fatalf("got %+v, %v, want one finding", found, err)
			}
			finding := &found.Findings[0]
			wantCompleted(t, b.next(t, "Notification"), id)

			telling(t, client, "tell", topic)
			telling(t, client, "tell-nobody", topic+"-missing")
			_, err = client.StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
				TaskId: aws.String(task), Target: &types.AuditMitigationActionsTaskTarget{AuditTaskId: &id},
				AuditCheckToActionsMapping: map[string][]string{logging: {"tell", "tell-nobody"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if out := cordontest.AwaitMitigation(t, client, task); out.TaskStatus !=
				types.AuditMitigationActionsTaskStatusFailed {
				t.Errorf("got a task that is %s, want FAILED", out.TaskStatus)
			}
			wantFinding(t, b.next(t, "Notification"), finding)
			done, err := client.ListAuditMitigationActionsExecutions(t.Context(),
				&iot.ListAuditMitigationActionsExecutionsInput{TaskId: aws.String(task), FindingId: finding.FindingId})
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, e := range done.ActionsExecutions {
				got += fmt.Sprintf("%s %s %s\n", *e.ActionName, e.Status, aws.ToString(e.ErrorCode))
			}
			wantText(t, "executions", got, "tell COMPLETED \ntell-nobody FAILED RESOURCE_NOT_FOUND\n")
		})
	}
}

// permit makes a role that may do something.
func permit(t *testing.T, c *cordontest.Cordon, role *identity.Role, action, resource string) {
	t.Helper()
	role.Trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"Service":"iot.amazonaws.com"}}}`
	if err := c.Store().CreateRole(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	owner := identity.Owner{Account: role.Account, Kind: identity.OwnerRole, Name: role.Name}
	if err := c.Store().PutInlinePolicy(t.Context(), owner, identity.InlinePolicy{Name: "publish", Document: fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%q,"Resource":%q}}`, action, resource)}); err != nil {
		t.Fatal(err)
	}
}

// wantCompleted holds that a topic was told of an audit in the form of AWS.
func wantCompleted(t *testing.T, got map[string]any, id string) {
	t.Helper()
	var m struct {
		TaskStartTime int64 `json:"taskStartTime"`
	}
	text := got["Message"].(string)
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	wantText(t, "audit", text, fmt.Sprintf(`{"accountId":%q,"taskId":%q,"taskStatus":"COMPLETED",`+
		`"taskType":"ON_DEMAND_AUDIT_TASK","failedChecksCount":0,"canceledChecksCount":0,"nonCompliantChecksCount":1,`+
		`"compliantChecksCount":0,"totalChecksCount":1,"taskStartTime":%d,"auditDetails":[{"checkName":%q,`+
		`"checkRunStatus":"COMPLETED_NON_COMPLIANT","nonCompliantResourcesCount":1,"totalResourcesCount":1,`+
		`"suppressedNonCompliantResourcesCount":0}]}`, cordontest.Account, id, m.TaskStartTime, logging))
	if got["Subject"] != nil || got["MessageAttributes"] != nil {
		t.Errorf("got %v, want neither subject nor attributes", got)
	}
}

// wantFinding holds that a topic was told of a finding in the form of AWS.
func wantFinding(t *testing.T, got map[string]any, f *types.AuditFinding) {
	t.Helper()
	want := fmt.Sprintf(`{"findingId":%q,"findingTime":%d,"severity":%q,"taskStartTime":%d,"nonCompliantResource":`+
		`{"resourceType":"ACCOUNT_SETTINGS","resourceIdentifier":{"account":%q}},"taskId":%q,"checkName":%q,`+
		`"reasonForNonComplianceCode":%q,"reasonForNonCompliance":%q}`, *f.FindingId, f.FindingTime.UnixMilli(),
		f.Severity, f.TaskStartTime.UnixMilli(), cordontest.Account, *f.TaskId, *f.CheckName,
		*f.ReasonForNonComplianceCode, *f.ReasonForNonCompliance)
	wantText(t, "finding", got["Message"].(string), want)
	if got["Subject"] != nil || got["MessageAttributes"] != nil {
		t.Errorf("got %v, want neither subject nor attributes", got)
	}
}
