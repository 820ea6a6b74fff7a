package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/cordontest"
	cordon "github.com/cordon-iot/cordon/internal/server"
)

func TestHookTokensAreMadeListedAndDeleted(t *testing.T) {
	s := cordontest.Start(t, cordontest.Settings(t, "sqlite"), cordon.Options{})
	command := func(want int, args ...string) (stdout string) {
		t.Helper()
		code, stdout, stderr := run(t, Process{Env: environment(
			"AWS_ACCESS_KEY_ID", cordontest.RootID, "AWS_SECRET_ACCESS_KEY", cordontest.RootToken,
		)}, append([]string{"hook-token", args[0], "--endpoint", s.URL()}, args[1:]...)...)
		if code != want {
			t.Fatalf("%s: got exit code %d, %q, %q, want %d", args, code, stdout, stderr, want)
		}
		return stdout
	}
	var made hookToken
	if err := json.Unmarshal([]byte(command(ok, "create", "--name", "emqx", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	if out := command(ok, "create"); !strings.Contains(out, "shown this once:\n\ncordon-hook-") {
		t.Errorf("got %q, want a token", out)
	}
	if out := command(ok, "list"); !strings.Contains(out, made.TokenID) || !strings.Contains(out, `"emqx"`) ||
		strings.Contains(out, "cordon-hook-") || strings.Count(out, "\n") != 3 {
		t.Errorf("got %q, want two tokens without their texts", out)
	}
	if out := command(ok, "delete", "--token-id", made.TokenID); !strings.Contains(out, "deleted") {
		t.Errorf("got %q, want it said that the token is deleted", out)
	}
	command(failed, "delete", "--token-id", made.TokenID)
	if out := command(ok, "list", "--json"); strings.Contains(out, made.TokenID) {
		t.Errorf("got %q, want the token gone", out)
	}
}
