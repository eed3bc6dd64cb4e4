"""Client factories as a user would write them, named by import path in the tests."""

from __future__ import annotations

import os
from typing import Any

from kubernetes import client as sync_client
from kubernetes.aio import client as aio_client

URL = "EXECUTOR_TEST_API"  # where the loopback server is


def nobody_listens() -> sync_client.ApiClient:
    return sync_client.ApiClient(sync_client.Configuration(host="http://127.0.0.1:1"))


def synchronous() -> sync_client.CoreV1Api:
    """What upstream's `client_factory` returns."""
    configuration = sync_client.Configuration(host=os.environ[URL])
    configuration.api_key = {"authorization": "from-a-factory"}
    configuration.api_key_prefix = {"authorization": "Bearer", "BearerToken": "Bearer"}
    return sync_client.CoreV1Api(sync_client.ApiClient(configuration))


async def asynchronous() -> aio_client.ApiClient:
    configuration = aio_client.Configuration(host=os.environ[URL], api_key={"BearerToken": "Bearer from-aio"})
    return aio_client.ApiClient(configuration)


def broken() -> Any:
    raise RuntimeError("the vault is closed")
