package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/bench"
)

func TestBenchMeasuresATenthAndAll(t *testing.T) {
	t.Setenv(childVariable, "bench")
	dir := t.TempDir()
	// The settings of a server are not those of a benchmark.
	env := environment("CORDON_DATA_DIR", filepath.Join(dir, "missing"), "CORDON_DATABASE_URL", "postgres://nowhere/x")
	for _, kind := range []string{bench.Audit, bench.Mitigate} {
		t.Run(kind, func(t *testing.T) {
			code, stdout, stderr := run(t, Process{Env: env}, "bench", kind,
				"--certificates=1000", "--findings=100", "--rounds=1", "--json", "--data-dir="+dir)
			var got bench.Report
			if err := json.Unmarshal([]byte(stdout), &got); code != ok || err != nil {
				t.Fatalf("got exit code %d, %q and %q (%v), want a report", code, stdout, stderr, err)
			}
			if len(got.Results) != 2 || got.Results[0].Spec.Certificates != 100 || got.Results[1].Spec.Certificates != 1000 {
				t.Errorf("got %+v, want measurements of 100 and of 1000 certificates", got.Results)
			}
			for _, r := range got.Results {
				if r.Spec.Kind != kind || r.PeakBytes <= 0 || r.Subject.PerSecond.Median <= 0 {
					t.Errorf("got %+v, want %s with its rate and memory", r, kind)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("got %v (%v) left in the directory, want nothing", left, err)
			}
		})
	}
}

func TestBenchForPeople(t *testing.T) {
	t.Setenv(childVariable, "bench")
	code, stdout, stderr := run(t, Process{}, "bench", "audit",
		"--certificates=50", "--findings=10", "--rounds=1", "--data-dir="+t.TempDir())
	if code != ok || strings.Count(stdout, "SELECT of the same columns") != 1 || !strings.Contains(stdout, "goal 0.5") {
		t.Errorf("got exit code %d, %q and %q, want one table: a tenth would be too small", code, stdout, stderr)
	}
}

func TestBenchRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		args       []string
		code       int
	}{
		{"a fleet that is too small", "--findings", []string{"--findings=1"}, misuse},
		{"two servers", "take one of them", []string{"--postgres", "--database-url=postgres://x/y"}, misuse},
		{"another database", "want postgres://", []string{"--database-url=mysql://x/y"}, misuse},
		{"a password", "PGPASSWORD", []string{"--database-url=postgres://u:secret@x/y"}, misuse},
		{"a password in another place", "PGPASSWORD", []string{"--database-url=postgres://x/y?password=secret"}, misuse},
		{"a directory that is not there", "status 1", []string{"--data-dir=/nowhere/at/all"}, failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(childVariable, "bench")
			code, stdout, stderr := run(t, Process{}, append([]string{"bench", "mitigate"}, tt.args...)...)
			if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "secret") {
				t.Errorf("got exit code %d, %q and %q, want %d and %q", code, stdout, stderr, tt.code, tt.want)
			}
		})
	}
}

func TestBenchMeasuresCallsAndImports(t *testing.T) {
	t.Setenv(childVariable, "bench")
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"calls", "CreateThing, 2 conn", []string{"api", "--things=10", "--calls=20", "--connections=2", "--rounds=1"}},
		{"devices", "one by one under", []string{"gateway", "--connections=20", "--messages=100", "--rounds=1"}},
		{"an import", "1,500 devices; audited", []string{"import", "--devices=1500"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			code, stdout, stderr := run(t, Process{}, append([]string{"bench"}, append(tt.args, "--data-dir="+dir)...)...)
			if code != ok || !strings.Contains(stdout, tt.want) {
				t.Errorf("got exit code %d, %q and %q, want %q", code, stdout, stderr, tt.want)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("got %v (%v) left in the directory, want nothing", left, err)
			}
		})
	}
}

func TestImportRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fleet.csv")
	if err := os.WriteFile(file, []byte("colour\nred\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"a file that is not there", "no such file", []string{file + "x", "--format=csv"}},
		{"a name that says nothing", "name the format", []string{"bench_test.go"}},
		{"a column without a meaning", `"colour" has no meaning`, []string{file}},
		{"a format that there is not", "format", []string{file, "--format=xml"}},
		{"no file", "<path>", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(t, Process{}, append([]string{"import"}, tt.args...)...)
			if code != misuse || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("got exit code %d, %q and %q, want %d and %q", code, stdout, stderr, misuse, tt.want)
			}
		})
	}
}
