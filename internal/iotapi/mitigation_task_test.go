package iotapi_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func TestAMitigationTaskIsDescribedAsGiven(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		past, soon := register(t, c, in(-1)), register(t, c, in(9))
		audit, found := audited(t, c, checkExpiring, checkLogging, checkAge)
		action(t, c, "deactivate", deactivate())
		action(t, c, "log", logging(types.LogLevelInfo))
		target := aim(audit)
		target.AuditCheckToReasonCodeFilter = map[string][]string{
			checkExpiring: {codePast, "NEVER_FOUND"}, checkLogging: {"NEVER_FOUND"},
		}
		m := mapping{checkExpiring: {"deactivate"}, checkLogging: {"log"}, checkAge: {"deactivate"}}
		task := mitigate(t, c, "task", target, m)
		if !reflect.DeepEqual(task.Target, target) || !reflect.DeepEqual(task.AuditCheckToActionsMapping, m) {
			t.Errorf("got %+v and %v, want what was given", task.Target, task.AuditCheckToActionsMapping)
		}
		wantTask(t, task, checkExpiring, taskCompleted, counts{2, 1, 0, 1, 0})
		wantTask(t, task, checkLogging, taskCompleted, counts{1, 0, 0, 1, 0})
		wantTask(t, task, checkAge, taskCompleted, counts{0, 0, 0, 0, 0})
		if task.StartTime == nil || task.EndTime == nil || task.EndTime.Before(*task.StartTime) {
			t.Errorf("got %v to %v, want a start before the end", task.StartTime, task.EndTime)
		}
		defined := map[string]types.MitigationAction{}
		for _, d := range task.ActionsDefinition {
			defined[*d.Name] = d
		}
		if d := defined["log"]; len(defined) != 2 || *d.Id != *described(t, c, "log").ActionId ||
			*d.RoleArn != cordontest.RoleARN ||
			!reflect.DeepEqual(*d.ActionParams, logging(types.LogLevelInfo)) {
			t.Errorf("got %+v, want both actions as they are defined", task.ActionsDefinition)
		}
		inOrder(t, "in the filter", executions(t, c, "task", found[past]), "deactivate COMPLETED")
		inOrder(t, "outside of the filter", executions(t, c, "task", found[soon]))
		inOrder(t, "outside by its check", executions(t, c, "task", found[cordontest.Account]))

		t.Run("chosen findings", func(t *testing.T) {
			target := &types.AuditMitigationActionsTaskTarget{FindingIds: []string{found[soon], found[cordontest.Account],
				found[soon]}}
			task := mitigate(t, c, "chosen", target, mapping{checkExpiring: {"deactivate"}})
			wantTask(t, task, checkExpiring, taskCompleted, counts{1, 1, 0, 0, 0})
			if _, ok := task.TaskStatistics[checkLogging]; ok || !reflect.DeepEqual(task.Target, target) {
				t.Errorf("got %+v, want no statistics of a check without actions", task)
			}
			inOrder(t, "soon", executions(t, c, "chosen", found[soon]), "deactivate COMPLETED")
			inOrder(t, "a check without actions", executions(t, c, "chosen", found[cordontest.Account]))
			inOrder(t, "not chosen", executions(t, c, "chosen", found[past]))
		})
		t.Run("the empty target of a check that found nothing", func(t *testing.T) {
			task := mitigate(t, c, "nothing", aim(audit), mapping{checkAge: {"deactivate"}})
			wantTask(t, task, checkAge, taskCompleted, counts{0, 0, 0, 0, 0})
		})
		_, err := c.DescribeAuditMitigationActionsTask(t.Context(),
			&iot.DescribeAuditMitigationActionsTaskInput{TaskId: new("none")})
		expect(t, err, notFound)
	})
}

func TestStartingAMitigationTaskTwice(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cert := register(t, c, in(-1))
		audit, found := audited(t, c, checkExpiring)
		action(t, c, "deactivate", deactivate())
		action(t, c, "join", joining("nowhere"))
		start := func(id, token string, target *types.AuditMitigationActionsTaskTarget, action string) error {
			out, err := c.StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
				TaskId: &id, Target: target, ClientRequestToken: &token,
				AuditCheckToActionsMapping: mapping{checkExpiring: {action}},
			})
			if err == nil && *out.TaskId != id {
				t.Errorf("got task %s, want %s", *out.TaskId, id)
			}
			return err
		}
		expect(t, start("task", "token", aim(audit), "deactivate"), fine)
		first := cordontest.AwaitMitigation(t, c, "task")
		setStatus(t, c, cert, types.CertificateStatusActive)
		chosen := &types.AuditMitigationActionsTaskTarget{FindingIds: []string{found[cert]}}
		for _, tt := range []struct {
			name, id, token string
			target          *types.AuditMitigationActionsTaskTarget
			action          string
			want            want
		}{
			{"the same request", "task", "token", aim(audit), "deactivate", fine},
			{"another token", "task", "other", aim(audit), "deactivate", taskExists},
			{"another task with the token", "other", "token", aim(audit), "deactivate", taskExists},
			{"another target", "task", "token", chosen, "deactivate", taskExists},
			{"another action", "task", "token", aim(audit), "join", taskExists},
		} {
			t.Run(tt.name, func(t *testing.T) { expect(t, start(tt.id, tt.token, tt.target, tt.action), tt.want) })
		}
		again := cordontest.AwaitMitigation(t, c, "task")
		if !again.EndTime.Equal(*first.EndTime) || status(t, c, cert) != types.CertificateStatusActive {
			t.Errorf("got the task run again, want it to be the one of before")
		}
		if got := tasks(t, c, nil); len(got) != 1 {
			t.Errorf("got tasks %v, want one", got)
		}
		t.Run("the same request when its actions are gone", func(t *testing.T) {
			_, err := c.DeleteMitigationAction(t.Context(), &iot.DeleteMitigationActionInput{ActionName: new("deactivate")})
			expect(t, err, fine)
			expect(t, start("task", "token", aim(audit), "deactivate"), fine)
			expect(t, start("new", "new", aim(audit), "deactivate"), invalid)
		})
	})
}

