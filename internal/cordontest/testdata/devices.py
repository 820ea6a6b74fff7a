"""Makes certificates with boto3 for devices that may talk, and prints them.

The argument is how many. The endpoint of the API is in ENDPOINT; it is the only
thing that a program written for AWS changes.
"""
import json
import os
import sys

import boto3

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/*"},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive", "iot:RetainPublish"],
         "Resource": "arn:aws:iot:*:*:topic/talk/*"},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": [
            "arn:aws:iot:*:*:topicfilter/talk/*", "arn:aws:iot:*:*:topicfilter/$share/*/talk/*"]},
    ],
}

client = boto3.client("iot", endpoint_url=os.environ["ENDPOINT"])
client.create_policy(policyName="Talk", policyDocument=json.dumps(POLICY))
devices = []
for _ in range(int(sys.argv[1])):
    made = client.create_keys_and_certificate(setAsActive=True)
    client.attach_policy(policyName="Talk", target=made["certificateArn"])
    devices.append({"id": made["certificateId"], "certificate": made["certificatePem"],
                    "key": made["keyPair"]["PrivateKey"]})
endpoint = client.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
print(json.dumps({"endpoint": endpoint, "devices": devices}))
