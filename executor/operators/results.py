"""The logs of a container task's containers, and its result out of them or out of its termination message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

from executor.errors import ApiError
from executor.identity import pod_name
from executor.kube.client import KubeApi
from executor.manifest.model import JsonMap, container_index
from executor.observe.pod_view import ContainerStatus, PodView, Terminated
from executor.operators.airflow_side import POD_KEYS, RETURN
from executor.operators.outcome import Ending
from executor.operators.stages import Silent, Stages
from executor.operators.task import ContainerTask
from executor.operators.task_log import ContainerLog
from executor.operators.xcom import ResultError, ResultReader, is_wrapped, parse

LAST_LINES: Final = 15.0  # seconds that a log may take to end after its container


@dataclass(slots=True)
class Results:
    """Follows what the task wants to see, from the moment there is something."""

    task: ContainerTask
    api: KubeApi
    log: logging.Logger
    built: JsonMap = field(repr=False)
    stages: Stages = field(default_factory=Silent)
    _mark: str = ""
    _wrapped: bool = False
    _logs: dict[str, ContainerLog] = field(default_factory=dict)
    _following: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        index = container_index(self.built, self.task.base)
        self._wrapped = index is not None and is_wrapped(self.built["spec"]["containers"][index])
        self._mark = pod_name(self.task.identity)
        self.built = {}  # a waiting task need not keep it

    def listen(self, pod: PodView) -> None:
        """Begin with each wanted container that has something to say."""
        for status in self._wanted(pod):
            state = status.state
            if status.name not in self._logs and (state.running is not None or state.terminated is not None):
                self._listen_to(pod, status.name)

    async def finish(self) -> None:
        """Until the logs are complete, or do not come."""
        if self._following:
            await asyncio.wait(self._following, timeout=LAST_LINES)
        for one in self._logs.values():
            if one.problem:
                self.log.warning("The log of container %s is not complete: %s", one.container, one.problem)

    async def close(self) -> None:
        """Stop following."""
        for one in self._following:
            one.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    async def take(self, pod: PodView, end: Terminated, ending: Ending) -> Ending:
        """The ending with the result in it; a failure if there is none that can be used."""
        try:
            value = await self._value(pod) if self._wrapped else parse(end.message, by_message=True)
            xcoms = self._xcoms(pod, value)
        except ResultError as error:
            return Ending("failed", f"{ending.sentence} {error}")
        except ApiError as error:
            return Ending("failed", f"{ending.sentence} Its result cannot be read from its log: {error}")
        return replace(ending, xcoms=xcoms)

    def _xcoms(self, pod: PodView, value: Any) -> dict[str, Any]:
        where = dict(zip(POD_KEYS, (pod.metadata.name, pod.metadata.namespace), strict=True))
        return {**where, **self._parts(value), **({} if value is None else {RETURN: value})}

    def _parts(self, value: Any) -> dict[str, Any]:
        """An XCom for each key, with multiple_outputs. Raises ResultError for a result that has none."""
        if not self.task.parameters.get("multiple_outputs") or value is None:
            return {}
        if not isinstance(value, dict):
            raise ResultError(f"multiple_outputs=True, but the result is a {type(value).__name__} and no JSON object")
        return value

    async def _value(self, pod: PodView) -> Any:
        followed = self._logs.get(self.task.base)
        if followed is not None and followed.reader.seen:
            return followed.reader.value()
        reader = ResultReader.of(self._mark)
        meta = pod.metadata
        async with aclosing(self.api.log_so_far(meta.namespace, meta.name, self.task.base, None)) as chunks:
            async for chunk in chunks:
                reader.feed(chunk)
        reader.end()
        return reader.value()

    def _listen_to(self, pod: PodView, name: str) -> None:
        meta, reader = pod.metadata, ResultReader.of(self._mark)
        follower = ContainerLog(self.api, meta.namespace, meta.name, name, self._shower(name), reader)
        self._logs[name] = follower
        following = asyncio.create_task(follower.follow())
        self._following.add(following)
        following.add_done_callback(self._following.discard)

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
