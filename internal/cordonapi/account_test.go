package cordonapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// call makes a signed call of Cordon's own service.
func call(t *testing.T, key aws.Credentials, method, target string, body any) (int, map[string]any) {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		content = nil
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	cordontest.Sign(t, r, key, "cordon")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out["exception"] = resp.Header.Get("X-Amzn-Errortype")
	return resp.StatusCode, out
}

var root = aws.Credentials{AccessKeyID: cordontest.RootID, SecretAccessKey: cordontest.RootToken}

func TestAccounts(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		one := map[string]string{"accountId": "111111111111", "name": "one"}
		status, made := call(t, root, "POST", c.URL()+"/accounts", one)
		if status != http.StatusOK || made["status"] != "ACTIVE" || made["name"] != "one" {
			t.Fatalf("create: got %d %v", status, made)
		}
		key := aws.Credentials{
			AccessKeyID: made["accessKeyId"].(string), SecretAccessKey: made["secretAccessKey"].(string),
		}
		for _, tt := range []struct {
			name, method, path string
			key                aws.Credentials
			body               any
			status             int
			exception          string
		}{
			{"the same id again", "POST", "/accounts", root, map[string]string{"accountId": "111111111111"},
				http.StatusConflict, "ResourceAlreadyExistsException"},
			{"an id that is none", "POST", "/accounts", root, map[string]string{"accountId": "1"},
				http.StatusBadRequest, "InvalidRequestException"},
			{"no id", "POST", "/accounts", root, map[string]string{}, http.StatusBadRequest, "InvalidRequestException"},
			{"creating by another account", "POST", "/accounts", key, map[string]string{"accountId": "222222222222"},
				http.StatusForbidden, "AccessDeniedException"},
			{"listing by another account", "GET", "/accounts", key, nil, http.StatusForbidden, "AccessDeniedException"},
			{"disabling by another account", "PUT", "/accounts/000000000000/disable", key, nil,
				http.StatusForbidden, "AccessDeniedException"},
			{"disabling the operator's", "PUT", "/accounts/000000000000/disable", root, nil,
				http.StatusBadRequest, "InvalidRequestException"},
			{"disabling one that is not there", "PUT", "/accounts/333333333333/disable", root, nil,
				http.StatusNotFound, "ResourceNotFoundException"},
		} {
			status, out := call(t, tt.key, tt.method, c.URL()+tt.path, tt.body)
			if status != tt.status || out["exception"] != tt.exception {
				t.Errorf("%s: got %d %v, want %d %s", tt.name, status, out, tt.status, tt.exception)
			}
		}
		_, list := call(t, root, "GET", c.URL()+"/accounts?maxResults=1", nil)
		_, rest := call(t, root, "GET", c.URL()+"/accounts?nextToken="+url.QueryEscape(list["nextToken"].(string)), nil)
		if ids := accountIDs(list) + " " + accountIDs(rest); ids != "000000000000 111111111111" {
			t.Errorf("list: got %s", ids)
		}
	})
}

func accountIDs(list map[string]any) (ids string) {
	for _, a := range list["accounts"].([]any) {
		ids += a.(map[string]any)["accountId"].(string)
	}
	return ids
}

// The keys of a disabled account sign nothing any more.
func TestADisabledAccountIsShutOut(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		client := c.NewAccount(t, "111111111111")
		if _, err := client.ListThings(t.Context(), &iot.ListThingsInput{}); err != nil {
			t.Fatal(err)
		}
		if status, out := call(t, root, "PUT", c.URL()+"/accounts/111111111111/disable", nil); status != http.StatusOK {
			t.Fatalf("disable: got %d %v", status, out)
		}
		if _, err := client.ListThings(t.Context(), &iot.ListThingsInput{}); err == nil {
			t.Error("a call with the key of a disabled account is answered")
		}
	})
}

const script = `
import boto3, sys
c = boto3.client("cordon", endpoint_url=sys.argv[1], region_name="us-east-1")
key = c.create_account(accountId="123456789012", name="by boto3")
assert key["accessKeyId"] and key["secretAccessKey"]
names = [a.get("name") for a in c.list_accounts()["accounts"]]
assert "by boto3" in names, names
assert c.disable_account(accountId="123456789012")["status"] == "DISABLED"
try:
    c.create_account(accountId="123456789012")
    raise AssertionError("created twice")
except c.exceptions.ResourceAlreadyExistsException:
    pass
`

func TestBoto3KnowsTheAPIByItsModel(t *testing.T) {
	python := cordontest.Python(t)
	models, err := filepath.Abs("../../docs/models")
	if err != nil {
		t.Fatal(err)
	}
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		cmd := exec.CommandContext(t.Context(), python, "-c", script, c.URL())
		cmd.Env = append(os.Environ(), "AWS_DATA_PATH="+models, "AWS_ACCESS_KEY_ID="+cordontest.RootID,
			"AWS_SECRET_ACCESS_KEY="+cordontest.RootToken)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
