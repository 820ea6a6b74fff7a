package wire_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/smithy-go"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/restjson"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// names are names of resources that are hard to sign: what a path escapes, what
// it must not escape twice, and what it must not be cleaned of.
var names = []string{"a/b", "100%", "a%2Fb", "a+b", "a:b", "é", "a..b", "two  spaces ", "a;b&c=d?e#f", "~a-b_c.d", "日本"}

type oneKey struct{}

func (oneKey) Credential(context.Context, string, string) (awswire.Key, error) {
	return awswire.Key{Account: "000000000000", Secret: "secret"}, nil
}

// recorder serves a few operations and keeps what each was called with.
type recorder struct {
	mu sync.Mutex
	in any
}

func (r *recorder) got() any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.in
}

// serve answers an operation with out and err.
func serve[In, Out any](r *recorder, op awswire.Operation[In, Out], out *Out, err error) awswire.Served {
	return awswire.Op(op, func(_ context.Context, in *In) (*Out, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.in = in
		return out, err
	})
}

var started = time.Date(2026, 1, 2, 3, 4, 5, 250_000_000, time.UTC)

func newServer(t *testing.T) (*recorder, string) {
	t.Helper()
	r := &recorder{}
	handler, err := awswire.NewHandler(awswire.Config{
		Keys: oneKey{},
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)),
		Services: []awswire.Service{wire.Service([]awswire.Served{
			serve(r, wire.StartAuditMitigationActionsTask,
				&wire.StartAuditMitigationActionsTaskResponse{TaskID: new("t1")}, nil),
			serve(r, wire.DescribeAuditTask, &wire.DescribeAuditTaskResponse{
				TaskStatus:     new("COMPLETED"),
				TaskStartTime:  &started,
				TaskStatistics: &wire.TaskStatistics{TotalChecks: new(1), CompliantChecks: new(0)},
				AuditDetails: map[string]wire.AuditCheckDetails{
					"LOGGING_DISABLED_CHECK": {CheckCompliant: new(false), TotalResourcesCount: new(int64(1))},
				},
			}, nil),
			serve(r, wire.ListAuditMitigationActionsTasks, nil, nil),
			serve(r, wire.ListAttachedPolicies, &wire.ListAttachedPoliciesResponse{
				Policies: []wire.Policy{{PolicyName: new("p")}}, NextMarker: new("m"),
			}, nil),
			serve(r, wire.ListPolicyPrincipals, nil, nil),
			serve(r, wire.SetLoggingOptions, nil, nil),
			serve(r, wire.CreateThing, nil, &fault.Fault{
				Code: fault.Exists, Text: "thing exists", ResourceID: "x", ResourceARN: "arn:x",
			}).Refusing("billingGroupName"),
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return r, server.URL
}

func client(url string) *iot.Client {
	return iot.New(iot.Options{
		BaseEndpoint: &url,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		Retryer:      aws.NopRetryer{},
	})
}

func TestNamesSignedByGo(t *testing.T) {
	r, url := newServer(t)
	c := client(url)
	for _, name := range append([]string{".", "..", "a/../b", "//"}, names...) {
		out, err := c.ListAttachedPolicies(t.Context(), &iot.ListAttachedPoliciesInput{
			Target: &name, Marker: new("AAA+/a=="), PageSize: new(int32(5)), Recursive: true,
		})
		if err != nil {
			t.Errorf("%q: got %v, want no error", name, err)
			continue
		}
		want := &wire.ListAttachedPoliciesRequest{
			Target: &name, Marker: new("AAA+/a=="), PageSize: new(5), Recursive: new(true),
		}
		if !reflect.DeepEqual(r.got(), want) {
			t.Errorf("%q: got another request, want the one that was sent", name)
		}
		if *out.Policies[0].PolicyName != "p" || *out.NextMarker != "m" {
			t.Errorf("%q: got answer %+v, want the policy and the marker", name, out)
		}
	}
}

func TestRequestsOfGo(t *testing.T) {
	r, url := newServer(t)
	c := client(url)
	ctx := t.Context()
	second := started.Truncate(time.Second)
	for _, tt := range []struct {
		name string
		call func() error
		want any
	}{
		{"a body with structures, lists and maps", func() error {
			out, err := c.StartAuditMitigationActionsTask(ctx, &iot.StartAuditMitigationActionsTaskInput{
				TaskId: new("t1"),
				Target: &types.AuditMitigationActionsTaskTarget{
					AuditTaskId: new("audit"),
					AuditCheckToReasonCodeFilter: map[string][]string{
						"CA_CERTIFICATE_EXPIRING_CHECK": {"CERTIFICATE_PAST_EXPIRATION"}},
				},
				AuditCheckToActionsMapping: map[string][]string{"CA_CERTIFICATE_EXPIRING_CHECK": {"a", "b"}},
				ClientRequestToken:         new("token"),
			})
			if err == nil && *out.TaskId != "t1" {
				t.Errorf("got task %q, want t1", *out.TaskId)
			}
			return err
		}, &wire.StartAuditMitigationActionsTaskRequest{
			TaskID: new("t1"),
			Target: &wire.AuditMitigationActionsTaskTarget{
				AuditTaskID: new("audit"),
				AuditCheckToReasonCodeFilter: map[string][]string{
					"CA_CERTIFICATE_EXPIRING_CHECK": {"CERTIFICATE_PAST_EXPIRATION"}},
			},
			AuditCheckToActionsMapping: map[string][]string{"CA_CERTIFICATE_EXPIRING_CHECK": {"a", "b"}},
			ClientRequestToken:         new("token"),
		}},
		{"times in a query", func() error {
			_, err := c.ListAuditMitigationActionsTasks(ctx, &iot.ListAuditMitigationActionsTasksInput{
				StartTime: &second, EndTime: &started, MaxResults: new(int32(250)),
			})
			return err
		}, &wire.ListAuditMitigationActionsTasksRequest{StartTime: &second, EndTime: &started, MaxResults: new(250)}},
		{"a member in a header", func() error {
			//lint:ignore SA1019 the only operation of the facts with a member in this header
			_, err := c.ListPolicyPrincipals(ctx, &iot.ListPolicyPrincipalsInput{PolicyName: new("p=,@")})
			return err
		}, &wire.ListPolicyPrincipalsRequest{PolicyName: new("p=,@")}},
		{"a payload", func() error {
			_, err := c.SetLoggingOptions(ctx, &iot.SetLoggingOptionsInput{LoggingOptionsPayload: &types.LoggingOptionsPayload{
				RoleArn: new("arn:role"), LogLevel: types.LogLevelInfo,
			}})
			return err
		}, &wire.SetLoggingOptionsRequest{LoggingOptionsPayload: &wire.LoggingOptionsPayload{
			RoleARN: new("arn:role"), LogLevel: new("INFO"),
		}}},
		{"times, numbers and maps in an answer", func() error {
			out, err := c.DescribeAuditTask(ctx, &iot.DescribeAuditTaskInput{TaskId: new("t")})
			if err != nil {
				return err
			}
			details := out.AuditDetails["LOGGING_DISABLED_CHECK"]
			if !out.TaskStartTime.Equal(started) || *out.TaskStatistics.TotalChecks != 1 ||
				*details.CheckCompliant || *details.TotalResourcesCount != 1 {
				t.Errorf("got answer %+v, want what was served", out)
			}
			return nil
		}, &wire.DescribeAuditTaskRequest{TaskID: new("t")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			if got := r.got(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %s, want %s", show(got), show(tt.want))
			}
		})
	}
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestErrorsReachGo(t *testing.T) {
	_, url := newServer(t)
	c := client(url)
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		call func() error
		want string
		text string
	}{
		{"a member out of its limits", func() error {
			_, err := c.DescribeAuditTask(ctx, &iot.DescribeAuditTaskInput{TaskId: new("a_b")})
			return err
		}, "InvalidRequestException", "1 validation error detected: Value 'a_b' at 'taskId' failed to satisfy constraint: " +
			`Member must satisfy regular expression pattern: [a-zA-Z0-9\-]+`},
		{"a list out of its limits", func() error {
			_, err := c.StartAuditMitigationActionsTask(ctx, &iot.StartAuditMitigationActionsTaskInput{
				TaskId: new("t1"), Target: &types.AuditMitigationActionsTaskTarget{},
				AuditCheckToActionsMapping: map[string][]string{"C": {}},
			})
			return err
		}, "InvalidRequestException", "1 validation error detected: Value '[]' at 'auditCheckToActionsMapping.C.member' " +
			"failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"a member that is not honoured", func() error {
			_, err := c.CreateThing(ctx, &iot.CreateThingInput{ThingName: new("x"), BillingGroupName: new("b")})
			return err
		}, "InvalidRequestException", "Member 'billingGroupName' of CreateThing is not supported by this Cordon"},
		{"an operation that is not served", func() error {
			_, err := c.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: new("x")})
			return err
		}, "UnknownOperationException", "The operation DescribeThing is not served by this Cordon"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e smithy.APIError
			if err := tt.call(); !errors.As(err, &e) || e.ErrorCode() != tt.want || e.ErrorMessage() != tt.text {
				t.Errorf("got %v, want %s: %s", err, tt.want, tt.text)
			}
		})
	}
	_, err := c.CreateThing(ctx, &iot.CreateThingInput{ThingName: new("x")})
	var exists *types.ResourceAlreadyExistsException
	if !errors.As(err, &exists) || *exists.ResourceId != "x" || *exists.ResourceArn != "arn:x" {
		t.Errorf("got %v, want ResourceAlreadyExistsException with id and ARN", err)
	}
}

