"""The logs of a container task's containers, and its result out of them or out of its termination message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from executor.errors import ApiError, Transient
from executor.identity import pod_name
from executor.kube.client import KubeApi
from executor.kube.reflector import BackOff
from executor.manifest.model import JsonMap, container_index
from executor.observe.pod_view import ContainerStatus, PodView, Terminated
from executor.operators.airflow_side import RETURN
from executor.operators.hub import Follower
from executor.operators.outcome import Ending
from executor.operators.stages import Silent, Stages
from executor.operators.task import ContainerTask
from executor.operators.task_log import ContainerLog
from executor.operators.turns import Place, Turns
from executor.operators.xcom import ResultError, ResultReader, is_wrapped, parse

LATE: Final = 15.0  # seconds that another container of the pod may start after the task's has ended
LAST_LINES: Final = 15.0  # seconds in which something of a log must come after its container's end
RESULT_WITHIN: Final = 600.0  # seconds for which the API server may be away before a result is given up
_IN_TURNS: Final = (
    "The log of container %s comes later: this process follows %d logs at once, and the others in turn, or when "
    "their containers have ended"
)


@dataclass(slots=True)
class Results:
    """Follows what the task wants to see, from the moment there is something."""

    task: ContainerTask
    api: KubeApi
    log: logging.Logger
    built: JsonMap = field(repr=False)
    stages: Stages = field(default_factory=Silent)
    turns: Turns = field(default_factory=Turns)
    _mark: str = ""
    _wrapped: bool = False
    _logs: dict[str, ContainerLog] = field(default_factory=dict)
    _following: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        index = container_index(self.built, self.task.base)
        self._wrapped = index is not None and is_wrapped(self.built["spec"]["containers"][index])
        self._mark = pod_name(self.task.identity)
        self.built = {}

    def listen(self, pod: PodView) -> None:
        """Begin with each wanted container that has something to say; one that has ended says no more."""
        for status in self._wanted(pod):
            state = status.state
            if status.name not in self._logs and (state.running is not None or state.terminated is not None):
                self._listen_to(pod, status.name)
            if status.name in self._logs and state.terminated is not None:
                self._logs[status.name].place.end()

    async def finish(self, follower: Follower) -> None:
        """Until the logs of the ended containers are complete or nothing comes any more; soon for the others."""
        await self._begun(follower)
        got = -1
        while (open_ones := self._open(ended=True)) and got != (got := self._progress()):
            await asyncio.wait(open_ones, timeout=LAST_LINES)
        if others := self._open(ended=False):
            await asyncio.wait(others, timeout=LAST_LINES)
        for name, following in self._following.items():
            problem = self._logs[name].problem or ("" if following.done() else "it did not end")
            if problem:
                self.log.warning("The log of container %s is not complete: %s", name, problem)

    async def _begun(self, follower: Follower) -> None:
        """Until each wanted container has something to say, or will not have."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE):
                while self._silent(follower):
                    follower.changed.clear()
                    await follower.changed.wait()
        if follower.pod is not None:
            self.listen(follower.pod)

    def _silent(self, follower: Follower) -> bool:
        pod = follower.pod
        if pod is None or not follower.present or pod.status.phase in ("Succeeded", "Failed"):
            return False
        return any(one.state.waiting is not None for one in self._wanted(pod))

    def _open(self, *, ended: bool) -> list[asyncio.Task[None]]:
        tasks = self._following.items()
        return [task for name, task in tasks if not task.done() and self._logs[name].place.ended is ended]

    def _progress(self) -> int:
        """Grows while there is something to wait for: lines of ours, or others' before ours."""
        return self.turns.done + sum(one.taken for one in self._logs.values())

    async def close(self) -> None:
        """Stop following. What went wrong in it is said."""
        for one in self._following.values():
            one.cancel()
        found = await asyncio.gather(*self._following.values(), return_exceptions=True)
        for name, error in zip(self._following, found, strict=True):
            if isinstance(error, Exception):
                self.log.error("The log of container %s was not shown to its end: %s", name, error, exc_info=error)

    async def take(self, pod: PodView, end: Terminated, ending: Ending) -> Ending:
        """The ending with the result in it; a failure if there is none that can be used."""
        try:
            value = await self._value(pod) if self._wrapped else parse(end.message, by_message=True)
            xcoms = {**self._parts(value), **({} if value is None else {RETURN: value})}
        except ResultError as error:
            return Ending("failed", f"{ending.sentence} {error}")
        except ApiError as error:
            return Ending("failed", f"{ending.sentence} Its result cannot be read from its log: {error}")
        return replace(ending, xcoms=xcoms)

    def _parts(self, value: Any) -> dict[str, Any]:
        """An XCom for each key, with multiple_outputs. Raises ResultError for a result that has none."""
        if not self.task.parameters.get("multiple_outputs") or value is None:
            return {}
        if not isinstance(value, dict):
            raise ResultError(f"multiple_outputs=True, but the result is a {type(value).__name__} and no JSON object")
        return value

    async def _value(self, pod: PodView) -> Any:
        """Raises ResultError, and ApiError where the log is gone or the API server stays away."""
        followed = self._logs.get(self.task.base)
        if followed is not None and followed.reader.seen:
            return followed.reader.value()
        loop, back_off = asyncio.get_running_loop(), BackOff()
        limit = loop.time() + RESULT_WITHIN
        while True:
            try:
                return (await self._read(pod)).value()
            except Transient as error:
                if loop.time() > limit:
                    raise
                self.log.warning("The result cannot be read yet: %s", error)
                await asyncio.sleep(back_off.after(error))

    async def _read(self, pod: PodView) -> ResultReader:
        """The whole log once more. Raises ApiError."""
        reader, meta = ResultReader.of(self._mark), pod.metadata
        async with aclosing(self.api.log_so_far(meta.namespace, meta.name, self.task.base, None)) as chunks:
            async for chunk in chunks:
                reader.feed(chunk)
        reader.end()
        return reader

    def _listen_to(self, pod: PodView, name: str) -> None:
        meta, reader = pod.metadata, ResultReader.of(self._mark)
        place, show = Place(self.turns), self._shower(name)
        waits = partial(self.log.info, _IN_TURNS, name, self.turns.at_once)
        follower = ContainerLog(self.api, meta.namespace, meta.name, name, show, reader, place, waits)
        self._logs[name] = follower
        self._following[name] = asyncio.create_task(follower.follow())

    def _shower(self, name: str) -> Any:
        prefixed = self.task.parameters.get("container_name_log_prefix_enabled", True)
        prefix = f"[{name}] " if prefixed else ""

        def show(line: str) -> None:
            formatted = self.stages.line(name, line)
            self.log.info("%s", f"{prefix}{line}" if formatted is None else formatted)

        return show

    def _wanted(self, pod: PodView) -> Iterator[ContainerStatus]:
        given = self.task.parameters
        if given.get("get_logs"):
            yield from _chosen(pod.status.container_statuses, given.get("container_logs") or self.task.base)
        yield from _chosen(pod.status.init_container_statuses, given.get("init_container_logs") or [])


def _chosen(statuses: tuple[ContainerStatus, ...], names: Any) -> Iterator[ContainerStatus]:
    """names: True for all, one name, or several."""
    for status in statuses:
        if names is True or status.name == names or (isinstance(names, list) and status.name in names):
            yield status
