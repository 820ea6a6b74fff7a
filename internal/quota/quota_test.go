package quota

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

func TestFind(t *testing.T) {
	for name, want := range map[string]*Profile{"aws": AWS, "default": Default, "AWS": nil, "": nil} {
		if got, err := Find(name); got != want || (err == nil) != (want != nil) {
			t.Errorf("%q: got %v, %v, want %v", name, got, err, want)
		}
	}
}

func TestNoProfileLeavesACountOut(t *testing.T) {
	for _, p := range []*Profile{AWS, Default} {
		v := reflect.ValueOf(*p)
		for i := range v.NumField() {
			if v.Field(i).Kind() == reflect.Int && v.Field(i).IsZero() {
				t.Errorf("%s has no %s", p.Name, v.Type().Field(i).Name)
			}
		}
	}
}

func TestRates(t *testing.T) {
	for _, tt := range []struct {
		rates     Rates
		operation string
		want      float64
	}{
		{AWS.Rates, "DescribeThing", 350},
		{AWS.Rates, "CreateScheduledAudit", 5},
		{AWS.Rates, "UpdateCertificate", 10}, // no number of its own
		{Default.Rates, "DescribeThing", 50_000},
		{Rates{}, "DescribeThing", 0},
	} {
		if got := tt.rates.Of(tt.operation); got != tt.want {
			t.Errorf("%s: got %g, want %g", tt.operation, got, tt.want)
		}
	}
}

// clock is a time that stands still until it is moved.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func TestLimiter(t *testing.T) {
	c := &clock{time.Unix(1_700_000_000, 0)}
	l := NewLimiter(Rates{Operations: map[string]float64{"Slow": 5, "Half": 0.5, "Free": 0}}, c.now)
	// allowed makes calls until one is refused, at most limit.
	allowed := func(call Call, limit int) (n int) {
		for ; n < limit; n++ {
			if err := l.Allow(call); err != nil {
				if !fault.Is(err, fault.Throttled) {
					t.Errorf("got %v, want a Throttled fault", err)
				}
				return n
			}
		}
		return n
	}
	home := Call{"111111111111", "us-east-1", "iot", "Slow"}
	far, other := home, home
	far.Region, other.Account = "eu-west-1", "222222222222"
	for _, step := range []struct {
		name  string
		pass  time.Duration
		call  Call
		limit int
		want  int
	}{
		{"a second's calls at once", 0, home, 100, 5},
		{"no more in that moment", 0, home, 100, 0},
		{"another region has its own", 0, far, 100, 5},
		{"another account has its own", 0, other, 100, 5},
		{"a fifth of a second gives one", 200 * time.Millisecond, home, 100, 1},
		{"an hour gives no more than a second's", time.Hour, home, 100, 5},
		{"less than one a second begins with one", 0, Call{Operation: "Half"}, 100, 1},
		{"and gives the next after two seconds", 2 * time.Second, Call{Operation: "Half"}, 100, 1},
		{"0 is no limit", 0, Call{Operation: "Free"}, 1000, 1000},
		{"neither is an operation without a number", 0, Call{Operation: "Unnamed"}, 1000, 1000},
	} {
		c.Time = c.Add(step.pass)
		if got := allowed(step.call, step.limit); got != step.want {
			t.Errorf("%s: got %d calls, want %d", step.name, got, step.want)
		}
	}
}

func TestALimiterRemembersOnlySoMuch(t *testing.T) {
	c := &clock{time.Unix(1_700_000_000, 0)}
	l := NewLimiter(Rates{Other: 1}, c.now)
	region := func(i int) Call { return Call{Region: fmt.Sprint(i)} }
	for i := range maxCounters {
		if err := l.Allow(region(i)); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if err := l.Allow(region(maxCounters)); !fault.Is(err, fault.Throttled) {
		t.Errorf("got %v with every place taken, want a Throttled fault", err)
	}
	if err := l.Allow(region(1)); !fault.Is(err, fault.Throttled) {
		t.Errorf("got %v for the second call of a region, want a Throttled fault", err)
	}
	c.Time = c.Add(time.Second)
	if err := l.Allow(region(maxCounters)); err != nil {
		t.Errorf("got %v when the others are full again, want none", err)
	}
	if n := len(l.counters); n != 1 {
		t.Errorf("got %d counters, want only the one in use", n)
	}
}
