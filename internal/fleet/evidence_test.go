package fleet

import (
	"testing"
	"time"
)

// clock is a time in tests of intervals, in seconds from a beginning.
func clock(seconds float64) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func TestWhetherAnIntervalShowsSharing(t *testing.T) {
	var never time.Time
	for _, tt := range []struct {
		name           string
		beside, before time.Time
		want           time.Time
	}{
		{"nobody else was connected", never, never, never},
		{"another one was from before", clock(-50), never, clock(100)},
		{"another one came during it", clock(50), never, clock(100)},
		{"another one came five seconds before its end", clock(95), never, never},
		{"another one came a little earlier than that", clock(94.999), never, clock(100)},
		{"another one had come and gone", never, clock(40), clock(40)},
		{"another one had gone five seconds after its begin", never, clock(5), never},
		{"one came too late, after another one had gone", clock(97), clock(40), clock(40)},
		{"one is still there beside one that had gone", clock(10), clock(40), clock(100)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Ended{Interval: Interval{From: clock(0), Until: clock(100)}, Beside: tt.beside, Before: tt.before}
			if got := e.Shared(); !got.Equal(tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	short := Ended{Interval: Interval{From: clock(0), Until: clock(5)}, Beside: clock(-100)}
	if got := short.Shared(); !got.IsZero() {
		t.Errorf("got %s for one of five seconds, want none", got)
	}
}

func TestWhatATakeOverShows(t *testing.T) {
	const a, b = "certificate a", "certificate b"
	for _, tt := range []struct {
		name      string
		by        string // the session that took over
		successor string
		displaced time.Time
		want      Conflict
	}{
		{"no take-over shows nothing", "", "", time.Time{}, NoConflict},
		{"no take-over shows nothing, also of one that took over", "", "", clock(0), NoConflict},
		{"another certificate conflicts", "s", b, time.Time{}, OtherCertificate},
		{"another certificate conflicts, whatever was before", "s", b, clock(0), OtherCertificate},
		{"the same certificate is a reconnect", "s", a, time.Time{}, NoConflict},
		{"a successor that nobody saw shows nothing", "s", "", clock(0), NoConflict},
		{"the displaced client is back after ten minutes", "s", a, clock(0), SameCertificate},
		{"the displaced client is back later", "s", a, clock(-0.001), NoConflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Ended{
				Interval:  Interval{Certificate: a, From: clock(0), Until: clock(600), DisplacedBy: tt.by},
				Successor: tt.successor, Displaced: tt.displaced,
			}
			if got := e.Conflict(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
