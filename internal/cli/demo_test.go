package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheDemoRunsFromTheCommandLine(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	code, stdout, stderr := run(t, Process{}, "demo", "--devices=20", "--json")
	var document struct {
		Devices int
		Holds   bool
	}
	if err := json.Unmarshal([]byte(stdout), &document); err != nil || document.Devices != 20 || !document.Holds {
		t.Errorf("got %v and %+v, want a document of 20 devices that holds", err, document)
	}
	if code != ok || stderr != "" {
		t.Errorf("got exit code %d and %q, want 0 and nothing to complain of", code, stderr)
	}
}

func TestADemoOfTooFewDevicesIsAMisuse(t *testing.T) {
	for _, n := range []string{"19", "100001", "many"} {
		code, stdout, stderr := run(t, Process{}, "demo", "--devices="+n)
		if code != misuse || stdout != "" || !strings.Contains(stderr, "--devices") {
			t.Errorf("%s: got exit code %d, %q and %q; want a misuse that names the flag", n, code, stdout, stderr)
		}
	}
}
