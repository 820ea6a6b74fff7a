package cordonapi_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// rabbitUser asks at the hooks, with a token, whether there is a device.
func rabbitUser(t *testing.T, base, token, name string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/hook/rabbitmq/"+token+"/user",
		strings.NewReader("username="+name))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got status %d, want 200", resp.StatusCode)
	}
	return string(body)
}

func mustList(t *testing.T, key aws.Credentials, target string) map[string]any {
	t.Helper()
	status, out := call(t, key, http.MethodGet, target, nil)
	if status != http.StatusOK {
		t.Fatalf("list: got %d %v", status, out)
	}
	return out
}

func TestAHookTokenIsMadeShownOnceListedAndEnded(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		made, err := c.Identity().CreateAccount(t.Context(), "123456789012", "")
		if err != nil {
			t.Fatal(err)
		}
		stranger := aws.Credentials{AccessKeyID: made.ID, SecretAccessKey: made.Secret}
		status, out := call(t, root, http.MethodPost, c.URL()+"/hook-tokens", map[string]string{"name": "emqx 1"})
		token, _ := out["token"].(string)
		id, _ := out["tokenId"].(string)
		if status != http.StatusOK || len(token) < 26 || id == "" || out["name"] != "emqx 1" {
			t.Fatalf("got %d %v, want a token", status, out)
		}
		status, out = call(t, root, http.MethodPost, c.URL()+"/hook-tokens", map[string]string{})
		if status != http.StatusOK {
			t.Fatalf("got %d %v, want a token without a name", status, out)
		}
		first := mustList(t, root, c.URL()+"/hook-tokens?maxResults=1")
		rest := mustList(t, root, c.URL()+"/hook-tokens?nextToken="+url.QueryEscape(first["nextToken"].(string)))
		if n := len(first["hookTokens"].([]any)) + len(rest["hookTokens"].([]any)); n != 2 || rest["nextToken"] != nil {
			t.Errorf("got %v and %v, want two tokens on two pages", first, rest)
		}
		for _, page := range []map[string]any{first, rest} {
			for _, one := range page["hookTokens"].([]any) {
				if one.(map[string]any)["token"] != nil {
					t.Errorf("got %v, want no text of a token in a list", one)
				}
			}
		}
		if list := mustList(t, stranger, c.URL()+"/hook-tokens"); len(list["hookTokens"].([]any)) != 0 {
			t.Errorf("got %v for another account, want none", list)
		}
		if _, out := call(t, stranger, http.MethodDelete, c.URL()+"/hook-tokens/"+id, nil); out["exception"] !=
			"ResourceNotFoundException" {
			t.Errorf("got %v when another account ends it, want ResourceNotFoundException", out)
		}
		if status, out := call(t, root, http.MethodDelete, c.URL()+"/hook-tokens/"+id, nil); status != http.StatusOK {
			t.Errorf("got %d %v, want it ended", status, out)
		}
		if _, out := call(t, root, http.MethodDelete, c.URL()+"/hook-tokens/"+id, nil); out["exception"] !=
			"ResourceNotFoundException" {
			t.Errorf("got %v when it is ended twice, want ResourceNotFoundException", out)
		}
	})
}

func TestTheHooksAnswerWithTheTokensOfTheAPI(t *testing.T) {
	settings := cordontest.Settings(t, "sqlite")
	settings.HookListen = "127.0.0.1:0"
	c := cordontest.Start(t, settings, server.Options{})
	cordontest.NewDevice(t, c.IoT()) // its common name is "device"
	_, out := call(t, root, http.MethodPost, c.URL()+"/hook-tokens", map[string]string{})
	token := out["token"].(string)
	if got := rabbitUser(t, c.HookURL(), token, "device"); got != "allow" {
		t.Errorf("got %s for a device, want allow", got)
	}
	if got := rabbitUser(t, c.HookURL(), token+"x", "device"); got != "deny" {
		t.Errorf("got %s with another token, want deny", got)
	}
	cordontest.NewDevice(t, c.IoT())
	if got := rabbitUser(t, c.HookURL(), token, "device"); got != "deny" {
		t.Errorf("got %s where two devices have the name, want deny", got)
	}
}
