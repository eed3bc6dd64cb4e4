"""A task that is told to stop before it is done has not succeeded, and it gets the time its pod allows.

What users suffer: a spot node is drained, the worker gets SIGTERM and ends with 0, and its task is marked a success;
or the task fails at random, at the cost of a retry; and nobody can say how long the pod is given.
What we promise: SIGTERM in any phase leads to another pod or to a failure that Airflow retries, never to success,
unless the worker itself reported it; no retry is spent; a pod within its grace period is let alone, and what the
executor itself deletes gets the grace period of its pod. One task for each phase and exit code, in virtual time; the
last on a real API.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from executor.demo.processes import wait_until
from executor.model import Launch, Outcome
from tests.fakes.kube_play import Play
from tests.promises.stage_more import DefaultsWorld
from tests.promises.wire import PATIENCE, Driven, Namespace
from tests.unit.control.world import Cluster, World

GRACE = 600


def pending(world: World, launch: Launch) -> Play:
    return world.pod_of(launch)


def placed(world: World, launch: Launch) -> Play:
    return world.pod_of(launch).scheduled()


def starting(world: World, launch: Launch) -> Play:
    """Its worker imports Airflow: the row is still queued."""
    return world.pod_of(launch).running()


def told_to_stop(pod: Play, how: str) -> None:
    pod.disrupt(grace=GRACE) if how == "evicted" else pod.deleted(grace=GRACE)


@pytest.mark.parametrize("how", ["evicted", "deleted"])
@pytest.mark.parametrize("exit_code", [0, 1, 137, 143])
@pytest.mark.parametrize("phase", [pending, placed, starting])
async def test_row_27_before_the_task_began_it_is_launched_again(
    phase: Callable[[World, Launch], Play], exit_code: int, how: str
) -> None:
    async with DefaultsWorld(kube=Cluster(stop_after=None)) as world:
        ti = world.task("a", retries=1)
        launch = world.queue(ti)
        await world.passes(1)
        pod = phase(world, launch)
        told_to_stop(pod, how)
        await world.passes(20)
        pod.stopped(exit_code)
        await world.passes(60)
        assert (ti.state, ti.try_number, ti.max_tries) == ("queued", 1, 1)
        assert (world.created(launch), world.outcomes(launch)) == (2, [])
        world.runs(launch)
        world.succeeds(launch).stopped()
        await world.passes(60)
        assert (ti.state, world.slots) == ("success", 0)


@pytest.mark.parametrize("how", ["evicted", "deleted"])
@pytest.mark.parametrize("exit_code", [0, 1, 137, 143])
@pytest.mark.parametrize(("retries", "number"), [(0, 1), (1, 1), (1, 2)], ids=["no retries", "first try", "last try"])
async def test_row_27_a_running_task_is_no_success(retries: int, number: int, exit_code: int, how: str) -> None:
    """Exit code 0 is the usual one: Airflow's worker hands SIGTERM on and ends in good order."""
    async with DefaultsWorld(kube=Cluster(stop_after=None)) as world:
        ti = world.task("a", retries=retries)
        ti.try_number = number
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        await world.passes(5)
        told_to_stop(pod, how)
        await world.passes(GRACE - 30)
        assert (ti.state, world.outcomes(launch)) == ("running", []), "it has its grace period"
        assert world.kube.count("delete") == 0
        pod.stopped(exit_code)
        await world.passes(30)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert (ti.state, ti.max_tries) == (("up_for_retry", 2) if retries else ("failed", 0))
        assert (world.kube.pods, world.slots) == ({}, 0)


@pytest.mark.parametrize(("reported", "max_tries"), [("up_for_retry", 2), ("failed", 1), ("success", 1)])
async def test_row_27_what_the_worker_itself_reports_counts(reported: str, max_tries: int) -> None:
    async with DefaultsWorld(kube=Cluster(stop_after=None)) as world:
        ti = world.task("a", retries=1)
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        told_to_stop(pod, "evicted")
        await world.passes(20)
        ti.state = reported
        await world.passes(1)
        pod.stopped(0)
        await world.passes(60)
        assert (ti.state, ti.max_tries) == (reported, max_tries)
        assert (world.outcomes(launch), world.slots) == ([], 0)


def test_row_27_what_we_delete_has_the_grace_period_of_its_pod(driven: Driven, namespace: Namespace) -> None:
    """The user, or the scheduler, takes a running task back: its pod is told to stop, not killed."""
    spec: dict[str, Any] = {"nodeName": "node-1", "terminationGracePeriodSeconds": GRACE}
    ti = driven.rows.add("a", config={"pod_override": {"spec": spec}})
    (launch,) = driven.queue(ti)
    (pod,) = driven.beat_until("its pod", lambda: namespace.pods_of(launch))
    namespace.running(pod)

    driven.executor.revoke_task(ti=driven.rows.workload(ti).ti)

    def deletion() -> Any:
        return namespace.pods_of(launch)[0]["metadata"].get("deletionGracePeriodSeconds")

    assert driven.beat_until("the delete", deletion) == GRACE
    namespace.delete(pod)
    wait_until("its end", lambda: not namespace.pods(), PATIENCE)
