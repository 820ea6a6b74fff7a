package iotapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/iotapi"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// answer is what came back for a call that the SDK would not make.
type answer struct {
	want
	text string
	body []byte
}

// raw makes a signed call as it stands.
func raw(t *testing.T, cordon *cordontest.Cordon, method, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, cordon.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	cordontest.Sign(t, r, aws.Credentials{AccessKeyID: cordontest.RootID, SecretAccessKey: cordontest.RootToken}, "iot")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{want: want{resp.Header.Get("X-Amzn-Errortype"), resp.StatusCode}}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if a.status == http.StatusOK {
		a.want = fine
	}
	said := struct{ Message string }{}
	if err := json.Unmarshal(a.body, &said); err != nil || resp.Header.Get("X-Amzn-Requestid") == "" ||
		resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s with %v, want JSON and a request id", a.body, resp.Header)
	}
	a.text = said.Message
	return a
}

func TestRawRequests(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	owner := furnish(t, cordon.IoT(), home, newMaterial(t), "of-the-owner")
	before := owner.snapshot(t)
	const audits, findings, things = "/audit/tasks", "/audit/findings", "/things/home-pump"
	const start = "/audit/mitigationactions/tasks/task"
	body := func(m string) string {
		return `{"target":{"auditTaskId":"` + owner.audit + `"},"auditCheckToActionsMapping":{` + m + `}}`
	}
	for _, tt := range []struct {
		name, method, path, body string
		want                     want
		text                     string
	}{
		{"no body", "POST", audits, ``, invalid, "targetCheckNames"},
		{"null", "POST", audits, `null`, invalid, ""},
		{"an open object", "POST", audits, `{"targetCheckNames":["A"]`, invalid, ""},
		{"an open string", "POST", audits, `{"targetCheckNames":["A`, invalid, ""},
		{"a comma too many", "POST", audits, `{"targetCheckNames":["A",]}`, invalid, ""},
		{"a word", "POST", audits, `yes`, invalid, ""},
		{"a list", "POST", audits, `["A"]`, invalid, ""},
		{"more behind the end", "POST", audits, `{"targetCheckNames":["` + checkExpiring + `"]} {}`, invalid, ""},
		{"no UTF-8", "POST", audits, "{\"targetCheckNames\":[\"\xff\"]}", invalid, ""},
		{"single quotes", "POST", audits, `{'targetCheckNames':['A']}`, invalid, ""},
		{"very deep", "POST", audits, `{"x":` + strings.Repeat("[", 1<<17), invalid, ""},
		{"a string for a list", "POST", audits, `{"targetCheckNames":"` + checkExpiring + `"}`, invalid, "targetCheckNames"},
		{"numbers for strings", "POST", audits, `{"targetCheckNames":[1]}`, invalid, "targetCheckNames"},
		{"null in a list", "POST", audits, `{"targetCheckNames":[null]}`, invalid, ""},
		{"an object for a string", "POST", findings, `{"taskId":{}}`, invalid, "taskId"},
		{"a string for a boolean", "PATCH", "/audit/configuration",
			`{"auditCheckConfigurations":{"` + checkAge + `":{"enabled":"true"}}}`, invalid, "enabled"},
		{"a string for a number", "POST", findings, `{"taskId":"a","maxResults":"5"}`, invalid, "maxResults"},
		{"a fraction for a number", "POST", findings, `{"taskId":"a","maxResults":5.5}`, invalid, "maxResults"},
		{"a word for a time", "POST", findings, `{"startTime":"yesterday","endTime":1}`, invalid, "startTime"},
		{"a number without end for a time", "POST", findings, `{"startTime":1e400,"endTime":1}`, invalid, "startTime"},
		{"a word for a number in the query", "GET", "/mitigationactions/actions?maxResults=many", ``, invalid, "maxResults"},
		{"a word for a time in the query", "GET", "/audit/tasks?startTime=today&endTime=2026-01-01T00:00:00Z", ``,
			invalid, "startTime"},
		{"a number for a boolean in the query", "GET", "/things?usePrefixAttributeValue=1", ``, invalid,
			"usePrefixAttributeValue"},
		{"a member twice", "POST", audits,
			`{"targetCheckNames":["` + checkExpiring + `"],"targetCheckNames":["` + checkExpiring + `"]}`, invalid,
			"targetCheckNames"},
		{"a member of a structure twice", "POST", start, `{"target":{"auditTaskId":"a","auditTaskId":"a"},` +
			`"auditCheckToActionsMapping":{"` + checkExpiring + `":["home-join"]}}`, invalid, "auditTaskId"},
		{"a key twice", "POST", start, body(`"` + checkExpiring + `":["home-join"],"` + checkExpiring + `":["home-join"]`),
			invalid, checkExpiring},
		{"a query parameter twice", "GET", "/mitigationactions/actions?maxResults=1&maxResults=2", ``, invalid, "maxResults"},
		{"a member in another case", "POST", audits, `{"TargetCheckNames":["` + checkExpiring + `"]}`, invalid,
			"targetCheckNames"},
		{"a body over a mebibyte", "POST", audits, `{"x":"` + strings.Repeat("a", 1<<20) + `"}`, invalid, "1048576 bytes"},
		{"a name of its own length", "GET", "/things/" + strings.Repeat("a", 5000), ``, invalid, strings.Repeat("a", 200)},
		{"a name out of its pattern", "GET", "/things/a%20b", ``, invalid, "thingName"},
		{"an empty name", "GET", "/things/", ``, want{"UnknownOperationException", 404}, ""},
		{"another method", "PUT", things, ``, want{"UnknownOperationException", 404}, ""},
		{"another path", "GET", "/thing/home-pump", ``, want{"UnknownOperationException", 404}, ""},
		{"the root", "GET", "/", ``, want{"UnknownOperationException", 404}, ""},
		{"a member that nobody knows", "POST", "/mitigationactions/actions/home-deactivate",
			`{"future":{"a":[1]},"roleArn":"` + *owner.role() + `",` +
				`"actionParams":{"updateDeviceCertificateParams":{"action":"DEACTIVATE","future":1}}}`, fine, ""},
		{"false is not only unsuppressed by default", "POST", findings,
			`{"taskId":"` + owner.audit + `","listSuppressedFindings":false}`, fine, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := raw(t, cordon, tt.method, tt.path, tt.body)
			if got.want != tt.want || !strings.Contains(got.text, tt.text) {
				t.Errorf("got %v %q, want %v %q", got.want, got.text, tt.want, tt.text)
			}
			if len(got.text) > 1024 {
				t.Errorf("got a text of %d characters, want what it repeats to be cut", len(got.text))
			}
		})
	}
	owner.unchanged(t, before)
	if got := raw(t, cordon, "POST", findings, `{"taskId":"`+owner.audit+`","listSuppressedFindings":false}`); bytes.Count(
		got.body, []byte("findingId")) != 2 {
		t.Errorf("got %s, want both findings, which are not suppressed", got.body)
	}
}

// label is a part of a path that names a resource.
var label = regexp.MustCompile(`\{[^}]*\}`)

func TestOperationsThatAreNotServedAreRefusedByName(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	var served []string
	for _, op := range iotapi.New(iotapi.Config{}).Operations {
		served = append(served, op.Fact().Name)
	}
	for _, fact := range wire.Facts {
		if slices.Contains(served, fact.Name) {
			continue
		}
		path, _, _ := strings.Cut(fact.Path, "?")
		got := raw(t, cordon, fact.Method, label.ReplaceAllString(path, "x"), "")
		text := fmt.Sprintf("The operation %s is not served", fact.Name)
		if got.want != (want{"UnknownOperationException", 404}) || !strings.Contains(got.text, text) {
			t.Errorf("%s: got %v %q, want a refusal by name", fact.Name, got.want, got.text)
		}
	}
}