// tasks lists mitigation tasks two at a time, by a filter on the request.
func tasks(t *testing.T, c *iot.Client, filter func(*iot.ListAuditMitigationActionsTasksInput)) []string {
	t.Helper()
	return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
		in := &iot.ListAuditMitigationActionsTasksInput{
			StartTime: new(time.Now().Add(-time.Hour)), EndTime: new(time.Now().Add(time.Hour)),
			NextToken: token, MaxResults: new(int32(2)),
		}
		if filter != nil {
			filter(in)
		}
		out, err := c.ListAuditMitigationActionsTasks(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		var list []string
		for _, task := range out.Tasks {
			list = append(list, *task.TaskId+" "+string(task.TaskStatus))
		}
		return list, out.NextToken, nil
	})
}

func TestListAuditMitigationActionsTasks(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		one, other := register(t, c, in(-1)), register(t, c, in(-1))
		first, found := audited(t, c, checkExpiring)
		second, _ := audited(t, c, checkExpiring)
		action(t, c, "deactivate", deactivate())
		action(t, c, "join", joining("nowhere"))
		m := mapping{checkExpiring: {"deactivate"}}
		mitigate(t, c, "a", aim(first), m)
		mitigate(t, c, "b", &types.AuditMitigationActionsTaskTarget{FindingIds: []string{found[one]}}, m)
		mitigate(t, c, "c", aim(second), m)
		mitigate(t, c, "d", &types.AuditMitigationActionsTaskTarget{FindingIds: []string{found[other]}},
			mapping{checkExpiring: {"join"}})
		type in = iot.ListAuditMitigationActionsTasksInput
		const a, b, c3, d = "a COMPLETED", "b COMPLETED", "c COMPLETED", "d FAILED"
		for _, tt := range []struct {
			name   string
			filter func(*in)
			want   []string
		}{
			{"all, newest first", nil, []string{d, c3, b, a}},
			{"of an audit", func(in *in) { in.AuditTaskId = &first }, []string{d, b, a}},
			{"of another audit", func(in *in) { in.AuditTaskId = &second }, []string{c3}},
			{"of a finding", func(in *in) { in.FindingId = new(found[one]) }, []string{b, a}},
			{"of another finding", func(in *in) { in.FindingId = new(found[other]) }, []string{d, a}},
			{"of an audit and a finding of another", func(in *in) {
				in.AuditTaskId, in.FindingId = &second, new(found[one])
			}, nil},
			{"of a status", func(in *in) { in.TaskStatus = taskFailed }, []string{d}},
			{"of a status and an audit", func(in *in) { in.TaskStatus, in.AuditTaskId = taskCompleted, &first }, []string{b, a}},
			{"of a status that none has", func(in *in) { in.TaskStatus = taskCanceled }, nil},
			{"of an audit that does not exist", func(in *in) { in.AuditTaskId = new("0123abcd") }, nil},
			{"of a finding that does not exist", func(in *in) { in.FindingId = new("0123_abcd") }, nil},
			{"before", func(in *in) { in.EndTime = new(time.Now().Add(-time.Minute)) }, nil},
			{"after", func(in *in) { in.StartTime = new(time.Now().Add(time.Minute)) }, nil},
		} {
			t.Run(tt.name, func(t *testing.T) { inOrder(t, "tasks", tasks(t, c, tt.filter), tt.want...) })
		}
		now := time.Now()
		for _, tt := range []struct {
			name     string
			from, to time.Time
			want     want
		}{
			{"a window that ends first", now, now.Add(-time.Minute), invalid},
			{"a start of long ago", now.AddDate(0, 0, -91), now, invalid},
			{"a start that is just kept", now.AddDate(0, 0, -89), now, fine},
		} {
			_, err := c.ListAuditMitigationActionsTasks(t.Context(), &in{StartTime: &tt.from, EndTime: &tt.to})
			expect(t, err, tt.want)
		}
	})
}

