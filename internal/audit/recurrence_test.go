package audit

import (
	"fmt"
	"testing"
	"time"
)

// at reads a time of the tests, with its weekday, which must be right.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse("Mon 2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	if v.Format("Mon") != text[:3] {
		t.Fatalf("%s is a %s", text, v.Weekday())
	}
	return v
}

func TestNextDueTime(t *testing.T) {
	daily := Recurrence{Frequency: Daily}
	weekly := func(day string) Recurrence { return Recurrence{Frequency: Weekly, DayOfWeek: day} }
	biweekly := func(day string) Recurrence { return Recurrence{Frequency: Biweekly, DayOfWeek: day} }
	monthly := func(day string) Recurrence { return Recurrence{Frequency: Monthly, DayOfMonth: day} }
	for _, tt := range []struct {
		name           string
		r              Recurrence
		created, after string // created: "" is after
		want           string
	}{
		{"daily, later today", daily, "", "Wed 2026-03-04 03:29", "Wed 2026-03-04 03:30"},
		{"daily, at the due time it is tomorrow", daily, "", "Wed 2026-03-04 03:30", "Thu 2026-03-05 03:30"},
		{"daily, over the end of a year", daily, "", "Thu 2026-12-31 12:00", "Fri 2027-01-01 03:30"},
		{"daily, into the leap day", daily, "", "Mon 2028-02-28 12:00", "Tue 2028-02-29 03:30"},
		{"daily, over an hour that Europe skips", daily, "", "Sat 2026-03-28 03:30", "Sun 2026-03-29 03:30"},

		{"weekly, later today", weekly("WED"), "", "Wed 2026-03-04 03:29", "Wed 2026-03-04 03:30"},
		{"weekly, earlier today it is in a week", weekly("WED"), "", "Wed 2026-03-04 12:00", "Wed 2026-03-11 03:30"},
		{"weekly, the day after", weekly("THU"), "", "Wed 2026-03-04 12:00", "Thu 2026-03-05 03:30"},
		{"weekly, the day before is in six", weekly("TUE"), "", "Wed 2026-03-04 12:00", "Tue 2026-03-10 03:30"},
		{"weekly, from Saturday to Sunday", weekly("SUN"), "", "Sat 2026-03-07 23:59", "Sun 2026-03-08 03:30"},
		{"weekly, from Sunday to Saturday", weekly("SAT"), "", "Sun 2026-03-08 00:00", "Sat 2026-03-14 03:30"},
		{"weekly, over the end of a year", weekly("FRI"), "", "Thu 2026-12-31 23:59", "Fri 2027-01-01 03:30"},

		{"biweekly, first on the day of creation", biweekly("WED"), "", "Wed 2026-03-04 03:00", "Wed 2026-03-04 03:30"},
		{"biweekly, first in a week when created too late", biweekly("WED"), "", "Wed 2026-03-04 04:00",
			"Wed 2026-03-11 03:30"},
		{"biweekly, first in a day", biweekly("THU"), "", "Wed 2026-03-04 04:00", "Thu 2026-03-05 03:30"},
		{"biweekly, then in two weeks", biweekly("THU"), "Wed 2026-03-04 04:00", "Thu 2026-03-05 03:30",
			"Thu 2026-03-19 03:30"},
		{"biweekly, not in the week between", biweekly("THU"), "Wed 2026-03-04 04:00", "Wed 2026-03-11 04:00",
			"Thu 2026-03-19 03:30"},
		{"biweekly, in step after a year of sleep", biweekly("THU"), "Wed 2026-03-04 04:00", "Thu 2027-03-04 03:30",
			"Thu 2027-03-18 03:30"},
		{"biweekly, over a year of 53 weeks", biweekly("THU"), "Wed 2026-12-23 04:00", "Thu 2026-12-24 03:30",
			"Thu 2027-01-07 03:30"},

		{"monthly, this month", monthly("15"), "", "Wed 2026-03-04 12:00", "Sun 2026-03-15 03:30"},
		{"monthly, next month", monthly("4"), "", "Wed 2026-03-04 12:00", "Sat 2026-04-04 03:30"},
		{"monthly, the first", monthly("1"), "", "Thu 2026-12-31 12:00", "Fri 2027-01-01 03:30"},
		{"monthly, the 29th in February", monthly("29"), "", "Sun 2026-02-01 12:00", "Sat 2026-02-28 03:30"},
		{"monthly, the 29th in a leap February", monthly("29"), "", "Tue 2028-02-01 12:00", "Tue 2028-02-29 03:30"},
		{"monthly, the 30th in a leap February", monthly("30"), "", "Tue 2028-02-01 12:00", "Tue 2028-02-29 03:30"},
		{"monthly, the 31st in April", monthly("31"), "", "Wed 2026-04-01 12:00", "Thu 2026-04-30 03:30"},
		{"monthly, the 31st after April is in May", monthly("31"), "", "Thu 2026-04-30 03:30", "Sun 2026-05-31 03:30"},
		{"monthly, the 31st in May", monthly("31"), "", "Sat 2026-05-30 12:00", "Sun 2026-05-31 03:30"},
		{"monthly, the 28th is not the last", monthly("28"), "", "Tue 2028-02-01 12:00", "Mon 2028-02-28 03:30"},
		{"monthly, the last of February", monthly("LAST"), "", "Sun 2026-02-01 12:00", "Sat 2026-02-28 03:30"},
		{"monthly, the last of a leap February", monthly("LAST"), "", "Mon 2028-02-28 12:00", "Tue 2028-02-29 03:30"},
		{"monthly, the last of a century's February", monthly("LAST"), "", "Mon 2100-02-01 12:00", "Sun 2100-02-28 03:30"},
		{"monthly, the last of the next month", monthly("LAST"), "", "Sat 2026-01-31 03:30", "Sat 2026-02-28 03:30"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.created == "" {
				tt.created = tt.after
			}
			c := Calendar{Recurrence: tt.r, Created: at(t, tt.created), TimeOfDay: 3*time.Hour + 30*time.Minute}
			if got := c.Next(at(t, tt.after)); !got.Equal(at(t, tt.want)) {
				t.Errorf("got %s, want %s", got.Format("Mon 2006-01-02 15:04:05"), tt.want)
			}
		})
	}
}

