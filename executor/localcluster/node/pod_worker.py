"""One pod of this node, from its first sight to its end: a task per pod, as the kubelet has a worker per pod.

Order: volumes, init containers one after the other (sidecars stay), main containers together, sidecars stopped last.
`update`, `evict` and `lost` may be called at any time; a pod told to stop starts nothing more, gets SIGTERM, then
SIGKILL. The status is written by a task of its own, always the newest, so a slow or absent API server holds up no
container. A pod that an earlier life of the agent ran starts again or has failed, as `restore` says.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from executor.localcluster.node import eviction, restore
from executor.localcluster.node.api import UNREACHABLE, ApiError, Json
from executor.localcluster.node.container_loop import ContainerLoop
from executor.localcluster.node.container_run import remove_tree
from executor.localcluster.node.leftovers import clear_runtime_files
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.pod_removal import FIRST_RETRY, LAST_RETRY, remove_object
from executor.localcluster.node.pod_status import PodFacts, located, pod_status
from executor.localcluster.node.pod_volumes import PodVolumes
from executor.localcluster.node.recorder import now_seconds
from executor.localcluster.node.state import ContainerRecord, Waiting
from executor.localcluster.node.status_writer import StatusWriter
from executor.localcluster.node.volume_files import VolumeError
from executor.localcluster.node.waiting import cancel_all, first_of, set_within

log = logging.getLogger(__name__)
FINAL = ("Succeeded", "Failed")
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


async def all_ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Until all tasks have ended. Unlike `gather` it does not pass a cancellation on: containers are killed instead."""
    waiting = list(tasks)
    if waiting:
        await asyncio.wait(waiting)
    for task in waiting:
        task.result()


def seconds_since(moment: str) -> float:
    """moment: RFC 3339."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def written_by_node_controller(pod: Json) -> bool:
    """Whether somebody who took this node for lost has made the pod unready; the kubelet always gives a reason."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready: Json = next((condition for condition in conditions if condition["type"] == "Ready"), {})
    return ready.get("status") == "False" and not ready.get("reason")


