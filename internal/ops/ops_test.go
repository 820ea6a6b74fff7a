package ops

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func get(t *testing.T, h http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func probe(name string, err error) Probe {
	return Probe{Name: name, Check: func(context.Context) error { return err }}
}

func TestReadiness(t *testing.T) {
	starting, open, shut := &Gate{}, &Gate{}, &Gate{}
	open.Open()
	shut.Open()
	shut.Shut("stopping")
	for _, tt := range []struct {
		name   string
		probes []Probe
		status int
		body   string
	}{
		{"without probes it is ready", nil, 200, ""},
		{"all well is ready", []Probe{probe("a", nil), probe("b", nil)}, 200, "a: ok\nb: ok\n"},
		{"one reason is enough not to be", []Probe{probe("a", nil), probe("b", errors.New("no disk"))},
			503, "a: ok\nb: no disk\n"},
		{"a reason is one line", []Probe{probe("a", errors.New("no\ndisk:  full"))}, 503, "a: no disk: full\n"},
		{"a panic is a reason", []Probe{{"a", func(context.Context) error { panic("oops") }}}, 503, "a: panic: oops\n"},
		{"a new gate is starting", []Probe{starting.Probe("server")}, 503, "server: starting\n"},
		{"an open gate is ready", []Probe{open.Probe("server")}, 200, "server: ok\n"},
		{"a shut gate says why", []Probe{shut.Probe("server")}, 503, "server: stopping\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := get(t, handler(Config{Probes: tt.probes, Metrics: NewMetrics()}, false), "/readyz")
			if status != tt.status || body != tt.body {
				t.Errorf("got %d %q, want %d %q", status, body, tt.status, tt.body)
			}
		})
	}
}

func TestAProbeThatHangsIsAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		hangs := Probe{Name: "slow", Check: func(context.Context) error { <-release; return nil }}
		began := time.Now()
		status, body := get(t, handler(Config{Probes: []Probe{hangs, probe("b", nil)}, Metrics: NewMetrics()}, false),
			"/readyz")
		if want := "slow: no answer in time\n"; status != 503 || !strings.HasPrefix(body, want) {
			t.Errorf("got %d %q, want 503 and %q", status, body, want)
		}
		if took := time.Since(began); took != probeTime {
			t.Errorf("got an answer after %v, want %v", took, probeTime)
		}
	})
}

func TestProfilesAreServedOnLoopbackOnly(t *testing.T) {
	for profiles, want := range map[bool]int{true: 200, false: 404} {
		if got, _ := get(t, handler(Config{Metrics: NewMetrics()}, profiles), "/debug/pprof/"); got != want {
			t.Errorf("profiles %t: got %d, want %d", profiles, got, want)
		}
	}
	for address, want := range map[string]int{"127.0.0.1:0": 200, "0.0.0.0:0": 404} {
		s, err := Listen(t.Context(), Config{Address: address, Metrics: NewMetrics(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := get(t, s.http.Handler, "/debug/pprof/cmdline"); got != want {
			t.Errorf("%s: got %d, want %d", address, got, want)
		}
		if err := s.listener.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.Call(Call{Service: "iot", Operation: "ListThings", Status: 200, Duration: 3 * time.Millisecond})
	m.Call(Call{Service: "iot", Operation: "CreateThing", Status: 400, Exception: "InvalidRequestException"})
	m.Audit("COMPLETED")
	m.Findings("LOGGING_DISABLED_CHECK", 2)
	m.Resources("LOGGING_DISABLED_CHECK", 10, 2)
	m.Execution("ENABLE_IOT_LOGGING", "COMPLETED", 3)
	m.QueueAge("notices", func() (float64, bool) { return 1.5, true })
	m.QueueAge("unknown", func() (float64, bool) { return 0, false })
	status, body := get(t, handler(Config{Metrics: m}, false), "/metrics")
	if status != 200 {
		t.Fatalf("got status %d: %s", status, body)
	}
	for _, want := range []string{
		`cordon_calls_total{exception="",operation="ListThings",service="iot",status="200"} 1`,
		`cordon_calls_total{exception="InvalidRequestException",operation="CreateThing",service="iot",status="400"} 1`,
		`cordon_call_duration_seconds_bucket{operation="ListThings",service="iot",le="0.0025"} 0`,
		`cordon_call_duration_seconds_bucket{operation="ListThings",service="iot",le="0.005"} 1`,
		`cordon_audits_total{status="COMPLETED"} 1`,
		`cordon_audit_findings_total{check="LOGGING_DISABLED_CHECK"} 2`,
		`cordon_audit_resources_evaluated_total{check="LOGGING_DISABLED_CHECK"} 10`,
		`cordon_audit_resources_non_compliant_total{check="LOGGING_DISABLED_CHECK"} 2`,
		`cordon_mitigation_executions_total{action="ENABLE_IOT_LOGGING",status="COMPLETED"} 3`,
		`cordon_queue_age_seconds{queue="notices"} 1.5`,
		`cordon_build_info{`,
		`go_goroutines `,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(body, `queue="unknown"`) {
		t.Error("a queue whose age cannot be had is reported")
	}
}

func TestAServerAnswersUntilItsContextEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s, err := Listen(ctx, Config{Address: "127.0.0.1:0", Metrics: NewMetrics(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	resp, err := http.Get("http://" + s.Addr().String() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || string(body) != "ok\n" {
		t.Errorf("got %q, %v; want ok", body, err)
	}
	if _, err := Listen(ctx, Config{Address: s.Addr().String(), Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a taken address: got no error")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("got %v at the end, want none", err)
	}
}
