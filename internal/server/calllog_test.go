package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/calllog"
	"github.com/cordon-iot/cordon/internal/cli"
	"github.com/cordon-iot/cordon/internal/config"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
	"github.com/cordon-iot/cordon/internal/store"
)

// callRecord is what tests look at of a record.
type callRecord struct {
	EventSource, EventName, RequestID, ErrorCode, RecipientAccountID string

	AdditionalEventData map[string]any
	ServiceEventDetails struct {
		Changes []struct{ Resource string }
	}
}

// recordsOf reads the call log of a Cordon that has ended.
func recordsOf(t *testing.T, cfg config.Config) (list []callRecord, text []byte) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{
		Dir: cfg.DataDir, URL: cfg.DatabaseURL.Reveal(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x := calllog.Export{To: time.Now().Add(time.Hour)}
	for more := true; more; more = x.After != nil {
		var page []byte
		if page, x.After, err = (&calllog.Book{Store: s}).Export(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		text = append(text, page...)
	}
	for line := range bytes.Lines(text) {
		var r callRecord
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v of %s", err, line)
		}
		list = append(list, r)
	}
	return list, text
}

// answers keeps what each call was answered: the code of its exception by its
// request id.
type answers struct {
	mu   sync.Mutex
	list map[string]string
}

// Do makes a call.
func (a *answers) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.list[resp.Header.Get("X-Amzn-Requestid")] = resp.Header.Get("X-Amzn-Errortype")
	}
	return resp, err
}

// label is a part of a path that a member stands in.
var label = regexp.MustCompile(`\{\w+\+?\}`)

