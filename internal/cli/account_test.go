package cli

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/config"
)

var rootKey = []string{
	"CORDON_ROOT_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", "CORDON_ROOT_SECRET_ACCESS_KEY", "hunter22hunter22",
}

// call is what a fake server saw of a request.
type call struct{ line, body, authorization string }

// fake answers each request with the next answer and records what it saw.
func fake(t *testing.T, status int, answers ...string) (endpoint string, calls *[]call) {
	t.Helper()
	calls = new([]call)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*calls = append(*calls, call{r.Method + " " + r.RequestURI, string(body), r.Header.Get("Authorization")})
		w.Header().Set("X-Amzn-RequestId", "42")
		if status != http.StatusOK {
			w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
		}
		w.WriteHeader(status)
		io.WriteString(w, answers[len(*calls)-1])
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

func TestAccountCalls(t *testing.T) {
	const created = `{"accountId":"123456789012","status":"ACTIVE","accessKeyId":"AKIANEW","secretAccessKey":"s3cret"}`
	for _, tt := range []struct {
		name    string
		args    []string
		answers []string
		calls   []string // method, path and body of each
		stdout  string
	}{
		{"create", []string{"create", "--account-id=123456789012", "--name=staging"}, []string{created},
			[]string{`POST /accounts {"accountId":"123456789012","name":"staging"}`},
			"Account 123456789012 is ready. Its root key, shown this once:\n\n" +
				"export AWS_ACCESS_KEY_ID=AKIANEW\nexport AWS_SECRET_ACCESS_KEY=s3cret\n"},
		{"create without a name sends none", []string{"create", "--account-id=123456789012"}, []string{created},
			[]string{`POST /accounts {"accountId":"123456789012"}`}, "export AWS_ACCESS_KEY_ID=AKIANEW"},
		{"list reads all pages", []string{"list"},
			[]string{
				`{"accounts":[{"accountId":"000000000000","status":"ACTIVE","createdAt":1.5}],"nextToken":"a/b+c="}`,
				`{"accounts":[{"accountId":"123456789012","status":"DISABLED","createdAt":0,"name":"a\u001b[2J"}]}`,
			},
			[]string{"GET /accounts ", "GET /accounts?nextToken=a%2Fb%2Bc%3D "},
			"ACCOUNT       STATUS    CREATED               NAME\n" +
				"000000000000  ACTIVE    1970-01-01T00:00:01Z  \n" +
				"123456789012  DISABLED  1970-01-01T00:00:00Z  \"a\\x1b[2J\"\n"},
		{"disable", []string{"disable", "--account-id=123456789012"}, []string{`{}`},
			[]string{"PUT /accounts/123456789012/disable "}, "Account 123456789012 is disabled.\n"},
		{"disable escapes what it is given", []string{"disable", "--account-id=../x"}, []string{`{}`},
			[]string{"PUT /accounts/..%2Fx/disable "}, "disabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			endpoint, calls := fake(t, http.StatusOK, tt.answers...)
			args := append([]string{"account"}, append(tt.args, "--endpoint", endpoint)...)
			code, stdout, stderr := run(t, Process{Env: environment(rootKey...)}, args...)
			if code != ok || !strings.Contains(stdout, tt.stdout) {
				t.Errorf("got exit code %d, %q, %q; want %q", code, stdout, stderr, tt.stdout)
			}
			if len(*calls) != len(tt.calls) {
				t.Fatalf("got %d calls, want %d", len(*calls), len(tt.calls))
			}
			for i, c := range *calls {
				if got := c.line + " " + c.body; got != tt.calls[i] {
					t.Errorf("got %q, want %q", got, tt.calls[i])
				}
				if !strings.Contains(c.authorization, "Credential=AKIAIOSFODNN7EXAMPLE/") ||
					!strings.Contains(c.authorization, "/us-east-1/cordon/aws4_request") {
					t.Errorf("got %q, want a signature by the root key for cordon", c.authorization)
				}
			}
		})
	}
}

