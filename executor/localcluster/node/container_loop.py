"""Keeps one container of a pod going: starts it, waits for it, starts it again as the restart policy says.

Everything that keeps a container from starting is a waiting state with a reason, and is tried again with back-off
(Kubernetes: "Pod Lifecycle", container states and restart policy). Nothing is started once `stop` is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from executor.localcluster.node import images
from executor.localcluster.node.api import UNREACHABLE, ApiError, Json
from executor.localcluster.node.container_run import EPOCH, ContainerRun, Launch
from executor.localcluster.node.env import ConfigError
from executor.localcluster.node.handlers import Target
from executor.localcluster.node.image_pull import ImagePuller
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.probes import Probe, Prober, probe_of
from executor.localcluster.node.process import StartError
from executor.localcluster.node.recorder import now_seconds
from executor.localcluster.node.state import ContainerRecord, Running, State, Terminated, Waiting
from executor.localcluster.node.termination import Hook, Stop, terminate
from executor.localcluster.node.volume_files import VolumeError
from executor.localcluster.node.waiting import cancel_all, first_of, set_within

LONGEST_CONFIG_RETRY = 10.0
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: "
)


class PodHandle(Protocol):
    """What a container needs of its pod. grace: seconds that a container of it has to end in."""

    node: NodeContext
    pod: Json
    volumes: Mapping[str, str]
    records: dict[str, ContainerRecord]

    @property
    def grace(self) -> float: ...

    def record(self, record: ContainerRecord) -> None: ...


class ContainerLoop:
    """One container over its restarts. `started` is set when it first has started (so says its startup probe, if it
    has one); `stop` asks it to end."""

    def __init__(self, pod: PodHandle, container: Json) -> None:
        self._pod, self._container = pod, container
        self.name = str(container["name"])
        self.started, self.stop = asyncio.Event(), asyncio.Event()
        self._over = asyncio.Event()
        self._run: ContainerRun | None = None
        self._number = self._record.restart_count
        self._again_anyway = False

    async def run(self) -> None:
        """Until the container has ended for good, or `stop` is set and it has ended."""
        timings = self._pod.node.timings
        delay = 0.0
        while not self.stop.is_set():
            ended = await self._once()
            if ended is None:
                return
            self._to(ended)
            if not self._again(ended):
                return
            if delay and await self._back_off(ended, delay):
                return
            delay = min(timings.longest_backoff, delay * 2 or timings.first_backoff)
            self._number += 1

    def kill(self) -> None:
        """The time to end in is over, for good; a preStop hook that still runs leaves a last moment after SIGTERM."""
        self.stop.set()
        self._over.set()

    def memory(self) -> int:
        """Bytes that the running container holds; 0 if none runs."""
        return self._run.memory() if self._run else 0

    def run_out_of_memory(self) -> None:
        """Kill the running container as if it had passed its memory limit."""
        if self._run:
            self._run.run_out_of_memory()

    def _again(self, ended: Terminated) -> bool:
        if self.stop.is_set():
            return False
        role, policy = self._record.role, self._pod.pod["spec"].get("restartPolicy", "Always")
        if role == "sidecar" or (role == "main" and policy == "Always"):
            return True
        return policy != "Never" and (ended.exit_code != 0 or self._again_anyway)

    async def _back_off(self, ended: Terminated, delay: float) -> bool:
        metadata = self._pod.pod["metadata"]
        pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        message = f"back-off {delay:.0f}s restarting failed container={self.name} pod={pod}"
        self._to(Waiting("CrashLoopBackOff", message), last_state=ended)
        self.event("BackOff", f"Back-off restarting failed container {self.name} in pod {pod}", "Warning")
        return await self.pause(delay)

    async def _once(self) -> Terminated | None:
        """Start the container and wait for its end; None if it was stopped before it ran."""
        image = await ImagePuller(self._pod.node, self._pod.pod, self._container, self).obtain()
        pause = self._pod.node.timings.config_retry
        while image is not None:
            launch = Launch(self._pod.pod, self._container, self._number, self._pod.volumes)
            run = ContainerRun(self._pod.node, launch)
            try:
                spec = await run.prepare(image)
                if not spec.argv:
                    raise VolumeError("failed to generate container spec: no command specified")
                self.event("Created", f"Created container: {self.name}")
                await run.start(spec)
            except (StartError, ConfigError, VolumeError, ApiError, OSError, *UNREACHABLE) as error:
                run.discard()
                ended = self._not_started(error)
                if ended or await self.pause(pause):
                    return ended
                pause = min(pause * 2, LONGEST_CONFIG_RETRY)
            else:
                return await self._running(run)
        return None

    def _not_started(self, error: Exception) -> Terminated | None:
        """A program that cannot be executed has ended (StartError, 128); everything else is waited for."""
        if isinstance(error, StartError) and error.kind == "exec":
            message = f"{RUNC}{error}: unknown"
            self.event("Failed", f"Error: {message}", "Warning")
            return Terminated(128, "StartError", EPOCH, now_seconds(), message)
        if isinstance(error, UNREACHABLE) and not isinstance(error, ApiError):
            return None
        reason = "CreateContainerConfigError" if isinstance(error, ConfigError | ApiError) else "CreateContainerError"
        message = str(error)
        if message.startswith("unshare"):
            message += "; containers need root with CAP_SYS_ADMIN, or a kernel that lets users make user namespaces"
        self.waiting(Waiting(reason, message))
        self.event("Failed", f"Error: {message}", "Warning")
        return None

    async def _running(self, run: ContainerRun) -> Terminated:
        """From the start of the program to its end."""
        self._run, self._again_anyway = run, False
        end = asyncio.create_task(run.wait())
        try:
            stop = await self._live(run, end)
            if stop is not None:
                self._again_anyway = stop.again
                self.event("Killing", stop.message)
                await self._end(run, end, stop)
            return await end
        finally:
            self._run = None

    async def _end(self, run: ContainerRun, end: asyncio.Task[Terminated], stop: Stop) -> None:
        if stop.grace is None:
            return await terminate(run, end, self._pre_stop(), self._over)
        over = asyncio.Event()
        timer = asyncio.create_task(self._set_after(stop.grace, over))
        try:
            await terminate(run, end, self._pre_stop(), over)
        finally:
            await cancel_all(timer)

    async def _set_after(self, seconds: float, over: asyncio.Event) -> None:
        await set_within(self._over, seconds)
        over.set()

    async def _live(self, run: ContainerRun, end: asyncio.Task[Terminated]) -> Stop | None:
        """The running program, until it has ended (None) or something wants it to."""
        self.event("Started", f"Started container {self.name}")
        if not await self._post_start(end) and not end.done():
            return self._asked() or Stop("FailedPostStartHook", self._pod.grace)
        self._to_running(run)
        probing = asyncio.create_task(Prober(self._target, self.event, self._healthy).run())
        try:
            await first_of(end, self.stop, probing)
            if end.done():
                return None
            return self._asked() or self._unhealthy(probing.result())
        finally:
            await cancel_all(probing)

    def _to_running(self, run: ContainerRun) -> None:
        started = probe_of(self._container, "startup") is None
        ready = started and probe_of(self._container, "readiness") is None
        image = images.image_id(self._container["image"])
        running = Running(run.started_at)
        self._to(running, container_id=run.container_id, image_id=image, started=started, ready=ready)

    def _asked(self) -> Stop | None:
        return Stop(f"Stopping container {self.name}") if self.stop.is_set() else None

    def _unhealthy(self, probe: Probe) -> Stop:
        """The kubelet's words about a container that fails its liveness or startup probe."""
        never = self._pod.pod["spec"].get("restartPolicy") == "Never" and self._record.role != "sidecar"
        message = f"Container {self.name} failed {probe.kind} probe" + ("" if never else ", will be restarted")
        return Stop(message, self._pod.grace if probe.grace is None else probe.grace, again=not never)

    def _healthy(self, started: bool, ready: bool) -> None:
        self._pod.record(replace(self._record, started=started, ready=ready))
        if started:
            self.started.set()

    @property
    def _target(self) -> Target:
        return Target(self._pod.node.state_dir, self._pod.pod["metadata"]["uid"], self._container)

    async def _post_start(self, end: asyncio.Task[Terminated]) -> bool:
        """True once the container counts as running; the event says no more, as the hook's output may be secret."""
        handler = (self._container.get("lifecycle") or {}).get("postStart")
        if not handler:
            return True
        acting = asyncio.create_task(self._target.act(handler, None))
        try:
            await first_of(acting, self.stop, end)
            if acting.done() and acting.result().ok:
                return True
        finally:
            await cancel_all(acting)
        if acting.done() and not acting.cancelled():
            self.event("FailedPostStartHook", "PostStartHook failed", "Warning")
        return False

    def _pre_stop(self) -> Hook | None:
        handler = (self._container.get("lifecycle") or {}).get("preStop")
        return partial(self._act_before_stop, handler) if handler else None

    async def _act_before_stop(self, handler: Json) -> None:
        outcome = await self._target.act(handler, None)
        if not outcome.ok:
            self.event("FailedPreStopHook", "PreStopHook failed", "Warning")

    @property
    def _record(self) -> ContainerRecord:
        return self._pod.records[self.name]

    def _to(self, state: State, last_state: Terminated | None = None, **changes: Any) -> None:
        """changes: fields of the record beside its state."""
        record = self._record
        if isinstance(state, Running) and isinstance(record.state, Terminated):
            last_state = record.state
        record = replace(record, state=state, last_state=last_state or record.last_state, started=False, ready=False)
        self._pod.record(replace(record, restart_count=self._number, **changes))

    # --- what `image_pull.Reporter` asks for

    def waiting(self, state: Waiting) -> None:
        self._to(state)

    def event(self, reason: str, message: str, kind: str = "Normal") -> None:
        self._pod.node.events.record(self._pod.pod, reason, message, kind, self.name)

    async def pause(self, seconds: float) -> bool:
        """Wait; True at once when the container is to stop."""
        return await set_within(self.stop, seconds)
