"""Audits an account with boto3, mitigates what is found, and reads it back.

The certificates that are expired and expiring are the arguments. The endpoint
is in ENDPOINT; it is the only thing that a program written for AWS changes.
"""
import os
import sys
import time

import boto3

EXPIRED, EXPIRING = sys.argv[1:]
CHECK = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
ROLE = "arn:aws:iam::000000000000:role/Defender"

client = boto3.client("iot", endpoint_url=os.environ["ENDPOINT"])


def wait(describe, task):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        out = describe(taskId=task)
        if out["taskStatus"] != "IN_PROGRESS":
            return out
        time.sleep(0.01)
    sys.exit(task + " did not end")


def same(got, want):
    if got != want:
        sys.exit("got %r, want %r" % (got, want))


def execution(task, finding):
    pages = client.get_paginator("list_audit_mitigation_actions_executions")
    (one,) = [e for p in pages.paginate(taskId=task, findingId=finding) for e in p["actionsExecutions"]]
    same((one["taskId"], one["findingId"], one["actionName"]), (task, finding, "deactivate"))
    assert one["startTime"] <= one["endTime"], one
    return one["status"]


# The audit.
client.update_account_audit_configuration(
    roleArn=ROLE,
    auditCheckConfigurations={CHECK: {"enabled": True}},
)
same(client.describe_account_audit_configuration()["auditCheckConfigurations"][CHECK]["enabled"], True)
audit = client.start_on_demand_audit_task(targetCheckNames=[CHECK])["taskId"]
done = wait(client.describe_audit_task, audit)
same(done["taskStatus"], "COMPLETED")
same(done["auditDetails"][CHECK]["totalResourcesCount"], 3)
same(done["auditDetails"][CHECK]["nonCompliantResourcesCount"], 2)

# What it found.
found = {}
for page in client.get_paginator("list_audit_findings").paginate(taskId=audit, PaginationConfig={"PageSize": 1}):
    for f in page["findings"]:
        found[f["nonCompliantResource"]["resourceIdentifier"]["deviceCertificateId"]] = f
same(sorted(found), sorted([EXPIRED, EXPIRING]))
past, soon = found[EXPIRED], found[EXPIRING]
same(past["reasonForNonComplianceCode"], "CERTIFICATE_PAST_EXPIRATION")
same(soon["reasonForNonComplianceCode"], "CERTIFICATE_APPROACHING_EXPIRATION")
same(client.describe_audit_finding(findingId=past["findingId"])["finding"], past)

# The mitigation of what one audit found for one reason.
client.create_mitigation_action(
    actionName="deactivate", roleArn=ROLE,
    actionParams={"updateDeviceCertificateParams": {"action": "DEACTIVATE"}},
)
response = client.start_audit_mitigation_actions_task(
    taskId="by-audit",
    target={
        "auditTaskId": audit,
        "auditCheckToReasonCodeFilter": {
            CHECK: [
                "CERTIFICATE_PAST_EXPIRATION",
            ]
        }
    },
    auditCheckToActionsMapping={
        CHECK: [
            "deactivate",
        ]
    },
    clientRequestToken="a-token_of-my-own",
)
same(response["taskId"], "by-audit")
done = wait(client.describe_audit_mitigation_actions_task, "by-audit")
same(done["taskStatus"], "COMPLETED")
same(done["taskStatistics"][CHECK], {
    "totalFindingsCount": 2, "succeededFindingsCount": 1, "failedFindingsCount": 0,
    "skippedFindingsCount": 1, "canceledFindingsCount": 0,
})
same(done["target"], {
    "auditTaskId": audit, "auditCheckToReasonCodeFilter": {CHECK: ["CERTIFICATE_PAST_EXPIRATION"]},
})
same(execution("by-audit", past["findingId"]), "COMPLETED")
same(client.describe_certificate(certificateId=EXPIRED)["certificateDescription"]["status"], "INACTIVE")
same(client.describe_certificate(certificateId=EXPIRING)["certificateDescription"]["status"], "ACTIVE")

# The mitigation of a chosen finding, with a token that boto3 makes.
response = client.start_audit_mitigation_actions_task(
    taskId="by-finding",
    target={
        "findingIds": [
            soon["findingId"],
        ]
    },
    auditCheckToActionsMapping={
        CHECK: [
            "deactivate",
        ]
    },
)
same(response["taskId"], "by-finding")
done = wait(client.describe_audit_mitigation_actions_task, "by-finding")
same(done["taskStatus"], "COMPLETED")
same(done["target"], {"findingIds": [soon["findingId"]]})
same(execution("by-finding", soon["findingId"]), "COMPLETED")
same(client.describe_certificate(certificateId=EXPIRING)["certificateDescription"]["status"], "INACTIVE")

# The request syntax of the documentation as it stands names both targets.
try:
    client.start_audit_mitigation_actions_task(
        taskId='string',
        target={
            'auditTaskId': 'string',
            'findingIds': [
                'string',
            ],
            'auditCheckToReasonCodeFilter': {
                'string': [
                    'string',
                ]
            }
        },
        auditCheckToActionsMapping={
            'string': [
                'string',
            ]
        },
        clientRequestToken='string'
    )
    sys.exit("both targets at once were accepted")
except client.exceptions.InvalidRequestException as e:
    same(e.response["ResponseMetadata"]["HTTPStatusCode"], 400)

# The same request again is fine; the id with another token is not.
again = dict(target={"findingIds": [soon["findingId"]]}, auditCheckToActionsMapping={CHECK: ["deactivate"]})
try:
    client.start_audit_mitigation_actions_task(taskId="by-finding", **again)
    sys.exit("a task id was used twice")
except client.exceptions.TaskAlreadyExistsException as e:
    same(e.response["ResponseMetadata"]["HTTPStatusCode"], 400)
print("done")
