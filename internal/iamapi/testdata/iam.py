"""Calls IAM as boto3 does: documents come back as values, and lists by pages."""

import json
import os

import boto3
from botocore.exceptions import ClientError

iam = boto3.client("iam", endpoint_url=os.environ["ENDPOINT"])
trust = {
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": "iot.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }],
}
allow = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "arn:aws:sns:*:*:a b+c/%é"}],
}
audit = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"

made = iam.create_role(RoleName="python", Path="/service-role/", AssumeRolePolicyDocument=json.dumps(trust, indent=2))
assert made["Role"]["AssumeRolePolicyDocument"] == trust, made
iam.put_role_policy(RoleName="python", PolicyName="p", PolicyDocument=json.dumps(allow))
assert iam.get_role_policy(RoleName="python", PolicyName="p")["PolicyDocument"] == allow
iam.attach_role_policy(RoleName="python", PolicyArn=audit)
attached = iam.list_attached_role_policies(RoleName="python")["AttachedPolicies"]
assert attached == [{"PolicyName": "AWSIoTDeviceDefenderAudit", "PolicyArn": audit}], attached
version = iam.get_policy_version(PolicyArn=audit, VersionId="v1")["PolicyVersion"]
assert version["Document"]["Statement"], version
pages = iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 5})
names = [p["PolicyName"] for page in pages for p in page["Policies"]]
assert len(names) == len(set(names)) == 18, names

try:
    iam.delete_role(RoleName="python")
    raise AssertionError("got a role deleted that has policies")
except iam.exceptions.DeleteConflictException as e:
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 409, e.response
iam.detach_role_policy(RoleName="python", PolicyArn=audit)
iam.delete_role_policy(RoleName="python", PolicyName="p")
iam.delete_role(RoleName="python")
try:
    iam.get_role(RoleName="python")
    raise AssertionError("got a role that was deleted")
except ClientError as e:
    assert e.response["Error"]["Code"] == "NoSuchEntity", e.response
