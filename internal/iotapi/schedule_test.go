package iotapi_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// daily is a schedule of a check.
func daily(name string, checks ...string) *iot.CreateScheduledAuditInput {
	return &iot.CreateScheduledAuditInput{
		ScheduledAuditName: &name, Frequency: types.AuditFrequencyDaily, TargetCheckNames: checks,
	}
}

func TestScheduledAudits(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		cordontest.Enable(t, c, checkLogging, checkExpiring, checkAge)
		in := &iot.CreateScheduledAuditInput{
			ScheduledAuditName: new("nightly"), Frequency: types.AuditFrequencyMonthly, DayOfMonth: new("LAST"),
			TargetCheckNames: []string{checkLogging, checkExpiring, checkLogging},
			Tags:             []types.Tag{{Key: new("team"), Value: new("red")}},
		}
		const arn = "arn:aws:iot:us-east-1:000000000000:scheduledaudit/nightly"
		if out, err := c.CreateScheduledAudit(ctx, in); err != nil || *out.ScheduledAuditArn != arn {
			t.Fatalf("got %+v, %v, want %s", out, err, arn)
		}
		describe := func() *iot.DescribeScheduledAuditOutput {
			return must[*iot.DescribeScheduledAuditOutput](t)(c.DescribeScheduledAudit(ctx,
				&iot.DescribeScheduledAuditInput{ScheduledAuditName: in.ScheduledAuditName}))
		}
		got := describe()
		if *got.ScheduledAuditName != "nightly" || *got.ScheduledAuditArn != arn || *got.DayOfMonth != "LAST" ||
			got.DayOfWeek != "" || got.Frequency != types.AuditFrequencyMonthly ||
			!slices.Equal(got.TargetCheckNames, []string{checkLogging, checkExpiring}) {
			t.Errorf("got %s, want what was created", words(t, got))
		}

		update := func(in iot.UpdateScheduledAuditInput) error {
			in.ScheduledAuditName = new("nightly")
			out, err := c.UpdateScheduledAudit(ctx, &in)
			if err == nil && *out.ScheduledAuditArn != arn {
				t.Errorf("got %s, want %s", *out.ScheduledAuditArn, arn)
			}
			return err
		}
		expect(t, update(iot.UpdateScheduledAuditInput{Frequency: types.AuditFrequencyWeekly}), invalid) // on which day?
		expect(t, update(iot.UpdateScheduledAuditInput{DayOfWeek: types.DayOfWeekMon}), invalid)
		expect(t, update(iot.UpdateScheduledAuditInput{TargetCheckNames: []string{checkKey}}), invalid)
		if now := describe(); words(t, now) != words(t, got) {
			t.Errorf("got %s after refusals, want %s", words(t, now), words(t, got))
		}
		expect(t, update(iot.UpdateScheduledAuditInput{DayOfMonth: new("31")}), fine)
		expect(t, update(iot.UpdateScheduledAuditInput{
			Frequency: types.AuditFrequencyWeekly, DayOfWeek: types.DayOfWeekSat, TargetCheckNames: []string{checkAge},
		}), fine)
		expect(t, update(iot.UpdateScheduledAuditInput{Frequency: types.AuditFrequencyBiweekly}), fine)
		got = describe()
		if got.DayOfMonth != nil || got.DayOfWeek != types.DayOfWeekSat || got.Frequency != types.AuditFrequencyBiweekly ||
			!slices.Equal(got.TargetCheckNames, []string{checkAge}) {
			t.Errorf("got %s, want what it was changed to", words(t, got))
		}
		expect(t, update(iot.UpdateScheduledAuditInput{Frequency: types.AuditFrequencyDaily}), fine)
		if got = describe(); got.DayOfWeek != "" || got.DayOfMonth != nil {
			t.Errorf("got %s, want no days", words(t, got))
		}

		_, err := c.DeleteScheduledAudit(ctx, &iot.DeleteScheduledAuditInput{ScheduledAuditName: new("nightly")})
		expect(t, err, fine)
		_, err = c.DeleteScheduledAudit(ctx, &iot.DeleteScheduledAuditInput{ScheduledAuditName: new("nightly")})
		expect(t, err, notFound)
		_, err = c.DescribeScheduledAudit(ctx, &iot.DescribeScheduledAuditInput{ScheduledAuditName: new("nightly")})
		expect(t, err, notFound)
		expect(t, update(iot.UpdateScheduledAuditInput{Frequency: types.AuditFrequencyDaily}), notFound)
		_, err = c.CreateScheduledAudit(ctx, daily("nightly", checkLogging)) // the tags are gone too
		expect(t, err, fine)
	})
}

