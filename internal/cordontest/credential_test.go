package cordontest_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cordon-iot/cordon/internal/awswire/conform"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// trustAccount is a role's trust in every principal of its account that may
// assume it.
const trustAccount = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
	`"Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}`

// startAhead runs a Cordon whose clock is ahead by so many nanoseconds.
func startAhead(t *testing.T) (h *household, ahead *atomic.Int64) {
	t.Helper()
	ahead = new(atomic.Int64)
	h = &household{T: t, facts: map[string]*conform.Facts{}}
	h.Cordon = cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	for _, s := range h.Services() {
		h.facts[s.SigningName] = factsOf(t, s)
	}
	return h, ahead
}

// session makes a role that may do everything, and a session of it for a user.
func (h *household) session(to conform.Endpoint, role string) conform.Endpoint {
	h.Helper()
	arn := h.part(h.do(root(h.Cordon), "iam", "CreateRole", object{
		"RoleName": role, "AssumeRolePolicyDocument": trustAccount,
	}), `<Arn>(.*?)</Arn>`)
	h.do(root(h.Cordon), "iam", "PutRolePolicy", object{
		"RoleName": role, "PolicyName": "everything", "PolicyDocument": allowAll,
	})
	out := h.do(to, "sts", "AssumeRole", object{"RoleArn": arn, "RoleSessionName": "visit", "DurationSeconds": 900})
	to.Key = aws.Credentials{
		AccessKeyID:     h.part(out, `<AccessKeyId>(.*?)</AccessKeyId>`),
		SecretAccessKey: h.part(out, `<SecretAccessKey>(.*?)</SecretAccessKey>`),
		SessionToken:    h.part(out, `<SessionToken>(.*?)</SessionToken>`),
	}
	return to
}

// TestSessionTokensAreRefusedInTheFormOfEachService gives tokens that are not
// those of the session, and lets it end.
func TestSessionTokensAreRefusedInTheFormOfEachService(t *testing.T) {
	t.Parallel()
	h, ahead := startAhead(t)
	user := h.user(root(h.Cordon), "visitor", "arn:aws:iam::aws:policy/AdministratorAccess")
	good := h.session(user, "visited")
	other := h.session(user, "visited-too")
	calls := []struct{ service, operation, invalid, expired string }{
		{"iot", "ListThings", "UnrecognizedClientException", "ExpiredTokenException"},
		{"cognito-identity", "ListIdentityPools", "UnrecognizedClientException", "ExpiredTokenException"},
		{"sts", "GetCallerIdentity", "InvalidClientTokenId", "ExpiredToken"},
		{"iam", "ListUsers", "InvalidClientTokenId", "ExpiredToken"},
		{"sns", "ListTopics", "InvalidClientTokenId", "ExpiredToken"},
	}
	code := func(to conform.Endpoint, service, operation string) string {
		t.Helper()
		f := h.facts[service]
		a, err := f.Send(t.Context(), to, operation, f.Input(t, operation, nil))
		if err != nil {
			t.Fatal(err)
		}
		return a.Code
	}
	token := good.Key.SessionToken
	for _, call := range calls {
		if got := code(good, call.service, call.operation); got != "" {
			t.Errorf("%s: got %s in a session that may do everything, want success", call.operation, got)
		}
		for _, wrong := range []struct{ name, token string }{
			{"no token", ""},
			{"the token of another session", other.Key.SessionToken},
			{"an altered first byte", "!" + token[1:]},
			{"an altered byte", token[:len(token)/2] + flipped(token[len(token)/2:])},
			{"an altered last byte", token[:len(token)-2] + flipped(token[len(token)-2:])},
			{"half of a token", token[:len(token)/2]},
			{"a token twice", token + token},
		} {
			bad := good
			bad.Key.SessionToken = wrong.token
			if got := code(bad, call.service, call.operation); got != call.invalid {
				t.Errorf("%s with %s: got %q, want %s", call.operation, wrong.name, got, call.invalid)
			}
		}
		withUser := user
		withUser.Key.SessionToken = token
		if got := code(withUser, call.service, call.operation); got != call.invalid {
			t.Errorf("%s with a user's key and a token: got %q, want %s", call.operation, got, call.invalid)
		}
	}
	ahead.Store(int64(901 * time.Second))
	good.Ahead = 901 * time.Second
	for _, call := range calls {
		if got := code(good, call.service, call.operation); got != call.expired {
			t.Errorf("%s in a session that is over: got %q, want %s", call.operation, got, call.expired)
		}
	}
}

// flipped is text whose first character is another letter.
func flipped(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

// TestAKeyThatIsDeactivatedInTheMiddleOfARequest lets a request begin with a key
// that is active and end when it is not.
func TestAKeyThatIsDeactivatedInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	h, _ := startAhead(t)
	user := h.user(root(h.Cordon), "visitor", "arn:aws:iam::aws:policy/AdministratorAccess")
	body := url.Values{"Action": {"CreateUser"}, "Version": {"2010-05-08"}, "UserName": {"late"}}.Encode()
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	cordontest.Sign(t, r, user.Key, "iam")
	var whole strings.Builder
	if err := r.Write(&whole); err != nil {
		t.Fatal(err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(h.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(cordontest.Deadline)); err != nil {
		t.Fatal(err)
	}
	text, rest := whole.String()[:whole.Len()-5], whole.String()[whole.Len()-5:]
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	h.do(root(h.Cordon), "iam", "UpdateAccessKey", object{
		"UserName": "visitor", "AccessKeyId": user.Key.AccessKeyID, "Status": "Inactive",
	})
	if _, err := io.WriteString(conn, rest); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := resp.Header.Get("X-Amzn-Errortype")
	if got != "InvalidClientTokenId" || resp.StatusCode != http.StatusForbidden {
		t.Errorf("got %d %s, want 403 InvalidClientTokenId", resp.StatusCode, got)
	}
	if users := h.do(root(h.Cordon), "iam", "ListUsers", nil); strings.Contains(users, "late") {
		t.Errorf("got %s, want no user made by the request", users)
	}
}
