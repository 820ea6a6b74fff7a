package audit

import (
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// judged counts how often it is asked, and finds nothing.
func judged(name string, n *int) *Check {
	return &Check{Name: name, Account: func(Env, *fleet.LoggingOptions) []Violation {
		*n++
		return nil
	}}
}

func taskOf(states ...CheckStatus) *Task {
	t := &Task{
		ID: "0123456789abcdef0123456789abcdef", Status: TaskInProgress, States: map[string]*CheckState{},
		Started: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC),
	}
	for i, status := range states {
		name := string(rune('A' + i))
		t.Checks = append(t.Checks, name)
		t.States[name] = &CheckState{Status: status}
		if status == CheckFailed {
			t.States[name].ErrorCode = ErrorCheckDisabled
		}
	}
	return t
}

func TestChecksOfAnAuditThatEnds(t *testing.T) {
	const disabled = CheckFailed
	for _, tt := range []struct {
		name   string
		before []CheckStatus
		asked  int
		task   TaskStatus
		after  []CheckStatus
	}{
		{"all are judged", []CheckStatus{CheckInProgress, CheckInProgress}, 2, TaskCompleted,
			[]CheckStatus{CheckCompliant, CheckCompliant}},
		{"one that is disabled is not", []CheckStatus{CheckInProgress, disabled}, 1, TaskCompleted,
			[]CheckStatus{CheckCompliant, CheckFailed}},
		{"with all disabled there is no result", []CheckStatus{disabled, disabled}, 0, TaskFailed,
			[]CheckStatus{CheckFailed, CheckFailed}},
		{"one that waits for data has established nothing", []CheckStatus{CheckWaiting, CheckInProgress}, 1, TaskCompleted,
			[]CheckStatus{CheckFailed, CheckCompliant}},
		{"nothing but waiting is no result", []CheckStatus{CheckWaiting}, 0, TaskFailed, []CheckStatus{CheckFailed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			e := &Engine{Checks: Checks{judged("A", &asked), judged("B", &asked)}, Now: time.Now}
			task := taskOf(tt.before...)
			s := e.newSlice(task)
			s.account(&fleet.LoggingOptions{})
			s.completePass()
			s.finish()
			if asked != tt.asked || task.Status != tt.task || task.Ended.IsZero() {
				t.Errorf("got %d checks asked and a task that is %s, want %d and %s", asked, task.Status, tt.asked, tt.task)
			}
			for i, want := range tt.after {
				state := task.States[task.Checks[i]]
				if state.Status != want {
					t.Errorf("%s: got %s, want %s", task.Checks[i], state.Status, want)
				}
				if was := tt.before[i]; (state.ErrorCode != "") != (was == disabled) || was == CheckWaiting && state.Message == "" {
					t.Errorf("%s: got error %q, message %q", task.Checks[i], state.ErrorCode, state.Message)
				}
			}
		})
	}
}

func TestChecksWithoutAResult(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*Task, time.Time)
		task TaskStatus
		open CheckStatus // what becomes of one without a result
	}{
		{"are canceled with the audit", (*Task).Cancel, TaskCanceled, CheckCanceled},
		{"have failed where it is abandoned", func(t *Task, now time.Time) { t.abandon(now, "reason") }, TaskFailed,
			CheckFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			task := taskOf(CheckInProgress, CheckWaiting, CheckCompliant, CheckNonCompliant, CheckFailed)
			tt.end(task, task.Started)
			if task.Status != tt.task || !task.Ended.Equal(task.Started) {
				t.Errorf("got %s at %s, want %s", task.Status, task.Ended, tt.task)
			}
			want := []CheckStatus{tt.open, tt.open, CheckCompliant, CheckNonCompliant, CheckFailed}
			for i, name := range task.Checks {
				if got := task.States[name].Status; got != want[i] {
					t.Errorf("%s: got %s, want %s", name, got, want[i])
				}
			}
		})
	}
}

func TestTheMessageAboutAnAudit(t *testing.T) {
	task := taskOf(CheckFailed, CheckCompliant, CheckNonCompliant)
	task.Scope.Account, task.Status, task.Type, task.ScheduledName = "123456789012", TaskCompleted, Scheduled, "nightly"
	task.States["A"].Message = "off"
	*task.States["C"] = CheckState{Status: CheckNonCompliant, Total: 7, NonCompliant: 3, Suppressed: 1}
	const want = `{"accountId":"123456789012","taskId":"0123456789abcdef0123456789abcdef","taskStatus":"COMPLETED",` +
		`"taskType":"SCHEDULED_AUDIT_TASK","scheduledAuditName":"nightly","failedChecksCount":1,"canceledChecksCount":0,` +
		`"nonCompliantChecksCount":1,"compliantChecksCount":1,"totalChecksCount":3,"taskStartTime":1772582400000,` +
		`"auditDetails":[{"checkName":"A","checkRunStatus":"FAILED","nonCompliantResourcesCount":0,"totalResourcesCount":0,` +
		`"suppressedNonCompliantResourcesCount":0,"message":"off","errorCode":"AUDIT_CHECK_DISABLED"},` +
		`{"checkName":"B","checkRunStatus":"COMPLETED_COMPLIANT","nonCompliantResourcesCount":0,"totalResourcesCount":0,` +
		`"suppressedNonCompliantResourcesCount":0},{"checkName":"C","checkRunStatus":"COMPLETED_NON_COMPLIANT",` +
		`"nonCompliantResourcesCount":3,"totalResourcesCount":7,"suppressedNonCompliantResourcesCount":1}]}`
	if got := task.CompletedMessage(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