func TestJSONOutputCanBeRead(t *testing.T) {
	endpoint, _ := fake(t, http.StatusOK, `{"accounts":[]}`)
	_, stdout, _ := run(t, Process{Env: environment(rootKey...)}, "account", "list", "--json", "--endpoint", endpoint)
	var got struct {
		Accounts []account `json:"accounts"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || got.Accounts == nil {
		t.Errorf("got %q, %v; want an empty list", stdout, err)
	}
}

func TestRefusedCalls(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	denied, _ := fake(t, http.StatusForbidden, `{"message":"not the operator"}`)
	page, _ := fake(t, http.StatusOK, `{"nextToken":"a"}`, `{"nextToken":"a"}`)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	moved := httptest.NewServer(http.RedirectHandler("http://elsewhere.example/", http.StatusFound))
	defer moved.Close()
	for _, tt := range []struct {
		name, endpoint string
		env            []string
		code           int
		want           []string
	}{
		{"nobody answers", gone.URL, rootKey, failed, []string{"cordon serve", "--endpoint"}},
		{"the server refuses", denied, rootKey, failed,
			[]string{"AccessDeniedException: not the operator (request 42)", "AKIAIOSFODNN7EXAMPLE from CORDON_ROOT_"}},
		{"something else answers", other.URL, rootKey, failed, []string{"not that of a Cordon", "404"}},
		{"a redirect is not followed", moved.URL, rootKey, failed, []string{"not that of a Cordon", "302"}},
		{"the pages do not end", page, rootKey, failed, []string{"same page twice"}},
		{"the endpoint is no URL", "127.0.0.1:8080", rootKey, misuse, []string{"--endpoint", "try http://"}},
		{"there is no key", denied, nil, misuse, []string{"CORDON_ROOT_ACCESS_KEY_ID", "--data-dir"}},
		{"there is half a key", denied, rootKey[:2], misuse, []string{"belong together"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := run(t, Process{Env: environment(tt.env...)}, "account", "list", "--endpoint", tt.endpoint)
			if code != tt.code {
				t.Errorf("got exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("got %q, want %q in it", stderr, want)
				}
			}
			if strings.Contains(stderr, "hunter22") {
				t.Errorf("the secret is in %q", stderr)
			}
		})
	}
}

func TestWhereTheKeyIsTakenFrom(t *testing.T) {
	dir := t.TempDir()
	stored := config.AccessKey{ID: "FROMFILE", Secret: config.NewSecret("x")}
	if err := config.WriteAccessKey(config.RootKeyFile(dir), stored); err != nil {
		t.Fatal(err)
	}
	aws := []string{"AWS_ACCESS_KEY_ID", "FROMAWS", "AWS_SECRET_ACCESS_KEY", "y"}
	for _, tt := range []struct {
		name string
		env  []string
		want string
	}{
		{"the file is the last resort", nil, "FROMFILE"},
		{"the variables of AWS come before it", aws, "FROMAWS"},
		{"those of Cordon come first", append(rootKey[:4:4], aws...), "AKIAIOSFODNN7EXAMPLE"},
	} {
		c := connection{DataDir: dir}
		if got, _, err := c.key(environment(tt.env...)); err != nil || got.ID != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got.ID, err, tt.want)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "root-access-key"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := connection{DataDir: dir}
	if _, _, err := c.key(environment()); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v for a key that others can read, want a refusal", err)
	}
}

func TestOnlyTheCertificatesOfTheBundleAreTrusted(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"accounts":[]}`)
	}))
	defer s.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, bundle, s.Certificate().Raw)
	p := Process{Env: environment(rootKey...)}
	if code, _, stderr := run(t, p, "account", "list", "--endpoint", s.URL, "--ca-bundle", bundle); code != ok {
		t.Errorf("got %d, %s; want the bundle to be trusted", code, stderr)
	}
	if code, _, stderr := run(t, p, "account", "list", "--endpoint", s.URL); code != failed {
		t.Errorf("got %d, %s; want an unknown certificate to be refused", code, stderr)
	}
}

func writePEM(t *testing.T, path string, der []byte) {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
}
