"""One pod of this node, from its first sight to its end: a task per pod, as the kubelet has a worker per pod.

Order: volumes, init containers one after the other (sidecars stay), main containers together, sidecars stopped last.
`update` and `lost` may be called at any time; a pod told to stop starts nothing more, gets SIGTERM, then SIGKILL.
The status is written by a task of its own, always the newest, so a slow or absent API server holds up no container.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from executor.localcluster.node import sources
from executor.localcluster.node.api import UNREACHABLE, ApiError, Json
from executor.localcluster.node.container_loop import ContainerLoop
from executor.localcluster.node.container_run import remove_tree
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.pod_status import PodFacts, located, pod_status
from executor.localcluster.node.recorder import now_seconds
from executor.localcluster.node.state import ContainerRecord, Waiting
from executor.localcluster.node.status_writer import StatusWriter
from executor.localcluster.node.volume_files import VolumeContext, VolumeError
from executor.localcluster.node.volumes import set_up_volume

log = logging.getLogger(__name__)
FIRST_RETRY, LAST_RETRY = 0.5, 5.0
FINAL = ("Succeeded", "Failed")
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def first_records(pod: Json) -> list[ContainerRecord]:
    """Records of a pod whose containers have not been touched."""
    spec = pod["spec"]
    initial = spec.get("initContainers") or ()
    waiting = Waiting("PodInitializing" if initial else "ContainerCreating")
    records = [
        ContainerRecord(c["name"], c["image"], "sidecar" if c.get("restartPolicy") == "Always" else "init", waiting)
        for c in initial
    ]
    return records + [ContainerRecord(c["name"], c["image"], "main", waiting) for c in spec["containers"]]


async def all_ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Until all tasks have ended. Unlike `gather` it does not pass a cancellation on: containers are killed instead."""
    waiting = list(tasks)
    await asyncio.wait(waiting)
    for task in waiting:
        task.result()


