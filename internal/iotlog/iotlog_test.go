package iotlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
)

var (
	mine   = fleet.Scope{Account: "111111111111", Region: "us-east-1"}
	theirs = fleet.Scope{Account: "222222222222", Region: "us-east-1"}
	begin  = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
)

// owners are settings in memory.
type owners struct {
	mu      sync.Mutex
	options map[fleet.Scope]fleet.LoggingOptions
	targets map[fleet.Scope][]fleet.LogLevel
	fails   bool
	reads   int
}

func (o *owners) LoggingOptions(_ context.Context, scope fleet.Scope) (*fleet.LoggingOptions, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads++
	if o.fails {
		return nil, errors.New("no store")
	}
	options := o.options[scope]
	return &options, nil
}

func (o *owners) LogLevels(_ context.Context, scope fleet.Scope, p fleet.LogLevelPage) ([]fleet.LogLevel, error) {
	all := o.targets[scope]
	for i, t := range all {
		if t.LogTarget == p.After {
			all = all[i+1:]
			break
		}
	}
	return all[:min(len(all), p.Limit)], nil
}

func (o *owners) set(scope fleet.Scope, options fleet.LoggingOptions) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.options[scope] = options
}

func newOwners() *owners {
	return &owners{options: map[fleet.Scope]fleet.LoggingOptions{}, targets: map[fleet.Scope][]fleet.LogLevel{}}
}

func v2(level string) fleet.LoggingOptions {
	return fleet.LoggingOptions{Configured: true, Role: "r", Level: level}
}

// bench is a log with a clock that the test moves, and no goroutine: what was
// observed is written by written.
type bench struct {
	*Log
	owners *owners
	now    time.Time
	lost   int
	path   string
	read   int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{owners: newOwners(), now: begin, path: filepath.Join(t.TempDir(), "iot.log")}
	var err error
	b.Log, err = Open(Options{
		Path: b.path, MaxBytes: 1 << 30, Settings: b.owners, Now: func() time.Time { return b.now },
		Log: slog.New(slog.DiscardHandler), Lost: func(n int) { b.lost += n },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.file.close() })
	return b
}

// written writes what waits and returns what is new in the file.
func (b *bench) written(t *testing.T) string {
	t.Helper()
	for b.finish(); len(b.queue) > 0; b.finish() { // It ends after a while, on a busy machine before all is written.
	}
	all, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	fresh := string(all[b.read:])
	b.read = len(all)
	return fresh
}

func connected(scope fleet.Scope) *gateway.Event {
	return &gateway.Event{Type: gateway.EventConnect, Time: begin, OK: true, Scope: scope, ClientID: "c1",
		Certificate: "cert", Address: netip.MustParseAddrPort("192.0.2.1:1234"), Protocol: "MQTT"}
}

func TestNothingIsLoggedUntilItIsSetUpAndAfterItIsDisabled(t *testing.T) {
	b := newBench(t)
	b.owners.set(theirs, v2("DEBUG"))
	step := func(options fleet.LoggingOptions, want int) {
		t.Helper()
		b.owners.set(mine, options)
		b.now = b.now.Add(freshness + time.Millisecond)
		b.Observe(connected(mine))
		if got := strings.Count(b.written(t), "\n"); got != want {
			t.Errorf("with %+v: got %d entries, want %d", options, got, want)
		}
	}
	step(fleet.LoggingOptions{}, 0)
	step(v2("INFO"), 1)
	step(v2("ERROR"), 0)
	step(v2("DISABLED"), 0)
	step(fleet.LoggingOptions{Configured: true, Role: "r", Level: "DEBUG", DisableAll: true}, 0)
	step(fleet.LoggingOptions{Configured: true, Level: "DEBUG"}, 0) // No role to write with.
	step(fleet.LoggingOptions{V1Role: "r", V1Level: "INFO"}, 1)
	step(fleet.LoggingOptions{V1Role: "r", V1Level: "DISABLED"}, 0)
}

