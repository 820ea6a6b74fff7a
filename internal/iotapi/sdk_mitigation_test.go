package iotapi_test

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

func (j *journey) actions() {
	role := new(cordontest.RoleARN)
	params := map[types.MitigationActionType]types.MitigationActionParams{
		types.MitigationActionTypeUpdateDeviceCertificate:     deactivate(),
		types.MitigationActionTypeUpdateCaCertificate:         deactivateCA(),
		types.MitigationActionTypeAddThingsToThingGroup:       joining("sdk-lab"),
		types.MitigationActionTypeReplaceDefaultPolicyVersion: blanking(),
		types.MitigationActionTypeEnableIotLogging:            logging(types.LogLevelInfo),
		types.MitigationActionTypePublishFindingToSns:         publishing("arn:aws:sns:us-east-1:000000000000:t"),
	}
	params[types.MitigationActionTypeAddThingsToThingGroup].AddThingsToThingGroupParams.OverrideDynamicGroups = new(true)
	for kind, p := range params {
		name := new("sdk-" + string(kind))
		made := step(j, &iot.CreateMitigationActionInput{ActionName: name, RoleArn: role, ActionParams: &p,
			Tags: []types.Tag{{Key: new("team"), Value: new("pumps")}},
		}, &iot.CreateMitigationActionOutput{ActionArn: j.arn("mitigationaction", *name), ActionId: &some})
		other := new(*role + "2")
		step(j, &iot.UpdateMitigationActionInput{ActionName: name, RoleArn: other, ActionParams: &p},
			&iot.UpdateMitigationActionOutput{ActionArn: made.ActionArn, ActionId: made.ActionId})
		step(j, &iot.DescribeMitigationActionInput{ActionName: name}, &iot.DescribeMitigationActionOutput{
			ActionName: name, ActionType: kind, ActionArn: made.ActionArn, ActionId: made.ActionId, RoleArn: other,
			ActionParams: &p, CreationDate: &now, LastModifiedDate: &now,
		})
	}
	last := "sdk-z"
	action(j, j.c, last, deactivate())
	listed := func(name string) *iot.ListMitigationActionsOutput {
		return &iot.ListMitigationActionsOutput{ActionIdentifiers: []types.MitigationActionIdentifier{{
			ActionName: &name, ActionArn: j.arn("mitigationaction", name), CreationDate: &now,
		}}}
	}
	kind := types.MitigationActionTypeUpdateDeviceCertificate
	pages(j, &iot.ListMitigationActionsInput{ActionType: kind, MaxResults: new(int32(1))},
		listed("sdk-"+string(kind)), listed(last))
	step[iot.DeleteMitigationActionOutput](j, &iot.DeleteMitigationActionInput{ActionName: &last}, nil)
}

func (j *journey) mitigating() {
	first, second := register(j, j.c, in(-1)), register(j, j.c, in(-2))
	registerCA(j.T, j.c, rocaCA(j.T), true)
	policy(j.T, j.c, "sdk-broad", broadPolicy)
	checks := []string{checkExpiring, checkCAKey, checkBroad, checkLogging}
	cordontest.Enable(j, j.c, checks...)
	audit, _ := cordontest.Audit(j, j.c, checks...)
	found := byResource(j, j.c, audit)
	past, alsoPast := *found[codePast+" "+first].FindingId, *found[codePast+" "+second].FindingId
	j.mitigationCanceled(audit, first, second)
	j.mitigations.Open()
	j.mitigationFailed(past, alsoPast)
	j.mitigationFiltered(audit)
	j.tasksListed(audit, past)
}

// taskAction is an action that a task applies.
type taskAction struct {
	name   string
	params types.MitigationActionParams
}

