package bench

import (
	"io/fs"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"one value", []float64{3}, Spread{3, 3, 3}},
		{"the middle of an odd number", []float64{9, 1, 4}, Spread{4, 1, 9}},
		{"between the two in the middle of an even number", []float64{9, 1, 4, 2}, Spread{3, 1, 9}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := spreadOf(tt.values); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPeakMemory(t *testing.T) {
	for _, tt := range []struct {
		name, status string
		want         int64
		fails        bool
	}{
		{"the peak in bytes", "Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 7 kB\n", 2 << 20, false},
		{"a system without it", "Name:\tx\n", 0, false},
		{"something else", "VmHWM:\tmuch\n", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := peakMemory(func(string) ([]byte, error) { return []byte(tt.status), nil })
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
	t.Run("a system without such files", func(t *testing.T) {
		got, err := peakMemory(func(string) ([]byte, error) { return nil, fs.ErrNotExist })
		if got != 0 || err != nil {
			t.Errorf("got %d, %v, want 0", got, err)
		}
	})
}

func TestReportOnPaper(t *testing.T) {
	report := Report{
		Machine: Machine{Cores: 2, Go: "go1.26", Load: "0.10"},
		Results: []*Result{{
			Spec:     Spec{Kind: Mitigate, Certificates: 1_000_000, Findings: 100, Rounds: 3},
			Database: "SQLite 3", LoadPerSecond: 51_234.4, PeakBytes: 123_456_789,
			Subject: Rate{"task", Spread{999.6, 900, 1100}},
			Yardsticks: []Yardstick{
				{Rate{"(a)", Spread{1250, 1000, 1300}}, Spread{0.8, 0.7, 0.9}, 0.8},
				{Rate{"(b)", Spread{2500, 2000, 2600}}, Spread{0.4, 0.3, 0.5}, 0.5},
			},
		}},
	}
	want := `2 cores, go1.26, load average 0.10
SQLite 3
medians of 3 rounds, in parentheses the least and the most

1,000,000 certificates, 100 findings; loaded 51,234/s; peak memory 123 MB
  task  1,000/s (900–1,100)
  (a)   1,250/s (1,000–1,300)  ratio 0.80 (0.70–0.90)  goal 0.8 reached
  (b)   2,500/s (2,000–2,600)  ratio 0.40 (0.30–0.50)  goal 0.5 missed
`
	var b strings.Builder
	if err := report.Print(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}
