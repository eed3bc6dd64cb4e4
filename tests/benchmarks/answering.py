"""An API server that only answers: what a client can do when the server costs next to nothing.

    python -m tests.benchmarks.answering KUBECONFIG FILE [RUN_SECONDS]

It keeps pods as bytes, plays their lives by itself (running after 50 ms, ended RUN_SECONDS later, 1 by default; 0:
they never end) and notes their ends as `player` does. Nothing is validated, selectors are not heeded, one watch sees
everything. `POST /bench/churn?events=N` changes the status of N pods, sent as fast as the watches take it;
`GET /bench` says what went over the wire. Pods are as large as a real API server's, with managed fields.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import msgspec
from aiohttp import web

from executor.localcluster.kubeconfig import kubeconfig_text, make_certificate

START_SECONDS = 0.05
_encode = msgspec.json.Encoder().encode
# What a real server adds: managed fields of a create and of a kubelet's status.
_MANAGED = [
    {
        "manager": "kubelet",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsV1": {f"f:{'x' * 24}{n}": {} for n in range(45)},
    }
]
_CONDITIONS = [
    {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
]


class _Posted(msgspec.Struct):
    metadata: dict[str, Any]
    spec: msgspec.Raw


class Pods:
    """All there are, and who watches."""

    def __init__(self, ended: IO[str], run_seconds: float) -> None:
        self._ended, self._run_seconds = ended, run_seconds
        self._pods: dict[str, tuple[dict[str, Any], msgspec.Raw, str]] = {}
        self._version = 1
        self._watches: set[asyncio.Queue[bytes]] = set()
        self.counts: Counter[str] = Counter()

    def names(self) -> list[str]:
        return list(self._pods)

    def add(self, body: bytes, namespace: str) -> dict[str, Any]:
        posted = msgspec.json.decode(body, type=_Posted)
        name = posted.metadata["name"]
        meta = {**posted.metadata, "namespace": namespace, "uid": str(uuid4()), "managedFields": _MANAGED}
        meta["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._pods[name] = meta, posted.spec, "Pending"
        self.tell("ADDED", name)
        asyncio.get_running_loop().call_later(START_SECONDS, self.change, name, "Running")
        if self._run_seconds:
            asyncio.get_running_loop().call_later(START_SECONDS + self._run_seconds, self.end, name)
        return meta

    def end(self, name: str) -> None:
        if name in self._pods:
            notes = self._pods[name][0].get("annotations", {})
            self._ended.write(f"{notes['dag_id']} {notes['task_id']} {time.monotonic()}\n")
            self.change(name, "Succeeded")

    def change(self, name: str, phase: str) -> None:
        if name in self._pods:
            meta, spec, _ = self._pods[name]
            self._pods[name] = meta, spec, phase
            self.tell("MODIFIED", name)

    def remove(self, name: str) -> bool:
        if name in self._pods:
            self.tell("DELETED", name)
        return self._pods.pop(name, None) is not None

    def tell(self, kind: str, name: str) -> None:
        line = b'{"type":"' + kind.encode() + b'","object":' + self.document(name) + b"}\n"
        self.counts["watch events"] += len(self._watches)
        self.counts["watch bytes"] += len(line) * len(self._watches)
        for watch in self._watches:
            watch.put_nowait(line)

    def document(self, name: str) -> bytes:
        meta, spec, phase = self._pods[name]
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        return _encode({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": _status(phase)})

    def version(self) -> str:
        return str(self._version)

    async def watch(self, response: web.StreamResponse) -> None:
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._watches.add(lines)
        try:
            with suppress(ConnectionError):  # the client has gone
                while True:
                    batch = [await lines.get()]
                    while not lines.empty():
                        batch.append(lines.get_nowait())
                    await response.write(b"".join(batch))
        finally:
            self._watches.discard(lines)


def _status(phase: str) -> dict[str, Any]:
    times = {"startedAt": "2026-01-01T00:00:00Z"}
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "finishedAt": "2026-01-01T00:00:01Z",
        "containerID": "c://" + "0" * 64,
    }
    state = {"Pending": {"waiting": {"reason": "ContainerCreating"}}, "Running": {"running": times}}
    now = state.get(phase, {"terminated": {**times, **ended}})
    container: dict[str, Any] = {
        "name": "base",
        "image": "i",
        "imageID": "i@sha256:" + "0" * 64,
        "state": now,
        "ready": phase == "Running",
    }
    container |= {"lastState": {}, "restartCount": 0, "containerID": "containerd://" + "0" * 64, "started": True}
    return {"phase": phase, "hostIP": "10.0.0.1", "podIP": "10.0.0.2", "qosClass": "Burstable"} | {
        "conditions": _CONDITIONS,
        "containerStatuses": [container],
    }


def sample(phase: str) -> bytes:
    """A pod of the executor's as this server shows it."""
    labels = {f"label-{n}": "a-value-of-some-length" for n in range(13)}
    meta = {"name": "sales-load-1f0c", "namespace": "airflow", "uid": str(uuid4()), "resourceVersion": "12345"}
    meta |= {"labels": labels, "annotations": labels, "managedFields": _MANAGED}  # type: ignore[dict-item]
    env = [{"name": f"NAME_{n}", "value": "a value of some length"} for n in range(12)]
    spec = {"containers": [{"name": "base", "image": "apache/airflow:3.3.2", "env": env}], "nodeName": "node-1"}
    return _encode({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": _status(phase)})


class Server:
    """The handlers."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    def application(self) -> web.Application:
        application = web.Application(client_max_size=10 * 1024 * 1024)
        pods, one = "/api/v1/namespaces/{namespace}/pods", "/api/v1/namespaces/{namespace}/pods/{name}"
        application.add_routes(
            [
                web.post(pods, self.create),
                web.get(pods, self.read),
                web.get(one, self.read_one),
                web.delete(one, self.delete),
                web.get("/bench", self.counts),
                web.post("/bench/churn", self.churn),
                web.get("/{path:.*}", self.nothing),
                web.route("*", "/{path:.*}", self.anything),
            ]
        )
        return application

    async def create(self, request: web.Request) -> web.Response:
        meta = self._pods.add(await request.read(), request.match_info["namespace"])
        shown = {name: meta[name] for name in ("name", "namespace", "uid")}
        return _json({"kind": "Pod", "apiVersion": "v1", "metadata": shown}, 201)

    async def delete(self, request: web.Request) -> web.Response:
        await request.read()
        found = self._pods.remove(request.match_info["name"])
        return _json({"kind": "Status", "apiVersion": "v1", "code": 200 if found else 404}, 200 if found else 404)

    async def read_one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._pods.names():
            return _json({"kind": "Status", "apiVersion": "v1", "code": 404}, 404)
        return web.Response(body=self._pods.document(name), content_type="application/json")

    async def read(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") in ("1", "true", "True"):
            stream = web.StreamResponse(headers={"Content-Type": "application/json"})
            await stream.prepare(request)
            await self._pods.watch(stream)
            return stream
        self._pods.counts["lists"] += 1
        names, first = self._pods.names(), int(request.query.get("continue", 0))
        last = first + int(request.query.get("limit", 0) or len(names))
        meta = {"resourceVersion": self._pods.version(), "continue": str(last) if last < len(names) else ""}
        items = [msgspec.Raw(self._pods.document(name)) for name in names[first:last]]
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": items})

    async def churn(self, request: web.Request) -> web.Response:
        """All of it is ready before the first byte is sent: not the server is measured. Says which pod is the last."""
        names, last = self._pods.names(), ""
        for number in range(int(request.query["events"])):
            last = names[number % len(names)]
            self._pods.change(last, "Running")
        return _json({"last": last, "resourceVersion": self._pods.version()})

    async def counts(self, request: web.Request) -> web.Response:
        return _json({**self._pods.counts, "pods": len(self._pods.names())})

    async def nothing(self, request: web.Request) -> web.Response:
        return _json({"metadata": {"resourceVersion": self._pods.version()}, "items": []})

    async def anything(self, request: web.Request) -> web.Response:
        await request.read()
        return _json({"metadata": {"name": "x"}, "status": {"allowed": True}}, 201 if request.method == "POST" else 200)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json")


def main(path: str, file: str, run_seconds: str = "1") -> None:
    with Path(file).open("a", buffering=1) as ended:
        asyncio.run(serve(Path(path), ended, float(run_seconds)))


async def serve(path: Path, ended: IO[str], run_seconds: float) -> None:
    """Until stdin ends. Writes the kubeconfig to `path` and says "ready"."""
    application = Server(Pods(ended, run_seconds)).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    # With an authority, though nothing is signed: without one a client loads all of the system's, which takes 30 ms.
    authority = make_certificate().authority
    path.write_text(kubeconfig_text(f"http://127.0.0.1:{runner.addresses[0][1]}", "anybody", authority))  # noqa: ASYNC240  (nobody waits yet)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    main(*sys.argv[1:4])
