"""Reads lists to their end with boto3's paginators, or by tokens where boto3
has none.

Standard input has a JSON list of {"operation", "params"}. Standard output gets
a list of the same length: the items of each, as the texts in them; null for an
operation that this boto3 does not know. The endpoint is in ENDPOINT.
"""
import json
import os
import sys

import boto3

PAGE = 7

client = boto3.client("iot", endpoint_url=os.environ["ENDPOINT"])
methods = {api: method for method, api in client.meta.method_to_api_mapping.items()}


def texts(value):
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return []
    return sorted(text for item in value for text in texts(item))


def loop(method, params):
    while True:
        page = getattr(client, method)(**params)
        yield page
        if not page.get("nextToken"):
            return
        if page["nextToken"] == params.get("nextToken"):
            sys.exit(method + ": the same token again")
        params = dict(params, nextToken=page["nextToken"])


def pages(operation, method, params):
    members = client.meta.service_model.operation_model(operation).input_shape.members
    sizes = {size: params.pop(size, PAGE) for size in ("maxResults", "pageSize") if size in members}
    if not client.can_paginate(method):
        return loop(method, dict(params, **sizes))
    config = {"PageSize": size for size in sizes.values()}
    return client.get_paginator(method).paginate(**params, PaginationConfig=config)


def read(operation, params):
    method = methods.get(operation)
    if method is None:
        return None
    items = []
    for page in pages(operation, method, params):
        for value in page.values():
            if isinstance(value, list):
                items.extend(" ".join(texts(item)) for item in value)
    return items


json.dump([read(one["operation"], one["params"]) for one in json.load(sys.stdin)], sys.stdout)
