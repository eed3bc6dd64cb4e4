"""A create that was carried out and never answered, whose pod has lived its life before it is asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from executor.errors import ApiError, Unreachable
from executor.identity import LAUNCH_LABEL, SECRET_ANNOTATION
from executor.kube.port import PodRef
from executor.model import Launch, Outcome
from tests.fakes.kube import Call, status_error
from tests.fakes.kube_play import Play
from tests.unit.control.pods import holding_creates, losing_the_first_answer
from tests.unit.control.world import JOB, Cluster, World


async def queued(world: World, retries: int) -> Launch:
    """Its pod runs, and the executor does not know that it created it."""
    launch = world.queue(world.task("a", retries=retries))
    await world.passes(0.2)
    world.runs(launch)
    return launch


def evicted(pod: Play) -> None:
    pod.evicted()


def deleted(pod: Play) -> None:
    pod.deleted().stopped(143)


def vanished(pod: Play) -> None:
    pod.vanish()


@pytest.mark.parametrize("end", [evicted, deleted, vanished])
async def test_a_disruption_meanwhile_is_seen_as_one(end: Callable[[Play], None]) -> None:
    async with World(kube=losing_the_first_answer([])) as world:
        launch = await queued(world, retries=1)
        end(world.pod_of(launch))
        await world.passes(60)
        ti = world.database.tis[launch.ti_id]
        assert world.created(launch) == 1
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert (ti.state, ti.max_tries, world.database.given_back) == ("up_for_retry", 2, [launch.id])
        assert (world.kube.pods, world.slots) == ({}, 0)


async def test_an_end_meanwhile_is_told_as_it_was() -> None:
    async with World(kube=losing_the_first_answer([])) as world:
        launch = await queued(world, retries=0)
        world.pod_of(launch).oom()
        await world.passes(60)
        (event,) = world.events(launch)
        assert "OOMKilled" in event.info
        assert world.created(launch) == 1


async def test_a_success_meanwhile_takes_no_second_pod() -> None:
    async with World(kube=losing_the_first_answer([])) as world:
        launch = await queued(world, retries=0)
        world.succeeds(launch)
        await world.passes(60)
        assert (world.created(launch), world.settled(launch), world.events(launch)) == (1, 1, [])
        assert (world.kube.pods, world.kube.secrets, world.slots) == ({}, {}, 0)


@pytest.mark.parametrize("end", [evicted, deleted, vanished])
async def test_one_that_never_started_gets_another_pod(end: Callable[[Play], None]) -> None:
    async with World(kube=losing_the_first_answer([])) as world:
        launch = world.queue(world.task("a"))
        await world.passes(0.2)
        end(world.pod_of(launch))
        await world.passes(60)
        assert world.created(launch) == 2
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (world.events(launch), world.kube.pods, world.slots) == ([], {}, 0)


async def test_a_secret_that_nobody_waits_for_any_more_refuses_no_launch() -> None:
    """Its pod was evicted before it could be created; the launch's next pod has a Secret of its own."""
    first: list[str] = []

    def fail(call: Call) -> ApiError | None:
        if (call.verb, call.resource) != ("create", "secrets"):
            return None
        first.append(call.name)
        return Unreachable("connection reset") if call.name == first[0] else None

    async with World(kube=Cluster(fail=fail)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(0.2)
        world.pod_of(launch).evicted()
        await world.passes(20)
        assert (world.created(launch), world.events(launch)) == (2, [])
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (world.settled(launch), world.slots) == (1, 0)


async def test_a_pod_is_left_to_the_scheduler_that_took_its_launch_over() -> None:
    """The answer comes when the row names another scheduler's job already, which follows the pod."""
    kube = Cluster()
    carry_out = kube.create_pod

    async def create_pod(namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        ref = await carry_out(namespace, manifest)
        await asyncio.sleep(10)
        return ref

    kube.create_pod = create_pod  # type: ignore[method-assign]
    async with World(kube=kube, reconcile=1) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.database.tis[launch.ti_id].queued_by_job_id = JOB + 1
        await world.passes(20)
        assert (world.settled(launch), world.events(launch)) == (1, [])
        assert len(world.pods_of(launch)) == 1


async def test_nor_does_that_of_a_batch_whose_pod_was_there_already() -> None:
    """The launch's first pod was found again, ended, and mounts the Secret of an earlier batch; the next one waits."""
    secrets: list[str] = []
    kube, away = losing_the_first_answer([]), False

    def fail(call: Call) -> ApiError | None:
        if call.verb == "create" and call.resource == "secrets":
            secrets.append(call.name)
            return Unreachable("connection reset") if call.name != secrets[0] else None
        return Unreachable("connection reset") if away and call.verb == "create" else None

    kube.fail = fail
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(0.9)  # it was asked for once more
        assert len(secrets) > 1
        away = True
        world.pod_of(launch).deleted().stopped()
        await world.passes(20)
        assert world.events(launch) == []


async def test_a_pod_that_did_its_work_before_its_create_was_asked_for_again_goes_with_its_launch() -> None:
    """Creates are held for minutes; the watch has shown it meanwhile."""
    async with World(kube=holding_creates()) as world:
        held, launch = world.queue_all(world.tasks(2))
        await world.passes(1)
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(45)
        assert (world.settled(launch), world.pods_of(launch)) == (1, [])
        assert world.created(held) == 0


def answering_secrets(*answers: ApiError | None) -> Cluster:
    """The first create of a pod is carried out and not answered; creates of the first Secret are answered like this."""
    first: list[str] = []
    left = list(answers)

    def fail(call: Call) -> ApiError | None:
        if (call.verb, call.resource) != ("create", "secrets"):
            return None
        first.append(call.name)
        return left.pop(0) if left and call.name == first[0] else None

    kube = losing_the_first_answer([])
    kube.fail = fail
    return kube


def forbidden() -> ApiError:
    return status_error(403, "Forbidden", "secrets is forbidden", kind="secrets")


async def test_a_pod_that_was_met_again_goes_when_its_secret_is_refused() -> None:
    """It is asked for again while its Secret is still being tried."""
    kube = answering_secrets(*(Unreachable("connection reset") for _ in range(4)), forbidden())
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(60)
        (event,) = world.events(launch)
        assert "Secret could not be created" in event.info
        assert (world.created(launch), kube.pods, kube.secrets, world.slots) == (1, {}, {}, 0)


async def test_a_pod_that_was_met_again_and_whose_secret_cannot_be_made_is_replaced() -> None:
    """It was refused to the batch that posted the pod; it would wait for its volume for ever."""
    kube = answering_secrets(forbidden(), Unreachable("connection reset"))
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(20)
        assert world.created(launch) == 2
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (world.settled(launch), world.events(launch), kube.pods, kube.secrets) == (1, [], {}, {})


async def test_pods_that_were_met_again_never_wait_for_a_secret_that_lacks_their_workload() -> None:
    """Their batch's was refused; a Secret made for the first of them would lack the others' workloads."""
    asked: list[str] = []

    def lose(call: Call) -> ApiError | None:
        asked.append(call.name)
        lost = (call.verb, call.resource) == ("create", "pods") and asked.count(call.name) == 1
        return Unreachable("connection reset") if lost else None

    kube = answering_secrets(forbidden())
    kube.lose_answer = lose
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(3))
        await world.passes(20)
        mounted = {
            pod["metadata"]["labels"][LAUNCH_LABEL]: kube.secrets[
                "default", pod["metadata"]["annotations"][SECRET_ANNOTATION]
            ]
            for pod in kube.pods.values()
        }
        assert len(mounted) == 3
        assert [launch.id in mounted[launch.id].data for launch in launches] == [True, True, True]


async def test_a_pod_that_was_met_again_keeps_its_place_while_nobody_says_that_its_secret_is_missing() -> None:
    """The Secret is there, so the pod may start at any moment: a second one would be turned away, and fail the task."""
    kube = losing_the_first_answer([])
    kube.fail = lambda call: forbidden() if (call.verb, call.resource) == ("patch", "secrets") else None
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(60)
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (world.created(launch), world.settled(launch), world.events(launch), kube.pods) == (1, 1, [], {})
