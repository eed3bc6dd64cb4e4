"""The node agent: registers one node, runs the pods bound to it, reports on them.

It talks to the API server and to nothing else, so it works against a real one too. All its processes die with it.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from executor.localcluster.node import rootfs
from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json
from executor.localcluster.node.fields import POD_IP, NodeFacts
from executor.localcluster.node.images import ImageEntry, read_entries
from executor.localcluster.node.memory import MemoryWatch
from executor.localcluster.node.mirror import Mirror
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.pod_worker import PodWorker
from executor.localcluster.node.process import Launcher
from executor.localcluster.node.recorder import EventRecorder, now_seconds
from executor.localcluster.quantity import parse_quantity

log = logging.getLogger(__name__)
MAX_PODS = 1000
HEARTBEAT = 60.0


class NodeAgent:
    """One node. cpu and memory are quantities ("4", "8Gi"); state_dir holds logs and volumes, see `pod_dir`."""

    def __init__(
        self,
        api_url: str,
        token: str,
        ca_file: str | None,
        name: str,
        cpu: str,
        memory: str,
        state_dir: Path,
        images: Mapping[str, ImageEntry | Mapping[str, Any]],
    ) -> None:
        self._api = ApiClient(api_url, token, ca_file)
        self._token, self._name, self._cpu, self._memory = token, name, cpu, memory
        self._state_dir, self._images = state_dir.resolve(), read_entries(images)
        self._workers: dict[str, tuple[PodWorker, asyncio.Task[None]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until cancelled, or `stop`. Every process it started has ended then."""
        self._running = asyncio.current_task()
        (self._state_dir / "pods").mkdir(parents=True, exist_ok=True)
        self._state_dir.chmod(0o700)
        try:
            async with self._api:
                await self._serve()
        finally:
            self._running = None

    async def stop(self) -> None:
        """End `run`, killing every process it started."""
        running = self._running
        if running is not None and running is not asyncio.current_task():
            running.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])

    async def _serve(self) -> None:
        self._node = self._context()
        pods = Mirror(self._api, "/api/v1/pods", {"fieldSelector": f"spec.nodeName={self._name}"}, self._pod_changed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._node.events.run())
                group.create_task(self._node.memory.run())
                group.create_task(self._keep_registered())
                group.create_task(pods.run())
        finally:
            await self._stop_workers()
            self._node.launcher.close()

    def _context(self) -> NodeContext:
        return NodeContext(
            api=self._api,
            events=EventRecorder(self._api, "kubelet", self._name),
            memory=MemoryWatch(),
            launcher=Launcher(),
            facts=NodeFacts(self._name, parse_quantity(self._cpu), parse_quantity(self._memory)),
            state_dir=self._state_dir,
            images=self._images,
            machine=rootfs.this_machine(),
            token=self._token,
        )

    def _pod_changed(self, pod: Json, gone: bool) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._workers:
            if gone:
                return
            worker = PodWorker(self._node, pod)
            task = asyncio.create_task(worker.run(), name=f"pod {pod['metadata']['name']}")
            task.add_done_callback(lambda done: self._worker_ended(uid, done))
            self._workers[uid] = (worker, task)
        worker, _ = self._workers[uid]
        if gone:
            worker.lost()
        else:
            worker.update(pod)

    def _worker_ended(self, uid: str, task: asyncio.Task[None]) -> None:
        self._workers.pop(uid, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s ended by an error of the node agent", task.get_name(), exc_info=error)

    async def _stop_workers(self) -> None:
        tasks = [task for _, task in self._workers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_registered(self) -> None:
        """Create the Node object, then renew its Ready condition."""
        pause = 0.2
        while True:
            try:
                await self._register()
                pause = HEARTBEAT
            except (ApiError, *UNREACHABLE) as error:
                log.debug("node %s not registered: %r", self._name, error)
                pause = min(pause * 2, 5.0)
            await asyncio.sleep(pause)

    async def _register(self) -> None:
        path = f"/api/v1/nodes/{self._name}"
        try:
            await self._api.patch(f"{path}/status", {"status": self._node_status()})
        except ApiError as error:
            if error.status != 404:
                raise
            await self._api.post("/api/v1/nodes", self._node_object())
            await self._api.patch(f"{path}/status", {"status": self._node_status()})

    def _node_object(self) -> Json:
        system = {"os": "linux", "arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "unknown")}
        labels = {f"{prefix}kubernetes.io/{key}": value for prefix in ("", "beta.") for key, value in system.items()}
        metadata = {"name": self._name, "labels": {**labels, "kubernetes.io/hostname": self._name}}
        return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}

    def _node_status(self) -> Json:
        now = now_seconds()
        amounts = {"cpu": self._cpu, "memory": self._memory, "pods": str(MAX_PODS), "ephemeral-storage": "100Gi"}
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        return {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": POD_IP}, {"type": "Hostname", "address": self._name}],
            "nodeInfo": {
                "architecture": self._node_object()["metadata"]["labels"]["kubernetes.io/arch"],
                "operatingSystem": "linux",
                "kernelVersion": platform.release(),
                "osImage": "this machine",
                "containerRuntimeVersion": "localcluster://1.0",
                "kubeletVersion": "v1.36.0",
                "kubeProxyVersion": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        }
