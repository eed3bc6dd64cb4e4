"""A task that waits says what it waits for.

What users suffer: a pod finds no node, its image cannot be pulled, a Secret is missing; the task sits in `queued` and
nobody is told why. One timeout for everything then either fails tasks that an autoscaler would have served, or lets a
misspelled Secret wait for ten minutes.
What we promise: the reason is in the event log and in the file beside the task's log within 30 seconds, once for each
reason; each kind of waiting has its own timeout; a task that waits for room is not failed at all by default. Size: 20
tasks for each reason, in virtual time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from executor.kube.port import PodEvent
from executor.model import Launch, Outcome
from executor.settings import build_settings
from tests.fakes.kube_play import Play
from tests.promises.stage import Cluster
from tests.unit.control.world import World

TASKS = 20
WITHIN = 30.0
HOUR = 3600.0
SETTINGS = build_settings({}, default_deployment_id="d0", template_namespace=None)
AWAY = 'failed to resolve reference "r.io/x:1": unexpected status from HEAD request: 503 Service Unavailable'
NO_VOLUME = PodEvent("FailedMount", 'secret "keys" not found', "Warning", 5, None)
POLICY: dict[str, Any] = {
    "fatal_reasons": SETTINGS.fatal_waiting_reasons,
    "timeout_unschedulable": 3 * HOUR,
    "timeout_pulling": HOUR,
    "timeout_config": 100.0,
}


@dataclass(frozen=True, slots=True)
class Wait:
    """limit: seconds after which POLICY fails the task, None for never; option: what sets that."""

    happens: Callable[[Play], object]
    words: str
    limit: float | None
    option: str = ""
    event: PodEvent | None = None


def gated(play: Play) -> None:
    play.kube.pods[play.key]["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    play.unschedulable("Scheduling is blocked due to non-empty scheduling gates")


WAITS = {
    "no node": Wait(lambda pod: pod.unschedulable(), "1 Insufficient cpu", 3 * HOUR, "pending_timeout_unschedulable"),
    "gate": Wait(gated, "kueue.x-k8s.io/admission", None),
    "registry": Wait(
        lambda pod: pod.waiting("ImagePullBackOff", f'Back-off pulling image "r.io/x:1": ErrImagePull: {AWAY}'),
        "503 Service Unavailable",
        HOUR,
        "pending_timeout_pulling",
    ),
    "Secret": Wait(
        lambda pod: pod.waiting("CreateContainerConfigError", 'secret "s" not found'),
        'secret "s" not found',
        100.0,
        "pending_timeout_config",
    ),
    "volume": Wait(
        lambda pod: pod.scheduled(), 'secret "keys" not found', HOUR, "pending_timeout_pulling", event=NO_VOLUME
    ),
}


async def waiting(world: World, wait: Wait) -> list[Launch]:
    launches = world.queue_all(world.tasks(TASKS))
    await world.passes(1)
    for launch in launches:
        pod = world.pod_of(launch)
        if wait.event is not None:
            world.kube.events[world.kube.pods[pod.key]["metadata"]["uid"]] = [wait.event]
        wait.happens(pod)
    return launches


@pytest.mark.parametrize("reason", WAITS)
async def test_row_15_the_reason_is_told_within_30_s_and_once(reason: str, tmp_path: Path) -> None:
    wait = WAITS[reason]
    async with World(kube=Cluster(), log_folder=tmp_path, **POLICY) as world:
        launches = await waiting(world, wait)
        await world.passes(WITHIN)
        told = [world.said(launch, "pod waiting") for launch in launches]
        assert [(len(texts), wait.words in "".join(texts)) for texts in told] == [(1, True)] * TASKS
        await world.passes(60)
        assert [world.said(launch, "pod waiting") for launch in launches] == told
        assert [world.events(launch) for launch in launches] == [[]] * TASKS

    for launch, texts in zip(launches, told, strict=True):
        file = (tmp_path / f"{launch.log_path}.executor.log").read_text().splitlines()
        assert [json.loads(line)["event"] for line in file] == texts


@pytest.mark.parametrize("reason", [reason for reason, wait in WAITS.items() if wait.limit])
async def test_row_15_each_kind_of_waiting_has_its_own_timeout(reason: str) -> None:
    wait = WAITS[reason]
    assert wait.limit is not None
    async with World(kube=Cluster(), reconcile=300.0, beat=10.0, **POLICY) as world:
        launches = await waiting(world, wait)
        await world.passes(wait.limit - 5)
        assert [world.outcomes(launch) for launch in launches] == [[]] * TASKS
        await world.passes(40)
        assert [world.outcomes(launch) for launch in launches] == [[Outcome.FAILED]] * TASKS
        assert all(wait.option in world.events(launch)[0].info for launch in launches)


async def test_row_15_a_new_reason_is_told_too() -> None:
    async with World(kube=Cluster(), **POLICY) as world:
        (launch, *_) = await waiting(world, WAITS["no node"])
        await world.passes(WITHIN)
        WAITS["registry"].happens(world.pod_of(launch))
        await world.passes(WITHIN)
        first, second = world.said(launch, "pod waiting")
        assert (WAITS["no node"].words in first, WAITS["registry"].words in second) == (True, True)


async def test_row_15_an_autoscaler_that_takes_an_hour_costs_nothing() -> None:
    """With the settings as they are where nobody sets any."""
    defaults: dict[str, Any] = {
        "fatal_reasons": SETTINGS.fatal_waiting_reasons,
        "timeout_unschedulable": SETTINGS.pending_timeout_unschedulable,
        "timeout_pulling": SETTINGS.pending_timeout_pulling,
        "timeout_config": SETTINGS.pending_timeout_config,
    }
    async with World(kube=Cluster(), reconcile=300.0, beat=10.0, **defaults) as world:
        launches = await waiting(world, WAITS["no node"])
        await world.passes(HOUR)
        assert [world.outcomes(launch) for launch in launches] == [[]] * TASKS
        assert min(world.database.tis[launch.ti_id].freshened for launch in launches) > 0
        for launch in launches:
            world.runs(launch)  # a node has come
            world.succeeds(launch)
        await world.passes(30)
        assert {ti.state for ti in world.database.tis.values()} == {"success"}
        assert (sum(map(world.created, launches)), world.slots, world.kube.pods) == (TASKS, 0, {})