func TestMissingTokenIsAFreshOne(t *testing.T) {
	for _, body := range []string{`{}`, ``, `{"clientRequestToken": null}`} {
		var in wire.StartAuditMitigationActionsTaskRequest
		q := restjson.Request{Body: []byte(body)}
		if wire.StartAuditMitigationActionsTask.Decode(&in, &q); q.Err() != nil {
			t.Fatal(q.Err())
		}
		if in.ClientRequestToken == nil || len(*in.ClientRequestToken) != 36 {
			t.Errorf("%s: got %s, want a fresh token", body, show(in))
		}
	}
}

// run runs a client outside of this process and returns what it prints.
func run(t *testing.T, url, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret",
		"AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "LC_ALL=C.UTF-8", "PYTHONIOENCODING=utf-8", "ENDPOINT="+url)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

const boto3Script = `
import boto3, json, os, sys, datetime
iot = boto3.client("iot", endpoint_url=os.environ["ENDPOINT"])
for name in json.loads(sys.argv[1]):
    out = iot.list_attached_policies(target=name, marker="AAA+/a==")
    assert out["policies"] == [{"policyName": "p"}], out
assert "ResponseMetadata" in iot.list_policy_principals(policyName="p=,@")
iot.set_logging_options(loggingOptionsPayload={"roleArn": "arn:role", "logLevel": "INFO"})
iot.list_audit_mitigation_actions_tasks(startTime=datetime.datetime(2026, 1, 2), endTime=datetime.datetime(2026, 1, 3))
out = iot.describe_audit_task(taskId="t")
assert out["taskStartTime"].microsecond == 250000, out
try:
    iot.create_thing(thingName="x")
    sys.exit("create_thing did not raise")
except iot.exceptions.ResourceAlreadyExistsException as e:
    assert e.response["resourceId"] == "x", e.response
url = iot.generate_presigned_url("list_attached_policies", Params={"target": "a/b é"}, HttpMethod="POST")
print(url)
`

func TestNamesSignedByBoto3(t *testing.T) {
	python := cordontest.Python(t)
	r, endpoint := newServer(t)
	// Python's client cleans a path of dots before it signs and sends it.
	list, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	presigned := strings.TrimSpace(run(t, endpoint, python, "-c", boto3Script, string(list)))

	resp, err := http.Post(presigned, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Errorf("got %d %s for a presigned URL, want 200", resp.StatusCode, body)
	}
	want := &wire.ListAttachedPoliciesRequest{Target: new("a/b é")}
	if got := r.got(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %s, want %s", show(got), show(want))
	}
}

func TestNamesSignedByCLI(t *testing.T) {
	cli := cordontest.CLI(t)
	r, endpoint := newServer(t)
	// Each call takes a second of start-up, so one name has it all.
	const name = "a/b%c+d:é .. e"
	out := run(t, endpoint, cli, "iot", "list-attached-policies", "--endpoint-url", endpoint, "--target", name,
		"--no-paginate", "--output", "json")
	if !strings.Contains(out, `"policyName": "p"`) {
		t.Errorf("got %s, want the policy", out)
	}
	want := &wire.ListAttachedPoliciesRequest{Target: new(name)}
	if got := r.got(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %s, want %s", show(got), show(want))
	}
}

func TestFactsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, fact := range wire.Facts {
		if seen[fact.Name] {
			t.Errorf("got %s twice", fact.Name)
		}
		seen[fact.Name] = true
	}
	if len(wire.Facts) != 121 || !seen["StartAuditMitigationActionsTask"] || !seen["DescribeEndpoint"] {
		t.Errorf("got %d operations, want the 121 of the facts", len(wire.Facts))
	}
}