func TestSettingsAreReadOnceASecondAndOnlyWhenSomethingHappens(t *testing.T) {
	b := newBench(t)
	b.owners.set(mine, v2("INFO"))
	for range 100 {
		b.Observe(connected(mine))
		b.written(t)
	}
	if b.owners.reads != 1 {
		t.Errorf("the settings were read %d times, want once", b.owners.reads)
	}
	b.now = b.now.Add(time.Hour)
	if b.owners.reads != 1 || !b.Wants(mine, gateway.EventPublishIn) {
		t.Errorf("settings that are too old: read %d times, want an event to read them by", b.owners.reads)
	}
}

func TestWhatNobodyLogsIsNotWanted(t *testing.T) {
	b := newBench(t)
	if !b.Wants(mine, gateway.EventPublishIn) {
		t.Error("an event of a scope that is not known yet is not wanted: nothing would read its settings")
	}
	b.Observe(connected(mine))
	b.written(t)
	if b.Wants(mine, gateway.EventPublishIn) {
		t.Error("an event is wanted although nothing is logged")
	}
	b.owners.set(theirs, v2("ERROR"))
	b.Observe(connected(theirs))
	b.written(t)
	if !b.Wants(theirs, gateway.EventPublishIn) {
		t.Error("an event that may be a refusal is not wanted although those are logged")
	}
}

func TestLevels(t *testing.T) {
	target := func(kind fleet.LogTargetType, name, level string) fleet.LogLevel {
		return fleet.LogLevel{LogTarget: fleet.LogTarget{Type: kind, Name: name}, Level: level}
	}
	event := gateway.Event{Type: gateway.EventConnect, Scope: mine, ClientID: "c1", Certificate: "cert",
		Groups: []string{"child", "parent"}, Address: netip.MustParseAddrPort("[::ffff:192.0.2.1]:1234")}
	events := v2("INFO")
	events.Events = `[{"eventType":"Connect","logLevel":"DEBUG"},{"eventType":"Subscribe","logLevel":"ERROR"}]`
	both := v2("ERROR")
	both.V1Role, both.V1Level = "r", "WARN"
	off := v2("INFO")
	off.DisableAll, off.V1Role, off.V1Level = true, "r", "ERROR"
	for _, tt := range []struct {
		name    string
		options fleet.LoggingOptions
		targets []fleet.LogLevel
		want    level
	}{
		{"the default", v2("WARN"), nil, warnings},
		{"the default among the levels is not a target", v2("WARN"), []fleet.LogLevel{target("DEFAULT", "", "WARN")},
			warnings},
		{"a client's", v2("ERROR"), []fleet.LogLevel{target("CLIENT_ID", "c1", "INFO")}, information},
		{"another client's", v2("ERROR"), []fleet.LogLevel{target("CLIENT_ID", "c2", "INFO")}, failures},
		{"a certificate's", v2("ERROR"), []fleet.LogLevel{target("PRINCIPAL_ID", "cert", "DEBUG")}, debugging},
		{"an address's", v2("ERROR"), []fleet.LogLevel{target("SOURCE_IP", "192.0.2.1", "WARN")}, warnings},
		{"a parent group's", v2("ERROR"), []fleet.LogLevel{target("THING_GROUP", "parent", "INFO")}, information},
		{"the most detailed of several", v2("DISABLED"), []fleet.LogLevel{target("THING_GROUP", "parent", "WARN"),
			target("CLIENT_ID", "c1", "INFO"), target("SOURCE_IP", "192.0.2.1", "ERROR")}, information},
		{"a target may log less than the rest", v2("DEBUG"), []fleet.LogLevel{target("CLIENT_ID", "c1", "DISABLED")},
			none},
		{"that of the type of event", events, nil, debugging},
		{"a target's before it", events, []fleet.LogLevel{target("CLIENT_ID", "c1", "WARN")}, warnings},
		{"the older options beside the newer", both, nil, warnings},
		{"the older options without the newer", off, []fleet.LogLevel{target("CLIENT_ID", "c1", "DEBUG")}, failures},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := newSettings(&tt.options, tt.targets)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.of(&event); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			if s.highest < tt.want {
				t.Errorf("the highest level is %d, below %d", s.highest, tt.want)
			}
		})
	}
}