// bare is a signed call of an operation with nothing but its path.
func bare(t *testing.T, base string, s *awswire.Service, fact awswire.Fact) *http.Request {
	t.Helper()
	method, target, body := fact.Method, "/", []byte(nil)
	header := http.Header{}
	switch s.Protocol {
	case awswire.Query:
		body = []byte(url.Values{"Action": {fact.Name}, "Version": {s.Version}}.Encode())
		method = http.MethodPost
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	case awswire.JSON:
		body, method = []byte("{}"), http.MethodPost
		header.Set("X-Amz-Target", s.Target+"."+fact.Name)
	default:
		target = label.ReplaceAllString(fact.Path, "x")
	}
	r, err := http.NewRequestWithContext(t.Context(), method, base+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	cordontest.Sign(t, r, aws.Credentials{AccessKeyID: cordontest.RootID, SecretAccessKey: cordontest.RootToken},
		s.SigningName)
	return r
}

// realCalls change something, and read it.
func realCalls(t *testing.T, c *iot.Client) {
	t.Helper()
	ctx := t.Context()
	keys, err := c.CreateKeysAndCertificate(ctx, &iot.CreateKeysAndCertificateInput{SetAsActive: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() error{
		func() error {
			_, err := c.CreateThing(ctx, &iot.CreateThingInput{ThingName: aws.String("a")})
			return err
		},
		func() error {
			_, err := c.CreateThing(ctx, &iot.CreateThingInput{ThingName: aws.String("a")})
			return err
		},
		func() error {
			_, err := c.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: aws.String("a")})
			return err
		},
		func() error { _, err := c.ListThings(ctx, &iot.ListThingsInput{}); return err },
		func() error {
			_, err := c.AttachThingPrincipal(ctx,
				&iot.AttachThingPrincipalInput{ThingName: aws.String("a"), Principal: keys.CertificateArn})
			return err
		},
		func() error { _, err := c.GetRegistrationCode(ctx, &iot.GetRegistrationCodeInput{}); return err },
	} {
		if err := call(); err != nil && !strings.Contains(err.Error(), "ResourceAlreadyExistsException") {
			t.Error(err)
		}
	}
	for i := range 10 {
		name := fmt.Sprint("n", i)
		if _, err := c.CreateThing(ctx, &iot.CreateThingInput{ThingName: &name}); err != nil {
			t.Error(err)
		}
		if _, err := c.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: &name}); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryCallLeavesOneRecord(t *testing.T) {
	t.Parallel()
	cfg := cordontest.Settings(t, "sqlite")
	c := cordontest.Start(t, cfg, server.Options{})
	seen := &answers{list: map[string]string{}}
	names := map[string]string{}
	for _, s := range c.Services() {
		for _, op := range s.Operations {
			resp, err := seen.Do(bare(t, c.URL(), &s, op.Fact()))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			names[resp.Header.Get("X-Amzn-Requestid")] = op.Fact().Name
		}
	}
	options := c.IoT().Options()
	options.HTTPClient = seen
	realCalls(t, iot.New(options))
	if len(seen.list) < 100 {
		t.Errorf("got %d calls, want those of all services", len(seen.list))
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	list, text := recordsOf(t, cfg)
	count := map[string]int{}
	for _, r := range list {
		count[r.RequestID]++
		code, known := seen.list[r.RequestID]
		if !known || r.ErrorCode != code {
			t.Errorf("got a record of %s with code %q, want %q (answered: %v)", r.EventName, r.ErrorCode, code, known)
		}
		if want, bare := names[r.RequestID]; bare && (r.EventName != want || r.EventSource == "" ||
			r.RecipientAccountID != cordontest.Account) {
			t.Errorf("got %+v, want a record of %s by the root user", r, want)
		}
	}
	for id, code := range seen.list {
		if count[id] != 1 {
			t.Errorf("got %d records of the call %s (%s %s), want one", count[id], id, names[id], code)
		}
	}
	for _, secret := range []string{cordontest.RootToken, "PRIVATE KEY", "BEGIN CERTIFICATE", "MII"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("got %q in the log", secret)
		}
	}
}

func TestAFloodOfCallsThatNobodySignedIsCounted(t *testing.T) {
	t.Parallel()
	cfg := cordontest.Settings(t, "sqlite")
	c := cordontest.Start(t, cfg, server.Options{})
	const calls = 400
	for range calls {
		resp, err := http.Get(c.URL() + "/things/x")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	list, _ := recordsOf(t, cfg)
	own, counted := 0, 0
	for _, r := range list {
		switch {
		case r.EventName == "UnauthenticatedCalls":
			counted += int(r.AdditionalEventData["calls"].(float64))
		case r.ErrorCode == "MissingAuthenticationTokenException" && r.RecipientAccountID == "":
			own++
		default:
			t.Errorf("got %+v", r)
		}
	}
	if own+counted != calls || counted == 0 || own < 100 {
		t.Errorf("got %d records and %d calls counted, want %d in all and some counted", own, counted, calls)
	}
}

// TestAKilledProcessLeavesAChangeAndItsRecordOrNeither kills a process under
// load, and looks at what the next one finds.
func TestAKilledProcessLeavesAChangeAndItsRecordOrNeither(t *testing.T) {
	t.Parallel()
	cfg := cordontest.Settings(t, "sqlite")
	if err := cordontest.Start(t, cfg, server.Options{}).Stop(); err != nil { // makes the root key
		t.Fatal(err)
	}
	p := start(t, cfg)
	const enough = 200
	seen := &answers{list: map[string]string{}}
	many := make(chan struct{})
	var made atomic.Int64
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			options := p.iot().Options()
			options.HTTPClient = seen
			c := iot.New(options)
			for n := 0; ; n++ {
				name := fmt.Sprintf("t-%d-%d", client, n)
				if _, err := c.CreateThing(context.Background(), &iot.CreateThingInput{ThingName: &name}); err != nil {
					select {
					case <-many: // the process is gone
					default:
						t.Error(err)
					}
					return
				}
				if made.Add(1) == enough {
					close(many)
				}
			}
		})
	}
	select {
	case <-many:
	case <-time.After(cordontest.Deadline):
		t.Fatal("the calls take too long")
	}
	p.signal(t, syscall.SIGKILL)
	p.end(t)
	clients.Wait()

	p = start(t, cfg)
	var out, errs bytes.Buffer
	verify := &cli.Process{
		Args: []string{"log", "verify", "--endpoint", p.url}, Stdout: &out, Stderr: &errs,
		Env: func(name string) (string, bool) {
			value, ok := map[string]string{
				"CORDON_ROOT_ACCESS_KEY_ID": cordontest.RootID, "CORDON_ROOT_SECRET_ACCESS_KEY": cordontest.RootToken,
			}[name]
			return value, ok
		},
	}
	if code := verify.Run(t.Context()); code != 0 || !strings.Contains(out.String(), ", 0 problems.") {
		t.Errorf("got exit code %d, %s%s, want no problem", code, &out, &errs)
	}
	p.terminate(t)
	e := (&rig{cfg: cfg}).inspect(t)
	list, _ := recordsOf(t, cfg)
	recorded := map[string]int{}
	for _, r := range list {
		if r.EventName == "CreateThing" && r.ErrorCode == "" {
			recorded[r.RequestID]++
		}
	}
	if things := e.number(`SELECT count(*) FROM things`); things < enough || things != len(recorded) {
		t.Errorf("got %d things and %d records, want as many", things, len(recorded))
	}
	for id, code := range seen.list {
		if code == "" && recorded[id] != 1 {
			t.Errorf("got %d records of a call that was answered, want one", recorded[id])
		}
	}
}

// wantChangesRecorded holds that every change of a task has its record, once.
func (r *rig) wantChangesRecorded(t *testing.T) {
	t.Helper()
	list, _ := recordsOf(t, r.cfg)
	seen := map[string]int{}
	for _, record := range list {
		for _, c := range record.ServiceEventDetails.Changes {
			if seen[c.Resource]++; seen[c.Resource] == 2 {
				t.Errorf("got a change of %s recorded twice", c.Resource)
			}
		}
	}
	if want := r.inspect(t).number(`SELECT count(*) FROM execution_changes`); len(seen) != want {
		t.Errorf("got %d changes recorded, want %d", len(seen), want)
	}
}