// taskBegun starts a task with actions of its own, in the order of the checks
// and lists that they are mapped to. It returns how the task is described
// before any finding is done.
func (j *journey) taskBegun(id string, target *types.AuditMitigationActionsTaskTarget, m mapping, actions ...taskAction,
) *iot.DescribeAuditMitigationActionsTaskOutput {
	described := &iot.DescribeAuditMitigationActionsTaskOutput{
		TaskStatus: types.AuditMitigationActionsTaskStatusInProgress, StartTime: &now, Target: target,
		AuditCheckToActionsMapping: m,
	}
	for _, a := range actions {
		action(j, j.c, a.name, a.params)
		described.ActionsDefinition = append(described.ActionsDefinition, types.MitigationAction{
			Name: &a.name, Id: &some, RoleArn: new(cordontest.RoleARN), ActionParams: &a.params,
		})
	}
	step(j, &iot.StartAuditMitigationActionsTaskInput{
		TaskId: &id, ClientRequestToken: new("token-of-" + id), Target: target, AuditCheckToActionsMapping: m,
	}, &iot.StartAuditMitigationActionsTaskOutput{TaskId: &id})
	return described
}

// ended holds how a task ended, with its statistics by check.
func (j *journey) ended(id string, described *iot.DescribeAuditMitigationActionsTaskOutput,
	status types.AuditMitigationActionsTaskStatus, all map[string]counts,
) {
	cordontest.AwaitMitigation(j, j.c, id)
	described.TaskStatus, described.EndTime = status, &now
	described.TaskStatistics = map[string]types.TaskStatisticsForAuditCheck{}
	for check, n := range all {
		described.TaskStatistics[check] = types.TaskStatisticsForAuditCheck{
			TotalFindingsCount: &n[0], SucceededFindingsCount: &n[1], FailedFindingsCount: &n[2], SkippedFindingsCount: &n[3],
			CanceledFindingsCount: &n[4],
		}
	}
	step(j, &iot.DescribeAuditMitigationActionsTaskInput{TaskId: &id}, described)
}

// mitigationCanceled cancels a task behind its first finding: each has a
// certificate of so many things, to join so many groups, that one slice does
// not take both.
func (j *journey) mitigationCanceled(audit string, certs ...string) {
	const things = 60
	var groups []string
	for i := range 10 {
		groups = append(groups, fmt.Sprintf("sdk-group-%d", i))
		group(j.T, j.c, groups[i], "")
	}
	for i := range things {
		name := fmt.Sprintf("sdk-thing-%d", i)
		thing(j.T, j.c, name, *j.arn("cert", certs[0]))
		step[iot.AttachThingPrincipalOutput](j, &iot.AttachThingPrincipalInput{
			ThingName: &name, Principal: j.arn("cert", certs[1]),
		}, nil)
	}
	const id = "sdk-canceled"
	described := j.taskBegun(id, aim(audit), mapping{checkExpiring: {"join-all"}},
		taskAction{"join-all", joining(groups...)})
	j.mitigations.Await(j, id)
	step[iot.CancelAuditMitigationActionsTaskOutput](j, &iot.CancelAuditMitigationActionsTaskInput{TaskId: new(id)}, nil)
	j.ended(id, described, types.AuditMitigationActionsTaskStatusCanceled,
		map[string]counts{checkExpiring: {2, 1, 0, 0, 1}})
}

