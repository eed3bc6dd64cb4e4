"""Container tasks in virtual time: a Kubernetes API in memory, an Airflow of one dict, many lives on one loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

from executor.identity import Identity
from executor.kube.client import KubeApi
from executor.kube.settings import KubeSettings
from executor.operators.cluster import ClusterChoice
from executor.operators.hub import NamespaceWatch
from executor.operators.life import Life
from executor.operators.manifest import selector
from executor.operators.outcome import Ending
from executor.operators.parameters import BY_NAME, TOLD
from executor.operators.slots import Slots
from executor.operators.task import ContainerTask
from tests.fakes.kube import EPOCH, FakeKube
from tests.virtual_time import VirtualTimeLoop

T = TypeVar("T")
NAMESPACE = "default"
DEPLOYMENT = "abcd1234"


@dataclass
class Stamper:
    """Puts times before the lines of a log, as a node does: three lines to a second, two of them of the same moment."""

    since: str = ""
    line: int = 0
    _inside: bool = False

    def stamped(self, chunk: bytes) -> bytes:
        return b"".join(map(self._piece, chunk.splitlines(keepends=True)))

    def _piece(self, piece: bytes) -> bytes:
        second = (EPOCH + timedelta(seconds=self.line // 3)).strftime("%Y-%m-%dT%H:%M:%S")
        stamp = b"" if self._inside else f"{second}.{self.line % 3 // 2:09}Z ".encode()
        kept = stamp + piece if f"{second}Z" >= self.since else b""
        self._inside = not piece.endswith(b"\n")
        self.line += not self._inside
        return kept


@dataclass
class Kube(FakeKube):
    """With the two calls that only the real client has."""

    async def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]:
        stamper = Stamper(since)
        async with aclosing(self.follow_log(namespace, name, container=container, tail_lines=2**31 - 1)) as chunks:
            async for chunk in chunks:
                yield stamper.stamped(chunk)

    async def log_so_far(
        self, namespace: str, name: str, container: str, tail_lines: int | None
    ) -> AsyncGenerator[bytes]:
        yield self.logs.get((namespace, name), "").encode()


@dataclass
class FakeAirflow:
    """airflow_side.AirflowSide: the states of tasks by ti id, and what was cleared and stored."""

    states: dict[str, str | None] = field(default_factory=dict)
    cleared: list[str] = field(default_factory=list)
    stored: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    async def extra(self, conn_id: str | None) -> Mapping[str, Any]:
        return {}

    async def state(self, identity: Identity) -> str | None:
        return self.states.get(identity.ti_id, "deferred")

    async def clear_results(self, identity: Identity) -> None:
        self.cleared.append(identity.ti_id)

    async def push(self, identity: Identity, values: Mapping[str, Any], mapped: bool) -> None:
        self.stored[identity.ti_id] = values


class Lines(logging.Handler):
    """What was said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def count(self, words: str) -> int:
        return sum(words in line for line in self.lines)


def identity(number: int = 1, *, try_number: int = 1, task_id: str = "t") -> Identity:
    """Of one try."""
    ti = f"00000000-0000-0000-0000-{number:012d}"
    return Identity(ti, 1, ti, "d", task_id, "r", try_number, -1, DEPLOYMENT, "", "3.3.2")


class World:
    """One triggerer's part of a cluster; `other` makes another triggerer's."""

    def __init__(self, kube: Kube | None = None, airflow: FakeAirflow | None = None, limit: int = 0) -> None:
        self.kube = kube or Kube()
        self.airflow = airflow or FakeAirflow()
        self.slots = Slots(limit)
        self.said = Lines()
        self.log = logging.Logger("task")
        self.log.addHandler(self.said)
        self.watch = NamespaceWatch(cast("KubeApi", self.kube), NAMESPACE, selector(DEPLOYMENT))

    def other(self) -> World:
        """Another triggerer."""
        return World(self.kube, self.airflow)

    def life(self, who: Identity | None = None, **given: Any) -> Life:
        """A task with these parameters."""
        parameters = {name: BY_NAME[name].default for name in TOLD} | {"image": "i", "cmds": ["c"]} | given
        task = ContainerTask(
            identity=who or identity(),
            parameters=parameters,
            choice=ClusterChoice(KubeSettings()),
            namespace=NAMESPACE,
            selector=selector(DEPLOYMENT),
        )
        api = cast("KubeApi", self.kube)
        return Life(task, api, self.watch, self.airflow, self.slots, self.log, now=self.kube.now)

    def start(self, life: Life) -> asyncio.Task[Ending]:
        """Let it run."""
        return asyncio.create_task(life.run())

    async def pod(self, number: int = 0) -> str:
        """The name of a pod, once it is there."""
        while len(self.kube.pods) <= number:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return list(self.kube.pods)[number][1]


def play(story: Callable[[], Awaitable[T]]) -> T:
    """Run a story on a loop whose time jumps."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(_whole(story))
    finally:
        loop.close()


async def _whole(story: Callable[[], Awaitable[T]]) -> T:
    try:
        return await story()
    finally:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def next_try(who: Identity, number: int) -> Identity:
    """The same task instance, tried again."""
    again = identity(number, try_number=who.try_number + 1, task_id=who.task_id)
    return replace(again, dag_id=who.dag_id)
