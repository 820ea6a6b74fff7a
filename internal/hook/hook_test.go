package hook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/pki"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

var (
	here  = fleet.Scope{Account: "111111111111", Region: "eu-central-1"}
	there = fleet.Scope{Account: "222222222222", Region: "eu-central-1"}
)

const hereToken, thereToken = "cordon-hook-here", "cordon-hook-there"

// world is a registry of one device, "pump-7", and its mistakes.
type world struct {
	mu          sync.Mutex
	now         time.Time
	certificate *fleet.Certificate
	parsed      *pki.Certificate
	named       string // the certificate that the name pump-7 stands for
	policies    []string
	disabled    bool
	gone        bool // policies are gone when they are read
	err         error
	tokenReads  int
	revoked     bool // the tokens are deleted
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ca, err := fixture.NewCA(fixture.Template{CommonName: "CA"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(fixture.Template{CommonName: "pump-7"})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := pki.ParseCertificate(leaf.PEM)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		now: time.Now(), parsed: parsed, named: parsed.ID, certificate: &fleet.Certificate{
			ID: parsed.ID, Status: fleet.Active, NotBefore: parsed.NotBefore, NotAfter: parsed.NotAfter, PEM: parsed.PEM,
		}, policies: []string{everything},
	}
}

const everything = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}`

func (w *world) Bars(ctx context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	return w.Devices(ctx, scope, refs)
}

func (w *world) Devices(_ context.Context, scope fleet.Scope, refs []fleet.DeviceRef) ([]fleet.Device, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := fleet.Device{AccountDisabled: w.disabled}
	if scope == here && refs[0].Certificate == w.certificate.ID {
		c := *w.certificate
		d.Certificate = &c
	}
	for i, document := range w.policies {
		// A document that is another one is another version.
		d.Policies = append(d.Policies, fleet.PolicyRef{Name: document, Seq: int64(i), Version: 1})
	}
	return []fleet.Device{d}, w.err
}

func (w *world) PolicyDocuments(_ context.Context, _ fleet.Scope, refs []fleet.PolicyRef) (
	list []fleet.PolicyVersion, err error,
) {
	if w.gone {
		return nil, nil
	}
	for _, ref := range refs {
		list = append(list, fleet.PolicyVersion{Policy: ref.Name, Seq: ref.Seq, Version: ref.Version, Document: ref.Name})
	}
	return list, nil
}

func (w *world) HookScope(_ context.Context, hash string) (fleet.Scope, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokenReads++
	switch hash {
	case fleet.HashHookToken(hereToken):
		return here, !w.revoked, nil
	case fleet.HashHookToken(thereToken):
		return there, !w.revoked, nil
	}
	return fleet.Scope{}, false, nil
}

func (w *world) CertificateNamed(_ context.Context, scope fleet.Scope, name string) (string, error) {
	if scope == here && name == "pump-7" {
		return w.named, nil
	}
	return "", nil
}

func (w *world) Certificate(_ context.Context, scope fleet.Scope, id string) (*fleet.Certificate, error) {
	if scope != here || id != w.certificate.ID {
		return nil, fault.New(fault.NotFound, "there is no certificate %q", id)
	}
	return w.certificate, nil
}

// handler is the hooks of a world, with a log.
func (w *world) handler(log io.Writer) http.Handler {
	return New(Config{
		Registry: w, Store: w, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.now
		},
	})
}

// post asks a question.
func post(h http.Handler, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// emqx asks a question of EMQX and returns the result.
func emqx(t *testing.T, h http.Handler, question string, fields map[string]any) string {
	t.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	w := post(h, "/hook/emqx/"+question, hereToken, string(body))
	var out struct{ Result string }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("got %d %q, %v, want an answer in JSON with the status 200", w.Code, w.Body, err)
	}
	return out.Result
}

// rabbit asks a question of RabbitMQ and returns the answer.
func rabbit(t *testing.T, h http.Handler, question string, fields ...string) string {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	w := post(h, "/hook/rabbitmq/"+hereToken+"/"+question, "", form.Encode())
	if w.Code != http.StatusOK {
		t.Fatalf("got status %d, want 200", w.Code)
	}
	return w.Body.String()
}

// document is a policy of some statements.
func document(statements ...string) string {
	return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`
}

func statement(effect, action, resource, more string) string {
	return `{"Effect": "` + effect + `", "Action": "` + action + `", "Resource": "arn:aws:iot:eu-central-1:111111111111:` +
		resource + `"` + more + `}`
}

func allow(action, resource string) string { return statement("Allow", action, resource, "") }
func deny(action, resource string) string  { return statement("Deny", action, resource, "") }

var mayConnect = allow("iot:Connect", "client/*")

