package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/config"
)

// few devices show everything: 1 weak key, 3 expired and 3 expiring ones.
const few = 60

// output of a demo.
type output struct{ stdout, stderr string }

// run runs a demo whose temporary directory must be gone at the end.
func run(t *testing.T, ctx context.Context, o Options) (output, error) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var stdout, stderr bytes.Buffer
	if o.Stdout == nil {
		o.Stdout = &stdout
	}
	o.Stderr = &stderr
	err := Run(ctx, o)
	left, readErr := os.ReadDir(dir)
	if readErr != nil || len(left) > 0 {
		t.Errorf("got %v, %v left in the temporary directory, want nothing", left, readErr)
	}
	return output{stdout.String(), stderr.String()}, err
}

func TestPlainTextTellsTheWholeStory(t *testing.T) {
	out, err := run(t, t.Context(), Options{Devices: few})
	if err != nil || out.stderr != "" {
		t.Fatalf("got %v and %q, want success and nothing to complain of", err, out.stderr)
	}
	for _, want := range []string{
		"60 of 60 devices, ",
		"CRITICAL  DEVICE_CERTIFICATE_KEY_QUALITY_CHECK             1  weak key (ROCA)\n",
		"MEDIUM    DEVICE_CERTIFICATE_EXPIRING_CHECK                3  expired\n",
		"          DEVICE_CERTIFICATE_AGE_CHECK                     0  compliant\n",
		"DEVICE_CERTIFICATE_EXPIRING_CHECK            isolate, deactivate      3      3\n",
		"ok      4 certificates are INACTIVE, the other 56 ACTIVE\n",
		"\nEverything holds, in ",
		"with a weak key: certificate deactivated          1       0\n",
		" are still connected, and heard\n",
	} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for line := range strings.Lines(out.stdout) {
		if strings.ContainsAny(line, "\x1b\r█✓") || strings.Contains(line, "FAILED") {
			t.Errorf("got %q, want plain text without failures", line)
		}
	}
	if t.Failed() {
		t.Log(out.stdout)
	}
}

func TestJSONIsOneDocumentWithTheFigures(t *testing.T) {
	out, err := run(t, t.Context(), Options{Devices: few, JSON: true, Live: true})
	if err != nil || out.stderr != "" {
		t.Fatalf("got %v and %q, want success and nothing to complain of", err, out.stderr)
	}
	d := json.NewDecoder(strings.NewReader(out.stdout))
	var r report
	if err := d.Decode(&r); err != nil || d.More() {
		t.Fatalf("got %v and more: %v, want one document", err, d.More())
	}
	if !r.Holds || len(r.Proofs) != 11 {
		t.Errorf("got %v with %d proofs, want 11 that hold", r.Holds, len(r.Proofs))
	}
	// 5 calls a device, 5 groups and 5 policies, 2 CAs and their code.
	if want := int64(5*few + 13); r.Registration.Calls != want || r.Registration.CallsPerSecond <= 0 {
		t.Errorf("got %+v, want %d calls and a rate", r.Registration, want)
	}
	// 4 certificates, their 3 kept siblings, 3 policies, a CA and the account.
	if r.Audit.Findings != 12 || r.AuditAfter.Findings != 3 || r.Mitigation.Succeeded != 9 || r.Mitigation.Failed != 0 {
		t.Errorf("got %d findings, %d left, %d mitigated and %d failed; want 12, 3, 9 and 0", r.Audit.Findings,
			r.AuditAfter.Findings, r.Mitigation.Succeeded, r.Mitigation.Failed)
	}
	if l := r.Live; l.Devices < 20 || l.Connected < 12 || l.Dropped < 3 || l.LastDroppedAfter <= 0 {
		t.Errorf("got %+v, want devices that connected and some that were dropped", l)
	}
	for _, c := range r.Audit.Checks {
		if c.Check == certExpiring && (c.Resources != few || c.NonCompliant != 6 || c.Reasons[pastExpiration] != 3) {
			t.Errorf("got %+v, want 6 of 60 with 3 expired", c)
		}
	}
}

