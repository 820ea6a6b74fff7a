package iotapi_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// built are all checks that can be switched on: the seventeen of AWS.
var built = slices.Concat(selfContained, revocationChecks, []string{checkShared, checkConflicting}, roleChecks)

// roleChecks are the checks over roles, which are tried with package cordonapi.
var roleChecks = []string{
	"AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK", "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
	"IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK", "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK",
}

// selfContained are the checks that need to know nothing but the registry.
var selfContained = []string{
	checkCAExpiring, checkCAKey, checkAge, checkExpiring, checkKey, checkBroad, checkMisconfigured, checkLogging,
}

// configure patches the audit configuration.
func configure(ctx context.Context, c *iot.Client, role string, checks map[string]types.AuditCheckConfiguration) error {
	in := &iot.UpdateAccountAuditConfigurationInput{AuditCheckConfigurations: checks}
	if role != "" {
		in.RoleArn = &role
	}
	_, err := c.UpdateAccountAuditConfiguration(ctx, in)
	return err
}

// configured is which checks are on, and the role.
func configured(t *testing.T, c *iot.Client) (on []string, role string) {
	t.Helper()
	out, err := c.DescribeAccountAuditConfiguration(t.Context(), &iot.DescribeAccountAuditConfigurationInput{})
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range out.AuditCheckConfigurations {
		if check.Enabled {
			on = append(on, name)
		}
	}
	if out.RoleArn != nil {
		role = *out.RoleArn
	}
	same(t, "checks", slices.Collect(maps.Keys(out.AuditCheckConfigurations)), built)
	return on, role
}

// enabled is a check that is switched on, perhaps with a threshold.
func enabled(settings map[string]string) types.AuditCheckConfiguration {
	return types.AuditCheckConfiguration{Enabled: true, Configuration: settings}
}

func TestAuditConfiguration(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		type checks = map[string]types.AuditCheckConfiguration
		on, role := configured(t, c)
		if len(on) != 0 || role != "" {
			t.Errorf("got checks %v and role %q before anything is set, want none", on, role)
		}
		_, err := c.DeleteAccountAuditConfiguration(ctx, &iot.DeleteAccountAuditConfigurationInput{})
		expect(t, err, notFound)
		expect(t, configure(ctx, c, "", checks{checkLogging: enabled(nil)}), invalid) // no role
		expect(t, configure(ctx, c, cordontest.RoleARN, checks{checkLogging: {}}), invalid)
		if on, role := configured(t, c); len(on) != 0 || role != "" {
			t.Errorf("got checks %v and role %q after refusals, want none", on, role)
		}

		expect(t, configure(ctx, c, cordontest.RoleARN, checks{checkLogging: enabled(nil), checkAge: enabled(nil)}), fine)
		expect(t, configure(ctx, c, "", checks{
			checkAge: {Enabled: false}, checkExpiring: enabled(map[string]string{"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "60"}),
		}), fine)
		on, role = configured(t, c)
		same(t, "checks that are on", on, []string{checkExpiring, checkLogging})
		if role != cordontest.RoleARN {
			t.Errorf("got role %q, want the one of the first call", role)
		}
		other := "arn:aws:iam::000000000000:role/Another"
		expect(t, configure(ctx, c, other, nil), fine)
		out, err := c.DescribeAccountAuditConfiguration(ctx, &iot.DescribeAccountAuditConfigurationInput{})
		if err != nil || *out.RoleArn != other ||
			out.AuditCheckConfigurations[checkExpiring].Configuration["CERT_EXPIRATION_THRESHOLD_IN_DAYS"] != "60" {
			t.Errorf("got %+v, %v, want the new role and the threshold kept", out, err)
		}

		_, err = c.DeleteAccountAuditConfiguration(ctx, &iot.DeleteAccountAuditConfigurationInput{
			DeleteScheduledAudits: true,
		})
		expect(t, err, fine)
		if on, role := configured(t, c); len(on) != 0 || role != "" {
			t.Errorf("got checks %v and role %q after the delete, want none", on, role)
		}
	})
}

