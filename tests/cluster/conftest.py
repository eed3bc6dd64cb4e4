"""A local cluster with one node, as a subprocess, and a namespace for each test."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import yaml

from executor.localcluster.node.api import ApiClient, ApiError, Json
from tests.limits import allow

# Seconds; only reached when something is wrong.
START_SECONDS, PATIENCE, LONGEST = 120.0, 60.0, 600.0
QUICK = ("--time", "refresh=0.5", "--time", "config-retry=0.2")


def can_isolate() -> bool:
    """True where root, or any user in a user namespace, may mount."""
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    allow(LONGEST, items, here)
    if can_isolate():
        return
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs root, or a kernel that lets users make user namespaces"))


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    token: str = field(repr=False)
    ca_file: str
    state: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    log: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cluster")
    bare = folder / "bare"
    bare.mkdir()
    entries = {
        "registry.example/missing:1": {"missing": True},
        "registry.example/private:1": {"pullSecret": "pull"},
        "registry.example/slow:1": {"delay": 0.7},
        "configured:1": {
            "entrypoint": ["sh", "-c", 'echo "$GREETING $0 $@ in $(pwd)"'],
            "cmd": ["world"],
            "env": {"GREETING": "hello"},
            "workdir": "/usr/share",
        },
        "no-airflow:1": {"root": str(bare), "mounts": {path: path for path in ("/usr", "/bin", "/lib", "/lib64")}},
    }
    (folder / "images.yaml").write_text(yaml.safe_dump(entries))
    running = start_server(folder, "--images", str(folder / "images.yaml"), *QUICK)
    try:
        yield running
    finally:
        end_server(running)


def end_server(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(PATIENCE)


def start_server(folder: Path, *options: str) -> Server:
    """A local cluster with one node, listening; whoever starts it ends its process."""
    kubeconfig, log = folder / "kubeconfig", folder / "log"
    places = ["--kubeconfig", str(kubeconfig), "--state", str(folder / "state")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "executor.localcluster",
                "--with-parent",
                "--faults",
                "--node",
                "local=8:4Gi",
                *places,
                *options,
            ],
            stdout=output,
            stderr=output,
        )
    return read_kubeconfig(kubeconfig, folder, process, log)


def read_kubeconfig(path: Path, folder: Path, process: subprocess.Popen[bytes], log: Path) -> Server:
    end = time.monotonic() + START_SECONDS
    while not path.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, "the local cluster did not start"
        time.sleep(0.05)
    config = yaml.safe_load(path.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    return Server(cluster["server"], user["token"], str(folder / "ca.crt"), folder / "state", process, log)


class Cluster:
    """What tests do: create, look, wait, in one namespace."""

    def __init__(self, api: ApiClient, server: Server, namespace: str) -> None:
        self.api, self.server, self.namespace = api, server, namespace
        self.path = f"/api/v1/namespaces/{namespace}"
        self._seen: dict[str, str] = {}  # by pod: the version that `waiting` goes on from

    async def create_pod(self, name: str, *containers: Json, **spec: Any) -> Json:
        body = {"restartPolicy": "Never", "containers": list(containers), **spec}
        metadata = {"name": name, **body.pop("metadata", {})}
        created = await self.api.post(f"{self.path}/pods", {"metadata": metadata, "spec": body})
        self._seen[name] = created["metadata"]["resourceVersion"]
        return created

    async def create(self, kind: str, name: str, **content: Any) -> Json:
        return await self.api.post(f"{self.path}/{kind}", {"metadata": {"name": name}, **content})

    async def pod(self, name: str) -> Json | None:
        try:
            return await self.api.get(f"{self.path}/pods/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def wait(self, name: str, condition: Any, seconds: float = PATIENCE) -> Json:
        """The first state of the pod (None: gone) of which `condition` is true."""
        end = time.monotonic() + seconds
        while True:
            pod = await self.pod(name)
            if condition(pod):
                return pod or {}
            assert time.monotonic() < end, f"waited {seconds} s; pod {name} is {pod and pod.get('status')}"
            await asyncio.sleep(0.05)

    async def finished(self, name: str, seconds: float = PATIENCE) -> Json:
        return await self.wait(name, lambda pod: pod and pod["status"].get("phase") in ("Succeeded", "Failed"), seconds)

    async def waiting(self, name: str, reason: str) -> Json:
        """The waiting state of the pod's first container, once it has that reason: the first one since the pod was
        created, or since the one that the last call found, however soon it passed.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._next_waiting(name, reason)
        except TimeoutError:
            pytest.fail(f"waited {PATIENCE} s for {reason}; pod {name} is {await self.pod(name)}")

    async def _next_waiting(self, name: str, reason: str) -> Json:
        while True:
            query = {"resourceVersion": self._seen[name], "fieldSelector": f"metadata.name={name}"}
            async with self.api.watch(f"{self.path}/pods", query) as events:
                async for event in events:
                    self._seen[name] = event["object"]["metadata"]["resourceVersion"]
                    found: Json = state(event["object"]).get("waiting", {})
                    if found.get("reason") == reason:
                        return found

    async def said(self, name: str, words: str) -> None:
        """Until the pod's container has printed that: what its script did before is done."""
        end = time.monotonic() + PATIENCE
        while words not in await self.log(name):
            assert time.monotonic() < end, f"waited {PATIENCE} s for {words!r}"
            await asyncio.sleep(0.05)

    async def wait_until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s"
            await asyncio.sleep(0.05)

    async def log(self, name: str, container: str = "base") -> str:
        url = f"{self.api.url}{self.path}/pods/{name}/log?container={container}"
        async with self.api.session.get(url) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def delete(self, name: str, **options: Any) -> None:
        await self.api.delete(f"{self.path}/pods/{name}", options)

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Reasons and messages of all events about a pod."""
        answer = await self.api.get(f"{self.path}/events", {"fieldSelector": f"involvedObject.name={name}"})
        return [(event["reason"], event["message"]) for event in answer["items"]]

    async def event(self, name: str, reason: str, part: str = "") -> str:
        """The message of an event of that reason about a pod, with that in it, once there is one."""
        end = time.monotonic() + PATIENCE
        while True:
            found = await self.events(name)
            messages = [message for its_reason, message in found if its_reason == reason and part in message]
            if messages:
                return messages[-1]
            assert time.monotonic() < end, f"no event {reason} {part!r}, only {sorted(found)}"
            await asyncio.sleep(0.05)


async def last_of(cluster: Cluster, pod: Json) -> Json:
    """The last state of a pod, as a watch shows it."""
    return (await history(cluster, pod, lambda event: event["type"] == "DELETED"))[-1]


async def history(cluster: Cluster, pod: Json, ends: Callable[[Json], bool]) -> list[Json]:
    """All that a watch shows of a pod after this state of it, up to the event that `ends` says is the last."""
    name, version = pod["metadata"]["name"], pod["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "fieldSelector": f"metadata.name={name}"}
    seen: list[Json] = []
    async with asyncio.timeout(PATIENCE), cluster.api.watch(f"{cluster.path}/pods", query) as events:
        async for event in events:
            if event["type"] != "BOOKMARK":
                seen.append(event["object"])
            if ends(event):
                break
    return seen


def containers(pod: Json | None, kind: str = "containerStatuses") -> dict[str, Json]:
    """The statuses of a pod's containers by name."""
    return {one["name"]: one for one in ((pod or {}).get("status") or {}).get(kind) or ()}


