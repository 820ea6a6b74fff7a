package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

// TestMain lets the binary of this test be the program of a child.
func TestMain(m *testing.M) {
	if strings.Join(os.Args[1:], " ") != strings.Join(ChildArgs, " ") {
		os.Exit(m.Run())
	}
	if err := Child(context.Background(), os.Stdin, os.Stdout, os.Stderr); err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		os.Exit(1)
	}
}

// small is a measurement whose tasks take more than one slice.
func small(t *testing.T, kind string) Spec {
	return Spec{Kind: kind, Certificates: 2500, Findings: 1250, Rounds: 2, Dir: t.TempDir()}
}

func TestMeasurements(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		for kind, yardsticks := range map[string]int{Audit: 1, Mitigate: 2} {
			t.Run(kind+" on "+database, func(t *testing.T) {
				s := small(t, kind)
				if database == "postgres" {
					s.URL = pgtest.URL(t)
				}
				r, err := Run(t.Context(), s, t.Output())
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Yardsticks) != yardsticks {
					t.Errorf("got %d yardsticks, want %d", len(r.Yardsticks), yardsticks)
				}
				for _, rate := range append([]Spread{r.Subject.PerSecond}, ratesOf(r)...) {
					if rate.Least <= 0 || rate.Least > rate.Median || rate.Median > rate.Most {
						t.Errorf("got a rate of %+v, want positive and in order", rate)
					}
				}
				if !strings.Contains(strings.ToLower(r.Database), database) || r.LoadPerSecond <= 0 {
					t.Errorf("got %q and %f loaded a second", r.Database, r.LoadPerSecond)
				}
				wantNothingLeft(t, s)
			})
		}
	}
}

func ratesOf(r *Result) (rates []Spread) {
	for _, y := range r.Yardsticks {
		rates = append(rates, y.PerSecond, y.Ratio)
	}
	return rates
}

func wantNothingLeft(t *testing.T, s Spec) {
	t.Helper()
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("got %v (%v) left in the directory, want nothing", left, err)
	}
	if s.URL == "" {
		return
	}
	conn, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_database WHERE datname LIKE 'cordon\_bench\_%'`).Scan(&n)
	if err != nil || n > 0 {
		t.Errorf("got %d databases (%v) left on the server, want none", n, err)
	}
}

func TestAWrongResultIsAnError(t *testing.T) {
	for _, kind := range []string{Audit, Mitigate} {
		t.Run(kind, func(t *testing.T) {
			s := small(t, kind)
			h, err := openHome(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			m := newMeasurement(s, fewer{h}, io.Discard)
			if _, err = m.run(t.Context()); err == nil || !strings.Contains(err.Error(), "wrong result") {
				t.Errorf("got %v, want a wrong result", err)
			}
			if err := h.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnInterruptedMeasurementLeavesNothing(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			s := small(t, Mitigate)
			if database == "postgres" {
				s.URL = pgtest.URL(t)
			}
			ctx, cancel := context.WithCancel(t.Context())
			h, err := openHome(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			m := newMeasurement(s, ending{h, cancel}, io.Discard)
			if _, err = m.run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			if err := h.close(); err != nil {
				t.Error(err)
			}
			wantNothingLeft(t, s)
		})
	}
}

func TestAChildMeasuresAndIsMeasured(t *testing.T) {
	s := small(t, Audit)
	r, err := RunChild(t.Context(), os.Args[0], s, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if r.Spec != s || r.Subject.PerSecond.Median <= 0 || r.PeakBytes <= 0 {
		t.Errorf("got %+v, want the measurement of %+v", r, s)
	}
	wantNothingLeft(t, s)
}

// The input closes when the parent has ended, in whatever way.
func TestAChildEndsWithItsInput(t *testing.T) {
	s := small(t, Audit)
	in, parent := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Child(t.Context(), in, io.Discard, io.Discard) }()
	_, err := io.WriteString(parent, `{"Spec": {"kind": "audit", "certificates": 100000000, "findings": 10, "rounds": 1,
		"dir": "`+s.Dir+`"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	wantNothingLeft(t, s)
}

func TestSpecificationsThatAreRefused(t *testing.T) {
	fine := Spec{Kind: Audit, Certificates: 100, Findings: 10, Rounds: 1}
	if err := fine.Check(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"an unknown kind", func(s *Spec) { s.Kind = "x" }, `no measurement "x"`},
		{"too few findings", func(s *Spec) { s.Findings = 9 }, "--findings"},
		{"more findings than certificates", func(s *Spec) { s.Findings = 101 }, "--certificates"},
		{"too many certificates", func(s *Spec) { s.Certificates = maxCertificates + 1 }, "--certificates"},
		{"no round", func(s *Spec) { s.Rounds = 0 }, "--rounds"},
		{"too few devices", func(s *Spec) { s.Kind, s.Messages, s.Connections = Gateway, 100, 19 }, "--connections"},
		{"too many devices", func(s *Spec) { s.Kind, s.Messages, s.Connections = Gateway, 100, 9001 }, "--connections"},
		{"too few messages", func(s *Spec) { s.Kind, s.Messages, s.Connections = Gateway, 99, 20 }, "--messages"},
		{"an unknown part", func(s *Spec) { s.Kind, s.Messages, s.Connections, s.Only = Gateway, 100, 20, "x" }, "--only"},
		{"too many rounds", func(s *Spec) { s.Rounds = maxRounds + 1 }, "--rounds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fine
			tt.change(&s)
			if _, err := Run(t.Context(), s, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that says %s", err, tt.want)
			}
		})
	}
}

