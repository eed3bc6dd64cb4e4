"""Container tasks that wait ask nothing, and miss nothing.

What users suffer: deferrable, each pod is polled by a trigger of its own, so that the API server is asked all the time;
what happens between two looks is missed, above all a pod that was cleared away; the log is read into the triggerer's
memory; the logs of init containers are not shown.
What we promise: one watch for all pods of a namespace: below one request a second, however many tasks wait; a pod that
is cleared away the moment it ends has ended well all the same; a log passes through in small pieces. In virtual time;
in a real triggerer, with its memory: `tests/operators/test_pod_waiting.py`.
"""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from tests.operators.test_other_containers import ENDED, RUNNING, put
from tests.operators.world import NAMESPACE, Kube, World, identity

TASKS = 5000 if os.environ.get("SOAK") else 300
LONG = 3600.0
CHUNK, CHUNKS = (b"a line of a thousand bytes".ljust(999, b".") + b"\n") * 60, 200
LITTLE = 4 << 20


async def waiting(world: World, **given: Any) -> list[asyncio.Task[Any]]:
    """Tasks whose pods are made, half of them running."""
    given = {"schedule_timeout_seconds": 86_400, **given}
    lives = [world.start(world.life(identity(one, task_id=f"t{one}"), **given)) for one in range(TASKS)]
    await asyncio.sleep(5)
    for _, name in list(world.kube.pods)[::2]:
        world.kube.play(name).running()
    await asyncio.sleep(5)
    return lives


async def test_row_18_less_than_one_request_a_second() -> None:
    world = World()
    lives = await waiting(world)
    before = Counter(world.kube.calls)
    await asyncio.sleep(LONG)
    asked = Counter(world.kube.calls) - before
    assert not any(life.done() for life in lives)
    assert len(world.kube.pods) == TASKS
    assert asked.total() < LONG, asked.most_common(5)


async def test_row_18_a_pod_that_is_cleared_away_at_once_is_not_missed() -> None:
    world = World()
    lives = await waiting(world, get_logs=False)
    for _, name in list(world.kube.pods):
        world.kube.play(name).running().finish(0).vanish()
    async with asyncio.timeout(5):
        endings = await asyncio.gather(*lives)
    assert Counter(ending.state for ending in endings) == {"success": TASKS}
    assert world.kube.count("create") == TASKS


async def test_row_18_init_containers_are_heard() -> None:
    world = World()
    running = world.start(world.life(init_container_logs=["prepare"]))
    name = await world.pod()
    world.kube.play(name).scheduled()
    world.kube.writes((NAMESPACE, name), "made ready\n")
    put(world, name, "prepare", RUNNING, "Pending", init=True)
    await asyncio.sleep(1)
    put(world, name, "prepare", ENDED, "Pending", init=True)
    await asyncio.sleep(60)
    assert world.said.lines.count("[prepare] made ready") == 1
    world.kube.play(name).running().finish(0)
    assert (await running).state == "success"


@dataclass
class Talkative(Kube):
    """Its containers write 12 MB, faster than anybody reads."""

    async def follow_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> AsyncGenerator[bytes]:
        for _ in range(CHUNKS):
            await asyncio.sleep(0)
            yield CHUNK


async def test_row_18_a_log_passes_through() -> None:
    world = World(Talkative())
    world.log.handlers.clear()
    running = world.start(world.life())
    name = await world.pod()
    world.kube.play(name).scheduled()
    tracemalloc.start()
    try:
        world.kube.play(name).running().finish(0)
        assert (await running).state == "success"
        assert tracemalloc.get_traced_memory()[1] < LITTLE < len(CHUNK) * CHUNKS
    finally:
        tracemalloc.stop()
