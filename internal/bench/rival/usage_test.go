package rival

import (
	"os"
	"testing"
	"time"
)

func TestUsageIsReadBehindAnyName(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 19 20 1000 21\n"
	for _, name := range []string{"(cordon)", "(a name) with (more)"} {
		got, err := parseUsage("4711 " + name + rest)
		want := Usage{CPU: 2 * time.Second, Resident: 1000 * int64(os.Getpagesize())}
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	if _, err := parseUsage("4711 (cordon) S 1 2"); err == nil {
		t.Error("got no error of fields that are missing")
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	u, err := UsageOf(os.Getpid())
	if err != nil || u.Resident <= 0 {
		t.Errorf("got %+v, %v, want memory", u, err)
	}
}