func TestCallsAreMeasured(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		for _, kind := range []string{Read, Write} {
			t.Run(kind+" on "+database, func(t *testing.T) {
				s := Spec{Kind: kind, Certificates: 20, Findings: 100, Connections: 4, Rounds: 2, Dir: t.TempDir()}
				if database == "postgres" {
					s.URL = pgtest.URL(t)
				}
				r, err := Run(t.Context(), s, t.Output())
				if err != nil {
					t.Fatal(err)
				}
				if r.Subject.PerSecond.Least <= 0 || len(r.Yardsticks) != 1 || r.Yardsticks[0].Ratio.Least <= 0 {
					t.Errorf("got %+v beside %+v", r.Subject, r.Yardsticks)
				}
				if r.Latency.P50 <= 0 || r.Latency.P99 < r.Latency.P50 || r.Goal <= 0 {
					t.Errorf("got latencies %+v and the goal %f", r.Latency, r.Goal)
				}
				wantNothingLeft(t, s)
			})
		}
	}
}

func TestDevicesAreMeasured(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			s := Spec{Kind: Gateway, Connections: 30, Messages: 300, Rounds: 1, Dir: t.TempDir()}
			if database == "postgres" {
				s.URL = pgtest.URL(t)
			}
			r, err := Run(t.Context(), s, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			d := r.Devices
			if len(d.Connects) != 2 || d.Connects[0].Cordon.Share.Most != 0 || d.Connects[1].Cordon.Share.Least != 1 {
				t.Errorf("got %+v, want full handshakes, and then none", d.Connects)
			}
			for _, b := range append(d.Connects, d.Messages...) {
				if b.Cordon.PerSecond.Least <= 0 || b.Cordon.Latency.P50 <= 0 || (b.Peer == nil) != (d.Peer == "") {
					t.Errorf("%s: got %+v beside %+v", b.Name, b.Cordon, b.Peer)
				}
			}
			for _, b := range d.Messages {
				if b.Cordon.Share.Least != 1 {
					t.Errorf("%s: got a share of %f that arrived, want all", b.Name, b.Cordon.Share.Least)
				}
			}
			for _, k := range d.Kicks {
				if k.Connections != 30 || k.SinceCall.Least <= 0 || k.SinceAnswer.Most > k.SinceCall.Most {
					t.Errorf("got %+v, want 30 ended connections, later since the call", k)
				}
			}
			if len(d.Kicks) != 3 || d.Singles.Deactivations != 15 || d.Singles.SinceCall.P99 <= 0 {
				t.Errorf("got %+v and %+v, want three changes and 15 single ones", d.Kicks, d.Singles)
			}
			var text strings.Builder
			if err := (&Report{Results: []*Result{r}}).Print(&text); err != nil ||
				!strings.Contains(text.String(), "RemoveThingFromThingGroup") {
				t.Errorf("got %v and %q, want a report", err, text.String())
			}
			wantNothingLeft(t, s)
		})
	}
}
