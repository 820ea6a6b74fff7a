package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/cordon-iot/cordon/internal/config"
)

// run runs a command in a world of its own and returns what it did.
func run(t *testing.T, p Process, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	p.Args, p.Stdout, p.Stderr = args, &out, &errOut
	if p.Env == nil {
		p.Env = environment()
	}
	code = p.Run(t.Context())
	return code, out.String(), errOut.String()
}

func environment(pairs ...string) config.Getenv {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestExitCodesAndWhereTextsGo(t *testing.T) {
	for _, tt := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // parts of them; "" wants nothing there
	}{
		{"no command shows the commands", nil, misuse, "", "account create"},
		{"help is a result", []string{"--help"}, ok, "account create", ""},
		{"help is a command too", []string{"help", "account", "create"}, ok, "shown this once only", ""},
		{"help of a command", []string{"serve", "-h"}, ok, "--database-url URL", ""},
		{"help of a group", []string{"account", "--help"}, ok, "account disable", ""},
		{"the version is a result", []string{"version"}, ok, "cordon ", ""},
		{"an unknown command", []string{"servr"}, misuse, "", `did you mean "serve"`},
		{"a group alone", []string{"account"}, misuse, "", `Run "cordon account --help"`},
		{"an unknown flag", []string{"serve", "--regoin=x"}, misuse, "", "--regoin"},
		{"a setting that breaks a rule", []string{"serve", "--region=X"}, misuse, "", `Run "cordon serve --help"`},
		{"a missing flag", []string{"account", "create"}, misuse, "", "--account-id"},
		{"a server that fails", []string{"serve"}, failed, "", "cordon: this build has no server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(t, Process{}, tt.args...)
			if code != tt.code {
				t.Errorf("got exit code %d, want %d", code, tt.code)
			}
			for _, stream := range []struct{ name, got, want string }{
				{"stdout", stdout, tt.stdout}, {"stderr", stderr, tt.stderr},
			} {
				if !strings.Contains(stream.got, stream.want) || stream.want == "" && stream.got != "" {
					t.Errorf("got %q on %s, want %q", stream.got, stream.name, stream.want)
				}
			}
		})
	}
}

func TestServeRunsTheServerWithItsSettings(t *testing.T) {
	var got config.Config
	p := Process{
		Env: environment("CORDON_LOG_FORMAT", "json", "CORDON_REGION", "eu-west-1"),
		Serve: func(_ context.Context, c config.Config, log *slog.Logger) error {
			got = c
			log.Info("started")
			log.Debug("detail")
			return nil
		},
	}
	code, _, stderr := run(t, p, "serve", "--account-id=000000000007")
	if code != ok || got.AccountID != "000000000007" || got.Region != "eu-west-1" {
		t.Errorf("got exit code %d and %+v, want the account of the flag and the region of the environment", code, got)
	}
	if !strings.Contains(stderr, `"msg":"started"`) || strings.Contains(stderr, "detail") {
		t.Errorf("got the log %q, want JSON at level info", stderr)
	}
	p.Serve = func(context.Context, config.Config, *slog.Logger) error { return errors.New("no disk") }
	if code, _, stderr := run(t, p, "serve"); code != failed || stderr != "cordon: no disk\n" {
		t.Errorf("got exit code %d and %q, want 1 and the error", code, stderr)
	}
}

func TestEveryCommandHasHelpWithItsUsage(t *testing.T) {
	k, err := newParser(environment())
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range k.Model.Leaves(false) {
		help := helpOf(node)
		if !strings.Contains(help, "Usage: "+node.FullPath()) {
			t.Errorf("%s: the help does not show the usage", node.FullPath())
		}
		for line := range strings.Lines(node.Detail) {
			if len(line) > 81 {
				t.Errorf("%s: longer than 80 columns: %s", node.FullPath(), line)
			}
		}
	}
}

func TestTheExamplesOfTheHelpParse(t *testing.T) {
	k, err := newParser(environment())
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, node := range k.Model.Leaves(true) {
		for line := range strings.Lines(node.Detail) {
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[0] != "cordon" || !strings.HasPrefix(line, "  cordon ") {
				continue
			}
			examples++
			if end := slices.IndexFunc(fields, func(s string) bool { return s == "|" || s[0] == '>' }); end > 0 {
				fields = fields[:end]
			}
			if _, err := k.Parse(fields[1:]); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if examples < 5 {
		t.Errorf("got %d examples, want at least 5", examples)
	}
}

func TestFlagsOfOneCallAreNotTakenFromTheEnvironment(t *testing.T) {
	k, err := newParser(environment("CORDON_ACCOUNT_ID", "000000000007", "CORDON_HELP", "true", "CORDON_JSON", "true"))
	if err != nil {
		t.Fatal(err)
	}
	var parse *kong.ParseError
	if _, err := k.Parse([]string{"account", "disable"}); !errors.As(err, &parse) {
		t.Errorf("got %v, want the account to be asked for", err)
	}
}

func TestTheReferenceIsUpToDate(t *testing.T) {
	want, err := cliReference()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/cli.md")
	if err != nil || string(got) != want {
		t.Errorf("docs/cli.md is not what internal/cli says (%v): run make generate", err)
	}
	code, stdout, _ := run(t, Process{}, "reference", "cli")
	if code != ok || stdout != want {
		t.Errorf("cordon reference cli: got exit code %d and %d bytes, want the reference", code, len(stdout))
	}
	if code, stdout, _ := run(t, Process{}, "reference", "config"); code != ok || stdout != config.Reference() {
		t.Errorf("cordon reference config: got exit code %d and %d bytes, want the reference", code, len(stdout))
	}
	code, stdout, _ = run(t, Process{}, "reference", "coverage")
	if got, err := os.ReadFile("../../docs/coverage.md"); code != ok || err != nil || stdout != string(got) {
		t.Errorf("docs/coverage.md is not what the operations say (%v, exit code %d): run make generate", err, code)
	}
}

// childVariable turns the test binary into a server that says when it starts
// and when it is asked to end. With the value "hang" it then does not end.
const childVariable = "CLI_TEST_CHILD"

func TestMain(m *testing.M) {
	child := os.Getenv(childVariable)
	if child == "" {
		os.Exit(m.Run())
	}
	if child == "bench" { // with arguments of its own
		os.Exit(Main(nil))
	}
	os.Args = []string{"cordon", "serve"}
	os.Exit(Main(func(ctx context.Context, _ config.Config, _ *slog.Logger) error {
		io.WriteString(os.Stdout, "started\n")
		<-ctx.Done()
		io.WriteString(os.Stdout, "ending\n")
		if child == "hang" {
			select {}
		}
		return nil
	}))
}
