"""Disruptions after the start: the try is given back once, the budget holds, and a failover forgets nothing."""

from __future__ import annotations

import pytest

from executor.model import Outcome
from tests.unit.control.world import World


async def disrupted_while_running(world: World, ti: object) -> object:
    launch = world.queue(ti)  # type: ignore[arg-type]
    await world.passes(1)
    pod = world.runs(launch)
    await world.passes(1)
    pod.disrupt()
    await world.passes(1)
    pod.stopped(137)
    await world.passes(5)
    return launch


async def test_a_disrupted_try_is_given_back_once_and_then_the_scheduler_is_told():
    async with World() as world:
        ti = world.task("a", retries=1)
        launch = await disrupted_while_running(world, ti)
        assert (ti.state, ti.max_tries, world.database.given_back) == ("up_for_retry", 2, [launch.id])
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "was evicted" in world.events(launch)[0].info
        assert "no retry is spent" in world.events(launch)[0].info


async def test_an_event_that_got_lost_does_not_give_back_twice():
    async with World() as world:
        ti = world.task("a", retries=1)
        ti.locked = True
        launch = await disrupted_while_running(world, ti)
        await world.passes(20)
        assert (ti.max_tries, world.database.given_back) == (2, [launch.id])
        ti.locked = False
        await world.passes(10)
        assert (ti.state, ti.max_tries) == ("up_for_retry", 2)


@pytest.mark.parametrize(("retries", "budget", "said"), [(0, 3, "has no retries"), (2, 0, "are spent")])
async def test_without_retries_or_budget_it_fails_and_says_so(retries: int, budget: int, said: str):
    async with World() as world:
        world.database.disruption_retries = budget
        ti = world.task("a", retries=retries)
        launch = await disrupted_while_running(world, ti)
        assert (ti.max_tries, world.database.given_back) == (retries, [])
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert said in world.events(launch)[0].info


async def test_a_database_that_is_away_delays_it_and_loses_nothing():
    async with World() as world:
        ti = world.task("a", retries=1)
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        await world.passes(1)
        world.database.down = True
        pod.disrupt()
        pod.stopped(137)
        await world.passes(30)
        assert (ti.max_tries, world.events(launch)) == (1, [])
        world.database.down = False
        await world.passes(10)
        assert (ti.state, ti.max_tries) == ("up_for_retry", 2)


async def test_relaunches_of_a_former_scheduler_count():
    async with World(launch_retries=2) as world:
        ti = world.task("a")
        launch = world.database.queue(ti)
        world.database.relaunched += [launch.id, launch.id]
        world.machine.adopt([ti.adopted()])
        await world.passes(2)
        world.pod_of(launch).deleted()
        await world.passes(5)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "pod_launch_failure_retries = 2" in world.events(launch)[0].info