func TestListAuditMitigationActionsExecutions(t *testing.T) {
	t.Parallel()
	cordontest.OnEach(t, func(t *testing.T, cordon *cordontest.Cordon) {
		c := cordon.IoT()
		cert := register(t, c, in(-1))
		audit, found := audited(t, c, checkExpiring)
		action(t, c, "deactivate", deactivate())
		var names []string
		for i := range 4 {
			names = append(names, fmt.Sprintf("join-%d", i))
			action(t, c, names[i], joining("nowhere"))
		}
		mitigate(t, c, "task", aim(audit), mapping{checkExpiring: slices.Concat([]string{"deactivate"}, names)})
		list := func(task, finding string, status types.AuditMitigationActionsExecutionStatus) []string {
			return all(t, func(ctx context.Context, token *string) ([]string, *string, error) {
				out, err := c.ListAuditMitigationActionsExecutions(ctx, &iot.ListAuditMitigationActionsExecutionsInput{
					TaskId: &task, FindingId: &finding, ActionStatus: status, NextToken: token, MaxResults: new(int32(2)),
				})
				if err != nil {
					return nil, nil, err
				}
				var got []string
				for _, e := range out.ActionsExecutions {
					if *e.TaskId != task || *e.FindingId != finding || *e.ActionId != *described(t, c, *e.ActionName).ActionId ||
						e.StartTime == nil || e.EndTime == nil {
						t.Errorf("got %+v, want its task, finding, action and times", e)
					}
					got = append(got, *e.ActionName)
				}
				return got, out.NextToken, nil
			})
		}
		id := found[cert]
		inOrder(t, "all", list("task", id, ""), "deactivate", "join-0", "join-1", "join-2", "join-3")
		inOrder(t, "skipped", list("task", id, types.AuditMitigationActionsExecutionStatusSkipped), "join-1", "join-2",
			"join-3")
		inOrder(t, "failed", list("task", id, types.AuditMitigationActionsExecutionStatusFailed), "join-0")
		inOrder(t, "pending", list("task", id, types.AuditMitigationActionsExecutionStatusPending))
		inOrder(t, "of no task", list("none", id, ""))
		inOrder(t, "of no finding", list("task", "none", ""))
	})
}

func TestTenMitigationTasksRun(t *testing.T) {
	t.Parallel()
	for _, database := range cordontest.Databases {
		t.Run(database, func(t *testing.T) {
			cordon, gate := cordontest.StartHeld(t, database, "mitigation")
			c := cordon.IoT()
			cert := register(t, c, in(-1))
			audit, found := audited(t, c, checkExpiring)
			action(t, c, "deactivate", deactivate())
			start := func(id string) error {
				_, err := c.StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
					TaskId: &id, Target: aim(audit), AuditCheckToActionsMapping: mapping{checkExpiring: {"deactivate"}},
				})
				return err
			}
			var running []string
			for i := range 10 {
				id := fmt.Sprintf("t%d", i)
				expect(t, start(id), fine)
				gate.Await(t, id)
				running = slices.Insert(running, 0, id+" IN_PROGRESS")
			}
			expect(t, start("eleventh"), limitExceeded)
			inOrder(t, "running", tasks(t, c, nil), running...)
			byStatus := func(in *iot.ListAuditMitigationActionsTasksInput) { in.TaskStatus = taskRunning }
			inOrder(t, "by status", tasks(t, c, byStatus), running...)
			task := must[*iot.DescribeAuditMitigationActionsTaskOutput](t)(c.DescribeAuditMitigationActionsTask(t.Context(),
				&iot.DescribeAuditMitigationActionsTaskInput{TaskId: new("t0")}))
			if task.EndTime != nil || task.TaskStatus != taskRunning {
				t.Errorf("got %s until %v, want no end while it runs", task.TaskStatus, task.EndTime)
			}

			// The copy of the actions is the task's own.
			_, err := c.DeleteMitigationAction(t.Context(), &iot.DeleteMitigationActionInput{ActionName: new("deactivate")})
			expect(t, err, fine)
			inOrder(t, "executions", executions(t, c, "t0", found[cert]), "deactivate COMPLETED")

			cancel := func(id string) error {
				_, err := c.CancelAuditMitigationActionsTask(t.Context(), &iot.CancelAuditMitigationActionsTaskInput{TaskId: &id})
				return err
			}
			expect(t, cancel("t0"), fine)
			expect(t, cancel("t0"), invalid)
			expect(t, cancel("none"), notFound)
			action(t, c, "deactivate", deactivate())
			expect(t, start("eleventh"), fine)
			gate.Open()
			for i := range 9 {
				if got := cordontest.AwaitMitigation(t, c, fmt.Sprintf("t%d", i+1)).TaskStatus; got != taskCompleted {
					t.Errorf("got %s, want COMPLETED", got)
				}
			}
			expect(t, cancel("t1"), invalid)
			wantTask(t, cordontest.AwaitMitigation(t, c, "t0"), checkExpiring, taskCanceled, counts{1, 1, 0, 0, 0})
		})
	}
}
