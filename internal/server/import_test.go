package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
	"github.com/cordon-iot/cordon/internal/server"
)

// importFile is a file of records, of which every thousandth is broken, and the
// first has a certificate.
func importFile(t *testing.T, records int) string {
	t.Helper()
	ca, err := fixture.NewCA(fixture.Template{CommonName: "Import CA"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(fixture.Template{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fleet.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "{\"thingName\":%q,\"certificatePem\":%q,\"status\":\"ACTIVE\"}\n", importedName(0), leaf.PEM)
	for i := 1; i < records; i++ {
		if i%1000 == 500 {
			fmt.Fprintln(w, "\x00 not a device")
			continue
		}
		fmt.Fprintf(w, "{\"thingName\":%q,\"attributes\":{\"site\":\"north\"}}\n", importedName(i))
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func importedName(i int) string { return fmt.Sprintf("imported-%06d", i) }

// importing begins "cordon import" in a process of its own.
func importing(t *testing.T, p *process, path string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "import", path, "--endpoint", p.url, "--json")
	cmd.Env = append(os.Environ(), stopsVariable+"=[]", "CORDON_ROOT_ACCESS_KEY_ID="+cordontest.RootID,
		"CORDON_ROOT_SECRET_ACCESS_KEY="+cordontest.RootToken)
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, out
}

func TestAKilledImportGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	const records, broken = 6_000, 6
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			cfg := cordontest.Settings(t, database)
			within(t, cfg, server.Options{}, func(*cordontest.Cordon) {}) // makes the operator's key
			path := importFile(t, records)
			p := start(t, cfg)
			first, _ := importing(t, p, path)
			awaitThing(t, p, importedName(1999))
			p.signal(t, syscall.SIGKILL)
			p.wantKilled(t)
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = first.Wait() // killed

			p = start(t, cfg)
			second, out := importing(t, p, path)
			var exit *exec.ExitError
			if err := second.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("got %v, want exit code 1 for what is refused", err)
			}
			var got struct{ Records, Accepted, Unchanged, Refused int }
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got.Records != records || got.Accepted != records-broken || got.Unchanged != 0 || got.Refused != broken {
				t.Errorf("got %+v, want each of %d records once and %d refused", got, records, broken)
			}
			wantRefused(t, path+".refused.jsonl", broken)
			c := p.iot()
			wantThings(t, c, records-broken)
			p.terminate(t)
		})
	}
}

func awaitThing(t *testing.T, p *process, name string) {
	t.Helper()
	c := p.iot()
	for deadline := time.Now().Add(cordontest.Deadline); ; {
		_, err := c.DescribeThing(t.Context(), &iot.DescribeThingInput{ThingName: &name})
		if err == nil {
			return
		}
		if e := new(types.ResourceNotFoundException); !errors.As(err, &e) || time.Now().After(deadline) {
			t.Fatalf("thing %s is not there: %v", name, err)
		}
	}
}

// wantRefused holds that each broken record is in the file once.
func wantRefused(t *testing.T, path string, broken int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	for i, line := range lines {
		var r struct{ Where, Reason string }
		if err := json.Unmarshal(line, &r); err != nil || r.Where != fmt.Sprint(i*1000+501) || r.Reason == "" {
			t.Errorf("line %d: got %s, want the record in line %d", i+1, line, i*1000+501)
		}
	}
	if len(lines) != broken {
		t.Errorf("got %d refused, want %d", len(lines), broken)
	}
}

// wantThings counts the things that were imported.
func wantThings(t *testing.T, c *iot.Client, want int) {
	t.Helper()
	got := 0
	pages := iot.NewListThingsPaginator(c, &iot.ListThingsInput{
		AttributeName: new("site"), AttributeValue: new("north"), MaxResults: new(int32(250)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got += len(page.Things)
	}
	if got != want-1 { // one has a certificate and no attribute
		t.Errorf("got %d things, want %d", got, want-1)
	}
}