func TestAProofThatDoesNotHoldIsAnError(t *testing.T) {
	var victim string
	meddle := func(ctx context.Context, client *iot.Client) error {
		list, err := client.ListCertificates(ctx, &iot.ListCertificatesInput{})
		if err != nil {
			return err
		}
		for _, c := range list.Certificates {
			if c.Status == types.CertificateStatusInactive {
				victim = *c.CertificateId
			}
		}
		_, err = client.UpdateCertificate(ctx, &iot.UpdateCertificateInput{
			CertificateId: &victim, NewStatus: types.CertificateStatusActive,
		})
		return err
	}
	out, err := run(t, t.Context(), Options{Devices: MinDevices, meddle: meddle})
	if !errors.Is(err, errDisproved) {
		t.Errorf("got %v, want that the proof does not hold", err)
	}
	for _, want := range []string{
		"FAILED  2 certificates are INACTIVE", "1 missing, such as " + victim + " INACTIVE", "The proof does not hold",
	} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, out.stdout)
		}
	}
	out, err = run(t, t.Context(), Options{Devices: MinDevices, meddle: meddle, JSON: true})
	if !errors.Is(err, errDisproved) || !strings.Contains(out.stdout, `"holds": false`) {
		t.Errorf("got %v and %q, want the document to say it too", err, out.stdout)
	}
}

func TestAnErrorOnTheWayEndsTheDemo(t *testing.T) {
	broken := errors.New("no more paper")
	_, err := run(t, t.Context(), Options{
		Devices: MinDevices, meddle: func(context.Context, *iot.Client) error { return broken },
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// trigger is a writer that calls a function when a text is written.
type trigger struct {
	text bytes.Buffer
	on   string
	do   func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.on)) {
		w.do()
	}
	return w.text.Write(p)
}

func TestAnInterruptedDemoSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, err := run(t, ctx, Options{Devices: DefaultDevices, Stdout: &trigger{on: "Register a fleet", do: cancel}})
	if err == nil || !strings.HasPrefix(err.Error(), "interrupted") || out.stderr != "" {
		t.Errorf("got %v and %q, want an interruption and no complaint", err, out.stderr)
	}
}

func TestKeepServesUntilItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var w *trigger
	w = &trigger{on: "The server keeps running", do: func() {
		defer cancel()
		text := w.text.String()
		_, rest, _ := strings.Cut(text, "http://")
		url, _, _ := strings.Cut(rest, " ")
		_, rest, _ = strings.Cut(text, "log are in ")
		dir, _, _ := strings.Cut(rest, ",")
		key, err := config.ReadAccessKey(dir + "/data/root-access-key")
		if err != nil {
			t.Error(err)
			return
		}
		h := host{url: "http://" + url, key: key}
		if _, err := h.client().ListThings(ctx, &iot.ListThingsInput{}); err != nil {
			t.Errorf("got %v, want an answer from the server that was kept", err)
		}
	}}
	if _, err := run(t, ctx, Options{Devices: MinDevices, Keep: true, Stdout: w}); err != nil {
		t.Errorf("got %v, want success", err)
	}
}

func TestKeepWithJSONSaysHowToCallOnStandardError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &trigger{on: `"proofs"`, do: cancel} // the document is one Write
	out, err := run(t, ctx, Options{Devices: MinDevices, Keep: true, JSON: true, Stdout: w})
	if err != nil || !strings.Contains(out.stderr, "AWS_SHARED_CREDENTIALS_FILE=") || !json.Valid(w.text.Bytes()) {
		t.Errorf("got %v and %q, want success and how to call the server", err, out.stderr)
	}
}

func TestTheContextEndsWhenTheServerDoes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	h, ctx, err := startHost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.end()
	<-ctx.Done()
	if err := h.stop(); err != nil || t.Context().Err() != nil {
		t.Errorf("got %v, want an end of the server alone", err)
	}
}

func TestOnlyErrorsOfTheServerAreShown(t *testing.T) {
	h := &host{dir: t.TempDir()}
	var log strings.Builder
	for i := range 7 {
		fmt.Fprintf(&log, "time=now level=ERROR msg=%d\ntime=now level=INFO msg=fine\n", i)
	}
	if err := os.WriteFile(h.logFile(), []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var w strings.Builder
	h.complain(&w)
	got := w.String()
	if strings.Count(got, "server: ") != maxComplaints || strings.Contains(got, "fine") ||
		!strings.Contains(got, "msg=6\n") {
		t.Errorf("got %q, want the last %d errors", got, maxComplaints)
	}
}

func TestTheNumberOfDevicesHasBounds(t *testing.T) {
	for _, n := range []int{-1, 0, MinDevices - 1, MaxDevices + 1} {
		if out, err := run(t, t.Context(), Options{Devices: n}); err == nil || out.stdout != "" {
			t.Errorf("%d devices: got %v and %q, want an error at once", n, err, out.stdout)
		}
	}
}