// answers are what the four kinds of questions of both brokers come to for a
// device that is allowed everything.
func answers(t *testing.T, h http.Handler, w *world) map[string]string {
	t.Helper()
	return map[string]string{
		"emqx authentication": emqx(t, h, "authentication", map[string]any{
			"certificate": base64.StdEncoding.EncodeToString(w.parsed.DER), "clientid": "pump-7", "peerhost": "192.0.2.1",
		}),
		"emqx publish": emqx(t, h, "authorization", map[string]any{
			"certificate": w.parsed.ID, "clientid": "pump-7", "action": "publish", "topic": "a/b", "qos": "1", "retain": "true",
		}),
		"emqx subscribe": emqx(t, h, "authorization", map[string]any{
			"cert_common_name": "pump-7", "clientid": "pump-7", "action": "subscribe", "topic": "a/#",
		}),
		"rabbitmq user": rabbit(t, h, "user", "username", "pump-7"),
		"rabbitmq vhost": rabbit(t, h, "vhost", "username", "pump-7", "vhost", "/", "client_id", "pump-7", "ip", "192.0.2.1",
			"tags", ""),
		"rabbitmq exchange": rabbit(t, h, "resource", "username", "pump-7", "resource", "exchange", "name", "amq.topic",
			"permission", "write"),
		"rabbitmq queue": rabbit(t, h, "resource", "username", "pump-7", "resource", "queue", "name",
			"mqtt-subscription-pump-7qos1", "permission", "configure"),
		"rabbitmq publish": rabbit(t, h, "topic", "username", "pump-7", "resource", "topic", "name", "amq.topic",
			"permission", "write", "routing_key", "a.b", "variable_map.client_id", "pump-7"),
		"rabbitmq subscribe": rabbit(t, h, "topic", "username", "pump-7", "resource", "topic", "name", "amq.topic",
			"permission", "read", "routing_key", "a.*.#", "variable_map.client_id", "pump-7"),
	}
}

func TestEveryQuestionIsDeniedToWhomTheGatewayWouldRefuse(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*world)
		want   string
	}{
		{"an active certificate is allowed", func(*world) {}, "allow"},
		{"an inactive one is not", func(w *world) { w.certificate.Status = fleet.Inactive }, "deny"},
		{"a revoked one is not", func(w *world) { w.certificate.Status = fleet.Revoked }, "deny"},
		{"one that waits to be activated is not", func(w *world) { w.certificate.Status = fleet.PendingActivation }, "deny"},
		{"one that has expired is not", func(w *world) { w.certificate.NotAfter = w.now }, "deny"},
		{"one of the future is not", func(w *world) { w.certificate.NotBefore = w.now.Add(time.Second) }, "deny"},
		{"one of a disabled account is not", func(w *world) { w.disabled = true }, "deny"},
		{"one that cannot be read is not", func(w *world) { w.err = errors.New("no database") }, "deny"},
		{"one whose policies are gone when they are read is not", func(w *world) { w.gone = true }, "deny"},
		{"one with a policy that cannot be read is not", func(w *world) { w.policies = []string{"{"} }, "deny"},
		{"one whose token was deleted is not", func(w *world) { w.revoked = true }, "deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.change(w)
			for question, got := range answers(t, w.handler(io.Discard), w) {
				if got != tt.want {
					t.Errorf("got %q to %s, want %q", got, question, tt.want)
				}
			}
		})
	}
}

func TestTheAnswerToAnAuthenticationSaysWhoItWasAndUntilWhen(t *testing.T) {
	w := newWorld(t)
	body, err := json.Marshal(map[string]string{"certificate": w.parsed.PEM, "clientid": "x"})
	if err != nil {
		t.Fatal(err)
	}
	got := post(w.handler(io.Discard), "/hook/emqx/authentication", hereToken, string(body))
	var out map[string]any
	if err := json.Unmarshal(got.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	attrs, _ := out["client_attrs"].(map[string]any)
	if out["result"] != "allow" || out["is_superuser"] != false || attrs["cordon_certificate"] != w.parsed.ID ||
		out["expire_at"] != float64(w.parsed.NotAfter.Unix()) || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %s as %s, want the certificate and its end", got.Body, got.Header().Get("Content-Type"))
	}
}

func TestATokenStandsForOneAccount(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	body := `{"certificate": "` + w.parsed.ID + `", "clientid": "pump-7"}`
	for token, want := range map[string]string{
		hereToken: `"allow"`, thereToken: `"deny"`, "other": `"deny"`, "": `"deny"`, hereToken + " ": `"deny"`,
		strings.Repeat("x", 1000): `"deny"`,
	} {
		if got := post(h, "/hook/emqx/authentication", token, body); !strings.Contains(got.Body.String(), want) {
			t.Errorf("got %s with the token %.20q, want %s", got.Body, token, want)
		}
	}
	for token, want := range map[string]string{hereToken: "allow", thereToken: "deny", "other": "deny"} {
		if got := post(h, "/hook/rabbitmq/"+token+"/user", "", "username=pump-7").Body.String(); got != want {
			t.Errorf("got %s with the path of %q, want %s", got, token, want)
		}
	}
}