// mitigationFailed runs a task whose second action fails, for its group is not
// there, so that those behind it are skipped.
func (j *journey) mitigationFailed(finding, other string) {
	id, names := "sdk-failed", []string{"1-deactivate", "2-join", "3-join", "4-tell"}
	never := joining("sdk-group-1")
	never.AddThingsToThingGroupParams.OverrideDynamicGroups = new(true)
	described := j.taskBegun(id, aimAtFinding(finding, other), mapping{checkExpiring: names},
		taskAction{names[0], deactivate()}, taskAction{names[1], joining("sdk-nothing")},
		taskAction{names[2], never}, taskAction{names[3], publishing("arn:aws:sns:us-east-1:000000000000:t")})
	j.ended(id, described, types.AuditMitigationActionsTaskStatusFailed, map[string]counts{checkExpiring: {2, 0, 2, 0, 0}})
	executed := []types.AuditMitigationActionExecutionMetadata{
		{Status: types.AuditMitigationActionsExecutionStatusCompleted},
		{Status: types.AuditMitigationActionsExecutionStatusFailed, ErrorCode: new("RESOURCE_NOT_FOUND"), Message: &some},
		{Status: types.AuditMitigationActionsExecutionStatusSkipped},
		{Status: types.AuditMitigationActionsExecutionStatusSkipped},
	}
	for i := range executed {
		e := &executed[i]
		e.TaskId, e.FindingId, e.ActionName, e.ActionId, e.StartTime, e.EndTime = &id, &finding, &names[i], &some, &now, &now
	}
	pages(j, &iot.ListAuditMitigationActionsExecutionsInput{TaskId: &id, FindingId: &finding, MaxResults: new(int32(2))},
		&iot.ListAuditMitigationActionsExecutionsOutput{ActionsExecutions: executed[:2]},
		&iot.ListAuditMitigationActionsExecutionsOutput{ActionsExecutions: executed[2:]})
	step(j, &iot.ListAuditMitigationActionsExecutionsInput{TaskId: &id, FindingId: &finding,
		ActionStatus: types.AuditMitigationActionsExecutionStatusFailed,
	}, &iot.ListAuditMitigationActionsExecutionsOutput{ActionsExecutions: executed[1:2]})
}

// mitigationFiltered runs a task for four checks, for one of which the findings
// have another reason code than is asked for.
func (j *journey) mitigationFiltered(audit string) {
	target := aim(audit)
	target.AuditCheckToReasonCodeFilter = mapping{
		checkExpiring: {codeApproaching}, checkCAKey: {codeROCA}, checkBroad: {codeBroad},
		checkLogging: {codeLoggingDisabled},
	}
	const id = "sdk-filtered"
	described := j.taskBegun(id, target, mapping{
		checkExpiring: {"deactivate"}, checkCAKey: {"deactivate-ca"}, checkBroad: {"blank"}, checkLogging: {"log"},
	}, taskAction{"deactivate-ca", deactivateCA()}, taskAction{"deactivate", deactivate()},
		taskAction{"blank", blanking()}, taskAction{"log", logging(types.LogLevelInfo)})
	one := counts{1, 1, 0, 0, 0}
	j.ended(id, described, types.AuditMitigationActionsTaskStatusCompleted, map[string]counts{
		checkExpiring: {2, 0, 0, 2, 0}, checkCAKey: one, checkBroad: one, checkLogging: one,
	})
}

func (j *journey) tasksListed(audit, finding string) {
	mitigate(j, j.c, "sdk-again", aimAtFinding(finding), mapping{checkExpiring: {"deactivate"}})
	listed := func(id string, status types.AuditMitigationActionsTaskStatus) *iot.ListAuditMitigationActionsTasksOutput {
		return &iot.ListAuditMitigationActionsTasksOutput{Tasks: []types.AuditMitigationActionsTaskMetadata{{
			TaskId: &id, StartTime: &now, TaskStatus: status,
		}}}
	}
	from, to := new(j.began.Add(-time.Minute)), new(time.Now().Add(time.Minute))
	pages(j, &iot.ListAuditMitigationActionsTasksInput{StartTime: from, EndTime: to, FindingId: &finding,
		TaskStatus: types.AuditMitigationActionsTaskStatusCompleted, MaxResults: new(int32(1))},
		listed("sdk-again", types.AuditMitigationActionsTaskStatusCompleted),
		listed("sdk-filtered", types.AuditMitigationActionsTaskStatusCompleted))
	step(j, &iot.ListAuditMitigationActionsTasksInput{StartTime: from, EndTime: to, AuditTaskId: &audit,
		TaskStatus: types.AuditMitigationActionsTaskStatusCanceled,
	}, listed("sdk-canceled", types.AuditMitigationActionsTaskStatusCanceled))
}