// Whatever the moment, the next due time is behind it, on a day of the
// recurrence, and nothing is due between the two.
func TestDueTimesFollowEachOther(t *testing.T) {
	created := time.Date(2026, 1, 14, 9, 26, 53, 0, time.UTC)
	for _, tt := range []struct {
		r           Recurrence
		least, most int // days between two
	}{
		{Recurrence{Frequency: Daily}, 1, 1},
		{Recurrence{Frequency: Weekly, DayOfWeek: "SAT"}, 7, 7},
		{Recurrence{Frequency: Biweekly, DayOfWeek: "SUN"}, 14, 14},
		{Recurrence{Frequency: Monthly, DayOfMonth: "31"}, 28, 31},
		{Recurrence{Frequency: Monthly, DayOfMonth: "LAST"}, 28, 31},
		{Recurrence{Frequency: Monthly, DayOfMonth: "30"}, 28, 32},
	} {
		t.Run(fmt.Sprint(tt.r), func(t *testing.T) {
			c := Calendar{Recurrence: tt.r, Created: created, TimeOfDay: 23*time.Hour + 59*time.Minute}
			due := c.Next(created)
			for range 200 {
				next := c.Next(due)
				if days := int(next.Sub(due) / day); days < tt.least || days > tt.most {
					t.Fatalf("got %s after %s: %d days, want %d to %d", next, due, days, tt.least, tt.most)
				}
				for _, between := range []time.Duration{time.Second, 13 * time.Hour, next.Sub(due) - time.Millisecond} {
					if got := c.Next(due.Add(between)); !got.Equal(next) {
						t.Fatalf("got %s %s behind %s, want %s", got, between, due, next)
					}
				}
				due = next
			}
		})
	}
}

// A caller's time zone changes nothing.
func TestDueTimesAreOfUTC(t *testing.T) {
	c := Calendar{Recurrence: Recurrence{Frequency: Daily}, TimeOfDay: 30 * time.Minute}
	after := at(t, "Wed 2026-03-04 23:00").In(time.FixedZone("far east", 12*60*60))
	if got, want := c.Next(after), at(t, "Thu 2026-03-05 00:30"); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAccountsAreSpreadOverTheDay(t *testing.T) {
	hours := map[time.Duration]int{}
	for i := range 1000 {
		since := Spread(fmt.Sprintf("%012d", i))
		if since < 0 || since >= day || since%time.Minute != 0 {
			t.Fatalf("got %s, want a minute of the day", since)
		}
		if since != Spread(fmt.Sprintf("%012d", i)) {
			t.Fatal("got another time for the same account")
		}
		hours[since.Truncate(time.Hour)]++
	}
	for hour := range 24 {
		if n := hours[time.Duration(hour)*time.Hour]; n < 10 || n > 120 {
			t.Errorf("got %d of 1000 accounts at %d o'clock, want about 42", n, hour)
		}
	}
}