func TestAuditConfigurationRefuses(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	c, ctx := cordon.IoT(), t.Context()
	cordontest.Enable(t, c, checkLogging)
	const age, expiration = "CERT_AGE_THRESHOLD_IN_DAYS", "CERT_EXPIRATION_THRESHOLD_IN_DAYS"
	for _, tt := range []struct {
		name, check, key, days string
		want                   want
	}{
		{"the least notice", checkExpiring, expiration, "30", fine},
		{"the longest notice", checkExpiring, expiration, "3652", fine},
		{"too short a notice", checkExpiring, expiration, "29", invalid},
		{"too long a notice", checkExpiring, expiration, "3653", invalid},
		{"the least age", checkAge, age, "30", fine},
		{"the greatest age", checkAge, age, "3650", fine},
		{"too young an age", checkAge, age, "29", invalid},
		{"too great an age", checkAge, age, "3651", invalid},
		{"a word", checkAge, age, "many", invalid},
		{"a sign", checkAge, age, "+40", invalid},
		{"a leading zero", checkAge, age, "040", invalid},
		{"a fraction", checkAge, age, "40.5", invalid},
		{"the key of another check", checkAge, expiration, "40", invalid},
		{"a check that takes none", checkCAExpiring, expiration, "40", invalid},
		{"an unknown key", checkAge, "CERT_SIZE_THRESHOLD", "40", invalid},
		{"a check that nobody knows", "MOON_PHASE_CHECK", "", "", invalid},
		{"the old name of a check", "REVOKED_CA_CERT_CHECK", "", "", invalid},
		{"a name in lower case", "logging_disabled_check", "", "", invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var settings map[string]string
			if tt.key != "" {
				settings = map[string]string{tt.key: tt.days}
			}
			before, _ := configured(t, c)
			err := configure(ctx, c, "", map[string]types.AuditCheckConfiguration{
				tt.check: enabled(settings), checkLogging: {Enabled: tt.want != fine},
			})
			expect(t, err, tt.want)
			if after, _ := configured(t, c); tt.want != fine {
				same(t, "checks after a refusal", after, before)
			}
		})
	}
}

func TestAnAuditIsOfEnabledChecks(t *testing.T) {
	t.Parallel()
	cordon := cordontest.Start(t, cordontest.Settings(t, "sqlite"), noOptions)
	c, ctx := cordon.IoT(), t.Context()
	start := func(checks ...string) error {
		_, err := c.StartOnDemandAuditTask(ctx, &iot.StartOnDemandAuditTaskInput{TargetCheckNames: checks})
		return err
	}
	expect(t, start(checkLogging), invalid) // nothing is configured
	cordontest.Enable(t, c, checkLogging)
	expect(t, start([]string{}...), invalid)
	expect(t, start(checkLogging, checkAge), invalid)
	expect(t, start("MOON_PHASE_CHECK"), invalid)
	if got := auditTasks(t, c, nil); len(got) != 0 {
		t.Errorf("got audits %v after refusals, want none", got)
	}
	id, done := cordontest.Audit(t, c, checkLogging, checkLogging)
	if *done.TaskStatistics.TotalChecks != 1 || len(id) != 32 {
		t.Errorf("got %d checks in audit %q, want the same check named twice to be one", *done.TaskStatistics.TotalChecks, id)
	}
	if done.TaskType != types.AuditTaskTypeOnDemandAuditTask || done.ScheduledAuditName != nil ||
		time.Since(*done.TaskStartTime).Abs() > time.Minute {
		t.Errorf("got %+v, want an audit on demand that began now", done)
	}
}

// auditTasks lists the ids of audits by a filter on the request.
func auditTasks(t *testing.T, c *iot.Client, filter func(*iot.ListAuditTasksInput)) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		in := &iot.ListAuditTasksInput{
			StartTime: new(time.Now().Add(-time.Hour)), EndTime: new(time.Now().Add(time.Hour)),
			NextToken: token, MaxResults: new(int32(2)),
		}
		if filter != nil {
			filter(in)
		}
		out, err := c.ListAuditTasks(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		var ids []string
		for _, task := range out.Tasks {
			ids = append(ids, *task.TaskId)
		}
		return ids, out.NextToken, nil
	})
}