class PodWorker:
    """See the module. `pod` is the newest object seen; `records` what is known of its containers, in start order."""

    def __init__(self, node: NodeContext, pod: Json) -> None:
        self.node, self.pod = node, pod
        self.records: dict[str, ContainerRecord] = {record.name: record for record in first_records(pod)}
        self.volumes: Mapping[str, str] = {}
        self._loops: dict[str, ContainerLoop] = {}
        self._stopping, self._kill_time_changed = asyncio.Event(), asyncio.Event()
        self._kill_at = float("inf")
        self._deleted, self._gone = asyncio.Event(), asyncio.Event()
        self._facts = PodFacts(pod["spec"].get("restartPolicy", "Always"), now_seconds(), "", False)
        self._conditions: list[Json] = (pod.get("status") or {}).get("conditions") or []
        self._status = StatusWriter(node.api, pod["metadata"], self._compute_status)

    # --- what others tell

    def update(self, pod: Json) -> None:
        """The pod object is now so."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._deleted.set()
            self._stop_within(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))

    def lost(self) -> None:
        """The pod object is gone: whatever still runs is stopped and nothing is reported.

        Without a grace period known from before it was deleted by force, which leaves a second.
        """
        self._gone.set()
        self._deleted.set()
        self._status.give_up()
        self._stop_within(max(1.0, float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)))

    @property
    def _grace(self) -> float:
        asked = self.pod["metadata"].get("deletionGracePeriodSeconds")
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)

    def record(self, record: ContainerRecord) -> None:
        """A container changed."""
        self.records[record.name] = record
        self._status.changed()

    # --- the life of the pod

    async def run(self) -> None:
        """Until the pod object is gone and nothing of the pod is left on this machine."""
        writer = asyncio.create_task(self._status.run())
        try:
            if (self.pod.get("status") or {}).get("phase") in FINAL:
                self._status.give_up()
            else:
                await self._live()
            await self._remove_object()
        finally:
            await self._cancel(writer)
            await asyncio.to_thread(remove_tree, self.node.pod_dir(self.pod))

    async def _live(self) -> None:
        """From the first container to the final status in the API."""
        self._status.changed()
        watchers = [asyncio.create_task(self._killer()), asyncio.create_task(self._watch_deadline())]
        try:
            await self._run_containers()
        finally:
            await self._cancel(*watchers)
        await self._status.flush()

    @staticmethod
    async def _cancel(*tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_containers(self) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            if await self._set_up_volumes() and await self._initialize(tasks):
                for container in self.pod["spec"]["containers"]:
                    tasks[container["name"]] = self._start(container)
                await all_ended(tasks[container["name"]] for container in self.pod["spec"]["containers"])
            await self._stop_sidecars(tasks)
        finally:
            self._kill_all()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        if self._stopping.is_set():
            self.records = {record.name: record for record in located(self.records.values(), now_seconds())}

    def _start(self, container: Json) -> asyncio.Task[None]:
        name = container["name"]
        self.record(replace(self.records[name], state=Waiting("ContainerCreating")))
        self._loops[name] = ContainerLoop(self, container)
        if self._stopping.is_set():
            self._loops[name].stop.set()
        return asyncio.create_task(self._loops[name].run(), name=f"container {name}")

    async def _initialize(self, tasks: dict[str, asyncio.Task[None]]) -> bool:
        """Run the init containers, start the sidecars; False if the pod goes no further."""
        for container in self.pod["spec"].get("initContainers") or ():
            name = container["name"]
            if self.records[name].role == "init":
                tasks[name] = self._start(container)
                await all_ended([tasks[name]])
                if self.records[name].exit_code != 0:
                    return False
            else:
                tasks[name] = self._start(container)
                await self._first_of(self._loops[name].started, self._stopping)
            if self._stopping.is_set():
                return False
        return True

    @staticmethod
    async def _first_of(*events: asyncio.Event) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _stop_sidecars(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        """In reverse order, all within the pod's grace period (Kubernetes: "Sidecar Containers")."""
        sidecars = [name for name in tasks if self.records[name].role == "sidecar"]
        if sidecars:
            self._kill_within(self._grace)
        for name in reversed(sidecars):
            self._loops[name].stop.set()
            await all_ended([tasks[name]])

    async def _set_up_volumes(self) -> bool:
        """Retried until it works; False if the pod was stopped before."""
        pause = FIRST_RETRY
        while not self._stopping.is_set():
            try:
                self.volumes = await self._make_volumes()
            except (VolumeError, ApiError, OSError, *UNREACHABLE) as error:
                log.debug("volumes of pod %s: %r", self.pod["metadata"]["name"], error)
            else:
                self._facts = replace(self._facts, sandbox_ready=True)
                return True
            if await self._wait_for(self._stopping, pause):
                break
            pause = min(pause * 2, LAST_RETRY)
        return False

    async def _make_volumes(self) -> dict[str, str]:
        volumes = self.pod["spec"].get("volumes") or ()
        found = await sources.fetch(
            self.node.api, self.pod["metadata"]["namespace"], sources.volume_references(volumes)
        )
        context = VolumeContext(self.pod, self.node.facts, found, self.node.token)
        folder = self.node.pod_dir(self.pod)
        folder.mkdir(parents=True, exist_ok=True)
        made = {}
        for volume in volumes:
            try:
                made[volume["name"]] = set_up_volume(volume, folder / ".volumes" / volume["name"], context)
            except VolumeError as error:
                message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                self.node.events.record(self.pod, "FailedMount", message, "Warning")
                raise
        return made

    # --- the end of the pod

    def _stop_within(self, seconds: float) -> None:
        """No container starts any more; running ones get SIGTERM now and SIGKILL after `seconds`."""
        self._kill_within(seconds)
        self._stopping.set()
        for name, loop in self._loops.items():
            if self.records[name].role != "sidecar":
                loop.stop.set()
        self._status.changed()

    def _kill_within(self, seconds: float) -> None:
        if time.monotonic() + seconds < self._kill_at:
            self._kill_at = time.monotonic() + seconds
            self._kill_time_changed.set()

    async def _killer(self) -> None:
        while self._kill_at > time.monotonic():
            self._kill_time_changed.clear()
            left = self._kill_at - time.monotonic()
            await self._wait_for(self._kill_time_changed, None if left == float("inf") else left)
        self._kill_all()

    def _kill_all(self) -> None:
        for loop in self._loops.values():
            loop.kill()

    async def _watch_deadline(self) -> None:
        """Kubernetes: "Jobs", activeDeadlineSeconds of a pod."""
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is not None:
            await asyncio.sleep(seconds)
            if not self._stopping.is_set():
                self._facts = replace(self._facts, verdict=DEADLINE)
                self._stop_within(self._grace)

    async def _remove_object(self) -> None:
        """Once somebody wants the pod deleted: the API object goes last, after the final status."""
        await self._deleted.wait()
        metadata, pause = self.pod["metadata"], FIRST_RETRY
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        while not self._gone.is_set():
            try:
                await self.node.api.delete(
                    f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", options
                )
            except ApiError as error:
                if error.status in (404, 409):  # it is gone; the watch will say so
                    await self._wait_for(self._gone, LAST_RETRY)
                    return
                log.warning("pod %s not removed: %s", metadata["name"], error)
            except UNREACHABLE as error:
                log.debug("pod %s not removed: %r", metadata["name"], error)
            await self._wait_for(self._gone, pause)
            pause = min(pause * 2, LAST_RETRY)

    @staticmethod
    async def _wait_for(event: asyncio.Event, seconds: float | None) -> bool:
        """True if the event was set within the time."""
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _compute_status(self) -> Json:
        facts = replace(self._facts, now=now_seconds(), stopping=self._stopping.is_set())
        status = pod_status(list(self.records.values()), facts, self._conditions)
        self._conditions = status["conditions"]
        return status
