"""The node agent: registers one node, runs the pods bound to it, reports on them.

It talks to the API server and to nothing else, so it works against a real one too. All its processes die with it.
Tests make the node fail through `evict`, `run_out_of_memory`, `power` and `cut_off`, or from outside through the file
of `faults`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import ChainMap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from executor.localcluster.node import rootfs
from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json
from executor.localcluster.node.faults import NodeFaults, faults_file, follow_faults
from executor.localcluster.node.fields import NodeFacts
from executor.localcluster.node.images import ImageEntry, ImageStore, read_entries
from executor.localcluster.node.leftovers import remove_leftovers
from executor.localcluster.node.memory import MemoryWatch
from executor.localcluster.node.mirror import Mirror
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.node_object import NodeSize
from executor.localcluster.node.pod_worker import PodWorker
from executor.localcluster.node.process import Launcher
from executor.localcluster.node.recorder import EventRecorder
from executor.localcluster.node.registration import Registration
from executor.localcluster.node.timing import Timings
from executor.localcluster.node.volume_refresh import VolumeRefresher
from executor.localcluster.node.waiting import cancel_all, first_of
from executor.localcluster.quantity import parse_quantity

log = logging.getLogger(__name__)
SWEEP_RETRY = 1.0


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
        timings: Timings | None = None,
    ) -> None:
        self._api = ApiClient(api_url, token, ca_file)
        self._size = NodeSize(name, cpu, memory)
        self._state_dir = state_dir.resolve()
        self._images = ChainMap[str, ImageEntry]({}, read_entries(images))
        self._timings = timings or Timings()
        self._pulled = ImageStore()
        self._workers: dict[str, tuple[PodWorker, asyncio.Task[None]]] = {}
        self._running: asyncio.Task[None] | None = None
        self._on, self._off = asyncio.Event(), asyncio.Event()
        self._on.set()
        self._faults = NodeFaults()

    async def run(self) -> None:
        """Until cancelled, or `stop`. Every process it started has ended then."""
        self._running = asyncio.current_task()
        (self._state_dir / "pods").mkdir(parents=True, exist_ok=True)
        self._state_dir.chmod(0o700)
        path = faults_file(self._state_dir, self._size.name)
        watcher = asyncio.create_task(follow_faults(path, self._timings.faults, self._apply))
        try:
            async with self._api:
                while True:
                    await self._on.wait()
                    await self._serve_while_on()
        finally:
            await cancel_all(watcher)
            self._running = None

    async def stop(self) -> None:
        """End `run`, killing every process it started."""
        running = self._running
        if running is not None and running is not asyncio.current_task():
            running.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])

    # --- mishaps

    def evict(self, uid: str) -> None:
        """End a pod of this node for lack of memory; nothing happens if it does not run here."""
        if uid in self._workers:
            self._workers[uid][0].evict()

    def run_out_of_memory(self, place: str) -> None:
        """Kill a running container as the kernel does at its limit. place: ``<uid>/<container>``, or ``<uid>`` of
        a pod for its first container."""
        uid, _, container = place.partition("/")
        if uid in self._workers:
            self._workers[uid][0].run_out_of_memory(container)

    def power(self, on: bool) -> None:
        """Switch the node off (everything on it ends, unreported) or on again."""
        (self._on if on else self._off).set()
        (self._off if on else self._on).clear()

    def cut_off(self, lost: bool) -> None:
        """Cut the node's connection to the API server, or mend it; containers go on."""
        self._api.cut_off(lost)

    def _apply(self, faults: NodeFaults) -> None:
        self.power(not faults.stop)
        self.cut_off(faults.lose)
        self._set_images(faults.images)
        for uid in set(faults.evict) - set(self._faults.evict):
            self.evict(uid)
        for place in set(faults.oom) - set(self._faults.oom):
            self.run_out_of_memory(place)
        self._faults = faults

    def _set_images(self, images: Mapping[str, ImageEntry]) -> None:
        before = self._faults.images
        for name in {*before, *images}:
            if before.get(name) != images.get(name):
                self._pulled.forget(name)
        self._images.maps[0] = dict(images)

    # --- the node's work

    async def _serve_while_on(self) -> None:
        serving = asyncio.create_task(self._serve(), name=f"node {self._size.name}")
        try:
            await first_of(serving, self._off)
            if serving.done():
                serving.result()
        finally:
            await cancel_all(serving)

    async def _serve(self) -> None:
        self._node = self._context()
        selector = {"fieldSelector": f"spec.nodeName={self._size.name}"}
        pods = Mirror(self._api, "/api/v1/pods", selector, self._pod_changed)
        registration = Registration(self._api, self._size, self._timings.lease)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._node.events.run())
                group.create_task(self._node.memory.run())
                group.create_task(self._node.refresher.run())
                group.create_task(registration.run())
                group.create_task(pods.run())
                group.create_task(self._sweep(pods.synced))
        finally:
            await self._stop_workers()
            self._node.launcher.close()

    def _context(self) -> NodeContext:
        facts = NodeFacts(self._size.name, parse_quantity(self._size.cpu), parse_quantity(self._size.memory))
        return NodeContext(
            api=self._api,
            events=EventRecorder(self._api, "kubelet", self._size.name),
            memory=MemoryWatch(),
            launcher=Launcher(),
            facts=facts,
            state_dir=self._state_dir,
            images=self._images,
            machine=rootfs.this_machine(),
            pulled=self._pulled,
            refresher=VolumeRefresher(self._api, self._timings.refresh),
            timings=self._timings,
        )

    async def _sweep(self, synced: asyncio.Event) -> None:
        await synced.wait()
        while True:
            try:
                return await remove_leftovers(self._api, self._state_dir / "pods", self._workers.__contains__)
            except (ApiError, *UNREACHABLE) as error:
                log.debug("leftovers are removed later: %r", error)
                await asyncio.sleep(SWEEP_RETRY)

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