func TestListAuditTasks(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c, ctx := cordon.IoT(), t.Context()
		cordontest.Enable(t, c, checkLogging)
		var newest []string
		for range 5 {
			id, _ := cordontest.Audit(t, c, checkLogging)
			newest = slices.Insert(newest, 0, id)
		}
		for _, tt := range []struct {
			name   string
			filter func(*iot.ListAuditTasksInput)
			want   []string
		}{
			{"all, newest first", nil, newest},
			{"by status", func(in *iot.ListAuditTasksInput) { in.TaskStatus = types.AuditTaskStatusCompleted }, newest},
			{"by another status", func(in *iot.ListAuditTasksInput) { in.TaskStatus = types.AuditTaskStatusFailed }, nil},
			{"by type", func(in *iot.ListAuditTasksInput) { in.TaskType = types.AuditTaskTypeOnDemandAuditTask }, newest},
			{"by another type", func(in *iot.ListAuditTasksInput) { in.TaskType = types.AuditTaskTypeScheduledAuditTask }, nil},
			{"before", func(in *iot.ListAuditTasksInput) { in.EndTime = new(time.Now().Add(-time.Minute)) }, nil},
			{"after", func(in *iot.ListAuditTasksInput) { in.StartTime = new(time.Now().Add(time.Minute)) }, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if got := auditTasks(t, c, tt.filter); !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		}
		list := func(from, to time.Time, n int32) error {
			_, err := c.ListAuditTasks(ctx, &iot.ListAuditTasksInput{StartTime: &from, EndTime: &to, MaxResults: &n})
			return err
		}
		now := time.Now()
		expect(t, list(now, now.Add(-time.Minute), 1), invalid)
		expect(t, list(now.AddDate(0, 0, -91), now, 1), invalid)
		expect(t, list(now.AddDate(0, 0, -89), now, 250), fine)
		expect(t, list(now, now, 251), invalid)
		expect(t, list(now, now, 0), invalid)
	})
}

