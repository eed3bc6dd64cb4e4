"""A worker was lost, its pod goes on: what the next try does with it, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from executor.operators import reattach
from tests.fakes.kube_play import Play
from tests.operators.world import World, identity, next_try, play


async def next_try_of(world: World, happens: Any, **given: Any) -> tuple[str, bool]:
    """What the next try does: the state it comes to, and whether it went on with the pod of the first."""
    first = world.life(**given)
    lost = world.start(first)
    name = await world.pod()
    world.kube.play(name).running()
    await asyncio.sleep(1)
    lost.cancel()
    happens(world.kube.play(name))
    await asyncio.sleep(1)
    second = world.life(next_try(first.task.identity, 2), **given)
    if reattach.wanted(second.task.parameters):
        second.task = await reattach.going_on(second.task, world.watch)
    running = world.start(second)
    await asyncio.sleep(40)
    alive = [key[1] for key, pod in world.kube.pods.items() if pod["status"]["phase"] != "Succeeded"]
    assert len(alive) == 1, "never two pods of one task"
    world.kube.play(alive[0]).running().finish(0)
    return (await running).state, alive == [name]


def nothing(pod: Play) -> None:
    return None


@pytest.mark.parametrize(
    ("happens", "given", "goes_on"),
    [
        (nothing, {}, True),
        (nothing, {"do_xcom_push": False, "name": "mine"}, True),
        (nothing, {"name": "mine", "random_name_suffix": False}, True),
        (nothing, {"reattach_on_restart": False}, False),
        (nothing, {"durable": False, "reattach_on_restart": True}, False),
        (nothing, {"reattach_on_restart": False, "durable": True}, True),
        (Play.disrupt, {}, False),
        (lambda pod: pod.finish(1), {}, False),
        (lambda pod: pod.finish(0), {}, False),
    ],
)
def test_the_next_try_goes_on_with_a_pod_that_is_at_work(happens: Any, given: dict[str, Any], goes_on: bool) -> None:
    async def story() -> tuple[str, bool]:
        return await next_try_of(World(), happens, **given)

    assert play(story) == ("success", goes_on)


def test_a_pod_that_this_task_would_not_make_any_more_is_replaced() -> None:
    async def story() -> None:
        world = World()
        lost = world.start(world.life(name="before"))
        old = await world.pod()
        world.kube.play(old).running()
        await asyncio.sleep(1)
        lost.cancel()
        second = world.life(next_try(identity(), 2), name="after")
        assert await reattach.going_on(second.task, world.watch) is second.task
        running = world.start(second)
        await asyncio.sleep(40)
        assert [key[1].startswith("after") for key in world.kube.pods] == [True]
        running.cancel()

    play(story)
