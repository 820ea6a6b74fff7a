package deliver

import (
	"strings"
	"testing"
	"time"
)

func TestWhenAFailedDeliveryIsTriedAgain(t *testing.T) {
	first := time.Unix(1_700_000_000, 0)
	r := timing.Retries
	for _, tt := range []struct {
		name    string
		attempt int
		since   time.Duration // the first try
		random  float64
		want    time.Duration // from now on, -1 for never
	}{
		{"the first time after a second", 1, 0, 0, time.Second},
		{"jitter makes it up to half shorter", 1, 0, 1, time.Second / 2},
		{"then twice as long", 2, time.Second, 0, 2 * time.Second},
		{"and again", 6, time.Minute, 0, 32 * time.Second},
		{"at most five minutes", 10, 10 * time.Minute, 0, 5 * time.Minute},
		{"however often it was tried", 1 << 30, 10 * time.Minute, 0, 5 * time.Minute},
		{"the last time at the end of the hour", 20, 58 * time.Minute, 0, 2 * time.Minute},
		{"not behind it", 21, time.Hour, 0, -1},
		{"a claim that was never counted is the first", 0, 0, 0, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := first.Add(tt.since)
			at, again := r.next(tt.attempt, first, now, tt.random)
			if again != (tt.want >= 0) || again && at.Sub(now) != tt.want {
				t.Errorf("got %s, %t, want %s", at.Sub(now), again, tt.want)
			}
		})
	}
}

func TestAnHourHasItsTriesAndAnEnd(t *testing.T) {
	first := time.Unix(1_700_000_000, 0)
	now, tries := first, 1
	for {
		at, again := timing.Retries.next(tries, first, now, 0.5)
		if !again {
			break
		}
		now = at
		tries++
	}
	if now.Sub(first) != time.Hour || tries < 20 || tries > 30 {
		t.Errorf("got %d tries in %s, want some 25 and the last one after an hour", tries, now.Sub(first))
	}
}

func TestTextsOfOthersAreCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                    "plain",
		"two\r\nlines\t and tabs":  "two lines and tabs",
		" \n around \n":            "around",
		"\x1b[31mred\x00":          "[31mred",
		"\xff\xfe":                 "",
		"right\u202eleft":          "right left",
		strings.Repeat("ä", 20):    strings.Repeat("ä", 10) + "…",
		strings.Repeat("x", 1<<20): strings.Repeat("x", 20) + "…",
		"exactly twenty bytes":     "exactly twenty bytes",
	} {
		if got := clean(in, 20); got != want {
			t.Errorf("%.40q: got %q, want %q", in, got, want)
		}
	}
}
