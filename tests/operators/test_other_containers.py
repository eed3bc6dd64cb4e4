"""The logs of a task's other containers, which may begin and end after the task's own."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from tests.operators.world import NAMESPACE, World, play


def put(
    world: World, name: str, container: str, state: dict[str, Any], phase: str = "Running", *, init: bool = False
) -> None:
    """One container of a pod is in this state now."""
    pod = copy.deepcopy(world.kube.pods[NAMESPACE, name])
    statuses = pod["status"].setdefault("initContainerStatuses" if init else "containerStatuses", [])
    statuses[:] = [one for one in statuses if one["name"] != container]
    statuses.append({"name": container, "image": "", "state": state, "restartCount": 0})
    pod["status"]["phase"] = phase
    world.kube.store(pod)


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
WAITING = {"waiting": {"reason": "ContainerCreating"}}
ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
BOTH: dict[str, Any] = {"container_logs": ["base", "helper"]}


def test_a_helper_that_starts_after_the_tasks_container_has_ended_is_heard() -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life(**BOTH))
        name = await world.pod()
        world.kube.play(name).scheduled()
        put(world, name, "helper", WAITING)
        put(world, name, "base", ENDED)
        await asyncio.sleep(2)
        world.kube.writes((NAMESPACE, name), "spoken\n")
        put(world, name, "helper", ENDED, "Succeeded")
        assert (await running).state == "success"
        assert world.said.count("[helper] spoken") == 1

    play(story)


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [pytest.param("Running", 60, id="it may start late"), pytest.param("Succeeded", 1, id="the pod is over")],
)
def test_a_helper_that_never_starts_is_not_waited_for_long(phase: str, seconds: float) -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life(**BOTH))
        name = await world.pod()
        world.kube.play(name).scheduled()
        put(world, name, "helper", WAITING)
        put(world, name, "base", ENDED, phase)
        async with asyncio.timeout(seconds):
            assert (await running).state == "success"

    play(story)
