"""Walks through the first steps of AWS IoT Device Defender with boto3: roles, an
audit, the mitigation of what it found, notifications and logs, and takes
everything away again. The endpoint is in ENDPOINT; nothing else is not AWS's."""
import json
import os
import sys
import time

import boto3

CHECK = "LOGGING_DISABLED_CHECK"
AUDIT_POLICY = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"
iam, iot, sns, sts = (boto3.client(s, endpoint_url=os.environ["ENDPOINT"]) for s in ("iam", "iot", "sns", "sts"))


def same(got, want):
    if got != want:
        sys.exit("got %r, want %r" % (got, want))


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [dict(Effect="Allow", **statement)]})


def role(name):
    trust = policy(Principal={"Service": "iot.amazonaws.com"}, Action="sts:AssumeRole")
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]


def ended(describe, task):
    deadline = time.monotonic() + 60
    while describe(taskId=task)["taskStatus"] == "IN_PROGRESS" and time.monotonic() < deadline:
        time.sleep(0.01)
    same(describe(taskId=task)["taskStatus"], "COMPLETED")


account = sts.get_caller_identity()["Account"]
audit_role, logging_role, mitigation_role = role("TutorialAudit"), role("TutorialLogging"), role("TutorialMitigation")
iam.attach_role_policy(RoleName="TutorialAudit", PolicyArn=AUDIT_POLICY)
iam.put_role_policy(RoleName="TutorialLogging", PolicyName="WriteLogs", PolicyDocument=policy(
    Action=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], Resource="arn:aws:logs:*:*:*"))
iam.put_role_policy(RoleName="TutorialMitigation", PolicyName="SetLogging", PolicyDocument=policy(
    Action=["iot:SetV2LoggingOptions", "iam:PassRole"], Resource="*"))

iot.update_account_audit_configuration(roleArn=audit_role, auditCheckConfigurations={CHECK: {"enabled": True}})
audit = iot.start_on_demand_audit_task(targetCheckNames=[CHECK])["taskId"]
ended(iot.describe_audit_task, audit)
(finding,) = iot.list_audit_findings(taskId=audit)["findings"]
same(finding["nonCompliantResource"]["resourceIdentifier"], {"account": account})

iot.create_mitigation_action(actionName="TutorialEnableLogging", roleArn=mitigation_role, actionParams={
    "enableIoTLoggingParams": {"roleArnForLogging": logging_role, "logLevel": "ERROR"}})
iot.start_audit_mitigation_actions_task(taskId="tutorial", target={"findingIds": [finding["findingId"]]},
                                        auditCheckToActionsMapping={CHECK: ["TutorialEnableLogging"]})
ended(iot.describe_audit_mitigation_actions_task, "tutorial")
(execution,) = iot.list_audit_mitigation_actions_executions(
    taskId="tutorial", findingId=finding["findingId"])["actionsExecutions"]
same(execution["status"], "COMPLETED")

topic = sns.create_topic(Name="TutorialNotifications")["TopicArn"]
target = {"targetArn": topic, "roleArn": audit_role, "enabled": True}
iot.update_account_audit_configuration(auditNotificationTargetConfigurations={"SNS": target})
config = iot.describe_account_audit_configuration()
same(config["auditNotificationTargetConfigurations"], {"SNS": target})
same((config["roleArn"], config["auditCheckConfigurations"][CHECK]["enabled"]), (audit_role, True))

logs = iot.get_v2_logging_options()
same((logs["roleArn"], logs["defaultLogLevel"]), (logging_role, "ERROR"))
iot.set_v2_logging_options(defaultLogLevel="DISABLED")
same(iot.get_v2_logging_options()["defaultLogLevel"], "DISABLED")

iot.delete_mitigation_action(actionName="TutorialEnableLogging")
iot.delete_account_audit_configuration()
sns.delete_topic(TopicArn=topic)
iam.delete_role_policy(RoleName="TutorialMitigation", PolicyName="SetLogging")
iam.delete_role_policy(RoleName="TutorialLogging", PolicyName="WriteLogs")
iam.detach_role_policy(RoleName="TutorialAudit", PolicyArn=AUDIT_POLICY)
for name in ("TutorialMitigation", "TutorialLogging", "TutorialAudit"):
    iam.delete_role(RoleName=name)
print("\ndone")
