package iotapi_test

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func (j *journey) auditing() {
	j.auditConfiguration()
	j.auditCanceled()
	j.audits.Open()
	j.auditCompleted()
	step[iot.DeleteAccountAuditConfigurationOutput](j, &iot.DeleteAccountAuditConfigurationInput{
		DeleteScheduledAudits: true,
	}, nil)
}

func (j *journey) auditConfiguration() {
	role := new(cordontest.RoleARN)
	targets := map[string]types.AuditNotificationTarget{
		"SNS": {Enabled: true, RoleArn: role, TargetArn: new("arn:aws:sns:" + j.Region + ":" + j.Account + ":audits")},
	}
	on := map[string]types.AuditCheckConfiguration{
		checkLogging:    enabled(nil),
		checkCAExpiring: enabled(nil),
		checkKey:        enabled(nil),
		checkExpiring:   enabled(map[string]string{"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "45"}),
	}
	step[iot.UpdateAccountAuditConfigurationOutput](j, &iot.UpdateAccountAuditConfigurationInput{
		RoleArn: role, AuditCheckConfigurations: on, AuditNotificationTargetConfigurations: targets,
	}, nil)
	all := map[string]types.AuditCheckConfiguration{}
	for _, check := range built {
		all[check] = on[check]
	}
	step(j, &iot.DescribeAccountAuditConfigurationInput{}, &iot.DescribeAccountAuditConfigurationOutput{
		RoleArn: role, AuditCheckConfigurations: all, AuditNotificationTargetConfigurations: targets,
	})
}

// checkDetails is how an audit describes a check.
func checkDetails(status types.AuditCheckRunStatus, total, nonCompliant int64) types.AuditCheckDetails {
	compliant := status == types.AuditCheckRunStatusCompletedCompliant
	return types.AuditCheckDetails{CheckRunStatus: status, CheckCompliant: &compliant, TotalResourcesCount: &total,
		NonCompliantResourcesCount: &nonCompliant, SuppressedNonCompliantResourcesCount: new(int64(0))}
}

// checkCounts are the statistics of an audit: how many checks there are, in
// progress, waiting, compliant, not compliant, failed and canceled.
func checkCounts(n ...int32) *types.TaskStatistics {
	return &types.TaskStatistics{TotalChecks: &n[0], InProgressChecks: &n[1], WaitingForDataCollectionChecks: &n[2],
		CompliantChecks: &n[3], NonCompliantChecks: &n[4], FailedChecks: &n[5], CanceledChecks: &n[6]}
}

func (j *journey) auditCanceled() {
	id := step(j, &iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{checkLogging, checkCAExpiring}},
		&iot.StartOnDemandAuditTaskOutput{TaskId: &some}).TaskId
	j.audits.Await(j, *id)
	described := &iot.DescribeAuditTaskOutput{
		TaskStatus: types.AuditTaskStatusInProgress, TaskType: types.AuditTaskTypeOnDemandAuditTask, TaskStartTime: &now,
		TaskStatistics: checkCounts(2, 1, 0, 0, 1, 0, 0),
		AuditDetails: map[string]types.AuditCheckDetails{
			checkLogging:    checkDetails(types.AuditCheckRunStatusCompletedNonCompliant, 1, 1),
			checkCAExpiring: checkDetails(types.AuditCheckRunStatusInProgress, 0, 0),
		},
	}
	step(j, &iot.DescribeAuditTaskInput{TaskId: id}, described)
	step[iot.CancelAuditTaskOutput](j, &iot.CancelAuditTaskInput{TaskId: id}, nil)
	described.TaskStatus, described.TaskStatistics = types.AuditTaskStatusCanceled, checkCounts(2, 0, 0, 0, 1, 0, 1)
	described.AuditDetails[checkCAExpiring] = checkDetails(types.AuditCheckRunStatusCanceled, 0, 0)
	step(j, &iot.DescribeAuditTaskInput{TaskId: id}, described)
}

func (j *journey) auditCompleted() {
	register(j, j.c, in(100))
	first, _ := cordontest.Audit(j, j.c, checkCAExpiring)
	second, _ := cordontest.Audit(j, j.c, checkExpiring, checkKey)
	key := checkDetails(types.AuditCheckRunStatusCompletedCompliant, 1, 0)
	key.Message = &some
	step(j, &iot.DescribeAuditTaskInput{TaskId: &second}, &iot.DescribeAuditTaskOutput{
		TaskStatus: types.AuditTaskStatusCompleted, TaskType: types.AuditTaskTypeOnDemandAuditTask, TaskStartTime: &now,
		TaskStatistics: checkCounts(2, 0, 0, 2, 0, 0, 0),
		AuditDetails: map[string]types.AuditCheckDetails{
			checkExpiring: checkDetails(types.AuditCheckRunStatusCompletedCompliant, 1, 0), checkKey: key,
		},
	})
	listed := func(id string) *iot.ListAuditTasksOutput {
		return &iot.ListAuditTasksOutput{Tasks: []types.AuditTaskMetadata{{
			TaskId: &id, TaskStatus: types.AuditTaskStatusCompleted, TaskType: types.AuditTaskTypeOnDemandAuditTask,
		}}}
	}
	pages(j, &iot.ListAuditTasksInput{
		StartTime: new(j.began.Add(-time.Minute)), EndTime: new(time.Now().Add(time.Minute)), MaxResults: new(int32(1)),
		TaskType: types.AuditTaskTypeOnDemandAuditTask, TaskStatus: types.AuditTaskStatusCompleted,
	}, listed(second), listed(first))
}