func TestCreatingAScheduledAuditAgain(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cordontest.Enable(t, c, checkLogging, checkExpiring)
		make := func(change func(*iot.CreateScheduledAuditInput)) error {
			in := &iot.CreateScheduledAuditInput{
				ScheduledAuditName: new("s"), Frequency: types.AuditFrequencyWeekly, DayOfWeek: types.DayOfWeekSun,
				TargetCheckNames: []string{checkLogging, checkExpiring},
				Tags:             []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")}},
			}
			change(in)
			_, err := c.CreateScheduledAudit(t.Context(), in)
			return err
		}
		type input = *iot.CreateScheduledAuditInput
		for _, tt := range []struct {
			name   string
			change func(in input)
			want   want
		}{
			{"the first time", func(input) {}, fine},
			{"the same again", func(input) {}, fine},
			{"the same in another order", func(in input) { slices.Reverse(in.TargetCheckNames); slices.Reverse(in.Tags) }, fine},
			{"on another day", func(in input) { in.DayOfWeek = types.DayOfWeekMon }, exists},
			{"with another frequency", func(in input) { in.Frequency = types.AuditFrequencyBiweekly }, exists},
			{"with fewer checks", func(in input) { in.TargetCheckNames = in.TargetCheckNames[:1] }, exists},
			{"with fewer tags", func(in input) { in.Tags = in.Tags[:1] }, exists},
			{"with another tag", func(in input) { in.Tags[1].Value = new("3") }, exists},
			{"with a name in another case", func(in input) { in.ScheduledAuditName = new("S") }, fine},
		} {
			t.Run(tt.name, func(t *testing.T) { expect(t, make(tt.change), tt.want) })
		}
	})
}

func TestScheduledAuditsThatAreRefused(t *testing.T) {
	t.Parallel()
	c, ctx := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions).IoT(), t.Context()
	_, err := c.CreateScheduledAudit(ctx, daily("s", checkLogging))
	expect(t, err, invalid) // nothing is configured
	cordontest.Enable(t, c, checkLogging)
	type input = iot.CreateScheduledAuditInput
	for _, tt := range []struct {
		name string
		in   input
		text string
	}{
		{"a day of the month every day", input{Frequency: types.AuditFrequencyDaily, DayOfMonth: new("1")}, "dayOfMonth"},
		{"a day of the week every day", input{Frequency: types.AuditFrequencyDaily, DayOfWeek: "MON"}, "dayOfWeek"},
		{"a day of the month every week", input{
			Frequency: types.AuditFrequencyWeekly, DayOfWeek: "MON", DayOfMonth: new("1"),
		}, "dayOfMonth"},
		{"a day of the week every month", input{
			Frequency: types.AuditFrequencyMonthly, DayOfWeek: "MON", DayOfMonth: new("1"),
		}, "dayOfWeek"},
		{"no day of the week", input{Frequency: types.AuditFrequencyWeekly}, "dayOfWeek"},
		{"no day of every second week", input{Frequency: types.AuditFrequencyBiweekly}, "dayOfWeek"},
		{"no day of the month", input{Frequency: types.AuditFrequencyMonthly}, "dayOfMonth"},
		{"the 32nd", input{Frequency: types.AuditFrequencyMonthly, DayOfMonth: new("32")}, "dayOfMonth"},
		{"the 0th", input{Frequency: types.AuditFrequencyMonthly, DayOfMonth: new("0")}, "dayOfMonth"},
		{"the 01st", input{Frequency: types.AuditFrequencyMonthly, DayOfMonth: new("01")}, "dayOfMonth"},
		{"the last in small letters", input{Frequency: types.AuditFrequencyMonthly, DayOfMonth: new("last")}, "dayOfMonth"},
		{"a range of days", input{Frequency: types.AuditFrequencyMonthly, DayOfMonth: new("1-5")}, "dayOfMonth"},
		{"an empty day", input{Frequency: types.AuditFrequencyDaily, DayOfMonth: new("")}, "dayOfMonth"},
		{"a whole day's name", input{Frequency: types.AuditFrequencyWeekly, DayOfWeek: "MONDAY"}, "dayOfWeek"},
		{"another frequency", input{Frequency: "HOURLY"}, "frequency"},
		{"a cron expression", input{Frequency: "0 3 * * *"}, "frequency"},
		{"no checks", input{Frequency: types.AuditFrequencyDaily, TargetCheckNames: []string{}}, "targetCheckNames"},
		{"a check that is not enabled", input{
			Frequency: types.AuditFrequencyDaily, TargetCheckNames: []string{checkLogging, checkAge},
		}, checkAge},
		{"a check that nobody knows", input{
			Frequency: types.AuditFrequencyDaily, TargetCheckNames: []string{"MOON_PHASE_CHECK"},
		}, "MOON_PHASE_CHECK"},
		{"a name with a dot", input{
			ScheduledAuditName: new("a.b"), Frequency: types.AuditFrequencyDaily,
		}, "scheduledAuditName"},
		{"a name too long", input{
			ScheduledAuditName: new(strings.Repeat("n", 129)), Frequency: types.AuditFrequencyDaily,
		}, "scheduledAuditName"},
		{"a tag twice", input{Frequency: types.AuditFrequencyDaily, Tags: []types.Tag{
			{Key: new("k"), Value: new("1")}, {Key: new("k"), Value: new("2")},
		}}, "tag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.in.ScheduledAuditName == nil {
				tt.in.ScheduledAuditName = new("s")
			}
			if tt.in.TargetCheckNames == nil {
				tt.in.TargetCheckNames = []string{checkLogging}
			}
			_, err := c.CreateScheduledAudit(ctx, &tt.in)
			expect(t, err, invalid)
			saying(t, err, tt.text)
		})
	}
	if out := must[*iot.ListScheduledAuditsOutput](t)(c.ListScheduledAudits(ctx, &iot.ListScheduledAuditsInput{})); len(
		out.ScheduledAudits) != 0 {
		t.Errorf("got %s after refusals, want none", words(t, out))
	}
}