def condition(pod: Json | None, kind: str) -> Json:
    """One condition of a pod; {} if it has none of that type."""
    found = ((pod or {}).get("status") or {}).get("conditions") or ()
    return next((one for one in found if one["type"] == kind), {})


def is_on_this_machine(path: str) -> bool:
    return os.path.lexists(path)


def state(pod: Json | None, number: int = 0, kind: str = "containerStatuses") -> Json:
    """The state of one container of a pod; {} as long as there is none."""
    statuses = ((pod or {}).get("status") or {}).get(kind) or []
    return statuses[number]["state"] if len(statuses) > number else {}


def shell(script: str, name: str = "base", **more: Any) -> Json:
    """A container that runs a shell script."""
    return {"name": name, "image": "machine:1", "command": ["sh", "-c", script], **more}


@asynccontextmanager
async def namespace_of(server: Server) -> AsyncIterator[Cluster]:
    """A namespace of its own, whose pods are deleted at the end."""
    async with ApiClient(server.url, server.token, server.ca_file) as api:
        cluster = Cluster(api, server, f"t-{token_hex(4)}")
        await api.post("/api/v1/namespaces", {"metadata": {"name": cluster.namespace}})
        try:
            yield cluster
        finally:
            for pod in (await api.get(f"{cluster.path}/pods"))["items"]:
                await cluster.delete(pod["metadata"]["name"], gracePeriodSeconds=0)


@pytest.fixture
async def cluster(server: Server) -> AsyncIterator[Cluster]:
    async with namespace_of(server) as cluster:
        yield cluster
