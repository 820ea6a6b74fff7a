package server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func TestAFindingOfTheAccountIsMitigated(t *testing.T) {
	cordontest.OnEach(t, func(t *testing.T, c *cordontest.Cordon) {
		const check = "LOGGING_DISABLED_CHECK"
		client := c.IoT()
		cordontest.Enable(t, client, check)
		id, audit := cordontest.Audit(t, client, check)
		if got := audit.AuditDetails[check].CheckRunStatus; got != types.AuditCheckRunStatusCompletedNonCompliant {
			t.Fatalf("got %s, want COMPLETED_NON_COMPLIANT", got)
		}
		if _, err := client.CreateMitigationAction(t.Context(), &iot.CreateMitigationActionInput{
			ActionName: aws.String("log"), RoleArn: aws.String(cordontest.RoleARN),
			ActionParams: &types.MitigationActionParams{EnableIoTLoggingParams: &types.EnableIoTLoggingParams{
				RoleArnForLogging: aws.String(cordontest.RoleARN), LogLevel: types.LogLevelInfo,
			}},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.StartAuditMitigationActionsTask(t.Context(), &iot.StartAuditMitigationActionsTaskInput{
			TaskId: aws.String("task"), Target: &types.AuditMitigationActionsTaskTarget{AuditTaskId: &id},
			AuditCheckToActionsMapping: map[string][]string{check: {"log"}},
		}); err != nil {
			t.Fatal(err)
		}
		task := cordontest.AwaitMitigation(t, client, "task")
		if task.TaskStatus != types.AuditMitigationActionsTaskStatusCompleted {
			t.Errorf("got %s, want COMPLETED", task.TaskStatus)
		}
		stat := task.TaskStatistics[check]
		if *stat.TotalFindingsCount != 1 || *stat.SucceededFindingsCount != 1 {
			t.Errorf("got %d of %d succeeded, want 1 of 1", *stat.SucceededFindingsCount, *stat.TotalFindingsCount)
		}
		_, again := cordontest.Audit(t, client, check)
		if !*again.AuditDetails[check].CheckCompliant {
			t.Errorf("the account still does not comply after the mitigation")
		}
	})
}
