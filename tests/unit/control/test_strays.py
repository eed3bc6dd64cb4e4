"""Pods that another scheduler launched: collected when nothing needs them any more, and not a moment before."""

from __future__ import annotations

import pytest

from executor.model import Launch
from tests.fakes.kube_play import Play
from tests.unit.control.world import World


async def pod_of_another_scheduler(world: World, task_id: str) -> tuple[Launch, Play]:
    """A running worker, old enough to be collected, whose launch this machine has never heard of."""
    launch = world.database.queue(world.task(task_id))
    world.kube.add_pod(world.pods.manifest(launch, 1))
    pod = world.pod_of(launch).running()
    world.database.tis[launch.ti_id].state = "running"
    await world.passes(89)
    return launch, pod


@pytest.mark.parametrize("state", ["success", "deferred", "up_for_reschedule"])
async def test_a_worker_that_has_just_reported_ends_by_itself(state: str):
    """Two schedulers: the other one gives this worker the time to close its log, and so must we."""
    async with World() as world:
        launch, pod = await pod_of_another_scheduler(world, "a")
        world.database.tis[launch.ti_id].state = state
        await world.passes(4)
        assert world.kube.count("delete") == 0
        pod.finish(0)
        await world.passes(1)
        assert world.kube.pods == {}


async def test_one_that_does_not_end_goes_all_the_same():
    async with World() as world:
        launch, _ = await pod_of_another_scheduler(world, "a")
        world.database.tis[launch.ti_id].state = "success"
        await world.passes(15)
        assert world.kube.pods == {}


@pytest.mark.parametrize("fate", ["gone", "another launch"])
async def test_a_worker_whose_row_is_not_its_own_any_more_goes_at_once(fate: str):
    async with World() as world:
        launch, _ = await pod_of_another_scheduler(world, "a")
        ti = world.database.tis[launch.ti_id]
        if fate == "gone":
            del world.database.tis[launch.ti_id]
        else:
            ti.state, ti.try_number, ti.external_executor_id = "queued", 2, world.database.new_launch_id()
        await world.passes(3)
        assert world.kube.pods == {}