func TestADeletedTokenEndsWithinASecond(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	if got := rabbit(t, h, "user", "username", "pump-7"); got != "allow" {
		t.Fatalf("got %s, want it allowed", got)
	}
	w.mu.Lock()
	w.revoked = true
	w.mu.Unlock()
	if got := rabbit(t, h, "user", "username", "pump-7"); got != "allow" {
		t.Fatalf("got %s within the second, want the token remembered", got)
	}
	w.mu.Lock()
	w.now = w.now.Add(tokenTime)
	w.mu.Unlock()
	if got := rabbit(t, h, "user", "username", "pump-7"); got != "deny" {
		t.Fatalf("got %s after a second, want it denied", got)
	}
}

func TestWhoGuessesTokensDoesNotReadTheDatabase(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	for range 5 * guessBurst {
		post(h, "/hook/rabbitmq/guess/user", "", "username=pump-7")
	}
	w.mu.Lock()
	reads := w.tokenReads
	w.mu.Unlock()
	if reads >= 4*guessBurst {
		t.Errorf("got %d tokens looked up, want most guesses denied unseen", reads)
	}
}

func TestWhatIsNoQuestionIsDenied(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	good := `{"certificate": "` + w.parsed.ID + `", "clientid": "pump-7"}`
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"another path", http.MethodPost, "/", good, "deny"},
		{"another question", http.MethodPost, "/hook/emqx/superuser", good, `{"result":"deny"}`},
		{"a longer path", http.MethodPost, "/hook/emqx/authentication/", good, `{"result":"deny"}`},
		{"a question that is not posted", http.MethodGet, "/hook/emqx/authorization", good, `{"result":"deny"}`},
		{"no JSON", http.MethodPost, "/hook/emqx/authorization", good + "x", `{"result":"deny"}`},
		{"another type", http.MethodPost, "/hook/emqx/authorization", `{"topic": 1}`, `{"result":"deny"}`},
		{"nothing", http.MethodPost, "/hook/emqx/authorization", "", `{"result":"deny"}`},
		{"too much", http.MethodPost, "/hook/emqx/authentication", good + strings.Repeat(" ", maxBody),
			`{"result":"deny","is_superuser":false}`},
		{"no form", http.MethodPost, "/hook/rabbitmq/" + hereToken + "/user", "username=pump-7&%zz", "deny"},
		{"a field twice", http.MethodPost, "/hook/rabbitmq/" + hereToken + "/user", "username=pump-7&username=x", "deny"},
		{"a name in the URL", http.MethodPost, "/hook/rabbitmq/" + hereToken + "/user?username=pump-7", "", "deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set("Authorization", "Bearer "+hereToken)
			got := httptest.NewRecorder()
			h.ServeHTTP(got, r)
			if got.Code != http.StatusOK || got.Body.String() != tt.want {
				t.Errorf("got %d %s, want 200 %s", got.Code, got.Body, tt.want)
			}
		})
	}
}

func TestNoTokenIsLogged(t *testing.T) {
	w := newWorld(t)
	w.err = errors.New("no database")
	var log strings.Builder
	h := w.handler(&log)
	rabbit(t, h, "user", "username", "pump-7")
	emqx(t, h, "authentication", map[string]any{"certificate": w.parsed.ID, "clientid": "x"})
	post(h, "/hook/rabbitmq/cordon-hook-unknown/user", "", "username=pump-7")
	post(h, "/hook/rabbitmq/"+hereToken+"/nonsense", "", "username=pump-7")
	if !strings.Contains(log.String(), "no database") {
		t.Errorf("got the log %q, want what went wrong in it", log.String())
	}
	if strings.Contains(log.String(), "cordon-hook") {
		t.Errorf("got a token in the log: %s", log.String())
	}
}

func TestManyQuestionsAtOnceAreAllAnswered(t *testing.T) {
	w := newWorld(t)
	h := w.handler(io.Discard)
	var askers sync.WaitGroup
	said := make(chan string, 4*maxAtOnce)
	for range cap(said) {
		askers.Go(func() {
			said <- post(h, "/hook/rabbitmq/"+hereToken+"/vhost", "", "username=pump-7&client_id=pump-7").Body.String()
		})
	}
	askers.Wait()
	for range cap(said) {
		if got := <-said; got != "allow" {
			t.Fatalf("got %q, want everybody answered", got)
		}
	}
}
