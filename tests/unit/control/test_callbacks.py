"""Callbacks: at most once, and the exit code is the truth."""

from __future__ import annotations

import pytest

from executor.errors import Unreachable
from executor.model import Outcome
from tests.unit.control.world import Cluster, World


@pytest.mark.parametrize(("code", "outcome"), [(0, Outcome.SUCCESS), (1, Outcome.FAILED)])
async def test_running_then_the_exit_code(code: int, outcome: Outcome):
    async with World() as world:
        launch = world.callback()
        await world.passes(1)
        pod = world.pod_of(launch).running()
        await world.passes(2)
        assert world.outcomes(launch) == [Outcome.STARTED]
        assert world.database.callbacks[launch.id] == "running"
        pod.finish(code)
        await world.passes(5)
        assert world.outcomes(launch) == [Outcome.STARTED, outcome]
        assert (world.settled(launch), world.slots, world.kube.pods) == (1, 0, {})


async def test_a_callback_that_vanished_is_failed_and_never_run_again():
    async with World() as world:
        launch = world.callback()
        await world.passes(1)
        world.pod_of(launch).deleted()
        await world.passes(5)
        assert (world.outcomes(launch), world.created(launch)) == ([Outcome.FAILED], 1)


async def test_a_callback_is_followed_after_a_restart():
    kube = Cluster()
    async with World(kube=kube) as world:
        launch = world.callback_launch()
        world.database.callbacks[launch.id] = "running"
        kube.add_pod(world.pods.manifest(launch, 1))
        world.pod_of(launch).running()
        await world.passes(3)
        assert world.slots == 1
        world.pod_of(launch).finish(0)
        await world.passes(4)
        assert world.outcomes(launch)[-1] is Outcome.SUCCESS
        assert (world.settled(launch), kube.pods) == (1, {})


async def test_a_callback_that_nobody_runs_is_failed_once():
    async with World() as world:
        launch = world.callback_launch()
        world.database.callbacks[launch.id] = "queued"
        await world.passes(60)
        assert world.events(launch) == []
        await world.passes(240)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "gone" in world.events(launch)[0].info
        assert world.created(launch) == 0


async def test_a_callback_in_the_work_queue_is_not_taken_for_stale():
    kube = Cluster(quota={"default": 0})
    async with World(kube=kube) as world:
        launch = world.callback()
        await world.passes(600)
        assert world.events(launch) == []
        kube.quota = {}
        await world.passes(40)
        assert world.created(launch) == 1


async def test_callbacks_are_not_called_stale_while_the_cluster_cannot_be_seen():
    kube = Cluster(fail=lambda call: Unreachable("connection refused"))
    async with World(kube=kube) as world:
        launch = world.callback_launch()
        world.database.callbacks[launch.id] = "running"
        kube.add_pod(world.pods.manifest(launch, 1))
        world.pod_of(launch).running()
        await world.passes(600)
        assert world.events(launch) == []
        kube.fail = lambda call: None
        await world.passes(60)
        world.pod_of(launch).finish(0)
        await world.passes(4)
        assert world.outcomes(launch)[-1] is Outcome.SUCCESS
