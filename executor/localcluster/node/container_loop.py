"""Keeps one container of a pod going: starts it, waits for it, starts it again as the restart policy says.

Everything that keeps a container from starting is a waiting state with a reason, and is tried again with back-off
(Kubernetes: "Pod Lifecycle", container states and restart policy). Nothing is started once `stop` is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from signal import SIGKILL, SIGTERM
from typing import Protocol

from executor.localcluster.node import images
from executor.localcluster.node.api import UNREACHABLE, ApiError, Json
from executor.localcluster.node.container_run import EPOCH, ContainerRun, Launch
from executor.localcluster.node.env import ConfigError
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.process import StartError
from executor.localcluster.node.recorder import now_seconds
from executor.localcluster.node.state import ContainerRecord, Running, Terminated, Waiting
from executor.localcluster.node.volume_files import VolumeError

FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 300.0
CONFIG_RETRY = 1.0
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: "
)


class PodHandle(Protocol):
    """What a container needs of its pod."""

    node: NodeContext
    pod: Json
    volumes: Mapping[str, str]
    records: dict[str, ContainerRecord]

    def record(self, record: ContainerRecord) -> None: ...


class ContainerLoop:
    """One container over its restarts. `started` is set when it first runs; `stop` asks it to end."""

    def __init__(self, pod: PodHandle, container: Json) -> None:
        self._pod, self._container = pod, container
        self.name = str(container["name"])
        self.started, self.stop = asyncio.Event(), asyncio.Event()
        self._run: ContainerRun | None = None
        self._number = 0
        self._killed = False

    async def run(self) -> None:
        """Until the container has ended for good, or `stop` is set and it has ended."""
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
            delay = min(LONGEST_BACKOFF, delay * 2 or FIRST_BACKOFF)
            self._number += 1

    def kill(self) -> None:
        """End the container now, and for good."""
        self._killed = True
        self.stop.set()
        if self._run is not None:
            self._run.signal(SIGKILL)

    def _again(self, ended: Terminated) -> bool:
        if self.stop.is_set():
            return False
        role, policy = self._record.role, self._pod.pod["spec"].get("restartPolicy", "Always")
        if role == "sidecar" or (role == "main" and policy == "Always"):
            return True
        return policy != "Never" and ended.exit_code != 0

    async def _back_off(self, ended: Terminated, delay: float) -> bool:
        metadata = self._pod.pod["metadata"]
        pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        message = f"back-off {delay:.0f}s restarting failed container={self.name} pod={pod}"
        self._to(Waiting("CrashLoopBackOff", message), last_state=ended)
        self._event("BackOff", f"Back-off restarting failed container {self.name} in pod {pod}", "Warning")
        return await self._pause(delay)

    async def _once(self) -> Terminated | None:
        """Start the container and wait for its end; None if it was stopped before it ran."""
        image = await self._image()
        pause = CONFIG_RETRY
        while image is not None:
            launch = Launch(self._pod.pod, self._container, self._number, self._pod.volumes)
            run = ContainerRun(self._pod.node, launch)
            try:
                spec = await run.prepare(image)
                if not spec.argv:
                    raise VolumeError("failed to generate container spec: no command specified")
                self._event("Created", f"Created container: {self.name}")
                await run.start(spec)
            except (StartError, ConfigError, VolumeError, ApiError, OSError, *UNREACHABLE) as error:
                run.discard()
                ended = self._not_started(error)
                if ended or await self._pause(pause):
                    return ended
                pause = min(pause * 2, FIRST_BACKOFF)
            else:
                return await self._running(run)
        return None

    def _not_started(self, error: Exception) -> Terminated | None:
        """A program that cannot be executed has ended (StartError, 128); everything else is waited for."""
        if isinstance(error, StartError) and error.kind == "exec":
            message = f"{RUNC}{error}: unknown"
            self._event("Failed", f"Error: {message}", "Warning")
            return Terminated(128, "StartError", EPOCH, now_seconds(), message)
        if isinstance(error, UNREACHABLE) and not isinstance(error, ApiError):
            return None
        reason = "CreateContainerConfigError" if isinstance(error, ConfigError | ApiError) else "CreateContainerError"
        message = str(error)
        if message.startswith("unshare"):
            message += "; containers need root with CAP_SYS_ADMIN, or a kernel that lets users make user namespaces"
        self._to(Waiting(reason, message))
        self._event("Failed", f"Error: {message}", "Warning")
        return None

    async def _running(self, run: ContainerRun) -> Terminated:
        self._run = run
        self._to(
            Running(run.started_at), container_id=run.container_id, image_id=images.image_id(self._container["image"])
        )
        self._event("Started", f"Started container {self.name}")
        self.started.set()
        end, stop = asyncio.create_task(run.wait()), asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait([end, stop], return_when=asyncio.FIRST_COMPLETED)
            if not end.done():
                self._event("Killing", f"Stopping container {self.name}")
                run.signal(SIGKILL if self._killed else SIGTERM)
            return await end
        finally:
            stop.cancel()
            self._run = None

    async def _image(self) -> images.ImageEntry | None:
        """The image, once it can be had; None if the container was stopped before."""
        name, policy = self._container["image"], self._container.get("imagePullPolicy") or "IfNotPresent"
        pause = FIRST_BACKOFF
        while True:
            try:
                entry = images.resolve(name, policy, self._pod.node.images)
            except images.ImageError as error:
                if await self._no_image(error, pause):
                    return None
                pause = min(pause * 2, LONGEST_BACKOFF)
            else:
                if policy == "Always":
                    self._event("Pulling", f'Pulling image "{name}"')
                self._event("Pulled", f'Container image "{name}" already present on machine')
                return entry

    async def _no_image(self, error: images.ImageError, pause: float) -> bool:
        """Say why, wait; True if the container was stopped meanwhile."""
        name = self._container["image"]
        self._to(Waiting(error.reason, error.message))
        if error.reason != "ErrImagePull":
            self._event("Failed", f"Error: {error.reason}", "Warning")
            return await self._pause(pause)
        self._event("Pulling", f'Pulling image "{name}"')
        self._event("Failed", f'Failed to pull image "{name}": {error.message}', "Warning")
        self._event("Failed", "Error: ErrImagePull", "Warning")
        if await self._pause(1.0):
            return True
        self._to(Waiting("ImagePullBackOff", f'Back-off pulling image "{name}": ErrImagePull: {error.message}'))
        self._event("BackOff", f'Back-off pulling image "{name}"')
        self._event("Failed", "Error: ImagePullBackOff", "Warning")
        return await self._pause(pause)

    async def _pause(self, seconds: float) -> bool:
        """Wait; True at once when the container is to stop."""
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    @property
    def _record(self) -> ContainerRecord:
        return self._pod.records[self.name]

    def _to(self, state: Running | Waiting | Terminated, last_state: Terminated | None = None, **changes: str) -> None:
        record = self._record
        if isinstance(state, Running) and isinstance(record.state, Terminated):
            last_state = record.state
        kept = last_state or record.last_state
        self._pod.record(replace(record, state=state, last_state=kept, restart_count=self._number, **changes))

    def _event(self, reason: str, message: str, kind: str = "Normal") -> None:
        self._pod.node.events.record(self._pod.pod, reason, message, kind, self.name)
