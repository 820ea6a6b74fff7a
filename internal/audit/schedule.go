package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
)

// Schedule is an audit that runs again and again, by the name that its owner
// gave it.
type Schedule struct {
	Name string
	Calendar
	Checks []string // each once, in the order given

	// NextRun is when it is due, worked out with the calendar's time of day.
	NextRun time.Time
	// LastDue and LastRun are the due time and the start of the run before, and
	// zero before the first: a run may begin late.
	LastDue, LastRun time.Time
}

// Equal reports whether two schedules do the same on the same days.
func (s *Schedule) Equal(o *Schedule) bool {
	return s.Name == o.Name && s.Recurrence == o.Recurrence &&
		slices.Equal(slices.Sorted(slices.Values(s.Checks)), slices.Sorted(slices.Values(o.Checks)))
}

// SchedulePatch is a change to a schedule: what is zero stays.
type SchedulePatch struct {
	Recurrence
	Checks []string // nil leaves them
}

// apply makes the change. A day that the new frequency has no use for goes.
func (s *Schedule) apply(p SchedulePatch) error {
	r := s.Recurrence
	if p.Frequency != "" {
		r.Frequency = p.Frequency
		monthly, weekly := r.Frequency.days()
		if !monthly {
			r.DayOfMonth = ""
		}
		if !weekly {
			r.DayOfWeek = ""
		}
	}
	if p.DayOfMonth != "" {
		r.DayOfMonth = p.DayOfMonth
	}
	if p.DayOfWeek != "" {
		r.DayOfWeek = p.DayOfWeek
	}
	s.Recurrence = r
	if p.Checks != nil {
		s.Checks = unique(p.Checks)
	}
	return r.validate()
}