func TestEntries(t *testing.T) {
	event := func(typ gateway.EventType, change func(*gateway.Event)) *gateway.Event {
		e := connected(mine)
		e.Type = typ
		change(e)
		return e
	}
	common := map[string]any{"timestamp": "2026-01-02 03:04:05.678", "logLevel": "INFO", "accountId": mine.Account,
		"status": "Success", "protocol": "MQTT", "clientId": "c1", "principalId": "cert", "sourceIp": "192.0.2.1",
		"sourcePort": 1234.0, "region": "us-east-1"}
	failure := map[string]any{"logLevel": "ERROR", "status": "Failure"}
	for _, tt := range []struct {
		name  string
		event *gateway.Event
		want  []map[string]any
	}{
		{"a connect", event("Connect", func(*gateway.Event) {}), nil},
		{"a connect that was refused", event("Connect", func(e *gateway.Event) {
			e.OK, e.Reason = false, "the certificate is not active"
		}), []map[string]any{failure, {"details": "the certificate is not active"}}},
		{"a publish", event("Publish-In", func(e *gateway.Event) { e.Topic = "a/<b>" }),
			[]map[string]any{{"topicName": "a/<b>"}}},
		{"a publish that was refused", event("Publish-In", func(e *gateway.Event) {
			e.OK, e.Topic, e.Reason = false, "a", "AUTHORIZATION_FAILURE"
		}), []map[string]any{failure, {"topicName": "a", "reason": "AUTHORIZATION_FAILURE",
			"details": "Authorization Failure"}}},
		{"a subscription", event("Subscribe", func(e *gateway.Event) { e.Topic, e.QoS = "a/#", 1 }),
			[]map[string]any{{"topicName": "a/#",
				"subscriptions": []any{map[string]any{"topicName": "a/#", "reasonCode": 1.0}}}}},
		{"a subscription that was refused", event("Subscribe", func(e *gateway.Event) {
			e.Topic, e.OK, e.Reason = "#", false, "AUTHORIZATION_FAILURE"
		}), []map[string]any{failure, {"topicName": "#", "reason": "AUTHORIZATION_FAILURE",
			"details":       "Authorization Failure",
			"subscriptions": []any{map[string]any{"topicName": "#", "reasonCode": 128.0}}}}},
		{"a disconnect by the client", event("Disconnect", func(e *gateway.Event) {
			e.ByClient, e.Disconnect, e.Reason = true, fleet.DisconnectByClient, "DISCONNECT"
		}), []map[string]any{{"disconnectReason": "CLIENT_INITIATED_DISCONNECT"}}},
		{"a connection that was lost", event("Disconnect", func(e *gateway.Event) {
			e.Disconnect, e.Reason = fleet.DisconnectLost, "EOF"
		}), []map[string]any{failure, {"disconnectReason": "CONNECTION_LOST", "reason": "CONNECTION_LOST",
			"details": "EOF"}}},
		{"a client id taken over", event("Disconnect", func(e *gateway.Event) {
			e.Disconnect = fleet.DisconnectDuplicateClient
		}), []map[string]any{failure, {"disconnectReason": "DUPLICATE_CLIENTID", "reason": "DUPLICATE_CLIENT_ID",
			"details": "A new connection was established with the same client ID"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := appendEntry(&buf, tt.event); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"eventType": string(tt.event.Type), "traceId": got["traceId"]}
			for _, m := range append([]map[string]any{common}, tt.want...) {
				for k, v := range m {
					want[k] = v
				}
			}
			if !reflect.DeepEqual(got, want) || len(got["traceId"].(string)) != 36 {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestWhatAClientChoseStaysInItsLine(t *testing.T) {
	for _, id := range []string{"a\n{\"status\":\"Success\"}", `a","status":"Failure`, "\xff\xfe\x00", "\u2028",
		strings.Repeat("ü", 50_000)} {
		e := connected(mine)
		e.ClientID, e.Topic, e.Reason, e.OK = id, id, id, false
		var buf bytes.Buffer
		if err := appendEntry(&buf, e); err != nil {
			t.Fatal(err)
		}
		var got entry
		if err := json.Unmarshal(buf.Bytes(), &got); err != nil || got.Status != "Failure" {
			t.Errorf("%.20q: got %+v, %v", id, got, err)
		}
		if n := bytes.Count(buf.Bytes(), []byte("\n")); n != 1 || buf.Len() > 8*maxText {
			t.Errorf("%.20q: %d lines, %d bytes", id, n, buf.Len())
		}
	}
}

func TestNobodyWaitsForTheLog(t *testing.T) {
	b := newBench(t)
	b.owners.set(mine, v2("INFO"))
	const more = 10
	for range maxWaiting + more {
		b.Observe(connected(mine))
	}
	if b.lost != more {
		t.Errorf("%d entries were lost, want %d", b.lost, more)
	}
	if got := strings.Count(b.written(t), "\n"); got != maxWaiting {
		t.Errorf("%d entries were written, want %d", got, maxWaiting)
	}
}

func TestWhatWasReadLastHoldsWhileNothingCanBeRead(t *testing.T) {
	b := newBench(t)
	b.owners.set(mine, v2("INFO"))
	b.Observe(connected(mine))
	b.written(t)
	b.owners.fails = true
	b.now = b.now.Add(time.Hour)
	b.Observe(connected(mine))
	if got := strings.Count(b.written(t), "\n"); got != 1 {
		t.Errorf("%d entries were written, want 1", got)
	}
	b.Observe(connected(theirs))
	if got := b.written(t); got != "" {
		t.Errorf("settings that were never read log %q", got)
	}
}

func TestManyScopesDoNotFillTheMemory(t *testing.T) {
	b := newBench(t)
	for i := range maxScopes + 10 {
		b.refresh(fleet.Scope{Account: fmt.Sprintf("%012d", i), Region: "r"})
	}
	held := 0
	b.known.Range(func(any, any) bool { held++; return true })
	if held > maxScopes || held != b.scopes {
		t.Errorf("%d scopes are held and %d counted, want at most %d", held, b.scopes, maxScopes)
	}
}

func TestAllPagesOfLevelsAreRead(t *testing.T) {
	b := newBench(t)
	b.owners.set(mine, v2("DISABLED"))
	for i := range 2*pageSize + 1 {
		b.owners.targets[mine] = append(b.owners.targets[mine],
			fleet.LogLevel{LogTarget: fleet.LogTarget{Type: fleet.LogClientID, Name: fmt.Sprint(i)}, Level: "INFO"})
	}
	e := connected(mine)
	e.ClientID = fmt.Sprint(2 * pageSize)
	b.Observe(e)
	if got := b.written(t); !strings.Contains(got, `"clientId":"2000"`) {
		t.Errorf("got %q, want the entry of the last target", got)
	}
}

func TestRunWritesWhatWaitsAtItsEnd(t *testing.T) {
	b := newBench(t)
	b.owners.set(mine, v2("INFO"))
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	for range 100 {
		b.Observe(connected(mine))
	}
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(b.path)
	if err != nil || bytes.Count(all, []byte("\n")) != 100 {
		t.Errorf("got %d entries, %v; want 100", bytes.Count(all, []byte("\n")), err)
	}
}

func BenchmarkWants(b *testing.B) {
	l := &Log{o: Options{Now: time.Now}}
	l.known.Store(mine, &settings{read: time.Now(), fresh: time.Hour})
	for b.Loop() {
		if l.Wants(mine, gateway.EventPublishIn) {
			b.Fatal("wanted")
		}
	}
}
