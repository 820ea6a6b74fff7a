package iotapi_test

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// untilSchedules is how long after the start of the journey scheduled audits
// are due. A clock that is so much ahead still verifies signatures.
const untilSchedules = 4 * time.Minute

func (j *journey) schedules() {
	cordontest.Enable(j, j.c, checkLogging, checkExpiring)
	first, second := new("sdk-1"), new("sdk-2")
	step(j, &iot.CreateScheduledAuditInput{ScheduledAuditName: first, Frequency: types.AuditFrequencyMonthly,
		DayOfMonth: new("LAST"), TargetCheckNames: []string{checkLogging},
		Tags: []types.Tag{{Key: new("team"), Value: new("pumps")}},
	}, &iot.CreateScheduledAuditOutput{ScheduledAuditArn: j.arn("scheduledaudit", *first)})
	step(j, &iot.CreateScheduledAuditInput{ScheduledAuditName: second, Frequency: types.AuditFrequencyWeekly,
		DayOfWeek: types.DayOfWeekMon, TargetCheckNames: []string{checkLogging},
	}, &iot.CreateScheduledAuditOutput{ScheduledAuditArn: j.arn("scheduledaudit", *second)})
	step(j, &iot.UpdateScheduledAuditInput{ScheduledAuditName: first, DayOfMonth: new("31")},
		&iot.UpdateScheduledAuditOutput{ScheduledAuditArn: j.arn("scheduledaudit", *first)})
	step(j, &iot.UpdateScheduledAuditInput{ScheduledAuditName: second, Frequency: types.AuditFrequencyBiweekly,
		DayOfWeek: types.DayOfWeekSun, TargetCheckNames: []string{checkLogging, checkExpiring},
	}, &iot.UpdateScheduledAuditOutput{ScheduledAuditArn: j.arn("scheduledaudit", *second)})
	step(j, &iot.DescribeScheduledAuditInput{ScheduledAuditName: first}, &iot.DescribeScheduledAuditOutput{
		ScheduledAuditName: first, ScheduledAuditArn: j.arn("scheduledaudit", *first), DayOfMonth: new("31"),
		Frequency: types.AuditFrequencyMonthly, TargetCheckNames: []string{checkLogging},
	})
	step(j, &iot.DescribeScheduledAuditInput{ScheduledAuditName: second}, &iot.DescribeScheduledAuditOutput{
		ScheduledAuditName: second, ScheduledAuditArn: j.arn("scheduledaudit", *second), DayOfWeek: types.DayOfWeekSun,
		Frequency: types.AuditFrequencyBiweekly, TargetCheckNames: []string{checkLogging, checkExpiring},
	})
	pages(j, &iot.ListScheduledAuditsInput{MaxResults: new(int32(1))},
		&iot.ListScheduledAuditsOutput{ScheduledAudits: []types.ScheduledAuditMetadata{{ScheduledAuditName: first,
			ScheduledAuditArn: j.arn("scheduledaudit", *first), Frequency: types.AuditFrequencyMonthly,
			DayOfMonth: new("31")}}},
		&iot.ListScheduledAuditsOutput{ScheduledAudits: []types.ScheduledAuditMetadata{{ScheduledAuditName: second,
			ScheduledAuditArn: j.arn("scheduledaudit", *second), Frequency: types.AuditFrequencyBiweekly,
			DayOfWeek: types.DayOfWeekSun}}})
	for _, name := range []*string{first, second} {
		step[iot.DeleteScheduledAuditOutput](j, &iot.DeleteScheduledAuditInput{ScheduledAuditName: name}, nil)
	}
	j.scheduledAudit()
}

// scheduledAudit puts the clock forward to when a schedule is due, and back.
func (j *journey) scheduledAudit() {
	name := new("sdk-daily")
	step(j, &iot.CreateScheduledAuditInput{ScheduledAuditName: name, Frequency: types.AuditFrequencyDaily,
		TargetCheckNames: []string{checkLogging},
	}, &iot.CreateScheduledAuditOutput{ScheduledAuditArn: j.arn("scheduledaudit", *name)})
	j.ahead.Store(int64(untilSchedules))
	list := &iot.ListAuditTasksInput{TaskType: types.AuditTaskTypeScheduledAuditTask,
		StartTime: new(j.began.Add(-time.Minute)), EndTime: new(j.began.Add(time.Hour))}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	id := ""
	for deadline := time.Now().Add(cordontest.Deadline); id == ""; <-tick.C {
		out := must[*iot.ListAuditTasksOutput](j)(j.c.ListAuditTasks(j.Context(), list))
		if len(out.Tasks) > 0 {
			id = *out.Tasks[0].TaskId
		} else if time.Now().After(deadline) {
			j.Fatal("the schedule did not run when it was due")
		}
	}
	j.ahead.Store(0)
	cordontest.AwaitAudit(j, j.c, id)
	step(j, list, &iot.ListAuditTasksOutput{Tasks: []types.AuditTaskMetadata{{TaskId: &id,
		TaskStatus: types.AuditTaskStatusCompleted, TaskType: types.AuditTaskTypeScheduledAuditTask}}})
	step(j, &iot.DescribeAuditTaskInput{TaskId: &id}, &iot.DescribeAuditTaskOutput{
		TaskStatus: types.AuditTaskStatusCompleted, TaskType: types.AuditTaskTypeScheduledAuditTask, TaskStartTime: &now,
		ScheduledAuditName: name, TaskStatistics: checkCounts(1, 0, 0, 0, 1, 0, 0),
		AuditDetails: map[string]types.AuditCheckDetails{
			checkLogging: checkDetails(types.AuditCheckRunStatusCompletedNonCompliant, 1, 1),
		},
	})
}
