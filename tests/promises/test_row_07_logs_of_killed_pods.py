"""The last lines of a killed pod can still be read when the pod is gone.

What users suffer: a task is killed for its memory or its node is drained; its worker had no time to upload anything,
the pod is deleted, and the log page shows 404.
What we promise: the end of the log of a pod that did not end well is saved before the pod goes (of one that others
delete: as long as it runs), beside the task's own log, and in the remote store where there is one
(`tests/airflow/test_keeping.py`). Pods that never ran their task are no exception: what failed in them is read. Size:
50 tasks for each way to die, in virtual time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from executor.model import Launch
from tests.fakes.kube_play import Play
from tests.promises.stage import Cluster
from tests.unit.control.world import World

TASKS = 50
LAST = "the last words of {0}"


def failed_init(play: Play) -> Play:
    pod = copy.deepcopy(play.scheduled().kube.pods[play.key])
    end = {"exitCode": 7, "reason": "Error"}
    pod["status"] |= {"phase": "Failed", "initContainerStatuses": [{"name": "prepare", "state": {"terminated": end}}]}
    play.kube.store(pod)
    return play


DEATHS: dict[str, Callable[[Play], object]] = {
    "killed": lambda pod: pod.finish(137, "Error"),
    "out of memory": lambda pod: pod.oom(),
    "evicted by its node": lambda pod: pod.evicted(),
    "an init container failed": failed_init,
}


def lines_of(folder: Path, launch: Launch) -> list[str]:
    return (folder / f"{launch.log_path}.executor.log").read_text().splitlines()


@pytest.mark.parametrize("how", DEATHS)
async def test_row_07_the_last_lines_outlive_the_pod(how: str, tmp_path: Path) -> None:
    async with World(kube=Cluster(), log_folder=tmp_path) as world:
        launches = world.queue_all(world.tasks(TASKS))
        await world.passes(2)
        for launch in launches:
            pod = world.pod_of(launch) if how == "an init container failed" else world.runs(launch)
            world.kube.logs[pod.key] = f"a line\n{LAST.format(launch.task_id)}\n"
            DEATHS[how](pod)
        await world.passes(20)
        assert (world.slots, world.kube.pods) == (0, {})

    for launch in launches:
        assert lines_of(tmp_path, launch)[-2:] == ["a line", LAST.format(launch.task_id)]


async def test_row_07_a_pod_that_others_delete_is_heard_to_its_end(tmp_path: Path) -> None:
    """Its log goes with it, so it is followed from the first sign of that; at most 20 at a time."""
    kube = Cluster(stop_after=None)
    async with World(kube=kube, log_folder=tmp_path) as world:
        launches = world.queue_all(world.tasks(15))
        await world.passes(2)
        pods = [world.runs(launch) for launch in launches]
        for pod in pods:
            pod.disrupt()
        await world.passes(1)
        for launch, pod in zip(launches, pods, strict=True):
            kube.writes(pod.key, f"{LAST.format(launch.task_id)}\n")
            pod.stopped(143)
        await world.passes(20)
        assert (world.slots, world.kube.pods) == (0, {})

    for launch in launches:
        assert lines_of(tmp_path, launch)[-1] == LAST.format(launch.task_id)