// FuzzRequest holds that a request of any form is either refused as the
// caller's mistake or decoded and checked, and never breaks the server.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"target": {"auditTaskId": "a"}, "auditCheckToActionsMapping": {"C": ["x"]}, "clientRequestToken": "t"}`,
		`{"target": {"findingIds": [], "auditCheckToReasonCodeFilter": {"C": null}}}`,
		`{"target": [], "auditCheckToActionsMapping": {"C": [1]}}`,
		`{"target": {}, "target": {}}`, ``, `[`, `{"target": {"findingIds": ["-----BEGIN"]}}`,
	} {
		f.Add("t1", body)
	}
	op := wire.StartAuditMitigationActionsTask
	f.Fuzz(func(t *testing.T, task, body string) {
		var in wire.StartAuditMitigationActionsTaskRequest
		q := restjson.Request{Labels: map[string]string{"taskId": task}, Body: []byte(body)}
		op.Decode(&in, &q)
		err := q.Err()
		if err == nil {
			var c restjson.Checker
			op.Validate(&in, &c)
			err = c.Err()
		}
		switch {
		case err == nil && (in.TaskID == nil || in.Target == nil || in.AuditCheckToActionsMapping == nil):
			t.Errorf("got %s accepted, want what is required", show(in))
		case err != nil && (!fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "-----BEGIN")):
			t.Errorf("got %v, want a fault that repeats no PEM", err)
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	body := []byte(`{"target": {"auditTaskId": "a"}, "auditCheckToActionsMapping": {"C": ["x", "y"]}}`)
	op := wire.StartAuditMitigationActionsTask
	for b.Loop() {
		var in wire.StartAuditMitigationActionsTaskRequest
		q := restjson.Request{Labels: map[string]string{"taskId": "t1"}, Body: body}
		op.Decode(&in, &q)
		var c restjson.Checker
		op.Validate(&in, &c)
		if q.Err() != nil || c.Err() != nil {
			b.Fatal(q.Err(), c.Err())
		}
	}
}