// Of seven that are created at once, five are the most.
func TestTheNumberOfScheduledAuditsIsBounded(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cordontest.Enable(t, c, checkLogging)
		errs := make([]error, 7)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = c.CreateScheduledAudit(t.Context(), daily(fmt.Sprint("s-", i), checkLogging)) })
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				refused++
				expect(t, err, limitExceeded)
			}
		}
		names := all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
			out, err := c.ListScheduledAudits(ctx, &iot.ListScheduledAuditsInput{NextToken: token, MaxResults: new(int32(2))})
			if err != nil {
				return nil, nil, err
			}
			var names []string
			for _, s := range out.ScheduledAudits {
				if s.Frequency != types.AuditFrequencyDaily || !strings.HasSuffix(*s.ScheduledAuditArn, *s.ScheduledAuditName) {
					t.Errorf("got %s, want a daily one with its ARN", words(t, s))
				}
				names = append(names, *s.ScheduledAuditName)
			}
			return names, out.NextToken, nil
		})
		if refused != 2 || len(names) != 5 || !slices.IsSorted(names) {
			t.Errorf("got %d refused and %v, want 2 and five names in order", refused, names)
		}
	})
}

func TestACheckThatAScheduleUsesStaysOn(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		cordontest.Enable(t, c, checkLogging, checkAge)
		_, err := c.CreateScheduledAudit(ctx, daily("nightly", checkLogging))
		expect(t, err, fine)
		type checks = map[string]types.AuditCheckConfiguration
		err = configure(ctx, c, "", checks{checkLogging: {}, checkAge: {}})
		expect(t, err, invalid)
		saying(t, err, `"nightly"`)
		expect(t, configure(ctx, c, "", checks{checkAge: {}}), fine)

		del := func(too bool) error {
			_, err := c.DeleteAccountAuditConfiguration(ctx,
				&iot.DeleteAccountAuditConfigurationInput{DeleteScheduledAudits: too})
			return err
		}
		expect(t, del(false), invalid)
		if on, _ := configured(t, c); !slices.Equal(on, []string{checkLogging}) {
			t.Errorf("got %v after refusals, want %s", on, checkLogging)
		}
		expect(t, del(true), fine)
		_, err = c.DescribeScheduledAudit(ctx, &iot.DescribeScheduledAuditInput{ScheduledAuditName: new("nightly")})
		expect(t, err, notFound)
		if on, role := configured(t, c); len(on) != 0 || role != "" {
			t.Errorf("got %v and %q, want none", on, role)
		}
		expect(t, del(true), notFound)
	})
}