func unique(names []string) (out []string) {
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// plan works out when the schedule is due next, after a moment and after the
// day on which it was due the last time: it is due once a day at most, even
// where its time of day is changed.
func (s *Schedule) plan(after time.Time, timeOfDay time.Duration) {
	if !s.LastDue.IsZero() {
		if end := midnight(s.LastDue).Add(day - 1); end.After(after) {
			after = end
		}
	}
	s.TimeOfDay = timeOfDay
	s.NextRun = s.Next(after)
}

// Planned is one schedule among those of all accounts.
type Planned struct {
	Scope     fleet.Scope
	Name      string
	NextRun   time.Time
	TimeOfDay time.Duration
}

// ScheduleStore is what schedules need of the database. Every change happens
// while nothing else is changed in its scope.
type ScheduleStore interface {
	// CreateSchedule stores a new schedule with its tags if allow has nothing
	// against it; one that is equal in everything is left as it is. A different
	// one of that name is an Exists fault, one too many a Limit fault.
	CreateSchedule(ctx context.Context, scope fleet.Scope, sch *Schedule, tags []fleet.Tag,
		allow func(*Configuration) error) error
	// UpdateSchedule stores what change makes of a schedule, or is NotFound.
	UpdateSchedule(ctx context.Context, scope fleet.Scope, name string,
		change func(*Configuration, *Schedule) error) error
	// EachSchedule lists the schedules of all scopes.
	EachSchedule(ctx context.Context) iter.Seq2[Planned, error]
	// DueSchedules lists those that are due at a time, the longest due first.
	DueSchedules(ctx context.Context, at time.Time, limit int) ([]Planned, error)
	// RunSchedule stores, as one transaction, what run makes of a schedule and
	// the audit that it returns, if any. Run is not called, and nothing is
	// stored, where the schedule is gone or not due then any more. Active says
	// whether the account is.
	RunSchedule(ctx context.Context, p Planned,
		run func(c *Configuration, s *Schedule, active bool) *Task) (*Task, error)
}

// CreateSchedule adds a schedule. An equal one of that name is left as it is.
func (s *Service) CreateSchedule(ctx context.Context, scope fleet.Scope, sch Schedule, tags []fleet.Tag) error {
	if err := sch.validate(); err != nil {
		return err
	}
	// As it is stored: BIWEEKLY counts from here.
	sch.Created = s.Now().Truncate(time.Millisecond)
	sch.Checks = unique(sch.Checks)
	sch.plan(sch.Created, s.TimeOfDay(scope.Account))
	return s.Store.CreateSchedule(ctx, scope, &sch, tags, func(c *Configuration) error {
		return s.enabled(c, sch.Checks)
	})
}

// enabled refuses checks that are none, unknown, or not switched on.
func (s *Service) enabled(c *Configuration, names []string) error {
	if len(names) == 0 {
		return fault.New(fault.Invalid, "targetCheckNames must name at least one check")
	}
	for _, name := range names {
		if s.Checks.Named(name) == nil {
			return UnknownCheck(name)
		}
		if !c.Enabled(name) {
			return fault.New(fault.Invalid, "the check %s is not enabled for this account", name)
		}
	}
	return nil
}

// UpdateSchedule changes a schedule. A run in progress goes on as it began.
func (s *Service) UpdateSchedule(ctx context.Context, scope fleet.Scope, name string, p SchedulePatch) error {
	return s.Store.UpdateSchedule(ctx, scope, name, func(c *Configuration, sch *Schedule) error {
		before := sch.Recurrence
		if err := sch.apply(p); err != nil {
			return err
		}
		if p.Checks != nil {
			if err := s.enabled(c, sch.Checks); err != nil {
				return err
			}
		}
		if sch.Recurrence != before {
			sch.plan(s.Now(), s.TimeOfDay(scope.Account))
		}
		return nil
	})
}

// dueBatch bounds how many audits one call of RunDue begins: it is called
// again soon.
const dueBatch = 50

// RunDue begins the audits of the schedules that are due, each once, however
// many due times have gone by and however many nodes call it at once. The
// errors of some do not keep the others from beginning.
func (s *Service) RunDue(ctx context.Context) error {
	due, err := s.Store.DueSchedules(ctx, s.Now(), dueBatch)
	if err != nil {
		return fmt.Errorf("list due schedules: %w", err)
	}
	var errs []error
	for _, p := range due {
		if ctx.Err() != nil {
			break
		}
		if err := s.runDue(ctx, p); err != nil {
			errs = append(errs, fmt.Errorf("run schedule %s of %s in %s: %w", p.Name, p.Scope.Account, p.Scope.Region, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) runDue(ctx context.Context, p Planned) error {
	t, err := s.Store.RunSchedule(ctx, p, func(c *Configuration, sch *Schedule, active bool) *Task {
		now := s.Now()
		var t *Task
		if active {
			t = s.newTask(p.Scope, sch.Checks, c)
			t.Type, t.ScheduledName = Scheduled, sch.Name
			if !sch.LastRun.IsZero() {
				t.WindowFrom = sch.LastRun
			}
			sch.LastRun = t.Started
		}
		sch.LastDue = sch.NextRun
		sch.plan(now, s.TimeOfDay(p.Scope.Account))
		return t
	})
	if err != nil || t == nil {
		return err
	}
	return s.Workflows.Start(workflow(p.Scope, t.ID))
}

// Replan works out anew when schedules are due that were planned with another
// time of day. What is due already is left for RunDue.
func (s *Service) Replan(ctx context.Context) error {
	for p, err := range s.Store.EachSchedule(ctx) {
		if err != nil {
			return fmt.Errorf("list schedules: %w", err)
		}
		timeOfDay := s.TimeOfDay(p.Scope.Account)
		if p.TimeOfDay == timeOfDay {
			continue
		}
		err := s.Store.UpdateSchedule(ctx, p.Scope, p.Name, func(_ *Configuration, sch *Schedule) error {
			if now := s.Now(); sch.NextRun.After(now) {
				sch.plan(now, timeOfDay)
			}
			return nil
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return fmt.Errorf("plan schedule: %w", err)
		}
	}
	return nil
}
