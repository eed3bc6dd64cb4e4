"""Pods that do not start: how long they are waited for, and what people are told meanwhile."""

from __future__ import annotations

from executor.model import Outcome
from tests.unit.control.world import World


async def test_an_image_that_is_not_there_fails_within_seconds():
    async with World(timeout_pulling=300.0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).waiting("ErrImagePull", 'failed to resolve "r.io/x:1": not found')
        await world.passes(4)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "ErrImagePull" in world.events(launch)[0].info
        assert (world.settled(launch), world.kube.pods) == (1, {})


async def test_a_missing_secret_of_the_user_has_its_grace():
    async with World(fatal_reasons=frozenset({"CreateContainerConfigError"}), timeout_config=60.0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).waiting("CreateContainerConfigError", 'secret "s" not found in namespace')
        await world.passes(50)
        assert world.events(launch) == []
        (told,) = world.said(launch, "pod waiting")
        assert 'cannot start: CreateContainerConfigError: secret "s" not found in namespace. ' in told
        assert told.endswith("Its task fails if that lasts for 60 s (pending_timeout_config).")
        await world.passes(15)
        assert world.outcomes(launch) == [Outcome.FAILED]


async def test_a_waiting_pod_keeps_its_row_fresh_and_a_running_one_does_not():
    async with World() as world:
        waits, runs = world.task("waits"), world.task("runs")
        waiting, running = world.queue_all([waits, runs])
        await world.passes(1)
        world.pod_of(waiting).unschedulable()
        world.runs(running)
        await world.passes(1800)
        assert waits.freshened >= 11
        assert runs.freshened == 0
        assert world.said(waiting, "pod waiting") == [
            f"Pod default/{world.pod_of(waiting).key[1]} is not scheduled: "
            "0/1 nodes are available: 1 Insufficient cpu. Its task stays queued meanwhile."
        ]
        assert world.events(waiting) == []


async def test_a_pod_that_no_node_takes_is_replaced_before_its_token_expires():
    async with World(token_life=1000.0, launch_retries=0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).unschedulable()
        await world.passes(700)
        assert world.created(launch) == 1
        await world.passes(100)
        assert world.created(launch) == 2
        assert len(world.kube.pods) == 1
        assert world.events(launch) == []