class PodWorker:
    """See the module. `pod` is the newest object seen; `records` what is known of its containers, in start order."""

    def __init__(self, node: NodeContext, pod: Json) -> None:
        self.node, self.pod = node, pod
        self.records: dict[str, ContainerRecord] = {record.name: record for record in restore.first_records(pod)}
        self.volumes: Mapping[str, str] = {}
        self._files = PodVolumes(node, lambda: self.pod)
        self._loops: dict[str, ContainerLoop] = {}
        self._stopping, self._kill_time_changed = asyncio.Event(), asyncio.Event()
        self._kill_at = float("inf")
        self._deleted, self._gone = asyncio.Event(), asyncio.Event()
        self._finished = False
        status = pod.get("status") or {}
        started = status.get("startTime") or now_seconds()
        self._facts = PodFacts(pod["spec"].get("restartPolicy", "Always"), started, "", False)
        self._conditions: list[Json] = status.get("conditions") or []
        self._status = StatusWriter(node.api, pod["metadata"], self._compute_status)

    # --- what others tell

    def update(self, pod: Json) -> None:
        """The pod object is now so."""
        before, self.pod = self.pod, pod
        if any(before["metadata"].get(shown) != pod["metadata"].get(shown) for shown in ("labels", "annotations")):
            self._files.refresh_fields()
        if written_by_node_controller(pod):
            self._status.rewrite()
        if pod["metadata"].get("deletionTimestamp"):
            self._deleted.set()
            self._stop_within(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))

    def evict(self) -> None:
        """The node has too little memory: the pod fails at once, and its object stays. A finished one is left so."""
        if self._finished:
            return
        memory = {name: loop.memory() for name, loop in self._loops.items()}
        message = eviction.eviction_message(self.pod, memory)
        self.node.events.record(self.pod, eviction.REASON, message, "Warning")
        self._facts = replace(self._facts, verdict=(eviction.REASON, message), disruption=message)
        self._stop_within(0)

    def run_out_of_memory(self, container: str = "") -> None:
        """The kernel kills a container that runs, by default the first main one; nothing happens if it does not."""
        loop = self._loops.get(container or self.pod["spec"]["containers"][0]["name"])
        if loop is not None:
            loop.run_out_of_memory()

    def lost(self) -> None:
        """The pod object is gone: whatever still runs is stopped and nothing is reported.

        Without a grace period known from before it was deleted by force, which leaves a second.
        """
        self._gone.set()
        self._deleted.set()
        self._status.give_up()
        self._stop_within(max(1.0, float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)))

    @property
    def grace(self) -> float:
        asked = self.pod["metadata"].get("deletionGracePeriodSeconds")
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)

    def record(self, record: ContainerRecord) -> None:
        """A container changed."""
        self.records[record.name] = record
        self._status.changed()

    # --- the life of the pod

    async def run(self) -> None:
        """Until the pod object is gone and nothing of the pod is left on this machine. Cancelled, it kills what runs
        and leaves logs and volumes to the next life of the agent."""
        writer = asyncio.create_task(self._status.run())
        try:
            if (self.pod.get("status") or {}).get("phase") in FINAL:
                self._finished = True
                self._status.give_up()
            else:
                await self._live()
            await self._deleted.wait()
            await remove_object(self.node.api, self.pod["metadata"], self._gone)
        finally:
            await cancel_all(writer)
        await asyncio.to_thread(remove_tree, self.node.pod_dir(self.pod))

    async def _live(self) -> None:
        """From the first container to the final status in the API."""
        if self._take_over():
            self._status.changed()
            watchers = [asyncio.create_task(self._killer()), asyncio.create_task(self._watch_deadline())]
            try:
                await self._run_containers()
            finally:
                await cancel_all(*watchers)
                self._files.close()
        self._finished = True
        await self._status.flush()

    def _take_over(self) -> bool:
        """Go on where an earlier life of the agent ended, if there was one; False if that was the end of the pod."""
        before = restore.records_before(self.pod)
        if not restore.was_running(before):
            return True
        clear_runtime_files(self.node.pod_dir(self.pod))
        if self._facts.restart_policy == "Never" or self._stopping.is_set():
            self._set_records(restore.ended_records(before, now_seconds()))
            self._facts = replace(self._facts, sandbox_ready=True, stopping=True)
            self._stopping.set()
            return False
        self._set_records(restore.restarted_records(self.pod, before, now_seconds()))
        return True

    def _set_records(self, records: Iterable[ContainerRecord]) -> None:
        self.records = {record.name: record for record in records}

    async def _run_containers(self) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            if await self._set_up_volumes() and await self._initialize(tasks):
                mains = [one for one in self.pod["spec"]["containers"] if self.records[one["name"]].exit_code is None]
                for container in mains:
                    tasks[container["name"]] = self._start(container)
                await all_ended(tasks[container["name"]] for container in mains)
            await self._stop_sidecars(tasks)
        except asyncio.CancelledError:
            self._status.give_up()  # nobody is told of this end, as when a machine loses power
            raise
        finally:
            self._kill_all()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        if self._stopping.is_set():
            self._set_records(located(self.records.values(), now_seconds()))

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
                await first_of(self._loops[name].started, self._stopping)
            if self._stopping.is_set():
                return False
        return True

    async def _stop_sidecars(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        """In reverse order, all within the pod's grace period (Kubernetes: "Sidecar Containers")."""
        sidecars = [name for name in tasks if self.records[name].role == "sidecar"]
        if sidecars:
            self._kill_within(self.grace)
        for name in reversed(sidecars):
            self._loops[name].stop.set()
            await all_ended([tasks[name]])

    async def _set_up_volumes(self) -> bool:
        """Retried until it works; False if the pod was stopped before."""
        pause = FIRST_RETRY
        while not self._stopping.is_set():
            try:
                self.volumes = await self._files.set_up()
            except (VolumeError, ApiError, OSError, *UNREACHABLE) as error:
                log.debug("volumes of pod %s: %r", self.pod["metadata"]["name"], error)
            else:
                self._facts = replace(self._facts, sandbox_ready=True)
                return True
            if await set_within(self._stopping, pause):
                break
            pause = min(pause * 2, LAST_RETRY)
        return False

    # --- the end of the pod

    def _stop_within(self, seconds: float) -> None:
        """No container starts any more; running ones get SIGTERM now and SIGKILL after `seconds`."""
        self._kill_within(seconds)
        if seconds <= 0:
            self._kill_all()
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
            await set_within(self._kill_time_changed, None if left == float("inf") else left)
        self._kill_all()

    def _kill_all(self) -> None:
        for loop in self._loops.values():
            loop.kill()

    async def _watch_deadline(self) -> None:
        """Kubernetes: "Jobs", activeDeadlineSeconds of a pod."""
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is not None:
            before = (self.pod.get("status") or {}).get("startTime")
            await asyncio.sleep(max(0.0, seconds - (seconds_since(before) if before else 0)))
            if not self._stopping.is_set():
                self._facts = replace(self._facts, verdict=DEADLINE)
                self._stop_within(self.grace)

    def _compute_status(self) -> Json:
        facts = replace(self._facts, now=now_seconds(), stopping=self._stopping.is_set())
        status = pod_status(list(self.records.values()), facts, self._conditions)
        self._conditions = status["conditions"]
        return status
