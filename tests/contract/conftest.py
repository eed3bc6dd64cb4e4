"""One suite for any API server: the local cluster, or the one that ``TEST_KUBECONFIG`` names."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from executor.demo.cluster import LocalCluster
from tests.contract.api import PATIENCE, Access, Api, event, eventually

_START_SECONDS = 120.0
_SWITCHES = ("--no-nodes", "--rbac", "--faults")


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig of a server that is up."""
    if given := os.environ.get("TEST_KUBECONFIG"):
        yield Path(given)
        return
    with server(tmp_path_factory.mktemp("contract"), *_SWITCHES) as running:
        yield running.kubeconfig


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig of a local cluster that runs pods; what needs a node is about the local cluster alone."""
    with LocalCluster(tmp_path_factory.mktemp("nodes"), "--rbac", "--node", "local=8:4Gi") as cluster:
        yield cluster.kubeconfig


@dataclass(frozen=True, slots=True)
class Server:
    """A local cluster in a process of its own."""

    kubeconfig: Path
    process: subprocess.Popen[bytes]


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Server]:
    """A local cluster that listens; its process ends with the context, if it has not before."""
    path = folder / "kubeconfig"
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "executor.localcluster", *options, "--with-parent", "--kubeconfig", str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(path, process)
            yield Server(path, process)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_for(path: Path, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while not path.exists():
        assert server.poll() is None, f"the local cluster ended with {server.returncode} before it listened"
        assert time.monotonic() < end, f"the local cluster did not listen within {_START_SECONDS} s"
        time.sleep(0.02)


@pytest.fixture
async def forget(api: Api) -> Callable[[], Awaitable[None]]:
    """Makes the server forget all versions before now, as its own compaction does every five minutes.

    The local cluster has a switch for it; a real server's etcd must be reachable at the URL in ``TEST_ETCD``. Of the
    kinds whose changes a real server keeps in memory it still knows more: so tests of this are about events.
    """
    etcd = os.environ.get("TEST_ETCD")
    if "TEST_KUBECONFIG" in os.environ and not etcd:
        pytest.skip("a real server forgets versions on demand only through its etcd: TEST_ETCD=http://127.0.0.1:2379")

    async def compact() -> None:
        made = await api.created("events", event("newer", api.namespace))
        if etcd is None:
            assert (await api.call("POST", "/localcluster/compact", {})).code == 200
            return
        url, body = f"{etcd}/v3/kv/compaction", {"revision": made["metadata"]["resourceVersion"]}
        async with api.session.post(url, json=body, headers={"Authorization": ""}) as answer:
            assert answer.status == 200, await answer.text()

    return compact


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    """A client whose namespace is made for this test and deleted after it."""
    async with in_new_namespace(kubeconfig) as client:
        yield client


@pytest.fixture
async def node_api(nodes: Path) -> AsyncIterator[Api]:
    """The same for a cluster that runs pods."""
    async with in_new_namespace(nodes) as client:
        yield client


@asynccontextmanager
async def in_new_namespace(kubeconfig: Path) -> AsyncIterator[Api]:
    access = Access.from_kubeconfig(kubeconfig)
    headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
    connector = aiohttp.TCPConnector(ssl=access.context)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        client = Api(session, access, f"contract-{uuid.uuid4().hex[:10]}")
        made = await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": client.namespace}})
        assert made.code == 201, made.text
        await eventually(lambda: _has_account(client))
        yield client
        await client.delete(f"/api/v1/namespaces/{client.namespace}")


async def _has_account(client: Api) -> bool:
    """A controller gives each namespace its service account, without which no pod is admitted."""
    return (await client.get(client.path("serviceaccounts", "default"))).code == 200