func TestAnAuditInProgress(t *testing.T) {
	t.Parallel()
	cordon, gate := cordontest.StartHeld(t, "sqlite", "audit")
	c, ctx := cordon.IoT(), t.Context()
	cordontest.Enable(t, c, checkLogging, checkCAExpiring)
	start := func() (*iot.StartOnDemandAuditTaskOutput, error) {
		return c.StartOnDemandAuditTask(ctx, &iot.StartOnDemandAuditTaskInput{
			TargetCheckNames: []string{checkLogging, checkCAExpiring},
		})
	}
	id := *must[*iot.StartOnDemandAuditTaskOutput](t)(start()).TaskId
	gate.Await(t, id) // the account has been judged, the CA certificates have not
	describe := func(id string) (*iot.DescribeAuditTaskOutput, error) {
		return c.DescribeAuditTask(ctx, &iot.DescribeAuditTaskInput{TaskId: &id})
	}
	out := must[*iot.DescribeAuditTaskOutput](t)(describe(id))
	wantAudit(t, out, types.AuditTaskStatusInProgress, map[string]types.AuditCheckRunStatus{
		checkLogging:    types.AuditCheckRunStatusCompletedNonCompliant,
		checkCAExpiring: types.AuditCheckRunStatusInProgress,
	})

	t.Run("is no target", func(t *testing.T) {
		action(t, c, "log", logging(types.LogLevelInfo))
		finding := cordontest.Findings(t, c, id)[0].FindingId
		for _, target := range []*types.AuditMitigationActionsTaskTarget{aim(id), {FindingIds: []string{*finding}}} {
			_, err := c.StartAuditMitigationActionsTask(ctx, &iot.StartAuditMitigationActionsTaskInput{
				TaskId: new("task"), Target: target, AuditCheckToActionsMapping: mapping{checkLogging: {"log"}},
			})
			expect(t, err, invalid)
		}
		_, err := c.DescribeAuditMitigationActionsTask(ctx, &iot.DescribeAuditMitigationActionsTaskInput{TaskId: new("task")})
		expect(t, err, notFound)
	})

	cancel := func(id string) error {
		_, err := c.CancelAuditTask(ctx, &iot.CancelAuditTaskInput{TaskId: &id})
		return err
	}
	t.Run("is one of ten", func(t *testing.T) {
		for range 9 {
			_, err := start()
			expect(t, err, fine)
		}
		_, err := start()
		expect(t, err, limitExceeded)
		if got := len(auditTasks(t, c, nil)); got != 10 {
			t.Errorf("got %d audits, want the eleventh to be none", got)
		}
		const account = "111111111111"
		other := cordon.NewAccount(t, account)
		cordontest.EnableIn(t, other, account, checkLogging, checkCAExpiring)
		_, err = other.StartOnDemandAuditTask(ctx, &iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{checkLogging}})
		expect(t, err, fine)
	})
	t.Run("is canceled", func(t *testing.T) {
		expect(t, cancel(id), fine)
		out := must[*iot.DescribeAuditTaskOutput](t)(describe(id))
		wantAudit(t, out, types.AuditTaskStatusCanceled, map[string]types.AuditCheckRunStatus{
			checkLogging:    types.AuditCheckRunStatusCompletedNonCompliant,
			checkCAExpiring: types.AuditCheckRunStatusCanceled,
		})
		if got := cordontest.Findings(t, c, id); len(got) != 1 {
			t.Errorf("got %d findings, want that of the check which was complete", len(got))
		}
		expect(t, cancel(id), invalid)
		_, err := start()
		expect(t, err, fine) // there is room again
	})
	expect(t, cancel("0123456789abcdef"), notFound)
	_, err := describe("0123456789abcdef")
	expect(t, err, notFound)
	gate.Open()
	running := func(in *iot.ListAuditTasksInput) { in.TaskStatus = types.AuditTaskStatusInProgress }
	for _, id := range auditTasks(t, c, running) {
		if done := cordontest.AwaitAudit(t, c, id); done.TaskStatus != types.AuditTaskStatusCompleted {
			t.Errorf("got %s, want COMPLETED", done.TaskStatus)
		}
	}
	if out := must[*iot.DescribeAuditTaskOutput](t)(describe(id)); out.TaskStatus != types.AuditTaskStatusCanceled {
		t.Errorf("got %s after the others went on, want CANCELED", out.TaskStatus)
	}
	expect(t, cancel(auditTasks(t, c, nil)[0]), invalid)
}

// wantAudit holds the status of an audit, of its checks, and that its
// statistics are those of the checks.
func wantAudit(t *testing.T, out *iot.DescribeAuditTaskOutput, status types.AuditTaskStatus,
	checks map[string]types.AuditCheckRunStatus,
) {
	t.Helper()
	if out.TaskStatus != status {
		t.Errorf("got audit %s, want %s", out.TaskStatus, status)
	}
	count := map[types.AuditCheckRunStatus]int32{}
	for name, want := range checks {
		count[want]++
		if got := out.AuditDetails[name].CheckRunStatus; got != want {
			t.Errorf("got %s %s, want %s", name, got, want)
		}
	}
	s := out.TaskStatistics
	got := []int32{
		*s.TotalChecks, *s.CompliantChecks, *s.NonCompliantChecks, *s.InProgressChecks, *s.CanceledChecks, *s.FailedChecks,
		*s.WaitingForDataCollectionChecks,
	}
	want := []int32{
		int32(len(checks)), count[types.AuditCheckRunStatusCompletedCompliant],
		count[types.AuditCheckRunStatusCompletedNonCompliant], count[types.AuditCheckRunStatusInProgress],
		count[types.AuditCheckRunStatusCanceled], 0, 0,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got statistics %v, want %v", got, want)
	}
}
