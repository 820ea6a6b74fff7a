package demo

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

func TestABarGrowsWithTheCount(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int64
		want string
	}{
		{"nothing is done", 0, strings.Repeat("░", barWidth) + "  0 of 2,000 devices"},
		{"half is done", 1000, strings.Repeat("█", 15) + strings.Repeat("░", 15) + "  1,000 of 2,000 devices"},
		{"all is done", 2000, strings.Repeat("█", barWidth) + "  2,000 of 2,000 devices"},
		{"more than all is all", 2001, strings.Repeat("█", barWidth) + "  2,000 of 2,000 devices"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w bytes.Buffer
			s := &screen{w: &w, live: true}
			n := new(atomic.Int64)
			n.Store(tt.n)
			s.draw(bar{total: 2000, unit: "devices", count: n})
			got := strings.NewReplacer("\x1b[0m", "", "\x1b[2m", "", "\x1b[32m", "").Replace(w.String())
			if want := "\r\x1b[K  " + tt.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestProgressReturnsTheErrorOfTheWork(t *testing.T) {
	broken := errors.New("broken")
	for _, live := range []bool{false, true} {
		var w bytes.Buffer
		s := &screen{w: &w, live: live}
		if err := s.progress(bar{total: 1, count: new(atomic.Int64)}, func() error { return broken }); err != broken {
			t.Errorf("got %v, want %v", err, broken)
		}
		if got := w.String(); strings.Contains(got, "of") != false {
			t.Errorf("got %q, want no bar of what did not succeed", got)
		}
	}
}

func TestCountSeparatesThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
