"""A server of one test, in its process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from executor.localcluster.cluster import Cluster, new_cluster
from executor.localcluster.faults import Faults
from executor.localcluster.server import ApiServer
from executor.localcluster.tokens import Keys

TOKEN = "t0ken"
INNER_TOKEN = "1nner"
SIGNING_KEY = "a signing key that is long enough for its algorithm"


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster and a client of its API."""

    cluster: Cluster
    client: TestClient[Any, Any]

    async def call(self, method: str, path: str, body: object = None, **query: str) -> ClientResponse:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return await self.client.request(method, path, json=body, params=query, headers=headers)

    async def switch(self, name: str, **body: object) -> ClientResponse:
        return await self.call("POST", f"/localcluster/{name}", body)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    cluster = new_cluster(tmp_path, Faults(), keys=Keys(TOKEN, INNER_TOKEN, SIGNING_KEY))
    async with TestClient(TestServer(ApiServer(cluster, switches=True).application())) as client:
        yield Running(cluster, client)
