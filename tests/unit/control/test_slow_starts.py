"""Pods that take long to start without a word in their status: their events say why."""

from __future__ import annotations

from executor.kube.port import PodEvent
from executor.model import Outcome
from tests.unit.control.world import World

MOUNT = PodEvent("FailedMount", 'secret "no-such" not found', "Warning", 4, None)
PULL = PodEvent("Pulling", "Pulling image", "Normal", 1, None)


async def test_a_volume_that_cannot_be_mounted_is_told_once():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.pod_of(launch).scheduled()
        world.kube.events[world.kube.pods[pod.key]["metadata"]["uid"]] = [PULL, MOUNT]
        await world.passes(8)
        assert (world.said(launch), world.kube.count("list", "events")) == ([], 0)
        await world.passes(60)
        assert [text for text in world.said(launch) if 'FailedMount: secret "no-such" not found' in text] == world.said(
            launch
        )
        assert len(world.said(launch)) == 1
        assert world.events(launch) == []


async def test_it_is_not_waited_for_without_end():
    async with World(timeout_pulling=120.0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.pod_of(launch).scheduled()
        world.kube.events[world.kube.pods[pod.key]["metadata"]["uid"]] = [MOUNT]
        await world.passes(110)
        assert world.events(launch) == []
        await world.passes(20)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert 'FailedMount: secret "no-such" not found' in world.events(launch)[0].info
        assert "Gave up after 120 s" in world.events(launch)[0].info


async def test_a_pod_that_starts_in_time_costs_no_call():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(5)
        world.runs(launch)
        await world.passes(60)
        assert world.kube.count("list", "events") == 0
