package audit

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
)

// Frequency says how often a schedule runs, equal to the wire value.
type Frequency string

// The frequencies.
const (
	Daily    Frequency = "DAILY"
	Weekly   Frequency = "WEEKLY"
	Biweekly Frequency = "BIWEEKLY"
	Monthly  Frequency = "MONTHLY"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Recurrence is on which days a schedule runs. DayOfMonth is "1" to "31" or
// "LAST", and set for Monthly alone; DayOfWeek is "SUN" to "SAT", and set for
// Weekly and Biweekly alone. All days are those of UTC.
type Recurrence struct {
	Frequency  Frequency
	DayOfMonth string
	DayOfWeek  string
}

// validate refuses a day that does not belong to the frequency, and a missing
// one that does, by an Invalid fault that names the member.
func (r Recurrence) validate() error {
	monthly, weekly := r.Frequency.days()
	for _, day := range []struct {
		member, value string
		belongs       bool
	}{{"dayOfMonth", r.DayOfMonth, monthly}, {"dayOfWeek", r.DayOfWeek, weekly}} {
		switch {
		case day.belongs && day.value == "":
			return fault.New(fault.Invalid, "%s must be given with the frequency %s", day.member, r.Frequency)
		case !day.belongs && day.value != "":
			return fault.New(fault.Invalid, "%s does not belong to the frequency %s", day.member, r.Frequency)
		}
	}
	return nil
}

// days says which of its days a frequency needs.
func (f Frequency) days() (month, week bool) { return f == Monthly, f == Weekly || f == Biweekly }

// Calendar is when a schedule is due: on the days of its recurrence, at a time
// of day. It is a value of UTC and knows no daylight saving.
type Calendar struct {
	Recurrence
	// Created is what BIWEEKLY counts from: the first due time behind it is the
	// first of every second week.
	Created time.Time
	// TimeOfDay is since midnight, less than a day.
	TimeOfDay time.Duration
}

// Next returns the first due time behind a moment. A month without the day
// that is asked for has it on its last day.
func (c Calendar) Next(after time.Time) time.Time {
	// Every recurrence comes round within the 31 days of a month.
	for date := midnight(after); ; date = date.AddDate(0, 0, 1) {
		if due := date.Add(c.TimeOfDay); due.After(after) && c.on(date) {
			return due
		}
	}
}

// on reports whether the schedule runs on a date.
func (c Calendar) on(date time.Time) bool {
	switch c.Frequency {
	case Weekly:
		return c.onWeekday(date)
	case Biweekly:
		return c.onWeekday(date) && date.Sub(c.firstDate())%(2*week) == 0
	case Monthly:
		last := date.AddDate(0, 1, -date.Day()).Day()
		if n, err := strconv.Atoi(c.DayOfMonth); err == nil && n > 0 {
			return date.Day() == min(n, last)
		}
		return date.Day() == last
	}
	return true
}

var weekdays = map[string]time.Weekday{
	"SUN": time.Sunday, "MON": time.Monday, "TUE": time.Tuesday, "WED": time.Wednesday, "THU": time.Thursday,
	"FRI": time.Friday, "SAT": time.Saturday,
}

func (c Calendar) onWeekday(date time.Time) bool { return date.Weekday() == weekdays[c.DayOfWeek] }

// firstDate is the date of the first due time behind the creation, were the
// schedule weekly.
func (c Calendar) firstDate() time.Time {
	c.Frequency = Weekly
	return midnight(c.Next(c.Created))
}

func midnight(t time.Time) time.Time { return t.UTC().Truncate(day) }

// Spread is the time of day at which an account's schedules run where no
// setting says another: a minute that follows from the account's id, so that
// not all accounts run at once.
func Spread(account string) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(account)) // never fails
	return time.Duration(h.Sum32()%(24*60)) * time.Minute
}
