"""A container's result arrives exact, or one sentence says why not; nothing hangs.

What users suffer: the operator's pod has a sidecar for the result, asked by exec: the pod never ends when the task's
container fails, or when the sidecar does not start; a good value is lost when the API server is away at that moment.
What we promise: no sidecar and no exec, so that the pod ends with the task's container; 1 MB comes exact, through
restarts of the API server at any moment; a task that failed has no result. In virtual time; what the shell around the
command writes: `tests/operators/test_result.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from executor.errors import Unreachable
from executor.operators.xcom import mark_of
from tests.fakes.kube import Call
from tests.operators.world import NAMESPACE, Kube, World

MEGABYTE = "é" * (1 << 19)
STARTS, WRITES = 2.0, 10.0  # seconds, from the pod's making
PIECE, PIECE_TAKES = 1 << 16, 0.01


@dataclass
class Restarting(Kube):
    """An API server that is away between two moments of loop time; logs come in pieces."""

    away_from: float = float("inf")
    away_until: float = float("inf")

    def goes_away(self, start: float, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self.away_from, self.away_until = loop.time() + start, loop.time() + start + seconds
        self.fail = lambda call: self._nobody()
        loop.call_at(self.away_from, self.break_streams, Unreachable("connection reset"))

    def _nobody(self) -> Unreachable | None:
        away = self.away_from <= asyncio.get_running_loop().time() < self.away_until
        return Unreachable("connection refused") if away else None

    async def follow_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> AsyncGenerator[bytes]:
        chunks = super().follow_log(namespace, name, container=container, tail_lines=tail_lines)
        async with aclosing(chunks) as whole:
            async for chunk in whole:
                for start in range(0, len(chunk), PIECE):
                    await asyncio.sleep(PIECE_TAKES)
                    self._answer()
                    yield chunk[start : start + PIECE]

    async def log_so_far(
        self, namespace: str, name: str, container: str, tail_lines: int | None
    ) -> AsyncGenerator[bytes]:
        self.calls.append(Call("get", "pods/log", namespace, name))
        self._answer()
        yield self.logs.get((namespace, name), "").encode()

    def _answer(self) -> None:
        """Raises Unreachable while it is away."""
        error = self._nobody()
        if error is not None:
            raise error


def told(pod: str, value: object) -> str:
    """What the shell around the command writes when the command has ended with 0."""
    mark, content = mark_of(pod), json.dumps(value, ensure_ascii=False)
    return f"\n{mark} {len(content.encode())}\n{content}\n{mark} end\n"


async def lives(world: World, **end: Any) -> None:
    """The container's life: it writes its result and ends."""
    name = await world.pod()
    await asyncio.sleep(STARTS)
    world.kube.play(name).running()
    await asyncio.sleep(WRITES - STARTS)
    if end != SAYS_NOTHING:
        world.kube.writes((NAMESPACE, name), told(name, MEGABYTE))
    world.kube.play(name).finish(**end)


HALF = WRITES + 8 * PIECE_TAKES


@pytest.mark.parametrize("seconds", [2, 30, 120])
@pytest.mark.parametrize("start", [0, STARTS + 1, WRITES - 0.01, WRITES + 0.001, HALF], ids=lambda at: f"at {at:g}")
async def test_row_16_a_megabyte_survives_a_restart_of_the_api_server(start: float, seconds: float) -> None:
    kube = Restarting()
    world = World(kube)
    running = world.start(world.life(do_xcom_push=True))
    living = asyncio.create_task(lives(world))
    kube.goes_away(start, seconds)
    async with asyncio.timeout(WRITES + seconds + 120):
        ending = await running
    await living
    assert (ending.state, (ending.xcoms or {}).get("return_value")) == ("success", MEGABYTE), ending.sentence


async def test_row_16_an_api_server_that_stays_away_is_not_waited_for_without_end() -> None:
    kube = Restarting()
    world = World(kube)
    running = world.start(world.life(do_xcom_push=True))
    living = asyncio.create_task(lives(world))
    kube.goes_away(HALF, 7200)
    async with asyncio.timeout(1200):
        ending = await running
    await living
    assert (ending.state, ending.xcoms) == ("failed", None)
    assert "Its result cannot be read from its log: connection refused" in ending.sentence


SAYS_NOTHING = {"exit_code": 0}
ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "fails": ({"exit_code": 3}, "container base ended with exit code 3"),
    "is killed for its memory": ({"exit_code": 137, "reason": "OOMKilled"}, "killed for using more than the memory"),
    "cannot start": ({"exit_code": 128, "reason": "StartError"}, "could not be started"),
    "says nothing": (SAYS_NOTHING, "the container wrote no /airflow/xcom/return.json"),
}


@pytest.mark.parametrize("end", ENDS)
async def test_row_16_the_pod_ends_with_its_container(end: str) -> None:
    how, sentence = ENDS[end]
    world = World()
    running = world.start(world.life(do_xcom_push=True))
    living = asyncio.create_task(lives(world, **how))
    async with asyncio.timeout(WRITES + 30):
        ending = await running
    await living
    [pod] = world.kube.pods.values()
    assert [container["name"] for container in pod["spec"]["containers"]] == ["base"], "no sidecar that outlives it"
    assert (ending.state, ending.xcoms) == ("failed", None)
    assert sentence in ending.sentence
