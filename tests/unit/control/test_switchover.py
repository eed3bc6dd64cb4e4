"""Taking over from Airflow's own Kubernetes executor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from executor.model import Adopted, Outcome
from tests.unit.control.database import Ti
from tests.unit.control.world import World


def left_by_upstream(world: World, state: str) -> tuple[Ti, Adopted]:
    """A row as upstream leaves it: named by a scheduler's job id; Airflow has put our job into it."""
    ti = world.task("a", retries=1)
    world.database.queue(ti)
    ti.state, ti.external_executor_id = state, "3"
    launch_id = world.database.new_launch_id()
    world.row_names[launch_id] = "3"
    return ti, replace(ti.adopted(), launch_id=launch_id, row_name="3")


def upstream_pod(ti: Ti, phase: str = "Running") -> dict[str, Any]:
    launch = ti.launch()
    notes = {
        "dag_id": launch.dag_id,
        "task_id": launch.task_id,
        "run_id": launch.run_id,
        "try_number": str(launch.try_number),
    }
    return {
        "metadata": {"name": "upstreams", "labels": {"kubernetes_executor": "True"}, "annotations": notes},
        "spec": {"containers": [{"name": "base", "image": "i"}]},
        "status": {"phase": phase},
    }


async def test_a_pod_of_upstreams_is_followed_and_never_touched():
    async with World() as world:
        ti, adopted = left_by_upstream(world, "running")
        world.kube.add_pod(upstream_pod(ti))
        world.machine.adopt([adopted])
        await world.passes(60)
        assert (world.slots, world.kube.count("delete"), world.kube.count("create")) == (1, 0, 0)
        ti.state = "success"
        await world.passes(40)
        assert (world.slots, world.kube.count("delete"), len(world.kube.pods)) == (0, 0, 1)
        assert world.drained_events() == []


async def test_a_queued_task_whose_pod_is_gone_is_launched_by_us():
    async with World() as world:
        ti, adopted = left_by_upstream(world, "queued")
        world.machine.adopt([adopted])
        await world.passes(30)
        assert ti.external_executor_id == adopted.launch_id
        assert world.created(ti.launch()) == 1
        world.runs(ti.launch())
        world.succeeds(ti.launch())
        await world.passes(5)
        assert world.slots == 0


async def test_a_running_task_whose_pod_is_gone_was_lost_and_gets_its_try_back():
    async with World() as world:
        ti, adopted = left_by_upstream(world, "running")
        world.machine.adopt([adopted])
        await world.passes(30)
        assert (ti.state, ti.max_tries) == ("up_for_retry", 2)
        assert [event.outcome for event in world.drained_events()] == [Outcome.FAILED]


async def test_an_api_server_that_is_away_decides_nothing():
    async with World() as world:
        ti, adopted = left_by_upstream(world, "running")
        world.kube.forbidden.add("default")
        world.machine.adopt([adopted])
        await world.passes(60)
        assert (world.slots, ti.state) == (1, "running")
