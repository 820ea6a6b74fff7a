package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/notify"
	"github.com/cordon-iot/cordon/internal/notify/deliver"
	cordon "github.com/cordon-iot/cordon/internal/server"
)

// deadLetters makes some deliveries that an endpoint refuses for good.
func deadLetters(t *testing.T, s *cordontest.Cordon, endpoint string, n int) {
	t.Helper()
	scope := fleet.Scope{Account: cordontest.Account, Region: cordontest.Region}
	arn := notify.TopicARN{Scope: scope, Name: "alarms"}
	if _, err := s.Store().CreateTopic(t.Context(), &notify.Topic{ARN: arn, Created: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store().Subscribe(t.Context(), notify.Subscription{
		ARN: notify.SubscriptionARN{Topic: arn, ID: uuid.NewString()}, Protocol: notify.HTTP, Endpoint: endpoint,
		State: notify.Confirmed, Created: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	var list []notify.Message
	for range n {
		list = append(list, notify.Message{ID: uuid.NewString(), TopicARN: arn.String(), Body: "{}", Created: time.Now()})
	}
	if err := s.Store().EnqueueMessages(t.Context(), scope, list); err != nil {
		t.Fatal(err)
	}
}

func TestDeadLettersAreListedAndReplayed(t *testing.T) {
	var accepts atomic.Bool
	var came atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !accepts.Load() {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		came.Add(1)
	}))
	defer hook.Close()
	cfg := cordontest.Settings(t, "sqlite")
	cfg.OutgoingAllow = []string{"127.0.0.1/32"}
	s := cordontest.Start(t, cfg, cordon.Options{Delivery: deliver.Timing{Poll: 20 * time.Millisecond}})
	command := func(want int, args ...string) (stdout string) {
		t.Helper()
		code, stdout, stderr := run(t, Process{Env: environment(
			"AWS_ACCESS_KEY_ID", cordontest.RootID, "AWS_SECRET_ACCESS_KEY", cordontest.RootToken,
		)}, append([]string{"topic", args[0], "--endpoint", s.URL()}, args[1:]...)...)
		if code != want {
			t.Fatalf("%s: got exit code %d, %q, %q, want %d", args, code, stdout, stderr, want)
		}
		return stdout
	}
	deadLetters(t, s, hook.URL, 130)
	var list struct{ DeadLetters []deadLetter }
	cordontest.Await(t, "all are dead", func() bool {
		if err := json.Unmarshal([]byte(command(ok, "dead-letters", "--json")), &list); err != nil {
			t.Fatal(err)
		}
		return len(list.DeadLetters) == 130
	})
	first := list.DeadLetters[0]
	if first.LastError != "the endpoint answered with status 404" || first.Attempts != 1 || first.DeduplicationID == "" ||
		!strings.Contains(first.SubscriptionARN, ":alarms:") || first.EndedAt < first.CreatedAt {
		t.Errorf("got %+v", first)
	}
	if out := command(ok, "dead-letters"); strings.Count(out, "\n") != 131 || !strings.Contains(out, first.LastError) {
		t.Errorf("got %q, want a line for each", out)
	}
	accepts.Store(true)
	if out := command(ok, "replay", "--dead-letter-id", first.DeadLetterID); out != "1 deliveries are sent again.\n" {
		t.Errorf("got %q", out)
	}
	if out := command(ok, "replay", "--all", "--json"); !strings.Contains(out, "129") {
		t.Errorf("got %q, want the others replayed", out)
	}
	cordontest.Await(t, "they come", func() bool { return came.Load() == 130 })
	if out := command(ok, "replay", "--dead-letter-id", first.DeadLetterID, "--json"); !strings.Contains(out, "0") {
		t.Errorf("got %q for one that was delivered, want none", out)
	}
	command(failed, "replay", "--dead-letter-id", "x")
	command(misuse, "replay")
	command(misuse, "replay", "--all", "--dead-letter-id", "1")
}
